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

/* What the threads of one loop share. */
struct loop {
    enum cop_status (*body)(void *context, int64_t i, struct cop_err *err);
    void *context;
    atomic_llong lowest; /* item that failed */
    struct cop_err first;
};

/* Items above a failed one are skipped, items below still run: whichever thread is
 * faster, the lowest failure wins. */
static void run_item(struct loop *loop, int64_t i)
{
    if (i >= atomic_load(&loop->lowest)) return;
    struct cop_err mine = {.status = COP_OK};
    enum cop_status status = loop->body(loop->context, i, &mine);
    if (status == COP_OK) return;
    mine.status = status;
#pragma omp critical(cop_par_for_error)
    if (i < atomic_load(&loop->lowest)) {
        atomic_store(&loop->lowest, i);
        loop->first = mine;
    }
}

/* With an item per thread, item i goes to thread i: there is nothing to balance, and what a
 * thread wrote it finds in its cache in the next loop. */
enum cop_status cop_par_for(
    int64_t n,
    enum cop_status (*body)(void *context, int64_t i, struct cop_err *err),
    void *context,
    struct cop_err *err)
{
    struct loop loop = {.body = body, .context = context, .first = {.status = COP_OK}};
    atomic_init(&loop.lowest, n);
    if (n <= omp_get_max_threads()) {
#pragma omp parallel for schedule(static) default(none) shared(n, loop)
        for (int64_t i = 0; i < n; i++)
            run_item(&loop, i);
    } else {
#pragma omp parallel for schedule(dynamic) default(none) shared(n, loop)
        for (int64_t i = 0; i < n; i++)
            run_item(&loop, i);
    }
    if (err != NULL && loop.first.status != COP_OK) *err = loop.first;
    return loop.first.status;
}
