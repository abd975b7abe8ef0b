/* tests/base/thread_test.c - processors and pinned threads. */
#include "base_tests.h"

#include "base/par.h"
#include "base/thread.h"

#include <pthread.h>

enum { MOST = 4096 };

static void processors_ascend_and_are_counted(void **state)
{
    (void)state;
    static int all[MOST];
    int n = cop_thread_processors(all, MOST);
    assert_int_equal(n, cop_par_max_threads());
    for (int i = 1; i < n && i < MOST; i++)
        assert_true(all[i - 1] < all[i]);
    int first[2] = {-1, -1};
    assert_int_equal(cop_thread_processors(first, 1), n); /* no room: still counted */
    assert_int_equal(first[0], all[0]);
    assert_int_equal(first[1], -1);
    assert_int_equal(cop_thread_processors(NULL, 0), n);
}

struct seen {
    int processor;
    bool is_pinned;
    int n;
    int at;
    int n_team; /* of which each thread may use one processor */
};

/* In a thread of its own, so that the test keeps its mask. */
static void *pin_and_look(void *argument)
{
    struct seen *seen = argument;
    seen->is_pinned = cop_thread_pin(&seen->processor, 1);
    seen->n = cop_thread_processors(&seen->at, 1);
    return NULL;
}

static void a_pinned_thread_has_one_processor(void **state)
{
    (void)state;
    static int all[MOST];
    int n = cop_thread_processors(all, MOST);
    struct seen seen = {.processor = all[n - 1], .at = -1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, pin_and_look, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(seen.is_pinned);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.at, all[n - 1]);
    assert_int_equal(cop_thread_processors(NULL, 0), n);
    seen = (struct seen){.processor = 200000}; /* no machine has it */
    assert_int_equal(pthread_create(&thread, NULL, pin_and_look, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(seen.is_pinned);
    assert_int_equal(seen.n, n);
}

static enum cop_status count_single(void *context, int64_t i, struct cop_err *err)
{
    (void)i;
    (void)err;
    struct seen *seen = context;
    bool is_single = cop_thread_processors(NULL, 0) == 1;
#pragma omp atomic
    seen->n_team += is_single;
    return COP_OK;
}

static void *pin_a_team(void *argument)
{
    struct cop_err err = {0};
    struct seen *seen = argument;
    static int all[MOST];
    int n = cop_thread_processors(all, MOST);
    seen->is_pinned = cop_par_pin(all, n < MOST ? n : MOST);
    seen->n = cop_par_threads();
    if (cop_par_for(100, count_single, seen, &err) != COP_OK) seen->n_team = -1;
    return NULL;
}

static void every_thread_of_a_team_is_pinned(void **state)
{
    (void)state;
    struct seen seen = {.n_team = 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, pin_a_team, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(seen.is_pinned);
    assert_int_equal(seen.n, cop_thread_processors(NULL, 0));
    assert_int_equal(seen.n_team, 100);
}

int run_thread_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors_ascend_and_are_counted),
        cmocka_unit_test(a_pinned_thread_has_one_processor),
        cmocka_unit_test(every_thread_of_a_team_is_pinned),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
