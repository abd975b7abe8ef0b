/* store/rows.c - row structs to and from tables, by the list of their columns. */
#include "store/store_impl.h"

#include "base/clock.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SQL = 8192 };

/* Fields are reached by offset; memcpy needs neither casts nor alignment. */
static void load(const void *row, size_t offset, void *value, size_t bytes)
{
    memcpy(value, (const char *)row + offset, bytes);
}

static void save(void *row, size_t offset, const void *value, size_t bytes)
{
    memcpy((char *)row + offset, value, bytes);
}

static void save_id(void *row, const struct cop_store__table *table, int64_t id)
{
    save(row, table->columns[0].offset, &id, sizeof id);
}

static void add_names(struct cop_text *sql, const struct cop_store__table *table)
{
    for (int i = 0; i < table->n_columns; i++)
        cop_text_printf(sql, "%s\"%s\"", i > 0 ? "," : "", table->columns[i].name);
}

static enum cop_status prepare_text(
    struct cop_store *store,
    struct cop_text *sql,
    sqlite3_stmt **statement,
    struct cop_err *err)
{
    enum cop_status status = cop_text_status(sql, err);
    if (status == COP_OK)
        status = cop_store__prepare(store->db, sql->bytes, statement, err);
    cop_text_clear(sql);
    return status;
}

/* ---- writing ------------------------------------------------------------------------ */

static int bind_column(
    sqlite3_stmt *statement, int at, const struct cop_store__column *column, void *row)
{
    int64_t number = 0;
    double real;
    bool is_set;
    const char *text;
    const void *bytes;
    size_t n;
    switch (column->kind) {
    case COP_COLUMN_ID: return sqlite3_bind_null(statement, at);
    case COP_COLUMN_INTEGER:
        load(row, column->offset, &number, sizeof number);
        return sqlite3_bind_int64(statement, at, number);
    case COP_COLUMN_REF:
        load(row, column->offset, &number, sizeof number);
        return number != 0 ? sqlite3_bind_int64(statement, at, number)
                           : sqlite3_bind_null(statement, at);
    case COP_COLUMN_TIME:
        load(row, column->offset, &number, sizeof number);
        if (number == 0) number = cop_clock_wall_us();
        save(row, column->offset, &number, sizeof number);
        return sqlite3_bind_int64(statement, at, number);
    case COP_COLUMN_BOOL:
        load(row, column->offset, &is_set, sizeof is_set);
        return sqlite3_bind_int(statement, at, is_set ? 1 : 0);
    case COP_COLUMN_REAL:
        load(row, column->offset, &real, sizeof real);
        return sqlite3_bind_double(statement, at, real);
    case COP_COLUMN_TEXT:
        load(row, column->offset, &text, sizeof text);
        return sqlite3_bind_text(
            statement, at, text != NULL ? text : "", -1, SQLITE_STATIC);
    case COP_COLUMN_BYTES:
        load(row, column->offset, &bytes, sizeof bytes);
        load(row, column->bytes_offset, &n, sizeof n);
        if (bytes == NULL || n == 0) return sqlite3_bind_zeroblob(statement, at, 0);
        return sqlite3_bind_blob64(statement, at, bytes, n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

/* Constraints are the caller's doing: a name taken, a reference to nothing. */
static enum cop_status refuse_row(
    struct cop_store *store,
    const struct cop_store__table *table,
    const void *row,
    struct cop_err *err)
{
    int code = sqlite3_extended_errcode(store->db);
    if ((code & 0xff) != SQLITE_CONSTRAINT)
        return cop_store__fail(store->db, "cannot write", err);
    const struct cop_store__column *second = &table->columns[1];
    if (code == SQLITE_CONSTRAINT_UNIQUE && strcmp(second->name, "name") == 0) {
        const char *name;
        load(row, second->offset, &name, sizeof name);
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s '%s' is already in the project",
            table->name,
            name != NULL ? name : "");
    }
    return COP_FAIL(
        err, COP_EINVAL, "%s refused: %s", table->name, sqlite3_errmsg(store->db));
}

static enum cop_status insert_row(
    struct cop_store *store,
    const struct cop_store__table *table,
    void *row,
    struct cop_err *err)
{
    struct cop_text sql;
    cop_text_init(&sql, MAX_SQL);
    cop_text_printf(&sql, "INSERT INTO \"%s\"(", table->name);
    add_names(&sql, table);
    cop_text_puts(&sql, ") VALUES(?");
    for (int i = 1; i < table->n_columns; i++)
        cop_text_puts(&sql, ",?");
    cop_text_puts(&sql, ")");
    sqlite3_stmt *statement = NULL;
    COP_TRY(prepare_text(store, &sql, &statement, err));
    int code = SQLITE_OK;
    for (int i = 0; i < table->n_columns && code == SQLITE_OK; i++)
        code = bind_column(statement, i + 1, &table->columns[i], row);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    enum cop_status status = COP_OK;
    if (code == SQLITE_DONE)
        save_id(row, table, sqlite3_last_insert_rowid(store->db));
    else
        status = refuse_row(store, table, row, err);
    (void)sqlite3_finalize(statement);
    return status;
}

enum cop_status cop_store__insert(
    struct cop_store *store,
    const struct cop_store__table *table,
    void *row,
    struct cop_err *err)
{
    const char *wrong = table->check != NULL ? table->check(row) : NULL;
    if (wrong != NULL)
        return COP_FAIL(err, COP_EINVAL, "%s refused: %s", table->name, wrong);
    COP_TRY(cop_store__enter(store, err));
    enum cop_status status = insert_row(store, table, row, err);
    if (status == COP_OK) {
        int64_t id;
        load(row, table->columns[0].offset, &id, sizeof id);
        status = cop_store__audit(store, table, id, err);
    }
    status = cop_store__leave(store, status, err);
    if (status != COP_OK) save_id(row, table, 0);
    return status;
}

/* ---- reading ------------------------------------------------------------------------ */

enum cop_status cop_store__select(
    struct cop_store *store,
    const struct cop_store__table *table,
    const char *where,
    sqlite3_stmt **statement,
    struct cop_err *err)
{
    struct cop_text sql;
    cop_text_init(&sql, MAX_SQL);
    cop_text_puts(&sql, "SELECT ");
    add_names(&sql, table);
    cop_text_printf(&sql, " FROM \"%s\" WHERE %s", table->name, where);
    return prepare_text(store, &sql, statement, err);
}

/* A copy in the arena, terminated; NULL when memory gave out. */
static const char *copy_bytes(
    sqlite3_stmt *statement, int at, struct cop_arena *arena, size_t *n)
{
    const void *bytes = sqlite3_column_blob(statement, at); /* NULL for no bytes */
    *n = bytes != NULL ? (size_t)sqlite3_column_bytes(statement, at) : 0;
    return cop_arena_strndup(arena, bytes, *n);
}

static enum cop_status read_column(
    sqlite3_stmt *statement,
    int at,
    const struct cop_store__column *column,
    struct cop_arena *arena,
    void *row,
    struct cop_err *err)
{
    int64_t number = sqlite3_column_int64(statement, at);
    double real = sqlite3_column_type(statement, at) == SQLITE_NULL
                      ? (double)NAN
                      : sqlite3_column_double(statement, at);
    bool is_set = number != 0;
    const char *copy = NULL;
    size_t n = 0;
    switch (column->kind) {
    case COP_COLUMN_ID:
    case COP_COLUMN_INTEGER:
    case COP_COLUMN_REF:
    case COP_COLUMN_TIME: save(row, column->offset, &number, sizeof number); break;
    case COP_COLUMN_BOOL: save(row, column->offset, &is_set, sizeof is_set); break;
    case COP_COLUMN_REAL: save(row, column->offset, &real, sizeof real); break;
    case COP_COLUMN_TEXT:
    case COP_COLUMN_BYTES:
        copy = copy_bytes(statement, at, arena, &n);
        if (copy == NULL) return COP_FAIL_NOMEM(err);
        save(row, column->offset, &copy, sizeof copy);
        if (column->kind == COP_COLUMN_BYTES)
            save(row, column->bytes_offset, &n, sizeof n);
        break;
    }
    return cop_store__check_memory(statement, err);
}

static enum cop_status read_row(
    sqlite3_stmt *statement,
    const struct cop_store__table *table,
    struct cop_arena *arena,
    void *row,
    struct cop_err *err)
{
    for (int i = 0; i < table->n_columns; i++)
        COP_TRY(read_column(statement, i, &table->columns[i], arena, row, err));
    const char *wrong = table->check != NULL ? table->check(row) : NULL;
    if (wrong == NULL) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESTORE,
        "%s %lld is damaged: %s",
        table->name,
        (long long)sqlite3_column_int64(statement, 0),
        wrong);
}

struct found {
    void *rows;
    int32_t n;
    int32_t cap;
};

/* Room for one more row, zeroed; the array doubles within the arena. */
static void *next_row(struct found *found, size_t row_size, struct cop_arena *arena)
{
    if (found->n == found->cap) {
        int32_t cap = found->cap > 0 ? 2 * found->cap : 16;
        void *grown = cop_arena_array(arena, (size_t)cap, row_size);
        if (grown == NULL) return NULL;
        if (found->n > 0) memcpy(grown, found->rows, (size_t)found->n * row_size);
        found->rows = grown;
        found->cap = cap;
    }
    return (char *)found->rows + (size_t)found->n++ * row_size;
}

static enum cop_status read_rows(
    struct cop_store *store,
    sqlite3_stmt *statement,
    const struct cop_store__table *table,
    struct cop_arena *arena,
    struct found *found,
    struct cop_err *err)
{
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (found->n > INT32_MAX / 2)
            return COP_FAIL(err, COP_ESTORE, "too many rows in %s", table->name);
        void *row = next_row(found, table->row_size, arena);
        if (row == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(read_row(statement, table, arena, row, err));
    }
    if (code == SQLITE_DONE) return COP_OK;
    return cop_store__fail(store->db, "cannot read", err);
}

static enum cop_status bind_keys(
    struct cop_store *store,
    sqlite3_stmt *statement,
    const struct cop_store__key keys[2],
    struct cop_err *err)
{
    for (int i = 0; i < 2 && i < sqlite3_bind_parameter_count(statement); i++) {
        int code =
            keys[i].text != NULL
                ? sqlite3_bind_text(statement, i + 1, keys[i].text, -1, SQLITE_STATIC)
                : sqlite3_bind_int64(statement, i + 1, keys[i].number);
        if (code != SQLITE_OK) return cop_store__fail(store->db, "cannot read", err);
    }
    return COP_OK;
}

enum cop_status cop_store__list(
    struct cop_store *store,
    const struct cop_store__table *table,
    const struct cop_store__query *query,
    struct cop_arena *arena,
    void **rows,
    int32_t *n,
    struct cop_err *err)
{
    *rows = NULL;
    *n = 0;
    struct found found = {0};
    sqlite3_stmt *statement = NULL;
    COP_TRY(cop_store__select(store, table, query->where, &statement, err));
    enum cop_status status = bind_keys(store, statement, query->keys, err);
    if (status == COP_OK)
        status = read_rows(store, statement, table, arena, &found, err);
    (void)sqlite3_finalize(statement);
    if (status != COP_OK) return status;
    *rows = found.rows;
    *n = found.n;
    return COP_OK;
}

enum cop_status cop_store__first(
    struct cop_store *store,
    const struct cop_store__table *table,
    const struct cop_store__query *query,
    struct cop_arena *arena,
    void *row,
    struct cop_err *err)
{
    void *rows;
    int32_t n;
    COP_TRY(cop_store__list(store, table, query, arena, &rows, &n, err));
    if (n == 0)
        return COP_FAIL(err, COP_ENOTFOUND, "no such %s in the project", table->name);
    memcpy(row, rows, table->row_size);
    return COP_OK;
}
