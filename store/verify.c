/* store/verify.c - does everything still hold?  Reads the whole file, changes nothing.
 *
 * In this order: the pages, the references, every link of the chain from the rows as they
 * are now, rows that no link covers, the bytes of every blob, the schema.  What cannot be
 * seen from inside is a chain whose end was removed together with its rows, or one that
 * was recomputed as a whole: for that, compare the root with one kept elsewhere. */
#include "store/store_impl.h"

#include <string.h>

static enum cop_status check_pages(struct cop_store *store, struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(
        cop_store__prepare(store->db, "PRAGMA integrity_check(1)", &statement, err));
    enum cop_status status = COP_OK;
    const char *answer = NULL;
    if (sqlite3_step(statement) == SQLITE_ROW)
        answer = (const char *)sqlite3_column_text(statement, 0);
    if (answer == NULL)
        status = cop_store__fail(store->db, "cannot check the project file", err);
    else if (strcmp(answer, "ok") != 0)
        status = COP_FAIL(err, COP_ESTORE, "the project file is damaged: %s", answer);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum cop_status check_references(struct cop_store *store, struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(store->db, "PRAGMA foreign_key_check", &statement, err));
    enum cop_status status = COP_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        status = COP_FAIL(
            err,
            COP_ESTORE,
            "%s %lld refers to a %s that is not there",
            (const char *)sqlite3_column_text(statement, 0),
            (long long)sqlite3_column_int64(statement, 1),
            (const char *)sqlite3_column_text(statement, 2));
    else if (code != SQLITE_DONE)
        status = cop_store__fail(store->db, "cannot check the project file", err);
    (void)sqlite3_finalize(statement);
    return status;
}

/* ---- the chain ---------------------------------------------------------------------- */

enum { MAX_TABLES = 16 };

struct chain {
    struct cop_store *store;
    sqlite3_stmt *log;
    sqlite3_stmt *rows[MAX_TABLES]; /* selects one row; as cop_store__audited */
    int64_t length;
    uint8_t link[32];
};

static int find_table(const char *name)
{
    for (int i = 0; name != NULL && cop_store__audited[i] != NULL; i++) {
        if (strcmp(cop_store__audited[i]->name, name) == 0) return i;
    }
    return -1;
}

/* Recomputes the link that the log stands on. */
static enum cop_status check_link(struct chain *chain, struct cop_err *err)
{
    int64_t seq = sqlite3_column_int64(chain->log, 0);
    int version = sqlite3_column_int(chain->log, 1);
    const char *name = (const char *)sqlite3_column_text(chain->log, 2);
    int64_t id = sqlite3_column_int64(chain->log, 3);
    COP_TRY(cop_store__check_memory(chain->log, err));
    int t = find_table(name);
    if (seq != chain->length + 1 || t < 0)
        return COP_FAIL(
            err,
            COP_ESTORE,
            "the audit chain is broken after link %lld",
            (long long)chain->length);
    sqlite3_stmt *row = chain->rows[t];
    (void)sqlite3_bind_int64(row, 1, id);
    int code = sqlite3_step(row);
    enum cop_status status = COP_OK;
    if (code == SQLITE_ROW)
        status = cop_store__link(
            cop_store__audited[t], row, version, chain->link, chain->link, err);
    else if (code == SQLITE_DONE)
        status = COP_FAIL(
            err,
            COP_ESTORE,
            "%s %lld is gone: link %lld of the audit chain names it",
            name,
            (long long)id,
            (long long)seq);
    else
        status = cop_store__fail(chain->store->db, "cannot read", err);
    (void)sqlite3_reset(row);
    if (status != COP_OK) return status;
    const void *stored = sqlite3_column_blob(chain->log, 4);
    if (stored == NULL || sqlite3_column_bytes(chain->log, 4) != 32 ||
        memcmp(stored, chain->link, 32) != 0)
        return COP_FAIL(
            err,
            COP_ESTORE,
            "%s %lld was changed: it does not match link %lld of the audit chain",
            name,
            (long long)id,
            (long long)seq);
    chain->length = seq;
    return COP_OK;
}

/* A row that no link covers was not put by Coppice. */
static enum cop_status check_covered(
    struct cop_store *store, const struct cop_store__table *table, struct cop_err *err)
{
    char *sql = sqlite3_mprintf(
        "SELECT coalesce(min(id), 0) FROM \"%w\" WHERE id NOT IN"
        " (SELECT row_id FROM audit_log WHERE table_name = %Q)",
        table->name,
        table->name);
    if (sql == NULL) return COP_FAIL_NOMEM(err);
    int64_t id = 0;
    enum cop_status status = cop_store__query_int(store->db, sql, &id, err);
    sqlite3_free(sql);
    if (status == COP_OK && id != 0)
        status = COP_FAIL(
            err,
            COP_ESTORE,
            "%s %lld is not in the audit chain",
            table->name,
            (long long)id);
    return status;
}

static enum cop_status walk_chain(struct chain *chain, struct cop_err *err)
{
    struct cop_store *store = chain->store;
    for (int i = 0; cop_store__audited[i] != NULL; i++)
        COP_TRY(cop_store__select(
            store, cop_store__audited[i], "id = ?1", &chain->rows[i], err));
    COP_TRY(cop_store__prepare(
        store->db,
        "SELECT seq, version, table_name, row_id, link FROM audit_log ORDER BY seq",
        &chain->log,
        err));
    int code;
    while ((code = sqlite3_step(chain->log)) == SQLITE_ROW)
        COP_TRY(check_link(chain, err));
    if (code != SQLITE_DONE)
        return cop_store__fail(store->db, "cannot read the audit chain", err);
    for (int i = 0; cop_store__audited[i] != NULL; i++)
        COP_TRY(check_covered(store, cop_store__audited[i], err));
    return COP_OK;
}

static enum cop_status check_chain(struct cop_store *store, struct cop_err *err)
{
    struct chain chain = {.store = store};
    enum cop_status status = walk_chain(&chain, err);
    (void)sqlite3_finalize(chain.log);
    for (int i = 0; i < MAX_TABLES; i++)
        (void)sqlite3_finalize(chain.rows[i]);
    return status;
}

/* ---- blobs and all ------------------------------------------------------------------ */

static enum cop_status check_blobs(struct cop_store *store, struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        store->db, "SELECT id, sha256, bytes FROM blob ORDER BY id", &statement, err));
    enum cop_status status = COP_OK;
    int code = SQLITE_DONE;
    while (status == COP_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *sha256 = (const char *)sqlite3_column_text(statement, 1);
        status = cop_store__read_chunks(
            store,
            sqlite3_column_int64(statement, 0),
            sha256 != NULL ? sha256 : "",
            (size_t)sqlite3_column_int64(statement, 2),
            NULL,
            err);
    }
    if (status == COP_OK && code != SQLITE_DONE)
        status = cop_store__fail(store->db, "cannot read", err);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum cop_status check_all(struct cop_store *store, struct cop_err *err)
{
    COP_TRY(check_pages(store, err));
    COP_TRY(check_references(store, err));
    COP_TRY(check_chain(store, err));
    COP_TRY(check_blobs(store, err));
    return cop_store__check_schema(store, err);
}

/* One read transaction, so that a writer at work cannot make halves look like damage. */
enum cop_status cop_store_verify(struct cop_store *store, struct cop_err *err)
{
    if (store->depth > 0) return check_all(store, err);
    COP_TRY(cop_store__exec(store->db, "BEGIN", "cannot verify", err));
    enum cop_status status = check_all(store, err);
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
