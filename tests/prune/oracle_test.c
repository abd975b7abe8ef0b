/* tests/prune/oracle_test.c - the prune oracle: zeroing the slices that consume the removed
 * channels in the big graph gives the outputs of the small one, whatever the topology.
 * COP_TEST_GRAPHS sets how many random networks are tried, COP_TEST_SEED where to begin. */
#include "prune_tests.h"
#include "support/random_net.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "prune/cut.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>

enum { BATCH = 2, MOST_OUTPUTS = 16 };

static int64_t number_from(const char *variable, int64_t fallback)
{
    const char *text = getenv(variable);
    return text != NULL ? strtoll(text, NULL, 10) : fallback;
}

/* Random keep sets for the groups that may be cut; NULL for the rest. */
static int64_t draw_cut(
    const struct cop_groups *groups,
    struct cop_rng *rng,
    struct cop_arena *arena,
    const uint8_t **keeps)
{
    int64_t n_removed = 0;
    for (int32_t g = 0; g < cop_groups_n(groups); g++) {
        const struct cop_group *group = cop_groups_at(groups, g);
        if (group->frozen_because != NULL || cop_rng_below(rng, 4) == 0) continue;
        uint8_t *keep = COP_ARENA_NEW_N(arena, group->n_channels, uint8_t);
        assert_non_null(keep);
        for (int64_t c = 0; c < group->n_channels; c++)
            keep[c] = cop_rng_below(rng, 2) != 0;
        keep[cop_rng_below(rng, group->n_channels)] = 1;
        for (int64_t c = 0; c < group->n_channels; c++)
            n_removed += keep[c] == 0;
        keeps[g] = keep;
    }
    return n_removed;
}

static void run(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const float *x,
    float *y,
    int64_t n)
{
    struct cop_err err = {0};
    const struct cop_plan_options options = {.mb = BATCH, .threads = 1};
    struct cop_plan *plan = NULL;
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    assert_int_equal(cop_shape_n(cop_plan_end_shape(plan, 0)), n);
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, (float *const[]){y}, &err));
    cop_plan_destroy(plan);
}

static void compare(uint64_t seed, const float *small, const float *masked, int64_t n)
{
    double largest = 1e-3;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)masked[i]));
    for (int64_t i = 0; i < n; i++) {
        double change = fabs((double)small[i] - (double)masked[i]);
        if (change <= 1e-4 * largest) continue;
        fail_msg(
            "seed %llu: output %lld is %.9g cut and %.9g masked",
            (unsigned long long)seed,
            (long long)i,
            (double)small[i],
            (double)masked[i]);
    }
}

/* Returns how many channels went. */
static int64_t try_network(struct cop_engine *engine, uint64_t seed)
{
    struct cop_err err = {0};
    struct test_net net = random_net_make(seed);
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(net.graph, &groups, &err));
    struct cop_arena *arena = cop_arena_create();
    assert_non_null(arena);
    const uint8_t **keeps =
        COP_ARENA_NEW_N(arena, cop_groups_n(groups) + 1, const uint8_t *);
    int64_t n_removed = draw_cut(groups, &net.rng, arena, keeps);
    const struct cop_cut cut = {.keep = keeps};
    struct cop_graph *small = NULL;
    struct cop_graph *masked = NULL;
    if (cop_cut_apply(groups, &cut, &small, &err) != COP_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    assert_ok(cop_cut_mask(groups, &cut, &masked, &err));
    assert_ok(cop_graph_check(masked, &err));
    assert_true(
        n_removed == 0 || cop_graph_n_params(small) < cop_graph_n_params(net.graph));

    float x[BATCH * 3 * 6 * 5];
    float y[2][BATCH * MOST_OUTPUTS];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)cop_rng_normal(&net.rng);
    int64_t n = BATCH * cop_shape_n(&cop_graph_output(net.graph, 0)->shape);
    assert_true(n <= BATCH * MOST_OUTPUTS);
    run(engine, small, x, y[0], n);
    run(engine, masked, x, y[1], n);
    compare(seed, y[0], y[1], n);
    cop_graph_destroy(masked);
    cop_graph_destroy(small);
    cop_arena_destroy(arena);
    cop_groups_destroy(groups);
    cop_graph_destroy(net.graph);
    return n_removed;
}

/* Networks that were once computed wrongly.  They come first, while oneDNN's cache of
 * primitives is still empty: 17457 joined one-channel tensors in two layouts, and got the
 * kernel of the first for the second. */
static void test_once_wrong(void **state)
{
    (void)state;
    struct cop_err err = {0};
    static const uint64_t seeds[] = {17457};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        struct cop_engine *engine = NULL;
        assert_ok(cop_engine_create(&engine, &err));
        assert_true(try_network(engine, seeds[i]) > 0);
        cop_engine_destroy(engine);
    }
}

static void test_prune_oracle(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    int64_t n_graphs = number_from("COP_TEST_GRAPHS", 500);
    int64_t first = number_from("COP_TEST_SEED", 1);
    int64_t n_cut = 0;
    for (int64_t i = 0; i < n_graphs; i++)
        n_cut += try_network(engine, (uint64_t)(first + i)) > 0;
    print_message(
        "prune oracle: seeds %lld to %lld, %lld networks cut\n",
        (long long)first,
        (long long)(first + n_graphs - 1),
        (long long)n_cut);
    assert_true(n_graphs < 100 || n_cut > n_graphs * 3 / 4);
    cop_engine_destroy(engine);
}

int run_oracle_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_wrong),
        cmocka_unit_test(test_prune_oracle),
    };
    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
