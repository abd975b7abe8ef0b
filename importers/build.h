/* importers/build.h - nodes and constants for readers whose files speak of other things
 * than operators of ONNX.
 *
 * Private to importers/.  Nodes are given by ONNX's names, in the encoding of opset 13 that
 * graphs hold; the operator set says which exist.  Shapes are inferred at once, because the
 * layers of such files are built from what stands before them. */
#ifndef COP_IMPORTERS_BUILD_H
#define COP_IMPORTERS_BUILD_H

#include "base/err.h"
#include "graph/graph.h"

/** One attribute; which member counts is told by the operator's table. */
struct cop_importers__attr {
    const char *name;
    int64_t number;
    float real;
    const char *text;
    const int64_t *ints; /* copied */
    int64_t n;
};

enum { COP_IMPORTERS__SRC = 6, COP_IMPORTERS__ATTRS = 8 };

struct cop_importers__part {
    const char *op;
    const char *name; /* of the node and its result; made unique */
    struct cop_value *src[COP_IMPORTERS__SRC]; /* NULL: absent */
    struct cop_value *const *all_src; /* instead of src where they may be more */
    int32_t n_src;
    struct cop_importers__attr
        attrs[COP_IMPORTERS__ATTRS]; /* to the first without name */
};

/** The attribute struct of an operator: its defaults and what is given, to the first
 *  without name of COP_IMPORTERS__ATTRS.  In the graph's arena.  COP_EUNSUPPORTED (no such
 *  attribute), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__make_attrs(
    struct cop_graph *graph,
    const struct cop_op *op,
    const struct cop_importers__attr *given,
    void **attrs,
    struct cop_err *err);

/** Adds a node with one result, whose type and shape are known afterwards.
 *  COP_EUNSUPPORTED (no such operator), COP_ESHAPE, COP_ENOMEM; texts name the node. */
COP_NODISCARD enum cop_status cop_importers__add(
    struct cop_graph *graph,
    const struct cop_importers__part *part,
    struct cop_value **dst,
    struct cop_err *err);

/** A constant vector of int64.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__add_ints(
    struct cop_graph *graph,
    const char *name,
    const int64_t *ints,
    int64_t n,
    struct cop_value **value,
    struct cop_err *err);

/** A constant of float32; its elements are copied.  COP_ESHAPE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__add_floats(
    struct cop_graph *graph,
    const char *name,
    const struct cop_shape *shape,
    const float *floats,
    struct cop_value **value,
    struct cop_err *err);

#endif
