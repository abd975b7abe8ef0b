/* cli/main.c - one command: parse, run, clean up, exit status.
 *
 * The only writable global is the signal flag: a handler can reach nothing else.  The
 * first SIGINT or SIGTERM asks the work to stop after the step in hand (cop_progress
 * .stop reads the flag); the second ends the process at once. */
#include "base/par.h"
#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/mapped_file.h"
#include "prune/blas.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exit statuses, as documented by every help. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_BAD_INPUT = 3,
    EXIT_LIMITS = 4,
    EXIT_STORE = 5,
    EXIT_SIGNAL = 128, /* plus the signal */
};

static volatile sig_atomic_t stop_signal;

static void handle_stop(int number)
{
    stop_signal = number;
    /* The next one finds the default action: the process ends. */
    struct sigaction action = {.sa_handler = SIG_DFL};
    (void)sigaction(number, &action, NULL);
}

static void say(const char *text)
{
    const ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* there is nobody else to tell */
}

/* Models and records are read through mappings.  When somebody shortens such a file, or its
 * disk fails, the next read raises SIGBUS in whichever thread reads, where no error can be
 * returned from. */
static void handle_lost_bytes(int number, siginfo_t *info, void *context)
{
    (void)context;
    char line[COP_MAPPED_LINE];
    const char *path = cop_cli_mapped_file(info->si_addr, line);
    if (path == NULL) {
        /* The same instruction runs again and meets the default action. */
        struct sigaction action = {.sa_handler = SIG_DFL};
        (void)sigaction(number, &action, NULL);
        return;
    }
    say("coppice: '");
    say(path);
    say("' was shortened while it was read, or its disk fails\n");
    _exit(EXIT_BAD_INPUT);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = handle_stop, .sa_flags = SA_RESTART};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    /* A reader that has gone away shows as a failed write, told at the end. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    struct sigaction lost = {.sa_sigaction = handle_lost_bytes, .sa_flags = SA_SIGINFO};
    (void)sigaction(SIGBUS, &lost, NULL);
}

static int exit_status(enum cop_status status)
{
    switch (status) {
    case COP_OK: return EXIT_DONE;
    case COP_EINVAL: return EXIT_USAGE;
    case COP_EFORMAT:
    case COP_EUNSUPPORTED:
    case COP_ESHAPE:
    case COP_ENOTFOUND: return EXIT_BAD_INPUT;
    case COP_ELIMIT: return EXIT_LIMITS;
    case COP_ESTORE: return EXIT_STORE;
    case COP_EINTR: return EXIT_SIGNAL + (stop_signal != 0 ? stop_signal : SIGINT);
    case COP_ENOMEM:
    case COP_EIO:
    case COP_EENGINE: return EXIT_FAILED;
    }
    return EXIT_FAILED;
}

static bool is_colored(const struct cop_cli *cli)
{
    const char *term = getenv("TERM");
    return !cli->is_no_color && isatty(STDERR_FILENO) != 0 &&
           getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
}

static void print_error(
    const struct cop_cli *cli,
    const struct cop_command *command,
    enum cop_status status,
    const struct cop_err *err)
{
    const bool has_text = err->status == status && err->text[0] != 0;
    const bool is_color = is_colored(cli);
    fprintf(
        stderr,
        "%scoppice:%s %s\n",
        is_color ? "\033[1;31m" : "",
        is_color ? "\033[0m" : "",
        has_text ? err->text : cop_status_text(status));
    if (status == COP_EINVAL && command->verb != NULL)
        fprintf(stderr, "'coppice %s --help' tells more\n", command->verb->name);
}

static enum cop_status run_command(
    struct cop_cli *cli,
    int argc,
    char **argv,
    struct cop_command *command,
    struct cop_err *err)
{
    COP_TRY(cop_command_parse(cli, argc, argv, command, err));
    if (cli->is_version) {
        printf("coppice %s\n", COPPICE_VERSION);
        return COP_OK;
    }
    if (command->is_help_verb) return cop_help_words(cli->words, cli->n_words, err);
    if (cli->is_help && command->verb != NULL) {
        cop_help_verb(command->verb);
        return COP_OK;
    }
    if (cli->is_help || command->verb == NULL) {
        cop_help_overview(!cli->is_help);
        return cli->is_help ? COP_OK : COP_FAIL(err, COP_EINVAL, "no verb given");
    }
    if (cli->threads > 0) cop_par_set_threads((int)cli->threads);
    return command->verb->run(cli, command->options, err);
}

/* Whether everything printed has arrived; a reader that left early is no error of ours,
 * but the status says so as for any program that a closed pipe ends. */
static int flush_status(int status)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) return status;
    if (errno == EPIPE) return status != EXIT_DONE ? status : EXIT_SIGNAL + SIGPIPE;
    fprintf(stderr, "coppice: writing the result failed: %s\n", strerror(errno));
    return status != EXIT_DONE ? status : EXIT_FAILED;
}

/* OpenBLAS chose its kernels before main: where they are the wrong ones the program starts
 * itself once more, with a word to the library.  If that fails, all is only slower. */
static void choose_blas_kernels(char **argv)
{
    const char *core = cop_blas_better_core();
    if (core == NULL || getenv("OPENBLAS_CORETYPE") != NULL) return;
    char path[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0 || setenv("OPENBLAS_CORETYPE", core, 1) != 0) return;
    path[n] = '\0';
    (void)execv(path, argv);
}

int main(int argc, char **argv)
{
    choose_blas_kernels(argv);
    install_signals();
    struct cop_cli cli = {.arena = cop_arena_create()};
    struct cop_command command = {.verb = NULL};
    struct cop_err err = {.status = COP_OK};
    struct cop_bar bar;
    if (cli.arena == NULL) {
        fputs("coppice: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    /* Known before parsing, which may fail and must tell so. */
    for (int i = 1; i < argc; ++i)
        cli.is_no_color = cli.is_no_color || strcmp(argv[i], "--no-color") == 0;
    cop_bar_init(&bar, &cli.is_quiet, &stop_signal, &cli.progress);
    const enum cop_status status = run_command(&cli, argc, argv, &command, &err);
    cop_bar_clear(&bar);
    if (status != COP_OK) print_error(&cli, &command, status, &err);
    cop_engine_destroy(cli.engine);
    cop_store_close(cli.store);
    cop_arena_destroy(cli.arena);
    return flush_status(exit_status(status));
}
