/* tests/zoo/counts_test.c - parameters and multiply-accumulates as published.
 *
 * Sources: torchvision's model table (parameters; GFLOPS, which are multiply-accumulates of
 * convolutions and fully connected layers); the MobileNet paper, table 8 (569 million
 * mult-adds, 4.2 million parameters); for NASNet-A Keras, whose 5,326,716 and 88,949,818
 * count running statistics too, and the paper's table 2 (564 million and 23.8 billion
 * mult-adds). */
#include "zoo_tests.h"

#include "ops/ops.h"
#include "support/test.h"
#include "zoo/zoo.h"

#include <string.h>

static const struct {
    const char *name;
    int64_t params; /* without running statistics */
    int64_t macs;
} published[] = {
    {"resnet18", 11689512, 1814073344},
    {"resnet34", 21797672, 3663761408},
    {"resnet50", 25557032, 4089184256},
    {"resnet101", 44549160, 7801405440},
    {"vgg11", 132863336, 7609090048},
    {"vgg16", 138357544, 15470264320},
    {"vgg19", 143667240, 19632062464},
    {"vgg11-bn", 132868840, 7609090048},
    {"vgg16-bn", 138365992, 15470264320},
    {"vgg19-bn", 143678248, 19632062464},
    {"mobilenetv1", 4231976, 568740352},
    {"mobilenetv2", 3504872, 300774272},
    {"squeezenet", 1235496, 349151936},
    {"inceptionv3", 23834568, 5713216096},
    {"nasnet-mobile", 5289978, 563638816},
    {"nasnet-large", 88753150, 23783414658},
};

/* What the papers do not call parameters: running statistics and the bounds of ReLU6. */
static int64_t n_statistics(const struct cop_graph *graph)
{
    int64_t n = 0;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        const struct cop_node *node = cop_graph_node(graph, i);
        if (node->op == &cop_op_batch_normalization)
            n += 2 * node->src[3]->shape.dim[0];
        if (node->op == &cop_op_clip) n += 2;
    }
    return n;
}

static int64_t n_layer_macs(const struct cop_graph *graph)
{
    struct cop_err err;
    int64_t sum = 0;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        const struct cop_node *node = cop_graph_node(graph, i);
        int64_t macs = 0;
        assert_ok(cop_node_macs(node, &macs, &err));
        if (node->op == &cop_op_conv || node->op == &cop_op_gemm) sum += macs;
    }
    return sum;
}

static void counts_are_the_published_ones(void **state)
{
    (void)state;
    struct cop_err err;
    assert_int_equal(cop_zoo_n(), (int)(sizeof published / sizeof *published));
    for (int32_t i = 0; i < cop_zoo_n(); i++) {
        const struct cop_zoo_options options = {.seed = 1};
        struct cop_graph *graph = NULL;
        const char *name = published[i].name;
        assert_string_equal(cop_zoo_at(i)->name, name);
        assert_ok(cop_zoo_build(name, &cop_ops_standard, &options, &graph, &err));
        assert_ok(cop_graph_check(graph, &err));
        int64_t params = cop_graph_n_params(graph) - n_statistics(graph);
        if (params != published[i].params || n_layer_macs(graph) != published[i].macs)
            fail_msg(
                "%s: %lld parameters, published %lld; %lld MACs, published %lld",
                name,
                (long long)params,
                (long long)published[i].params,
                (long long)n_layer_macs(graph),
                (long long)published[i].macs);
        cop_graph_destroy(graph);
    }
}

static void wrong_requests_are_told(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_zoo_options options = {0};
    assert_fails(
        cop_zoo_build("resnet49", &cop_ops_standard, &options, &graph, &err),
        COP_ENOTFOUND);
    assert_non_null(strstr(err.text, "resnet50"));
    options.height = 8;
    assert_fails(
        cop_zoo_build("resnet50", &cop_ops_standard, &options, &graph, &err),
        COP_EINVAL);
    const struct cop_op_set empty = {0};
    options.height = 0;
    assert_fails(
        cop_zoo_build("resnet50", &empty, &options, &graph, &err), COP_EUNSUPPORTED);
}

int test_counts(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_the_published_ones),
        cmocka_unit_test(wrong_requests_are_told),
    };
    return cmocka_run_group_tests_name("counts", tests, NULL, NULL);
}
