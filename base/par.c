/* base/par.c - threads through OpenMP; see par.h. */
#include "base/par.h"

#include "base/thread.h"

#include <omp.h>
#include <stdatomic.h>
#include <stddef.h>

/* The OpenMP run time asks the affinity mask of the process, so taskset is respected. */
int cop_par_max_threads(void)
{
    return omp_get_num_procs();
}

void cop_par_set_threads(int n)
{
    omp_set_num_threads(n > 1 ? n : 1);
}

int cop_par_threads(void)
{
    return omp_get_max_threads();
}

/* The run time keeps the threads of a team, in their order, as long as the thread that
 * started them lives. */
bool cop_par_pin(const int *processors, int n)
{
    cop_par_set_threads(n);
    atomic_int n_pinned = 0;
#pragma omp parallel num_threads(n) default(none) shared(processors, n_pinned)
    if (cop_thread_pin(&processors[omp_get_thread_num()], 1))
        (void)atomic_fetch_add(&n_pinned, 1);
    return atomic_load(&n_pinned) == n;
}

/* Items above a failed one are skipped, items below still run: whichever thread is
 * faster, the lowest failure wins. */
enum cop_status cop_par_for(
    int64_t n,
    enum cop_status (*body)(void *context, int64_t i, struct cop_err *err),
    void *context,
    struct cop_err *err)
{
    atomic_llong lowest = n;
    struct cop_err first = {.status = COP_OK};
#pragma omp parallel for schedule(dynamic) default(none)                               \
    shared(n, body, context, lowest, first)
    for (int64_t i = 0; i < n; i++) {
        if (i >= atomic_load(&lowest)) continue;
        struct cop_err mine = {.status = COP_OK};
        enum cop_status status = body(context, i, &mine);
        if (status == COP_OK) continue;
        mine.status = status;
#pragma omp critical(cop_par_for_error)
        if (i < atomic_load(&lowest)) {
            atomic_store(&lowest, i);
            first = mine;
        }
    }
    if (err != NULL && first.status != COP_OK) *err = first;
    return first.status;
}
