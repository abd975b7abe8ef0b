/* tests/graph/graph_tests.h - the groups of this folder and their toy operators. */
#ifndef COP_TESTS_GRAPH_TESTS_H
#define COP_TESTS_GRAPH_TESTS_H

#include "graph/graph.h"

int test_shapes(void);
int test_edits(void);
int test_facts(void);

/* Twice: dst = src + src; folds int64.  Join: src0 and src1 of equal shape.  Extents: the
 * shape of src as int64, which depends on the batch in element 0. */
struct twice_attrs {
    int64_t count;
    struct cop_ints list;
    const char *word;
};
extern const struct cop_op toy_twice;
extern const struct cop_op toy_join;
extern const struct cop_op toy_extents;
extern const struct cop_op_set toy_ops;

/** input [1][3] -> twice "a" -> join with its own source "b" -> output. */
struct cop_graph *toy_graph(void);

#endif
