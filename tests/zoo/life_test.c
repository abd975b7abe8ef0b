/* tests/zoo/life_test.c - every network of the zoo can be grouped, cut and run: the prune
 * oracle on real topologies, at a small input size so that it stays quick. */
#include "zoo_tests.h"

#include "base/arena.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "prune/cut.h"
#include "support/test.h"
#include "zoo/zoo.h"

#include <math.h>
#include <string.h>

enum { CLASSES = 7, MOST_SIDE = 75 };

static void run(
    struct cop_engine *engine, const struct cop_graph *graph, float scores[CLASSES])
{
    struct cop_err err;
    struct cop_plan *plan = NULL;
    const struct cop_plan_options options = {.mb = 1, .threads = 1};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    struct cop_rng rng;
    cop_rng_init(&rng, 5);
    static float x[3 * MOST_SIDE * MOST_SIDE];
    const int64_t n = cop_shape_n(&cop_graph_input(graph, 0)->shape);
    assert_true(n <= 3 * MOST_SIDE * MOST_SIDE);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)cop_rng_range(&rng, -1, 1);
    const float *starts[1] = {x};
    float *ends[1] = {scores};
    assert_ok(cop_plan_run(plan, starts, ends, &err));
    cop_plan_destroy(plan);
}

/* Keeps a random half of each free group, at least one channel. */
static struct cop_cut random_cut(
    const struct cop_groups *groups, struct cop_arena *arena, uint64_t seed)
{
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    int32_t n = cop_groups_n(groups);
    const uint8_t **keep = COP_ARENA_NEW_N(arena, n, const uint8_t *);
    assert_non_null(keep);
    for (int32_t g = 0; g < n; g++) {
        const struct cop_group *group = cop_groups_at(groups, g);
        if (group->frozen_because != NULL) continue;
        uint8_t *mask = COP_ARENA_NEW_N(arena, group->n_channels, uint8_t);
        assert_non_null(mask);
        for (int64_t c = 0; c < group->n_channels; c++)
            mask[c] = cop_rng_unit(&rng) < 0.5;
        mask[0] = 1;
        keep[g] = mask;
    }
    return (struct cop_cut){.keep = keep};
}

static void cuts_agree_with_masks(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    for (int32_t i = 0; i < cop_zoo_n(); i++) {
        const char *name = cop_zoo_at(i)->name;
        if (strncmp(name, "vgg1", 4) == 0 && strcmp(name, "vgg11-bn") != 0)
            continue; /* half a gigabyte each, the same topology */
        const int64_t side = cop_zoo_at(i)->least_size;
        const struct cop_zoo_options options = {
            .classes = CLASSES, .height = side, .width = side, .seed = 2};
        struct cop_graph *graph = NULL;
        struct cop_groups *groups = NULL;
        struct cop_graph *small = NULL;
        struct cop_graph *masked = NULL;
        struct cop_arena *arena = cop_arena_create();
        assert_ok(cop_zoo_build(name, &cop_ops_standard, &options, &graph, &err));
        assert_ok(cop_groups_find(graph, &groups, &err));
        assert_true(cop_groups_prunable_macs(groups) > 0.95);
        struct cop_cut cut = random_cut(groups, arena, 10 + (uint64_t)i);
        assert_ok(cop_cut_apply(groups, &cut, &small, &err));
        assert_ok(cop_cut_mask(groups, &cut, &masked, &err));
        assert_true(cop_graph_n_params(small) < cop_graph_n_params(graph) * 2 / 3);
        float want[CLASSES];
        float got[CLASSES];
        run(engine, masked, want);
        run(engine, small, got);
        float largest = 0.0F;
        for (int k = 0; k < CLASSES; k++)
            largest = fmaxf(largest, fabsf(want[k]));
        print_message("%s: largest score %g\n", name, (double)largest);
        assert_true(isfinite(largest) && largest > 0.0F);
        assert_near(got, want, CLASSES, 0.0, 1e-4 * (double)largest);
        cop_graph_destroy(masked);
        cop_graph_destroy(small);
        cop_groups_destroy(groups);
        cop_graph_destroy(graph);
        cop_arena_destroy(arena);
    }
    cop_engine_destroy(engine);
}

static void seeds_repeat(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graphs[3] = {NULL};
    for (uint64_t i = 0; i < 3; i++) {
        const struct cop_zoo_options options = {.seed = 1 + i / 2};
        assert_ok(
            cop_zoo_build("squeezenet", &cop_ops_standard, &options, &graphs[i], &err));
    }
    const struct cop_value *weights[3];
    for (int i = 0; i < 3; i++) {
        weights[i] = cop_graph_find_value(graphs[i], "fire5.expand3x3.weight");
        assert_non_null(weights[i]);
    }
    size_t bytes = cop_buf_bytes(weights[0]->data);
    const void *first = cop_buf_data(weights[0]->data);
    assert_memory_equal(first, cop_buf_data(weights[1]->data), bytes);
    assert_memory_not_equal(first, cop_buf_data(weights[2]->data), bytes);
    for (int i = 0; i < 3; i++)
        cop_graph_destroy(graphs[i]);
}

int test_life(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_agree_with_masks),
        cmocka_unit_test(seeds_repeat),
    };
    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
