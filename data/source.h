/* data/source.h - the inside of a data set, shared by its readers; private to data/.
 *
 * A data set is a list of files and a list of samples.  A sample is either a whole encoded
 * picture file or a record of raw planes at an offset of a mapped file; everything else
 * (names, labels, drawing, hashing) is the same for both. */
#ifndef COP_DATA_SOURCE_H
#define COP_DATA_SOURCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "data/dataset.h"
#include "data/picture.h"

#include <stdbool.h>

struct cop_data__file {
    const char *path;
    const char *name;      /* inside path: relative to the data set's folder */
    struct cop_buf *bytes; /* mapped file of raw records; NULL for a picture file */
};

struct cop_data__sample {
    int64_t file;
    int64_t offset; /* of the planes inside a file of raw records */
    int32_t label;  /* -1: unlabelled */
};

struct cop_dataset {
    struct cop_arena *arena; /* names and paths */
    struct cop_preprocess preprocess;
    enum cop_data_format format; /* found out, never AUTO */
    struct cop_data__file *files;
    int64_t n_files;
    int64_t files_room;
    struct cop_data__sample *samples;
    int64_t n;
    int64_t samples_room;
    const char **class_names; /* [n_classes] */
    int32_t n_classes;
    int64_t plane_shape[3]; /* c, h, w of a raw record */
    bool interleaved;       /* records are [h][w][c] instead of [c][h][w] */
};

/** Appends; @p path is kept (arena or caller's), @p bytes becomes the data set's, also on
 *  failure.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_data__add_file(
    struct cop_dataset *dataset,
    const char *path,
    const char *name,
    struct cop_buf *bytes,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_data__add_sample(
    struct cop_dataset *dataset, struct cop_data__sample sample, struct cop_err *err);

/** The sorted names in a folder: its folders, or its files with an ending of the list
 *  (NULL-terminated, any case).  Names that start with a dot are left out.
 *  COP_ENOTFOUND, COP_EIO, COP_ENOMEM. */
struct cop_data__names {
    const char **name;
    int64_t n;
};
COP_NODISCARD enum cop_status cop_data__list_folders(
    struct cop_dataset *dataset,
    const char *path,
    struct cop_data__names *names,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_data__list_files(
    struct cop_dataset *dataset,
    const char *path,
    const char *const *endings,
    struct cop_data__names *names,
    struct cop_err *err);

/** Non-empty lines of a text file of class names.  COP_ENOTFOUND, COP_EIO, COP_EFORMAT,
 *  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_data__read_names(
    struct cop_dataset *dataset,
    const char *path,
    struct cop_data__names *names,
    struct cop_err *err);

/* The readers: fill files, samples and classes. */
COP_NODISCARD enum cop_status cop_data__open_folder(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_data__open_cifar(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_data__open_idx(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_data__open_records(
    struct cop_dataset *dataset,
    const struct cop_data_source *source,
    struct cop_err *err);

/** Number of bytes of a CIFAR-10 record. */
enum { COP_DATA__CIFAR_RECORD = 1 + 3 * 32 * 32 };

#endif
