/* importers/onnx_external.h - tensors that lie in files beside the model.
 *
 * Private to importers/.  A location is a relative path below the model's folder; every
 * part of it is opened without following links, so that a model from a stranger reads
 * nothing but what was shipped with it.  Files are mapped once and shared. */
#ifndef COP_IMPORTERS_ONNX_EXTERNAL_H
#define COP_IMPORTERS_ONNX_EXTERNAL_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct cop_importers__beside;

/** @p model_path need not exist.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__beside_create(
    const char *model_path, struct cop_importers__beside **beside, struct cop_err *err);
/** Accepts NULL.  Views handed out stay alive. */
void cop_importers__beside_destroy(struct cop_importers__beside *beside);

/** For cop_onnx_read_options.external with a cop_importers__beside as context.
 *  COP_EUNSUPPORTED (a path that leaves the folder), COP_EIO, COP_ENOTFOUND, COP_EFORMAT
 *  (range not inside the file), COP_ENOMEM. */
enum cop_status cop_importers__beside_read(
    void *beside,
    const char *location,
    int64_t offset,
    int64_t length,
    struct cop_buf **data,
    struct cop_err *err);

#endif
