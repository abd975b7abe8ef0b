/* synth/shrink_store.c - a cut network into the project file; see shrink.h. */
#include "synth/shrink.h"

#include "base/text.h"
#include "synth/cuts.h"
#include "synth/evidence.h"
#include "synth/project.h"

#include <math.h>

enum { MAX_RECIPE_BYTES = 4 << 20 };

static void print_number(struct cop_text *text, const char *key, double number)
{
    if (isnan(number))
        cop_text_printf(text, ",\"%s\":null", key);
    else
        cop_text_printf(text, ",\"%s\":%.9g", key, number);
}

/* How the network came to be: enough to make it again, and what was measured. */
static void print_recipe(
    struct cop_text *text,
    const struct cop_shrink_origin *origin,
    const struct cop_shrink_options *options,
    const struct cop_shrunk *shrunk)
{
    cop_text_puts(text, "{\"asked\":");
    cop_synth__json_string(text, origin->asked);
    cop_text_printf(
        text,
        ",\"score\":\"%s\",\"repaired\":%s,\"samples\":%lld,\"seed\":%llu,\"data\":",
        cop_score_method_name(options->score),
        options->is_unrepaired ? "false" : "true",
        (long long)shrunk->n_calibration,
        (unsigned long long)options->seed);
    if (origin->data_sha256 != NULL)
        cop_synth__json_string(text, origin->data_sha256);
    else
        cop_text_puts(text, "null");
    print_number(text, "time_share", shrunk->time_share);
    print_number(text, "agreement", shrunk->agreement);
    cop_text_printf(
        text,
        ",\"compared\":%lld,\"held_out\":%s",
        (long long)shrunk->evaluations[0].n,
        shrunk->is_held_out ? "true" : "false");
    print_number(text, "top1_before", shrunk->evaluations[0].top1);
    print_number(text, "top1_after", shrunk->evaluations[1].top1);
    cop_text_puts(text, ",\"widths\":[");
    for (int32_t o = 0; o < cop_tables_n_options(shrunk->tables); o++)
        cop_text_printf(
            text,
            "%s%lld",
            o > 0 ? "," : "",
            (long long)cop_tables_option(shrunk->tables, o)->widths[shrunk->choice[o]]);
    cop_text_puts(text, "],\"ranks\":[");
    for (int32_t i = 0; i < shrunk->lowered.n; i++) {
        const struct cop_reduced_node *node = &shrunk->lowered.at[i];
        cop_text_puts(text, i > 0 ? ",{\"node\":" : "{\"node\":");
        cop_synth__json_string(text, node->name);
        cop_text_printf(
            text, ",\"rank\":%lld,\"error\":%.9g}", (long long)node->rank, node->error);
    }
    cop_text_puts(text, "],\"left_out\":[");
    for (int32_t i = 0; i < shrunk->dropped.n; i++) {
        if (i > 0) cop_text_puts(text, ",");
        cop_synth__json_string(text, shrunk->dropped.at[i].name);
    }
    cop_text_puts(text, "]}");
}

/* Times of both, as they were taken in turn; answers only of a whole set, so that none
 * stands beside whole evaluations as if it were one. */
static enum cop_status put_evidence(
    const struct cop_evidence *evidence,
    const struct cop_shrink_origin *origin,
    const struct cop_bench_result *bench,
    const struct cop_evaluation *evaluation,
    struct cop_err *err)
{
    COP_TRY(cop_evidence_put_measurement(evidence, bench, err));
    if (origin->val_id == 0 || evaluation->n != cop_dataset_n(origin->val))
        return COP_OK;
    return cop_evidence_put_evaluation(
        evidence, origin->val_id, origin->val, evaluation, err);
}

static enum cop_status store_all(
    struct cop_store *store,
    struct cop_engine *engine,
    const struct cop_shrink_origin *origin,
    const struct cop_shrink_options *options,
    const struct cop_shrunk *shrunk,
    const char *recipe,
    struct cop_err *err)
{
    struct cop_model_row model = {
        .name = origin->name,
        .parent_id = origin->parent->id,
        .source = origin->asked,
        .origin_json = recipe,
    };
    COP_TRY(cop_project_save_model(store, shrunk->graph, &model, shrunk->arena, err));
    const struct cop_cuts cuts = {
        .store = store,
        .groups = shrunk->groups,
        .tables = shrunk->tables,
        .choice = shrunk->choice,
        .method = cop_score_method_name(options->score),
        .model_id = model.id,
    };
    COP_TRY(cop_cuts_store(&cuts, err));
    const int64_t ids[2] = {origin->parent->id, model.id};
    for (int i = 0; i < 2; i++) {
        const struct cop_evidence evidence = {
            .store = store,
            .engine = engine,
            .threads = options->threads,
            .model_id = ids[i],
        };
        COP_TRY(put_evidence(
            &evidence, origin, &shrunk->benches[i], &shrunk->evaluations[i], err));
    }
    return COP_OK;
}

enum cop_status cop_shrink_store(
    struct cop_store *store,
    struct cop_engine *engine,
    const struct cop_shrink_origin *origin,
    const struct cop_shrink_options *options,
    const struct cop_shrunk *shrunk,
    struct cop_err *err)
{
    struct cop_text recipe;
    cop_text_init(&recipe, MAX_RECIPE_BYTES);
    print_recipe(&recipe, origin, options, shrunk);
    enum cop_status status = cop_text_status(&recipe, err);
    if (status == COP_OK) status = cop_store_begin(store, err);
    if (status == COP_OK) {
        status = store_all(store, engine, origin, options, shrunk, recipe.bytes, err);
        if (status == COP_OK) status = cop_store_commit(store, err);
        if (status != COP_OK) cop_store_rollback(store);
    }
    cop_text_clear(&recipe);
    return status;
}
