/* bench/plan_memory.c - does making, running and destroying plans leak memory?
 *
 *   plan_memory [PLANS]     10,000 without a number
 *
 * Half of the plans are made from random networks, those of the prune oracle, in every kind
 * of use; then the very same half once more.  What is kept on purpose, oneDNN's bounded
 * cache of primitives above all, the first half leaves as the second does.  So neither the
 * heap nor the process may be larger after the second half than after the first.  Exit
 * status 1 when one is. */
#include "base/clock.h"
#include "engine/engine.h"
#include "support/random_net.h"
#include "support/test.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_BATCH = 4, MOST_OUTPUTS = 16 };

/* malloc counts blocks that it keeps for its own next use as given out: some 10 kB, to and
 * fro.  Of 5,000 plans each may then leave 13 bytes, of 150 each 437. */
static const int64_t HEAP_SLACK_BYTES = 64 << 10;
/* Besides, code that oneDNN generates lies outside the heap, in whole pages. */
static const int64_t PROCESS_SLACK_BYTES = 4 << 20;

struct memory {
    int64_t heap_bytes;    /* in use, as malloc counts */
    int64_t process_bytes; /* resident */
};

static struct memory measure(void)
{
    malloc_trim(0);
    const struct mallinfo2 info = mallinfo2();
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*s %lld", &pages), 1);
    fclose(file);
    return (struct memory){
        .heap_bytes = (int64_t)(info.uordblks + info.hblkhd),
        .process_bytes = pages * 4096,
    };
}

static void run(struct cop_plan *plan, enum cop_purpose purpose, const float *x)
{
    struct cop_err err;
    float y[MOST_BATCH * MOST_OUTPUTS];
    assert_true(cop_shape_n(cop_plan_end_shape(plan, 0)) <= MOST_BATCH * MOST_OUTPUTS);
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, (float *const[]){y}, &err));
    if (purpose == COP_PURPOSE_BACKWARD)
        assert_ok(cop_plan_backward(plan, (const float *const[]){y}, &err));
}

/* A plan's whole life; the seed chooses the network and how it is used. */
static void live(struct cop_engine *engine, uint64_t seed)
{
    struct cop_err err;
    struct test_net net = random_net_make(seed);
    const struct cop_value *tap = cop_graph_node(net.graph, 0)->dst[0];
    const struct cop_plan_options options = {
        .mb = 1 + (int64_t)(seed % MOST_BATCH),
        .threads = (int)(seed / 4 % 3),
        .purpose = seed % 5 == 0 ? COP_PURPOSE_BACKWARD : COP_PURPOSE_INFER,
        .taps = &tap,
        .n_taps = seed % 3 == 0,
        .may_slice = seed % 7 == 0,
    };
    float x[MOST_BATCH * 3 * 6 * 5];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)cop_rng_normal(&net.rng);
    struct cop_plan *plan = NULL;
    assert_ok(cop_plan_create(engine, net.graph, &options, &plan, &err));
    /* A plan may outlive its graph. */
    if (seed % 2 == 0) cop_graph_destroy(net.graph);
    run(plan, options.purpose, x);
    cop_plan_destroy(plan);
    if (seed % 2 != 0) cop_graph_destroy(net.graph);
}

static int64_t n_plans = 10000;

static void plans_leave_nothing_behind(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_engine *engine = NULL;
    struct memory after[2];
    const double begin = cop_clock_ms();
    assert_ok(cop_engine_create(&engine, &err));
    for (int half = 0; half < 2; half++) {
        for (int64_t i = 0; i < n_plans / 2; i++)
            live(engine, (uint64_t)i);
        after[half] = measure();
    }
    cop_engine_destroy(engine);
    const int64_t heap = after[1].heap_bytes - after[0].heap_bytes;
    const int64_t process = after[1].process_bytes - after[0].process_bytes;
    print_message(
        "%lld plans in %.1f s: heap %.1f MB %+lld bytes, process %.1f MB %+.1f MB\n",
        (long long)n_plans,
        (cop_clock_ms() - begin) * 1e-3,
        (double)after[0].heap_bytes * 1e-6,
        (long long)heap,
        (double)after[0].process_bytes * 1e-6,
        (double)process * 1e-6);
    assert_true(heap <= HEAP_SLACK_BYTES);
    assert_true(process <= PROCESS_SLACK_BYTES);
}

int main(int n_args, char **args)
{
    if (n_args > 1) n_plans = strtoll(args[1], NULL, 10);
    if (n_args > 2 || n_plans < 2) {
        fputs("usage: plan_memory [PLANS]\n", stderr);
        return 2;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans_leave_nothing_behind)};
    return cmocka_run_group_tests_name("plan_memory", tests, NULL, NULL);
}
