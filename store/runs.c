/* store/runs.c - the rows of searches: runs, what became of them, their candidates.
 *
 * A run itself never changes.  What is found out about it later (feasibility, status) is
 * appended as a new state; the newest one counts. */
#include "store/store_impl.h"

static const struct cop_store__column run_columns[] = {
    COP_STORE__COLUMN(cop_run_row, ID, id),
    COP_STORE__COLUMN(cop_run_row, INTEGER, model_id),
    COP_STORE__COLUMN(cop_run_row, TEXT, config_json),
    COP_STORE__COLUMN(cop_run_row, TIME, created_us),
};

const struct cop_store__table cop_store__runs =
    COP_STORE__TABLE("run", cop_run_row, run_columns, NULL);

struct run_state_row {
    int64_t id;
    int64_t run_id;
    const char *feasibility_json;
    const char *status;
    int64_t created_us;
};

static const struct cop_store__column run_state_columns[] = {
    COP_STORE__COLUMN(run_state_row, ID, id),
    COP_STORE__COLUMN(run_state_row, INTEGER, run_id),
    COP_STORE__COLUMN(run_state_row, TEXT, feasibility_json),
    COP_STORE__COLUMN(run_state_row, TEXT, status),
    COP_STORE__COLUMN(run_state_row, TIME, created_us),
};

const struct cop_store__table cop_store__run_states =
    COP_STORE__TABLE("run_state", run_state_row, run_state_columns, NULL);

static const struct cop_store__column candidate_columns[] = {
    COP_STORE__COLUMN(cop_candidate_row, ID, id),
    COP_STORE__COLUMN(cop_candidate_row, INTEGER, run_id),
    COP_STORE__COLUMN(cop_candidate_row, INTEGER, seq),
    COP_STORE__COLUMN(cop_candidate_row, TEXT, decision_json),
    COP_STORE__COLUMN(cop_candidate_row, REF, model_id),
    COP_STORE__COLUMN(cop_candidate_row, INTEGER, macs),
    COP_STORE__COLUMN(cop_candidate_row, INTEGER, params),
    COP_STORE__COLUMN(cop_candidate_row, INTEGER, bytes),
    COP_STORE__COLUMN(cop_candidate_row, REAL, median_ms),
    COP_STORE__COLUMN(cop_candidate_row, REAL, base_ms),
    COP_STORE__COLUMN(cop_candidate_row, REAL, top1),
    COP_STORE__COLUMN(cop_candidate_row, REAL, base_top1),
    COP_STORE__COLUMN(cop_candidate_row, BOOL, is_accepted),
    COP_STORE__COLUMN(cop_candidate_row, TEXT, reason),
    COP_STORE__COLUMN(cop_candidate_row, TIME, created_us),
};

const struct cop_store__table cop_store__candidates =
    COP_STORE__TABLE("candidate", cop_candidate_row, candidate_columns, NULL);

/* ---- runs --------------------------------------------------------------------------- */

static enum cop_status add_state(
    struct cop_store *store, const struct cop_run_row *run, struct cop_err *err)
{
    struct run_state_row state = {
        .run_id = run->id,
        .feasibility_json = run->feasibility_json,
        .status = run->status,
    };
    return cop_store__insert(store, &cop_store__run_states, &state, err);
}

/* A run with its newest state; every run has one, put with it. */
static enum cop_status get_run(
    struct cop_store *store,
    const struct cop_store__query *query,
    struct cop_arena *arena,
    struct cop_run_row *run,
    struct cop_err *err)
{
    COP_TRY(cop_store__first(store, &cop_store__runs, query, arena, run, err));
    const struct cop_store__query newest = {
        "run_id = ?1 ORDER BY id DESC LIMIT 1", {{.number = run->id}}};
    struct run_state_row state;
    enum cop_status status =
        cop_store__first(store, &cop_store__run_states, &newest, arena, &state, err);
    if (status == COP_ENOTFOUND)
        return COP_FAIL(
            err, COP_ESTORE, "run %lld is damaged: no state", (long long)run->id);
    COP_TRY(status);
    run->feasibility_json = state.feasibility_json;
    run->status = state.status;
    return COP_OK;
}

static enum cop_status find_or_add_run(
    struct cop_store *store,
    int64_t model_id,
    const char *config_json,
    struct cop_arena *arena,
    struct cop_run_row *run,
    struct cop_err *err)
{
    const struct cop_store__query same = {
        "model_id = ?1 AND config_json = ?2",
        {{.number = model_id}, {.text = config_json}}};
    enum cop_status status = get_run(store, &same, arena, run, err);
    if (status != COP_ENOTFOUND) return status;
    *run = (struct cop_run_row){
        .model_id = model_id, .config_json = config_json, .status = "running"};
    COP_TRY(cop_store__insert(store, &cop_store__runs, run, err));
    COP_TRY(add_state(store, run, err));
    return get_run(store, &same, arena, run, err);
}

enum cop_status cop_store_open_run(
    struct cop_store *store,
    int64_t model_id,
    const char *config_json,
    struct cop_arena *arena,
    struct cop_run_row *row,
    struct cop_err *err)
{
    COP_TRY(cop_store__enter(store, err));
    return cop_store__leave(
        store, find_or_add_run(store, model_id, config_json, arena, row, err), err);
}

enum cop_status cop_store_set_run(
    struct cop_store *store, const struct cop_run_row *row, struct cop_err *err)
{
    return add_state(store, row, err);
}

enum cop_status cop_store_last_run(
    struct cop_store *store,
    int64_t model_id,
    struct cop_arena *arena,
    struct cop_run_row *row,
    struct cop_err *err)
{
    const struct cop_store__query newest = {
        "model_id = ?1 ORDER BY id DESC LIMIT 1", {{.number = model_id}}};
    return get_run(store, &newest, arena, row, err);
}

/* ---- candidates --------------------------------------------------------------------- */

enum cop_status cop_store_put_candidate(
    struct cop_store *store, struct cop_candidate_row *row, struct cop_err *err)
{
    return cop_store__insert(store, &cop_store__candidates, row, err);
}

enum cop_status cop_store_list_candidates(
    struct cop_store *store,
    int64_t run_id,
    struct cop_arena *arena,
    struct cop_candidate_row **rows,
    int32_t *n,
    struct cop_err *err)
{
    const struct cop_store__query query = {
        "run_id = ?1 ORDER BY seq", {{.number = run_id}}};
    void *found;
    COP_TRY(
        cop_store__list(store, &cop_store__candidates, &query, arena, &found, n, err));
    *rows = found;
    return COP_OK;
}
