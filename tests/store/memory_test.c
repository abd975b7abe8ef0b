/* tests/store/memory_test.c - out of memory, ours and SQLite's, at many moments: the call
 * fails with one line and the file still holds. */
#include "store_tests.h"

#include "store/store_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* SQLite's allocator with a countdown, as cop_mem_fail_from has. */
static sqlite3_mem_methods real;
static int64_t countdown;

static int must_fail(void)
{
    if (countdown == 0) return 0;
    if (countdown > 1) {
        countdown--;
        return 0;
    }
    return 1;
}

static void *failing_malloc(int n)
{
    return must_fail() ? NULL : real.xMalloc(n);
}

static void *failing_realloc(void *old, int n)
{
    return must_fail() ? NULL : real.xRealloc(old, n);
}

/* Everything a project does, from opening to verifying. */
static enum cop_status live(
    const char *path,
    struct cop_arena *arena,
    int64_t n,
    bool is_ours,
    struct cop_err *err)
{
    struct cop_store *store = NULL;
    struct sample_rows rows;
    struct cop_evaluation_row evaluation;
    struct cop_model_row *models;
    struct cop_buf *buf = NULL;
    int32_t n_models;
    if (is_ours)
        cop_mem_fail_from(n);
    else
        countdown = n;
    enum cop_status status = cop_store_open(path, &store, err);
    if (status == COP_OK) status = cop_store_begin(store, err);
    if (status == COP_OK) status = fill_project(store, arena, &rows, err);
    if (status == COP_OK)
        status =
            cop_store_last_evaluation(store, rows.model.id, 0, arena, &evaluation, err);
    if (status == COP_OK)
        status = cop_store_list_models(store, arena, &models, &n_models, err);
    if (status == COP_OK)
        status = cop_store_get_blob(store, rows.model.graph_sha, &buf, err);
    if (status == COP_OK) status = cop_store_verify(store, err);
    cop_buf_release(buf);
    cop_store_close(store); /* which undoes it all */
    cop_mem_fail_from(0);
    countdown = 0;
    return status;
}

static void fail_at_each(struct fixture *f, bool is_ours)
{
    struct cop_err err = {0};
    enum cop_status status = COP_ENOMEM;
    int64_t n = 0;
    int n_tried = 0;
    while (status != COP_OK) {
        n += 1 + n / 60; /* each of the first, then ever fewer */
        n_tried++;
        assert_true(n < 1000000);
        memset(&err, 0, sizeof err);
        struct cop_arena *arena = cop_arena_create();
        assert_non_null(arena);
        status = live(f->path, arena, n, is_ours, &err);
        cop_arena_destroy(arena);
        if (status == COP_OK) break;
        assert_true(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        if (status != COP_ENOMEM) fail_msg("allocation %d: '%s'", (int)n, err.text);
        if (n_tried % 20 != 0) continue;
        struct cop_store *store;
        assert_ok(cop_store_open(f->path, &store, &err));
        assert_ok(cop_store_verify(store, &err));
        cop_store_close(store);
    }
    print_message(
        "%d failures of up to %d allocations of %s\n",
        n_tried - 1,
        (int)n,
        is_ours ? "ours" : "SQLite's");
    assert_true(n_tried > 20);
}

static void ours_fail(void **state)
{
    struct fixture *f = *state;
    cop_store_close(f->store);
    f->store = NULL;
    fail_at_each(f, true);
}

static void those_of_sqlite_fail(void **state)
{
    struct fixture *f = *state;
    cop_store_close(f->store);
    f->store = NULL;
    fail_at_each(f, false);
}

static void creating_fails_without_a_trace(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_store *store = NULL;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/new", f->folder);
    for (int64_t n = 1; store == NULL; n += 1 + n / 60) {
        countdown = n;
        enum cop_status status = cop_store_create(path, &store, &err);
        countdown = 0;
        if (status == COP_OK) break;
        assert_int_equal(status, COP_ENOMEM);
        assert_null(store);
    }
    assert_ok(cop_store_verify(store, &err));
    cop_store_close(store);
}

int run_memory_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(ours_fail),
        STORE_TEST(those_of_sqlite_fail),
        STORE_TEST(creating_fails_without_a_trace),
    };
    (void)sqlite3_shutdown();
    (void)sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    sqlite3_mem_methods failing = real;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
    int failed = cmocka_run_group_tests_name("store memory", tests, NULL, NULL);
    (void)sqlite3_shutdown();
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &real);
    return failed;
}
