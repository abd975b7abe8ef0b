/* importers/notes.h - what a reader tells of a file that its graph does not show.
 *
 * Private to importers/.  Notes are metadata of the graph under the format's name:
 *   onnx.widened.float16   how many tensors of that type became float32
 *   onnx.unused            constants that no node reads, one name a line
 * likewise tf.* and keras.*. */
#ifndef COP_IMPORTERS_NOTES_H
#define COP_IMPORTERS_NOTES_H

#include "base/err.h"
#include "base/text.h"
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

/** One more name for the list that cop_importers__note_names notes; @p names was begun by
 *  cop_importers__names_init. */
void cop_importers__names_init(struct cop_text *names);
void cop_importers__names_add(struct cop_text *names, const char *name);
/** Notes a list of names as what nobody reads, if there are any; clears @p names.
 *  COP_ENOMEM, COP_EUNSUPPORTED (they take more than 16 MiB). */
COP_NODISCARD enum cop_status cop_importers__note_names(
    struct cop_graph *graph,
    const char *format,
    struct cop_text *names,
    struct cop_err *err);

/** How many constants of a byte's width are weights: read, and with two axes or more. */
int64_t cop_importers__count_byte_weights(
    const struct cop_graph *graph, enum cop_dtype dtype);

#endif
