/* tests/support/same_graph.h - are two graphs the same network?
 *
 * Compares inputs, outputs, nodes in order, every attribute by its table, operands by name,
 * constants byte for byte, and metadata apart from what tells of the file ("onnx."). */
#ifndef COP_TESTS_SAME_GRAPH_H
#define COP_TESTS_SAME_GRAPH_H

#include "graph/graph.h"

/** Fails the test, naming the first difference. */
void test_assert_same_graph(const struct cop_graph *a, const struct cop_graph *b);

#endif
