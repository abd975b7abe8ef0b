/* tests/engine/method_test.c - every method of convolution inside networks: the same
 * numbers, no copy before a concat, and a table of measured choices that survives. */
#include "engine/conv_method.h"
#include "engine/tuner.h"
#include "engine_tests.h"
#include "nets.h"
#include "toy.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEED = 20261121 };

static struct cop_engine *engine;

static int set_up(void **state)
{
    struct cop_err err;
    (void)state;
    assert_ok(cop_engine_create(&engine, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cop_engine_destroy(engine);
    return 0;
}

static int32_t count_steps(const struct cop_plan *plan, const char *kind)
{
    int32_t n = 0;
    for (int32_t i = 0; i < plan->n_steps; i++)
        n += strcmp(plan->steps[i]->kind, kind) == 0 ? 1 : 0;
    return n;
}

static int32_t count_method(const struct cop_plan *plan, const char *method)
{
    int32_t n = 0;
    for (int32_t i = 0; i < plan->n_steps; i++) {
        const char *own = plan->steps[i]->tuning_method;
        n += own != NULL && strcmp(own, method) == 0 ? 1 : 0;
    }
    return n;
}

static struct cop_plan *plan_with(
    const struct cop_graph *graph, int64_t mb, enum cop_conv_method method)
{
    struct cop_err err;
    struct cop_plan *plan;
    const struct cop_plan_options options = {.mb = mb};
    assert_ok(cop_plan__create_with(engine, graph, &options, (int)method, &plan, &err));
    return plan;
}

/* oneDNN's layouts decide: without AVX-512 it blocks channels, with SSE4.1 it often takes
 * plain tensors. */
static int32_t least_use(enum cop_conv_method method)
{
    if (strncmp(cop_dnnl_isa(), "avx512", 6) == 0) return 10;
    if (method == COP_CONV_DIRECT || method == COP_CONV_DEPTHWISE) return 0;
    return strncmp(cop_dnnl_isa(), "avx", 3) == 0 ? 10 : 1;
}

static void methods_compute_the_same(void **state)
{
    struct cop_rng rng;
    int32_t n_used[COP_CONV_N_METHODS] = {0};
    (void)state;
    print_message("seed %d\n", SEED);
    cop_rng_init(&rng, SEED);
    for (int round = 0; round < 40; round++) {
        struct cop_graph *graph = toy_random_net(&rng, 2);
        struct toy_values *values = toy_values_create(graph, 1 + round % 2, &rng);
        for (int i = 0; i < COP_CONV_N_METHODS; i++) {
            enum cop_conv_method method = (enum cop_conv_method)i;
            struct cop_plan *plan = plan_with(graph, values->mb, method);
            n_used[i] += count_method(plan, cop_conv_method_name(method));
            toy_check_plan(plan, graph, values, 5e-5);
            cop_plan_destroy(plan);
        }
        toy_values_destroy(values);
        cop_graph_destroy(graph);
    }
    for (int i = 0; i < COP_CONV_N_METHODS; i++)
        assert_true(n_used[i] >= least_use((enum cop_conv_method)i));
}

/* Our loops order the weights by what is fastest for the number of pixels, so plans of other
 * batches may need them in another order; plans of the same graph share what is alike. */
static void batches_have_their_own_order_of_weights(void **state)
{
    static const int64_t dims[4] = {1, 16, 7, 7};
    const struct toy_attrs window = toy_window(TOY_CONV, 1, 1, 0);
    struct cop_rng rng;
    struct cop_graph *graph = toy_graph();
    (void)state;
    cop_rng_init(&rng, SEED);
    toy_end(graph, toy_conv(graph, &rng, toy_input(graph, 4, dims), 80, window, true));
    struct cop_plan *small = plan_with(graph, 1, COP_CONV_DIRECT);
    struct cop_plan *large = plan_with(graph, 5, COP_CONV_DIRECT);
    struct toy_values *values = toy_values_create(graph, 1, &rng);
    toy_check_plan(small, graph, values, 5e-5);
    toy_values_destroy(values);
    values = toy_values_create(graph, 5, &rng);
    toy_check_plan(large, graph, values, 5e-5);
    toy_values_destroy(values);
    cop_plan_destroy(small);
    cop_plan_destroy(large);
    cop_graph_destroy(graph);
}

/* ---- concat ------------------------------------------------------------------------------- */

static struct cop_value *join(
    struct cop_graph *graph, struct cop_value *a, struct cop_value *b)
{
    const struct toy_attrs attrs = {.kind = TOY_CONCAT, .axis = 1};
    return toy_node(graph, &attrs, 2, (struct cop_value *[]){a, b});
}

/* Two concats, one inside the other, of convolutions; one has a residual sum. */
static struct cop_graph *nested_concats(struct cop_rng *rng)
{
    static const int64_t dims[4] = {1, 16, 12, 12};
    const struct toy_attrs window = toy_window(TOY_CONV, 3, 1, 1);
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = toy_input(graph, 4, dims);
    struct cop_value *a = toy_relu(graph, toy_conv(graph, rng, x, 24, window, true));
    struct cop_value *b = toy_conv(graph, rng, x, 17, window, true);
    struct cop_value *other = toy_conv(graph, rng, x, 32, window, false);
    struct cop_value *c = toy_relu(
        graph, toy_add(graph, toy_conv(graph, rng, x, 32, window, true), other));
    struct cop_value *whole = join(graph, join(graph, a, b), c);
    toy_end(graph, toy_conv(graph, rng, whole, 8, window, true));
    toy_end(graph, toy_conv(graph, rng, other, 5, window, true));
    return graph;
}

static void concat_is_in_place(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED);
    struct cop_graph *graph = nested_concats(&rng);
    struct toy_values *values = toy_values_create(graph, 3, &rng);
    struct cop_plan *plan = plan_with(graph, 3, COP_CONV_WINOGRAD_2);
    /* Where oneDNN blocks channels there is nothing to write into. */
    bool has_slots = strncmp(cop_dnnl_isa(), "avx512", 6) == 0;
    if (has_slots) assert_int_equal(count_steps(plan, "concat"), 0);
    toy_check_plan(plan, graph, values, 5e-5);
    cop_plan_destroy(plan);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

/* A tap must see the tensor although its concat could swallow it. */
static void taps_keep_their_tensor(void **state)
{
    static const int64_t dims[4] = {1, 16, 12, 12};
    struct cop_err err;
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED);
    const struct toy_attrs window = toy_window(TOY_CONV, 3, 1, 1);
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = toy_input(graph, 4, dims);
    struct cop_value *a = toy_conv(graph, &rng, x, 24, window, true);
    struct cop_value *b = toy_conv(graph, &rng, x, 8, window, true);
    struct cop_value *y = join(graph, a, b);
    toy_end(graph, y);
    struct toy_values *values = toy_values_create(graph, 2, &rng);
    const struct cop_value *taps[1] = {a};
    const struct cop_plan_options options = {.mb = 2, .taps = taps, .n_taps = 1};
    struct cop_plan *plan;
    assert_ok(cop_plan__create_with(
        engine, graph, &options, COP_CONV_WINOGRAD_4, &plan, &err));
    uint8_t mask[24] = {[3] = 1};
    assert_ok(cop_plan_mask_channels(plan, a->id, mask, 7.0f, &err));
    float *src = toy_floats(values, x->id);
    int64_t n = cop_shape_n(cop_plan_end_shape(plan, 0));
    float *dst = calloc((size_t)n, sizeof *dst);
    assert_ok(cop_plan_run(plan, (const float *const[]){src}, (float *[]){dst}, &err));
    for (int64_t i = 0; i < 2; i++) {
        const float *channel = dst + (i * 32 + 3) * 144;
        for (int64_t k = 0; k < 144; k++)
            assert_true(channel[k] == 7.0f);
    }
    free(dst);
    free(src);
    cop_plan_destroy(plan);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

static void winograd_can_be_refused(void **state)
{
    struct cop_err err;
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED);
    struct cop_graph *graph = nested_concats(&rng);
    const struct cop_plan_options options = {.mb = 1};
    struct cop_engine *careful;
    struct cop_plan *plan;
    assert_ok(cop_engine_create(&careful, &err));
    cop_engine_refuse_winograd(careful);
    assert_ok(cop_plan__create_with(
        careful, graph, &options, COP_CONV_WINOGRAD_4, &plan, &err));
    assert_int_equal(count_method(plan, "winograd-4"), 0);
    cop_plan_destroy(plan);
    cop_engine_destroy(careful);
    cop_graph_destroy(graph);
}

/* ---- tuning ------------------------------------------------------------------------------- */

static void tuning_is_kept(void **state)
{
    struct cop_err err;
    struct cop_rng rng;
    int32_t n;
    char path[] = "/tmp/coppice-tuning-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    cop_rng_init(&rng, SEED);
    struct cop_graph *graph = nested_concats(&rng);
    const struct cop_plan_options options = {.mb = 1};
    assert_ok(cop_engine_load_tuning(engine, path, &err)); /* empty: nothing known */
    assert_ok(cop_engine_tune(engine, graph, &options, &n, &err));
    assert_in_range(n, 1, 5); /* with SSE4.1 some layouts suit oneDNN alone */
    assert_ok(cop_engine_tune(engine, graph, &options, &n, &err));
    assert_int_equal(n, 0);
    assert_ok(cop_engine_save_tuning(engine, path, &err));
    struct cop_engine *other;
    assert_ok(cop_engine_create(&other, &err));
    assert_ok(cop_engine_load_tuning(other, path, &err));
    assert_ok(cop_engine_tune(other, graph, &options, &n, &err));
    assert_int_equal(n, 0);
    cop_engine_destroy(other);
    (void)unlink(path);
    cop_graph_destroy(graph);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void foreign_tunings_are_nothing(void **state)
{
    struct cop_err err;
    char method[COP_TUNER_METHOD];
    char path[] = "/tmp/coppice-tuning-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    struct cop_tuner *tuner;
    assert_ok(cop_tuner_create(&tuner, &err));
    write_text(path, "coppice tuning 1\tanother\nonednn\tkey\n");
    assert_ok(cop_tuner_load(tuner, path, "this", &err));
    assert_false(cop_tuner_find(tuner, "key", method));
    write_text(
        path,
        "coppice tuning 1\tthis\n\n\t\nno tab\na name far too long for a "
        "method\tx\nonednn\tkey");
    assert_ok(cop_tuner_load(tuner, path, "this", &err));
    assert_true(cop_tuner_find(tuner, "key", method));
    assert_string_equal(method, "onednn");
    assert_false(cop_tuner_find(tuner, "x", method));
    assert_fails(cop_tuner_put(tuner, "a\tb", "onednn", &err), COP_EINVAL);
    cop_tuner_destroy(tuner);
    (void)unlink(path);
}

int test_methods(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_compute_the_same),
        cmocka_unit_test(batches_have_their_own_order_of_weights),
        cmocka_unit_test(concat_is_in_place),
        cmocka_unit_test(taps_keep_their_tensor),
        cmocka_unit_test(winograd_can_be_refused),
        cmocka_unit_test(tuning_is_kept),
        cmocka_unit_test(foreign_tunings_are_nothing),
    };
    return cmocka_run_group_tests_name("methods", tests, set_up, tear_down);
}
