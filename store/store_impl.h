/* store/store_impl.h - what the files of store/ share.
 *
 * A table is data: a name and a list of columns, each tied to a field of its row struct.
 * From that one list come the INSERT, the SELECT and the canonical bytes of the audit
 * chain, so that they cannot disagree.  Private to the folder and its tests. */
#ifndef COP_STORE_STORE_IMPL_H
#define COP_STORE_STORE_IMPL_H

#include "store/store.h"

#include <sqlite3.h>

struct cop_store {
    sqlite3 *db;
    int depth; /* of transactions; 1 is the outermost */
};

/* ---- tables as data --------------------------------------------------------------- */

enum cop_store__kind {
    COP_COLUMN_ID,      /* int64_t, given by the database */
    COP_COLUMN_INTEGER, /* int64_t */
    COP_COLUMN_REF,     /* int64_t; 0 is NULL */
    COP_COLUMN_TIME,    /* int64_t; 0 becomes now */
    COP_COLUMN_BOOL,    /* bool */
    COP_COLUMN_REAL,    /* double; NaN is NULL */
    COP_COLUMN_TEXT,    /* const char *; NULL becomes "" */
    COP_COLUMN_BYTES,   /* const void * with its size_t */
};

struct cop_store__column {
    const char *name;
    size_t offset;       /* of the field in the row struct */
    size_t bytes_offset; /* of the size_t of COP_COLUMN_BYTES */
    enum cop_store__kind kind;
    int since; /* schema version that brought the column; 0: the first */
};

struct cop_store__table {
    const char *name;
    const struct cop_store__column *columns; /* the first is the id */
    int n_columns;
    size_t row_size;
    /* NULL, or what is wrong with the row (NULL: nothing), asked on put and on read */
    const char *(*check)(const void *row);
};

#define COP_STORE__COLUMN(row, kind, field)                                            \
    {                                                                                  \
#field, offsetof(struct row, field), 0, COP_COLUMN_##kind, 0                   \
    }
#define COP_STORE__BYTES(row, field)                                                   \
    {                                                                                  \
#field, offsetof(struct row, field), offsetof(struct row, field##_bytes),      \
            COP_COLUMN_BYTES, 0                                                        \
    }
#define COP_STORE__TABLE(sql_name, row, column_list, checker)                          \
    {                                                                                  \
        .name = (sql_name), .columns = (column_list),                                  \
        .n_columns = (int)(sizeof(column_list) / sizeof *(column_list)),               \
        .row_size = sizeof(struct row), .check = (checker)                             \
    }

extern const struct cop_store__table cop_store__blobs;
extern const struct cop_store__table cop_store__models;
extern const struct cop_store__table cop_store__datasets;
extern const struct cop_store__table cop_store__evaluations;
extern const struct cop_store__table cop_store__measurements;
extern const struct cop_store__table cop_store__cuts;
extern const struct cop_store__table cop_store__attributions;
extern const struct cop_store__table cop_store__runs;
extern const struct cop_store__table cop_store__run_states;
extern const struct cop_store__table cop_store__candidates;

/** Every table of the audit chain, ended by NULL. */
extern const struct cop_store__table *const cop_store__audited[];

/* ---- rows.c ------------------------------------------------------------------------ */

/** Asked for as ?1 and ?2: a text, or a number when text is NULL. */
struct cop_store__key {
    const char *text;
    int64_t number;
};
struct cop_store__query {
    const char *where; /* what follows WHERE, with ORDER BY and LIMIT */
    struct cop_store__key keys[2];
};

/** Puts @p row, sets its id (and time), appends its audit link: all or nothing.
 *  COP_EINVAL when the row is refused: a name taken, a reference to nothing. */
COP_NODISCARD enum cop_status cop_store__insert(
    struct cop_store *store,
    const struct cop_store__table *table,
    void *row,
    struct cop_err *err);

/** The rows that @p query selects. */
COP_NODISCARD enum cop_status cop_store__list(
    struct cop_store *store,
    const struct cop_store__table *table,
    const struct cop_store__query *query,
    struct cop_arena *arena,
    void **rows,
    int32_t *n,
    struct cop_err *err);

/** The first of them; COP_ENOTFOUND without one. */
COP_NODISCARD enum cop_status cop_store__first(
    struct cop_store *store,
    const struct cop_store__table *table,
    const struct cop_store__query *query,
    struct cop_arena *arena,
    void *row,
    struct cop_err *err);

/** "SELECT every column FROM the table WHERE ...", prepared. */
COP_NODISCARD enum cop_status cop_store__select(
    struct cop_store *store,
    const struct cop_store__table *table,
    const char *where,
    sqlite3_stmt **statement,
    struct cop_err *err);

/* ---- audit.c ------------------------------------------------------------------------ */

/** Links the row just put; within the caller's transaction. */
COP_NODISCARD enum cop_status cop_store__audit(
    struct cop_store *store,
    const struct cop_store__table *table,
    int64_t id,
    struct cop_err *err);

/** SHA-256 over the link before, the table's name and the canonical bytes of the row
 *  that @p statement stands on, with the columns of schema @p version. */
COP_NODISCARD enum cop_status cop_store__link(
    const struct cop_store__table *table,
    sqlite3_stmt *statement,
    int version,
    const uint8_t before[32],
    uint8_t link[32],
    struct cop_err *err);

/* ---- blob.c ------------------------------------------------------------------------- */

/** Reads all chunks of blob @p id into @p bytes, unless that is NULL, and hashes them.
 *  COP_ESTORE unless they are @p n bytes in order and have that name. */
COP_NODISCARD enum cop_status cop_store__read_chunks(
    struct cop_store *store,
    int64_t id,
    const char *sha256,
    size_t n,
    void *bytes,
    struct cop_err *err);

/* ---- schema.c ----------------------------------------------------------------------- */

enum { COP_STORE__APPLICATION = 0x434f5050 }; /* "COPP" */

/** One step of the schema: statements ended by NULL, run as one transaction. */
struct cop_store__migration {
    const char *const *statements;
};
extern const struct cop_store__migration cop_store__migrations[];
extern const int cop_store__n_migrations;

/** Brings @p db from its user_version to @p n, recording each step's checksum.
 *  COP_ESTORE if the steps already taken are not these. */
COP_NODISCARD enum cop_status cop_store__migrate(
    sqlite3 *db,
    const struct cop_store__migration *migrations,
    int n,
    struct cop_err *err);

/** COP_ESTORE unless tables, indexes and triggers are as the migrations make them. */
COP_NODISCARD enum cop_status cop_store__check_schema(
    struct cop_store *store, struct cop_err *err);

/* ---- store.c ------------------------------------------------------------------------ */

/** Before a migration: keeps the file as it is in "path.schemaN.bak".  A copy that is
 *  there already stays: it is older. */
COP_NODISCARD enum cop_status cop_store__back_up(
    sqlite3 *db, const char *path, int64_t version, struct cop_err *err);

/** Fills @p err from the last failure of @p db while @p doing; COP_ESTORE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_store__fail(
    sqlite3 *db, const char *doing, struct cop_err *err);

COP_NODISCARD enum cop_status cop_store__exec(
    sqlite3 *db, const char *sql, const char *doing, struct cop_err *err);

COP_NODISCARD enum cop_status cop_store__prepare(
    sqlite3 *db, const char *sql, sqlite3_stmt **statement, struct cop_err *err);

/** After reading texts and blobs of a row: SQLite gives NULL for what it has no memory
 *  for, which must not pass for an empty value.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_store__check_memory(
    sqlite3_stmt *statement, struct cop_err *err);

/** First column of the first row of a query, e.g. a pragma. */
COP_NODISCARD enum cop_status cop_store__query_int(
    sqlite3 *db, const char *sql, int64_t *result, struct cop_err *err);

/** A transaction of its own, or a part of the caller's that can be undone alone. */
COP_NODISCARD enum cop_status cop_store__enter(
    struct cop_store *store, struct cop_err *err);
/** Keeps the work if @p status is COP_OK, undoes it otherwise; returns the outcome. */
COP_NODISCARD enum cop_status cop_store__leave(
    struct cop_store *store, enum cop_status status, struct cop_err *err);

#endif
