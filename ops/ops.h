/* ops/ops.h - the standard operator set: every row listed in ops.def.
 *
 * Nobody but the program's main files, the tests and ops/ itself includes this: the set is
 * passed in. */
#ifndef COP_OPS_OPS_H
#define COP_OPS_OPS_H

#include "base/text.h"
#include "graph/op.h"

#define OP(family, name) extern const struct cop_op cop_op_##name;
#include "ops/ops.def"
#undef OP

extern const struct cop_op_set cop_ops_standard;

/** Rewrites that must name operators, run after an import: batch-dependent Reshape
 *  targets become 0 / -1, Dropout and Identity go.  Leaves the graph inferred. */
COP_NODISCARD enum cop_status cop_ops_simplify(
    struct cop_graph *graph, struct cop_err *err);

/** Appends docs/operators.md: one table row per operator, by name. */
void cop_ops_describe(struct cop_text *text);

#endif
