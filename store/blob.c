/* store/blob.c - bytes named by their SHA-256, stored once, in chunks.
 *
 * The row of a blob is part of the audit chain; its chunks are covered by its name. */
#include "store/store_impl.h"

#include "base/sha256.h"

#include <string.h>

enum { CHUNK_BYTES = 4 * 1024 * 1024 };

struct blob_row {
    int64_t id;
    const char *sha256;
    int64_t bytes;
};

static const struct cop_store__column columns[] = {
    COP_STORE__COLUMN(blob_row, ID, id),
    COP_STORE__COLUMN(blob_row, TEXT, sha256),
    COP_STORE__COLUMN(blob_row, INTEGER, bytes),
};

const struct cop_store__table cop_store__blobs =
    COP_STORE__TABLE("blob", blob_row, columns, NULL);

/* The id and size of a blob; id 0 when it is not there.  The size told by the blob must
 * be the size of its chunks, so that nothing larger is ever allocated. */
static enum cop_status find_blob(
    struct cop_store *store,
    const char *sha256,
    int64_t *id,
    size_t *n,
    struct cop_err *err)
{
    *id = 0;
    *n = 0;
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        store->db,
        "SELECT id, bytes,"
        " coalesce((SELECT sum(length(bytes)) FROM chunk WHERE blob_id = blob.id), 0)"
        " FROM blob WHERE sha256 = ?1",
        &statement,
        err));
    (void)sqlite3_bind_text(statement, 1, sha256, -1, SQLITE_STATIC);
    enum cop_status status = COP_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        int64_t bytes = sqlite3_column_int64(statement, 1);
        *id = sqlite3_column_int64(statement, 0);
        *n = (size_t)bytes;
        if (bytes < 0 || bytes != sqlite3_column_int64(statement, 2))
            status = COP_FAIL(
                err,
                COP_ESTORE,
                "blob %.12s is damaged: it should have %lld bytes and has %lld",
                sha256,
                (long long)bytes,
                (long long)sqlite3_column_int64(statement, 2));
    } else if (code != SQLITE_DONE) {
        status = cop_store__fail(store->db, "cannot read", err);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

static enum cop_status put_chunk(
    struct cop_store *store,
    int64_t id,
    int64_t number,
    const void *bytes,
    size_t n,
    struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        store->db,
        "INSERT INTO chunk(blob_id, number, bytes) VALUES(?, ?, ?)",
        &statement,
        err));
    (void)sqlite3_bind_int64(statement, 1, id);
    (void)sqlite3_bind_int64(statement, 2, number);
    (void)sqlite3_bind_blob64(statement, 3, bytes, n, SQLITE_STATIC);
    enum cop_status status = COP_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        status = cop_store__fail(store->db, "cannot write", err);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum cop_status put_new_blob(
    struct cop_store *store,
    const char *bytes,
    size_t n,
    const char *sha256,
    struct cop_err *err)
{
    int64_t id;
    size_t have;
    COP_TRY(find_blob(store, sha256, &id, &have, err));
    if (id != 0) return COP_OK;
    struct blob_row row = {.sha256 = sha256, .bytes = (int64_t)n};
    COP_TRY(cop_store__insert(store, &cop_store__blobs, &row, err));
    int64_t number = 0;
    for (size_t at = 0; at < n; at += CHUNK_BYTES, number++) {
        size_t part = n - at < CHUNK_BYTES ? n - at : CHUNK_BYTES;
        COP_TRY(put_chunk(store, row.id, number, bytes + at, part, err));
    }
    return COP_OK;
}

enum cop_status cop_store_put_blob(
    struct cop_store *store,
    const void *bytes,
    size_t n,
    char sha256[COP_HASH_HEX],
    struct cop_err *err)
{
    struct cop_sha256 sha;
    uint8_t digest[32];
    cop_sha256_init(&sha);
    cop_sha256_add(&sha, bytes, n);
    cop_sha256_finish(&sha, digest);
    cop_sha256_hex(digest, sha256);
    COP_TRY(cop_store__enter(store, err));
    return cop_store__leave(store, put_new_blob(store, bytes, n, sha256, err), err);
}

/* One chunk, in its place; false when it does not belong there. */
static bool take_chunk(
    sqlite3_stmt *statement,
    int64_t number,
    size_t room,
    struct cop_sha256 *sha,
    char *to,
    size_t *n)
{
    const void *from = sqlite3_column_blob(statement, 1);
    *n = (size_t)sqlite3_column_bytes(statement, 1);
    if (from == NULL || sqlite3_column_int64(statement, 0) != number) return false;
    if (*n > room || *n > CHUNK_BYTES) return false;
    cop_sha256_add(sha, from, *n);
    if (to != NULL) memcpy(to, from, *n);
    return true;
}

static enum cop_status read_statement(
    struct cop_store *store,
    sqlite3_stmt *statement,
    const char *sha256,
    size_t n,
    char *bytes,
    struct cop_err *err)
{
    struct cop_sha256 sha;
    cop_sha256_init(&sha);
    size_t at = 0;
    bool is_good = true;
    int code = SQLITE_DONE;
    for (int64_t number = 0; is_good; number++) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW) break;
        size_t part;
        char *to = bytes != NULL ? bytes + at : NULL;
        is_good = take_chunk(statement, number, n - at, &sha, to, &part);
        if (is_good) at += part;
    }
    if (is_good && code != SQLITE_DONE)
        return cop_store__fail(store->db, "cannot read", err);
    COP_TRY(cop_store__check_memory(statement, err));
    uint8_t digest[32];
    char name[COP_HASH_HEX];
    cop_sha256_finish(&sha, digest);
    cop_sha256_hex(digest, name);
    if (is_good && at == n && strcmp(name, sha256) == 0) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESTORE,
        "blob %.12s is damaged: its bytes do not match its name",
        sha256);
}

enum cop_status cop_store__read_chunks(
    struct cop_store *store,
    int64_t id,
    const char *sha256,
    size_t n,
    void *bytes,
    struct cop_err *err)
{
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__prepare(
        store->db,
        "SELECT number, bytes FROM chunk WHERE blob_id = ?1 ORDER BY number",
        &statement,
        err));
    (void)sqlite3_bind_int64(statement, 1, id);
    enum cop_status status = read_statement(store, statement, sha256, n, bytes, err);
    (void)sqlite3_finalize(statement);
    return status;
}

enum cop_status cop_store_get_blob(
    struct cop_store *store,
    const char *sha256,
    struct cop_buf **bytes,
    struct cop_err *err)
{
    *bytes = NULL;
    int64_t id;
    size_t n;
    COP_TRY(find_blob(store, sha256, &id, &n, err));
    if (id == 0)
        return COP_FAIL(
            err, COP_ENOTFOUND, "there is no blob %.12s in the project", sha256);
    struct cop_buf *buf;
    COP_TRY(cop_buf_create(n, &buf, err));
    enum cop_status status =
        cop_store__read_chunks(store, id, sha256, n, cop_buf_mutable(buf), err);
    if (status == COP_OK)
        *bytes = buf;
    else
        cop_buf_release(buf);
    return status;
}
