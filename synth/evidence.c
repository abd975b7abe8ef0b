/* synth/evidence.c - see evidence.h. */
#include "synth/evidence.h"

#include "base/arena.h"
#include "base/clock.h"
#include "synth/project.h"

#include <cjson/cJSON.h>

/* Answers are stored as the records that store.h describes. */
_Static_assert(sizeof(struct cop_answer) == 16, "an answer is one stored record");

/* [{"class":"cat","n":10,"right":9}, ...]; free with cJSON_free; NULL: out of memory. */
static char *print_classes(
    const struct cop_dataset *dataset, const struct cop_evaluation *evaluation)
{
    cJSON *classes = cJSON_CreateArray();
    bool is_whole = classes != NULL;
    for (int32_t c = 0; c < evaluation->n_classes && is_whole; ++c) {
        cJSON *row = cJSON_CreateObject();
        const char *name = cop_dataset_class_name(dataset, c);
        is_whole =
            row != NULL && cJSON_AddStringToObject(row, "class", name) != NULL &&
            cJSON_AddNumberToObject(row, "n", (double)evaluation->class_n[c]) != NULL &&
            cJSON_AddNumberToObject(row, "right", (double)evaluation->class_right[c]) !=
                NULL &&
            cJSON_AddItemToArray(classes, row);
        if (!is_whole) cJSON_Delete(row);
    }
    char *text = is_whole ? cJSON_PrintUnformatted(classes) : NULL;
    cJSON_Delete(classes);
    return text;
}

enum cop_status cop_evidence_put_evaluation(
    const struct cop_evidence *evidence,
    int64_t dataset_id,
    const struct cop_dataset *dataset,
    const struct cop_evaluation *evaluation,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status;
    char *classes = print_classes(dataset, evaluation);
    struct cop_evaluation_row row = {
        .model_id = evidence->model_id,
        .dataset_id = dataset_id,
        .n = evaluation->n,
        .top1 = evaluation->top1,
        .top5 = evaluation->top5,
        .per_class_json = classes,
        .machine_json =
            cop_project_machine_json(evidence->engine, evidence->threads, arena),
        .answers = evaluation->answers,
        .answers_bytes = (size_t)evaluation->n * sizeof *evaluation->answers,
        .created_us = cop_clock_wall_us()};
    if (classes == NULL || row.machine_json == NULL)
        status = COP_FAIL_NOMEM(err);
    else
        status = cop_store_put_evaluation(evidence->store, &row, err);
    cJSON_free(classes);
    cop_arena_destroy(arena);
    return status;
}

enum cop_status cop_evidence_put_measurement(
    const struct cop_evidence *evidence,
    const struct cop_bench_result *result,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status;
    struct cop_measurement_row row = {
        .model_id = evidence->model_id,
        .mb = result->mb,
        .threads = result->threads,
        .runs = result->runs,
        .median_ms = result->median_ms,
        .p95_ms = result->p95_ms,
        .min_ms = result->min_ms,
        .peak_bytes = result->peak_bytes,
        .machine_json =
            cop_project_machine_json(evidence->engine, result->threads, arena),
        .created_us = cop_clock_wall_us()};
    if (row.machine_json == NULL)
        status = COP_FAIL_NOMEM(err);
    else
        status = cop_store_put_measurement(evidence->store, &row, err);
    cop_arena_destroy(arena);
    return status;
}
