/* tests/support/keras_file.h - writes Keras model files through the HDF5 library.
 *
 *   struct keras_file file;
 *   keras_begin(&file, (struct keras_style){0}, "2.4.0", "{\"class_name\": ...}");
 *   keras_layer(&file, "conv");
 *   keras_weight(&file, "conv/kernel:0", "3,3,2,4", floats);
 *   struct cop_buf *bytes = keras_finish(&file);
 *
 * Every failure ends the process. */
#ifndef COP_TESTS_KERAS_FILE_H
#define COP_TESTS_KERAS_FILE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/** How the same content is written; zeros: as h5py does by default. */
struct keras_style {
    bool is_latest; /* the newest layout of the library: other headers and indices */
    bool has_fixed_text; /* attributes of fixed length, as old h5py writes bytes */
    bool is_chunked;     /* tensors in shuffled, compressed chunks */
    bool is_double;      /* tensors of float64, big endian */
};

enum { KERAS_FILE_NAMES = 64 };

struct keras_file {
    struct keras_style style;
    char path[256]; /* where it is until it is finished */
    int64_t file;   /* handles of the library */
    int64_t weights;
    int64_t layer;
    const char *layers[KERAS_FILE_NAMES];
    int n_layers;
    const char *tensors[KERAS_FILE_NAMES]; /* of the layer in hand */
    int n_tensors;
};

/** @p config NULL: no model_config; @p version NULL: no keras_version. */
void keras_begin(
    struct keras_file *file,
    struct keras_style style,
    const char *version,
    const char *config);
/** Names are borrowed until keras_finish. */
void keras_layer(struct keras_file *file, const char *name);
void keras_weight(
    struct keras_file *file, const char *name, const char *dims, const float *floats);
/** An integer scalar, as counters of Normalization are. */
void keras_counter(struct keras_file *file, const char *name);
/** Closes the file.  The caller releases its bytes. */
struct cop_buf *keras_finish(struct keras_file *file);

/** "2,3,4" to extents; returns how many. */
int keras_dims(const char *text, uint64_t dims[8]);

#endif
