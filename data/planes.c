/* data/planes.c - data sets of raw bytes: CIFAR-10 binary, IDX, label-and-planes records.
 * Files are mapped, never copied; every size is checked against the file before use. */
#include "data/source.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RECORD_BYTES = 3 << 26 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Maps a file of records into the data set. */
static enum cop_status add_mapped(
    struct cop_dataset *dataset,
    const char *path,
    struct cop_buf **bytes,
    struct cop_err *err)
{
    const char *kept = cop_arena_strdup(dataset->arena, path);
    if (kept == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_buf_map(path, bytes, err));
    return cop_data__add_file(dataset, kept, base_name(kept), *bytes, err);
}

/* Names from the file given, else the numbers 0 to the highest label. */
static enum cop_status name_classes(
    struct cop_dataset *dataset, const char *path, struct cop_err *err)
{
    int32_t highest = -1;
    for (int64_t i = 0; i < dataset->n; i++) {
        if (dataset->samples[i].label > highest) highest = dataset->samples[i].label;
    }
    if (highest < 0) return COP_OK;
    struct cop_data__names names;
    if (path != NULL) {
        COP_TRY(cop_data__read_names(dataset, path, &names, err));
        if (names.n <= highest || names.n > 256) {
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "%s has %lld class names, the labels go up to %d",
                path,
                (long long)names.n,
                highest);
        }
    } else {
        names.n = highest + 1;
        names.name = COP_ARENA_NEW_N(dataset->arena, names.n, const char *);
        if (names.name == NULL) return COP_FAIL_NOMEM(err);
        for (int64_t i = 0; i < names.n; i++) {
            names.name[i] = cop_arena_printf(dataset->arena, "%lld", (long long)i);
            if (names.name[i] == NULL) return COP_FAIL_NOMEM(err);
        }
    }
    dataset->class_names = names.name;
    dataset->n_classes = (int32_t)names.n;
    return COP_OK;
}

/* A file of records of one label byte and the planes of dataset->plane_shape. */
static enum cop_status add_records(
    struct cop_dataset *dataset, const char *path, struct cop_err *err)
{
    const int64_t *shape = dataset->plane_shape;
    const int64_t record = 1 + shape[0] * shape[1] * shape[2];
    struct cop_buf *bytes = NULL;
    COP_TRY(add_mapped(dataset, path, &bytes, err));
    const uint8_t *data = cop_buf_data(bytes);
    const int64_t n_bytes = (int64_t)cop_buf_bytes(bytes);
    if (n_bytes == 0 || n_bytes % record != 0) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "%s: %lld bytes are no whole number of records of %lld",
            path,
            (long long)n_bytes,
            (long long)record);
    }
    for (int64_t at = 0; at < n_bytes; at += record) {
        const struct cop_data__sample sample = {
            .file = dataset->n_files - 1, .offset = at + 1, .label = data[at]};
        COP_TRY(cop_data__add_sample(dataset, sample, err));
    }
    return COP_OK;
}

static enum cop_status check_plane_shape(
    const char *path, const int64_t shape[3], struct cop_err *err)
{
    bool good = shape[0] == 1 || shape[0] == 3;
    for (int i = 1; i < 3; i++) {
        good = good && shape[i] >= 1 && shape[i] <= COP_DATA__MAX_SIDE;
    }
    if (good && shape[1] * shape[2] <= COP_DATA__MAX_PIXELS) return COP_OK;
    return COP_FAIL(
        err,
        COP_EFORMAT,
        "%s: pictures of %lldx%lldx%lld (channels, height, width) are not supported",
        path,
        (long long)shape[0],
        (long long)shape[1],
        (long long)shape[2]);
}

enum cop_status cop_data__open_records(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err)
{
    memcpy(dataset->plane_shape, source->record_shape, sizeof dataset->plane_shape);
    COP_TRY(check_plane_shape(source->path, dataset->plane_shape, err));
    COP_TRY(add_records(dataset, source->path, err));
    return name_classes(dataset, source->labels, err);
}

enum cop_status cop_data__open_cifar(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err)
{
    static const char *const endings[] = {".bin", NULL};
    memcpy(dataset->plane_shape, (int64_t[3]){3, 32, 32}, sizeof dataset->plane_shape);
    const char *labels = source->labels;
    if (!cop_file_is_dir(source->path)) {
        COP_TRY(add_records(dataset, source->path, err));
        return name_classes(dataset, labels, err);
    }
    struct cop_data__names names;
    COP_TRY(cop_data__list_files(dataset, source->path, endings, &names, err));
    for (int64_t i = 0; i < names.n; i++) {
        const char *path =
            cop_arena_printf(dataset->arena, "%s/%s", source->path, names.name[i]);
        if (path == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(add_records(dataset, path, err));
    }
    const char *beside =
        cop_arena_printf(dataset->arena, "%s/batches.meta.txt", source->path);
    if (beside == NULL) return COP_FAIL_NOMEM(err);
    if (labels == NULL && cop_file_exists(beside)) labels = beside;
    return name_classes(dataset, labels, err);
}

/* The head of an IDX file: magic 0 0 type rank, then big-endian extents. */
struct idx_head {
    int32_t rank;
    int64_t dim[4];
    int64_t n_elements;
    int64_t first; /* offset of the data */
};

static int64_t big_endian(const uint8_t *bytes)
{
    return (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static enum cop_status idx_read_head(
    const char *path,
    const struct cop_buf *bytes,
    struct idx_head *head,
    struct cop_err *err)
{
    const uint8_t *data = cop_buf_data(bytes);
    const int64_t n_bytes = (int64_t)cop_buf_bytes(bytes);
    if (n_bytes >= 2 && data[0] == 0x1f && data[1] == 0x8b) {
        return COP_FAIL(
            err, COP_EFORMAT, "%s is compressed with gzip; unpack it first", path);
    }
    if (n_bytes < 4 || data[0] != 0 || data[1] != 0 || data[2] != 8 || data[3] < 1 ||
        data[3] > 4) {
        return COP_FAIL(
            err, COP_EFORMAT, "%s is no IDX file of bytes of rank 1 to 4", path);
    }
    *head =
        (struct idx_head){.rank = data[3], .n_elements = 1, .first = 4 + 4 * data[3]};
    if (n_bytes < head->first) return COP_FAIL(err, COP_EFORMAT, "%s ends early", path);
    size_t n_elements = 1;
    bool overflow = false;
    for (int32_t i = 0; i < head->rank; i++) {
        head->dim[i] = big_endian(data + 4 + 4 * (size_t)i);
        overflow =
            overflow || cop_mul_overflow(n_elements, (size_t)head->dim[i], &n_elements);
    }
    if (overflow || n_elements != (size_t)(n_bytes - head->first)) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "%s: its head asks for %zu elements, %lld are there",
            path,
            overflow ? SIZE_MAX : n_elements,
            (long long)(n_bytes - head->first));
    }
    head->n_elements = (int64_t)n_elements;
    return COP_OK;
}

/* The first place of @p old in the base name of @p path, replaced. NULL when not there. */
static char *replaced(
    struct cop_arena *arena, const char *path, const char *old, const char *with)
{
    const char *base = base_name(path);
    const char *at = strstr(base, old);
    if (at == NULL) return NULL;
    return cop_arena_printf(
        arena, "%.*s%s%s", (int)(at - path), path, with, at + strlen(old));
}

/* "train-images-idx3-ubyte" has its labels in "train-labels-idx1-ubyte". */
static const char *labels_beside(struct cop_dataset *dataset, const char *path)
{
    static const char *const ranks[] = {"idx3", "idx4"};
    const char *beside = replaced(dataset->arena, path, "images", "labels");
    for (int i = 0; i < 2 && beside != NULL; i++) {
        const char *ranked = replaced(dataset->arena, beside, ranks[i], "idx1");
        if (ranked != NULL) beside = ranked;
    }
    return beside != NULL && cop_file_exists(beside) ? beside : NULL;
}

/* A label file starts with the magic of IDX rank 1; a file of names never does. */
static bool is_idx_labels(const char *path)
{
    static const uint8_t magic[4] = {0, 0, 8, 1};
    struct cop_buf *bytes = NULL;
    if (cop_buf_map(path, &bytes, NULL) != COP_OK) return false;
    const bool is = cop_buf_bytes(bytes) >= sizeof magic &&
                    memcmp(cop_buf_data(bytes), magic, sizeof magic) == 0;
    cop_buf_release(bytes);
    return is;
}

static enum cop_status read_idx_labels(
    struct cop_dataset *dataset, const char *path, struct cop_err *err)
{
    struct cop_buf *bytes = NULL;
    struct idx_head head = {0};
    COP_TRY(cop_buf_map(path, &bytes, err));
    enum cop_status status = idx_read_head(path, bytes, &head, err);
    if (status == COP_OK && (head.rank != 1 || head.n_elements != dataset->n)) {
        status = COP_FAIL(
            err,
            COP_EFORMAT,
            "%s: %lld labels of rank %d for %lld pictures",
            path,
            (long long)head.n_elements,
            head.rank,
            (long long)dataset->n);
    }
    if (status == COP_OK) {
        const uint8_t *labels = (const uint8_t *)cop_buf_data(bytes) + head.first;
        for (int64_t i = 0; i < dataset->n; i++)
            dataset->samples[i].label = labels[i];
    }
    cop_buf_release(bytes);
    return status;
}

/* Planes or pixels: whichever axis can be channels decides, planes first. */
static enum cop_status idx_shape(
    struct cop_dataset *dataset,
    const char *path,
    const struct idx_head *head,
    struct cop_err *err)
{
    const int64_t *dim = head->dim;
    int64_t *shape = dataset->plane_shape;
    shape[0] = 1;
    shape[1] = dim[1];
    shape[2] = dim[2];
    if (head->rank == 4) {
        dataset->interleaved = dim[1] != 1 && dim[1] != 3;
        shape[0] = dataset->interleaved ? dim[3] : dim[1];
        shape[1] = dataset->interleaved ? dim[1] : dim[2];
        shape[2] = dataset->interleaved ? dim[2] : dim[3];
    } else if (head->rank != 3) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "%s: IDX pictures of rank %d, not 3 or 4",
            path,
            head->rank);
    }
    return check_plane_shape(path, shape, err);
}

enum cop_status cop_data__open_idx(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err)
{
    struct cop_buf *bytes = NULL;
    struct idx_head head = {0};
    COP_TRY(add_mapped(dataset, source->path, &bytes, err));
    COP_TRY(idx_read_head(source->path, bytes, &head, err));
    COP_TRY(idx_shape(dataset, source->path, &head, err));
    const int64_t *shape = dataset->plane_shape;
    const int64_t record = shape[0] * shape[1] * shape[2];
    for (int64_t i = 0; i < head.dim[0]; i++) {
        const struct cop_data__sample sample = {
            .offset = head.first + i * record, .label = -1};
        COP_TRY(cop_data__add_sample(dataset, sample, err));
    }
    const bool given = source->labels != NULL && is_idx_labels(source->labels);
    const char *labels = given ? source->labels : labels_beside(dataset, source->path);
    if (labels != NULL) COP_TRY(read_idx_labels(dataset, labels, err));
    return name_classes(dataset, given ? NULL : source->labels, err);
}
