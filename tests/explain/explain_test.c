/* tests/explain/explain_test.c - a pair of networks explained into a project file. */
#include "explain/explain.h"

#include "base/mem.h"
#include "demo.h"
#include "explain_tests.h"
#include "ops/ops.h"
#include "support/net.h"
#include "support/test.h"

#include <string.h>

/* Two convolutions, the first with @p width channels. */
static struct test_net make_net(int64_t width)
{
    struct test_net net =
        test_net_begin(&cop_ops_standard, 3, DEMO_SIDE, DEMO_SIDE, 31);
    struct cop_value *a = test_net_conv(&net, "layer1.conv<1>", net.x, width, 3, 1);
    struct cop_value *relu = test_net_op(&net, "Relu", "relu", "", a, NULL);
    struct cop_value *b = test_net_conv(&net, "last", relu, 6, 3, 1);
    test_net_end(&net, test_net_head(&net, b, DEMO_CLASSES));
    return net;
}

static void assert_rows(
    struct demo *demo,
    int64_t model_id,
    const char *method,
    int32_t before,
    int32_t n_new)
{
    struct cop_err err;
    struct cop_arena *arena = cop_arena_create();
    struct cop_attribution_row *rows = NULL;
    int32_t n = 0;
    assert_ok(cop_store_list_attributions(
        demo->store, model_id, method, arena, &rows, &n, &err));
    assert_int_equal(n - before, n_new);
    for (int32_t i = 0; i < n; i++)
        assert_int_equal(rows[i].values_bytes, rows[i].rows * rows[i].cols * 4);
    cop_arena_destroy(arena);
}

static void both_models_get_the_same_maps(void **state)
{
    (void)state;
    struct cop_err err;
    struct demo demo;
    struct cop_engine *engine = NULL;
    struct cop_explain_result result;
    test_demo_open(&demo);
    test_demo_add_variant(&demo, "V1");
    struct test_net nets[2] = {make_net(24), make_net(16)};
    assert_ok(cop_engine_create(&engine, &err));
    const struct cop_explain_subject subjects[2] = {
        {.graph = nets[0].graph, .model_id = demo.original_id},
        {.graph = nets[1].graph, .model_id = demo.variant_id}};
    const struct cop_explain_inputs inputs = {
        demo.store, demo.dataset, demo.dataset_id, subjects, 2};
    const struct cop_explain_options options = {
        .n_samples = 8, .ablation_samples = 3, .seed = 5};
    assert_ok(cop_explain(engine, &inputs, &options, NULL, &result, &err));
    assert_int_equal(result.n_samples, 8);
    assert_int_equal(result.n_flips, 2); /* a quarter; the demo has eleven */
    assert_int_equal(result.n_maps, 16);
    assert_int_equal(result.n_layers, 4);
    for (int m = 0; m < 2; m++) {
        assert_rows(&demo, subjects[m].model_id, "occlusion", DEMO_MAPS, 8);
        assert_rows(&demo, subjects[m].model_id, "channel-ablation-abs", 2, 2);
        assert_rows(&demo, subjects[m].model_id, "channel-ablation", 0, 2);
    }
    cop_engine_destroy(engine);
    for (int m = 0; m < 2; m++)
        cop_graph_destroy(nets[m].graph);
    test_demo_close(&demo);
}

/* One model alone, no ablation: maps only, and for the class it answers itself. */
static void one_model_is_explained_alone(void **state)
{
    (void)state;
    struct cop_err err;
    struct demo demo;
    struct cop_engine *engine = NULL;
    struct cop_explain_result result;
    test_demo_open(&demo);
    struct test_net net = make_net(8);
    assert_ok(cop_engine_create(&engine, &err));
    const struct cop_explain_subject subject = {
        .graph = net.graph, .model_id = demo.original_id};
    const struct cop_explain_inputs inputs = {
        demo.store, demo.dataset, demo.dataset_id, &subject, 1};
    const struct cop_explain_options options = {.n_samples = 4, .ablation_samples = -1};
    assert_ok(cop_explain(engine, &inputs, &options, NULL, &result, &err));
    assert_int_equal(result.n_flips, 0);
    assert_int_equal(result.n_maps, 4);
    assert_int_equal(result.n_layers, 0);
    const struct cop_explain_inputs none = {
        demo.store, demo.dataset, demo.dataset_id, &subject, 0};
    assert_fails(cop_explain(engine, &none, NULL, NULL, &result, &err), COP_EINVAL);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
    test_demo_close(&demo);
}

/* A network that takes other pictures than the data gives. */
static void data_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct cop_err err;
    struct demo demo;
    struct cop_engine *engine = NULL;
    struct cop_explain_result result;
    test_demo_open(&demo);
    struct test_net net = test_net_begin(&cop_ops_standard, 3, 16, 16, 31);
    test_net_end(&net, test_net_head(&net, net.x, DEMO_CLASSES));
    assert_ok(cop_engine_create(&engine, &err));
    const struct cop_explain_subject subject = {
        .graph = net.graph, .model_id = demo.original_id};
    const struct cop_explain_inputs inputs = {
        demo.store, demo.dataset, demo.dataset_id, &subject, 1};
    assert_fails(cop_explain(engine, &inputs, NULL, NULL, &result, &err), COP_ESHAPE);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
    test_demo_close(&demo);
}

int test_explain(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_models_get_the_same_maps),
        cmocka_unit_test(one_model_is_explained_alone),
        cmocka_unit_test(data_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("explain: a pair", tests, NULL, NULL);
}
