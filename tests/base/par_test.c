/* tests/base/par_test.c */
#define _GNU_SOURCE /* sched_setaffinity */
#include "base_tests.h"

#include "base/par.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum { N = 5000 };

static enum cop_status count_item(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    atomic_int *count = context;
    (void)atomic_fetch_add(&count[i], 1);
    return COP_OK;
}

static void every_item_runs_once(void **state)
{
    (void)state;
    struct cop_err err = {0};
    static atomic_int count[N];
    for (int threads = 1; threads <= 4; threads++) {
        cop_par_set_threads(threads);
        assert_int_equal(cop_par_threads(), threads);
        assert_ok(cop_par_for(N, count_item, count, &err));
        for (int i = 0; i < N; i++)
            assert_int_equal(atomic_load(&count[i]), threads);
    }
    assert_ok(cop_par_for(0, count_item, count, &err));
    cop_par_set_threads(0); /* at least one */
    assert_int_equal(cop_par_threads(), 1);
}

/* Items 1000 and above fail, with different statuses. */
static enum cop_status fail_late(void *context, int64_t i, struct cop_err *err)
{
    atomic_int *ran = context;
    (void)atomic_fetch_add(ran, 1);
    if (i < 1000) return COP_OK;
    return COP_FAIL(
        err, i == 1000 ? COP_ESHAPE : COP_EFORMAT, "item %lld", (long long)i);
}

static void the_lowest_failure_wins(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        cop_par_set_threads(threads);
        for (int round = 0; round < 50; round++) {
            struct cop_err err = {0};
            atomic_int ran = 0;
            assert_fails(cop_par_for(N, fail_late, &ran, &err), COP_ESHAPE);
            assert_string_equal(err.text, "item 1000");
            assert_int_equal(err.status, COP_ESHAPE);
            assert_true(atomic_load(&ran) >= 1001); /* all below it ran */
            assert_int_equal(cop_par_for(N, fail_late, &ran, NULL), COP_ESHAPE);
        }
    }
}

static void the_affinity_mask_is_respected(void **state)
{
    (void)state;
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cop_par_max_threads(), CPU_COUNT(&before));
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int threads = cop_par_max_threads();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(threads, 1);
}

int run_par_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_runs_once),
        cmocka_unit_test(the_lowest_failure_wins),
        cmocka_unit_test(the_affinity_mask_is_respected),
    };
    return cmocka_run_group_tests_name("par", tests, NULL, NULL);
}
