/* tests/support/toy_ops.h - three operators that no model format knows, to show that
 * reading and writing files knows no operator by name.
 *
 * ToyLin  y[n][m] = sum_k x[n][k] w[m][k] (+ b[m]); attributes of every plain type
 * ToySum  any number of sources of one shape; a second, optional result
 * ToyData the tensor that is its attribute */
#ifndef COP_TESTS_TOY_OPS_H
#define COP_TESTS_TOY_OPS_H

#include "graph/graph.h"

extern const struct cop_op toy_lin;
extern const struct cop_op toy_sum;
extern const struct cop_op toy_data;
extern const struct cop_op_set toy_set;

struct toy_lin_attrs {
    int64_t axis;     /* default 1 */
    float alpha;      /* default 1.5 */
    const char *mode; /* default "plain"; files below opset 13 read as "lifted" */
    struct cop_ints pads;
    struct cop_floats scales;
    int64_t old;   /* ended with opset 12 */
    int64_t fresh; /* came with opset 15; default 0 */
};

struct toy_data_attrs {
    struct cop_fact value; /* required */
};

#endif
