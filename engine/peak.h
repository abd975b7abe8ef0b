/* engine/peak.h - what this machine can do at most: the roof that steps are held against
 * (Williams, Waterman, Patterson, "Roofline", 2009). */
#ifndef COP_ENGINE_PEAK_H
#define COP_ENGINE_PEAK_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct cop_peak {
    int threads;
    double gflops;        /* fp32 multiply-adds out of registers; one counts two */
    double gb_per_s;      /* reading memory in order; 1e9 bytes */
    int64_t buffer_bytes; /* that were read over and over, of all threads together */
    int64_t cache_bytes;  /* of the last level, 0: unknown */
};

/** The best of many short trials of @p threads threads, each pinned; about a second.  The buffer is twice the last cache, if that is known and memory is not short:
 *  see buffer_bytes against cache_bytes.  COP_EINVAL without as many processors,
 *  COP_ENOMEM, COP_EENGINE. */
COP_NODISCARD enum cop_status cop_peak_measure(
    int threads, struct cop_peak *peak, struct cop_err *err);

/** The least time in milliseconds that @p flops and @p bytes can take; *is_memory tells
 *  which of the two it is. */
double cop_peak_least_ms(
    const struct cop_peak *peak, int64_t flops, int64_t bytes, bool *is_memory);

#endif
