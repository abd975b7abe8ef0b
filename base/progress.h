/* base/progress.h - how long work tells how far it is and learns that it must stop.
 *
 * A plain value passed by const pointer; NULL is allowed everywhere and means silence.
 * The callbacks may be called from one thread at a time. */
#ifndef COP_BASE_PROGRESS_H
#define COP_BASE_PROGRESS_H

#include "base/err.h"

#include <stdint.h>

struct cop_progress {
    void *context;
    /* done of total steps of "what"; total 0: unknown */
    void (*step)(void *context, const char *what, int64_t done, int64_t total);
    /* one line of lasting news */
    void (*note)(void *context, const char *line);
    /* non-zero: stop as soon as the step in hand is stored */
    int (*stop)(void *context);
};

void cop_progress_step(
    const struct cop_progress *progress, const char *what, int64_t done, int64_t total);
void cop_progress_note(const struct cop_progress *progress, const char *format, ...)
    COP_PRINTF(2, 3);
/** COP_EINTR "interrupted" when the user asked to stop, else COP_OK. */
COP_NODISCARD enum cop_status cop_progress_check(
    const struct cop_progress *progress, struct cop_err *err);

#endif
