/* tests/prune/refit_test.c - what a refit stands on: patches, targets, the walk, the path of
 * channel scores; each against sums worked out here. */
#include "prune_tests.h"

#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "prune/calibrate_impl.h"
#include "prune/reader_impl.h"
#include "prune/repair.h"
#include "prune/score.h"
#include "prune/target_impl.h"
#include "support/net.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { SAMPLES = 21, SIDE = 6, CHANNELS = 3, SAMPLE = CHANNELS * SIDE * SIDE, MID = 5 };

static enum cop_status read_samples(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    (void)context;
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        struct cop_rng rng;
        cop_rng_init_stream(&rng, 5, (uint64_t)(first + i));
        for (int64_t k = 0; k < SAMPLE; k++)
            batch[i * SAMPLE + k] = (float)cop_rng_normal(&rng);
    }
    return COP_OK;
}

static const struct cop_sample_source samples = {.n = SAMPLES, .read = read_samples};

/* x -> stem -> relu = s; s -> a -> relu -> b -> bn, + s, relu -> c. */
struct subject {
    struct test_net net;
    struct cop_groups *groups;
    struct cop_engine *engine;
    struct cop_calibration *calibration;
};

static void begin(struct subject *subject, uint64_t seed)
{
    struct cop_err err = {0};
    *subject = (struct subject){
        .net = test_net_begin(&cop_ops_standard, CHANNELS, SIDE, SIDE, seed)};
    struct test_net *net = &subject->net;
    struct cop_value *x = test_net_conv(net, "stem", net->x, 4, 3, 1);
    struct cop_value *s = test_net_op(net, "Relu", "rs", "", x, NULL);
    x = test_net_conv(net, "a", s, MID, 3, 1);
    x = test_net_op(net, "Relu", "ra", "", x, NULL);
    x = test_net_conv(net, "b", x, 4, 3, 1);
    x = test_net_bn(net, "bn", x);
    x = test_net_op(net, "Add", "sum", "", x, s, NULL);
    x = test_net_op(net, "Relu", "rsum", "", x, NULL);
    x = test_net_conv(net, "c", x, 6, 1, 1);
    assert_ok(cop_graph_mark_output(net->graph, x, &err));
    assert_ok(cop_graph_infer(net->graph, &err));
    assert_ok(cop_groups_find(net->graph, &subject->groups, &err));
    assert_ok(cop_engine_create(&subject->engine, &err));
    assert_ok(cop_calibrate(
        subject->engine, subject->groups, &samples, NULL, &subject->calibration, &err));
}

static void end(struct subject *subject)
{
    cop_calibration_destroy(subject->calibration);
    cop_engine_destroy(subject->engine);
    cop_groups_destroy(subject->groups);
    cop_graph_destroy(subject->net.graph);
}

/* All samples of a node's result; the caller frees them. */
static float *response(
    const struct subject *subject, const struct cop_graph *graph, const char *node)
{
    struct cop_err err = {0};
    const struct cop_value *value = cop_graph_find_node(graph, node)->dst[0];
    const struct cop_plan_options options = {
        .mb = SAMPLES, .ends = &value, .n_ends = 1};
    struct cop_plan *plan = NULL;
    assert_ok(cop_plan_create(subject->engine, graph, &options, &plan, &err));
    float *x = cop_mem_array(SAMPLES * SAMPLE, sizeof *x);
    float *y =
        cop_mem_array((size_t)cop_shape_n(cop_plan_end_shape(plan, 0)), sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    assert_ok(read_samples(NULL, 0, SAMPLES, x, &err));
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, (float *const[]){y}, &err));
    cop_plan_destroy(plan);
    cop_mem_free(x);
    return y;
}

static const struct cop_reader *reader_of(
    const struct subject *subject, const char *node)
{
    for (int32_t i = 0; i < subject->groups->n_readers; i++) {
        if (strcmp(subject->groups->readers[i].node->name, node) == 0)
            return &subject->groups->readers[i];
    }
    fail_msg("no reader '%s'", node);
    return NULL;
}

/* ---- patches -------------------------------------------------------------------------------- */

/* What tap t of channel c sees of sample s at position p: zero outside. */
static double patch(const float *y, int64_t s, int64_t c, int64_t t, int64_t p)
{
    int64_t row = p / SIDE + t / 3 - 1;
    int64_t column = p % SIDE + t % 3 - 1;
    if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) return 0.0;
    return (double)y[((s * MID + c) * SIDE + row) * SIDE + column];
}

static void test_patch_moments(void **state)
{
    (void)state;
    struct subject subject;
    begin(&subject, 1);
    const struct cop_taps *taps =
        cop_calibration__taps(subject.calibration, reader_of(&subject, "b"));
    assert_non_null(taps);
    assert_int_equal(taps->n, 9);
    int64_t f = taps->moments.n;
    assert_int_equal(f, MID * 9);
    assert_int_equal(taps->moments.count, SAMPLES * SIDE * SIDE);
    float *y = response(&subject, subject.net.graph, "ra");
    const double count = SAMPLES * SIDE * SIDE;
    for (int64_t i = 0; i < f; i++) {
        for (int64_t k = 0; k < f; k++) {
            double sums[3] = {0.0, 0.0, 0.0};
            for (int64_t s = 0; s < SAMPLES; s++) {
                for (int64_t p = 0; p < SIDE * SIDE; p++) {
                    double u = patch(y, s, i / 9, i % 9, p);
                    double v = patch(y, s, k / 9, k % 9, p);
                    sums[0] += u / count;
                    sums[1] += v / count;
                    sums[2] += u * v / count;
                }
            }
            double wanted = sums[2] - sums[0] * sums[1];
            if (fabs(sums[0] - taps->moments.mean[i]) > 1e-5)
                fail_msg(
                    "mean %d is %.9g, wanted %.9g",
                    (int)i,
                    taps->moments.mean[i],
                    sums[0]);
            if (fabs(wanted - taps->moments.gram[i * f + k]) > 1e-5)
                fail_msg(
                    "gram %d,%d is %.9g, wanted %.9g",
                    (int)i,
                    (int)k,
                    taps->moments.gram[i * f + k],
                    wanted);
        }
    }
    cop_mem_free(y);
    end(&subject);
}

/* ---- the path of scores ------------------------------------------------------------------------- */

/* Takes row and column @p at out of a symmetric matrix: what is left is the Schur
 * complement. */
static void eliminate(double *matrix, int64_t n, int64_t at)
{
    double pivot = matrix[at * n + at];
    for (int64_t r = 0; r < n; r++) {
        if (r == at) continue;
        double factor = matrix[r * n + at] / pivot;
        for (int64_t c = 0; c < n; c++) {
            if (c != at) matrix[r * n + c] -= factor * matrix[at * n + c];
        }
    }
    for (int64_t r = 0; r < n; r++)
        matrix[r * n + at] = matrix[at * n + r] = 0.0;
}

/* Energy of the reader's output, in units of its targets, under @p gram. */
static double energy(
    const struct cop_reader *reader,
    const double *slopes,
    const double *gram,
    int64_t f)
{
    struct cop_reader_shape shape;
    assert_true(cop_reader__shape(reader, 1, &shape));
    double matrix[MID * 9 * 4];
    double weights[MID * 9 * 4];
    cop_reader__gather(reader, &shape, matrix);
    cop_reader__to_features(&shape, matrix, weights);
    double sum = 0.0;
    for (int64_t o = 0; o < shape.n_out; o++) {
        for (int64_t r = 0; r < f; r++) {
            for (int64_t c = 0; c < f; c++)
                sum += slopes[o] * slopes[o] * weights[r * shape.n_out + o] *
                       gram[r * f + c] * weights[c * shape.n_out + o];
        }
    }
    return sum;
}

/* The error that the greedy path tells for each width is what least squares on the kept
 * patches leaves, found by elimination. */
static void test_path_tells_the_error_of_the_refit(void **state)
{
    (void)state;
    enum { F = MID * 9 };
    for (uint64_t seed = 1; seed < 5; seed++) {
        struct cop_err err = {0};
        struct subject subject;
        begin(&subject, seed);
        const struct cop_reader *reader = reader_of(&subject, "b");
        const struct cop_taps *taps =
            cop_calibration__taps(subject.calibration, reader);
        const double *slopes = cop_calibration__slopes(subject.calibration, reader);
        const struct cop_group *group = NULL;
        for (int32_t g = 0; g < cop_groups_n(subject.groups); g++) {
            if (strcmp(cop_groups_at(subject.groups, g)->name, "a") == 0)
                group = cop_groups_at(subject.groups, g);
        }
        assert_non_null(group);
        struct cop_score order[MID];
        const struct cop_score_ground ground = {.calibration = subject.calibration};
        assert_ok(cop_score_group(
            subject.groups, group, COP_SCORE_RECONSTRUCTION, &ground, order, &err));
        double whole = energy(reader, slopes, taps->moments.gram, F);
        double ridge = 0.0;
        for (int64_t i = 0; i < F; i++)
            ridge += 1e-3 * taps->moments.gram[i * (F + 1)] / F;
        for (int64_t n_gone = 1; n_gone < MID; n_gone++) {
            double left[F * F];
            memcpy(left, taps->moments.gram, sizeof left);
            for (int64_t i = 0; i < F; i++)
                left[i * (F + 1)] += ridge;
            for (int64_t k = n_gone; k < MID; k++) {
                for (int64_t t = 0; t < 9; t++)
                    eliminate(left, F, order[k].channel * 9 + t);
            }
            double wanted = energy(reader, slopes, left, F) / whole;
            double told = order[n_gone - 1].error_left;
            if (fabs(told - wanted) > 1e-6 * wanted + 1e-9)
                fail_msg(
                    "seed %d, %d gone: error %.9g, wanted %.9g",
                    (int)seed,
                    (int)n_gone,
                    told,
                    wanted);
        }
        end(&subject);
    }
}

/* ---- targets ---------------------------------------------------------------------------------------- */

static struct cop_target find(
    const struct subject *subject, const char *name, struct cop_arena *arena)
{
    struct cop_err err = {0};
    struct cop_walk_side side = {.graph = subject->net.graph};
    assert_ok(cop_walk__survey(&side, arena, &err));
    uint8_t *is_linear = COP_ARENA_NEW_N(arena, side.n_ids, uint8_t);
    assert_non_null(is_linear);
    const char *const linear[] = {"stem", "a", "b", "c"};
    for (int i = 0; i < 4; i++)
        is_linear[cop_graph_find_node(side.graph, linear[i])->id] = 1;
    struct cop_target target;
    assert_ok(cop_target__find(
        subject->engine,
        &side,
        cop_graph_find_node(side.graph, name),
        1,
        is_linear,
        arena,
        &target,
        &err));
    return target;
}

static void test_targets(void **state)
{
    (void)state;
    struct subject subject;
    begin(&subject, 3);
    const struct cop_graph *graph = subject.net.graph;
    struct cop_arena *arena = cop_arena_create();
    assert_non_null(arena);

    struct cop_target target = find(&subject, "a", arena); /* ends before its ReLU */
    assert_ptr_equal(target.value, cop_graph_find_node(graph, "a")->dst[0]);
    assert_true(target.low == 0.0 && target.high == INFINITY);
    assert_true(target.slope[0] == 1.0);

    target = find(&subject, "b", arena); /* through the normalisation, to the sum */
    assert_ptr_equal(target.value, cop_graph_find_node(graph, "sum")->dst[0]);
    assert_true(target.low == 0.0 && target.high == INFINITY);
    const struct cop_node *bn = cop_graph_find_node(graph, "bn");
    for (int64_t c = 0; c < 4; c++) {
        double scale = (double)cop_f32_at(cop_buf_data(bn->src[1]->data), c);
        double variance = (double)cop_f32_at(cop_buf_data(bn->src[4]->data), c);
        double wanted = scale / sqrt(variance + 1e-5);
        if (fabs(target.slope[c] - wanted) > 1e-4 * fabs(wanted))
            fail_msg("slope %d is %.9g, wanted %.9g", (int)c, target.slope[c], wanted);
    }

    target = find(&subject, "stem", arena); /* its ReLU is read twice, but is one */
    assert_ptr_equal(target.value, cop_graph_find_node(graph, "stem")->dst[0]);
    assert_true(target.low == 0.0);

    target = find(&subject, "c", arena); /* the output: nothing behind it */
    assert_true(target.low == -INFINITY && target.high == INFINITY);
    cop_arena_destroy(arena);
    end(&subject);
}

/* ---- the walk ------------------------------------------------------------------------------------------ */

static void assert_held(
    const struct subject *subject, const struct cop_walk *walk, const char *node)
{
    const struct cop_graph *graph = subject->net.graph;
    const struct cop_value *value = cop_graph_find_node(graph, node)->dst[0];
    float *wanted = response(subject, graph, node);
    const float *held = cop_walk__held(walk, COP_WALK_CUT, value, 0);
    for (int64_t i = 0; i < SAMPLES * cop_shape_n(&value->shape); i++) {
        if (fabsf(held[i] - wanted[i]) > 1e-4f * (1.0f + fabsf(wanted[i])))
            fail_msg(
                "'%s' %d is %.9g, wanted %.9g",
                node,
                (int)i,
                (double)held[i],
                (double)wanted[i]);
    }
    cop_mem_free(wanted);
}

static void test_walk_holds_what_is_still_read(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct subject subject;
    begin(&subject, 4);
    const struct cop_graph *graph = subject.net.graph;
    const struct cop_graph *const graphs[] = {graph, graph};
    struct cop_walk *walk = NULL;
    assert_ok(cop_walk__create(subject.engine, graphs, &samples, &walk, &err));
    const char *const stops[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        int32_t to = walk->sides[0].position[cop_graph_find_node(graph, stops[i])->id];
        const struct cop_walk_pass pass = {.to = {to, to}};
        assert_ok(cop_walk__pass(walk, &pass, &err));
        if (i < 2) assert_held(&subject, walk, "rs"); /* the shortcut */
        if (i == 1) assert_held(&subject, walk, "ra");
    }
    assert_held(&subject, walk, "rsum");
    assert_null(walk->sides[0].held[cop_graph_find_node(graph, "rs")->dst[0]->id]);
    assert_int_equal(walk->bytes, 2 * SAMPLES * 4 * SIDE * SIDE * sizeof(float));
    cop_walk__destroy(walk);
    end(&subject);
}

/* ---- the whole ------------------------------------------------------------------------------------------- */

static struct cop_graph *repaired(
    const struct subject *subject, const struct cop_cut *cut)
{
    struct cop_err err = {0};
    struct cop_graph *small = NULL;
    assert_ok(cop_repair_consumers(
        subject->groups, cut, subject->calibration, NULL, &small, &err));
    assert_ok(cop_repair_responses(
        subject->engine,
        subject->groups,
        cut,
        subject->calibration,
        &samples,
        NULL,
        small,
        &err));
    return small;
}

/* The same weights, bit for bit, on one thread and on several. */
static void test_threads_do_not_show(void **state)
{
    (void)state;
    struct subject subject;
    begin(&subject, 6);
    const uint8_t keep[MID] = {1, 0, 1, 1, 0};
    const uint8_t *keeps[8] = {0};
    for (int32_t g = 0; g < cop_groups_n(subject.groups); g++) {
        if (strcmp(cop_groups_at(subject.groups, g)->name, "a") == 0) keeps[g] = keep;
    }
    const struct cop_cut cut = {.keep = keeps};
    struct cop_graph *made[2];
    int threads = cop_par_threads();
    for (int i = 0; i < 2; i++) {
        cop_par_set_threads(i == 0 ? 1 : cop_par_max_threads());
        made[i] = repaired(&subject, &cut);
    }
    cop_par_set_threads(threads);
    const char *const nodes[] = {"b", "c"};
    for (int n = 0; n < 2; n++) {
        const struct cop_node *was = cop_graph_find_node(subject.net.graph, nodes[n]);
        const struct cop_node *is[2];
        for (int i = 0; i < 2; i++)
            is[i] = cop_graph_find_node(made[i], nodes[n]);
        size_t bytes = cop_buf_bytes(is[0]->src[1]->data);
        assert_int_equal(bytes, cop_buf_bytes(is[1]->src[1]->data));
        assert_memory_equal(
            cop_buf_data(is[0]->src[1]->data),
            cop_buf_data(is[1]->src[1]->data),
            bytes);
        assert_true(
            cop_buf_data(is[0]->src[1]->data) != cop_buf_data(was->src[1]->data));
    }
    for (int i = 0; i < 2; i++)
        cop_graph_destroy(made[i]);
    end(&subject);
}

int run_refit_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patch_moments),
        cmocka_unit_test(test_path_tells_the_error_of_the_refit),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_walk_holds_what_is_still_read),
        cmocka_unit_test(test_threads_do_not_show),
    };
    return cmocka_run_group_tests_name("refit", tests, NULL, NULL);
}
