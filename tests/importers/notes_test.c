/* tests/importers/notes_test.c - what is told of a file that its graph does not show. */
#include "importers_tests.h"
#include "support/keras_file.h"
#include "support/onnx_bytes.h"
#include "support/test.h"
#include "support/tf_bytes.h"

#include "importers/keras_read.h"
#include "importers/onnx_read.h"
#include "importers/tf_read.h"
#include "ops/ops.h"

enum { FLOAT = 1, INT8 = 3, HALF = 10, DOUBLE = 11 };

static struct cop_graph *read_onnx(struct onnx_file *file)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = onnx_finish(file);
    assert_ok(cop_onnx_read_bytes(bytes, &cop_ops_standard, NULL, &graph, &err));
    cop_buf_release(bytes);
    return graph;
}

static void add_tensor(
    struct onnx_file *file,
    const char *name,
    int type,
    const char *dims,
    const void *raw,
    size_t n)
{
    struct pb tensor = onnx_tensor(name, type, dims);
    pb_bytes(&tensor, 9, raw, n);
    onnx_constant(file, &tensor);
}

static void test_plain_file(void **state)
{
    (void)state;
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_floats(&file, "a", "3", (const float[]){1, 2, 3}, 3);
    onnx_node(&file, "Add", "add", "x a", "y", NULL);
    onnx_output(&file, "y");
    struct cop_graph *graph = read_onnx(&file);
    assert_null(cop_graph_meta(graph, "onnx.unused"));
    assert_null(cop_graph_meta(graph, "onnx.widened.float16"));
    assert_null(cop_graph_meta(graph, "onnx.widened.int8"));
    cop_graph_destroy(graph);
}

/* Two initialisers and the tensor of a Constant node are widened; two are read by nobody,
 * one of which is an output and so in use. */
static void test_widened_and_unused(void **state)
{
    (void)state;
    static const uint16_t halves[3] = {0x3c00, 0xc000, 0x3555};
    static const double doubles[1] = {0.25};
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    add_tensor(&file, "a", HALF, "3", halves, sizeof halves);
    add_tensor(&file, "lost", HALF, "3", halves, sizeof halves);
    add_tensor(&file, "gone", DOUBLE, "1", doubles, sizeof doubles);
    add_tensor(&file, "out", DOUBLE, "1", doubles, sizeof doubles);
    struct pb value = onnx_tensor("", DOUBLE, "1");
    struct pb attrs = {0};
    struct pb attr = {0};
    pb_bytes(&value, 9, doubles, sizeof doubles);
    pb_text(&attr, 1, "value");
    pb_message(&attr, 5, &value);
    pb_int(&attr, 20, 4);
    pb_message(&attrs, 5, &attr);
    onnx_node(&file, "Constant", "made", "", "b", &attrs);
    onnx_node(&file, "Add", "add", "x a", "s", NULL);
    onnx_node(&file, "Mul", "mul", "s b", "y", NULL);
    onnx_output(&file, "y");
    onnx_output(&file, "out");
    struct cop_graph *graph = read_onnx(&file);
    assert_string_equal(cop_graph_meta(graph, "onnx.widened.float16"), "2");
    assert_string_equal(cop_graph_meta(graph, "onnx.widened.float64"), "3");
    assert_string_equal(cop_graph_meta(graph, "onnx.unused"), "lost\ngone");
    cop_graph_destroy(graph);
}

/* A network of float16 between two Casts, and one that is float16 throughout. */
static void test_half_network(void **state)
{
    (void)state;
    static const uint16_t halves[3] = {0x3c00, 0xc000, 0x3555};
    for (int has_casts = 0; has_casts < 2; has_casts++) {
        struct onnx_file file;
        onnx_begin(&file);
        onnx_input(&file, "x", has_casts != 0 ? FLOAT : HALF, "N,3");
        add_tensor(&file, "a", HALF, "3", halves, sizeof halves);
        if (has_casts != 0) {
            struct pb to_half = {0};
            struct pb to_float = {0};
            onnx_attr_int(&to_half, "to", HALF);
            onnx_attr_int(&to_float, "to", FLOAT);
            onnx_node(&file, "Cast", "in", "x", "h", &to_half);
            onnx_node(&file, "Add", "add", "h a", "s", NULL);
            onnx_node(&file, "Cast", "out", "s", "y", &to_float);
        } else {
            onnx_node(&file, "Add", "add", "x a", "y", NULL);
        }
        onnx_output(&file, "y");
        struct cop_graph *graph = read_onnx(&file);
        assert_int_equal(cop_graph_output(graph, 0)->dtype, COP_F32);
        assert_string_equal(
            cop_graph_meta(graph, "onnx.widened.float16"), has_casts != 0 ? "1" : "2");
        cop_graph_destroy(graph);
    }
}

/* Weights that are dequantised become float32; the zero points are no weights. */
static void test_dequantised(void **state)
{
    (void)state;
    static const int8_t weights[6] = {-128, -1, 0, 1, 64, 127};
    static const int8_t zeros[2] = {0, 3};
    struct onnx_file file;
    struct pb attrs = {0};
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    add_tensor(&file, "w", INT8, "2,3", weights, sizeof weights);
    add_tensor(&file, "z", INT8, "2", zeros, sizeof zeros);
    onnx_floats(&file, "s", "2", (const float[]){0.5F, 2}, 2);
    onnx_attr_int(&attrs, "axis", 0);
    onnx_node(&file, "DequantizeLinear", "wide", "w s z", "f", &attrs);
    struct pb gemm = {0};
    onnx_attr_int(&gemm, "transB", 1);
    onnx_node(&file, "Gemm", "fc", "x f", "y", &gemm);
    onnx_output(&file, "y");
    struct cop_graph *graph = read_onnx(&file);
    assert_string_equal(cop_graph_meta(graph, "onnx.widened.int8"), "1");
    const struct cop_value *f = cop_graph_find_node(graph, "fc")->src[1];
    assert_non_null(f->data);
    static const float want[6] = {-64, -0.5F, 0, -4, 122, 248};
    for (int64_t i = 0; i < 6; i++)
        assert_true(cop_f32_at(cop_buf_data(f->data), i) == want[i]);
    cop_graph_destroy(graph);
}

static void test_keras_doubles(void **state)
{
    (void)state;
    static const char config[] =
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": ["
        "{\"class_name\": \"Dense\", \"config\": {\"name\": \"fc\", \"units\": 2,"
        " \"activation\": \"linear\", \"use_bias\": true, \"trainable\": true,"
        " \"batch_input_shape\": [null, 3]}}]}}";
    const struct keras_style style = {.is_double = true};
    struct cop_err err;
    struct keras_file file;
    struct cop_graph *graph = NULL;
    keras_begin(&file, style, "2.4.0", config);
    keras_layer(&file, "fc");
    keras_weight(&file, "fc/kernel:0", "3,2", (const float[]){1, 2, 3, 4, 5, 6});
    keras_weight(&file, "fc/bias:0", "2", (const float[]){1, 2});
    struct cop_buf *bytes = keras_finish(&file);
    assert_ok(
        cop_keras_read_bytes(bytes, "f.h5", &cop_ops_standard, NULL, &graph, &err));
    cop_buf_release(bytes);
    assert_string_equal(cop_graph_meta(graph, "keras.widened.float64"), "2");
    assert_null(cop_graph_meta(graph, "keras.widened.float16"));
    cop_graph_destroy(graph);
}

static struct cop_graph *read_tf(const char *text)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct pb written = tf_graph(text);
    struct cop_buf *bytes = pb_buf(&written);
    assert_ok(cop_tf_read_bytes(bytes, "f.pb", &cop_ops_standard, NULL, &graph, &err));
    cop_buf_release(bytes);
    return graph;
}

/* Widened is what was read; of two constants that nobody reads both are told, one that a
 * node reads which is not needed is none of them. */
static void test_tf(void **state)
{
    (void)state;
    struct cop_graph *graph = read_tf("Placeholder x | dtype=#1 shape=<-1,3>\n"
                                      "Const a | value={d;3;1,2,3}\n"
                                      "Const lost | value={f;2;1,2}\n"
                                      "Const gone | value={d;2;1,2}\n"
                                      "Cast b a | SrcT=#2 DstT=#1\n"
                                      "AddV2 y x b\n");
    assert_string_equal(cop_graph_meta(graph, "tf.widened.float64"), "1");
    assert_null(cop_graph_meta(graph, "tf.widened.float16"));
    assert_string_equal(cop_graph_meta(graph, "tf.unused"), "lost\ngone");
    cop_graph_destroy(graph);
    graph = read_tf("Placeholder x | dtype=#1 shape=<-1,3>\n"
                    "Const a | value={f;3;1,2,3}\n"
                    "AddV2 y x a\n");
    assert_null(cop_graph_meta(graph, "tf.widened.float64"));
    assert_null(cop_graph_meta(graph, "tf.unused"));
    cop_graph_destroy(graph);
}

int run_notes_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_file),
        cmocka_unit_test(test_widened_and_unused),
        cmocka_unit_test(test_half_network),
        cmocka_unit_test(test_dequantised),
        cmocka_unit_test(test_keras_doubles),
        cmocka_unit_test(test_tf),
    };
    return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
