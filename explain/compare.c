/* explain/compare.c - see compare.h. */
#include "explain/compare.h"

#include "base/mem.h"
#include "base/stats.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ------------------------------------------------------------------- */

bool cop_stored_answer_is_right(const struct cop_stored_answer *answer)
{
    /* Both are copies of the same number exactly when the answer is the label. */
    return !(answer->p_answer < answer->p_label ||
             answer->p_answer > answer->p_label) &&
           !isnan(answer->p_answer) && !isnan(answer->p_label);
}

int64_t cop_stored_answers_n(const struct cop_evaluation_row *row)
{
    return row->answers ? (int64_t)(row->answers_bytes / COP_STORED_ANSWER_BYTES) : 0;
}

static uint32_t little_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static float little_f32(const unsigned char *bytes)
{
    const uint32_t bits = little_u32(bytes);
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

struct cop_stored_answer cop_stored_answer_at(
    const struct cop_evaluation_row *row, int64_t i)
{
    const unsigned char *record =
        (const unsigned char *)row->answers + (size_t)i * COP_STORED_ANSWER_BYTES;
    return (struct cop_stored_answer){
        .sample = (int32_t)little_u32(record),
        .answer = (int32_t)little_u32(record + 4),
        .p_answer = little_f32(record + 8),
        .p_label = little_f32(record + 12),
    };
}

static void count_pair(
    const struct cop_stored_answer *a,
    const struct cop_stored_answer *b,
    struct cop_behaviour *behaviour)
{
    const bool is_right[2] = {
        cop_stored_answer_is_right(a), cop_stored_answer_is_right(b)};
    const bool is_same = a->answer == b->answer;
    behaviour->n++;
    behaviour->same += is_same;
    if (is_right[0] && is_right[1])
        behaviour->both_right++;
    else if (is_right[0])
        behaviour->lost++;
    else if (is_right[1])
        behaviour->won++;
    else if (is_same)
        behaviour->both_wrong_same++;
    else
        behaviour->both_wrong_other++;
}

static enum cop_status check_ascending(
    const struct cop_evaluation_row *row, struct cop_err *err)
{
    const int64_t n = cop_stored_answers_n(row);
    for (int64_t i = 1; i < n; i++) {
        const struct cop_stored_answer before = cop_stored_answer_at(row, i - 1);
        const struct cop_stored_answer here = cop_stored_answer_at(row, i);
        if (before.sample >= here.sample)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "stored answers %lld: sample %d follows sample %d",
                (long long)row->id,
                (int)here.sample,
                (int)before.sample);
    }
    return COP_OK;
}

enum cop_status cop_compare_answers(
    const struct cop_evaluation_row *original,
    const struct cop_evaluation_row *variant,
    struct cop_behaviour *behaviour,
    struct cop_err *err)
{
    COP_TRY(check_ascending(original, err));
    COP_TRY(check_ascending(variant, err));
    const int64_t n[2] = {
        cop_stored_answers_n(original), cop_stored_answers_n(variant)};
    memset(behaviour, 0, sizeof *behaviour);
    int64_t i = 0;
    int64_t j = 0;
    while (i < n[0] && j < n[1]) {
        const struct cop_stored_answer a = cop_stored_answer_at(original, i);
        const struct cop_stored_answer b = cop_stored_answer_at(variant, j);
        if (a.sample == b.sample) count_pair(&a, &b, behaviour);
        i += a.sample <= b.sample;
        j += b.sample <= a.sample;
    }
    cop_stats_wilson(
        behaviour->same, behaviour->n, &behaviour->same_low, &behaviour->same_high);
    behaviour->mcnemar_p = cop_stats_mcnemar(behaviour->lost, behaviour->won);
    return COP_OK;
}

/* ---- classes ------------------------------------------------------------------- */

/* A whole number of at least 0 under @p key, or -1. */
static int64_t count_of(const cJSON *item, const char *key)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(item, key);
    if (!cJSON_IsNumber(number) || !(number->valuedouble >= 0)) return -1;
    return number->valuedouble < 1e15 ? (int64_t)number->valuedouble : -1;
}

static enum cop_status read_class(
    const cJSON *item,
    int model,
    struct cop_arena *arena,
    struct cop_class_change *change,
    struct cop_err *err)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "class");
    const int64_t n = count_of(item, "n");
    const int64_t right = count_of(item, "right");
    if (!cJSON_IsString(name) || n < 0 || right < 0 || right > n)
        return COP_FAIL(
            err, COP_EFORMAT, "stored per-class result is not {class, n, right}");
    if (model == 0) {
        change->name = cop_arena_strdup(arena, name->valuestring);
        if (!change->name) return COP_FAIL_NOMEM(err);
        change->n = n;
    } else if (strcmp(change->name, name->valuestring) != 0 || change->n != n) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "evaluations differ: class '%.60s' has %lld samples, class '%.60s' has "
            "%lld",
            change->name,
            (long long)change->n,
            name->valuestring,
            (long long)n);
    }
    change->right[model] = right;
    change->recall[model] = n > 0 ? 100.0 * (double)right / (double)n : (double)NAN;
    cop_stats_wilson(right, n, &change->low[model], &change->high[model]);
    change->low[model] *= 100;
    change->high[model] *= 100;
    change->change = change->recall[1] - change->recall[0];
    return COP_OK;
}

static enum cop_status read_classes(
    const cJSON *const lists[2],
    struct cop_arena *arena,
    struct cop_class_change **classes,
    int32_t *n,
    struct cop_err *err)
{
    const int counts[2] = {cJSON_GetArraySize(lists[0]), cJSON_GetArraySize(lists[1])};
    if (!cJSON_IsArray(lists[0]) || !cJSON_IsArray(lists[1]))
        return COP_FAIL(err, COP_EFORMAT, "stored per-class results are not a list");
    if (counts[0] != counts[1])
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "evaluations differ: %d classes and %d classes",
            counts[0],
            counts[1]);
    *n = counts[0];
    *classes = COP_ARENA_NEW_N(arena, counts[0] + 1, struct cop_class_change);
    if (!*classes) return COP_FAIL_NOMEM(err);
    for (int model = 0; model < 2; model++) {
        struct cop_class_change *change = *classes;
        const cJSON *item = NULL;
        cJSON_ArrayForEach(item, lists[model])
            COP_TRY(read_class(item, model, arena, change++, err));
    }
    return COP_OK;
}

enum cop_status cop_compare_classes(
    const struct cop_evaluation_row *original,
    const struct cop_evaluation_row *variant,
    struct cop_arena *arena,
    struct cop_class_change **classes,
    int32_t *n,
    struct cop_err *err)
{
    enum cop_status status = COP_OK;
    cJSON *lists[2] = {
        cJSON_Parse(original->per_class_json ? original->per_class_json : ""),
        cJSON_Parse(variant->per_class_json ? variant->per_class_json : "")};
    if (!lists[0] || !lists[1]) {
        status = COP_FAIL(err, COP_EFORMAT, "stored per-class results are not JSON");
        goto done;
    }
    const cJSON *const read_only[2] = {lists[0], lists[1]};
    status = read_classes(read_only, arena, classes, n, err);
done:
    cJSON_Delete(lists[0]);
    cJSON_Delete(lists[1]);
    return status;
}

/* A class to be ranked by its p value. */
struct ranked {
    double p;
    int32_t class_index;
};

static int by_chance(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;
    if (x->p < y->p) return -1;
    if (x->p > y->p) return 1;
    return (x->class_index > y->class_index) - (x->class_index < y->class_index);
}

/* Adjusted p of rank k: the smallest n / k' * p of all ranks k' from k on. */
static enum cop_status adjust_p(
    struct cop_class_change *classes, int32_t n, struct cop_err *err)
{
    double least = 1;
    struct ranked *order = cop_mem_array((size_t)n, sizeof *order);
    if (!order) return COP_FAIL_NOMEM(err);
    for (int32_t c = 0; c < n; c++)
        order[c] = (struct ranked){classes[c].p, c};
    qsort(order, (size_t)n, sizeof *order, by_chance);
    for (int32_t i = n - 1; i >= 0; i--) {
        const double adjusted = order[i].p * (double)n / (double)(i + 1);
        if (adjusted < least) least = adjusted;
        classes[order[i].class_index].p_adjusted = least;
    }
    cop_mem_free(order);
    return COP_OK;
}

static enum cop_status count_flip(
    const struct cop_stored_answer *a,
    const struct cop_stored_answer *b,
    struct cop_class_change *classes,
    int32_t n,
    struct cop_err *err)
{
    const bool is_right[2] = {
        cop_stored_answer_is_right(a), cop_stored_answer_is_right(b)};
    if (is_right[0] == is_right[1]) return COP_OK;
    const int32_t label = is_right[0] ? a->answer : b->answer;
    if (label < 0 || label >= n)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "stored answer %d, there are %d classes",
            (int)label,
            (int)n);
    classes[label].lost += is_right[0];
    classes[label].won += is_right[1];
    return COP_OK;
}

enum cop_status cop_compare_class_flips(
    const struct cop_evaluation_row *original,
    const struct cop_evaluation_row *variant,
    struct cop_class_change *classes,
    int32_t n_classes,
    struct cop_err *err)
{
    COP_TRY(check_ascending(original, err));
    COP_TRY(check_ascending(variant, err));
    const int64_t n[2] = {
        cop_stored_answers_n(original), cop_stored_answers_n(variant)};
    int64_t i = 0;
    int64_t j = 0;
    while (i < n[0] && j < n[1]) {
        const struct cop_stored_answer a = cop_stored_answer_at(original, i);
        const struct cop_stored_answer b = cop_stored_answer_at(variant, j);
        if (a.sample == b.sample) COP_TRY(count_flip(&a, &b, classes, n_classes, err));
        i += a.sample <= b.sample;
        j += b.sample <= a.sample;
    }
    for (int32_t c = 0; c < n_classes; c++)
        classes[c].p = cop_stats_mcnemar(classes[c].lost, classes[c].won);
    return adjust_p(classes, n_classes, err);
}

/* ---- maps ---------------------------------------------------------------------- */

static double cosine(const float *a, const float *b, int64_t n)
{
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : (double)NAN;
}

/* A cell and its place, to be sorted: largest first, then first in reading order. */
struct cell {
    float value;
    int64_t index;
};

static int by_value(const void *a, const void *b)
{
    const struct cell *x = a;
    const struct cell *y = b;
    if (x->value > y->value) return -1;
    if (x->value < y->value) return 1;
    return (x->index > y->index) - (x->index < y->index);
}

static void sort_cells(const float *map, int64_t n, struct cell *cells)
{
    for (int64_t i = 0; i < n; i++)
        cells[i] = (struct cell){map[i], i};
    qsort(cells, (size_t)n, sizeof *cells, by_value);
}

/* Overlap of the @p k largest cells of both maps. */
static double overlap(
    const struct cell *a, const struct cell *b, int64_t k, uint8_t *marks)
{
    int64_t both = 0;
    for (int64_t i = 0; i < k; i++)
        marks[a[i].index] = 1;
    for (int64_t i = 0; i < k; i++)
        both += marks[b[i].index];
    return (double)both / (double)(2 * k - both);
}

/* Centre of the positive mass as shares of height and width; the mass. */
static double centre_of(const float *map, int64_t rows, int64_t cols, double centre[2])
{
    double mass = 0;
    centre[0] = 0;
    centre[1] = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            const double v = (double)map[i * cols + j];
            if (!(v > 0)) continue;
            mass += v;
            centre[0] += v * ((double)i + 0.5) / (double)rows;
            centre[1] += v * ((double)j + 0.5) / (double)cols;
        }
    if (mass > 0) {
        centre[0] /= mass;
        centre[1] /= mass;
    }
    return mass;
}

enum cop_status cop_compare_maps(
    const float *original,
    const float *variant,
    int64_t rows,
    int64_t cols,
    struct cop_map_likeness *likeness,
    struct cop_err *err)
{
    enum cop_status status = COP_OK;
    const int64_t n = rows * cols;
    const int64_t k = n >= 10 ? n / 10 : 1;
    if (rows < 1 || cols < 1) return COP_FAIL(err, COP_EINVAL, "the maps are empty");
    struct cell *a = cop_mem_array((size_t)n, sizeof *a);
    struct cell *b = cop_mem_array((size_t)n, sizeof *b);
    uint8_t *marks = cop_mem_array((size_t)n, 1);
    double centres[2][2];
    if (!a || !b || !marks) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    likeness->spearman = cop_stats_spearman(original, variant, n);
    if (likeness->spearman < -1.5) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    sort_cells(original, n, a);
    sort_cells(variant, n, b);
    likeness->top10 = overlap(a, b, k, marks);
    likeness->cosine = cosine(original, variant, n);
    const double masses[2] = {
        centre_of(original, rows, cols, centres[0]),
        centre_of(variant, rows, cols, centres[1])};
    likeness->shift =
        masses[0] > 0 && masses[1] > 0
            ? hypot(centres[0][0] - centres[1][0], centres[0][1] - centres[1][1]) /
                  sqrt(2.0)
            : (double)NAN;
done:
    cop_mem_free(a);
    cop_mem_free(b);
    cop_mem_free(marks);
    return status;
}

static const char *name_place(const double centre[2])
{
    static const char *const places[3][3] = {
        {"the upper left", "the upper middle", "the upper right"},
        {"the left", "the middle", "the right"},
        {"the lower left", "the lower middle", "the lower right"}};
    const int row = (centre[0] > 0.4) + (centre[0] > 0.6);
    const int col = (centre[1] > 0.4) + (centre[1] > 0.6);
    return places[row][col];
}

enum cop_status cop_map_focus(
    const float *map,
    int64_t rows,
    int64_t cols,
    struct cop_map_focus *focus,
    struct cop_err *err)
{
    const int64_t n = rows * cols;
    if (n < 1) return COP_FAIL(err, COP_EINVAL, "the map is empty");
    struct cell *cells = cop_mem_array((size_t)n, sizeof *cells);
    if (!cells) return COP_FAIL_NOMEM(err);
    memset(focus, 0, sizeof *focus);
    focus->mass = centre_of(map, rows, cols, focus->centre);
    focus->where = focus->mass > 0 ? name_place(focus->centre) : "nowhere";
    sort_cells(map, n, cells);
    double sum = 0;
    int64_t count = 0;
    while (count < n && focus->mass > 0 && sum < focus->mass / 2)
        sum += (double)cells[count++].value;
    focus->area50 = (double)count / (double)n;
    cop_mem_free(cells);
    return COP_OK;
}

/* ---- channels ------------------------------------------------------------------ */

enum { CUT_RECORD_BYTES = 9 }; /* int32 channel, float32 score, uint8 kept */

enum cop_status cop_compare_reliance(
    const float *effects,
    int64_t n,
    const struct cop_cut_row *cut,
    struct cop_reliance *reliance,
    struct cop_err *err)
{
    const int64_t n_records =
        cut->channels ? (int64_t)(cut->channels_bytes / CUT_RECORD_BYTES) : 0;
    double all = 0;
    double gone = 0;
    *reliance = (struct cop_reliance){.n_channels = n};
    for (int64_t i = 0; i < n; i++)
        all += (double)effects[i];
    for (int64_t i = 0; i < n_records; i++) {
        const unsigned char *record =
            (const unsigned char *)cut->channels + i * CUT_RECORD_BYTES;
        const int64_t channel = (int32_t)little_u32(record);
        if (channel < 0 || channel >= n)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "cut of '%.80s': channel %lld, the layer has %lld",
                cut->layer,
                (long long)channel,
                (long long)n);
        if (record[8]) continue;
        reliance->removed++;
        gone += (double)effects[channel];
    }
    reliance->share = all > 0 ? gone / all : (double)NAN;
    return COP_OK;
}
