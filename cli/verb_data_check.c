/* cli/verb_data_check.c - holes and imbalances of a data set. */
#include "base/mem.h"
#include "base/sha256.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "synth/project.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SHOWN = 10, NAME_BYTES = 256, READ_AT_ONCE = 64 };

struct fingerprint {
    uint8_t digest[32];
    int64_t sample;
};

/* What is found. */
struct findings {
    int64_t n;
    int32_t n_classes;
    int64_t *class_n; /* [n_classes] */
    int64_t unlabelled;
    int64_t unreadable;
    int64_t first_unreadable[MAX_SHOWN];
    char unreadable_why[MAX_SHOWN][240];
    int64_t duplicates; /* samples equal to an earlier one */
    int64_t conflicts;  /* of them, with another label than the earlier one */
    int64_t
        *duplicate_of; /* [n] the earlier sample that a sample is equal to; else -1 */
    struct fingerprint *prints; /* [n - unreadable] */
    int64_t n_prints;
};

static int compare_prints(const void *a, const void *b)
{
    const struct fingerprint *left = a;
    const struct fingerprint *right = b;
    const int order = memcmp(left->digest, right->digest, sizeof left->digest);
    if (order != 0) return order;
    return (left->sample > right->sample) - (left->sample < right->sample);
}

static void find_duplicates(const struct cop_dataset *dataset, struct findings *found)
{
    if (found->n_prints == 0) return;
    qsort(
        found->prints, (size_t)found->n_prints, sizeof *found->prints, compare_prints);
    const struct fingerprint *first = found->prints;
    for (int64_t i = 1; i < found->n_prints; ++i) {
        const struct fingerprint *print = &found->prints[i];
        if (memcmp(print->digest, first->digest, sizeof print->digest) != 0) {
            first = print;
            continue;
        }
        found->duplicate_of[print->sample] = first->sample;
        ++found->duplicates;
        found->conflicts += cop_dataset_label(dataset, print->sample) !=
                            cop_dataset_label(dataset, first->sample);
    }
}

/* The next sample from @p from on that is equal to an earlier one; n if there is none. */
static int64_t next_duplicate(const struct findings *found, int64_t from)
{
    while (from < found->n && found->duplicate_of[from] < 0)
        ++from;
    return from;
}

/* What reading is done in. */
struct batch {
    float *elements;     /* [READ_AT_ONCE][count] */
    size_t sample_bytes; /* of one sample's elements */
    int64_t first;
    int64_t n;
};

static void add_print(
    struct findings *found, const float *elements, size_t bytes, int64_t sample)
{
    struct fingerprint *print = &found->prints[found->n_prints++];
    struct cop_sha256 sha;
    cop_sha256_init(&sha);
    cop_sha256_add(&sha, elements, bytes);
    cop_sha256_finish(&sha, print->digest);
    print->sample = sample;
}

static void add_unreadable(
    struct findings *found, int64_t sample, const struct cop_err *why)
{
    if (found->unreadable < MAX_SHOWN) {
        found->first_unreadable[found->unreadable] = sample;
        snprintf(
            found->unreadable_why[found->unreadable],
            sizeof found->unreadable_why[0],
            "%s",
            why->text);
    }
    ++found->unreadable;
}

/* Reads a batch together or, when one of its samples cannot be read, one by one: an
 * unreadable sample is a finding, not a failure. */
static enum cop_status look_at(
    const struct cop_dataset *dataset,
    const struct batch *batch,
    struct findings *found,
    struct cop_err *err)
{
    int64_t samples[READ_AT_ONCE];
    struct cop_err why = {.status = COP_OK};
    const size_t count = batch->sample_bytes / sizeof(float);
    for (int64_t i = 0; i < batch->n; ++i) {
        samples[i] = batch->first + i;
        const int32_t label = cop_dataset_label(dataset, samples[i]);
        if (label >= 0 && label < found->n_classes)
            ++found->class_n[label];
        else
            ++found->unlabelled;
    }
    enum cop_status status =
        cop_dataset_read(dataset, samples, batch->n, batch->elements, &why);
    const bool is_whole = status == COP_OK;
    for (int64_t i = 0; i < batch->n && status != COP_ENOMEM; ++i) {
        float *elements = batch->elements + (size_t)i * count;
        if (!is_whole)
            status = cop_dataset_read(dataset, &samples[i], 1, elements, &why);
        if (status == COP_OK)
            add_print(found, elements, batch->sample_bytes, samples[i]);
        else if (status != COP_ENOMEM)
            add_unreadable(found, samples[i], &why);
    }
    return status == COP_ENOMEM ? COP_FAIL_NOMEM(err) : COP_OK;
}

static enum cop_status look(
    struct cop_cli *cli,
    const struct cop_dataset *dataset,
    struct findings *found,
    struct cop_err *err)
{
    int64_t shape[3];
    cop_dataset_sample_shape(dataset, shape);
    struct batch batch = {
        .sample_bytes = (size_t)(shape[0] * shape[1] * shape[2]) * sizeof(float)};
    batch.elements = cop_mem_array(READ_AT_ONCE, batch.sample_bytes);
    found->n = cop_dataset_n(dataset);
    found->n_classes = cop_dataset_n_classes(dataset);
    found->class_n = COP_ARENA_NEW_N(cli->arena, found->n_classes + 1, int64_t);
    found->prints = cop_mem_array((size_t)found->n, sizeof *found->prints);
    enum cop_status status = COP_OK;
    found->duplicate_of = COP_ARENA_NEW_N(cli->arena, found->n + 1, int64_t);
    if (batch.elements == NULL || found->class_n == NULL || found->prints == NULL ||
        found->duplicate_of == NULL)
        status = COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < found->n && status == COP_OK; ++i)
        found->duplicate_of[i] = -1;
    while (batch.first < found->n && status == COP_OK) {
        batch.n = found->n - batch.first;
        if (batch.n > READ_AT_ONCE) batch.n = READ_AT_ONCE;
        status = cop_progress_check(&cli->progress, err);
        if (status == COP_OK) status = look_at(dataset, &batch, found, err);
        batch.first += batch.n;
        cop_progress_step(&cli->progress, "check", batch.first, found->n);
    }
    if (status == COP_OK) find_duplicates(dataset, found);
    cop_mem_free(found->prints);
    found->prints = NULL;
    cop_mem_free(batch.elements);
    return status;
}

/* Largest over smallest class; NaN without two classes, infinity with an empty one. */
static double imbalance(const struct findings *found)
{
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int32_t c = 0; c < found->n_classes; ++c) {
        if (found->class_n[c] < least) least = found->class_n[c];
        if (found->class_n[c] > most) most = found->class_n[c];
    }
    if (found->n_classes < 2) return (double)NAN;
    return least > 0 ? (double)most / (double)least : (double)INFINITY;
}

static void print_findings(
    const struct cop_dataset *dataset, const struct findings *found)
{
    char name[NAME_BYTES];
    char other[NAME_BYTES];
    const double ratio = imbalance(found);
    if (isinf(ratio))
        puts("balance      a class has no samples");
    else if (!isnan(ratio))
        printf("balance      the largest class has %.2f times the smallest\n", ratio);
    printf("unlabelled   %lld\n", (long long)found->unlabelled);
    printf("unreadable   %lld\n", (long long)found->unreadable);
    for (int64_t i = 0; i < found->unreadable && i < MAX_SHOWN; ++i)
        printf("             %s\n", found->unreadable_why[i]);
    printf("duplicates   %lld", (long long)found->duplicates);
    if (found->conflicts > 0)
        printf(", %lld of them with another label", (long long)found->conflicts);
    putchar('\n');
    int64_t sample = next_duplicate(found, 0);
    for (int i = 0; sample < found->n && i < MAX_SHOWN; ++i) {
        const int64_t first = found->duplicate_of[sample];
        printf(
            "             %s is %s\n",
            cop_dataset_sample_name(dataset, sample, name, sizeof name),
            cop_dataset_sample_name(dataset, first, other, sizeof other));
        sample = next_duplicate(found, sample + 1);
    }
    if (found->duplicates > MAX_SHOWN) puts("             ...");
}

static enum cop_status print_text(
    struct cop_cli *cli,
    const struct cop_dataset *dataset,
    const struct findings *found,
    struct cop_err *err)
{
    static const char *const heads[] = {"<class", ">samples", ">%", NULL};
    char text[COP_NUMBER_TEXT];
    printf("data         %s\n", cli->words[0]);
    printf("samples      %s\n", cop_text_count(text, found->n));
    printf("classes      %d\n", found->n_classes);
    print_findings(dataset, found);
    if (found->n_classes == 0) return COP_OK;
    putchar('\n');
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    for (int32_t c = 0; c < found->n_classes; ++c) {
        cop_table_add(&table, "%s", cop_dataset_class_name(dataset, c));
        cop_table_add(&table, "%s", cop_text_count(text, found->class_n[c]));
        cop_table_add(
            &table, "%.2f", 100 * (double)found->class_n[c] / (double)found->n);
    }
    return cop_table_print(&table, err);
}

static enum cop_status print_json(
    struct cop_cli *cli,
    const struct cop_dataset *dataset,
    const struct findings *found,
    struct cop_err *err)
{
    char name[NAME_BYTES];
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "data", cli->words[0]);
    cop_json_count(cli, document, "n", found->n);
    cop_json_number(cli, document, "imbalance", imbalance(found));
    cop_json_count(cli, document, "unlabelled", found->unlabelled);
    cop_json_count(cli, document, "unreadable", found->unreadable);
    cJSON *broken = cop_json_array(cli, document, "first_unreadable");
    for (int64_t i = 0; i < found->unreadable && i < MAX_SHOWN; ++i) {
        cJSON *element = cop_json_element(cli, broken);
        cop_dataset_sample_name(dataset, found->first_unreadable[i], name, sizeof name);
        cop_json_text(cli, element, "sample", name);
        cop_json_text(cli, element, "why", found->unreadable_why[i]);
    }
    cop_json_count(cli, document, "duplicates", found->duplicates);
    cop_json_count(cli, document, "conflicts", found->conflicts);
    cJSON *equal = cop_json_array(cli, document, "first_duplicates");
    int64_t sample = next_duplicate(found, 0);
    for (int i = 0; sample < found->n && i < MAX_SHOWN; ++i) {
        cJSON *element = cop_json_element(cli, equal);
        const int64_t first = found->duplicate_of[sample];
        cop_dataset_sample_name(dataset, sample, name, sizeof name);
        cop_json_text(cli, element, "sample", name);
        cop_dataset_sample_name(dataset, first, name, sizeof name);
        cop_json_text(cli, element, "equals", name);
        sample = next_duplicate(found, sample + 1);
    }
    cJSON *classes = cop_json_array(cli, document, "per_class");
    for (int32_t c = 0; c < found->n_classes; ++c) {
        cJSON *element = cop_json_element(cli, classes);
        cop_json_text(cli, element, "class", cop_dataset_class_name(dataset, c));
        cop_json_count(cli, element, "n", found->class_n[c]);
    }
    return cop_json_print(cli, document, err);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    (void)given;
    struct cop_dataset *dataset = NULL;
    struct findings found = {.n = 0};
    COP_TRY(cop_cli_open_store(cli, err));
    COP_TRY(cop_project_open_dataset(cli->store, cli->words[0], &dataset, NULL, err));
    enum cop_status status = look(cli, dataset, &found, err);
    if (status == COP_OK)
        status = cli->is_json ? print_json(cli, dataset, &found, err)
                              : print_text(cli, dataset, &found, err);
    cop_dataset_close(dataset);
    if (status == COP_OK && found.unreadable > 0)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "data '%s': %lld of %lld samples are unreadable",
            cli->words[0],
            (long long)found.unreadable,
            (long long)found.n);
    return status;
}

const struct cop_verb cop_verb_data_check = {
    .name = "data check",
    .summary = "class counts, unreadable samples, duplicates",
    .operands = "NAME",
    .examples = "coppice data check val",
    .about = "Reads every sample once.  Duplicates are samples that are equal after\n"
             "preprocessing; those with different labels are called conflicts.  Exit "
             "status\n"
             "3 when a sample cannot be read.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 1,
    .max_words = 1,
    .run = run};
