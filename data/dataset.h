/* data/dataset.h - labelled samples in batches, preprocessed to NCHW float32.
 *
 * Opens an ImageFolder (JPEG, PNG; classes are the sorted folder names), a flat folder of
 * images (unlabelled), CIFAR-10 binary files, IDX (MNIST family, images and labels), or raw
 * records (label byte + planes).  Nothing is copied: samples are decoded when read.  Reading
 * different samples from several threads is safe. */
#ifndef COP_DATA_DATASET_H
#define COP_DATA_DATASET_H

#include "base/err.h"
#include "data/preprocess.h"

#include <stddef.h>
#include <stdint.h>

struct cop_dataset;

enum cop_data_format {
    COP_DATA_AUTO,
    COP_DATA_FOLDER, /* folder of class folders, or of images */
    COP_DATA_CIFAR,  /* one .bin file or a folder of them: 1 + 3072 bytes a record */
    COP_DATA_IDX,    /* images-idx3-ubyte; labels beside it or given */
    COP_DATA_RECORDS /* label byte + c * h * w bytes a record */
};

struct cop_data_source {
    enum cop_data_format format;
    const char *path;
    const char
        *labels; /* class names, one a line (file), or IDX label file; may be NULL */
    int64_t record_shape[3]; /* c, h, w of COP_DATA_RECORDS */
};

/** COP_ENOTFOUND, COP_EFORMAT, COP_EIO, COP_ENOMEM.  Lists files; decodes nothing. */
COP_NODISCARD enum cop_status cop_dataset_open(
    const struct cop_data_source *source,
    const struct cop_preprocess *preprocess,
    struct cop_dataset **dataset,
    struct cop_err *err);
void cop_dataset_close(struct cop_dataset *dataset);

/** What it turned out to be; never COP_DATA_AUTO. */
enum cop_data_format cop_dataset_format(const struct cop_dataset *dataset);
int64_t cop_dataset_n(const struct cop_dataset *dataset);
/** 0 when unlabelled. */
int32_t cop_dataset_n_classes(const struct cop_dataset *dataset);
const char *cop_dataset_class_name(const struct cop_dataset *dataset, int32_t label);
/** -1 when unlabelled. */
int32_t cop_dataset_label(const struct cop_dataset *dataset, int64_t sample);
/** File name, or "record 17". Writes into @p text, returns it. */
char *cop_dataset_sample_name(
    const struct cop_dataset *dataset, int64_t sample, char *text, size_t text_bytes);
const struct cop_preprocess *cop_dataset_preprocess(const struct cop_dataset *dataset);
/** c, h, w of one preprocessed sample. */
void cop_dataset_sample_shape(const struct cop_dataset *dataset, int64_t shape[3]);

/** Decodes and preprocesses samples[0..n) into dst [n][c][h][w], several at a time.
 *  The error names the sample. COP_EIO, COP_EFORMAT, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_dataset_read(
    const struct cop_dataset *dataset,
    const int64_t *samples,
    int64_t n,
    float *dst,
    struct cop_err *err);

/** The picture as a person would see it after resize and crop, before normalisation:
 *  8-bit RGB [h][w][3], for reports.  COP_EIO, COP_EFORMAT, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_dataset_read_rgb(
    const struct cop_dataset *dataset,
    int64_t sample,
    uint8_t *rgb,
    struct cop_err *err);

/** SHA-256 over names, labels and file contents in order: what "the same data" means. */
COP_NODISCARD enum cop_status cop_dataset_hash(
    const struct cop_dataset *dataset, char hex[65], struct cop_err *err);

/** SHA-256 of one sample's own bytes, as they lie in its file: no name, no label.
 *  COP_EIO, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_dataset_sample_hash(
    const struct cop_dataset *dataset,
    int64_t sample,
    uint8_t digest[32],
    struct cop_err *err);

/** @p n distinct samples, spread evenly over classes, from a seed; in ascending order.
 *  n is lowered to what there is. */
COP_NODISCARD enum cop_status cop_dataset_draw(
    const struct cop_dataset *dataset,
    uint64_t seed,
    int64_t *n,
    int64_t *samples,
    struct cop_err *err);

#endif
