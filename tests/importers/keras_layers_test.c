/* tests/importers/keras_layers_test.c - every kind of Keras layer, from a small file through
 * the reader and the engine, against its meaning in double precision (keras_reference.h).
 *
 * A row is a model of one layer; the ' of its configuration stand for ".  Weights and the two
 * samples are random from the row's number. */
#include "importers_tests.h"
#include "keras_reference.h"
#include "support/keras_file.h"
#include "support/test.h"

#include "base/rng.h"
#include "engine/engine.h"
#include "importers/keras_read.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 2, WEIGHTS = 4, NUMBERS = 8, ELEMENTS = 4096, TEXT = 4096 };

struct row {
    const char *kind;
    const char *config; /* besides the name */
    const char *input;  /* extents in Keras's order */
    keras_fn *meaning;
    double numbers[NUMBERS];
    const char *weights[WEIGHTS]; /* extents */
};

static const struct row rows[] = {
    {"Conv2D",
     "'kernel_size': [3, 2], 'strides': [2, 1], 'padding': 'same', 'use_bias': true",
     "7,6,3",
     keras_conv,
     {2, 1, 1, 1, 1, 1, 1},
     {"3,2,3,5", "5"}},
    {"Conv2D",
     "'kernel_size': 3, 'strides': 1, 'padding': 'valid', 'dilation_rate': [1, 2],"
     " 'groups': 2, 'use_bias': false",
     "6,7,4",
     keras_conv,
     {1, 1, 1, 2, 0, 2, 0},
     {"3,3,2,6"}},
    {"Conv2D",
     "'kernel_size': [4, 4], 'strides': [3, 3], 'padding': 'same', 'use_bias': true",
     "8,7,2",
     keras_conv,
     {3, 3, 1, 1, 1, 1, 1},
     {"4,4,2,3", "3"}},
    {"DepthwiseConv2D",
     "'kernel_size': [3, 3], 'strides': [2, 2], 'padding': 'same', 'depth_multiplier': "
     "2",
     "6,6,3",
     keras_depthwise,
     {2, 2, 1, 1, 1, 0, 1},
     {"3,3,3,2", "6"}},
    {"SeparableConv2D",
     "'kernel_size': [3, 3], 'padding': 'same', 'dilation_rate': 2, 'use_bias': true",
     "7,6,3",
     keras_separable,
     {1, 1, 2, 2, 1, 0, 1},
     {"3,3,3,1", "1,1,3,4", "4"}},
    {"Conv2DTranspose",
     "'kernel_size': [3, 3], 'strides': [2, 2], 'padding': 'same'",
     "4,5,3",
     keras_conv_transpose,
     {2, 2, 1, -1},
     {"3,3,2,3", "2"}},
    {"Conv2DTranspose",
     "'kernel_size': [2, 2], 'strides': [3, 3], 'padding': 'valid'",
     "4,3,3",
     keras_conv_transpose,
     {3, 3, 0, -1},
     {"2,2,2,3", "2"}},
    {"Conv2DTranspose",
     "'kernel_size': [5, 4], 'strides': [2, 2], 'padding': 'valid'",
     "3,3,2",
     keras_conv_transpose,
     {2, 2, 0, -1},
     {"5,4,3,2", "3"}},
    {"Conv2DTranspose",
     "'kernel_size': [3, 3], 'strides': [2, 2], 'padding': 'same',"
     " 'output_padding': [1, 1]",
     "4,4,2",
     keras_conv_transpose,
     {2, 2, 1, 1},
     {"3,3,2,2", "2"}},
    {"Dense", "'units': 4, 'use_bias': true", "5", keras_dense, {1}, {"5,4", "4"}},
    {"Dense", "'units': 4, 'use_bias': false", "3,5", keras_dense, {0}, {"5,4"}},
    {"Dense", "'units': 4, 'use_bias': true", "3,2,5", keras_dense, {1}, {"5,4", "4"}},
    {"BatchNormalization",
     "'axis': [3], 'epsilon': 0.001, 'center': true, 'scale': true",
     "4,3,5",
     keras_batch_norm,
     {1, 1, 0.001},
     {"5", "5", "5", "5"}},
    {"BatchNormalization",
     "'axis': -1, 'epsilon': 0.1, 'center': true, 'scale': false",
     "4,3,5",
     keras_batch_norm,
     {0, 1, 0.1},
     {"5", "5", "5"}},
    {"BatchNormalization",
     "'axis': 1, 'center': false, 'scale': true",
     "6",
     keras_batch_norm,
     {1, 0, 0.001},
     {"6", "6", "6"}},
    {"Rescaling",
     "'scale': 0.25, 'offset': [1, -2, 0.5]",
     "3,4,3",
     keras_rescaling,
     {0.25, 1, -2, 0.5},
     {NULL}},
    {"Normalization",
     "'axis': [-1], 'mean': [[[[0.5, 1, -2]]]], 'variance': [[[[4, 0.25, 1]]]]",
     "3,4,3",
     keras_normalization,
     {0.5, 1, -2, 4, 0.25, 1},
     {NULL}},
    {"Normalization", "'axis': [-1]", "3,4,3", keras_normalization, {0}, {"3", "3"}},
    {"ReLU",
     "'max_value': 1.5, 'negative_slope': 0.25",
     "4,5",
     keras_relu,
     {1.5, 0.25},
     {NULL}},
    {"ReLU", "'max_value': null", "4,5", keras_relu, {INFINITY, 0}, {NULL}},
    {"LeakyReLU", "'alpha': 0.4", "4,5", keras_relu, {INFINITY, 0.4}, {NULL}},
    {"LeakyReLU", "'negative_slope': 0.1", "4,5", keras_relu, {INFINITY, 0.1}, {NULL}},
    {"ELU", "'alpha': 0.5", "4,5", keras_elu, {0.5}, {NULL}},
    {"ThresholdedReLU", "'theta': 0.7", "4,5", keras_thresholded, {0.7}, {NULL}},
    {"Softmax", "'axis': -1", "3,4,5", keras_softmax, {0}, {NULL}},
    {"PReLU", "'shared_axes': [1, 2]", "3,4,5", keras_prelu, {0}, {"1,1,5"}},
    {"PReLU", "'shared_axes': null", "3,4,2", keras_prelu, {0}, {"3,4,2"}},
    {"MaxPooling2D",
     "'pool_size': [3, 2], 'strides': [2, 2], 'padding': 'same'",
     "6,7,2",
     keras_max_pool,
     {3, 2, 2, 2, 1},
     {NULL}},
    {"MaxPooling2D",
     "'pool_size': 2, 'strides': null, 'padding': 'valid'",
     "5,6,2",
     keras_max_pool,
     {2, 2, 2, 2, 0},
     {NULL}},
    {"AveragePooling2D",
     "'pool_size': [3, 3], 'strides': [2, 1], 'padding': 'same'",
     "6,5,2",
     keras_average_pool,
     {3, 3, 2, 1, 1},
     {NULL}},
    {"GlobalMaxPooling2D", "'keepdims': false", "4,3,5", keras_global_max, {0}, {NULL}},
    {"GlobalAveragePooling2D",
     "'keepdims': true",
     "4,3,5",
     keras_global_average,
     {1},
     {NULL}},
    {"ZeroPadding2D",
     "'padding': [[1, 2], [0, 3]]",
     "3,4,2",
     keras_zero_padding,
     {1, 2, 0, 3},
     {NULL}},
    {"Cropping2D",
     "'cropping': [[1, 0], [2, 1]]",
     "4,6,2",
     keras_cropping,
     {1, 0, 2, 1},
     {NULL}},
    {"UpSampling2D",
     "'size': [2, 3], 'interpolation': 'nearest'",
     "3,4,2",
     keras_nearest,
     {2, 3},
     {NULL}},
    {"UpSampling2D",
     "'size': [2, 3], 'interpolation': 'bilinear'",
     "3,4,2",
     keras_bilinear,
     {2, 3},
     {NULL}},
    {"Flatten",
     "'data_format': 'channels_last'",
     "3,4,2",
     keras_reshape,
     {1, 24},
     {NULL}},
    {"Reshape",
     "'target_shape': [4, -1, 3]",
     "6,4,1",
     keras_reshape,
     {3, 4, 2, 3},
     {NULL}},
    {"Reshape", "'target_shape': [-1, 4]", "2,3,4", keras_reshape, {2, 6, 4}, {NULL}},
    {"Permute", "'dims': [3, 1, 2]", "3,4,2", keras_permute, {2, 0, 1}, {NULL}},
    {"Dropout", "'rate': 0.5", "3,4,2", keras_same, {0}, {NULL}},
    {"SpatialDropout1D", "'rate': 0.5", "4,2", keras_same, {0}, {NULL}},
    {"SpatialDropout2D", "'rate': 0.5", "3,4,2", keras_same, {0}, {NULL}},
    {"AlphaDropout", "'rate': 0.5", "5", keras_same, {0}, {NULL}},
    {"GaussianDropout", "'rate': 0.5", "5", keras_same, {0}, {NULL}},
    {"GaussianNoise", "'stddev': 1", "5", keras_same, {0}, {NULL}},
    {"ActivityRegularization", "'l2': 1", "5", keras_same, {0}, {NULL}},
    {"RandomFlip", "'mode': 'horizontal'", "3,4,3", keras_same, {0}, {NULL}},
    {"RandomRotation", "'factor': 0.1", "3,4,3", keras_same, {0}, {NULL}},
    {"RandomZoom", "'height_factor': 0.1", "3,4,3", keras_same, {0}, {NULL}},
    {"RandomTranslation", "'height_factor': 0.1", "3,4,3", keras_same, {0}, {NULL}},
    {"RandomContrast", "'factor': 0.1", "3,4,3", keras_same, {0}, {NULL}},
    {"RandomBrightness", "'factor': 0.1", "3,4,3", keras_same, {0}, {NULL}},
};

/* ---- files and numbers -------------------------------------------------------------- */

static struct keras_array random_array(const char *dims, struct cop_rng *rng)
{
    uint64_t extents[8];
    int64_t dim[8];
    const int rank = keras_dims(dims, extents);
    for (int i = 0; i < rank; i++)
        dim[i] = (int64_t)extents[i];
    struct keras_array array = keras_array(rank, dim);
    for (int64_t i = 0; i < keras_count(&array); i++)
        array.at[i] = (double)(float)cop_rng_normal(rng);
    return array;
}

static void write_weight(
    struct keras_file *file, int i, const char *dims, struct keras_array *array)
{
    static const char *const names[WEIGHTS] = {"l/a:0", "l/b:0", "l/c:0", "l/d:0"};
    float floats[ELEMENTS];
    for (int64_t k = 0; k < keras_count(array); k++)
        floats[k] = (float)array->at[k];
    keras_weight(file, names[i], dims, floats);
}

static void quoted(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\'') *text = '"';
}

/* Variances are what comes last: they must not be negative. */
static void make_positive(struct keras_array *array)
{
    for (int64_t i = 0; i < keras_count(array); i++)
        array->at[i] = (double)(float)(0.5 + fabs(array->at[i]));
}

static struct cop_graph *read_file(struct keras_file *file)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = keras_finish(file);
    assert_ok(
        cop_keras_read_bytes(bytes, "t.h5", &cop_ops_standard, NULL, &graph, &err));
    cop_buf_release(bytes);
    return graph;
}

static struct cop_graph *build(
    const struct row *row,
    const char *version,
    struct keras_array *weights,
    struct cop_rng *rng)
{
    char config[TEXT];
    struct keras_file file;
    const bool has_statistics = strstr(row->kind, "Normalization") != NULL;
    (void)snprintf(
        config,
        sizeof config,
        "{'class_name': 'Sequential', 'config': {'name': 'm', 'layers': ["
        "{'class_name': 'InputLayer', 'config': {'name': 'x', 'batch_input_shape':"
        " [null, %s]}}, {'class_name': '%s', 'config': {'name': 'l', 'trainable': true,"
        " %s}}]}}",
        row->input,
        row->kind,
        row->config);
    quoted(config);
    keras_begin(&file, (struct keras_style){0}, version, config);
    keras_layer(&file, "l");
    for (int i = 0; i < WEIGHTS && row->weights[i] != NULL; i++) {
        const bool is_last = i + 1 == WEIGHTS || row->weights[i + 1] == NULL;
        weights[i] = random_array(row->weights[i], rng);
        if (has_statistics && is_last) make_positive(&weights[i]);
        write_weight(&file, i, row->weights[i], &weights[i]);
    }
    return read_file(&file);
}

/* ---- running ------------------------------------------------------------------------- */

/* Element i of a sample in Keras's order lies there in memory. */
static int64_t place(const struct keras_array *array, int64_t i)
{
    if (array->rank != 3) return i;
    const int64_t c = array->dim[2];
    return i % c * array->dim[0] * array->dim[1] + i / c;
}

static float *to_memory(const struct keras_array *samples)
{
    const int64_t n = keras_count(&samples[0]);
    float *floats = calloc((size_t)(SAMPLES * n), sizeof *floats);
    for (int64_t i = 0; i < SAMPLES * n; i++)
        floats[i / n * n + place(&samples[0], i % n)] = (float)samples[i / n].at[i % n];
    return floats;
}

static void compare(
    const char *what, const struct keras_array *want, const float *got, int sample)
{
    const int64_t n = keras_count(want);
    double scale = 1e-3;
    for (int64_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(want->at[i]));
    for (int64_t i = 0; i < n; i++) {
        const double y = (double)got[sample * n + place(want, i)];
        if (!(fabs(y - want->at[i]) <= 1e-5 * scale))
            fail_msg(
                "%s: sample %d element %lld is %.9g, wanted %.9g",
                what,
                sample,
                (long long)i,
                y,
                want->at[i]);
    }
}

/* Runs the graph on up to two inputs of SAMPLES samples each and compares. */
static void run(
    const char *what,
    const struct cop_graph *graph,
    const struct keras_array *const inputs[2],
    const struct keras_array *want)
{
    struct cop_err err;
    struct cop_engine *engine = NULL;
    struct cop_plan *plan = NULL;
    const struct cop_plan_options options = {.mb = SAMPLES};
    const int64_t n = keras_count(&want[0]);
    float *starts[2] = {to_memory(inputs[0]), NULL};
    float *end = calloc((size_t)(SAMPLES * n), sizeof *end);
    if (inputs[1] != NULL) starts[1] = to_memory(inputs[1]);
    assert_ok(cop_engine_create(&engine, &err));
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    if (cop_shape_n(cop_plan_end_shape(plan, 0)) != SAMPLES * n)
        fail_msg("%s: has another size than %lld", what, (long long)n);
    assert_ok(cop_plan_run(plan, (const float *const *)starts, &end, &err));
    for (int i = 0; i < SAMPLES; i++)
        compare(what, &want[i], end, i);
    cop_plan_destroy(plan);
    cop_engine_destroy(engine);
    free(starts[0]);
    free(starts[1]);
    free(end);
}

static void check_row(const struct row *row, const char *version, uint64_t seed)
{
    struct cop_rng rng;
    struct cop_err err;
    struct keras_array x[SAMPLES];
    struct keras_array y[SAMPLES];
    struct keras_array weights[WEIGHTS] = {{0}};
    const struct keras_array *const inputs[2] = {x, NULL};
    cop_rng_init_stream(&rng, 7, seed);
    struct cop_graph *graph = build(row, version, weights, &rng);
    if (cop_graph_n_nodes(graph) == 0) fail_msg("%s: no nodes", row->kind);
    for (int i = 0; i < SAMPLES; i++) {
        x[i] = random_array(row->input, &rng);
        y[i] = row->meaning(&x[i], weights, row->numbers);
    }
    run(row->config, graph, inputs, y);
    assert_ok(cop_ops_simplify(graph, &err));
    run(row->config, graph, inputs, y);
    for (int i = 0; i < SAMPLES; i++) {
        free(x[i].at);
        free(y[i].at);
    }
    for (int i = 0; i < WEIGHTS; i++)
        free(weights[i].at);
    cop_graph_destroy(graph);
}

static void test_layers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i], "2.4.0", i);
}

/* ---- activations by name --------------------------------------------------------------- */

static const char *activation; /* the name in hand */
static int keras_version;

static double activated(double x)
{
    const char *n = activation;
    const double sigmoid = 1 / (1 + exp(-x));
    if (strcmp(n, "linear") == 0) return x;
    if (strcmp(n, "relu") == 0) return fmax(x, 0);
    if (strcmp(n, "relu6") == 0) return fmin(fmax(x, 0), 6);
    if (strcmp(n, "leaky_relu") == 0) return x < 0 ? 0.2 * x : x;
    if (strcmp(n, "elu") == 0) return x < 0 ? expm1(x) : x;
    if (strcmp(n, "selu") == 0)
        return 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * expm1(x) : x);
    if (strcmp(n, "sigmoid") == 0) return sigmoid;
    if (strcmp(n, "tanh") == 0) return tanh(x);
    if (strcmp(n, "hard_sigmoid") == 0)
        return fmin(fmax((keras_version >= 3 ? x / 6 : x / 5) + 0.5, 0), 1);
    if (strcmp(n, "swish") == 0 || strcmp(n, "silu") == 0) return x * sigmoid;
    if (strcmp(n, "hard_swish") == 0 || strcmp(n, "hard_silu") == 0)
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    if (strcmp(n, "gelu") == 0) return 0.5 * x * (1 + erf(x / sqrt(2)));
    if (strcmp(n, "softplus") == 0) return log1p(exp(x));
    if (strcmp(n, "softsign") == 0) return x / (1 + fabs(x));
    if (strcmp(n, "mish") == 0) return x * tanh(log1p(exp(x)));
    if (strcmp(n, "exponential") == 0) return exp(x);
    fail_msg("what is '%s'", n);
    return 0;
}

static struct keras_array keras_activation(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = keras_same(x, w, p);
    for (int64_t i = 0; i < keras_count(&y); i++)
        y.at[i] = activated(4 * x->at[i]);
    return y;
}

/* Behind a Rescaling by 4, so that both ends are reached. */
static void test_activations(void **state)
{
    static const char *const names[] = {
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "sigmoid",
        "tanh",
        "hard_sigmoid",
        "swish",
        "silu",
        "hard_swish",
        "hard_silu",
        "gelu",
        "softplus",
        "softsign",
        "mish",
        "exponential"};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        char config[256];
        activation = names[i / 2];
        keras_version = i % 2 == 0 ? 2 : 3;
        (void)snprintf(
            config,
            sizeof config,
            "'scale': 4}}, {'class_name': 'Activation', 'config': {'name': 'a',"
            " 'trainable': true, 'activation': '%s'",
            activation);
        const struct row row = {
            "Rescaling", config, "4,6", keras_activation, {0}, {NULL}};
        check_row(&row, keras_version == 2 ? "2.9.0" : "3.3.1", 100 + i);
    }
}

/* ---- layers of two tensors --------------------------------------------------------------- */

static double merged(const char *kind, double a, double b)
{
    if (strcmp(kind, "Add") == 0) return a + b;
    if (strcmp(kind, "Subtract") == 0) return a - b;
    if (strcmp(kind, "Multiply") == 0) return a * b;
    if (strcmp(kind, "Average") == 0) return (a + b) / 2;
    return strcmp(kind, "Maximum") == 0 ? fmax(a, b) : fmin(a, b);
}

static struct cop_graph *build_merge(const char *kind, int axis)
{
    char config[TEXT];
    struct keras_file file;
    (void)snprintf(
        config,
        sizeof config,
        "{'class_name': 'Functional', 'config': {'name': 'm', 'layers': ["
        "{'class_name': 'InputLayer', 'name': 'a', 'config': {'name': 'a',"
        " 'batch_input_shape': [null, 3, 4, 2]}, 'inbound_nodes': []},"
        "{'class_name': 'InputLayer', 'name': 'b', 'config': {'name': 'b',"
        " 'batch_input_shape': [null, 3, 4, 2]}, 'inbound_nodes': []},"
        "{'class_name': '%s', 'name': 'l', 'config': {'name': 'l', 'trainable': true,"
        " 'axis': %d}, 'inbound_nodes': [[['a', 0, 0, {}], ['b', 0, 0, {}]]]}],"
        " 'input_layers': [['a', 0, 0], ['b', 0, 0]], 'output_layers': [['l', 0, 0]]}}",
        kind,
        axis);
    quoted(config);
    keras_begin(&file, (struct keras_style){0}, "2.4.0", config);
    return read_file(&file);
}

static struct keras_array joined(
    const struct keras_array *a, const struct keras_array *b, int axis)
{
    int64_t dim[3] = {a->dim[0], a->dim[1], a->dim[2]};
    dim[axis] *= 2;
    struct keras_array y = keras_array(3, dim);
    int64_t run = 1;
    for (int i = axis; i < 3; i++)
        run *= a->dim[i];
    for (int64_t i = 0; i < keras_count(&y); i++) {
        const struct keras_array *from = i / run % 2 == 0 ? a : b;
        y.at[i] = from->at[i / run / 2 * run + i % run];
    }
    return y;
}

static void check_merge(const char *kind, int axis, uint64_t seed)
{
    struct cop_rng rng;
    struct keras_array a[SAMPLES];
    struct keras_array b[SAMPLES];
    struct keras_array y[SAMPLES];
    const struct keras_array *const inputs[2] = {a, b};
    const bool is_join = strcmp(kind, "Concatenate") == 0;
    cop_rng_init_stream(&rng, 8, seed);
    struct cop_graph *graph = build_merge(kind, axis);
    for (int i = 0; i < SAMPLES; i++) {
        a[i] = random_array("3,4,2", &rng);
        b[i] = random_array("3,4,2", &rng);
        y[i] = is_join ? joined(&a[i], &b[i], axis < 0 ? 2 : axis - 1)
                       : keras_same(&a[i], NULL, NULL);
        for (int64_t k = 0; k < keras_count(&y[i]) && !is_join; k++)
            y[i].at[k] = merged(kind, a[i].at[k], b[i].at[k]);
    }
    run(kind, graph, inputs, y);
    for (int i = 0; i < SAMPLES; i++) {
        free(a[i].at);
        free(b[i].at);
        free(y[i].at);
    }
    cop_graph_destroy(graph);
}

static void test_merges(void **state)
{
    static const char *const kinds[] = {
        "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_merge(kinds[i], -1, i);
    check_merge("Concatenate", -1, 10);
    check_merge("Concatenate", 1, 11);
    check_merge("Concatenate", 2, 12);
}

int run_keras_layers_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_merges),
    };
    return cmocka_run_group_tests_name("keras layers", tests, NULL, NULL);
}
