/* tests/synth/reduce_test.c - widths and ranks together: what is predicted is what a cut and
 * factored network has, and together they cost no more than either alone. */
#include "synth_tests.h"

#include "base/rng.h"
#include "support/test.h"
#include "synth/inquire.h"
#include "synth/reduce.h"

#include <math.h>
#include <string.h>

enum { ELEMENTS = 3 * 8 * 8 };

struct fixture {
    struct cop_graph *graph;
    struct cop_engine *engine;
    struct cop_groups *groups;
    struct cop_arena *arena;
    struct cop_calibration *calibration;
    struct cop_tables *tables;
    struct cop_lowrank *lowrank;
    double params;
};

static enum cop_status read_noise(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    (void)context;
    (void)err;
    struct cop_rng rng;
    for (int64_t i = 0; i < n * ELEMENTS; i++) {
        if (i % ELEMENTS == 0)
            cop_rng_init_stream(&rng, 3, (uint64_t)(first + i / ELEMENTS));
        batch[i] = (float)cop_rng_normal(&rng);
    }
    return COP_OK;
}

static const struct cop_sample_source samples = {.n = 40, .read = read_noise};

/* Weights of rank 2 for one convolution: there a low rank costs nothing. */
static void make_thin(struct cop_graph *graph, const char *node)
{
    struct cop_err err;
    struct cop_value *weights = cop_graph_find_node(graph, node)->src[1];
    int64_t n_out = weights->shape.dim[0];
    int64_t n_in = cop_shape_n(&weights->shape) / n_out;
    struct cop_buf *buf = NULL;
    assert_ok(cop_buf_create((size_t)(n_out * n_in) * sizeof(float), &buf, &err));
    float *w = cop_buf_mutable(buf);
    for (int64_t o = 0; o < n_out; o++) {
        for (int64_t i = 0; i < n_in; i++)
            w[o * n_in + i] = 0.1f * (sinf((float)o) * cosf((float)i) +
                                      cosf(3.0f * (float)o) * sinf(2.0f * (float)i));
    }
    assert_ok(cop_graph_set_const(graph, weights, &weights->shape, buf, &err));
    cop_buf_release(buf);
}

static int set_up(void **state)
{
    static struct fixture f;
    struct cop_err err;
    f = (struct fixture){.graph = small_net(9), .arena = cop_arena_create()};
    make_thin(f.graph, "conv1");
    assert_ok(cop_engine_create(&f.engine, &err));
    assert_ok(cop_groups_find(f.graph, &f.groups, &err));
    assert_ok(cop_calibrate(f.engine, f.groups, &samples, NULL, &f.calibration, &err));
    struct cop_tables_options options = {.plan = NULL};
    const struct cop_score_ground ground = {.calibration = f.calibration};
    assert_ok(cop_score_all(
        f.groups,
        COP_SCORE_RECONSTRUCTION,
        &ground,
        NULL,
        f.arena,
        &options.orders,
        &err));
    assert_ok(
        cop_tables_make(f.engine, f.groups, &options, NULL, f.arena, &f.tables, &err));
    assert_ok(cop_lowrank_measure(f.engine, f.graph, &samples, NULL, &f.lowrank, &err));
    f.params = (double)cop_graph_n_params(f.graph);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cop_lowrank_destroy(f->lowrank);
    cop_calibration_destroy(f->calibration);
    cop_groups_destroy(f->groups);
    cop_engine_destroy(f->engine);
    cop_graph_destroy(f->graph);
    cop_arena_destroy(f->arena);
    return 0;
}

static struct cop_reduction choose(
    const struct fixture *f, const struct cop_lowrank *lowrank, double share)
{
    struct cop_err err;
    struct cop_reduction reduction;
    bool is_reached = false;
    assert_ok(cop_reduce_choose(
        f->tables,
        NULL,
        &(struct cop_rank_tables){.lowrank = lowrank},
        share * f->params,
        f->arena,
        &reduction,
        &is_reached,
        &err));
    assert_true(is_reached);
    assert_true(reduction.params <= share * f->params + 1e-6);
    return reduction;
}

/* Parameters of the network that a reduction stands for. */
static int64_t count(const struct fixture *f, const struct cop_reduction *reduction)
{
    struct cop_err err;
    struct cop_cut cut;
    struct cop_graph *small = NULL;
    assert_ok(cop_tables_cut(f->tables, reduction->choice, f->arena, &cut, &err));
    assert_ok(cop_cut_apply(f->groups, &cut, &small, &err));
    struct cop_lowrank *lowrank = NULL;
    assert_ok(cop_lowrank_measure(f->engine, small, NULL, NULL, &lowrank, &err));
    int64_t *ranks = COP_ARENA_NEW_N(f->arena, cop_lowrank_n(lowrank), int64_t);
    assert_non_null(ranks);
    for (int32_t i = 0; i < cop_lowrank_n(lowrank); i++) {
        const struct cop_factor *factor = cop_lowrank_at(lowrank, i);
        for (int32_t k = 0; k < cop_lowrank_n(f->lowrank); k++) {
            const struct cop_factor *old = cop_lowrank_at(f->lowrank, k);
            bool is_same = strcmp(old->node->name, factor->node->name) == 0;
            if (is_same && reduction->ranks[k] <= factor->n_ranks)
                ranks[i] = reduction->ranks[k];
        }
    }
    struct cop_graph *factored = NULL;
    assert_ok(cop_lowrank_apply(lowrank, ranks, &factored, &err));
    int64_t n = cop_graph_n_params(factored);
    cop_graph_destroy(factored);
    cop_lowrank_destroy(lowrank);
    cop_graph_destroy(small);
    return n;
}

static void what_is_predicted_is_there(void **state)
{
    const struct fixture *f = *state;
    bool has_width = false;
    bool has_rank = false;
    for (double share = 0.9; share > 0.2; share -= 0.1) {
        const struct cop_reduction reduction = choose(f, f->lowrank, share);
        assert_true(fabs((double)count(f, &reduction) - reduction.params) < 0.5);
        for (int32_t o = 0; o < cop_tables_n_options(f->tables); o++)
            has_width |= reduction.choice[o] > 0;
        for (int32_t i = 0; i < cop_lowrank_n(f->lowrank); i++)
            has_rank |= reduction.ranks[i] > 0;
    }
    assert_true(has_width);
    assert_true(has_rank);
}

static void together_they_cost_less(void **state)
{
    const struct fixture *f = *state;
    for (double share = 0.8; share > 0.3; share -= 0.1) {
        const struct cop_reduction both = choose(f, f->lowrank, share);
        const struct cop_reduction widths = choose(f, NULL, share);
        assert_true(both.error <= 1.02 * widths.error);
    }
}

static void ranks_alone(void **state)
{
    const struct fixture *f = *state;
    struct cop_err err;
    double last = 0.0;
    for (double share = 0.9; share > 0.6; share -= 0.1) {
        struct cop_graph *reduced = NULL;
        struct cop_reduced_nodes nodes;
        assert_ok(cop_reduce_ranks(
            f->engine,
            f->graph,
            &samples,
            NULL,
            NULL,
            share * f->params,
            f->arena,
            &reduced,
            &nodes,
            &err));
        assert_true((double)cop_graph_n_params(reduced) <= share * f->params);
        assert_true(nodes.n > 0);
        assert_true(nodes.has_data);
        double error = 0.0;
        for (int32_t i = 0; i < nodes.n; i++) {
            assert_non_null(cop_graph_find_node(reduced, nodes.at[i].name));
            error += nodes.at[i].error;
        }
        assert_true(error >= last);
        last = error;
        cop_graph_destroy(reduced);
    }
}

/* A factor whose errors cost the answers more gives way to others. */
static void costly_nodes_are_spared(void **state)
{
    const struct fixture *f = *state;
    struct cop_err err;
    struct cop_inquiry *inquiry = NULL;
    int32_t n = cop_lowrank_n(f->lowrank);
    double *coefficients = COP_ARENA_NEW_N(f->arena, n, double);
    assert_non_null(coefficients);
    assert_ok(cop_inquiry_make(
        f->engine,
        f->tables,
        f->groups,
        f->calibration,
        &samples,
        32,
        f->arena,
        &inquiry,
        &err));
    assert_ok(cop_reduce_inquire(inquiry, f->lowrank, NULL, coefficients, &err));
    int32_t most = -1;
    int64_t rank = 0;
    double share = 0.9;
    for (int32_t i = 0; i < n; i++)
        assert_true(coefficients[i] > 0.0);
    for (; share > 0.2; share -= 0.1) {
        const struct cop_reduction plain = choose(f, f->lowrank, share);
        for (int32_t i = 0; i < n; i++)
            if (plain.ranks[i] > 0) most = i;
        if (most < 0) continue;
        rank = plain.ranks[most];
        break;
    }
    assert_true(most >= 0);
    coefficients[most] = 1e6;
    const struct cop_rank_tables ranks = {f->lowrank, coefficients};
    struct cop_reduction reduction;
    bool is_reached = false;
    assert_ok(cop_reduce_choose(
        f->tables,
        NULL,
        &ranks,
        share * f->params,
        f->arena,
        &reduction,
        &is_reached,
        &err));
    assert_true(is_reached);
    assert_true(reduction.ranks[most] == 0 || reduction.ranks[most] >= rank);
}

static void out_of_reach_is_said(void **state)
{
    const struct fixture *f = *state;
    struct cop_err err;
    struct cop_reduction reduction;
    bool is_reached = true;
    const struct cop_rank_tables ranks = {.lowrank = f->lowrank};
    assert_ok(cop_reduce_choose(
        f->tables, NULL, &ranks, 3.0, f->arena, &reduction, &is_reached, &err));
    assert_false(is_reached);
    assert_true(reduction.params < 0.2 * f->params);
}

int test_reduce(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_predicted_is_there),
        cmocka_unit_test(together_they_cost_less),
        cmocka_unit_test(ranks_alone),
        cmocka_unit_test(costly_nodes_are_spared),
        cmocka_unit_test(out_of_reach_is_said),
    };
    return cmocka_run_group_tests_name("reduce", tests, set_up, tear_down);
}
