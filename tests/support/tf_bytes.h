/* tests/support/tf_bytes.h - GraphDefs of TensorFlow from a text, sound and broken ones.
 *
 * A line is a node: OPERATOR NAME INPUTS.. | ATTRIBUTES.., as in
 *
 *   Placeholder x | dtype=#1 shape=<-1,4,4,3>
 *   Const w | value={f;3,3,3,2;~54}
 *   Conv2D y x w | strides=[1,2,2,1] padding='SAME'
 *
 * An attribute is 'a text', #N a type, true or false, <..> a shape (<?> of unknown rank),
 * [..] a list of integers, {..} a tensor, N an integer, or N.N a float.  A tensor has a type
 * (f float32, d float64, i int32, l int64, b bool, s string), a * where its elements are raw
 * bytes and not a list, extents, and elements: numbers, or ~N for N numbers.  Field numbers
 * are spelled out here once more, on purpose, as in onnx_bytes.h. */
#ifndef COP_TESTS_TF_BYTES_H
#define COP_TESTS_TF_BYTES_H

#include "support/onnx_bytes.h"

/** The graph as bytes that the caller frees (pb_free, pb_buf).  A fault in the text ends the
 *  test. */
struct pb tf_graph(const char *text);
/** Appends the nodes of @p text. */
void tf_nodes(struct pb *graph, const char *text);

#endif
