/* tests/store/schema_test.c - taking the steps of a schema, from every older one.
 *
 * Version 1 is the only released schema.  build_version_1 makes a file as that release
 * did; when version 2 comes, its test opens that file. */
#include "store_tests.h"

#include "store/store_impl.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static sqlite3 *build_version_1(const char *path)
{
    struct cop_err err = {0};
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_ok(cop_store__migrate(db, cop_store__migrations, 1, &err));
    return db;
}

static void version_1_opens_today(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    struct cop_store *store;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/old", f->folder);
    assert_int_equal(sqlite3_close(build_version_1(path)), SQLITE_OK);
    assert_ok(cop_store_open(path, &store, &err));
    assert_ok(fill_project(store, f->arena, &rows, &err));
    assert_ok(cop_store_verify(store, &err));
    cop_store_close(store);
}

/* A released step must never be edited; this is its checksum. */
static void the_first_step_is_what_was_released(void **state)
{
    struct fixture *f = *state;
    sqlite3_stmt *statement;
    struct cop_err err = {0};
    assert_ok(cop_store__prepare(
        f->store->db,
        "SELECT sha256 FROM migration WHERE number = 1",
        &statement,
        &err));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal(
        (const char *)sqlite3_column_text(statement, 0),
        "9d0441071d27c2e79df92fd21a952fac7f0ccc6a236fb2232e75a21af0121c21");
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

static const char *const good_step[] = {
    "ALTER TABLE measurement ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX measurement_by_time ON measurement(created_us)",
    NULL,
};
static const char *const bad_step[] = {
    "CREATE TABLE half(x INTEGER) STRICT",
    "CREATE TABLE half(x INTEGER) STRICT",
    NULL,
};

static int64_t query(sqlite3 *db, const char *sql)
{
    struct cop_err err = {0};
    int64_t result = -1;
    assert_ok(cop_store__query_int(db, sql, &result, &err));
    return result;
}

static void a_step_forward_keeps_the_rows(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    const struct cop_store__migration steps[] = {cop_store__migrations[0], {good_step}};
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    sqlite3 *db = f->store->db;
    assert_ok(cop_store__migrate(db, steps, 2, &err));
    assert_ok(cop_store__migrate(db, steps, 2, &err)); /* nothing left to do */
    assert_int_equal(query(db, "PRAGMA user_version"), 2);
    assert_int_equal(query(db, "SELECT count(*) FROM migration"), 2);
    assert_int_equal(query(db, "SELECT count(*) FROM measurement WHERE note = ''"), 1);
    /* links made before the column came still hold: they do not cover it */
    assert_fails(cop_store_verify(f->store, &err), COP_ESTORE);
    assert_non_null(strstr(err.text, "schema of the project file was changed"));
}

static void a_failing_step_leaves_the_file_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_store__migration steps[] = {cop_store__migrations[0], {bad_step}};
    sqlite3 *db = f->store->db;
    assert_fails(cop_store__migrate(db, steps, 2, &err), COP_ESTORE);
    assert_int_equal(query(db, "PRAGMA user_version"), 1);
    assert_int_equal(
        query(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    assert_int_equal(query(db, "SELECT count(*) FROM migration"), 1);
    assert_ok(cop_store_verify(f->store, &err));
}

static void an_edited_step_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_store__migration steps[] = {{good_step}};
    assert_fails(cop_store__migrate(f->store->db, steps, 1, &err), COP_ESTORE);
    assert_non_null(strstr(err.text, "step 1"));
}

static void a_backup_is_a_whole_project(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    struct cop_store *copy;
    char path[400];
    char root[2][COP_HASH_HEX];
    int64_t length;
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_ok(cop_store_audit_root(f->store, root[0], &length, &err));
    assert_ok(cop_store__back_up(f->store->db, f->path, 1, &err));
    assert_ok(cop_store_put_measurement(f->store, &rows.measurement, &err));
    assert_ok(cop_store__back_up(f->store->db, f->path, 1, &err)); /* stays as it is */
    (void)snprintf(path, sizeof path, "%s.schema1.bak", f->path);
    assert_ok(cop_store_open(path, &copy, &err));
    assert_ok(cop_store_verify(copy, &err));
    assert_ok(cop_store_audit_root(copy, root[1], &length, &err));
    assert_string_equal(root[0], root[1]);
    cop_store_close(copy);
    assert_fails(
        cop_store__back_up(f->store->db, "/no/such/folder/x", 1, &err), COP_ESTORE);
}

/* Columns of a later schema are not part of links made under an earlier one. */
static void links_cover_the_columns_of_their_time(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    struct cop_store__column columns[16];
    struct cop_store__table later = cop_store__measurements;
    assert_true(later.n_columns < 16);
    memcpy(columns, later.columns, sizeof *columns * (size_t)later.n_columns);
    columns[later.n_columns - 1].since = 2;
    later.columns = columns;
    const uint8_t before[32] = {0};
    uint8_t first[32];
    uint8_t second[32];
    uint8_t whole[32];
    sqlite3_stmt *row;
    assert_ok(cop_store__select(f->store, &later, "id = 1", &row, &err));
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_ok(cop_store__link(&later, row, 1, before, first, &err));
    assert_ok(cop_store__link(&later, row, 2, before, second, &err));
    assert_ok(cop_store__link(&cop_store__measurements, row, 2, before, whole, &err));
    assert_memory_not_equal(first, second, 32);
    assert_memory_equal(second, whole, 32);
    later.n_columns--;
    assert_ok(cop_store__link(&later, row, 1, before, whole, &err));
    assert_memory_equal(first, whole, 32);
    assert_int_equal(sqlite3_finalize(row), SQLITE_OK);
}

int run_schema_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(version_1_opens_today),
        STORE_TEST(the_first_step_is_what_was_released),
        STORE_TEST(a_step_forward_keeps_the_rows),
        STORE_TEST(a_failing_step_leaves_the_file_as_it_was),
        STORE_TEST(a_backup_is_a_whole_project),
        STORE_TEST(an_edited_step_is_noticed),
        STORE_TEST(links_cover_the_columns_of_their_time),
    };
    return cmocka_run_group_tests_name("store schema", tests, NULL, NULL);
}
