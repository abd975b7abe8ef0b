/* tests/importers/tensor_test.c - elements in every encoding, read back as numbers. */
#include "importers_tests.h"
#include "support/onnx_bytes.h"
#include "support/test.h"
#include "support/toy_ops.h"

#include "importers/onnx_read.h"

#include <string.h>

enum {
    FLOAT = 1,
    UINT8 = 2,
    INT8 = 3,
    INT32 = 6,
    INT64 = 7,
    BOOL = 9,
    HALF = 10,
    DOUBLE = 11
};

/* The constant "c" of a graph around the tensor. */
static struct cop_graph *read_constant(
    struct pb *tensor, const struct cop_value **constant)
{
    struct cop_err err;
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToySum", "sum", "x", "y", NULL);
    onnx_constant(&file, tensor);
    onnx_output(&file, "y");
    onnx_output(&file, "c");
    struct cop_buf *bytes = onnx_finish(&file);
    struct cop_graph *graph = NULL;
    assert_ok(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err));
    cop_buf_release(bytes);
    *constant = cop_graph_find_value(graph, "c");
    assert_non_null(*constant);
    assert_non_null((*constant)->data);
    return graph;
}

static void expect(
    struct pb *tensor, enum cop_dtype dtype, const double *numbers, int64_t n)
{
    const struct cop_value *constant;
    struct cop_graph *graph = read_constant(tensor, &constant);
    assert_int_equal(constant->dtype, dtype);
    assert_int_equal(cop_shape_n(&constant->shape), n);
    for (int64_t i = 0; i < n; i++) {
        double got = cop_element_at(dtype, cop_buf_data(constant->data), i);
        assert_true(got == numbers[i]);
    }
    cop_graph_destroy(graph);
}

static void test_raw(void **state)
{
    (void)state;
    struct pb t = onnx_tensor("c", FLOAT, "3");
    pb_bytes(&t, 9, (const float[]){1, -2, 0.5F}, 12);
    expect(&t, COP_F32, (const double[]){1, -2, 0.5}, 3);
    t = onnx_tensor("c", INT64, "2");
    pb_bytes(&t, 9, (const int64_t[]){1LL << 40, -1}, 16);
    expect(&t, COP_I64, (const double[]){1099511627776.0, -1}, 2);
    t = onnx_tensor("c", UINT8, "2");
    pb_bytes(&t, 9, "\x01\xff", 2);
    expect(&t, COP_U8, (const double[]){1, 255}, 2);
    t = onnx_tensor("c", BOOL, "2");
    pb_bytes(&t, 9, "\x01\x00", 2);
    expect(&t, COP_BOOL, (const double[]){1, 0}, 2);
}

/* float16 and float64 are held as float32. */
static void test_widened(void **state)
{
    (void)state;
    struct pb t = onnx_tensor("c", HALF, "4");
    pb_bytes(&t, 9, (const uint16_t[]){0x3c00, 0xc000, 0x3555, 0x0001}, 8);
    expect(&t, COP_F32, (const double[]){1, -2, 0.333251953125, 0x1p-24}, 4);
    t = onnx_tensor("c", HALF, "2"); /* bits in int32_data */
    pb_int(&t, 5, 0x3c00);
    pb_int(&t, 5, 0x7bff);
    expect(&t, COP_F32, (const double[]){1, 65504}, 2);
    t = onnx_tensor("c", DOUBLE, "2");
    pb_bytes(&t, 9, (const double[]){0.5, -3}, 16);
    expect(&t, COP_F32, (const double[]){0.5, -3}, 2);
    t = onnx_tensor("c", DOUBLE, "2");
    pb_bytes(&t, 10, (const double[]){0.5, -3}, 16);
    expect(&t, COP_F32, (const double[]){0.5, -3}, 2);
}

static void test_listed_floats(void **state)
{
    (void)state;
    const double want[] = {1, 2, 3, 4};
    struct pb t = onnx_tensor("c", FLOAT, "2,2"); /* one by one */
    for (int i = 1; i <= 4; i++)
        pb_float(&t, 4, (float)i);
    expect(&t, COP_F32, want, 4);
    t = onnx_tensor("c", FLOAT, "2,2"); /* packed */
    pb_bytes(&t, 4, (const float[]){1, 2, 3, 4}, 16);
    expect(&t, COP_F32, want, 4);
    t = onnx_tensor("c", FLOAT, "2,2"); /* both, in two runs */
    pb_bytes(&t, 4, (const float[]){1, 2}, 8);
    pb_float(&t, 4, 3);
    pb_bytes(&t, 4, NULL, 0);
    pb_float(&t, 4, 4);
    expect(&t, COP_F32, want, 4);
    t = onnx_tensor("c", FLOAT, "2,2"); /* an empty raw field left behind */
    pb_bytes(&t, 9, NULL, 0);
    pb_bytes(&t, 4, (const float[]){1, 2, 3, 4}, 16);
    expect(&t, COP_F32, want, 4);
}

static void test_listed_integers(void **state)
{
    (void)state;
    struct pb t = onnx_tensor("c", INT64, "3");
    struct pb packed = {0};
    pb_varint(&packed, 7);
    pb_varint(&packed, (uint64_t)-3);
    pb_message(&t, 7, &packed);
    pb_int(&t, 7, 1LL << 50);
    expect(&t, COP_I64, (const double[]){7, -3, 1125899906842624.0}, 3);
    t = onnx_tensor("c", INT32, "2");
    pb_int(&t, 5, -5);
    pb_int(&t, 5, 6);
    expect(&t, COP_I32, (const double[]){-5, 6}, 2);
    t = onnx_tensor("c", INT8, "2");
    pb_int(&t, 5, -128);
    pb_int(&t, 5, 127);
    expect(&t, COP_I8, (const double[]){-128, 127}, 2);
    t = onnx_tensor("c", BOOL, "2");
    pb_int(&t, 5, 256); /* not zero in any byte but the second */
    pb_int(&t, 5, 0);
    expect(&t, COP_BOOL, (const double[]){1, 0}, 2);
}

static void test_scalar_and_empty(void **state)
{
    (void)state;
    struct pb t = onnx_tensor("c", FLOAT, NULL);
    pb_float(&t, 4, 2.5F);
    expect(&t, COP_F32, (const double[]){2.5}, 1);
    t = onnx_tensor("c", FLOAT, "0");
    expect(&t, COP_F32, NULL, 0);
    t = onnx_tensor("c", INT64, "3,0,2");
    pb_bytes(&t, 9, NULL, 0);
    expect(&t, COP_I64, NULL, 0);
}

/* Where the file's bytes are right as they are the constant points into the file. */
static void expect_view(struct pb *tensor, bool is_view)
{
    struct cop_err err;
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToySum", "sum", "x", "y", NULL);
    onnx_constant(&file, tensor);
    onnx_output(&file, "y");
    onnx_output(&file, "c");
    struct cop_buf *bytes = onnx_finish(&file);
    struct cop_graph *graph = NULL;
    assert_ok(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err));
    const char *data = cop_buf_data(cop_graph_find_value(graph, "c")->data);
    const char *first = cop_buf_data(bytes);
    bool lies_within = data >= first && data < first + cop_buf_bytes(bytes);
    assert_int_equal(lies_within, is_view);
    cop_buf_release(bytes); /* the view keeps the file alive */
    assert_true(cop_f32_at(data, 1) == 2.0F);
    cop_graph_destroy(graph);
}

static void test_views(void **state)
{
    (void)state;
    const float two[] = {1, 2};
    struct pb t = onnx_tensor("c", FLOAT, "2");
    pb_bytes(&t, 9, two, sizeof two);
    expect_view(&t, true);
    t = onnx_tensor("c", FLOAT, "2");
    pb_bytes(&t, 4, two, sizeof two);
    expect_view(&t, true);
    t = onnx_tensor("c", FLOAT, "2");
    pb_float(&t, 4, 1);
    pb_float(&t, 4, 2);
    expect_view(&t, false);
}

int run_tensor_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_widened),
        cmocka_unit_test(test_listed_floats),
        cmocka_unit_test(test_listed_integers),
        cmocka_unit_test(test_scalar_and_empty),
        cmocka_unit_test(test_views),
    };
    return cmocka_run_group_tests_name("tensors", tests, NULL, NULL);
}
