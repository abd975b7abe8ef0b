/* store/audit.c - the chain of links: every row put is hashed with the link before.
 *
 * The canonical bytes of a value are a tag (its storage class), its length as 8 bytes
 * little endian, and the value: integers and the bits of doubles as 8 bytes little
 * endian, text and blobs as they are.  They are taken from what the database gives back,
 * never from the caller's struct, so that verify takes exactly the same path. */
#include "store/store_impl.h"

#include "base/sha256.h"

#include <string.h>

const struct cop_store__table *const cop_store__audited[] = {
    &cop_store__blobs,
    &cop_store__models,
    &cop_store__datasets,
    &cop_store__evaluations,
    &cop_store__measurements,
    &cop_store__runs,
    &cop_store__run_states,
    &cop_store__candidates,
    &cop_store__cuts,
    &cop_store__attributions,
    NULL,
};

static void add_u64(struct cop_sha256 *sha, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    cop_sha256_add(sha, bytes, sizeof bytes);
}

static void add_tagged(struct cop_sha256 *sha, char tag, const void *bytes, size_t n)
{
    cop_sha256_add(sha, &tag, 1);
    add_u64(sha, n);
    cop_sha256_add(sha, bytes, n);
}

static void add_number(struct cop_sha256 *sha, char tag, uint64_t bits)
{
    cop_sha256_add(sha, &tag, 1);
    add_u64(sha, 8);
    add_u64(sha, bits);
}

static void add_value(struct cop_sha256 *sha, sqlite3_stmt *statement, int at)
{
    double real;
    uint64_t bits;
    const void *bytes;
    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
        add_number(sha, 'I', (uint64_t)sqlite3_column_int64(statement, at));
        break;
    case SQLITE_FLOAT:
        real = sqlite3_column_double(statement, at) + 0.0; /* one zero only */
        memcpy(&bits, &real, sizeof bits);
        add_number(sha, 'R', bits);
        break;
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(statement, at);
        add_tagged(sha, 'T', bytes, (size_t)sqlite3_column_bytes(statement, at));
        break;
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(statement, at);
        add_tagged(sha, 'B', bytes, (size_t)sqlite3_column_bytes(statement, at));
        break;
    default: add_tagged(sha, 'N', NULL, 0); break;
    }
}

enum cop_status cop_store__link(
    const struct cop_store__table *table,
    sqlite3_stmt *statement,
    int version,
    const uint8_t before[32],
    uint8_t link[32],
    struct cop_err *err)
{
    struct cop_sha256 sha;
    cop_sha256_init(&sha);
    add_tagged(&sha, 'L', before, 32);
    add_number(&sha, 'V', (uint64_t)version);
    add_tagged(&sha, 'T', table->name, strlen(table->name));
    for (int i = 0; i < table->n_columns; i++) {
        const struct cop_store__column *column = &table->columns[i];
        if (column->since > version) continue;
        add_tagged(&sha, 'C', column->name, strlen(column->name));
        add_value(&sha, statement, i);
    }
    cop_sha256_finish(&sha, link);
    return cop_store__check_memory(statement, err);
}

/* The last link and how many there are; zeros for an empty chain. */
static enum cop_status last_link(
    struct cop_store *store, uint8_t link[32], int64_t *length, struct cop_err *err)
{
    memset(link, 0, 32);
    *length = 0;
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        store->db,
        "SELECT seq, link FROM audit_log ORDER BY seq DESC LIMIT 1",
        &statement,
        err));
    enum cop_status status = COP_OK;
    int code = sqlite3_step(statement);
    const void *stored = code == SQLITE_ROW ? sqlite3_column_blob(statement, 1) : NULL;
    if (stored != NULL && sqlite3_column_bytes(statement, 1) == 32) {
        *length = sqlite3_column_int64(statement, 0);
        memcpy(link, stored, 32);
    } else if (code == SQLITE_ROW) {
        status =
            COP_FAIL(err, COP_ESTORE, "the last link of the audit chain is damaged");
    } else if (code != SQLITE_DONE) {
        status = cop_store__fail(store->db, "cannot read the audit chain", err);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

static enum cop_status append_link(
    struct cop_store *store,
    const struct cop_store__table *table,
    int64_t id,
    const uint8_t link[32],
    int64_t seq,
    struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        store->db,
        "INSERT INTO audit_log(seq, version, table_name, row_id, link)"
        " VALUES(?, ?, ?, ?, ?)",
        &statement,
        err));
    (void)sqlite3_bind_int64(statement, 1, seq);
    (void)sqlite3_bind_int(statement, 2, cop_store__n_migrations);
    (void)sqlite3_bind_text(statement, 3, table->name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 4, id);
    (void)sqlite3_bind_blob(statement, 5, link, 32, SQLITE_STATIC);
    enum cop_status status = COP_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        status = cop_store__fail(store->db, "cannot extend the audit chain", err);
    (void)sqlite3_finalize(statement);
    return status;
}

enum cop_status cop_store__audit(
    struct cop_store *store,
    const struct cop_store__table *table,
    int64_t id,
    struct cop_err *err)
{
    uint8_t before[32];
    uint8_t link[32];
    int64_t length;
    COP_TRY(last_link(store, before, &length, err));
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__select(store, table, "id = ?1", &statement, err));
    (void)sqlite3_bind_int64(statement, 1, id);
    enum cop_status status =
        sqlite3_step(statement) == SQLITE_ROW
            ? cop_store__link(
                  table, statement, cop_store__n_migrations, before, link, err)
            : cop_store__fail(store->db, "cannot read back", err);
    (void)sqlite3_finalize(statement);
    if (status != COP_OK) return status;
    return append_link(store, table, id, link, length + 1, err);
}

enum cop_status cop_store_audit_root(
    struct cop_store *store,
    char root[COP_HASH_HEX],
    int64_t *length,
    struct cop_err *err)
{
    uint8_t link[32];
    COP_TRY(last_link(store, link, length, err));
    cop_sha256_hex(link, root);
    return COP_OK;
}
