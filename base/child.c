/* base/child.c - a forked process with limits; see child.h.
 *
 * The child writes its result, status and text into memory that both share.  The parent
 * believes none of it: a child that crashed may have written anything. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/** At the start of the shared memory; the result follows. */
struct head {
    enum cop_status status;
    size_t n;
    char text[sizeof((struct cop_err *)0)->text];
};
enum { HEAD_BYTES = 512 };
_Static_assert(sizeof(struct head) <= HEAD_BYTES, "the head has its own room");

/* ---- the child ---------------------------------------------------------------------------- */

/* Address space in use; 0 where the system does not tell. */
static size_t used_bytes(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL) return 0;
    if (fscanf(statm, "%lu", &pages) != 1) pages = 0;
    (void)fclose(statm);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, size_t most)
{
    struct rlimit both;
    if (getrlimit((__rlimit_resource_t)resource, &both) != 0) return;
    if (both.rlim_max != RLIM_INFINITY && both.rlim_max < most) return;
    both.rlim_cur = most;
    (void)setrlimit((__rlimit_resource_t)resource, &both);
}

static void set_limits(const struct cop_child_job *job)
{
    const size_t used = used_bytes();
    if (used != 0) limit(RLIMIT_AS, used + job->max_memory_bytes);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
    const struct itimerval clock = {
        .it_value = {
            .tv_sec = job->max_ms / 1000, .tv_usec = job->max_ms % 1000 * 1000L}};
    (void)setitimer(ITIMER_PROF, &clock, NULL);
}

/* A crash is the parent's to report: no handler of the program's, no words of the C
 * library's.  A sanitizer's findings stay visible. */
static void be_quiet(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGPROF};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        (void)signal(crashes[i], SIG_DFL);
#if !defined(__SANITIZE_ADDRESS__)
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere < 0) return;
    (void)dup2(nowhere, STDOUT_FILENO);
    (void)dup2(nowhere, STDERR_FILENO);
#endif
}

_Noreturn static void be_child(const struct cop_child_job *job, char *room)
{
    struct cop_err err = {.text = ""};
    struct head head = {0};
    be_quiet();
    set_limits(job);
    head.status = job->body(
        job->context, room + HEAD_BYTES, job->max_result_bytes, &head.n, &err);
    memcpy(head.text, err.text, sizeof head.text);
    memcpy(room, &head, sizeof head);
    _exit(0);
}

/* ---- the parent --------------------------------------------------------------------------- */

static enum cop_status await(
    const struct cop_child_job *job, pid_t child, struct cop_err *err)
{
    int how = 0;
    while (waitpid(child, &how, 0) < 0) {
        if (errno != EINTR)
            return COP_FAIL(
                err, COP_EIO, "%s: lost sight of it: %s", job->name, strerror(errno));
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return COP_OK;
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGPROF)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "%s came to no end within %g s",
            job->name,
            job->max_ms / 1000.0);
    if (WIFSIGNALED(how))
        return COP_FAIL(
            err, COP_EFORMAT, "%s crashed (signal %d)", job->name, WTERMSIG(how));
    return COP_FAIL(
        err, COP_EFORMAT, "%s gave up (exit status %d)", job->name, WEXITSTATUS(how));
}

static bool is_status(enum cop_status status)
{
    switch (status) {
#define COP_STATUS_CASE(name, text) case COP_##name:
        COP_STATUS_MAP(COP_STATUS_CASE)
#undef COP_STATUS_CASE
        return true;
    }
    return false;
}

static enum cop_status take_result(
    const struct cop_child_job *job,
    struct cop_buf *room,
    struct cop_buf **result,
    struct cop_err *err)
{
    struct head head;
    memcpy(&head, cop_buf_data(room), sizeof head);
    head.text[sizeof head.text - 1] = '\0';
    if (!is_status(head.status) || head.n > job->max_result_bytes)
        return COP_FAIL(err, COP_EFORMAT, "%s left no result", job->name);
    if (head.status != COP_OK) return COP_FAIL(err, head.status, "%s", head.text);
    return cop_buf_view(room, HEAD_BYTES, head.n, result, err);
}

enum cop_status cop_child_run(
    const struct cop_child_job *job, struct cop_buf **result, struct cop_err *err)
{
    struct cop_buf *room = NULL;
    COP_TRY(cop_buf_create_common(HEAD_BYTES + job->max_result_bytes, &room, err));
    /* Unless the child replaces it, the head is no valid one. */
    struct head unfinished = {.n = SIZE_MAX};
    memcpy(cop_buf_mutable(room), &unfinished, sizeof unfinished);
    pid_t child = fork();
    if (child == 0) be_child(job, cop_buf_mutable(room));
    enum cop_status status =
        child > 0 ? await(job, child, err)
                  : COP_FAIL(err, COP_EIO, "cannot fork: %s", strerror(errno));
    if (status == COP_OK) status = take_result(job, room, result, err);
    cop_buf_release(room);
    return status;
}
