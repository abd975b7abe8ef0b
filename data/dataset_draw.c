/* data/dataset_draw.c - what identifies a data set, and drawing samples from it. */
#include "data/dataset.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

struct digests {
    const struct cop_dataset *dataset;
    uint8_t (*digest)[32]; /* [n_files] */
};

static void hash_bytes(const void *bytes, size_t n, uint8_t digest[32])
{
    struct cop_sha256 sha;
    cop_sha256_init(&sha);
    cop_sha256_add(&sha, bytes, n);
    cop_sha256_finish(&sha, digest);
}

static enum cop_status hash_picture(
    const struct cop_data__file *file, uint8_t digest[32], struct cop_err *err)
{
    char *bytes = NULL;
    size_t n = 0;
    COP_TRY(cop_file_read(file->path, COP_DATA__MAX_FILE_BYTES, &bytes, &n, err));
    hash_bytes(bytes, n, digest);
    cop_mem_free(bytes);
    return COP_OK;
}

static enum cop_status digest_file(void *context, int64_t i, struct cop_err *err)
{
    const struct digests *digests = context;
    const struct cop_data__file *file = &digests->dataset->files[i];
    if (file->bytes == NULL) return hash_picture(file, digests->digest[i], err);
    hash_bytes(
        cop_buf_data(file->bytes), cop_buf_bytes(file->bytes), digests->digest[i]);
    return COP_OK;
}

enum cop_status cop_dataset_sample_hash(
    const struct cop_dataset *dataset,
    int64_t i,
    uint8_t digest[32],
    struct cop_err *err)
{
    const struct cop_data__sample *sample = &dataset->samples[i];
    const struct cop_data__file *file = &dataset->files[sample->file];
    const int64_t *shape = dataset->plane_shape;
    if (file->bytes == NULL) return hash_picture(file, digest, err);
    hash_bytes(
        (const char *)cop_buf_data(file->bytes) + sample->offset,
        (size_t)(shape[0] * shape[1] * shape[2]),
        digest);
    return COP_OK;
}

/* Class names, then name and digest of every file, then the labels: strings with their
 * terminators, numbers little-endian. */
static void hash_parts(const struct digests *digests, struct cop_sha256 *sha)
{
    const struct cop_dataset *dataset = digests->dataset;
    for (int32_t i = 0; i < dataset->n_classes; i++) {
        const char *name = dataset->class_names[i];
        cop_sha256_add(sha, name, strlen(name) + 1);
    }
    for (int64_t i = 0; i < dataset->n_files; i++) {
        const char *name = dataset->files[i].name;
        cop_sha256_add(sha, name, strlen(name) + 1);
        cop_sha256_add(sha, digests->digest[i], sizeof digests->digest[i]);
    }
    for (int64_t i = 0; i < dataset->n; i++) {
        const uint32_t label = (uint32_t)dataset->samples[i].label;
        const uint8_t bytes[4] = {
            (uint8_t)label,
            (uint8_t)(label >> 8),
            (uint8_t)(label >> 16),
            (uint8_t)(label >> 24)};
        cop_sha256_add(sha, bytes, sizeof bytes);
    }
}

enum cop_status cop_dataset_hash(
    const struct cop_dataset *dataset, char hex[65], struct cop_err *err)
{
    struct digests digests = {.dataset = dataset};
    digests.digest = cop_mem_array((size_t)dataset->n_files, sizeof *digests.digest);
    if (digests.digest == NULL) return COP_FAIL_NOMEM(err);
    const enum cop_status status =
        cop_par_for(dataset->n_files, digest_file, &digests, err);
    if (status == COP_OK) {
        struct cop_sha256 sha;
        uint8_t digest[32];
        cop_sha256_init(&sha);
        hash_parts(&digests, &sha);
        cop_sha256_finish(&sha, digest);
        cop_sha256_hex(digest, hex);
    }
    cop_mem_free(digests.digest);
    return status;
}

static void shuffle(struct cop_rng *rng, int64_t *items, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = cop_rng_below(rng, i + 1);
        const int64_t held = items[i];
        items[i] = items[j];
        items[j] = held;
    }
}

/* Unlabelled samples are one class. */
static int64_t class_of(const struct cop_dataset *dataset, int64_t sample)
{
    const int32_t label = dataset->samples[sample].label;
    return label < 0 ? 0 : label;
}

struct drawing {
    int64_t n_classes;
    int64_t *order; /* [n_classes] classes, shuffled: who gets the odd one out */
    int64_t *left;  /* [n_classes] samples still to be chosen from */
    int64_t *quota; /* [n_classes] samples still to choose */
    int64_t *pool;  /* [n] all samples, shuffled */
};

static void draw_quotas(struct drawing *drawing, int64_t n)
{
    while (n > 0) {
        for (int64_t i = 0; i < drawing->n_classes && n > 0; i++) {
            const int64_t class = drawing->order[i];
            if (drawing->quota[class] == drawing->left[class]) continue;
            drawing->quota[class]++;
            n--;
        }
    }
}

/* Marks in the pool by order of shuffling, then collects in ascending order. */
static void draw_samples(
    const struct cop_dataset *dataset,
    struct drawing *drawing,
    struct cop_rng *rng,
    int64_t n,
    int64_t *samples)
{
    for (int64_t i = 0; i < drawing->n_classes; i++)
        drawing->order[i] = i;
    for (int64_t i = 0; i < dataset->n; i++) {
        drawing->left[class_of(dataset, i)]++;
        drawing->pool[i] = i;
    }
    shuffle(rng, drawing->order, drawing->n_classes);
    draw_quotas(drawing, n);
    shuffle(rng, drawing->pool, dataset->n);
    int64_t n_drawn = 0;
    for (int64_t i = 0; i < dataset->n && n_drawn < n; i++) {
        int64_t *quota = &drawing->quota[class_of(dataset, drawing->pool[i])];
        if (*quota == 0) continue;
        (*quota)--;
        samples[n_drawn++] = drawing->pool[i];
    }
}

static int compare_int64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

enum cop_status cop_dataset_draw(
    const struct cop_dataset *dataset,
    uint64_t seed,
    int64_t *n,
    int64_t *samples,
    struct cop_err *err)
{
    if (*n > dataset->n) *n = dataset->n;
    struct drawing drawing = {
        .n_classes = dataset->n_classes > 0 ? dataset->n_classes : 1};
    const size_t n_classes = (size_t)drawing.n_classes;
    int64_t *block = cop_mem_array(3 * n_classes + (size_t)dataset->n, sizeof *block);
    if (block == NULL) return COP_FAIL_NOMEM(err);
    drawing.order = block;
    drawing.left = block + n_classes;
    drawing.quota = block + 2 * n_classes;
    drawing.pool = block + 3 * n_classes;
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    draw_samples(dataset, &drawing, &rng, *n, samples);
    cop_mem_free(block);
    if (*n > 1) qsort(samples, (size_t)*n, sizeof *samples, compare_int64);
    return COP_OK;
}
