/* tests/prune/toy.h - four made-up operators and a way to build graphs of them: the
 * pruner must work without knowing any operator by name. */
#ifndef COP_TESTS_PRUNE_TOY_H
#define COP_TESTS_PRUNE_TOY_H

#include "graph/graph.h"
#include "support/test.h"

extern const struct cop_op toy_mix; /* dst[o] = sum_i w[o][i] src[i], channels axis 1 */
extern const struct cop_op toy_plus; /* src0 + src1 */
extern const struct cop_op toy_stop; /* lets nothing be cut */
extern const struct cop_op_set toy_ops;

/** An empty graph with an input "x" of @p channels. */
struct cop_graph *toy_graph(int64_t channels, struct cop_value **x);
/** Adds a Mix with fresh weights "NAME.w" [channels][of src]; returns its result. */
struct cop_value *toy_add_mix(
    struct cop_graph *graph, const char *name, struct cop_value *src, int64_t channels);
struct cop_value *toy_add_bare(
    struct cop_graph *graph, const char *name, struct cop_value *src, int64_t channels);
struct cop_value *toy_add_plus(
    struct cop_graph *graph,
    const char *name,
    struct cop_value *src0,
    struct cop_value *src1);
struct cop_value *toy_add_stop(
    struct cop_graph *graph, const char *name, struct cop_value *src);
/** A constant of pseudo-random elements that depend on the name only. */
struct cop_value *toy_const(
    struct cop_graph *graph, const char *name, int32_t rank, const int64_t *dims);

#endif
