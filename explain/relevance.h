/* explain/relevance.h - how relevance passes back through a node: a menu of rules.
 *
 * Layer-wise relevance propagation hands the relevance of a node's result to its sources.
 * A row of ops/ names one rule; the propagation itself (lrp.h) runs on the engine's
 * gradients and never names an operator.  A facet header: base/ and graph/ only.
 * Source: Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019. */
#ifndef COP_EXPLAIN_RELEVANCE_H
#define COP_EXPLAIN_RELEVANCE_H

#include <stdbool.h>

enum cop_relevance_rule {
    COP_RELEVANCE_RATIO, /* R_src = x * J^T (R_dst / y): shares by contribution */
    COP_RELEVANCE_PASS,  /* R_src = R_dst, elementwise: an activation keeps it */
    COP_RELEVANCE_MOVE,  /* R_src = J^T R_dst: elements move, or a winner takes all */
    COP_RELEVANCE_STOP,  /* none passes */
};

struct cop_relevance {
    const char *name; /* for docs */
    enum cop_relevance_rule rule;
    bool conserves; /* claims: sum over sources = sum over results (biases apart) */
};

/* The menu. */
extern const struct cop_relevance cop_relevance_linear; /* Conv, Gemm: RATIO */
extern const struct cop_relevance cop_relevance_sum;    /* Add, pools of means: RATIO */
extern const struct cop_relevance cop_relevance_product;     /* Mul, MatMul: RATIO */
extern const struct cop_relevance cop_relevance_elementwise; /* Relu, Sigmoid: PASS */
extern const struct cop_relevance cop_relevance_winner;      /* MaxPool: MOVE */
extern const struct cop_relevance cop_relevance_choice;      /* Max, Min: MOVE */
extern const struct cop_relevance cop_relevance_move;        /* Reshape, Concat: MOVE */
extern const struct cop_relevance
    cop_relevance_normalise;                          /* BatchNormalization: RATIO */
extern const struct cop_relevance cop_relevance_stop; /* shape arithmetic: STOP */

#endif
