/* data/dataset.c - opening, asking and reading data sets; see source.h for the inside. */
#include "data/dataset.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/par.h"
#include "data/source.h"

#include <stdio.h>
#include <string.h>

/* Room for one more element of a growing array of the data set. */
static enum cop_status make_room(
    void **array, int64_t n, int64_t *room, size_t size, struct cop_err *err)
{
    if (n < *room) return COP_OK;
    const int64_t more = *room == 0 ? 256 : *room * 2;
    void *grown = cop_mem_grow(*array, (size_t)*room, (size_t)more, size);
    if (grown == NULL) return COP_FAIL_NOMEM(err);
    *array = grown;
    *room = more;
    return COP_OK;
}

enum cop_status cop_data__add_file(
    struct cop_dataset *dataset,
    const char *path,
    const char *name,
    struct cop_buf *bytes,
    struct cop_err *err)
{
    void *array = dataset->files;
    const enum cop_status status = make_room(
        &array, dataset->n_files, &dataset->files_room, sizeof *dataset->files, err);
    if (status != COP_OK) {
        cop_buf_release(bytes);
        return status;
    }
    dataset->files = array;
    dataset->files[dataset->n_files++] = (struct cop_data__file){path, name, bytes};
    return COP_OK;
}

enum cop_status cop_data__add_sample(
    struct cop_dataset *dataset, struct cop_data__sample sample, struct cop_err *err)
{
    void *array = dataset->samples;
    COP_TRY(make_room(
        &array, dataset->n, &dataset->samples_room, sizeof *dataset->samples, err));
    dataset->samples = array;
    dataset->samples[dataset->n++] = sample;
    return COP_OK;
}

/* A folder is CIFAR when it holds .bin files and neither folders nor pictures. */
static enum cop_status guess_folder(
    struct cop_dataset *dataset,
    const char *path,
    enum cop_data_format *format,
    struct cop_err *err)
{
    static const char *const pictures[] = {".jpg", ".jpeg", ".png", NULL};
    static const char *const records[] = {".bin", NULL};
    struct cop_data__names names;
    *format = COP_DATA_FOLDER;
    COP_TRY(cop_data__list_folders(dataset, path, &names, err));
    if (names.n > 0) return COP_OK;
    COP_TRY(cop_data__list_files(dataset, path, pictures, &names, err));
    if (names.n > 0) return COP_OK;
    COP_TRY(cop_data__list_files(dataset, path, records, &names, err));
    if (names.n > 0) *format = COP_DATA_CIFAR;
    return COP_OK;
}

static enum cop_status guess_file(
    const struct cop_data_source *source,
    enum cop_data_format *format,
    struct cop_err *err)
{
    struct cop_buf *bytes = NULL;
    COP_TRY(cop_buf_map(source->path, &bytes, err));
    const uint8_t *data = cop_buf_data(bytes);
    const size_t n = cop_buf_bytes(bytes);
    *format = COP_DATA_AUTO;
    if (source->record_shape[0] != 0) {
        *format = COP_DATA_RECORDS;
    } else if (n >= 4 && data[0] == 0 && data[1] == 0 && data[2] == 8 && data[3] >= 3) {
        *format = COP_DATA_IDX;
    } else if (n > 0 && n % COP_DATA__CIFAR_RECORD == 0) {
        *format = COP_DATA_CIFAR;
    }
    cop_buf_release(bytes);
    if (*format != COP_DATA_AUTO) return COP_OK;
    return COP_FAIL(
        err,
        COP_EFORMAT,
        "%s is neither a folder of pictures, IDX pictures nor CIFAR-10 records; give "
        "the "
        "record shape if it holds raw records",
        source->path);
}

static enum cop_status fill(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err)
{
    enum cop_data_format format = source->format;
    if (!cop_file_exists(source->path)) {
        return COP_FAIL(err, COP_ENOTFOUND, "no file or folder %s", source->path);
    }
    if (format == COP_DATA_AUTO && cop_file_is_dir(source->path)) {
        COP_TRY(guess_folder(dataset, source->path, &format, err));
    } else if (format == COP_DATA_AUTO) {
        COP_TRY(guess_file(source, &format, err));
    }
    if (format == COP_DATA_AUTO) format = COP_DATA_FOLDER;
    dataset->format = format;
    switch (format) {
    case COP_DATA_CIFAR: return cop_data__open_cifar(dataset, source, err);
    case COP_DATA_IDX: return cop_data__open_idx(dataset, source, err);
    case COP_DATA_RECORDS: return cop_data__open_records(dataset, source, err);
    case COP_DATA_FOLDER:
    case COP_DATA_AUTO: break;
    }
    return cop_data__open_folder(dataset, source, err);
}

enum cop_status cop_dataset_open(
    const struct cop_data_source *source,
    const struct cop_preprocess *preprocess,
    struct cop_dataset **dataset,
    struct cop_err *err)
{
    *dataset = NULL;
    struct cop_dataset *opened = cop_mem_array(1, sizeof *opened);
    if (opened == NULL) return COP_FAIL_NOMEM(err);
    opened->preprocess = *preprocess;
    opened->arena = cop_arena_create();
    enum cop_status status =
        opened->arena != NULL ? fill(opened, source, err) : COP_FAIL_NOMEM(err);
    if (status == COP_OK && opened->n == 0) {
        status = COP_FAIL(err, COP_EFORMAT, "no pictures in %s", source->path);
    }
    if (status == COP_OK) {
        *dataset = opened;
    } else {
        cop_dataset_close(opened);
    }
    return status;
}

void cop_dataset_close(struct cop_dataset *dataset)
{
    if (dataset == NULL) return;
    for (int64_t i = 0; i < dataset->n_files; i++) {
        cop_buf_release(dataset->files[i].bytes);
    }
    cop_mem_free(dataset->files);
    cop_mem_free(dataset->samples);
    cop_arena_destroy(dataset->arena);
    cop_mem_free(dataset);
}

enum cop_data_format cop_dataset_format(const struct cop_dataset *dataset)
{
    return dataset->format;
}

int64_t cop_dataset_n(const struct cop_dataset *dataset)
{
    return dataset->n;
}

int32_t cop_dataset_n_classes(const struct cop_dataset *dataset)
{
    return dataset->n_classes;
}

const char *cop_dataset_class_name(const struct cop_dataset *dataset, int32_t label)
{
    return label >= 0 && label < dataset->n_classes ? dataset->class_names[label] : "";
}

int32_t cop_dataset_label(const struct cop_dataset *dataset, int64_t sample)
{
    return dataset->samples[sample].label;
}

char *cop_dataset_sample_name(
    const struct cop_dataset *dataset, int64_t sample, char *text, size_t text_bytes)
{
    const struct cop_data__file *file = &dataset->files[dataset->samples[sample].file];
    if (file->bytes != NULL) {
        (void)snprintf(text, text_bytes, "record %lld", (long long)sample);
    } else {
        (void)snprintf(text, text_bytes, "%s", file->name);
    }
    return text;
}

const struct cop_preprocess *cop_dataset_preprocess(const struct cop_dataset *dataset)
{
    return &dataset->preprocess;
}

void cop_dataset_sample_shape(const struct cop_dataset *dataset, int64_t shape[3])
{
    shape[0] = dataset->preprocess.channels;
    shape[1] = dataset->preprocess.height;
    shape[2] = dataset->preprocess.width;
}

/* A picture from a record of planes, or of pixels. */
static enum cop_status picture_of_record(
    const struct cop_dataset *dataset,
    const uint8_t *record,
    struct cop_data__picture *picture,
    struct cop_err *err)
{
    const int64_t *shape = dataset->plane_shape;
    const int64_t n = shape[1] * shape[2];
    COP_TRY(cop_data__picture_create(picture, shape[2], shape[1], shape[0], err));
    if (dataset->interleaved || shape[0] == 1) {
        memcpy(picture->pixels, record, (size_t)(shape[0] * n));
        return COP_OK;
    }
    for (int64_t c = 0; c < shape[0]; c++) {
        for (int64_t i = 0; i < n; i++) {
            picture->pixels[i * shape[0] + c] = record[c * n + i];
        }
    }
    return COP_OK;
}

static enum cop_status picture_of_file(
    const char *path, struct cop_data__picture *picture, struct cop_err *err)
{
    char *bytes = NULL;
    size_t n = 0;
    COP_TRY(cop_file_read(path, COP_DATA__MAX_FILE_BYTES, &bytes, &n, err));
    const enum cop_status status =
        cop_data__decode((const uint8_t *)bytes, n, picture, err);
    cop_mem_free(bytes);
    if (status != COP_OK) cop_err_in(err, "%s", path);
    return status;
}

/* The framed picture of one sample; the caller clears it, also after failure. */
static enum cop_status read_framed(
    const struct cop_dataset *dataset,
    int64_t sample,
    struct cop_data__picture *picture,
    struct cop_err *err)
{
    if (sample < 0 || sample >= dataset->n) {
        return COP_FAIL(
            err,
            COP_EINVAL,
            "sample %lld of a data set of %lld",
            (long long)sample,
            (long long)dataset->n);
    }
    const struct cop_data__sample *entry = &dataset->samples[sample];
    const struct cop_data__file *file = &dataset->files[entry->file];
    if (file->bytes != NULL) {
        const uint8_t *bytes = cop_buf_data(file->bytes);
        COP_TRY(picture_of_record(dataset, bytes + entry->offset, picture, err));
    } else {
        COP_TRY(picture_of_file(file->path, picture, err));
    }
    const enum cop_status status = cop_data__frame(picture, &dataset->preprocess, err);
    if (status != COP_OK) cop_err_in(err, "%s", file->path);
    return status;
}

struct batch {
    const struct cop_dataset *dataset;
    const int64_t *samples;
    float *dst;
};

static enum cop_status read_one(void *context, int64_t i, struct cop_err *err)
{
    const struct batch *batch = context;
    const struct cop_preprocess *preprocess = &batch->dataset->preprocess;
    const int64_t n_elements =
        preprocess->channels * preprocess->height * preprocess->width;
    struct cop_data__picture picture = {0};
    const enum cop_status status =
        read_framed(batch->dataset, batch->samples[i], &picture, err);
    if (status == COP_OK) {
        cop_data__normalise(&picture, preprocess, batch->dst + i * n_elements);
    }
    cop_data__picture_clear(&picture);
    return status;
}

enum cop_status cop_dataset_read(
    const struct cop_dataset *dataset,
    const int64_t *samples,
    int64_t n,
    float *dst,
    struct cop_err *err)
{
    struct batch batch = {.dataset = dataset, .samples = samples};
    batch.dst = dst;
    return cop_par_for(n, read_one, &batch, err);
}

enum cop_status cop_dataset_read_rgb(
    const struct cop_dataset *dataset,
    int64_t sample,
    uint8_t *rgb,
    struct cop_err *err)
{
    struct cop_data__picture picture = {0};
    enum cop_status status = read_framed(dataset, sample, &picture, err);
    if (status == COP_OK) status = cop_data__picture_convert(&picture, 3, err);
    if (status == COP_OK) {
        memcpy(rgb, picture.pixels, (size_t)(picture.width * picture.height * 3));
    }
    cop_data__picture_clear(&picture);
    return status;
}
