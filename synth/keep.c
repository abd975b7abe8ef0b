/* synth/keep.c - candidates, variants and their cuts into the store; see keep.h. */
#include "synth/keep.h"

#include "base/text.h"
#include "synth/evidence.h"
#include "synth/project.h"

#include <stdio.h>
#include <string.h>

enum { MAX_JSON_BYTES = 16 << 20, CHANNEL_RECORD_BYTES = 9 };

/* Names come from files: quotes and backslashes are escaped, the rest is passed on. */
static void json_string(struct cop_text *text, const char *string)
{
    cop_text_puts(text, "\"");
    for (const char *c = string; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            cop_text_printf(text, "\\%c", byte);
        else if (byte < 0x20)
            cop_text_printf(text, "\\u%04x", byte);
        else
            cop_text_add(text, c, 1);
    }
    cop_text_puts(text, "\"");
}

/* ---- cuts ------------------------------------------------------------------------------ */

static void print_members(struct cop_text *text, const struct cop_group *group)
{
    cop_text_puts(text, "[");
    for (int32_t m = 0; m < group->n_members; m++) {
        const struct cop_member *member = &group->members[m];
        if (member->value->data == NULL) continue;
        cop_text_puts(text, text->n > 1 ? ",{\"tensor\":" : "{\"tensor\":");
        json_string(text, member->value->name);
        cop_text_printf(
            text,
            ",\"axis\":%d,\"reads\":%s}",
            member->axis,
            member->is_consumer ? "true" : "false");
    }
    cop_text_puts(text, "]");
}

/* Packed: int32 channel, float32 score, uint8 kept; in the order of removal. */
static uint8_t *pack_channels(
    const struct cop_cut_option *option, int64_t n_removed, struct cop_arena *arena)
{
    int64_t n = option->widths[0];
    uint8_t *bytes = COP_ARENA_NEW_N(arena, n * CHANNEL_RECORD_BYTES, uint8_t);
    for (int64_t i = 0; bytes != NULL && i < n; i++) {
        int32_t channel = (int32_t)option->order[i].channel;
        float score = (float)option->order[i].score;
        uint8_t *at = bytes + i * CHANNEL_RECORD_BYTES;
        memcpy(at, &channel, 4);
        memcpy(at + 4, &score, 4);
        at[8] = i >= n_removed;
    }
    return bytes;
}

static enum cop_status store_cut(
    struct cop_search_state *state,
    int64_t model_id,
    const struct cop_cut_option *option,
    int32_t choice,
    struct cop_err *err)
{
    int64_t before = option->widths[0];
    int64_t after = option->widths[choice];
    uint8_t *channels = pack_channels(option, before - after, state->arena);
    const char *reason = cop_arena_printf(
        state->arena,
        "%lld of %lld channels removed: those whose loss the following layers can best "
        "make up for; predicted relative error %.3g",
        (long long)(before - after),
        (long long)before,
        option->errors[choice]);
    if (channels == NULL || reason == NULL) return COP_FAIL_NOMEM(err);
    struct cop_text members;
    cop_text_init(&members, MAX_JSON_BYTES);
    print_members(&members, option->group);
    enum cop_status status = cop_text_status(&members, err);
    if (status == COP_OK) {
        struct cop_cut_row row = {
            .model_id = model_id,
            .layer = option->group->name,
            .members_json = members.bytes,
            .width_before = before,
            .width_after = after,
            .channels = channels,
            .channels_bytes = (size_t)(before * CHANNEL_RECORD_BYTES),
            .reason = reason,
        };
        status = cop_store_put_cut(state->store, &row, err);
    }
    cop_text_clear(&members);
    return status;
}

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
    for (int32_t o = 0; o < cop_tables_n_options(state->tables); o++) {
        int32_t choice = kept->decision->choice[o];
        if (choice == 0) continue;
        COP_TRY(store_cut(
            state, model.id, cop_tables_option(state->tables, o), choice, err));
    }
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
    json_string(&text, feasibility->limited_by);
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
