/* store/schema.c - the schema as numbered steps, forward only.
 *
 * A step that has been released is never edited: its checksum is in every file made with
 * it.  A new step is appended to cop_store__migrations; columns that it adds to a table
 * of the audit chain carry its number as `since`. */
#include "store/store_impl.h"

#include "base/clock.h"
#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

/* Stops accidents and honest mistakes; the audit chain is what makes others visible. */
#define APPEND_ONLY(table)                                                             \
    "CREATE TRIGGER " table "_is_not_updated BEFORE UPDATE ON " table                  \
    " BEGIN SELECT RAISE(ABORT, '" table " is append-only'); END",                     \
        "CREATE TRIGGER " table "_is_not_deleted BEFORE DELETE ON " table              \
        " BEGIN SELECT RAISE(ABORT, '" table " is append-only'); END"

static const char *const first_schema[] = {
    "CREATE TABLE migration("
    " number INTEGER PRIMARY KEY,"
    " sha256 TEXT NOT NULL,"
    " applied_us INTEGER NOT NULL,"
    " program TEXT NOT NULL) STRICT",

    "CREATE TABLE audit_log("
    " seq INTEGER PRIMARY KEY,"
    " version INTEGER NOT NULL,"
    " table_name TEXT NOT NULL,"
    " row_id INTEGER NOT NULL,"
    " link BLOB NOT NULL CHECK(length(link) = 32),"
    " UNIQUE(table_name, row_id)) STRICT",

    "CREATE TABLE blob("
    " id INTEGER PRIMARY KEY,"
    " sha256 TEXT NOT NULL UNIQUE CHECK(length(sha256) = 64),"
    " bytes INTEGER NOT NULL CHECK(bytes >= 0)) STRICT",

    "CREATE TABLE chunk("
    " blob_id INTEGER NOT NULL REFERENCES blob(id),"
    " number INTEGER NOT NULL CHECK(number >= 0),"
    " bytes BLOB NOT NULL CHECK(length(bytes) BETWEEN 1 AND 4194304),"
    " PRIMARY KEY(blob_id, number)) STRICT",

    "CREATE TABLE model("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE CHECK(name <> ''),"
    " parent_id INTEGER REFERENCES model(id),"
    " graph_sha TEXT NOT NULL REFERENCES blob(sha256),"
    " source TEXT NOT NULL,"
    " origin_json TEXT NOT NULL,"
    " macs INTEGER NOT NULL,"
    " params INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL) STRICT",

    "CREATE TABLE dataset("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE CHECK(name <> ''),"
    " path TEXT NOT NULL,"
    " format TEXT NOT NULL,"
    " labels TEXT NOT NULL,"
    " record_shape TEXT NOT NULL,"
    " preprocess TEXT NOT NULL,"
    " classes_json TEXT NOT NULL,"
    " sha256 TEXT NOT NULL,"
    " n INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL) STRICT",

    "CREATE TABLE evaluation("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES model(id),"
    " dataset_id INTEGER NOT NULL REFERENCES dataset(id),"
    " n INTEGER NOT NULL,"
    " top1 REAL,"
    " top5 REAL,"
    " per_class_json TEXT NOT NULL,"
    " machine_json TEXT NOT NULL,"
    " answers BLOB NOT NULL,"
    " created_us INTEGER NOT NULL) STRICT",
    "CREATE INDEX evaluation_of_model ON evaluation(model_id, dataset_id)",

    "CREATE TABLE measurement("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES model(id),"
    " mb INTEGER NOT NULL,"
    " threads INTEGER NOT NULL,"
    " runs INTEGER NOT NULL,"
    " median_ms REAL,"
    " p95_ms REAL,"
    " min_ms REAL,"
    " peak_bytes INTEGER NOT NULL,"
    " machine_json TEXT NOT NULL,"
    " created_us INTEGER NOT NULL) STRICT",
    "CREATE INDEX measurement_of_model ON measurement(model_id)",

    "CREATE TABLE run("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES model(id),"
    " config_json TEXT NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " UNIQUE(model_id, config_json)) STRICT",

    "CREATE TABLE run_state("
    " id INTEGER PRIMARY KEY,"
    " run_id INTEGER NOT NULL REFERENCES run(id),"
    " feasibility_json TEXT NOT NULL,"
    " status TEXT NOT NULL,"
    " created_us INTEGER NOT NULL) STRICT",
    "CREATE INDEX run_state_of_run ON run_state(run_id)",

    "CREATE TABLE candidate("
    " id INTEGER PRIMARY KEY,"
    " run_id INTEGER NOT NULL REFERENCES run(id),"
    " seq INTEGER NOT NULL,"
    " decision_json TEXT NOT NULL,"
    " model_id INTEGER REFERENCES model(id),"
    " macs INTEGER NOT NULL,"
    " params INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " median_ms REAL,"
    " base_ms REAL,"
    " top1 REAL,"
    " base_top1 REAL,"
    " is_accepted INTEGER NOT NULL CHECK(is_accepted IN (0, 1)),"
    " reason TEXT NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " UNIQUE(run_id, seq)) STRICT",

    "CREATE TABLE cut("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES model(id),"
    " layer TEXT NOT NULL,"
    " members_json TEXT NOT NULL,"
    " width_before INTEGER NOT NULL,"
    " width_after INTEGER NOT NULL,"
    " channels BLOB NOT NULL,"
    " reason TEXT NOT NULL) STRICT",
    "CREATE INDEX cut_of_model ON cut(model_id)",

    "CREATE TABLE attribution("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES model(id),"
    " dataset_id INTEGER REFERENCES dataset(id),"
    " sample INTEGER NOT NULL,"
    " method TEXT NOT NULL,"
    " layer TEXT NOT NULL,"
    " target INTEGER NOT NULL,"
    " rows INTEGER NOT NULL,"
    " cols INTEGER NOT NULL,"
    " f_x REAL,"
    " config_json TEXT NOT NULL,"
    " \"values\" BLOB NOT NULL) STRICT",
    "CREATE INDEX attribution_of_model ON attribution(model_id, method, sample, layer)",

    APPEND_ONLY("migration"),
    APPEND_ONLY("audit_log"),
    APPEND_ONLY("blob"),
    APPEND_ONLY("chunk"),
    APPEND_ONLY("model"),
    APPEND_ONLY("dataset"),
    APPEND_ONLY("evaluation"),
    APPEND_ONLY("measurement"),
    APPEND_ONLY("run"),
    APPEND_ONLY("run_state"),
    APPEND_ONLY("candidate"),
    APPEND_ONLY("cut"),
    APPEND_ONLY("attribution"),
    NULL,
};

/* What cutting a group saves, beside what was cut. */
static const char *const effect_of_cuts[] = {
    "ALTER TABLE cut ADD COLUMN effect_json TEXT NOT NULL DEFAULT '{}'",
    NULL,
};

const struct cop_store__migration cop_store__migrations[] = {
    {first_schema},
    {effect_of_cuts},
};
const int cop_store__n_migrations =
    (int)(sizeof cop_store__migrations / sizeof *cop_store__migrations);

/* ---- taking the steps --------------------------------------------------------------- */

static void hash_step(const struct cop_store__migration *step, char hex[COP_HASH_HEX])
{
    struct cop_sha256 sha;
    uint8_t digest[32];
    cop_sha256_init(&sha);
    for (const char *const *sql = step->statements; *sql != NULL; sql++)
        cop_sha256_add(&sha, *sql, strlen(*sql) + 1);
    cop_sha256_finish(&sha, digest);
    cop_sha256_hex(digest, hex);
}

static enum cop_status record_step(
    sqlite3 *db, int number, const char *sha256, struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        db,
        "INSERT INTO migration(number, sha256, applied_us, program) VALUES(?, ?, ?, ?)",
        &statement,
        err));
    (void)sqlite3_bind_int(statement, 1, number);
    (void)sqlite3_bind_text(statement, 2, sha256, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 3, cop_clock_wall_us());
    (void)sqlite3_bind_text(
        statement, 4, "coppice " COPPICE_VERSION, -1, SQLITE_STATIC);
    enum cop_status status = COP_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        status = cop_store__fail(db, "cannot migrate the project file", err);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum cop_status run_step(
    sqlite3 *db,
    const struct cop_store__migration *step,
    int number,
    struct cop_err *err)
{
    const char *doing = "cannot migrate the project file";
    int64_t version = 0;
    COP_TRY(cop_store__query_int(db, "PRAGMA user_version", &version, err));
    if (version >= number) return COP_OK; /* another process was faster */
    for (const char *const *sql = step->statements; *sql != NULL; sql++)
        COP_TRY(cop_store__exec(db, *sql, doing, err));
    char sha256[COP_HASH_HEX];
    hash_step(step, sha256);
    COP_TRY(record_step(db, number, sha256, err));
    char pragmas[96];
    (void)snprintf(
        pragmas,
        sizeof pragmas,
        "PRAGMA application_id = %d; PRAGMA user_version = %d",
        (int)COP_STORE__APPLICATION,
        number);
    return cop_store__exec(db, pragmas, doing, err);
}

/* The steps that this file has taken must be the ones that this program knows. */
static enum cop_status check_steps(
    sqlite3 *db,
    const struct cop_store__migration *migrations,
    int version,
    struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        db, "SELECT sha256 FROM migration WHERE number = ?1", &statement, err));
    enum cop_status status = COP_OK;
    for (int i = 0; i < version && status == COP_OK; i++) {
        char sha256[COP_HASH_HEX];
        hash_step(&migrations[i], sha256);
        (void)sqlite3_bind_int(statement, 1, i + 1);
        const unsigned char *stored = NULL;
        if (sqlite3_step(statement) == SQLITE_ROW)
            stored = sqlite3_column_text(statement, 0);
        status = cop_store__check_memory(statement, err);
        if (status != COP_OK) break;
        if (stored == NULL || strcmp((const char *)stored, sha256) != 0)
            status = COP_FAIL(
                err,
                COP_ESTORE,
                "step %d of the schema is not the one this Coppice knows",
                i + 1);
        (void)sqlite3_reset(statement);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

enum cop_status cop_store__migrate(
    sqlite3 *db,
    const struct cop_store__migration *migrations,
    int n,
    struct cop_err *err)
{
    const char *doing = "cannot migrate the project file";
    int64_t version = 0;
    COP_TRY(cop_store__query_int(db, "PRAGMA user_version", &version, err));
    if (version > 0 && version <= n)
        COP_TRY(check_steps(db, migrations, (int)version, err));
    for (int number = (int)version + 1; number <= n; number++) {
        COP_TRY(cop_store__exec(db, "BEGIN IMMEDIATE", doing, err));
        enum cop_status status = run_step(db, &migrations[number - 1], number, err);
        if (status == COP_OK) status = cop_store__exec(db, "COMMIT", doing, err);
        if (status != COP_OK) {
            (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return status;
        }
    }
    return COP_OK;
}

/* ---- is the schema still ours? ------------------------------------------------------ */

static const char *const schema_sql =
    "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema"
    " WHERE name NOT GLOB 'sqlite_*' ORDER BY 1";

/* Walks both lists, which are sorted, until they differ. */
static enum cop_status compare_schemas(
    sqlite3_stmt *ours, sqlite3_stmt *file, struct cop_err *err)
{
    for (;;) {
        int want = sqlite3_step(ours);
        int have = sqlite3_step(file);
        if (want != SQLITE_ROW && have != SQLITE_ROW) return COP_OK;
        const unsigned char *a = sqlite3_column_text(ours, 0);
        const unsigned char *b = sqlite3_column_text(file, 0);
        const char *x = a != NULL ? (const char *)a : "(nothing)";
        const char *y = b != NULL ? (const char *)b : "(nothing)";
        if (strcmp(x, y) != 0)
            return COP_FAIL(
                err,
                COP_ESTORE,
                "the schema of the project file was changed: '%.40s' instead of "
                "'%.40s'",
                y,
                x);
    }
}

enum cop_status cop_store__check_schema(struct cop_store *store, struct cop_err *err)
{
    enum cop_status status;
    sqlite3 *fresh = NULL;
    sqlite3_stmt *ours = NULL;
    sqlite3_stmt *file = NULL;
    if (sqlite3_open(":memory:", &fresh) != SQLITE_OK) {
        status = cop_store__fail(fresh, "cannot check the schema", err);
        goto done;
    }
    status =
        cop_store__migrate(fresh, cop_store__migrations, cop_store__n_migrations, err);
    if (status != COP_OK) goto done;
    status = cop_store__prepare(fresh, schema_sql, &ours, err);
    if (status != COP_OK) goto done;
    status = cop_store__prepare(store->db, schema_sql, &file, err);
    if (status == COP_OK) status = compare_schemas(ours, file, err);
done:
    (void)sqlite3_finalize(file);
    (void)sqlite3_finalize(ours);
    (void)sqlite3_close(fresh);
    return status;
}
