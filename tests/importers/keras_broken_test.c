/* tests/importers/keras_broken_test.c - Keras files that are cut short, damaged, wrong or
 * hostile are refused with one line that tells why; nothing else happens. */
#include "importers_tests.h"
#include "support/keras_file.h"
#include "support/test.h"

#include "importers/keras_read.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = 8192 };

static const float zeros[4096];

static void quoted(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\'') *text = '"';
}

static enum cop_status read_bytes(struct cop_buf *bytes, struct cop_err *err)
{
    struct cop_graph *graph = NULL;
    *err = (struct cop_err){.text = ""};
    const enum cop_status status =
        cop_keras_read_bytes(bytes, "t.h5", &cop_ops_standard, NULL, &graph, err);
    cop_buf_release(bytes);
    cop_graph_destroy(graph);
    return status;
}

/* A model of an input of 6x6x2 and the layers given. */
static void begin(struct keras_file *file, const char *version, const char *layers)
{
    static char config[TEXT]; /* borrowed by the file until it is finished */
    (void)snprintf(
        config,
        sizeof config,
        "{'class_name': 'Sequential', 'config': {'name': 'm', 'layers': ["
        "{'class_name': 'InputLayer', 'config': {'name': 'x', 'batch_input_shape':"
        " [null, 6, 6, 2]}}, %s]}}",
        layers);
    quoted(config);
    keras_begin(file, (struct keras_style){0}, version, config);
}

static struct cop_buf *sound(struct keras_style style)
{
    static char config[TEXT];
    struct keras_file file;
    (void)snprintf(
        config,
        sizeof config,
        "%s",
        "{'class_name': 'Sequential', 'config': {'name': 'm', 'layers': ["
        "{'class_name': 'Conv2D', 'config': {'name': 'c', 'trainable': true, "
        "'filters': 4,"
        " 'kernel_size': [3, 3], 'batch_input_shape': [null, 6, 6, 2]}}]}}");
    quoted(config);
    keras_begin(&file, style, "2.4.0", config);
    keras_layer(&file, "c");
    keras_weight(&file, "c/kernel:0", "3,3,2,4", zeros);
    keras_weight(&file, "c/bias:0", "4", zeros);
    return keras_finish(&file);
}

/* ---- damaged bytes --------------------------------------------------------------------- */

static struct cop_buf *copy(const struct cop_buf *from, size_t n)
{
    struct cop_err err;
    struct cop_buf *bytes = NULL;
    assert_ok(cop_buf_create(n, &bytes, &err));
    memcpy(cop_buf_mutable(bytes), cop_buf_data(from), n);
    return bytes;
}

/* Each cut is refused, whatever is missing. */
static void test_truncated(void **state)
{
    static const struct keras_style styles[] = {{0}, {.is_latest = true}};
    (void)state;
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        struct cop_err err;
        struct cop_buf *whole = sound(styles[i]);
        assert_ok(read_bytes(cop_buf_retain(whole), &err));
        const size_t n = cop_buf_bytes(whole);
        for (size_t cut = 8; cut < n; cut += n / 23) {
            assert_fails(read_bytes(copy(whole, cut), &err), COP_EFORMAT);
            assert_non_null(strstr(err.text, "t.h5: "));
        }
        cop_buf_release(whole);
    }
}

/* What a damaged file is taken for is not told here, only that the reader comes back. */
static void test_overwritten(void **state)
{
    (void)state;
    struct cop_buf *whole = sound((struct keras_style){0});
    const size_t n = cop_buf_bytes(whole);
    for (size_t at = 8; at + 4 < n; at += n / 40) {
        struct cop_err err;
        struct cop_buf *bytes = copy(whole, n);
        memset((char *)cop_buf_mutable(bytes) + at, 0xff, 4);
        const enum cop_status status = read_bytes(bytes, &err);
        assert_true(status == COP_OK || err.text[0] != '\0');
        assert_null(strchr(err.text, '\n'));
    }
    cop_buf_release(whole);
}

/* ---- wrong models ------------------------------------------------------------------------ */

struct row {
    const char *layers;
    const char *weights[3]; /* extents, of the layer 'l' */
    enum cop_status status;
    const char *text;
};

#define LAYER(kind, config)                                                            \
    "{'class_name': '" kind "', 'config': {'name': 'l', 'trainable': true, " config "}}"
#define CONV(config) LAYER("Conv2D", config)

static const struct row rows[] = {
    {CONV("'kernel_size': 3"),
     {NULL},
     COP_EFORMAT,
     "has 0 float tensors in the file, wanted 2"},
    {CONV("'kernel_size': 3"),
     {"3,3,2,4"},
     COP_EFORMAT,
     "has 1 float tensors in the file"},
    {CONV("'kernel_size': 3"), {"3,3,4", "4"}, COP_ESHAPE, "has 3 axes, wanted 4"},
    {CONV("'kernel_size': 5"),
     {"3,3,2,4", "4"},
     COP_ESHAPE,
     "kernel_size is 5x5, the weights have 3x3"},
    {CONV("'kernel_size': 3"), {"3,3,7,4", "4"}, COP_ESHAPE, "layer 'l' (Conv2D)"},
    {CONV("'kernel_size': 3"), {"3,3,2,4", "5"}, COP_ESHAPE, "layer 'l' (Conv2D)"},
    {CONV("'kernel_size': 3, 'strides': 0"), {"3,3,2,4", "4"}, COP_EFORMAT, "stride 0"},
    {CONV("'kernel_size': 3, 'padding': 'causal'"),
     {"3,3,2,4", "4"},
     COP_EUNSUPPORTED,
     "padding 'causal' is not supported"},
    {CONV("'kernel_size': 3, 'activation': 'brelu'"),
     {"3,3,2,4", "4"},
     COP_EUNSUPPORTED,
     "1 layer is not supported: brelu (layer 'l')"},
    {CONV("'kernel_size': 7"), {"7,7,2,4", "4"}, COP_ESHAPE, "layer 'l' (Conv2D)"},
    {LAYER("Lambda", "'function': ['4wEA', null, null]"),
     {NULL},
     COP_EUNSUPPORTED,
     "1 layer is not supported: Lambda (layer 'l')"},
    {LAYER("Flatten", "'a': 1") ", {'class_name': 'LSTM', 'config': {'name': 'r'}},"
                                " {'class_name': 'GRU', 'config': {'name': 's'}}",
     {NULL},
     COP_EUNSUPPORTED,
     "2 layers are not supported: GRU (layer 's'), LSTM (layer 'r')"},
    {LAYER("Flatten", "'a': 1") ", " LAYER("Dropout", "'a': 1"),
     {NULL},
     COP_EFORMAT,
     "two layers are named 'l'"},
    {LAYER("Reshape", "'target_shape': [5, -1]"),
     {NULL},
     COP_ESHAPE,
     "layer 'l' (Reshape)"},
    {LAYER("Cropping2D", "'cropping': [[3, 3], [0, 0]]"),
     {NULL},
     COP_ESHAPE,
     "nothing is left"},
    {LAYER("ZeroPadding2D", "'padding': [[2000000, 0], [0, 0]]"),
     {NULL},
     COP_EFORMAT,
     "has a border of 2000000"},
    {LAYER("BatchNormalization", "'axis': 1"),
     {"6", "6", "6"},
     COP_EUNSUPPORTED,
     "normalises axis 2"},
    {LAYER("ReLU", "'threshold': 1"),
     {NULL},
     COP_EUNSUPPORTED,
     "threshold 1 is not supported"},
    {LAYER("Add", "'a': 1") ", {'class_name': 'Subtract', 'config': {'name': 's'}}",
     {NULL},
     COP_EUNSUPPORTED,
     "layer 's' (Subtract): reads 1 tensors, wanted 2"},
    {"{'class_name': 'Dense'}", {NULL}, COP_EFORMAT, "has no class or configuration"},
};

static void test_wrong_models(void **state)
{
    (void)state;
    static const char *const names[3] = {"l/a:0", "l/b:0", "l/c:0"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cop_err err;
        struct keras_file file;
        begin(&file, "2.4.0", rows[i].layers);
        keras_layer(&file, "l");
        for (int k = 0; k < 3 && rows[i].weights[k] != NULL; k++)
            keras_weight(&file, names[k], rows[i].weights[k], zeros);
        const enum cop_status status = read_bytes(keras_finish(&file), &err);
        if (status != rows[i].status || strstr(err.text, rows[i].text) == NULL)
            fail_msg("%s: %d, %s", rows[i].layers, (int)status, err.text);
    }
}

/* ---- the frame ------------------------------------------------------------------------------ */

static void expect(struct keras_file *file, enum cop_status want, const char *text)
{
    struct cop_err err;
    assert_fails(read_bytes(keras_finish(file), &err), want);
    if (strstr(err.text, text) == NULL) fail_msg("'%s' is not in: %s", text, err.text);
}

static void test_frames(void **state)
{
    (void)state;
    struct keras_file file;
    const struct keras_style style = {0};
    keras_begin(&file, style, "2.4.0", NULL);
    expect(&file, COP_EUNSUPPORTED, "not a whole Keras model");
    keras_begin(&file, style, "2.4.0", "{\"class_name\": ");
    expect(&file, COP_EFORMAT, "'model_config' is no sound JSON");
    keras_begin(&file, style, "2.4.0", "{\"class_name\": \"MyModel\", \"config\": {}}");
    expect(
        &file, COP_EUNSUPPORTED, "a model of class 'MyModel' does not tell its layers");
    begin(&file, "1.2.2", LAYER("Flatten", "'a': 1"));
    expect(
        &file,
        COP_EUNSUPPORTED,
        "written by Keras 1.2.2, versions 2 and 3 are supported");
}

/* Models in models in models, far deeper than any network. */
static void test_deep_nesting(void **state)
{
    (void)state;
    static char config[1 << 16];
    struct keras_file file;
    size_t n = 0;
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(
            config + n,
            sizeof config - n,
            "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"m%d\", "
            "\"layers\": [",
            i);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(config + n, sizeof config - n, "]}}");
    keras_begin(&file, (struct keras_style){0}, "2.4.0", config);
    expect(&file, COP_EUNSUPPORTED, "models are nested deeper than 16");
}

/* A layer that reads itself, through another. */
static void test_cycle(void **state)
{
    (void)state;
    char config[] =
        "{'class_name': 'Functional', 'config': {'name': 'm', 'layers': ["
        "{'class_name': 'InputLayer', 'name': 'x', 'config': {'name': 'x',"
        " 'batch_input_shape': [null, 4]}, 'inbound_nodes': []},"
        "{'class_name': 'Add', 'name': 'a', 'config': {'name': 'a', 'trainable': true},"
        " 'inbound_nodes': [[['x', 0, 0, {}], ['b', 0, 0, {}]]]},"
        "{'class_name': 'ReLU', 'name': 'b', 'config': {'name': 'b', 'trainable': "
        "true},"
        " 'inbound_nodes': [[['a', 0, 0, {}]]]}],"
        " 'input_layers': [['x', 0, 0]], 'output_layers': [['b', 0, 0]]}}";
    struct keras_file file;
    quoted(config);
    keras_begin(&file, (struct keras_style){0}, "2.4.0", config);
    expect(&file, COP_EFORMAT, "reads what it makes");
}

/* In Keras 2 a call with training=True always normalises by the batch; in Keras 3 whoever
 * calls the whole model overrules it. */
static void test_training(void **state)
{
    static const char *const versions[2] = {"2.4.0", "3.3.1"};
    static const char *const calls[2] = {
        "[[['x', 0, 0, {'training': true}]]]",
        "[{'args': [{'class_name': '__keras_tensor__', 'config': {'keras_history':"
        " ['x', 0, 0]}}], 'kwargs': {'training': true}}]"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        char config[TEXT];
        struct cop_err err;
        struct keras_file file;
        (void)snprintf(
            config,
            sizeof config,
            "{'class_name': 'Functional', 'config': {'name': 'm', 'layers': ["
            "{'class_name': 'InputLayer', 'name': 'x', 'config': {'name': 'x',"
            " 'batch_input_shape': [null, 4]}, 'inbound_nodes': []},"
            "{'class_name': 'Dropout', 'name': 'd', 'config': {'name': 'd',"
            " 'trainable': true, 'rate': 0.5}, 'inbound_nodes': %s}],"
            " 'input_layers': [['x', 0, 0]], 'output_layers': [['d', 0, 0]]}}",
            calls[i]);
        quoted(config);
        keras_begin(&file, (struct keras_style){0}, versions[i], config);
        if (i == 0)
            expect(&file, COP_EUNSUPPORTED, "is called with training=True");
        else
            assert_ok(read_bytes(keras_finish(&file), &err));
    }
}

int run_keras_broken_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_overwritten),
        cmocka_unit_test(test_wrong_models),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_training),
    };
    return cmocka_run_group_tests_name("keras broken", tests, NULL, NULL);
}
