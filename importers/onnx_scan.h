/* importers/onnx_scan.h - from a hostile file to a small, bounded one.
 *
 * Private to importers/.  Walks the bytes of a ModelProto once and writes a skeleton:
 * the same model without the elements of its tensors and without everything that
 * onnx.proto does not declare.  Counts, sizes and texts are checked on the way, so that
 * what protobuf-c decodes afterwards is sound and small.  Each tensor of the skeleton
 * carries the number of its payload, which stays in the file. */
#ifndef COP_IMPORTERS_ONNX_SCAN_H
#define COP_IMPORTERS_ONNX_SCAN_H

#include "base/err.h"
#include "importers/wire.h"

#include <stddef.h>
#include <stdint.h>

struct cop_importers__scan {
    const uint8_t *file;
    uint8_t *skeleton; /* cop_mem */
    size_t n_skeleton;
    size_t cap_skeleton;
    struct cop_importers__span *payloads; /* whole TensorProtos, by number; cop_mem */
    size_t n_payloads;
    size_t cap_payloads;
    size_t n_fields; /* kept so far */
};

/** COP_EFORMAT (broken or beyond a cap), COP_EUNSUPPORTED (sparse or segmented tensors),
 *  COP_ENOMEM.  @p scan is to be cleared in any case. */
COP_NODISCARD enum cop_status cop_importers__scan_model(
    struct cop_importers__scan *scan,
    struct cop_importers__span file,
    struct cop_err *err);
void cop_importers__scan_clear(struct cop_importers__scan *scan);

#endif
