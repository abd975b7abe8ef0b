/* base/progress.c - calls that accept silence; see progress.h. */
#include "base/progress.h"

#include <stdarg.h>
#include <stdio.h>

void cop_progress_step(
    const struct cop_progress *progress, const char *what, int64_t done, int64_t total)
{
    if (progress == NULL || progress->step == NULL) return;
    progress->step(progress->context, what, done, total);
}

void cop_progress_note(const struct cop_progress *progress, const char *format, ...)
{
    if (progress == NULL || progress->note == NULL) return;
    char line[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    progress->note(progress->context, line);
}

enum cop_status cop_progress_check(
    const struct cop_progress *progress, struct cop_err *err)
{
    if (progress == NULL || progress->stop == NULL) return COP_OK;
    if (progress->stop(progress->context) == 0) return COP_OK;
    return COP_FAIL(err, COP_EINTR, "interrupted");
}
