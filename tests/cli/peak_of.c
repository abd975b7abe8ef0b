/* tests/cli/peak_of.c - the most memory that a command had at once.
 *
 * usage: peak_of FILE COMMAND ARGUMENT...
 * Runs the command, writes the bytes of its peak resident set to FILE and ends with its exit
 * status. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int n_args, char **args)
{
    if (n_args < 3) return 2;
    struct rusage usage;
    int how = 0;
    const pid_t child = fork();
    if (child == 0) {
        execvp(args[2], args + 2);
        _exit(127);
    }
    if (waitpid(child, &how, 0) != child || !WIFEXITED(how)) return 98;
    if (getrusage(RUSAGE_CHILDREN, &usage) != 0) return 98;
    FILE *file = fopen(args[1], "w");
    if (file == NULL) return 98;
    fprintf(file, "%ld\n", usage.ru_maxrss * 1024);
    return fclose(file) == 0 ? WEXITSTATUS(how) : 98;
}
