/* tests/base/clock_test.c */
#include "base_tests.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>
#include <time.h>

static void time_passes(void **state)
{
    (void)state;
    const struct timespec pause = {.tv_nsec = 20000000};
    double ms = cop_clock_ms();
    int64_t us = cop_clock_wall_us();
    assert_int_equal(nanosleep(&pause, NULL), 0);
    double passed = cop_clock_ms() - ms;
    assert_true(passed >= 20.0 && passed < 20000.0);
    assert_true(cop_clock_wall_us() - us >= 19000);
    assert_true(us / 1000000 - (int64_t)time(NULL) <= 1);
    assert_true((int64_t)time(NULL) - us / 1000000 <= 10);
}

static void the_peak_grows_with_touched_memory(void **state)
{
    (void)state;
    enum { BYTES = 64 << 20 };
    size_t before = cop_clock_peak_rss();
    assert_true(before > 100000);
    char *block = cop_mem_array(BYTES, 1);
    assert_non_null(block);
    memset(block, 1, BYTES);
    size_t during = cop_clock_peak_rss();
    cop_mem_free(block);
    assert_true(during >= before + BYTES / 2);
    /* a peak does not go back, but for the pages that the kernel counts in batches */
    assert_true(cop_clock_peak_rss() + (1 << 20) >= during);
}

int run_clock_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_passes),
        cmocka_unit_test(the_peak_grows_with_touched_memory),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
