/* tests/data/npy_test.c - files NumPy wrote, files of ours, damaged files. */
#include "data_tests.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/npy.h"

#include <stdio.h>
#include <string.h>

static void expect(
    const char *name, int32_t rank, const int64_t *dims, const float *want, int64_t n)
{
    struct cop_err err = {0};
    struct cop_shape shape;
    float *got;
    char path[128];
    (void)snprintf(path, sizeof path, "fixtures/%s", name);
    assert_ok(cop_npy_read(path, &shape, &got, &err));
    const struct cop_shape want_shape = cop_shape_make(rank, dims);
    assert_true(cop_shape_equal(&shape, &want_shape));
    assert_int_equal(cop_shape_n(&shape), n);
    assert_near(got, want, n, 0, 0);
    cop_mem_free(got);
}

static void reads_what_numpy_writes(void **state)
{
    (void)state;
    float eighths[24];
    float counted[24];
    for (int i = 0; i < 24; i++) {
        counted[i] = (float)i;
        eighths[i] = (float)i / 8;
    }
    expect("f4.npy", 3, (int64_t[]){2, 3, 4}, eighths, 24);
    expect("f8_columns.npy", 3, (int64_t[]){2, 3, 4}, counted, 24);
    const float big[4] = {-3, 70000, 5, -1099511627776.0f};
    expect("i8_big.npy", 2, (int64_t[]){2, 2}, big, 4);
    expect("u1.npy", 1, (int64_t[]){3}, (float[]){0, 7, 255}, 3);
    expect("f2.npy", 1, (int64_t[]){3}, (float[]){0.5f, -2, 65504}, 3);
    expect("bool.npy", 1, (int64_t[]){2}, (float[]){1, 0}, 2);
    expect("scalar.npy", 0, NULL, (float[]){2.5f}, 1);
}

static void write_then_read(void **state)
{
    (void)state;
    struct cop_err err = {0};
    char folder[256];
    char path[512];
    test_make_dir(folder);
    (void)snprintf(path, sizeof path, "%s/x.npy", folder);
    const float want[6] = {1, -2, 3e-30f, 4e30f, -0.0f, 6};
    const int64_t dims[] = {3, 1, 2};
    for (int32_t rank = 0; rank <= 3; rank++) {
        const struct cop_shape shape = cop_shape_make(rank, dims);
        struct cop_shape back;
        float *got;
        assert_ok(cop_npy_write(path, &shape, want, &err));
        assert_ok(cop_npy_read(path, &back, &got, &err));
        assert_true(cop_shape_equal(&shape, &back));
        assert_memory_equal(got, want, (size_t)cop_shape_n(&shape) * sizeof *got);
        cop_mem_free(got);
    }
    test_remove_dir(folder);
}

static void our_f4_is_numpys_byte_for_byte(void **state)
{
    (void)state;
    struct cop_err err = {0};
    char folder[256];
    char path[512];
    test_make_dir(folder);
    (void)snprintf(path, sizeof path, "%s/x.npy", folder);
    struct cop_shape shape;
    float *elements;
    char *ours;
    char *theirs;
    size_t n_ours;
    size_t n_theirs;
    assert_ok(cop_npy_read("fixtures/f4.npy", &shape, &elements, &err));
    assert_ok(cop_npy_write(path, &shape, elements, &err));
    assert_ok(cop_file_read(path, 4096, &ours, &n_ours, &err));
    assert_ok(cop_file_read("fixtures/f4.npy", 4096, &theirs, &n_theirs, &err));
    assert_int_equal(n_ours, n_theirs);
    assert_memory_equal(ours, theirs, n_ours);
    cop_mem_free(elements);
    cop_mem_free(ours);
    cop_mem_free(theirs);
    test_remove_dir(folder);
}

static void refuses_hostile_heads(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'fortran_order': False, 'shape': (1,), }",
        ""};
    char folder[256];
    test_make_dir(folder);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct cop_err err = {0};
        char bytes[256] = "\x93NUMPY\x01";
        const size_t n_head = strlen(heads[i]);
        bytes[8] = (char)n_head;
        memcpy(bytes + 10, heads[i], n_head);
        char path[512];
        struct cop_shape shape;
        float *elements;
        put_file(path, folder, "x.npy", bytes, 10 + n_head + 4);
        assert_fails(cop_npy_read(path, &shape, &elements, &err), COP_EFORMAT);
        assert_non_null(strstr(err.text, "x.npy"));
        assert_null(elements);
    }
    struct cop_err err = {0};
    struct cop_shape shape;
    float *elements;
    assert_fails(
        cop_npy_read("fixtures/none.npy", &shape, &elements, &err), COP_ENOTFOUND);
    test_remove_dir(folder);
}

static void damage_never_crashes(void **state)
{
    (void)state;
    static const char *const names[] = {"f4.npy", "f8_columns.npy", "i8_big.npy"};
    struct cop_rng rng;
    cop_rng_init(&rng, FUZZ_SEED);
    print_message("seed %d\n", FUZZ_SEED);
    char folder[256];
    char path[512];
    test_make_dir(folder);
    for (int i = 0; i < N_MUTATIONS; i++) {
        struct cop_err err = {0};
        char *bytes;
        size_t n;
        (void)snprintf(path, sizeof path, "fixtures/%s", names[i % 3]);
        assert_ok(cop_file_read(path, 4096, &bytes, &n, &err));
        mutate(&rng, (uint8_t *)bytes, &n);
        put_file(path, folder, "x.npy", bytes, n);
        struct cop_shape shape;
        float *elements;
        const enum cop_status status = cop_npy_read(path, &shape, &elements, &err);
        assert_true(status == COP_OK || status == COP_EFORMAT);
        cop_mem_free(elements);
        cop_mem_free(bytes);
    }
    test_remove_dir(folder);
}

int run_npy_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_numpy_writes),
        cmocka_unit_test(write_then_read),
        cmocka_unit_test(our_f4_is_numpys_byte_for_byte),
        cmocka_unit_test(refuses_hostile_heads),
        cmocka_unit_test(damage_never_crashes),
    };
    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
