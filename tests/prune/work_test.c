/* tests/prune/work_test.c - ranges name every element once, and the predicted work and size
 * of a cut are those of the graph really cut; over the random networks of the oracle. */
#include "prune_tests.h"
#include "support/random_net.h"

#include "prune/cut.h"
#include "prune/work.h"
#include "support/test.h"

#include <math.h>

enum { N_NETWORKS = 300 };

/* Spelled out, the ranges are the elements again. */
static void check_ranges(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t member,
    uint64_t seed)
{
    struct cop_err err = {0};
    struct cop_arena *arena = cop_arena_create();
    struct cop_range *ranges;
    int32_t n;
    assert_non_null(arena);
    assert_ok(cop_group_ranges(groups, group, member, arena, &ranges, &n, &err));
    int64_t *found = COP_ARENA_NEW_N(arena, group->n_channels, int64_t);
    assert_non_null(found);
    for (int32_t r = 0; r < n; r++) {
        for (int64_t i = 0; i < ranges[r].n * ranges[r].each; i++) {
            int64_t channel = ranges[r].channel + i / ranges[r].each;
            const int64_t *elements;
            int64_t n_elements;
            cop_group_elements(groups, group, member, channel, &elements, &n_elements);
            bool is_own = false;
            for (int64_t e = 0; e < n_elements; e++)
                is_own = is_own || elements[e] == ranges[r].first + i;
            if (!is_own)
                fail_msg("seed %llu: '%s'", (unsigned long long)seed, group->name);
            found[channel]++;
        }
    }
    for (int64_t c = 0; c < group->n_channels; c++)
        assert_int_equal(found[c], group->members[member].step);
    cop_arena_destroy(arena);
}

static void test_ranges(void **state)
{
    (void)state;
    struct cop_err err = {0};
    for (uint64_t seed = 1; seed <= N_NETWORKS; seed++) {
        struct test_net net = random_net_make(seed);
        struct cop_groups *groups = NULL;
        assert_ok(cop_groups_find(net.graph, &groups, &err));
        for (int32_t g = 0; g < cop_groups_n(groups); g++) {
            const struct cop_group *group = cop_groups_at(groups, g);
            for (int32_t m = 0; m < group->n_members; m++)
                check_ranges(groups, group, m, seed);
        }
        cop_groups_destroy(groups);
        cop_graph_destroy(net.graph);
    }
}

/* What is left by the table after removed[] channels went. */
static void predict(
    const struct cop_work *work, const int64_t *removed, double *macs, double *params)
{
    *macs = *params = 0.0;
    for (int32_t i = 0; i < work->n_nodes; i++)
        *macs += (double)work->nodes[i].size * cop_work_left(&work->nodes[i], removed);
    for (int32_t i = 0; i < work->n_consts; i++)
        *params +=
            (double)work->consts[i].size * cop_work_left(&work->consts[i], removed);
}

static void check_cut(
    const struct cop_groups *groups, struct cop_rng *rng, bool is_alone, uint64_t seed)
{
    struct cop_err err = {0};
    struct cop_arena *arena = cop_arena_create();
    assert_non_null(arena);
    int32_t n = cop_groups_n(groups);
    const uint8_t **keeps = COP_ARENA_NEW_N(arena, n + 1, const uint8_t *);
    int64_t *removed = COP_ARENA_NEW_N(arena, n + 1, int64_t);
    int32_t the_one = -1;
    for (int32_t g = 0; g < n; g++) {
        const struct cop_group *group = cop_groups_at(groups, g);
        if (group->frozen_because != NULL || group->n_channels < 2) continue;
        if (is_alone && the_one >= 0) continue;
        the_one = g;
        removed[g] = cop_rng_below(rng, group->n_channels);
        uint8_t *keep = COP_ARENA_NEW_N(arena, group->n_channels, uint8_t);
        assert_non_null(keep);
        for (int64_t c = 0; c < group->n_channels; c++)
            keep[c] = c >= removed[g];
        keeps[g] = keep;
    }
    struct cop_work *work = NULL;
    assert_ok(cop_work_find(groups, false, arena, &work, &err));
    double macs;
    double params;
    double full[2];
    int64_t left = 0;
    struct cop_graph *small = NULL;
    const struct cop_cut cut = {.keep = keeps};
    assert_ok(cop_cut_apply(groups, &cut, &small, &err));
    assert_ok(cop_graph_macs(small, &left, &err));
    predict(work, removed, &macs, &params);
    if (fabs(macs - (double)left) > 0.5 ||
        fabs(params - (double)cop_graph_n_params(small)) > 0.5)
        fail_msg(
            "seed %llu: %.1f MACs and %.1f parameters predicted, %lld and %lld left",
            (unsigned long long)seed,
            macs,
            params,
            (long long)left,
            (long long)cop_graph_n_params(small));
    if (is_alone && the_one >= 0) {
        const struct cop_work_saving saved =
            cop_work_save(work, the_one, removed[the_one]);
        int64_t before = 0;
        assert_ok(cop_graph_macs(cop_groups_graph(groups), &before, &err));
        full[0] = (double)before;
        full[1] = (double)cop_graph_n_params(cop_groups_graph(groups));
        assert_true(fabs(full[0] - saved.macs - (double)left) < 0.5);
        assert_true(fabs(full[1] - saved.params - params) < 0.5);
    }
    cop_graph_destroy(small);
    cop_arena_destroy(arena);
}

static void test_predictions(void **state)
{
    (void)state;
    struct cop_err err = {0};
    for (uint64_t seed = 1; seed <= N_NETWORKS; seed++) {
        struct test_net net = random_net_make(seed);
        struct cop_groups *groups = NULL;
        assert_ok(cop_groups_find(net.graph, &groups, &err));
        check_cut(groups, &net.rng, false, seed);
        check_cut(groups, &net.rng, true, seed);
        cop_groups_destroy(groups);
        cop_graph_destroy(net.graph);
    }
}

int run_work_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_predictions),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
