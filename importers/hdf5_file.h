/* importers/hdf5_file.h - what a Keras file holds: its configuration and its tensors.
 *
 * Private to importers/.  The HDF5 library reads the file in a child process: its 1.10 and
 * 1.14 series are known to crash and to loop on files made for that.  Tensors that lie in
 * the file as they are become views of it; others are decoded by the child. */
#ifndef COP_IMPORTERS_HDF5_FILE_H
#define COP_IMPORTERS_HDF5_FILE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "graph/tensor.h"

#include <stdbool.h>

struct cop_importers__h5_tensor {
    const char *name;
    struct cop_shape shape;
    struct cop_buf *data; /* float32; NULL: the file has numbers of another kind */
};

struct cop_importers__h5_layer {
    const char *name;
    int32_t n;
    struct cop_importers__h5_tensor *tensors; /* in the order of the file */
};

struct cop_importers__h5 {
    size_t bytes;        /* of the file */
    const char *config;  /* JSON text of the whole model */
    const char *version; /* "" when the file does not tell */
    const char *backend;
    int32_t n;
    struct cop_importers__h5_layer *layers;
    int64_t n_half; /* tensors that the file has as float16, and as float64 */
    int64_t n_double;
};

bool cop_importers__h5_is(const void *bytes, size_t n);

/** Everything in @p arena, which also releases the tensors.
 *  COP_EFORMAT (not a sound HDF5 file, or the library crashed on it), COP_EUNSUPPORTED (no
 *  whole Keras model, external or virtual storage), COP_EIO (no process), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__h5_read(
    struct cop_buf *file,
    struct cop_arena *arena,
    struct cop_importers__h5 *h5,
    struct cop_err *err);

#endif
