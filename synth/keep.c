/* synth/keep.c - candidates, variants and their cuts into the store; see keep.h. */
#include "synth/keep.h"

#include "base/text.h"
#include "synth/cuts.h"
#include "synth/evidence.h"
#include "synth/project.h"

#include <stdio.h>
#include <string.h>

enum { MAX_JSON_BYTES = 1 << 20 };

/* ---- variants ---------------------------------------------------------------------------- */

static enum cop_status fresh_variant_name(
    struct cop_search_state *state, const char **name, struct cop_err *err)
{
    struct cop_model_row *rows = NULL;
    int32_t n = 0;
    COP_TRY(cop_store_list_models(state->store, state->arena, &rows, &n, err));
    for (int number = 1;; number++) {
        *name = cop_arena_printf(state->arena, "V%d", number);
        if (*name == NULL) return COP_FAIL_NOMEM(err);
        bool is_taken = false;
        for (int32_t i = 0; i < n; i++)
            is_taken = is_taken || strcmp(rows[i].name, *name) == 0;
        if (!is_taken) return COP_OK;
    }
}

static enum cop_status store_variant(
    struct cop_search_state *state,
    const struct cop_kept_variant *kept,
    struct cop_candidate_row *row,
    struct cop_err *err)
{
    struct cop_model_row model = {
        .parent_id = state->model.id,
        .source = cop_arena_printf(
            state->arena,
            "candidate %lld of search %lld",
            (long long)row->seq,
            (long long)state->run.id),
        .origin_json = row->decision_json,
    };
    COP_TRY(fresh_variant_name(state, &model.name, err));
    if (model.source == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(
        cop_project_save_model(state->store, kept->graph, &model, state->arena, err));
    row->model_id = model.id;
    const struct cop_cuts cuts = {
        .store = state->store,
        .groups = state->groups,
        .tables = state->tables,
        .choice = kept->decision->choice,
        .method = cop_score_method_name(COP_SCORE_RECONSTRUCTION),
        .model_id = model.id,
    };
    COP_TRY(cop_cuts_store(&cuts, err));
    const struct cop_evidence evidence = {
        .store = state->store,
        .engine = state->engine,
        .threads = state->options->threads,
        .model_id = model.id,
    };
    COP_TRY(cop_evidence_put_measurement(&evidence, kept->bench, err));
    return cop_evidence_put_evaluation(
        &evidence, state->val_id, state->val, kept->evaluation, err);
}

enum cop_status cop_synth__store_candidate(
    struct cop_search_state *state,
    const struct cop_kept_variant *kept,
    struct cop_candidate_row *row,
    struct cop_err *err)
{
    COP_TRY(cop_store_begin(state->store, err));
    enum cop_status status =
        kept != NULL ? store_variant(state, kept, row, err) : COP_OK;
    if (status == COP_OK) status = cop_store_put_candidate(state->store, row, err);
    if (status == COP_OK) status = cop_store_commit(state->store, err);
    if (status != COP_OK) cop_store_rollback(state->store);
    return status;
}

enum cop_status cop_synth__store_feasibility(
    struct cop_search_state *state,
    const struct cop_feasibility *feasibility,
    const char *run_status,
    struct cop_err *err)
{
    struct cop_text text;
    cop_text_init(&text, MAX_JSON_BYTES);
    const struct cop_reach *reaches[3] = {
        &feasibility->latency_ms, &feasibility->macs, &feasibility->params};
    static const char *const names[3] = {"latency_ms", "macs", "params"};
    cop_text_puts(&text, "{");
    for (int i = 0; i < 3; i++)
        cop_text_printf(
            &text,
            "\"%s\":{\"original\":%.17g,\"least\":%.17g},",
            names[i],
            reaches[i]->original,
            reaches[i]->least);
    cop_text_printf(
        &text, "\"prunable_macs\":%.6f,\"limited_by\":", feasibility->prunable_macs);
    cop_synth__json_string(&text, feasibility->limited_by);
    cop_text_puts(&text, "}");
    enum cop_status status = cop_text_status(&text, err);
    if (status == COP_OK) {
        state->run.feasibility_json = text.bytes;
        state->run.status = run_status;
        status = cop_store_set_run(state->store, &state->run, err);
        state->run.feasibility_json = NULL;
    }
    cop_text_clear(&text);
    return status;
}
