/* tests/base/mem_test.c */
#include "base_tests.h"

#include "base/mem.h"

#include <string.h>

static bool is_zero(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

static void memory_comes_zeroed(void **state)
{
    (void)state;
    char *block = cop_mem_array(100, 7);
    assert_non_null(block);
    assert_true(is_zero(block, 700));
    memset(block, 0xff, 700);
    char *grown = cop_mem_grow(block, 100, 1000, 7);
    assert_non_null(grown);
    assert_int_equal((unsigned char)grown[699], 0xff);
    assert_true(is_zero(grown + 700, 6300));
    cop_mem_free(grown);
}

static void aligned_memory_is_aligned_and_zeroed(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes += 37) {
        char *block = cop_mem_aligned(bytes);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_true(is_zero(block, bytes));
        cop_mem_free(block);
    }
}

static void nothing_is_still_something(void **state)
{
    (void)state;
    void *empty = cop_mem_array(0, 8);
    assert_non_null(empty);
    cop_mem_free(empty);
    cop_mem_free(NULL);
    void *grown = cop_mem_grow(NULL, 0, 3, 8); /* from nothing */
    assert_non_null(grown);
    assert_true(is_zero(grown, 24));
    cop_mem_free(grown);
}

static void sizes_cannot_wrap(void **state)
{
    (void)state;
    size_t result;
    assert_true(cop_mul_overflow(SIZE_MAX / 2, 3, &result));
    assert_false(cop_mul_overflow(6, 7, &result));
    assert_int_equal(result, 42);
    assert_true(cop_add_overflow(SIZE_MAX, 1, &result));
    assert_false(cop_add_overflow(SIZE_MAX - 1, 1, &result));
    assert_null(cop_mem_array(SIZE_MAX / 2, 3));
    assert_null(cop_mem_aligned(SIZE_MAX - 5));
    char *block = cop_mem_array(4, 1);
    assert_non_null(block);
    assert_null(cop_mem_grow(block, 4, SIZE_MAX / 2, 3));
    cop_mem_free(block); /* untouched by the failure */
}

static void injected_failures_start_where_told(void **state)
{
    (void)state;
    cop_mem_fail_from(3);
    void *a = cop_mem_array(1, 1);
    void *b = cop_mem_aligned(1);
    void *c = cop_mem_array(1, 1);
    void *d = cop_mem_aligned(1);
    void *e = cop_mem_grow(NULL, 0, 1, 1);
    cop_mem_fail_from(0);
    void *f = cop_mem_array(1, 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_null(d);
    assert_null(e);
    assert_non_null(f);
    cop_mem_free(a);
    cop_mem_free(b);
    cop_mem_free(f);
}

int run_mem_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_comes_zeroed),
        cmocka_unit_test(aligned_memory_is_aligned_and_zeroed),
        cmocka_unit_test(nothing_is_still_something),
        cmocka_unit_test(sizes_cannot_wrap),
        cmocka_unit_test(injected_failures_start_where_told),
    };
    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
