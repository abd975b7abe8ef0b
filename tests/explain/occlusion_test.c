/* tests/explain/occlusion_test.c - maps of networks whose map is known by arithmetic. */
#include "explain/occlusion.h"

#include "explain_tests.h"
#include "ops/ops.h"
#include "support/net.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>

enum { C = 3, H = 10, W = 9, N_CLASSES = 4 };

/* Scores that are linear in the pixels: Flatten and Gemm without bias. */
static struct test_net linear_net(struct cop_value **weights)
{
    struct test_net net = test_net_begin(&cop_ops_standard, C, H, W, 7);
    const int64_t dims[2] = {N_CLASSES, C * H * W};
    *weights = test_net_weights(&net, 1.0, 2, dims);
    struct cop_value *flat = test_net_op(&net, "Flatten", "flat", "", net.x, NULL);
    struct cop_value *y =
        test_net_op(&net, "Gemm", "fc", "transB=1", flat, *weights, NULL);
    test_net_end(&net, y);
    return net;
}

static void fill_random(struct cop_rng *rng, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)cop_rng_normal(rng);
}

/* Loss of hiding the window at (y0, x0) behind @p fill, by the definition. */
static double window_loss(
    const float *sample,
    const void *weights,
    int64_t target,
    const int64_t window[4], /* y0, x0, height, width */
    double fill)
{
    double loss = 0;
    for (int64_t c = 0; c < C; c++)
        for (int64_t y = window[0]; y < window[0] + window[2]; y++)
            for (int64_t x = window[1]; x < window[1] + window[3]; x++) {
                const int64_t i = (c * H + y) * W + x;
                loss += (double)cop_f32_at(weights, target * C * H * W + i) *
                        ((double)sample[i] - fill);
            }
    return loss;
}

/* The map by the words of occlusion.h, cell by cell. */
static void reference_map(
    const float *sample,
    const void *weights,
    int64_t target,
    const struct cop_occlusion_options *o,
    float *map)
{
    const int64_t rows = (H + o->stride[0] - 1) / o->stride[0];
    const int64_t cols = (W + o->stride[1] - 1) / o->stride[1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            const int64_t y = (int64_t)(((double)i + 0.5) * H / (double)rows);
            const int64_t x = (int64_t)(((double)j + 0.5) * W / (double)cols);
            double sum = 0;
            int n = 0;
            for (int64_t a = 0;; a += o->stride[0]) {
                const int64_t y0 = a + o->window[0] > H ? H - o->window[0] : a;
                for (int64_t b = 0;; b += o->stride[1]) {
                    const int64_t x0 = b + o->window[1] > W ? W - o->window[1] : b;
                    const int64_t at[4] = {y0, x0, o->window[0], o->window[1]};
                    if (y >= y0 && y < y0 + at[2] && x >= x0 && x < x0 + at[3]) {
                        sum += window_loss(
                            sample, weights, target, at, (double)o->fill_value);
                        n++;
                    }
                    if (b + o->window[1] >= W) break;
                }
                if (a + o->window[0] >= H) break;
            }
            map[i * cols + j] = (float)(sum / n);
        }
}

static void linear_scores_give_the_exact_map(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_value *weights = NULL;
    struct test_net net = linear_net(&weights);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    const struct cop_occlusion_options cases[] = {
        {.window = {4, 3}, .stride = {2, 1}, .mb = 5},
        {.window = {3, 4}, .stride = {3, 4}, .fill_value = 0.7F, .mb = 1},
        {.window = {H, W}, .stride = {1, 1}, .mb = 3},
        {.window = {1, 1}, .stride = {1, 1}, .mb = 64},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct cop_occluder *occluder = NULL;
        struct cop_occlusion_map map = {0};
        float sample[C * H * W];
        float want[H * W];
        fill_random(&net.rng, sample, C * H * W);
        assert_ok(cop_occluder_create(engine, net.graph, &cases[k], &occluder, &err));
        assert_ok(cop_occluder_map(occluder, sample, 2, NULL, &map, &err));
        reference_map(sample, cop_buf_data(weights->data), 2, &cases[k], want);
        assert_int_equal(map.rows, (H + cases[k].stride[0] - 1) / cases[k].stride[0]);
        assert_int_equal(map.cols, (W + cases[k].stride[1] - 1) / cases[k].stride[1]);
        assert_int_equal(map.target, 2);
        assert_false(map.is_probability);
        assert_near(map.values, want, map.rows * map.cols, 1e-4, 2e-4);
        cop_occlusion_map_clear(&map);
        cop_occluder_destroy(occluder);
    }
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

static void the_default_target_is_the_answer(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_value *weights = NULL;
    struct test_net net = linear_net(&weights);
    struct cop_engine *engine = NULL;
    struct cop_occluder *occluder = NULL;
    struct cop_occlusion_map map = {0};
    float sample[C * H * W];
    double scores[N_CLASSES];
    int best = 0;
    fill_random(&net.rng, sample, C * H * W);
    for (int k = 0; k < N_CLASSES; k++) {
        const int64_t whole[4] = {0, 0, H, W};
        scores[k] = window_loss(sample, cop_buf_data(weights->data), k, whole, 0);
        if (scores[k] > scores[best]) best = k;
    }
    assert_ok(cop_engine_create(&engine, &err));
    assert_ok(cop_occluder_create(engine, net.graph, NULL, &occluder, &err));
    assert_int_equal(cop_occluder_options(occluder)->window[0], 4);
    assert_int_equal(cop_occluder_options(occluder)->stride[1], 2);
    assert_ok(cop_occluder_map(occluder, sample, -1, NULL, &map, &err));
    assert_int_equal(map.target, best);
    assert_true(fabs(map.f_x - scores[best]) < 1e-3);
    assert_fails(
        cop_occluder_map(occluder, sample, N_CLASSES, NULL, &map, &err), COP_EINVAL);
    cop_occlusion_map_clear(&map);
    cop_occluder_destroy(occluder);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

/* Behind a softmax the score is log p: the loss is that of the logits less the change of
 * the normaliser, so losses of two classes differ as those of their logits do. */
static void probabilities_count_as_logarithms(void **state)
{
    (void)state;
    struct cop_err err;
    struct test_net net = test_net_begin(&cop_ops_standard, C, H, W, 7);
    const int64_t dims[2] = {N_CLASSES, C * H * W};
    struct cop_value *weights = test_net_weights(&net, 0.1, 2, dims);
    struct cop_value *flat = test_net_op(&net, "Flatten", "flat", "", net.x, NULL);
    struct cop_value *fc =
        test_net_op(&net, "Gemm", "fc", "transB=1", flat, weights, NULL);
    test_net_end(&net, test_net_op(&net, "Softmax", "p", "axis=1", fc, NULL));
    const struct cop_occlusion_options options = {.window = {5, 3}, .stride = {5, 3}};
    struct cop_engine *engine = NULL;
    struct cop_occluder *occluder = NULL;
    struct cop_occlusion_map maps[2] = {0};
    float sample[C * H * W];
    float got[H * W];
    float want[2][H * W];
    fill_random(&net.rng, sample, C * H * W);
    assert_ok(cop_engine_create(&engine, &err));
    assert_ok(cop_occluder_create(engine, net.graph, &options, &occluder, &err));
    for (int k = 0; k < 2; k++) {
        assert_ok(cop_occluder_map(occluder, sample, k, NULL, &maps[k], &err));
        reference_map(sample, cop_buf_data(weights->data), k, &options, want[k]);
        assert_true(maps[k].is_probability);
        assert_true(maps[k].f_x < 0);
    }
    const int64_t n = maps[0].rows * maps[0].cols;
    for (int64_t i = 0; i < n; i++) {
        got[i] = maps[0].values[i] - maps[1].values[i];
        want[0][i] -= want[1][i];
    }
    assert_near(got, want[0], n, 1e-3, 1e-3);
    for (int k = 0; k < 2; k++)
        cop_occlusion_map_clear(&maps[k]);
    cop_occluder_destroy(occluder);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

/* A blur hides nothing in a flat picture. */
static void a_blur_leaves_flat_pictures_alone(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_value *weights = NULL;
    struct test_net net = linear_net(&weights);
    const struct cop_occlusion_options options = {.fill = COP_OCCLUSION_BLUR};
    struct cop_engine *engine = NULL;
    struct cop_occluder *occluder = NULL;
    struct cop_occlusion_map map = {0};
    float sample[C * H * W];
    float zero[H * W] = {0};
    for (int i = 0; i < C * H * W; i++)
        sample[i] = 1.5F;
    assert_ok(cop_engine_create(&engine, &err));
    assert_ok(cop_occluder_create(engine, net.graph, &options, &occluder, &err));
    assert_ok(cop_occluder_map(occluder, sample, 1, NULL, &map, &err));
    assert_near(map.values, zero, map.rows * map.cols, 0, 1e-3);
    cop_occlusion_map_clear(&map);
    fill_random(&net.rng, sample, C * H * W);
    assert_ok(cop_occluder_map(occluder, sample, 1, NULL, &map, &err));
    double sum = 0;
    for (int64_t i = 0; i < map.rows * map.cols; i++)
        sum += fabs((double)map.values[i]);
    assert_true(sum > 0.1);
    cop_occlusion_map_clear(&map);
    cop_occluder_destroy(occluder);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

static void bad_windows_are_refused(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_value *weights = NULL;
    struct test_net net = linear_net(&weights);
    struct cop_engine *engine = NULL;
    struct cop_occluder *occluder = NULL;
    const struct cop_occlusion_options bad[] = {
        {.window = {H + 1, 2}},
        {.window = {-1, 2}},
        {.window = {3, 3}, .stride = {4, 1}},
        {.window = {3, 3}, .stride = {1, -1}},
        {.mb = -1},
        {.mb = 1 << 20},
    };
    assert_ok(cop_engine_create(&engine, &err));
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_fails(
            cop_occluder_create(engine, net.graph, &bad[k], &occluder, &err),
            COP_EINVAL);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

int test_occlusion(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_scores_give_the_exact_map),
        cmocka_unit_test(the_default_target_is_the_answer),
        cmocka_unit_test(probabilities_count_as_logarithms),
        cmocka_unit_test(a_blur_leaves_flat_pictures_alone),
        cmocka_unit_test(bad_windows_are_refused),
    };
    return cmocka_run_group_tests_name("explain: occlusion", tests, NULL, NULL);
}
