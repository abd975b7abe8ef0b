/* tests/engine/toy.h - one operator that lowers to any single primitive, and its slow
 * meaning in double precision.  With it the engine is tested without the rows of ops/. */
#ifndef COP_TESTS_ENGINE_TOY_H
#define COP_TESTS_ENGINE_TOY_H

#include "base/rng.h"
#include "engine/emit.h"
#include "engine/engine.h"
#include "graph/graph.h"

#include <stdbool.h>
#include <stdint.h>

enum toy_kind {
    TOY_CONV,
    TOY_MATMUL,
    TOY_POOL,
    TOY_ELTWISE,
    TOY_BINARY,
    TOY_NORMALISE,
    TOY_SOFTMAX,
    TOY_REDUCE,
    TOY_CONCAT,
    TOY_SLICE,
    TOY_PAD,
    TOY_TRANSPOSE,
    TOY_RESHAPE,
    TOY_N_KINDS,
};

/** Attributes of the toy operator; those of other kinds are ignored. */
struct toy_attrs {
    enum toy_kind kind;
    struct cop_window window;
    int64_t g;
    struct cop_matmul matmul;
    enum cop_pool_alg pool;
    enum cop_eltwise_alg eltwise;
    float alpha;
    float beta;
    enum cop_binary_alg binary;
    float epsilon;
    int32_t axis;
    bool logarithm;
    enum cop_reduce_alg reduce;
    uint32_t axes;
    bool keep_axes;
    int64_t starts[COP_MAX_RANK]; /* slice */
    int64_t steps[COP_MAX_RANK];
    int64_t
        counts[COP_MAX_RANK]; /* slice; 0: to the end.  reshape: 0 copies, -1 rest */
    int32_t rank;             /* reshape */
    int64_t pads_l[COP_MAX_RANK];
    int64_t pads_r[COP_MAX_RANK];
    int32_t perm[COP_MAX_RANK];
};

extern const struct cop_op_set toy_ops;

struct cop_graph *toy_graph(void);
struct cop_value *toy_input(struct cop_graph *graph, int32_t rank, const int64_t *dims);
/** Elements uniform in [low, high). */
struct cop_value *toy_const(
    struct cop_graph *graph,
    struct cop_rng *rng,
    int32_t rank,
    const int64_t *dims,
    const double range[2]);
/** A node; returns its result.  Trailing NULL srcs are absent operands. */
struct cop_value *toy_node(
    struct cop_graph *graph,
    const struct toy_attrs *attrs,
    int32_t n_src,
    struct cop_value *const *src);
struct cop_value *toy_unary(
    struct cop_graph *graph, const struct toy_attrs *attrs, struct cop_value *src);
void toy_end(struct cop_graph *graph, struct cop_value *value);
struct toy_attrs toy_window(
    enum toy_kind kind, int64_t kernel, int64_t stride, int64_t pad);
struct cop_value *toy_relu(struct cop_graph *graph, struct cop_value *src);
struct cop_value *toy_add(
    struct cop_graph *graph, struct cop_value *a, struct cop_value *b);
/** A convolution with fresh weights, with or without bias. */
struct cop_value *toy_conv(
    struct cop_graph *graph,
    struct cop_rng *rng,
    struct cop_value *src,
    int64_t oc,
    struct toy_attrs attrs,
    bool bias);
struct cop_value *toy_normalise(
    struct cop_graph *graph, struct cop_rng *rng, struct cop_value *src);

/** The result's shape from those of the sources; false if they do not fit. */
bool toy_shape(
    const struct toy_attrs *attrs,
    const struct cop_shape *const *src,
    int32_t n_src,
    struct cop_shape *dst);

/* ---- the slow meaning ------------------------------------------------------------- */

struct toy_tensor {
    struct cop_shape shape;
    double *at;
};

/** All values of a graph in double for one batch; index: value id. */
struct toy_values {
    int64_t mb;
    int32_t n;
    struct toy_tensor *value;
};

void toy_forward(
    const struct toy_attrs *attrs,
    const struct toy_tensor *const *src,
    int32_t n_src,
    struct toy_tensor *dst);

/** Tensors of every value; inputs filled at random, constants converted. */
struct toy_values *toy_values_create(
    const struct cop_graph *graph, int64_t mb, struct cop_rng *rng);
/** Computes every result whose node does not make one of @p starts. */
void toy_values_compute(
    const struct cop_graph *graph,
    struct toy_values *values,
    const struct cop_value *const *starts,
    int32_t n_starts);
void toy_values_destroy(struct toy_values *values);
float *toy_floats(const struct toy_values *values, int32_t id);

/** Errors up to @p relative times the largest wanted element. */
void toy_assert_close(const float *got, const float *want, int64_t n, double relative);

/** Runs the plan of the graph, twice, on the inputs in @p values and compares all ends with
 *  the reference. */
void toy_check_plan(
    struct cop_plan *plan,
    const struct cop_graph *graph,
    const struct toy_values *values,
    double relative);
/** Plans the graph with every output as an end, runs it on the inputs in @p values and
 *  compares all ends with the reference. */
void toy_check_forward(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct toy_values *values,
    enum cop_purpose purpose,
    double relative);

#endif
