/* tests/base/child_test.c */
#include "base_tests.h"

#include "base/child.h"
#include "base/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static enum cop_status answer(
    void *context, void *result, size_t cap, size_t *n, struct cop_err *err)
{
    const char *text = context;
    if (strlen(text) > cap)
        return COP_FAIL(err, COP_ELIMIT, "%zu bytes, room for %zu", strlen(text), cap);
    memcpy(result, text, strlen(text));
    *n = strlen(text);
    return COP_OK;
}

static enum cop_status crash(
    void *context, void *result, size_t cap, size_t *n, struct cop_err *err)
{
    (void)context, (void)result, (void)cap, (void)n, (void)err;
    (void)raise(SIGSEGV);
    return COP_OK;
}

static enum cop_status leave(
    void *context, void *result, size_t cap, size_t *n, struct cop_err *err)
{
    (void)context, (void)result, (void)cap, (void)n, (void)err;
    _exit(7);
}

static enum cop_status spin(
    void *context, void *result, size_t cap, size_t *n, struct cop_err *err)
{
    (void)context, (void)result, (void)cap, (void)n, (void)err;
    for (volatile int go = 1; go != 0;) {
    }
    return COP_OK;
}

static enum cop_status lie(
    void *context, void *result, size_t cap, size_t *n, struct cop_err *err)
{
    (void)context, (void)result, (void)err;
    *n = cap + 1;
    return COP_OK;
}

/* Tells how much of what it asked for it got. */
static enum cop_status take_memory(
    void *context, void *result, size_t cap, size_t *n, struct cop_err *err)
{
    const size_t *bytes = context;
    (void)cap, (void)err;
    void *got =
        mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(char *)result = got != MAP_FAILED ? 'y' : 'n';
    *n = 1;
    return COP_OK;
}

static void a_child_hands_its_bytes_back(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *result = NULL;
    char text[] = "from the child";
    struct cop_child_job job = {
        .name = "it",
        .body = answer,
        .context = text,
        .max_result_bytes = 1 << 20,
        .max_memory_bytes = 1 << 26,
        .max_ms = 5000};
    assert_ok(cop_child_run(&job, &result, &err));
    assert_int_equal(cop_buf_bytes(result), strlen(text));
    assert_memory_equal(cop_buf_data(result), text, strlen(text));
    cop_buf_release(result);
}

static void a_child_s_failure_is_the_caller_s(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *result = NULL;
    char text[] = "too long";
    struct cop_child_job job = {
        .name = "it",
        .body = answer,
        .context = text,
        .max_result_bytes = 3,
        .max_memory_bytes = 1 << 26,
        .max_ms = 5000};
    assert_fails(cop_child_run(&job, &result, &err), COP_ELIMIT);
    assert_string_equal(err.text, "8 bytes, room for 3");
    assert_null(result);
}

static void a_crash_is_one_line(void **state)
{
    (void)state;
    static const struct {
        enum cop_status (*body)(void *, void *, size_t, size_t *, struct cop_err *);
        const char *text;
    } cases[] = {
        {crash, "it crashed (signal 11)"},
        {leave, "it gave up (exit status 7)"},
        {lie, "it left no result"},
        {spin, "it came to no end within 0.3 s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cop_err err = {0};
        struct cop_buf *result = NULL;
        struct cop_child_job job = {
            .name = "it",
            .body = cases[i].body,
            .max_result_bytes = 16,
            .max_memory_bytes = 1 << 26,
            .max_ms = 300};
        assert_fails(cop_child_run(&job, &result, &err), COP_EFORMAT);
        assert_string_equal(err.text, cases[i].text);
        assert_null(result);
    }
}

static void a_child_s_memory_is_limited(void **state)
{
    (void)state;
    const struct {
        size_t bytes;
        char got;
    } cases[] = {{1 << 20, 'y'}, {1 << 27, 'n'}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cop_err err = {0};
        struct cop_buf *result = NULL;
        size_t bytes = cases[i].bytes;
        struct cop_child_job job = {
            .name = "it",
            .body = take_memory,
            .context = &bytes,
            .max_result_bytes = 16,
            .max_memory_bytes = 1 << 26,
            .max_ms = 5000};
        assert_ok(cop_child_run(&job, &result, &err));
        assert_int_equal(*(const char *)cop_buf_data(result), cases[i].got);
        cop_buf_release(result);
    }
}

static void memory_may_give_out(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_buf *result = NULL;
    char text[] = "x";
    struct cop_child_job job = {
        .name = "it",
        .body = answer,
        .context = text,
        .max_result_bytes = 16,
        .max_memory_bytes = 1 << 26,
        .max_ms = 5000};
    for (int i = 1; i <= 2; i++) {
        cop_mem_fail_from(i);
        enum cop_status status = cop_child_run(&job, &result, &err);
        cop_mem_fail_from(0);
        assert_int_equal(status, COP_ENOMEM);
        assert_null(result);
    }
}

int run_child_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_hands_its_bytes_back),
        cmocka_unit_test(a_child_s_failure_is_the_caller_s),
        cmocka_unit_test(a_crash_is_one_line),
        cmocka_unit_test(a_child_s_memory_is_limited),
        cmocka_unit_test(memory_may_give_out),
    };
    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
