/* explain/report_load.c - reads what the store says about a variant; see
 * report_parts.h. */
#include "explain/report_parts.h"

#include "base/stats.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- models, numbers ----------------------------------------------------------- */

static enum cop_status load_models(
    struct cop_report *report, const char *name, struct cop_err *err)
{
    struct cop_model_row *variant = COP_ARENA_NEW(report->arena, struct cop_model_row);
    struct cop_model_row *all = NULL;
    int32_t n = 0;
    if (!variant) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_store_get_model(report->store, name, report->arena, variant, err));
    COP_TRY(cop_store_list_models(report->store, report->arena, &all, &n, err));
    report->models[1] = variant;
    for (int32_t i = 0; i < n; i++)
        if (variant->parent_id != 0 && all[i].id == variant->parent_id)
            report->models[0] = &all[i];
    return COP_OK;
}

/* The newest evaluation of model @p m on a data set; *row stays NULL if there is none. */
static enum cop_status load_evaluation(
    struct cop_report *report,
    int m,
    int64_t dataset_id,
    const struct cop_evaluation_row **row,
    struct cop_err *err)
{
    struct cop_evaluation_row *found =
        COP_ARENA_NEW(report->arena, struct cop_evaluation_row);
    if (!found) return COP_FAIL_NOMEM(err);
    const enum cop_status status = cop_store_last_evaluation(
        report->store, report->models[m]->id, dataset_id, report->arena, found, err);
    if (status == COP_OK) *row = found;
    return status == COP_ENOTFOUND ? COP_OK : status;
}

static enum cop_status load_measurement(
    struct cop_report *report, int m, struct cop_err *err)
{
    struct cop_measurement_row *row =
        COP_ARENA_NEW(report->arena, struct cop_measurement_row);
    if (!row) return COP_FAIL_NOMEM(err);
    const enum cop_status status = cop_store_last_measurement(
        report->store, report->models[m]->id, report->arena, row, err);
    if (status == COP_OK) report->measurements[m] = row;
    return status == COP_ENOTFOUND ? COP_OK : status;
}

static enum cop_status find_dataset(
    struct cop_report *report,
    int64_t id,
    const struct cop_dataset_row **dataset,
    struct cop_err *err)
{
    struct cop_dataset_row *all = NULL;
    int32_t n = 0;
    COP_TRY(cop_store_list_datasets(report->store, report->arena, &all, &n, err));
    for (int32_t i = 0; i < n; i++)
        if (all[i].id == id) *dataset = &all[i];
    return COP_OK;
}

/* The search's config names its data by hash. */
static bool is_searched(
    const struct cop_report *report, const struct cop_dataset_row *row)
{
    return report->run && report->run->config_json && row->sha256 && *row->sha256 &&
           strstr(report->run->config_json, row->sha256) != NULL;
}

/* Of data sets that both were evaluated on: one the search has not seen before others,
 * then the newest evaluation. */
static bool is_better(
    const struct cop_report_accuracy *a, const struct cop_report_accuracy *b)
{
    if (!b) return true;
    if (a->is_searched != b->is_searched) return b->is_searched;
    return a->rows[1]->id > b->rows[1]->id;
}

/* Lists the data sets that both were evaluated on; *best stays NULL if there is none. */
static enum cop_status list_accuracies(
    struct cop_report *report,
    const struct cop_dataset_row *all,
    int32_t n,
    const struct cop_report_accuracy **best,
    struct cop_err *err)
{
    report->accuracies =
        COP_ARENA_NEW_N(report->arena, n + 1, struct cop_report_accuracy);
    if (!report->accuracies) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n && report->models[0]; i++) {
        struct cop_report_accuracy *next = &report->accuracies[report->n_accuracies];
        *next = (struct cop_report_accuracy){
            .dataset = &all[i], .is_searched = is_searched(report, &all[i])};
        COP_TRY(load_evaluation(report, 0, all[i].id, &next->rows[0], err));
        COP_TRY(load_evaluation(report, 1, all[i].id, &next->rows[1], err));
        if (!next->rows[0] || !next->rows[1]) continue;
        report->n_accuracies++;
        if (is_better(next, *best)) *best = next;
    }
    return COP_OK;
}

static enum cop_status load_accuracies(struct cop_report *report, struct cop_err *err)
{
    struct cop_dataset_row *all = NULL;
    const struct cop_report_accuracy *best = NULL;
    int32_t n = 0;
    COP_TRY(cop_store_list_datasets(report->store, report->arena, &all, &n, err));
    COP_TRY(list_accuracies(report, all, n, &best, err));
    if (best) {
        report->dataset = best->dataset;
        report->evaluations[0] = best->rows[0];
        report->evaluations[1] = best->rows[1];
        return COP_OK;
    }
    COP_TRY(load_evaluation(report, 1, 0, &report->evaluations[1], err));
    if (!report->evaluations[1]) return COP_OK;
    return find_dataset(
        report, report->evaluations[1]->dataset_id, &report->dataset, err);
}

static enum cop_status load_numbers(struct cop_report *report, struct cop_err *err)
{
    COP_TRY(load_accuracies(report, err));
    COP_TRY(load_measurement(report, 1, err));
    return report->models[0] ? load_measurement(report, 0, err) : COP_OK;
}

static enum cop_status load_search(struct cop_report *report, struct cop_err *err)
{
    struct cop_run_row *run = COP_ARENA_NEW(report->arena, struct cop_run_row);
    struct cop_candidate_row *rows = NULL;
    if (!run) return COP_FAIL_NOMEM(err);
    const enum cop_status status = cop_store_last_run(
        report->store, report->models[0]->id, report->arena, run, err);
    if (status == COP_ENOTFOUND) return COP_OK;
    if (status != COP_OK) return status;
    report->run = run;
    COP_TRY(cop_store_list_candidates(
        report->store, run->id, report->arena, &rows, &report->n_candidates, err));
    report->candidates = rows;
    for (int32_t i = 0; i < report->n_candidates; i++)
        if (rows[i].model_id == report->models[1]->id) report->chosen = &rows[i];
    return COP_OK;
}

static enum cop_status load_behaviour(struct cop_report *report, struct cop_err *err)
{
    const struct cop_evaluation_row *const *rows = report->evaluations;
    if (!rows[0] || !rows[1]) return COP_OK;
    if (rows[0]->per_class_json && rows[1]->per_class_json)
        COP_TRY(cop_compare_classes(
            rows[0],
            rows[1],
            report->arena,
            &report->classes,
            &report->n_classes,
            err));
    if (!rows[0]->answers || !rows[1]->answers) return COP_OK;
    COP_TRY(cop_compare_answers(rows[0], rows[1], &report->behaviour, err));
    report->has_behaviour = report->behaviour.n > 0;
    if (report->n_classes > 0)
        COP_TRY(cop_compare_class_flips(
            rows[0], rows[1], report->classes, report->n_classes, err));
    return COP_OK;
}

/* ---- maps ---------------------------------------------------------------------- */

static bool is_map(const struct cop_attribution_row *row)
{
    return row->rows > 0 && row->cols > 0 && row->values &&
           row->values_bytes == (size_t)(row->rows * row->cols) * sizeof(float);
}

static bool is_text_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The newest map of the original that was made in the same way; NULL if there is none. */
static const struct cop_attribution_row *find_partner(
    const struct cop_attribution_row *rows,
    int32_t n,
    const struct cop_attribution_row *variant)
{
    for (int32_t i = 0; i < n; i++)
        if (rows[i].sample == variant->sample &&
            rows[i].dataset_id == variant->dataset_id &&
            rows[i].target == variant->target && rows[i].rows == variant->rows &&
            rows[i].cols == variant->cols && is_map(&rows[i]) &&
            is_text_equal(rows[i].config_json, variant->config_json))
            return &rows[i];
    return NULL;
}

static bool has_pair(const struct cop_report *report, int64_t sample)
{
    for (int32_t i = 0; i < report->n_pairs; i++)
        if (report->pairs[i].maps[1]->sample == sample) return true;
    return false;
}

static bool is_lost(const struct cop_attribution_row *row)
{
    return row->config_json && strstr(row->config_json, "\"chosen\":\"lost\"") != NULL;
}

/* Values of a stored map as aligned floats; NULL when out of memory. */
static const float *map_values(
    struct cop_arena *arena, const struct cop_attribution_row *row)
{
    return cop_arena_copy(arena, row->values, row->values_bytes);
}

static int by_choice(const void *a, const void *b)
{
    const struct cop_report_pair *x = a;
    const struct cop_report_pair *y = b;
    if (x->is_lost != y->is_lost) return x->is_lost ? -1 : 1;
    return (x->maps[1]->sample > y->maps[1]->sample) -
           (x->maps[1]->sample < y->maps[1]->sample);
}

static enum cop_status compare_pairs(struct cop_report *report, struct cop_err *err)
{
    for (int32_t i = 0; i < report->n_pairs; i++) {
        struct cop_report_pair *pair = &report->pairs[i];
        const struct cop_report_pair *other = &report->pairs[(i + 1) % report->n_pairs];
        const struct cop_attribution_row *a = pair->maps[0];
        const float *values[2] = {
            map_values(report->arena, a), map_values(report->arena, pair->maps[1])};
        if (!values[0] || !values[1]) return COP_FAIL_NOMEM(err);
        COP_TRY(cop_compare_maps(
            values[0], values[1], a->rows, a->cols, &pair->likeness, err));
        pair->control = (double)NAN;
        if (other == pair || other->maps[1]->rows != a->rows ||
            other->maps[1]->cols != a->cols)
            continue;
        const float *stranger = map_values(report->arena, other->maps[1]);
        if (!stranger) return COP_FAIL_NOMEM(err);
        pair->control = cop_stats_spearman(values[0], stranger, a->rows * a->cols);
        if (pair->control < -1.5) return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

/* Pairs the variant's maps, all of one data set, with the original's. */
static void pair_maps(
    struct cop_report *report,
    struct cop_attribution_row *const rows[2],
    const int32_t n[2])
{
    for (int32_t i = 0; i < n[1]; i++) {
        const struct cop_attribution_row *variant = &rows[1][i];
        if (!is_map(variant) || has_pair(report, variant->sample)) continue;
        if (report->n_pairs > 0 &&
            report->pairs[0].maps[1]->dataset_id != variant->dataset_id)
            continue;
        const struct cop_attribution_row *original =
            find_partner(rows[0], n[0], variant);
        if (!original) continue;
        struct cop_report_pair *pair = &report->pairs[report->n_pairs++];
        pair->maps[0] = original;
        pair->maps[1] = variant;
        pair->is_lost = is_lost(variant);
    }
    qsort(report->pairs, (size_t)report->n_pairs, sizeof *report->pairs, by_choice);
}

static enum cop_status load_maps(struct cop_report *report, struct cop_err *err)
{
    struct cop_attribution_row *rows[2] = {NULL, NULL};
    int32_t n[2] = {0, 0};
    for (int m = 0; m < 2; m++)
        COP_TRY(cop_store_list_attributions(
            report->store,
            report->models[m]->id,
            "occlusion",
            report->arena,
            &rows[m],
            &n[m],
            err));
    report->pairs = COP_ARENA_NEW_N(report->arena, n[1] + 1, struct cop_report_pair);
    if (!report->pairs) return COP_FAIL_NOMEM(err);
    pair_maps(report, rows, n);
    if (report->n_pairs == 0) return COP_OK;
    const int64_t id = report->pairs[0].maps[1]->dataset_id;
    COP_TRY(find_dataset(report, id, &report->map_dataset, err));
    COP_TRY(load_evaluation(report, 0, id, &report->map_answers[0], err));
    COP_TRY(load_evaluation(report, 1, id, &report->map_answers[1], err));
    return compare_pairs(report, err);
}

/* As they were stored: by depth, newer runs behind older ones. */
static int by_id(const void *a, const void *b)
{
    const struct cop_attribution_row *x = a;
    const struct cop_attribution_row *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static enum cop_status load_channels(struct cop_report *report, struct cop_err *err)
{
    for (int m = 0; m < 2; m++) {
        struct cop_attribution_row *rows = NULL;
        if (!report->models[m]) continue;
        COP_TRY(cop_store_list_attributions(
            report->store,
            report->models[m]->id,
            "channel-ablation-abs",
            report->arena,
            &rows,
            &report->n_channels[m],
            err));
        if (report->n_channels[m] > 0)
            qsort(rows, (size_t)report->n_channels[m], sizeof *rows, by_id);
        report->channels[m] = rows;
    }
    return COP_OK;
}

/* What is known only of a variant. */
static enum cop_status load_changes(struct cop_report *report, struct cop_err *err)
{
    struct cop_cut_row *cuts = NULL;
    COP_TRY(load_behaviour(report, err));
    COP_TRY(cop_store_list_cuts(
        report->store,
        report->models[1]->id,
        report->arena,
        &cuts,
        &report->n_cuts,
        err));
    report->cuts = cuts;
    return load_maps(report, err);
}

enum cop_status cop_report__load(
    struct cop_report *report, const char *name, struct cop_err *err)
{
    COP_TRY(load_models(report, name, err));
    if (report->models[0]) COP_TRY(load_search(report, err));
    COP_TRY(load_numbers(report, err));
    if (report->models[0]) COP_TRY(load_changes(report, err));
    COP_TRY(load_channels(report, err));
    return cop_store_audit_root(
        report->store, report->audit_root, &report->audit_length, err);
}

/* ---- what several sections say --------------------------------------------------- */

void cop_report__times(const struct cop_report *report, double ms[2])
{
    ms[0] = (double)NAN;
    ms[1] = (double)NAN;
    if (report->chosen && report->chosen->median_ms > 0 &&
        report->chosen->base_ms > 0) {
        ms[0] = report->chosen->base_ms;
        ms[1] = report->chosen->median_ms;
        return;
    }
    for (int m = 0; m < 2; m++)
        if (report->measurements[m]) ms[m] = report->measurements[m]->median_ms;
}

double cop_report__speedup(const struct cop_report *report)
{
    double ms[2];
    cop_report__times(report, ms);
    return ms[1] > 0 ? ms[0] / ms[1] : (double)NAN;
}

void cop_report__interval(
    const struct cop_evaluation_row *evaluation, double *low, double *high)
{
    *low = (double)NAN;
    *high = (double)NAN;
    if (!(evaluation->top1 >= 0) || evaluation->n < 1) return;
    cop_stats_wilson(
        llround(evaluation->top1 * (double)evaluation->n / 100),
        evaluation->n,
        low,
        high);
    *low *= 100;
    *high *= 100;
}

const struct cop_class_change *cop_report__worst(const struct cop_report *report)
{
    const struct cop_class_change *worst = NULL;
    for (int32_t c = 0; report->has_behaviour && c < report->n_classes; c++) {
        const struct cop_class_change *change = &report->classes[c];
        if (change->lost <= change->won || change->p_adjusted >= 0.05) continue;
        if (!worst || change->change < worst->change) worst = change;
    }
    return worst;
}

const char *cop_report__json_item(
    struct cop_arena *arena, const char *json, int64_t index)
{
    cJSON *list = json ? cJSON_Parse(json) : NULL;
    const cJSON *item = cJSON_IsArray(list) && index >= 0 && index < 1 << 24
                            ? cJSON_GetArrayItem(list, (int)index)
                            : NULL;
    const char *copy = item && cJSON_IsString(item)
                           ? cop_arena_strdup(arena, item->valuestring)
                           : NULL;
    cJSON_Delete(list);
    return copy;
}

const char *cop_report__class_name(const struct cop_report *report, int64_t target)
{
    const char *name = NULL;
    if (report->map_dataset)
        name = cop_report__json_item(
            report->arena, report->map_dataset->classes_json, target);
    if (!name) name = cop_arena_printf(report->arena, "class %lld", (long long)target);
    return name ? name : "a class";
}

/* Median over the pairs of one number; NaN ones are left out. */
static double median_over(const struct cop_report *report, bool is_control)
{
    double *numbers = COP_ARENA_NEW_N(report->arena, report->n_pairs + 1, double);
    int64_t n = 0;
    for (int32_t i = 0; numbers && i < report->n_pairs; i++) {
        const struct cop_report_pair *pair = &report->pairs[i];
        const double x = is_control ? pair->control : pair->likeness.spearman;
        if (!isnan(x)) numbers[n++] = x;
    }
    return n > 0 ? cop_stats_quantile(numbers, n, 0.5) : (double)NAN;
}

void cop_report__retention(
    const struct cop_report *report, double *alike, double *control, double *retention)
{
    *alike = median_over(report, false);
    *control = median_over(report, true);
    *retention = *control < 1 ? (*alike - *control) / (1 - *control) : (double)NAN;
}
