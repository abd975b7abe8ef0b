/* importers/notes.h - what a reader tells of a file that its graph does not show.
 *
 * Private to importers/.  Notes are metadata of the graph under the format's name:
 *   onnx.widened.float16   how many tensors of that type became float32
 *   onnx.unused            constants that no node reads, one name a line */
#ifndef COP_IMPORTERS_NOTES_H
#define COP_IMPORTERS_NOTES_H

#include "base/err.h"
#include "graph/graph.h"

/** Notes @p n tensors of @p dtype as widened; none is not noted.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__note_widened(
    struct cop_graph *graph,
    const char *format,
    enum cop_dtype dtype,
    int64_t n,
    struct cop_err *err);

/** Notes the constants that nothing reads; to be called before any is removed or made.
 *  COP_ENOMEM, COP_EUNSUPPORTED (their names take more than 16 MiB). */
COP_NODISCARD enum cop_status cop_importers__note_unused(
    struct cop_graph *graph, const char *format, struct cop_err *err);

/** How many constants of a byte's width are weights: read, and with two axes or more. */
int64_t cop_importers__count_byte_weights(
    const struct cop_graph *graph, enum cop_dtype dtype);

#endif
