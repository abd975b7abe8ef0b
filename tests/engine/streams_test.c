/* tests/engine/streams_test.c - the pool: how many, all at once, the same results. */
#include "engine_tests.h"
#include "nets.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/plan_impl.h"
#include "engine/streams.h"
#include "support/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SEED = 20261121, MOST = 4 };

static struct cop_streams *pool_of(int n, int threads)
{
    struct cop_err err;
    const struct cop_streams_options options = {.n = n, .threads = threads};
    struct cop_streams *streams = NULL;
    assert_ok(cop_streams_create(&options, &streams, &err));
    return streams;
}

/* Streams of one thread that fit, at most MOST. */
static int some(void)
{
    int n = cop_thread_processors(NULL, 0);
    return n < MOST ? n : MOST;
}

static void missing_numbers_fill_the_machine(void **state)
{
    (void)state;
    struct cop_err err;
    int n = cop_thread_processors(NULL, 0);
    struct cop_streams_options all = {0};
    assert_ok(cop_streams_resolve(&all, &err));
    assert_int_equal(all.n, n);
    assert_int_equal(all.threads, 1);
    struct cop_streams_options one = {.n = 1};
    assert_ok(cop_streams_resolve(&one, &err));
    assert_int_equal(one.threads, n);
    struct cop_streams_options wide = {.threads = n};
    assert_ok(cop_streams_resolve(&wide, &err));
    assert_int_equal(wide.n, 1);
}

static void more_than_the_machine_has_is_refused(void **state)
{
    (void)state;
    struct cop_err err;
    char want[64];
    int n = cop_thread_processors(NULL, 0);
    struct cop_streams_options options = {.n = n + 1, .threads = 2};
    assert_fails(cop_streams_resolve(&options, &err), COP_EINVAL);
    (void)snprintf(want, sizeof want, "need %d processors", 2 * (n + 1));
    assert_non_null(strstr(err.text, want));
    (void)snprintf(want, sizeof want, "may use %d", n);
    assert_non_null(strstr(err.text, want));
    struct cop_streams *streams = NULL;
    assert_fails(cop_streams_create(&options, &streams, &err), COP_EINVAL);
    assert_null(streams);
    options = (struct cop_streams_options){.n = n + 1};
    assert_fails(cop_streams_resolve(&options, &err), COP_EINVAL);
    options = (struct cop_streams_options){.threads = -1};
    assert_fails(cop_streams_resolve(&options, &err), COP_EINVAL);
}

/* ---- running ------------------------------------------------------------------------- */

struct meeting {
    int n;
    atomic_int n_here;
    int processor[MOST];
    int n_processors[MOST];
};

/* Ends only if all streams are in it at the same time. */
static enum cop_status meet(void *context, int stream, struct cop_err *err)
{
    struct meeting *meeting = context;
    (void)atomic_fetch_add(&meeting->n_here, 1);
    double begun = cop_clock_ms();
    while (atomic_load(&meeting->n_here) < meeting->n) {
        if (cop_clock_ms() - begun > 20e3)
            return COP_FAIL(err, COP_EENGINE, "stream %d is alone", stream);
    }
    meeting->n_processors[stream] =
        cop_thread_processors(&meeting->processor[stream], 1);
    return COP_OK;
}

static void streams_work_at_once_each_on_its_own(void **state)
{
    (void)state;
    struct cop_err err;
    for (int n = 1; n <= some(); n++) {
        struct cop_streams *streams = pool_of(n, 1);
        assert_int_equal(cop_streams_n(streams), n);
        assert_int_equal(cop_streams_threads(streams), 1);
        assert_true(cop_streams_is_pinned(streams));
        for (int round = 0; round < 3; round++) {
            struct meeting meeting = {.n = n};
            assert_ok(cop_streams_run(streams, meet, &meeting, &err));
            for (int i = 0; i < n; i++) {
                assert_int_equal(meeting.n_processors[i], 1);
                for (int k = 0; k < i; k++)
                    assert_int_not_equal(meeting.processor[i], meeting.processor[k]);
            }
        }
        cop_streams_destroy(streams);
    }
    cop_streams_destroy(NULL);
}

static enum cop_status refuse(void *context, int stream, struct cop_err *err)
{
    (void)context;
    return COP_FAIL(err, COP_EENGINE, "stream %d", stream);
}

enum { ITEMS = 1000, BAD = 700 };

static enum cop_status count_or_fail(
    void *context, int stream, int64_t i, struct cop_err *err)
{
    (void)stream;
    atomic_int *count = context;
    (void)atomic_fetch_add(&count[i], 1);
    if (i < BAD) return COP_OK;
    return COP_FAIL(
        err, i == BAD ? COP_ESHAPE : COP_EFORMAT, "item %lld", (long long)i);
}

static void every_item_once_and_the_lowest_failure(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_streams *streams = pool_of(some(), 1);
    for (int round = 0; round < 20; round++) {
        atomic_int count[ITEMS] = {0};
        assert_ok(cop_streams_for(streams, BAD, count_or_fail, count, &err));
        for (int i = 0; i < BAD; i++)
            assert_int_equal(atomic_load(&count[i]), 1);
        assert_fails(
            cop_streams_for(streams, ITEMS, count_or_fail, count, &err), COP_ESHAPE);
        assert_string_equal(err.text, "item 700");
        for (int i = 0; i < BAD; i++)
            assert_int_equal(atomic_load(&count[i]), 2);
    }
    assert_fails(cop_streams_run(streams, refuse, NULL, &err), COP_EENGINE);
    assert_string_equal(err.text, "stream 0");
    assert_ok(cop_streams_for(streams, 0, count_or_fail, NULL, &err));
    cop_streams_destroy(streams);
}

/* ---- plans ---------------------------------------------------------------------------- */

enum { BATCHES = 40 };

struct batches {
    struct cop_streams *streams;
    struct cop_plan *alone; /* or in this plan */
    int64_t n_in;
    int64_t n_out;
    const float *in; /* [BATCHES][n_in] */
    float *out;      /* [BATCHES][n_out] */
};

static enum cop_status run_batch(
    void *context, int stream, int64_t i, struct cop_err *err)
{
    const struct batches *batches = context;
    struct cop_plan *plan = batches->alone != NULL
                                ? batches->alone
                                : cop_streams_plan(batches->streams, stream, 0);
    const float *starts[1] = {batches->in + i * batches->n_in};
    float *ends[1] = {batches->out + i * batches->n_out};
    return cop_plan_run(plan, starts, ends, err);
}

static void streams_compute_what_a_plan_alone_does(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_rng rng;
    struct cop_engine *engine = NULL;
    cop_rng_init(&rng, SEED);
    assert_ok(cop_engine_create(&engine, &err));
    for (int net = 0; net < 3; net++) {
        struct cop_graph *graph = toy_random_net(&rng, 1);
        const struct cop_plan_options options = {.mb = 2, .threads = 1};
        struct cop_plan *alone = NULL;
        assert_ok(cop_plan_create(engine, graph, &options, &alone, &err));
        int32_t n_packs = cop_weights_n(engine->weights);
        struct batches batches = {
            .alone = alone,
            .n_in = cop_shape_n(cop_plan_start_shape(alone, 0)),
            .n_out = cop_shape_n(cop_plan_end_shape(alone, 0)),
        };
        float *in = cop_mem_array((size_t)(BATCHES * batches.n_in), sizeof(float));
        float *want = cop_mem_array((size_t)(BATCHES * batches.n_out), sizeof(float));
        float *got = cop_mem_array((size_t)(BATCHES * batches.n_out), sizeof(float));
        for (int64_t i = 0; i < BATCHES * batches.n_in; i++)
            in[i] = (float)cop_rng_range(&rng, -1.0, 1.0);
        batches.in = in;
        batches.out = want;
        for (int64_t i = 0; i < BATCHES; i++)
            assert_ok(run_batch(&batches, 0, i, &err));
        batches.alone = NULL;
        batches.out = got;
        batches.streams = pool_of(some(), 1);
        int32_t index = -1;
        assert_ok(cop_streams_add_plan(
            batches.streams, engine, graph, &options, &index, &err));
        assert_int_equal(index, 0);
        assert_ok(cop_streams_for(batches.streams, BATCHES, run_batch, &batches, &err));
        assert_memory_equal(
            got, want, (size_t)(BATCHES * batches.n_out) * sizeof(float));
        /* What folding made has no buffer to be found by: two small ones at most. */
        assert_true(cop_weights_n(engine->weights) <= n_packs + (n_packs / 2) * some());
        cop_streams_destroy(batches.streams);
        assert_int_equal(cop_weights_n(engine->weights), n_packs);
        cop_plan_destroy(alone);
        cop_mem_free(got);
        cop_mem_free(want);
        cop_mem_free(in);
        cop_graph_destroy(graph);
    }
    cop_engine_destroy(engine);
}

static void memory_counts_shared_weights_once(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_rng rng;
    struct cop_engine *engine = NULL;
    cop_rng_init(&rng, SEED + 1);
    assert_ok(cop_engine_create(&engine, &err));
    const int64_t dims[4] = {1, 64, 8, 8};
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = toy_input(graph, 4, dims);
    struct toy_attrs attrs = toy_window(TOY_CONV, 3, 1, 1);
    toy_end(graph, toy_conv(graph, &rng, x, 64, attrs, true));
    const struct cop_plan_options options = {.mb = 1};
    struct cop_plan_memory of[2];
    for (int i = 0; i < 2; i++) {
        struct cop_streams *streams = pool_of(i == 0 ? 1 : some(), 1);
        int32_t index;
        assert_ok(cop_streams_add_plan(streams, engine, graph, &options, &index, &err));
        cop_streams_memory(streams, &of[i]);
        struct cop_plan_memory own;
        cop_plan_memory(cop_streams_plan(streams, 0, index), &own);
        assert_int_equal(of[i].weights_bytes, own.weights_bytes);
        cop_streams_destroy(streams);
    }
    assert_true(of[0].weights_bytes >= 64 * 64 * 9 * sizeof(float));
    assert_int_equal(of[1].activation_bytes, (size_t)some() * of[0].activation_bytes);
    assert_int_equal(of[1].scratchpad_bytes, (size_t)some() * of[0].scratchpad_bytes);
    cop_graph_destroy(graph);
    cop_engine_destroy(engine);
}

static void a_plan_that_fails_leaves_the_pool_as_it_was(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_rng rng;
    struct cop_engine *engine = NULL;
    cop_rng_init(&rng, SEED + 2);
    assert_ok(cop_engine_create(&engine, &err));
    struct cop_graph *graph = toy_random_net(&rng, 1);
    struct cop_streams *streams = pool_of(some(), 1);
    const struct cop_plan_options bad = {.mb = 0};
    const struct cop_plan_options good = {.mb = 1};
    int32_t index = -1;
    assert_fails(
        cop_streams_add_plan(streams, engine, graph, &bad, &index, &err), COP_EINVAL);
    assert_ok(cop_streams_add_plan(streams, engine, graph, &good, &index, &err));
    assert_int_equal(index, 0);
    assert_non_null(cop_streams_plan(streams, some() - 1, 0));
    cop_streams_destroy(streams);
    cop_graph_destroy(graph);
    cop_engine_destroy(engine);
}

int test_streams(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_numbers_fill_the_machine),
        cmocka_unit_test(more_than_the_machine_has_is_refused),
        cmocka_unit_test(streams_work_at_once_each_on_its_own),
        cmocka_unit_test(every_item_once_and_the_lowest_failure),
        cmocka_unit_test(streams_compute_what_a_plan_alone_does),
        cmocka_unit_test(memory_counts_shared_weights_once),
        cmocka_unit_test(a_plan_that_fails_leaves_the_pool_as_it_was),
    };
    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
