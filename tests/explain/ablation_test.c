/* tests/explain/ablation_test.c - channel ablation against arithmetic and full runs. */
#include "explain/ablation.h"

#include "base/mem.h"
#include "explain_tests.h"
#include "ops/ops.h"
#include "support/net.h"
#include "support/test.h"

#include <math.h>

enum { C = 3, SIDE = 8, N = 5, N_CLASSES = 4, N_CHANNELS = 6 };

struct fixture {
    struct test_net net;
    struct cop_engine *engine;
    struct cop_arena *arena;
    float *inputs; /* [N][C][SIDE][SIDE] */
};

static void open_fixture(struct fixture *f)
{
    struct cop_err err;
    assert_ok(cop_engine_create(&f->engine, &err));
    f->arena = cop_arena_create();
    f->inputs = COP_ARENA_NEW_N(f->arena, N * C * SIDE * SIDE, float);
    assert_non_null(f->inputs);
    for (int i = 0; i < N * C * SIDE * SIDE; i++)
        f->inputs[i] = (float)cop_rng_normal(&f->net.rng);
}

static void close_fixture(struct fixture *f)
{
    cop_arena_destroy(f->arena);
    cop_engine_destroy(f->engine);
    cop_graph_destroy(f->net.graph);
}

/* Scores of all samples with one channel of @p layer forced to @p fill in a full run from
 * the input; channel < 0: untouched. */
static void full_run(
    struct fixture *f,
    const struct cop_value *layer,
    int64_t channel,
    float fill,
    float *outputs)
{
    struct cop_err err;
    struct cop_plan *plan = NULL;
    const struct cop_plan_options options = {.mb = N, .taps = &layer, .n_taps = 1};
    assert_ok(cop_plan_create(f->engine, f->net.graph, &options, &plan, &err));
    uint8_t mask[64] = {0};
    if (channel >= 0) mask[channel] = 1;
    assert_ok(cop_plan_mask_channels(plan, layer->id, mask, fill, &err));
    const float *start = f->inputs;
    assert_ok(cop_plan_run(plan, &start, &outputs, &err));
    cop_plan_destroy(plan);
}

/* What the definition says, one full run per channel. */
static void reference(
    struct fixture *f,
    const struct cop_value *layer,
    const float *fills,
    const int64_t *targets,
    float *mean,
    float *mean_abs)
{
    float whole[N * N_CLASSES];
    float without[N * N_CLASSES];
    full_run(f, layer, -1, 0, whole);
    for (int64_t c = 0; c < layer->shape.dim[1]; c++) {
        double sums[2] = {0, 0};
        full_run(f, layer, c, fills ? fills[c] : 0, without);
        for (int i = 0; i < N; i++) {
            const int64_t at = i * N_CLASSES + targets[i];
            const double loss = (double)whole[at] - (double)without[at];
            sums[0] += loss;
            sums[1] += fabs(loss);
        }
        mean[c] = (float)(sums[0] / N);
        mean_abs[c] = (float)(sums[1] / N);
    }
}

/* conv - relu - conv - add(skip) - relu - conv - head: layers in front of, inside and
 * behind a residual branch. */
static void residual_net(struct fixture *f, const struct cop_value *layers[4])
{
    f->net = test_net_begin(&cop_ops_standard, C, SIDE, SIDE, 11);
    struct test_net *net = &f->net;
    struct cop_value *a = test_net_conv(net, "a", net->x, N_CHANNELS, 3, 1);
    struct cop_value *a_relu = test_net_op(net, "Relu", "a_relu", "", a, NULL);
    struct cop_value *b = test_net_conv(net, "b", a_relu, N_CHANNELS, 3, 1);
    struct cop_value *b_relu = test_net_op(net, "Relu", "b_relu", "", b, NULL);
    struct cop_value *c = test_net_conv(net, "c", b_relu, N_CHANNELS, 3, 1);
    struct cop_value *sum = test_net_op(net, "Add", "sum", "", c, a_relu, NULL);
    struct cop_value *relu = test_net_op(net, "Relu", "relu", "", sum, NULL);
    struct cop_value *d = test_net_conv(net, "d", relu, N_CHANNELS, 3, 1);
    test_net_end(net, test_net_head(net, d, N_CLASSES));
    layers[0] = a;
    layers[1] = b;
    layers[2] = sum;
    layers[3] = d;
}

static void partial_runs_equal_full_runs(void **state)
{
    (void)state;
    struct cop_err err;
    struct fixture f;
    const struct cop_value *layers[4];
    residual_net(&f, layers);
    open_fixture(&f);
    const int64_t targets[N] = {0, 3, 1, 2, 1};
    const struct cop_ablation_samples samples = {f.inputs, targets, N};
    /* 2 does not divide 5: the last batch is filled up. */
    for (int64_t mb = 2; mb <= 8; mb += 3) {
        const struct cop_ablation_options options = {
            .layers = layers, .n_layers = 4, .mb = mb};
        struct cop_ablation_layer got[4];
        assert_ok(
            cop_ablate(f.engine, f.net.graph, &samples, &options, f.arena, got, &err));
        for (int k = 0; k < 4; k++) {
            float want[2][N_CHANNELS];
            reference(&f, layers[k], NULL, targets, want[0], want[1]);
            assert_string_equal(got[k].name, layers[k]->producer->name);
            assert_int_equal(got[k].n_channels, N_CHANNELS);
            assert_near(got[k].mean, want[0], N_CHANNELS, 1e-4, 1e-5);
            assert_near(got[k].mean_abs, want[1], N_CHANNELS, 1e-4, 1e-5);
        }
    }
    close_fixture(&f);
}

/* One layer whose channels are averaged and weighed: the effect is weight times mean. */
static void a_linear_head_gives_weight_times_mean(void **state)
{
    (void)state;
    struct cop_err err;
    struct fixture f;
    f.net = test_net_begin(&cop_ops_standard, C, SIDE, SIDE, 13);
    const int64_t dims[2] = {N_CLASSES, C};
    struct cop_value *weights = test_net_weights(&f.net, 1.0, 2, dims);
    struct cop_value *id = test_net_op(&f.net, "Relu", "layer", "", f.net.x, NULL);
    struct cop_value *gap =
        test_net_op(&f.net, "GlobalAveragePool", "gap", "", id, NULL);
    struct cop_value *flat = test_net_op(&f.net, "Flatten", "flat", "", gap, NULL);
    test_net_end(
        &f.net, test_net_op(&f.net, "Gemm", "fc", "transB=1", flat, weights, NULL));
    open_fixture(&f);
    const int64_t targets[N] = {1, 1, 0, 3, 2};
    const struct cop_ablation_samples samples = {f.inputs, targets, N};
    const struct cop_value *layer = id;
    float want[2][C] = {{0}};
    float means[C] = {0};
    const void *w = cop_buf_data(weights->data);
    for (int i = 0; i < N; i++)
        for (int c = 0; c < C; c++) {
            double mean = 0;
            for (int s = 0; s < SIDE * SIDE; s++)
                mean += fmax((double)f.inputs[(i * C + c) * SIDE * SIDE + s], 0);
            mean /= SIDE * SIDE;
            const double effect = mean * (double)cop_f32_at(w, targets[i] * C + c);
            want[0][c] += (float)(effect / N);
            want[1][c] += (float)(fabs(effect) / N);
            means[c] += (float)(mean / N);
        }
    struct cop_ablation_options options = {.layers = &layer, .n_layers = 1};
    struct cop_ablation_layer got;
    assert_ok(
        cop_ablate(f.engine, f.net.graph, &samples, &options, f.arena, &got, &err));
    assert_near(got.mean, want[0], C, 1e-4, 1e-6);
    assert_near(got.mean_abs, want[1], C, 1e-4, 1e-6);

    options.fill = COP_ABLATION_MEAN;
    float by_full_runs[2][C];
    reference(&f, layer, means, targets, by_full_runs[0], by_full_runs[1]);
    assert_ok(
        cop_ablate(f.engine, f.net.graph, &samples, &options, f.arena, &got, &err));
    assert_near(got.mean, by_full_runs[0], C, 1e-4, 1e-5);
    assert_near(got.mean_abs, by_full_runs[1], C, 1e-4, 1e-5);
    close_fixture(&f);
}

/* The input itself is a layer too: no plan in front of it is needed. */
static void the_input_can_be_ablated(void **state)
{
    (void)state;
    struct cop_err err;
    struct fixture f;
    const struct cop_value *layers[4];
    residual_net(&f, layers);
    open_fixture(&f);
    const int64_t targets[N] = {0, 3, 1, 2, 1};
    const struct cop_ablation_samples samples = {f.inputs, targets, N};
    const struct cop_value *input = f.net.x;
    const struct cop_ablation_options options = {.layers = &input, .n_layers = 1};
    struct cop_ablation_layer got;
    float want[2][C];
    assert_ok(
        cop_ablate(f.engine, f.net.graph, &samples, &options, f.arena, &got, &err));
    reference(&f, input, NULL, targets, want[0], want[1]);
    assert_near(got.mean, want[0], C, 1e-4, 1e-5);
    close_fixture(&f);
}

static void layers_that_lead_nowhere_are_refused(void **state)
{
    (void)state;
    struct cop_err err;
    struct fixture f;
    const struct cop_value *layers[4];
    residual_net(&f, layers);
    open_fixture(&f);
    const struct cop_ablation_samples samples = {f.inputs, NULL, N};
    const struct cop_ablation_samples none = {f.inputs, NULL, 0};
    const struct cop_value *constant = layers[0]->producer->src[1];
    const struct cop_value *output = cop_graph_output(f.net.graph, 0);
    struct cop_ablation_options options = {.layers = &constant, .n_layers = 1};
    struct cop_ablation_layer got;
    assert_fails(
        cop_ablate(f.engine, f.net.graph, &samples, &options, f.arena, &got, &err),
        COP_EINVAL);
    options.layers = &output;
    assert_fails(
        cop_ablate(f.engine, f.net.graph, &samples, &options, f.arena, &got, &err),
        COP_EINVAL);
    options.layers = layers;
    assert_fails(
        cop_ablate(f.engine, f.net.graph, &none, &options, f.arena, &got, &err),
        COP_EINVAL);
    close_fixture(&f);
}

int test_ablation(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_runs_equal_full_runs),
        cmocka_unit_test(a_linear_head_gives_weight_times_mean),
        cmocka_unit_test(the_input_can_be_ablated),
        cmocka_unit_test(layers_that_lead_nowhere_are_refused),
    };
    return cmocka_run_group_tests_name("explain: ablation", tests, NULL, NULL);
}
