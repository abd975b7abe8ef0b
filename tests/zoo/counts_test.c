/* tests/zoo/counts_test.c - parameters and multiply-accumulates as published, and scores in
 * range that follow the input, at the published sizes.
 *
 * Sources: torchvision's model table (parameters; GFLOPS, which are multiply-accumulates of
 * convolutions and fully connected layers); the MobileNet paper, table 8 (569 million
 * mult-adds, 4.2 million parameters); for NASNet-A Keras, whose 5,326,716 and 88,949,818
 * count running statistics too, and the paper's table 2 (564 million and 23.8 billion
 * mult-adds).  EfficientNet's layers within squeeze and excitation count like all others. */
#include "zoo_tests.h"

#include "base/rng.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "support/test.h"
#include "zoo/zoo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1000 };

static const struct {
    const char *name;
    int64_t params; /* without running statistics */
    int64_t macs;
    bool is_run; /* one of each family */
} published[] = {
    {"resnet18", 11689512, 1814073344, false},
    {"resnet34", 21797672, 3663761408, false},
    {"resnet50", 25557032, 4089184256, false},
    {"resnet101", 44549160, 7801405440, true},
    {"vgg11", 132863336, 7609090048, false},
    {"vgg16", 138357544, 15470264320, false},
    {"vgg19", 143667240, 19632062464, false},
    {"vgg11-bn", 132868840, 7609090048, true},
    {"vgg16-bn", 138365992, 15470264320, false},
    {"vgg19-bn", 143678248, 19632062464, false},
    {"mobilenetv1", 4231976, 568740352, true},
    {"mobilenetv2", 3504872, 300774272, true},
    {"squeezenet", 1235496, 349151936, true},
    {"inceptionv3", 23834568, 5713216096, true},
    {"nasnet-mobile", 5289978, 563638816, true},
    {"nasnet-large", 88753150, 23783414658, true},
    {"densenet121", 7978856, 2834161664, true},
    {"efficientnet-b0", 5288548, 385814752, true},
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

/* Standard deviation of n scores. */
static double deviation(const float *scores, int n)
{
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < n; i++) {
        sum += (double)scores[i];
        squares += (double)scores[i] * (double)scores[i];
    }
    return sqrt(fmax(squares / n - sum / n * sum / n, 0));
}

/* Two pictures of noise: their scores neither explode nor vanish, nor are they alike. */
static void check_scores(
    struct cop_engine *engine, const struct cop_graph *graph, const char *name)
{
    struct cop_err err;
    struct cop_plan *plan = NULL;
    struct cop_rng rng;
    static float scores[2 * CLASSES];
    static float change[CLASSES];
    const struct cop_plan_options options = {.mb = 2};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    const int64_t n = 2 * cop_shape_n(&cop_graph_input(graph, 0)->shape);
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    cop_rng_init(&rng, 3);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)cop_rng_normal(&rng);
    assert_ok(
        cop_plan_run(plan, (const float *const[]){x}, (float *const[]){scores}, &err));
    cop_plan_destroy(plan);
    free(x);
    for (int i = 0; i < CLASSES; i++)
        change[i] = scores[CLASSES + i] - scores[i];
    const double spread = deviation(scores, CLASSES);
    const double follows = deviation(change, CLASSES) / spread;
    print_message(
        "%s: scores of deviation %.3f, changing %.3f\n", name, spread, follows);
    assert_true(spread > 0.1 && spread < 10.0);
    assert_true(follows > 0.1);
}

static void counts_are_the_published_ones(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
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
        if (published[i].is_run) check_scores(engine, graph, name);
        cop_graph_destroy(graph);
    }
    cop_engine_destroy(engine);
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
