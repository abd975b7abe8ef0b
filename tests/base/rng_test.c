/* tests/base/rng_test.c - published vectors, and coarse checks of the distributions. */
#include "base_tests.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

/* From the test suite of rand_xoshiro, made with the authors' C code, state 1 2 3 4. */
static void xoshiro_reference_vector(void **state)
{
    (void)state;
    const uint64_t want[] = {
        11520u,
        0u,
        1509978240u,
        1215971899390074240u,
        1216172134540287360u,
        607988272756665600u,
        16172922978634559625u,
        8476171486693032832u,
        10595114339597558777u,
        2904607092377533576u};
    struct cop_rng rng = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_true(cop_rng_u64(&rng) == want[i]);
}

/* The states are the first outputs of splitmix64 of seed 1234567. */
static void splitmix_reference_vector(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, 1234567);
    assert_true(rng.state[0] == 6457827717110365317u);
    assert_true(rng.state[1] == 3203168211198807973u);
    assert_true(rng.state[2] == 9817491932198370423u);
    assert_true(rng.state[3] == 4593380528125082431u);
}

static void streams_differ_and_repeat(void **state)
{
    (void)state;
    uint64_t first[100];
    struct cop_rng rng;
    for (uint64_t i = 0; i < 100; i++) {
        cop_rng_init_stream(&rng, 10 + i / 10, i % 10);
        first[i] = cop_rng_u64(&rng);
        for (uint64_t j = 0; j < i; j++)
            assert_true(first[i] != first[j]);
        cop_rng_init_stream(&rng, 10 + i / 10, i % 10);
        assert_true(cop_rng_u64(&rng) == first[i]);
    }
}

static void below_is_uniform_and_inside(void **state)
{
    (void)state;
    enum { N = 7, DRAWS = 70000 };
    int64_t count[N] = {0};
    struct cop_rng rng;
    cop_rng_init(&rng, 42);
    for (int i = 0; i < DRAWS; i++) {
        int64_t x = cop_rng_below(&rng, N);
        assert_in_range(x, 0, N - 1);
        count[x]++;
    }
    for (int i = 0; i < N; i++) /* six sigma */
        assert_true(fabs((double)count[i] - 10000.0) < 6.0 * sqrt(10000.0 * 6.0 / 7.0));
    assert_int_equal(cop_rng_below(&rng, 1), 0);
    for (int i = 0; i < 1000; i++) {
        int64_t x = cop_rng_below(&rng, INT64_MAX);
        assert_true(x >= 0 && x < INT64_MAX);
    }
}

static void reals_are_inside_with_the_right_moments(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    struct cop_rng rng;
    cop_rng_init(&rng, 7);
    double sum = 0.0;
    double normal_sum = 0.0;
    double normal_squares = 0.0;
    int n_beyond_two = 0;
    for (int i = 0; i < DRAWS; i++) {
        double unit = cop_rng_unit(&rng);
        assert_true(unit >= 0.0 && unit < 1.0);
        sum += unit;
        assert_true(cop_rng_range(&rng, 2.0, 2.0) == 2.0); /* an empty range */
        double ranged = cop_rng_range(&rng, -3.0, -1.0);
        assert_true(ranged >= -3.0 && ranged < -1.0);
        double normal = cop_rng_normal(&rng);
        assert_true(isfinite(normal));
        normal_sum += normal;
        normal_squares += normal * normal;
        n_beyond_two += fabs(normal) > 2.0;
    }
    /* six standard errors each */
    assert_true(fabs(sum / DRAWS - 0.5) < 6.0 * sqrt(1.0 / 12.0 / DRAWS));
    assert_true(fabs(normal_sum / DRAWS) < 6.0 / sqrt((double)DRAWS));
    assert_true(fabs(normal_squares / DRAWS - 1.0) < 6.0 * sqrt(2.0 / DRAWS));
    assert_true(
        fabs((double)n_beyond_two / DRAWS - 0.0455) <
        6.0 * sqrt(0.0455 * 0.9545 / DRAWS));
}

/* Between neighbours rounding would give high itself every other time. */
static void range_never_gives_high(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, 3);
    double low = 1e16;
    double high = nextafter(low, INFINITY);
    for (int i = 0; i < 100; i++)
        assert_true(cop_rng_range(&rng, low, high) < high);
}

int run_rng_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xoshiro_reference_vector),
        cmocka_unit_test(splitmix_reference_vector),
        cmocka_unit_test(streams_differ_and_repeat),
        cmocka_unit_test(below_is_uniform_and_inside),
        cmocka_unit_test(reals_are_inside_with_the_right_moments),
        cmocka_unit_test(range_never_gives_high),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
