/* tests/store/schema_test.c - taking the steps of a schema, from every older one.
 *
 * build_version_1 makes a file as the first release did, with what it wrote. */
#include "store_tests.h"

#include "store/store_impl.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static int64_t query(sqlite3 *db, const char *sql)
{
    struct cop_err err = {0};
    int64_t result = -1;
    assert_ok(cop_store__query_int(db, sql, &result, &err));
    return result;
}

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

/* The row of a cut as version 1 wrote it, linked into the chain. */
static void put_cut_of_version_1(struct cop_store *store)
{
    struct cop_err err = {0};
    struct cop_store__table cuts = cop_store__cuts;
    cuts.n_columns--; /* effect_json came later */
    assert_int_equal(cuts.columns[cuts.n_columns].since, 2);
    char sha[COP_HASH_HEX];
    assert_ok(cop_store_put_blob(store, "skeleton", 8, sha, &err));
    struct cop_model_row model = {.name = "net", .graph_sha = sha};
    assert_ok(cop_store_put_model(store, &model, &err));
    assert_ok(cop_store__exec(
        store->db,
        "INSERT INTO cut(model_id, layer, members_json, width_before, width_after,"
        " channels, reason) VALUES(1, 'conv1', '[]', 2, 1, zeroblob(18), 'least')",
        "put",
        &err));
    uint8_t link[32];
    sqlite3_stmt *row;
    assert_ok(cop_store__prepare(
        store->db, "SELECT link FROM audit_log ORDER BY seq DESC", &row, &err));
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    memcpy(link, sqlite3_column_blob(row, 0), 32);
    assert_int_equal(sqlite3_finalize(row), SQLITE_OK);
    const int64_t seq = query(store->db, "SELECT max(seq) FROM audit_log");
    assert_ok(cop_store__select(store, &cuts, "id = 1", &row, &err));
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_ok(cop_store__link(&cuts, row, 1, link, link, &err));
    assert_int_equal(sqlite3_finalize(row), SQLITE_OK);
    assert_ok(cop_store__prepare(
        store->db, "INSERT INTO audit_log VALUES(?, 1, 'cut', 1, ?)", &row, &err));
    assert_int_equal(sqlite3_bind_int64(row, 1, seq + 1), SQLITE_OK);
    assert_int_equal(sqlite3_bind_blob(row, 2, link, 32, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_DONE);
    assert_int_equal(sqlite3_finalize(row), SQLITE_OK);
}

/* Links made before a column came do not cover it: they hold after the migration too. */
static void a_cut_of_version_1_is_read_and_holds(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct cop_cut_row *rows;
    int32_t n;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/old", f->folder);
    struct cop_store old = {.db = build_version_1(path)};
    put_cut_of_version_1(&old);
    assert_int_equal(sqlite3_close(old.db), SQLITE_OK);
    struct cop_store *store;
    assert_ok(cop_store_open(path, &store, &err));
    assert_ok(cop_store_list_groups(store, 1, f->arena, &rows, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].layer, "conv1");
    assert_string_equal(rows[0].effect_json, "{}");
    assert_ok(cop_store_verify(store, &err));
    struct cop_cut_row fresh = rows[0];
    fresh.effect_json = "{\"macs\":1}";
    assert_ok(cop_store_put_cut(store, &fresh, &err));
    assert_ok(cop_store_list_groups(store, 1, f->arena, &rows, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(rows[1].effect_json, "{\"macs\":1}");
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

static void a_step_forward_keeps_the_rows(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    const struct cop_store__migration steps[] = {
        cop_store__migrations[0], cop_store__migrations[1], {good_step}};
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    sqlite3 *db = f->store->db;
    assert_ok(cop_store__migrate(db, steps, 3, &err));
    assert_ok(cop_store__migrate(db, steps, 3, &err)); /* nothing left to do */
    assert_int_equal(query(db, "PRAGMA user_version"), 3);
    assert_int_equal(query(db, "SELECT count(*) FROM migration"), 3);
    assert_int_equal(query(db, "SELECT count(*) FROM measurement WHERE note = ''"), 1);
    /* links made before the column came still hold: they do not cover it */
    assert_fails(cop_store_verify(f->store, &err), COP_ESTORE);
    assert_non_null(strstr(err.text, "schema of the project file was changed"));
}

static void a_failing_step_leaves_the_file_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_store__migration steps[] = {
        cop_store__migrations[0], cop_store__migrations[1], {bad_step}};
    sqlite3 *db = f->store->db;
    assert_fails(cop_store__migrate(db, steps, 3, &err), COP_ESTORE);
    assert_int_equal(query(db, "PRAGMA user_version"), 2);
    assert_int_equal(
        query(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    assert_int_equal(query(db, "SELECT count(*) FROM migration"), 2);
    assert_ok(cop_store_verify(f->store, &err));
}

static void an_edited_step_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    const struct cop_store__migration steps[] = {{good_step}, cop_store__migrations[1]};
    assert_fails(cop_store__migrate(f->store->db, steps, 2, &err), COP_ESTORE);
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
        STORE_TEST(a_cut_of_version_1_is_read_and_holds),
        STORE_TEST(the_first_step_is_what_was_released),
        STORE_TEST(a_step_forward_keeps_the_rows),
        STORE_TEST(a_failing_step_leaves_the_file_as_it_was),
        STORE_TEST(a_backup_is_a_whole_project),
        STORE_TEST(an_edited_step_is_noticed),
        STORE_TEST(links_cover_the_columns_of_their_time),
    };
    return cmocka_run_group_tests_name("store schema", tests, NULL, NULL);
}
