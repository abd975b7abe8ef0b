/* base/par.h - threads; the only folder that includes omp.h. */
#ifndef COP_BASE_PAR_H
#define COP_BASE_PAR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/** Processors this process may use. */
int cop_par_max_threads(void);
/** OpenMP threads of parallel regions started by the calling thread; n >= 1. */
void cop_par_set_threads(int n);
int cop_par_threads(void);
/** Makes a team of @p n OpenMP threads for the calling thread, and keeps thread i of it
 *  on processors[i]; the calling thread is thread 0.  False where the system refuses. */
bool cop_par_pin(const int *processors, int n);

/** Calls body(context, i, err_i) for 0 <= i < n on several threads in any order.  On
 *  failure the error of the lowest failing i is reported, so messages repeat. */
COP_NODISCARD enum cop_status cop_par_for(
    int64_t n,
    enum cop_status (*body)(void *context, int64_t i, struct cop_err *err),
    void *context,
    struct cop_err *err);

#endif
