/* store/models.c - the rows of models and of data sets. */
#include "store/store_impl.h"

static const struct cop_store__column model_columns[] = {
    COP_STORE__COLUMN(cop_model_row, ID, id),
    COP_STORE__COLUMN(cop_model_row, TEXT, name),
    COP_STORE__COLUMN(cop_model_row, REF, parent_id),
    COP_STORE__COLUMN(cop_model_row, TEXT, graph_sha),
    COP_STORE__COLUMN(cop_model_row, TEXT, source),
    COP_STORE__COLUMN(cop_model_row, TEXT, origin_json),
    COP_STORE__COLUMN(cop_model_row, INTEGER, macs),
    COP_STORE__COLUMN(cop_model_row, INTEGER, params),
    COP_STORE__COLUMN(cop_model_row, INTEGER, bytes),
    COP_STORE__COLUMN(cop_model_row, TIME, created_us),
};

const struct cop_store__table cop_store__models =
    COP_STORE__TABLE("model", cop_model_row, model_columns, NULL);

static const struct cop_store__column dataset_columns[] = {
    COP_STORE__COLUMN(cop_dataset_row, ID, id),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, name),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, path),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, format),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, labels),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, record_shape),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, preprocess),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, classes_json),
    COP_STORE__COLUMN(cop_dataset_row, TEXT, sha256),
    COP_STORE__COLUMN(cop_dataset_row, INTEGER, n),
    COP_STORE__COLUMN(cop_dataset_row, TIME, created_us),
};

const struct cop_store__table cop_store__datasets =
    COP_STORE__TABLE("dataset", cop_dataset_row, dataset_columns, NULL);

static enum cop_status get_named(
    struct cop_store *store,
    const struct cop_store__table *table,
    const char *name,
    struct cop_arena *arena,
    void *row,
    struct cop_err *err)
{
    const struct cop_store__query query = {"name = ?1", {{.text = name}}};
    enum cop_status status = cop_store__first(store, table, &query, arena, row, err);
    if (status != COP_ENOTFOUND) return status;
    return COP_FAIL(
        err, COP_ENOTFOUND, "there is no %s '%s' in the project", table->name, name);
}

enum cop_status cop_store_put_model(
    struct cop_store *store, struct cop_model_row *row, struct cop_err *err)
{
    return cop_store__insert(store, &cop_store__models, row, err);
}

enum cop_status cop_store_get_model(
    struct cop_store *store,
    const char *name,
    struct cop_arena *arena,
    struct cop_model_row *row,
    struct cop_err *err)
{
    return get_named(store, &cop_store__models, name, arena, row, err);
}

enum cop_status cop_store_list_models(
    struct cop_store *store,
    struct cop_arena *arena,
    struct cop_model_row **rows,
    int32_t *n,
    struct cop_err *err)
{
    const struct cop_store__query all = {.where = "1 ORDER BY id"};
    void *found;
    COP_TRY(cop_store__list(store, &cop_store__models, &all, arena, &found, n, err));
    *rows = found;
    return COP_OK;
}

enum cop_status cop_store_put_dataset(
    struct cop_store *store, struct cop_dataset_row *row, struct cop_err *err)
{
    return cop_store__insert(store, &cop_store__datasets, row, err);
}

enum cop_status cop_store_get_dataset(
    struct cop_store *store,
    const char *name,
    struct cop_arena *arena,
    struct cop_dataset_row *row,
    struct cop_err *err)
{
    return get_named(store, &cop_store__datasets, name, arena, row, err);
}

enum cop_status cop_store_list_datasets(
    struct cop_store *store,
    struct cop_arena *arena,
    struct cop_dataset_row **rows,
    int32_t *n,
    struct cop_err *err)
{
    const struct cop_store__query all = {.where = "1 ORDER BY id"};
    void *found;
    COP_TRY(cop_store__list(store, &cop_store__datasets, &all, arena, &found, n, err));
    *rows = found;
    return COP_OK;
}
