/* store/evidence.c - the rows of what was measured, answered, cut and explained. */
#include "store/store_impl.h"

#include "base/mem.h"

enum { ANSWER_BYTES = 16, CHANNEL_BYTES = 9, VALUE_BYTES = 4 };

/* ---- what the bytes of a row must hold ---------------------------------------------- */

/* n records, or none at all where they are not kept. */
static bool is_records(int64_t n, size_t record_bytes, size_t have)
{
    size_t want;
    if (n < 0 || cop_mul_overflow((size_t)n, record_bytes, &want)) return false;
    return have == want;
}

static const char *check_evaluation(const void *any)
{
    const struct cop_evaluation_row *row = any;
    if (row->answers_bytes == 0 || is_records(row->n, ANSWER_BYTES, row->answers_bytes))
        return NULL;
    return "its answers are not n records of 16 bytes";
}

static const char *check_cut(const void *any)
{
    const struct cop_cut_row *row = any;
    if (row->channels_bytes == 0 ||
        is_records(row->width_before, CHANNEL_BYTES, row->channels_bytes))
        return NULL;
    return "its channels are not width_before records of 9 bytes";
}

static const char *check_attribution(const void *any)
{
    const struct cop_attribution_row *row = any;
    size_t n = 0;
    bool is_map = row->rows >= 0 && row->cols >= 0 &&
                  !cop_mul_overflow((size_t)row->rows, (size_t)row->cols, &n) &&
                  n <= INT64_MAX &&
                  is_records((int64_t)n, VALUE_BYTES, row->values_bytes);
    return is_map ? NULL : "its values are not rows * cols of 4 bytes";
}

/* ---- columns ------------------------------------------------------------------------ */

static const struct cop_store__column evaluation_columns[] = {
    COP_STORE__COLUMN(cop_evaluation_row, ID, id),
    COP_STORE__COLUMN(cop_evaluation_row, INTEGER, model_id),
    COP_STORE__COLUMN(cop_evaluation_row, INTEGER, dataset_id),
    COP_STORE__COLUMN(cop_evaluation_row, INTEGER, n),
    COP_STORE__COLUMN(cop_evaluation_row, REAL, top1),
    COP_STORE__COLUMN(cop_evaluation_row, REAL, top5),
    COP_STORE__COLUMN(cop_evaluation_row, TEXT, per_class_json),
    COP_STORE__COLUMN(cop_evaluation_row, TEXT, machine_json),
    COP_STORE__BYTES(cop_evaluation_row, answers),
    COP_STORE__COLUMN(cop_evaluation_row, TIME, created_us),
};

const struct cop_store__table cop_store__evaluations = COP_STORE__TABLE(
    "evaluation", cop_evaluation_row, evaluation_columns, check_evaluation);

static const struct cop_store__column measurement_columns[] = {
    COP_STORE__COLUMN(cop_measurement_row, ID, id),
    COP_STORE__COLUMN(cop_measurement_row, INTEGER, model_id),
    COP_STORE__COLUMN(cop_measurement_row, INTEGER, mb),
    COP_STORE__COLUMN(cop_measurement_row, INTEGER, threads),
    COP_STORE__COLUMN(cop_measurement_row, INTEGER, runs),
    COP_STORE__COLUMN(cop_measurement_row, REAL, median_ms),
    COP_STORE__COLUMN(cop_measurement_row, REAL, p95_ms),
    COP_STORE__COLUMN(cop_measurement_row, REAL, min_ms),
    COP_STORE__COLUMN(cop_measurement_row, INTEGER, peak_bytes),
    COP_STORE__COLUMN(cop_measurement_row, TEXT, machine_json),
    COP_STORE__COLUMN(cop_measurement_row, TIME, created_us),
};

const struct cop_store__table cop_store__measurements =
    COP_STORE__TABLE("measurement", cop_measurement_row, measurement_columns, NULL);

static const struct cop_store__column cut_columns[] = {
    COP_STORE__COLUMN(cop_cut_row, ID, id),
    COP_STORE__COLUMN(cop_cut_row, INTEGER, model_id),
    COP_STORE__COLUMN(cop_cut_row, TEXT, layer),
    COP_STORE__COLUMN(cop_cut_row, TEXT, members_json),
    COP_STORE__COLUMN(cop_cut_row, INTEGER, width_before),
    COP_STORE__COLUMN(cop_cut_row, INTEGER, width_after),
    COP_STORE__BYTES(cop_cut_row, channels),
    COP_STORE__COLUMN(cop_cut_row, TEXT, reason),
    {.name = "effect_json",
     .kind = COP_COLUMN_TEXT,
     .offset = offsetof(struct cop_cut_row, effect_json),
     .since = 2},
};

const struct cop_store__table cop_store__cuts =
    COP_STORE__TABLE("cut", cop_cut_row, cut_columns, check_cut);

static const struct cop_store__column attribution_columns[] = {
    COP_STORE__COLUMN(cop_attribution_row, ID, id),
    COP_STORE__COLUMN(cop_attribution_row, INTEGER, model_id),
    COP_STORE__COLUMN(cop_attribution_row, REF, dataset_id),
    COP_STORE__COLUMN(cop_attribution_row, INTEGER, sample),
    COP_STORE__COLUMN(cop_attribution_row, TEXT, method),
    COP_STORE__COLUMN(cop_attribution_row, TEXT, layer),
    COP_STORE__COLUMN(cop_attribution_row, INTEGER, target),
    COP_STORE__COLUMN(cop_attribution_row, INTEGER, rows),
    COP_STORE__COLUMN(cop_attribution_row, INTEGER, cols),
    COP_STORE__COLUMN(cop_attribution_row, REAL, f_x),
    COP_STORE__COLUMN(cop_attribution_row, TEXT, config_json),
    COP_STORE__BYTES(cop_attribution_row, values),
};

const struct cop_store__table cop_store__attributions = COP_STORE__TABLE(
    "attribution", cop_attribution_row, attribution_columns, check_attribution);

/* ---- evaluations and measurements --------------------------------------------------- */

enum cop_status cop_store_put_evaluation(
    struct cop_store *store, struct cop_evaluation_row *row, struct cop_err *err)
{
    return cop_store__insert(store, &cop_store__evaluations, row, err);
}

enum cop_status cop_store_last_evaluation(
    struct cop_store *store,
    int64_t model_id,
    int64_t dataset_id,
    struct cop_arena *arena,
    struct cop_evaluation_row *row,
    struct cop_err *err)
{
    const struct cop_store__query query = {
        "model_id = ?1 AND (?2 = 0 OR dataset_id = ?2) ORDER BY id DESC LIMIT 1",
        {{.number = model_id}, {.number = dataset_id}}};
    return cop_store__first(store, &cop_store__evaluations, &query, arena, row, err);
}

enum cop_status cop_store_put_measurement(
    struct cop_store *store, struct cop_measurement_row *row, struct cop_err *err)
{
    return cop_store__insert(store, &cop_store__measurements, row, err);
}

enum cop_status cop_store_last_measurement(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_measurement_row *row,
    struct cop_err *err)
{
    const struct cop_store__query query = {
        "model_id = ?1 ORDER BY id DESC LIMIT 1", {{.number = model_id}}};
    return cop_store__first(store, &cop_store__measurements, &query, arena, row, err);
}

/* ---- cuts and explanations ---------------------------------------------------------- */

enum cop_status cop_store_put_cut(
    struct cop_store *store, struct cop_cut_row *row, struct cop_err *err)
{
    return cop_store__insert(store, &cop_store__cuts, row, err);
}

enum cop_status cop_store_list_cuts(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_cut_row **rows,
    int32_t *n,
    struct cop_err *err)
{
    const struct cop_store__query query = {
        "model_id = ?1 AND width_after < width_before ORDER BY id",
        {{.number = model_id}}};
    void *found;
    COP_TRY(cop_store__list(store, &cop_store__cuts, &query, arena, &found, n, err));
    *rows = found;
    return COP_OK;
}

enum cop_status cop_store_list_groups(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_cut_row **rows,
    int32_t *n,
    struct cop_err *err)
{
    const struct cop_store__query query = {
        "model_id = ?1 ORDER BY id", {{.number = model_id}}};
    void *found;
    COP_TRY(cop_store__list(store, &cop_store__cuts, &query, arena, &found, n, err));
    *rows = found;
    return COP_OK;
}

enum cop_status cop_store_put_attribution(
    struct cop_store *store, struct cop_attribution_row *row, struct cop_err *err)
{
    return cop_store__insert(store, &cop_store__attributions, row, err);
}

enum cop_status cop_store_list_attributions(
    struct cop_store *store,
    int64_t model_id,
    const char *method,
    struct cop_arena *arena,
    struct cop_attribution_row **rows,
    int32_t *n,
    struct cop_err *err)
{
    const struct cop_store__query query = {
        "model_id = ?1 AND method = ?2 ORDER BY sample, layer, id DESC",
        {{.number = model_id}, {.text = method}}};
    void *found;
    COP_TRY(cop_store__list(
        store, &cop_store__attributions, &query, arena, &found, n, err));
    *rows = found;
    return COP_OK;
}
