/* tests/prune/calibrate_test.c - moments and statistics against sums worked out here, and
 * what the repair of statistics promises. */
#include "prune_tests.h"
#include "support/random_net.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "prune/calibrate_impl.h"
#include "prune/repair.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { SAMPLES = 37, SIDE = 8, CHANNELS = 3, SAMPLE = CHANNELS * SIDE * SIDE };

/* Samples that depend on their number only. */
static enum cop_status read_samples(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    (void)context;
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        struct cop_rng rng;
        cop_rng_init_stream(&rng, 11, (uint64_t)(first + i));
        double brightness = cop_rng_normal(&rng);
        for (int64_t k = 0; k < SAMPLE; k++)
            batch[i * SAMPLE + k] = (float)(brightness + cop_rng_normal(&rng));
    }
    return COP_OK;
}

static const struct cop_sample_source samples = {.n = SAMPLES, .read = read_samples};

/* x -> a -> relu -> b (and dense c behind a Flatten) with everything measurable. */
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
    struct cop_value *x = test_net_conv(net, "a", net->x, 8, 3, 1);
    x = test_net_op(net, "Relu", "ra", "", x, NULL);
    x = test_net_conv(net, "b", x, 6, 3, 1);
    x = test_net_bn(net, "bn", x);
    x = test_net_op(net, "Relu", "rb", "", x, NULL);
    x = test_net_conv(net, "c", x, 4, 1, 1);
    x = test_net_op(net, "Flatten", "flat", "", x, NULL);
    struct cop_value *w =
        test_net_weights(net, 0.1, 2, (const int64_t[]){x->shape.dim[1], 5});
    x = test_net_op(net, "Gemm", "fc", "", x, w, NULL);
    test_net_end(net, x);
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

static float *read_all(int64_t first)
{
    struct cop_err err = {0};
    float *x = cop_mem_array(SAMPLES * SAMPLE, sizeof *x);
    assert_non_null(x);
    assert_ok(read_samples(NULL, first, SAMPLES, x, &err));
    return x;
}

/* All elements of a node's result over SAMPLES samples; the caller frees them. */
static float *response_from(
    int64_t first,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const char *node,
    struct cop_shape *shape)
{
    struct cop_err err = {0};
    const struct cop_value *value = cop_graph_find_node(graph, node)->dst[0];
    const struct cop_plan_options options = {
        .mb = SAMPLES, .ends = &value, .n_ends = 1};
    struct cop_plan *plan = NULL;
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    *shape = *cop_plan_end_shape(plan, 0);
    float *x = read_all(first);
    float *y = cop_mem_array((size_t)cop_shape_n(shape), sizeof *y);
    assert_non_null(y);
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, (float *const[]){y}, &err));
    cop_plan_destroy(plan);
    cop_mem_free(x);
    return y;
}

/* Over the calibration samples. */
static float *response(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const char *node,
    struct cop_shape *shape)
{
    return response_from(0, engine, graph, node, shape);
}

/* Moments of [outer][n][inner] in double, the plain way. */
static void assert_moments(
    const struct cop_calibration *calibration,
    const struct cop_value *value,
    const float *y,
    int64_t outer,
    int64_t n,
    int64_t inner)
{
    int64_t n_got;
    const double *mean;
    const double *gram;
    assert_true(cop_calibration_moments(calibration, value, &n_got, &mean, &gram));
    assert_int_equal(n_got, n);
    double count = (double)(outer * inner);
    for (int64_t r = 0; r < n; r++) {
        double sum = 0.0;
        for (int64_t o = 0; o < outer; o++) {
            for (int64_t i = 0; i < inner; i++)
                sum += (double)y[(o * n + r) * inner + i];
        }
        if (fabs(sum / count - mean[r]) > 1e-5)
            fail_msg("mean %d is %.9g, wanted %.9g", (int)r, mean[r], sum / count);
    }
    for (int64_t r = 0; r < n; r++) {
        for (int64_t c = 0; c < n; c++) {
            double sum = 0.0;
            for (int64_t o = 0; o < outer; o++) {
                const float *a = y + (o * n + r) * inner;
                const float *b = y + (o * n + c) * inner;
                for (int64_t i = 0; i < inner; i++)
                    sum += ((double)a[i] - mean[r]) * ((double)b[i] - mean[c]);
            }
            double scale = sqrt(gram[r * n + r] * gram[c * n + c]) + 1e-6;
            if (fabs(sum / count - gram[r * n + c]) > 1e-4 * scale)
                fail_msg(
                    "gram %d,%d is %.9g, wanted %.9g",
                    (int)r,
                    (int)c,
                    gram[r * n + c],
                    sum / count);
        }
    }
}

static void test_moments_match_plain_sums(void **state)
{
    (void)state;
    struct subject subject;
    begin(&subject, 5);
    const struct cop_graph *graph = subject.net.graph;
    struct cop_shape shape;
    float *y = response(subject.engine, graph, "ra", &shape);
    assert_moments(
        subject.calibration,
        cop_graph_find_node(graph, "ra")->dst[0],
        y,
        SAMPLES,
        8,
        SIDE * SIDE);
    cop_mem_free(y);
    y = response(subject.engine, graph, "flat", &shape); /* channels, not elements */
    assert_moments(
        subject.calibration,
        cop_graph_find_node(graph, "flat")->dst[0],
        y,
        SAMPLES,
        4,
        SIDE * SIDE);
    cop_mem_free(y);
    int64_t n;
    const double *mean;
    assert_false(cop_calibration_moments(
        subject.calibration,
        cop_graph_find_node(graph, "fc")->dst[0],
        &n,
        &mean,
        &mean));
    end(&subject);
}

static void test_calibration_repeats(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct subject subject;
    begin(&subject, 6);
    struct cop_calibration *again = NULL;
    assert_ok(
        cop_calibrate(subject.engine, subject.groups, &samples, NULL, &again, &err));
    assert_int_equal(again->n_moments, subject.calibration->n_moments);
    for (int32_t i = 0; i < again->n_moments; i++) {
        size_t n = (size_t)again->moments[i].n;
        assert_memory_equal(
            again->moments[i].gram,
            subject.calibration->moments[i].gram,
            n * n * sizeof(double));
        assert_memory_equal(
            again->moments[i].mean,
            subject.calibration->moments[i].mean,
            n * sizeof(double));
    }
    cop_calibration_destroy(again);
    end(&subject);
}

static int always(void *context)
{
    (void)context;
    return 1;
}

/* The same to the bit with one stream and with as many as there are processors. */
static void test_streams_do_not_show(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct subject subject;
    begin(&subject, 9);
    const struct cop_sample_source many = {.n = 205, .read = read_samples};
    struct cop_calibration *of[2] = {NULL, NULL};
    int threads = cop_par_threads();
    for (int i = 0; i < 2; i++) {
        cop_par_set_threads(i == 0 ? 1 : cop_par_max_threads());
        assert_ok(
            cop_calibrate(subject.engine, subject.groups, &many, NULL, &of[i], &err));
    }
    cop_par_set_threads(threads);
    assert_true(of[0]->n_moments > 0);
    for (int32_t i = 0; i < of[0]->n_moments; i++) {
        const struct cop_moments *a = &of[0]->moments[i];
        const struct cop_moments *b = &of[1]->moments[i];
        assert_int_equal(a->count, b->count);
        assert_memory_equal(a->mean, b->mean, (size_t)a->n * sizeof a->mean[0]);
        assert_memory_equal(
            a->gram, b->gram, (size_t)(a->n * a->n) * sizeof a->gram[0]);
    }
    for (int32_t i = 0; i < of[0]->n_spreads; i++)
        assert_memory_equal(
            of[0]->spreads[i].deviation,
            of[1]->spreads[i].deviation,
            (size_t)of[0]->spreads[i].n * sizeof(double));
    for (int i = 0; i < 2; i++)
        cop_calibration_destroy(of[i]);
    end(&subject);
}

static enum cop_status read_until_100(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    if (first + n > 100)
        return COP_FAIL(err, COP_EIO, "batch at %lld", (long long)first);
    return read_samples(context, first, n, batch, err);
}

/* Batches behind one that failed wait for a turn that never comes. */
static void test_the_first_failure_ends_all(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct subject subject;
    begin(&subject, 10);
    const struct cop_sample_source broken = {.n = 1000, .read = read_until_100};
    struct cop_calibration *none = NULL;
    for (int round = 0; round < 10; round++) {
        assert_fails(
            cop_calibrate(subject.engine, subject.groups, &broken, NULL, &none, &err),
            COP_EIO);
        assert_string_equal(err.text, "batch at 96");
        assert_null(none);
    }
    end(&subject);
}

static void test_stopping_and_no_samples(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct subject subject;
    begin(&subject, 7);
    const struct cop_progress stop = {.stop = always};
    struct cop_calibration *none = NULL;
    assert_fails(
        cop_calibrate(subject.engine, subject.groups, &samples, &stop, &none, &err),
        COP_EINTR);
    const struct cop_sample_source empty = {.read = read_samples};
    assert_fails(
        cop_calibrate(subject.engine, subject.groups, &empty, NULL, &none, &err),
        COP_EINVAL);
    assert_null(none);
    end(&subject);
}

/* Mean and deviation of channel c of a 4-d response. */
static void spread_of(
    const float *y, const struct cop_shape *shape, int64_t c, double *mean, double *sd)
{
    int64_t inner = cop_shape_span(shape, 2, shape->rank);
    double sum = 0.0;
    double squares = 0.0;
    for (int64_t o = 0; o < shape->dim[0]; o++) {
        for (int64_t i = 0; i < inner; i++) {
            double element = (double)y[(o * shape->dim[1] + c) * inner + i];
            sum += element;
            squares += element * element;
        }
    }
    double count = (double)(shape->dim[0] * inner);
    *mean = sum / count;
    *sd = sqrt(squares / count - *mean * *mean);
}

/* After the repair of statistics every linear result of the cut network has the mean and
 * deviation of the original's, channel by channel. */
static void test_statistics_are_restored(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct subject subject;
    begin(&subject, 8);
    const uint8_t keep_a[8] = {1, 0, 1, 1, 0, 1, 1, 1};
    const uint8_t keep_b[6] = {1, 1, 1, 0, 1, 1};
    const uint8_t *keeps[8] = {0};
    for (int32_t g = 0; g < cop_groups_n(subject.groups); g++) {
        const struct cop_group *group = cop_groups_at(subject.groups, g);
        if (strcmp(group->name, "a") == 0) keeps[g] = keep_a;
        if (strcmp(group->name, "b") == 0) keeps[g] = keep_b;
    }
    const struct cop_cut cut = {.keep = keeps};
    struct cop_graph *small = NULL;
    assert_ok(cop_cut_apply(subject.groups, &cut, &small, &err));
    assert_ok(cop_repair_statistics(
        subject.engine,
        subject.groups,
        &cut,
        subject.calibration,
        &samples,
        NULL,
        small,
        &err));
    const char *const nodes[3] = {"b", "c", "fc"};
    for (int i = 0; i < 3; i++) {
        struct cop_shape was_shape;
        struct cop_shape is_shape;
        float *was = response(subject.engine, subject.net.graph, nodes[i], &was_shape);
        float *is = response(subject.engine, small, nodes[i], &is_shape);
        int64_t at = 0;
        for (int64_t c = 0; c < was_shape.dim[1]; c++) {
            if (i == 0 && !keep_b[c]) continue;
            double mean[2];
            double sd[2];
            spread_of(was, &was_shape, c, &mean[0], &sd[0]);
            spread_of(is, &is_shape, at++, &mean[1], &sd[1]);
            if (fabs(mean[0] - mean[1]) > 1e-3 * sd[0] ||
                fabs(sd[1] / sd[0] - 1) > 1e-3)
                fail_msg(
                    "%s channel %d: mean %.6g and %.6g, deviation %.6g and %.6g",
                    nodes[i],
                    (int)c,
                    mean[0],
                    mean[1],
                    sd[0],
                    sd[1]);
        }
        assert_int_equal(at, is_shape.dim[1]);
        cop_mem_free(was);
        cop_mem_free(is);
    }
    cop_graph_destroy(small);
    end(&subject);
}

/* Mean squared difference of the scores of a cut network from the original's, over
 * samples that calibration has not seen. */
static double score_error(const struct subject *subject, const struct cop_graph *small)
{
    struct cop_shape shape;
    const int64_t unseen = 1000;
    float *was =
        response_from(unseen, subject->engine, subject->net.graph, "fc", &shape);
    float *is = response_from(unseen, subject->engine, small, "fc", &shape);
    double error = 0.0;
    int64_t n = cop_shape_n(&shape);
    for (int64_t i = 0; i < n; i++) {
        double change = (double)was[i] - (double)is[i];
        error += change * change / (double)n;
    }
    cop_mem_free(was);
    cop_mem_free(is);
    return error;
}

/* Each repair brings the scores nearer to the original's. */
static void test_repairs_help(void **state)
{
    (void)state;
    struct cop_err err = {0};
    const uint8_t keep_a[8] = {1, 0, 1, 1, 0, 1, 0, 1};
    const uint8_t keep_b[6] = {1, 1, 1, 0, 0, 1};
    double error[3] = {0.0, 0.0, 0.0};
    for (uint64_t seed = 20; seed < 26; seed++) {
        struct subject subject;
        begin(&subject, seed);
        const uint8_t *keeps[8] = {0};
        for (int32_t g = 0; g < cop_groups_n(subject.groups); g++) {
            const struct cop_group *group = cop_groups_at(subject.groups, g);
            if (strcmp(group->name, "a") == 0) keeps[g] = keep_a;
            if (strcmp(group->name, "b") == 0) keeps[g] = keep_b;
        }
        const struct cop_cut cut = {.keep = keeps};
        struct cop_graph *small = NULL;
        assert_ok(cop_cut_apply(subject.groups, &cut, &small, &err));
        error[0] += score_error(&subject, small);
        cop_graph_destroy(small);
        assert_ok(cop_repair_consumers(
            subject.groups, &cut, subject.calibration, NULL, &small, &err));
        error[1] += score_error(&subject, small);
        assert_ok(cop_repair_responses(
            subject.engine,
            subject.groups,
            &cut,
            subject.calibration,
            &samples,
            NULL,
            small,
            &err));
        assert_ok(cop_graph_check(small, &err));
        error[2] += score_error(&subject, small);
        cop_graph_destroy(small);
        end(&subject);
    }
    print_message("scores off by %.4g, %.4g, %.4g\n", error[0], error[1], error[2]);
    assert_true(error[1] < 0.8 * error[0]);
    assert_true(error[2] < error[1]);
}

/* Two groups meet in one concat and are cut together; a channel of one is a multiple of a
 * channel of the other, so solving for both at once recovers it. */
static void test_groups_are_solved_together(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct test_net net = test_net_begin(&cop_ops_standard, CHANNELS, SIDE, SIDE, 9);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 3, 1, 1);
    struct cop_value *b = test_net_conv(&net, "b", net.x, 3, 1, 1);
    struct cop_value *cat = test_net_op(&net, "Concat", "cat", "axis=1", a, b, NULL);
    struct cop_value *d = test_net_conv(&net, "d", cat, 4, 1, 1);
    test_net_end(&net, d);
    struct cop_groups *groups = NULL;
    struct cop_engine *engine = NULL;
    struct cop_calibration *calibration = NULL;
    assert_ok(cop_groups_find(net.graph, &groups, &err));
    assert_ok(cop_engine_create(&engine, &err));
    assert_ok(cop_calibrate(engine, groups, &samples, NULL, &calibration, &err));
    const uint8_t keep_a[3] = {1, 0, 1};
    const uint8_t keep_b[3] = {0, 0, 1};
    const uint8_t *keeps[8] = {0};
    for (int32_t g = 0; g < cop_groups_n(groups); g++) {
        const struct cop_group *group = cop_groups_at(groups, g);
        if (strcmp(group->name, "a") == 0) keeps[g] = keep_a;
        if (strcmp(group->name, "b") == 0) keeps[g] = keep_b;
    }
    /* Three inputs make six channels: any three of them (and a constant) give the rest. */
    const struct cop_cut cut = {.keep = keeps};
    const struct cop_repair_options options = {.ridge = 1e-9};
    struct cop_graph *small = NULL;
    assert_ok(cop_repair_consumers(groups, &cut, calibration, &options, &small, &err));
    struct cop_shape shape;
    float *was = response(engine, net.graph, "d", &shape);
    float *is = response(engine, small, "d", &shape);
    assert_near(is, was, cop_shape_n(&shape), 2e-3, 2e-3);
    cop_mem_free(was);
    cop_mem_free(is);
    cop_graph_destroy(small);
    cop_calibration_destroy(calibration);
    cop_engine_destroy(engine);
    cop_groups_destroy(groups);
    cop_graph_destroy(net.graph);
}

int run_calibrate_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments_match_plain_sums),
        cmocka_unit_test(test_calibration_repeats),
        cmocka_unit_test(test_streams_do_not_show),
        cmocka_unit_test(test_the_first_failure_ends_all),
        cmocka_unit_test(test_stopping_and_no_samples),
        cmocka_unit_test(test_statistics_are_restored),
        cmocka_unit_test(test_repairs_help),
        cmocka_unit_test(test_groups_are_solved_together),
    };
    return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
