/* tests/cli/shorten.c - shortens a file some time after a command has mapped it.
 *
 * usage: shorten FILE MILLISECONDS COMMAND ARGUMENT...
 * Ends with the command's exit status, 128 and the signal if one killed it, or 99 if the
 * command ended without mapping the file. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool has_mapped(pid_t process, const char *file)
{
    char path[64];
    char line[4400];
    bool is_found = false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)process);
    FILE *maps = fopen(path, "r");
    while (maps != NULL && !is_found && fgets(line, sizeof line, maps) != NULL)
        is_found = strstr(line, file) != NULL;
    if (maps != NULL) fclose(maps);
    return is_found;
}

int main(int n_args, char **args)
{
    if (n_args < 4) return 2;
    const struct timespec pause = {.tv_nsec = 20000};
    const pid_t child = fork();
    int how = 0;
    if (child == 0) {
        execvp(args[3], args + 3);
        _exit(127);
    }
    while (!has_mapped(child, args[1])) {
        if (waitpid(child, &how, WNOHANG) != 0) return 99;
        nanosleep(&pause, NULL);
    }
    const struct timespec wait = {.tv_nsec = 1000000 * strtol(args[2], NULL, 10)};
    nanosleep(&wait, NULL);
    if (truncate(args[1], 4096) != 0 || waitpid(child, &how, 0) != child) return 98;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}
