/* tests/store/audit_test.c - whatever is edited behind our back is found and named.
 *
 * Each attack works on the connection itself, with the triggers dropped, inside a
 * transaction that is rolled back afterwards. */
#include "store_tests.h"

#include "store/store_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void run_sql(struct fixture *f, const char *sql)
{
    struct cop_err err = {0};
    assert_ok(cop_store__exec(f->store->db, sql, sql, &err));
}

static void set_up_attack(struct fixture *f)
{
    struct cop_err err = {0};
    struct sample_rows rows;
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    rows.measurement.p95_ms = (double)NAN;
    assert_ok(cop_store_put_measurement(f->store, &rows.measurement, &err));
    assert_ok(cop_store_verify(f->store, &err));
    run_sql(f, "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
    for (int t = 0; cop_store__audited[t] != NULL; t++) {
        const char *name = cop_store__audited[t]->name;
        char sql[200];
        (void)snprintf(
            sql,
            sizeof sql,
            "DROP TRIGGER %s_is_not_updated; DROP TRIGGER %s_is_not_deleted",
            name,
            name);
        run_sql(f, sql);
    }
    run_sql(
        f,
        "DROP TRIGGER audit_log_is_not_updated;"
        "DROP TRIGGER audit_log_is_not_deleted");
}

/* Verifies after an attack, expects a complaint that holds @p what, and undoes it. */
static void assert_caught(struct fixture *f, const char *attack, const char *what)
{
    struct cop_err err = {0};
    assert_ok(cop_store_begin(f->store, &err));
    run_sql(f, attack);
    if (sqlite3_changes(f->store->db) == 0) fail_msg("no effect: %s", attack);
    if (cop_store_verify(f->store, &err) != COP_ESTORE) fail_msg("missed: %s", attack);
    if (strstr(err.text, what) == NULL)
        fail_msg("%s\n'%s' does not say '%s'", attack, err.text, what);
    cop_store_rollback(f->store);
}

static const char *edit_of(enum cop_store__kind kind)
{
    switch (kind) {
    case COP_COLUMN_ID: return "\"%s\" + 1000";
    case COP_COLUMN_BOOL: return "1 - \"%s\"";
    case COP_COLUMN_TEXT: return "'Z' || substr(\"%s\", 2)";
    case COP_COLUMN_BYTES: return "zeroblob(length(\"%s\"))";
    case COP_COLUMN_INTEGER:
    case COP_COLUMN_REF:
    case COP_COLUMN_TIME:
    case COP_COLUMN_REAL: return "coalesce(\"%s\", 0) + 1";
    }
    return NULL;
}

/* The whole point: one value of one row, for every column of every table. */
static void every_edited_value_is_found_and_named(void **state)
{
    struct fixture *f = *state;
    int n = 0;
    set_up_attack(f);
    for (int t = 0; cop_store__audited[t] != NULL; t++) {
        const struct cop_store__table *table = cop_store__audited[t];
        for (int c = 0; c < table->n_columns; c++) {
            char edit[100];
            char sql[300];
            const struct cop_store__column *column = &table->columns[c];
            const char *format = edit_of(column->kind);
            /* the format is one of the four above */
            char *made = sqlite3_mprintf(format, column->name);
            (void)snprintf(edit, sizeof edit, "%s", made);
            sqlite3_free(made);
            (void)snprintf(
                sql,
                sizeof sql,
                "UPDATE \"%s\" SET \"%s\" = %s WHERE id ="
                " (SELECT max(id) FROM \"%s\")",
                table->name,
                column->name,
                edit,
                table->name);
            assert_caught(f, sql, table->name);
            n++;
        }
    }
    print_message("%d columns attacked\n", n);
    assert_true(n > 80);
}

static void the_row_is_named_with_its_link(void **state)
{
    struct fixture *f = *state;
    set_up_attack(f);
    assert_caught(
        f,
        "UPDATE evaluation SET top1 = 99.0 WHERE id = 1",
        "evaluation 1 was changed");
    assert_caught(f, "UPDATE candidate SET top1 = NULL", "candidate 1 was changed");
    assert_caught(
        f,
        "UPDATE measurement SET p95_ms = 0.0 WHERE p95_ms IS NULL",
        "measurement 2 was changed");
    assert_caught(f, "DELETE FROM cut", "cut 1 is gone");
    assert_caught(f, "DELETE FROM measurement WHERE id = 1", "measurement 1 is gone");
    assert_caught(
        f,
        "INSERT INTO measurement SELECT 9, model_id, mb, threads, runs, 0.1, 0.1, 0.1,"
        " peak_bytes, machine_json, created_us FROM measurement WHERE id = 1",
        "measurement 9 is not in the audit chain");
    assert_caught(f, "DELETE FROM model WHERE id = 1", "refers to a model");
    assert_caught(
        f,
        "UPDATE evaluation SET answers = CAST(substr(answers, 1, 47) || 'x' AS BLOB)",
        "evaluation 1 was changed");
}

static void the_chain_itself_is_guarded(void **state)
{
    struct fixture *f = *state;
    set_up_attack(f);
    assert_caught(
        f, "UPDATE audit_log SET link = zeroblob(32) WHERE seq = 4", "link 4");
    assert_caught(f, "UPDATE audit_log SET version = 0 WHERE seq = 4", "link 4");
    assert_caught(f, "DELETE FROM audit_log WHERE seq = 4", "after link 3");
    assert_caught(f, "DELETE FROM audit_log WHERE seq = 1", "after link 0");
    assert_caught(
        f,
        "UPDATE audit_log SET seq = seq + 1 WHERE seq = 4 - 4 + "
        "(SELECT max(seq) FROM audit_log)",
        "after link");
    assert_caught(
        f, "UPDATE audit_log SET table_name = 'nix' WHERE seq = 2", "after link 1");
    assert_caught(
        f,
        "UPDATE audit_log SET link = (SELECT link FROM audit_log WHERE seq = 5)"
        " WHERE seq = 6",
        "link 6");
    assert_caught(
        f,
        "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)",
        "measurement 2 is not in the audit chain");
}

/* What no chain can show from inside: its end cut off together with the rows.  The root
 * kept elsewhere shows it. */
static void a_cut_end_shows_only_in_the_root(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    char before[COP_HASH_HEX];
    char after[COP_HASH_HEX];
    int64_t length;
    int64_t shorter;
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    assert_ok(cop_store_audit_root(f->store, before, &length, &err));
    run_sql(
        f,
        "DROP TRIGGER attribution_is_not_deleted; DROP TRIGGER "
        "audit_log_is_not_deleted;"
        "DELETE FROM attribution;"
        "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log);"
        "CREATE TRIGGER attribution_is_not_deleted BEFORE DELETE ON attribution"
        " BEGIN SELECT RAISE(ABORT, 'attribution is append-only'); END;"
        "CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log"
        " BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END");
    assert_ok(cop_store_verify(f->store, &err));
    assert_ok(cop_store_audit_root(f->store, after, &shorter, &err));
    assert_string_not_equal(before, after);
    assert_int_equal(shorter, length - 1);
}

static void a_changed_schema_is_found(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    assert_ok(cop_store_verify(f->store, &err));
    run_sql(f, "DROP TRIGGER cut_is_not_updated");
    assert_fails(cop_store_verify(f->store, &err), COP_ESTORE);
    assert_non_null(strstr(err.text, "schema"));
    assert_non_null(strstr(err.text, "cut_is_not_updated"));
    run_sql(
        f,
        "CREATE TRIGGER cut_is_not_updated BEFORE UPDATE ON cut"
        " BEGIN SELECT RAISE(ABORT, 'cut is append-only'); END");
    assert_ok(cop_store_verify(f->store, &err));
    run_sql(f, "CREATE TABLE zzz(x)");
    assert_fails(cop_store_verify(f->store, &err), COP_ESTORE);
}

static void triggers_stop_accidents(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    struct sample_rows rows;
    assert_ok(fill_project(f->store, f->arena, &rows, &err));
    const char *tables[] = {
        "blob",
        "chunk",
        "model",
        "dataset",
        "evaluation",
        "measurement",
        "run",
        "run_state",
        "candidate",
        "cut",
        "attribution",
        "audit_log",
        "migration"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char sql[100];
        (void)snprintf(sql, sizeof sql, "DELETE FROM %s", tables[i]);
        assert_fails(cop_store__exec(f->store->db, sql, "x", &err), COP_ESTORE);
        assert_non_null(strstr(err.text, "append-only"));
        (void)snprintf(sql, sizeof sql, "UPDATE %s SET rowid = rowid", tables[i]);
        assert_fails(cop_store__exec(f->store->db, sql, "x", &err), COP_ESTORE);
        assert_non_null(strstr(err.text, "append-only"));
    }
    assert_ok(cop_store_verify(f->store, &err));
}

/* The format of the chain is for ever: this root changes only with the version of the
 * schema, which every link covers.  A short program in
 * another language, written from the description in audit.c, computed it too. */
static void the_root_is_a_function_of_the_rows(void **state)
{
    struct fixture *f = *state;
    struct cop_err err = {0};
    char root[COP_HASH_HEX];
    char sha[COP_HASH_HEX];
    int64_t length;
    assert_ok(cop_store_audit_root(f->store, root, &length, &err));
    assert_int_equal(length, 0);
    assert_string_equal(
        root, "0000000000000000000000000000000000000000000000000000000000000000");
    assert_ok(cop_store_put_blob(f->store, "abc", 3, sha, &err));
    struct cop_model_row model = {
        .name = "m", .graph_sha = sha, .macs = -5, .created_us = 1};
    assert_ok(cop_store_put_model(f->store, &model, &err));
    struct cop_measurement_row measurement = {
        .model_id = model.id, .median_ms = 0.1, .min_ms = (double)NAN, .created_us = 2};
    assert_ok(cop_store_put_measurement(f->store, &measurement, &err));
    assert_ok(cop_store_audit_root(f->store, root, &length, &err));
    assert_int_equal(length, 3);
    assert_string_equal(
        root, "dda284c21d93f1478c9ca013b168890459f8cdd2b732d42b1509fef33b3181e5");
}

int run_audit_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(every_edited_value_is_found_and_named),
        STORE_TEST(the_row_is_named_with_its_link),
        STORE_TEST(the_chain_itself_is_guarded),
        STORE_TEST(a_cut_end_shows_only_in_the_root),
        STORE_TEST(a_changed_schema_is_found),
        STORE_TEST(triggers_stop_accidents),
        STORE_TEST(the_root_is_a_function_of_the_rows),
    };
    return cmocka_run_group_tests_name("store audit", tests, NULL, NULL);
}
