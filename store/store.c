/* store/store.c - opening, closing, transactions; and the one adapter of SQLite errors. */
#include "store/store_impl.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 5000 };

/* ---- errors ------------------------------------------------------------------------- */

enum cop_status cop_store__fail(sqlite3 *db, const char *doing, struct cop_err *err)
{
    const char *meaning = NULL;
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_NOMEM: return COP_FAIL(err, COP_ENOMEM, "%s: out of memory", doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        meaning = "the project file is in use by another program";
        break;
    case SQLITE_NOTADB: meaning = "this is not a Coppice project file"; break;
    case SQLITE_CORRUPT: meaning = "the project file is damaged"; break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        meaning = "the project file or its folder cannot be written";
        break;
    case SQLITE_FULL: meaning = "the disk is full"; break;
    default: break;
    }
    if (meaning == NULL)
        return COP_FAIL(err, COP_ESTORE, "%s: %s", doing, sqlite3_errmsg(db));
    return COP_FAIL(err, COP_ESTORE, "%s: %s (%s)", doing, meaning, sqlite3_errmsg(db));
}

enum cop_status cop_store__exec(
    sqlite3 *db, const char *sql, const char *doing, struct cop_err *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return COP_OK;
    return cop_store__fail(db, doing, err);
}

enum cop_status cop_store__prepare(
    sqlite3 *db, const char *sql, sqlite3_stmt **statement, struct cop_err *err)
{
    if (sqlite3_prepare_v2(db, sql, -1, statement, NULL) == SQLITE_OK) return COP_OK;
    return cop_store__fail(db, "cannot read the project file", err);
}

enum cop_status cop_store__check_memory(sqlite3_stmt *statement, struct cop_err *err)
{
    int code = sqlite3_errcode(sqlite3_db_handle(statement));
    return (code & 0xff) == SQLITE_NOMEM ? COP_FAIL_NOMEM(err) : COP_OK;
}

enum cop_status cop_store__query_int(
    sqlite3 *db, const char *sql, int64_t *result, struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(db, sql, &statement, err));
    enum cop_status status = COP_OK;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *result = sqlite3_column_int64(statement, 0);
    else
        status = cop_store__fail(db, "cannot read the project file", err);
    (void)sqlite3_finalize(statement);
    return status;
}

/* ---- opening ------------------------------------------------------------------------ */

/* What every connection needs before it touches data.  The settings of a new file come
 * first: they cannot change once pages are written. */
static enum cop_status configure(sqlite3 *db, bool is_new, struct cop_err *err)
{
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (is_new) COP_TRY(cop_store__exec(db, "PRAGMA page_size = 16384", "create", err));
    return cop_store__exec(
        db,
        "PRAGMA trusted_schema = OFF;"
        "PRAGMA cell_size_check = ON;"
        "PRAGMA foreign_keys = ON;"
        "PRAGMA secure_delete = FAST;"
        "PRAGMA synchronous = NORMAL",
        "cannot open the project file",
        err);
}

/* Refuses what is not ours before anything is written to it. */
static enum cop_status check_identity(
    sqlite3 *db, int64_t *version, struct cop_err *err)
{
    int64_t application = 0;
    COP_TRY(cop_store__query_int(db, "PRAGMA application_id", &application, err));
    if (application != COP_STORE__APPLICATION)
        return COP_FAIL(
            err,
            COP_ESTORE,
            "this is not a Coppice project file (application id %lld, not %d)",
            (long long)application,
            (int)COP_STORE__APPLICATION);
    COP_TRY(cop_store__query_int(db, "PRAGMA user_version", version, err));
    if (*version < 1 || *version > cop_store__n_migrations)
        return COP_FAIL(
            err,
            COP_ESTORE,
            "the project file has schema %lld, this Coppice knows 1 to %d",
            (long long)*version,
            cop_store__n_migrations);
    return COP_OK;
}

enum cop_status cop_store__back_up(
    sqlite3 *db, const char *path, int64_t version, struct cop_err *err)
{
    char *copy = sqlite3_mprintf("%s.schema%lld.bak", path, (long long)version);
    if (copy == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = COP_OK;
    if (!cop_file_exists(copy)) {
        char *sql = sqlite3_mprintf("VACUUM INTO %Q", copy);
        status = sql != NULL ? cop_store__exec(db, sql, "cannot back up", err)
                             : COP_FAIL_NOMEM(err);
        sqlite3_free(sql);
    }
    sqlite3_free(copy);
    return status;
}

static enum cop_status prepare_file(
    sqlite3 *db, const char *path, bool is_new, struct cop_err *err)
{
    COP_TRY(configure(db, is_new, err));
    int64_t version = 0;
    if (!is_new) {
        COP_TRY(check_identity(db, &version, err));
        if (version < cop_store__n_migrations)
            COP_TRY(cop_store__back_up(db, path, version, err));
    }
    COP_TRY(cop_store__exec(
        db, "PRAGMA journal_mode = WAL", "cannot open the project file", err));
    return cop_store__migrate(db, cop_store__migrations, cop_store__n_migrations, err);
}

static enum cop_status open_file(
    const char *path, bool is_new, struct cop_store **store, struct cop_err *err)
{
    *store = NULL;
    struct cop_store *made = cop_mem_array(1, sizeof *made);
    if (made == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status;
    if (sqlite3_open_v2(path, &made->db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
        status = prepare_file(made->db, path, is_new, err);
    else
        status = cop_store__fail(made->db, "cannot open the project file", err);
    if (status != COP_OK) {
        cop_err_in(err, "'%s'", path);
        (void)sqlite3_close(made->db);
        cop_mem_free(made);
        return status;
    }
    *store = made;
    return COP_OK;
}

enum cop_status cop_store_create(
    const char *path, struct cop_store **store, struct cop_err *err)
{
    *store = NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return COP_FAIL(err, COP_ESTORE, "'%s' already exists", path);
    if (fd < 0)
        return COP_FAIL(
            err, COP_ESTORE, "cannot create '%s': %s", path, strerror(errno));
    (void)close(fd);
    enum cop_status status = open_file(path, true, store, err);
    if (status != COP_OK) (void)unlink(path);
    return status;
}

enum cop_status cop_store_open(
    const char *path, struct cop_store **store, struct cop_err *err)
{
    *store = NULL;
    if (!cop_file_exists(path))
        return COP_FAIL(err, COP_ENOTFOUND, "there is no project file '%s'", path);
    if (cop_file_is_dir(path))
        return COP_FAIL(err, COP_ESTORE, "'%s' is a folder, not a project file", path);
    return open_file(path, false, store, err);
}

void cop_store_close(struct cop_store *store)
{
    if (store == NULL) return;
    cop_store_rollback(store);
    (void)sqlite3_exec(store->db, "PRAGMA optimize", NULL, NULL, NULL);
    (void)sqlite3_close_v2(store->db);
    cop_mem_free(store);
}

/* ---- transactions ------------------------------------------------------------------- */

/* SQLite undoes a whole transaction by itself when the disk is full or memory gives out;
 * what follows must then not be kept as if the beginning were there. */
enum cop_status cop_store__enter(struct cop_store *store, struct cop_err *err)
{
    if (store->depth > 0 && sqlite3_get_autocommit(store->db) != 0)
        return COP_FAIL(err, COP_ESTORE, "the transaction has been undone already");
    COP_TRY(cop_store__exec(
        store->db,
        store->depth == 0 ? "BEGIN IMMEDIATE" : "SAVEPOINT part",
        "cannot write",
        err));
    store->depth++;
    return COP_OK;
}

static void undo(struct cop_store *store)
{
    const char *sql = store->depth == 1 ? "ROLLBACK" : "ROLLBACK TO part; RELEASE part";
    (void)sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    store->depth--;
}

enum cop_status cop_store__leave(
    struct cop_store *store, enum cop_status status, struct cop_err *err)
{
    if (status == COP_OK)
        status = cop_store__exec(
            store->db,
            store->depth == 1 ? "COMMIT" : "RELEASE part",
            "cannot write",
            err);
    if (status == COP_OK)
        store->depth--;
    else
        undo(store);
    return status;
}

enum cop_status cop_store_begin(struct cop_store *store, struct cop_err *err)
{
    if (store->depth != 0)
        return COP_FAIL(err, COP_EINVAL, "a transaction is already open");
    return cop_store__enter(store, err);
}

enum cop_status cop_store_commit(struct cop_store *store, struct cop_err *err)
{
    if (store->depth != 1) return COP_FAIL(err, COP_EINVAL, "no transaction is open");
    return cop_store__leave(store, COP_OK, err);
}

void cop_store_rollback(struct cop_store *store)
{
    if (store->depth > 0) undo(store);
}
