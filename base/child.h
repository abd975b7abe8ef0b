/* base/child.h - work that may crash or never end, done in a process of its own.
 *
 * For code of others that must read what strangers wrote.  A fork, not a sandbox: it keeps
 * crashes, endless loops and wild allocations away from the caller, but the child has the
 * user's rights.  The body must not use OpenMP, whose threads do not survive a fork. */
#ifndef COP_BASE_CHILD_H
#define COP_BASE_CHILD_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

struct cop_child_job {
    const char *name; /* for messages: "the HDF5 library" */
    /** Runs in the child; writes at most @p cap bytes of @p result and sets *n. */
    enum cop_status (*body)(
        void *context, void *result, size_t cap, size_t *n, struct cop_err *err);
    void *context;
    size_t max_result_bytes; /* > 0; only what is written takes memory */
    size_t max_memory_bytes; /* address space beyond what the caller has already */
    int max_ms;              /* of processor time */
};

/** Runs job->body in a child process and waits for it.
 *  *result holds the bytes that it wrote; the caller releases it.
 *  The status and text of the body, or COP_EFORMAT when it crashed or was stopped at a
 *  limit, COP_EIO when no process can be started, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_child_run(
    const struct cop_child_job *job, struct cop_buf **result, struct cop_err *err);

#endif
