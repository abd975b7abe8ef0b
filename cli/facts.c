/* cli/facts.c - see facts.h. */
#include "cli/facts.h"

#include "cli/inputs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static enum cop_status load_results(
    struct cop_cli *cli, struct cop_facts *facts, struct cop_err *err)
{
    enum cop_status status = cop_store_last_measurement(
        cli->store, facts->row.id, cli->arena, &facts->measurement, err);
    if (status != COP_OK && status != COP_ENOTFOUND) return status;
    facts->has_measurement = status == COP_OK;
    status = cop_store_last_evaluation(
        cli->store, facts->row.id, 0, cli->arena, &facts->evaluation, err);
    if (status != COP_OK && status != COP_ENOTFOUND) return status;
    facts->has_evaluation = status == COP_OK;
    return COP_OK;
}

/* The row of the parent's newest search that this model came from. */
static enum cop_status load_candidate(
    struct cop_cli *cli, struct cop_facts *facts, struct cop_err *err)
{
    struct cop_run_row run;
    struct cop_candidate_row *rows;
    int32_t n;
    if (facts->row.parent_id == 0) return COP_OK;
    const enum cop_status status =
        cop_store_last_run(cli->store, facts->row.parent_id, cli->arena, &run, err);
    if (status == COP_ENOTFOUND) return COP_OK;
    COP_TRY(status);
    COP_TRY(cop_store_list_candidates(cli->store, run.id, cli->arena, &rows, &n, err));
    for (int32_t i = 0; i < n; ++i) {
        if (rows[i].model_id != facts->row.id) continue;
        facts->candidate = rows[i];
        facts->has_candidate = true;
    }
    return COP_OK;
}

/* Of a model that `prune` made: its share of the parent's time, taken in turn. */
static double paired_share(const struct cop_facts *facts)
{
    cJSON *origin = cJSON_Parse(facts->row.origin_json);
    const cJSON *share = cJSON_GetObjectItemCaseSensitive(origin, "time_share");
    const double number = cJSON_IsNumber(share) ? share->valuedouble : (double)NAN;
    cJSON_Delete(origin);
    return number;
}

static void relate(struct cop_facts *facts, const struct cop_facts *parent)
{
    facts->median_ms =
        facts->has_measurement ? facts->measurement.median_ms : (double)NAN;
    facts->top1 = facts->has_evaluation ? facts->evaluation.top1 : (double)NAN;
    facts->faster = 1 / paired_share(facts);
    facts->drop = (double)NAN;
    if (facts->has_candidate) {
        const struct cop_candidate_row *row = &facts->candidate;
        if (!facts->has_measurement) facts->median_ms = row->median_ms;
        if (!facts->has_evaluation) facts->top1 = row->top1;
        if (row->median_ms > 0) facts->faster = row->base_ms / row->median_ms;
        facts->drop = row->base_top1 - row->top1;
    }
    if (parent == NULL) return;
    facts->parent = parent->row.name;
    const bool is_timed_alike =
        facts->has_measurement && parent->has_measurement &&
        facts->measurement.mb == parent->measurement.mb &&
        facts->measurement.threads == parent->measurement.threads &&
        facts->measurement.median_ms > 0;
    if (isnan(facts->faster) && is_timed_alike)
        facts->faster = parent->measurement.median_ms / facts->measurement.median_ms;
    const bool is_tried_alike =
        facts->has_evaluation && parent->has_evaluation &&
        facts->evaluation.dataset_id == parent->evaluation.dataset_id &&
        facts->evaluation.n == parent->evaluation.n;
    if (is_tried_alike) facts->drop = parent->evaluation.top1 - facts->evaluation.top1;
}

static const char *find_name(const struct cop_dataset_row *sets, int32_t n, int64_t id)
{
    for (int32_t i = 0; i < n; ++i)
        if (sets[i].id == id) return sets[i].name;
    return NULL;
}

static const struct cop_facts *find_id(
    const struct cop_facts *facts, int32_t n, int64_t id)
{
    for (int32_t i = 0; i < n; ++i)
        if (facts[i].row.id == id) return &facts[i];
    return NULL;
}

enum cop_status cop_facts_list(
    struct cop_cli *cli, struct cop_facts **facts, int32_t *n, struct cop_err *err)
{
    struct cop_model_row *rows;
    struct cop_dataset_row *sets;
    int32_t n_sets;
    COP_TRY(cop_cli_open_store(cli, err));
    COP_TRY(cop_store_list_models(cli->store, cli->arena, &rows, n, err));
    COP_TRY(cop_store_list_datasets(cli->store, cli->arena, &sets, &n_sets, err));
    *facts = COP_ARENA_NEW_N(cli->arena, *n + 1, struct cop_facts);
    if (*facts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < *n; ++i) {
        struct cop_facts *one = &(*facts)[i];
        one->row = rows[i];
        COP_TRY(load_results(cli, one, err));
        COP_TRY(load_candidate(cli, one, err));
        if (one->has_evaluation)
            one->data = find_name(sets, n_sets, one->evaluation.dataset_id);
    }
    for (int32_t i = 0; i < *n; ++i)
        relate(&(*facts)[i], find_id(*facts, *n, rows[i].parent_id));
    return COP_OK;
}

enum cop_status cop_facts_find(
    const struct cop_facts *facts,
    int32_t n,
    const char *name,
    const struct cop_facts **found,
    struct cop_err *err)
{
    char names[128] = "";
    size_t used = 0;
    for (int32_t i = 0; i < n; ++i) {
        if (strcmp(facts[i].row.name, name) == 0) {
            *found = &facts[i];
            return COP_OK;
        }
        const size_t room = sizeof names - used;
        const int wrote =
            snprintf(names + used, room, "%s%s", i > 0 ? ", " : "", facts[i].row.name);
        used += wrote > 0 && (size_t)wrote < room ? (size_t)wrote : 0;
    }
    if (n == 0)
        return COP_FAIL(
            err,
            COP_ENOTFOUND,
            "no model '%.60s': the project has no models yet",
            name);
    return COP_FAIL(err, COP_ENOTFOUND, "no model '%.60s'; there are: %s", name, names);
}

void cop_facts_json(struct cop_cli *cli, cJSON *object, const struct cop_facts *facts)
{
    cop_json_text(cli, object, "name", facts->row.name);
    cop_json_text(cli, object, "parent", facts->parent);
    cop_json_count(cli, object, "macs", facts->row.macs);
    cop_json_count(cli, object, "params", facts->row.params);
    cop_json_count(cli, object, "bytes", facts->row.bytes);
    cop_json_number(cli, object, "median_ms", facts->median_ms);
    cop_json_number(cli, object, "faster", facts->faster);
    cop_json_number(cli, object, "top1", facts->top1);
    cop_json_number(cli, object, "drop", facts->drop);
}

char *cop_facts_time(char text[32], int64_t created_us)
{
    const time_t seconds = (time_t)(created_us / 1000000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, 32, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(text, 32, "-");
    return text;
}
