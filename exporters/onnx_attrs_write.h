/* exporters/onnx_attrs_write.h - tensors and attributes as messages, and which opset the
 * attributes need.  Private to exporters/. */
#ifndef COP_EXPORTERS_ONNX_ATTRS_WRITE_H
#define COP_EXPORTERS_ONNX_ATTRS_WRITE_H

#include "base/err.h"
#include "exporters/encode.h"
#include "graph/graph.h"

/** The fields of a TensorProto up to where its elements follow.  @p name may be NULL. */
void cop_exporters__put_tensor_head(
    struct cop_exporters__out *out,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape);
/** A TensorProto with its elements. */
void cop_exporters__put_tensor(
    struct cop_exporters__out *out, const char *name, const struct cop_fact *tensor);

/** One AttributeProto for each attribute that differs from its default or must be there. */
void cop_exporters__put_attrs(
    struct cop_exporters__out *out,
    uint32_t field,
    const struct cop_node *node,
    int32_t opset);

/** The attribute that in this opset is an operand, spec->late_slot, and its list; NULL if
 *  the node has none. */
const struct cop_attr_spec *cop_exporters__late_list(
    const struct cop_node *node, int32_t opset, struct cop_ints *list);

/** 13, the form held in memory, or the lowest later one that has every operator and every
 *  attribute in use.  COP_EUNSUPPORTED names a node that this opset has no longer. */
COP_NODISCARD enum cop_status cop_exporters__choose_opset(
    const struct cop_graph *graph, int32_t *opset, struct cop_err *err);

#endif
