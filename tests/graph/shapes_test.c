/* tests/graph/shapes_test.c - shapes, broadcasting, element types. */
#include "graph_tests.h"

#include "support/test.h"

#include <math.h>
#include <string.h>

static void count_refuses_overflow(void **state)
{
    (void)state;
    struct cop_err err;
    int64_t n = 0;
    const struct cop_shape fine = {.rank = 2, .dim = {1 << 20, 1 << 20}};
    assert_ok(cop_shape_count(&fine, &n, &err));
    assert_int_equal(n, INT64_C(1) << 40);
    const struct cop_shape huge = {.rank = 3, .dim = {INT64_MAX, INT64_MAX, 2}};
    assert_fails(cop_shape_count(&huge, &n, &err), COP_ESHAPE);
    const struct cop_shape negative = {.rank = 1, .dim = {-1}};
    assert_fails(cop_shape_count(&negative, &n, &err), COP_ESHAPE);
    const struct cop_shape empty = {.rank = 2, .dim = {0, INT64_MAX}};
    assert_ok(cop_shape_count(&empty, &n, &err));
    assert_int_equal(n, 0);
}

static void broadcast_follows_numpy(void **state)
{
    (void)state;
    struct cop_err err;
    const struct cop_shape a = {.rank = 4, .dim = {2, 1, 5, 1}};
    const struct cop_shape b = {.rank = 3, .dim = {3, 1, 7}};
    const struct cop_shape want = {.rank = 4, .dim = {2, 3, 5, 7}};
    struct cop_shape both;
    assert_ok(cop_shape_broadcast(&a, &b, &both, &err));
    assert_true(cop_shape_equal(&both, &want));
    const struct cop_shape odd = {.rank = 1, .dim = {4}};
    assert_fails(cop_shape_broadcast(&want, &odd, &both, &err), COP_ESHAPE);
    assert_non_null(strstr(err.text, "2x3x5x7"));
    assert_non_null(strstr(err.text, "4"));
}

static void axis_may_be_negative(void **state)
{
    (void)state;
    struct cop_err err;
    int32_t axis = 0;
    assert_ok(cop_shape_axis(4, -3, &axis, &err));
    assert_int_equal(axis, 1);
    assert_fails(cop_shape_axis(4, 4, &axis, &err), COP_ESHAPE);
    assert_fails(cop_shape_axis(4, -5, &axis, &err), COP_ESHAPE);
}

static void print_never_overruns(void **state)
{
    (void)state;
    struct cop_shape shape = {.rank = COP_MAX_RANK};
    for (int i = 0; i < COP_MAX_RANK; i++)
        shape.dim[i] = INT64_MAX;
    char text[12];
    (void)cop_shape_print(&shape, text, sizeof text);
    assert_true(strlen(text) < sizeof text);
    const struct cop_shape scalar = {0};
    assert_string_equal(cop_shape_print(&scalar, text, sizeof text), "scalar");
}

static void half_floats_are_read(void **state)
{
    (void)state;
    const uint16_t half[6] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x3555};
    const double want[6] = {
        1.0, -2.0, 5.9604644775390625e-08, 65504.0, INFINITY, 0.333251953125};
    for (int i = 0; i < 6; i++)
        assert_true(cop_element_at(COP_F16, half, i) == want[i]);
}

static void onnx_numbers_go_both_ways(void **state)
{
    (void)state;
    for (int32_t number = -3; number < 40; number++) {
        enum cop_dtype dtype = cop_dtype_from_onnx(number);
        if (dtype == COP_DTYPE_NONE) continue;
        assert_int_equal(cop_dtype_to_onnx(dtype), number);
        assert_true(cop_dtype_bytes(dtype) > 0);
    }
    assert_int_equal(cop_dtype_from_onnx(1), COP_F32);
    assert_int_equal(cop_dtype_from_onnx(7), COP_I64);
}

int test_shapes(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(count_refuses_overflow),
        cmocka_unit_test(broadcast_follows_numpy),
        cmocka_unit_test(axis_may_be_negative),
        cmocka_unit_test(print_never_overruns),
        cmocka_unit_test(half_floats_are_read),
        cmocka_unit_test(onnx_numbers_go_both_ways),
    };
    return cmocka_run_group_tests_name("shapes", tests, NULL, NULL);
}
