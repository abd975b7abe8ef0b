/* ops/matmul.c - Gemm and MatMul: fully connected layers and plain products. */
#include "ops/row.h"

/* ---- Gemm --------------------------------------------------------------------------- */

struct gemm_attrs {
    float alpha;
    float beta;
    int64_t transA;
    int64_t transB;
};

static const struct cop_attr_spec gemm_specs[] = {
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct gemm_attrs, alpha),
     .float_default = 1.0F},
    {.name = "beta",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct gemm_attrs, beta),
     .float_default = 1.0F},
    {.name = "transA",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct gemm_attrs, transA)},
    {.name = "transB",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct gemm_attrs, transB)},
    {.type = COP_ATTR_END}};

/** Which axes of the operands meet. */
struct gemm_axes {
    int32_t src_rows;
    int32_t src_in;
    int32_t weights_in;
    int32_t weights_out;
};

static struct gemm_axes gemm_axes(const struct gemm_attrs *attrs)
{
    const int32_t a = attrs->transA != 0;
    const int32_t b = attrs->transB != 0;
    return (struct gemm_axes){a, 1 - a, b, 1 - b};
}

static enum cop_status gemm_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const bool has_bias = cop_ops__has(node, 2);
    for (int32_t i = 0; i < (has_bias ? 3 : 2); i++)
        COP_TRY(cop_ops__want_f32(src, i, err));
    COP_TRY(cop_ops__want_rank(src, 0, 2, err));
    COP_TRY(cop_ops__want_rank(src, 1, 2, err));
    const struct gemm_axes axes = gemm_axes(node->attrs);
    const int64_t in = src[0].shape.dim[axes.src_in];
    if (src[1].shape.dim[axes.weights_in] != in)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "weights axis %d is %lld, src axis %d is %lld",
            axes.weights_in,
            (long long)src[1].shape.dim[axes.weights_in],
            axes.src_in,
            (long long)in);
    const int64_t dims[2] = {
        src[0].shape.dim[axes.src_rows], src[1].shape.dim[axes.weights_out]};
    dst[0] = (struct cop_fact){COP_F32, cop_shape_make(2, dims), NULL};
    if (!has_bias) return COP_OK;
    struct cop_shape both;
    COP_TRY(cop_shape_broadcast(&src[2].shape, &dst[0].shape, &both, err));
    if (cop_shape_equal(&both, &dst[0].shape)) return COP_OK;
    char text[2][COP_SHAPE_TEXT];
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "bias is %s, result is %s",
        cop_shape_print(&src[2].shape, text[0], sizeof text[0]),
        cop_shape_print(&dst[0].shape, text[1], sizeof text[1]));
}

static enum cop_status gemm_macs(
    const struct cop_node *node, int64_t *macs, struct cop_err *err)
{
    const int32_t in = gemm_axes(node->attrs).src_in;
    return cop_ops__macs(&node->dst[0]->shape, node->src[0]->shape.dim[in], macs, err);
}

static enum cop_status gemm_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct gemm_attrs *const attrs = node->attrs;
    const struct cop_matmul matmul = {
        .transpose_src = attrs->transA != 0,
        .transpose_weights = attrs->transB != 0,
        .alpha = attrs->alpha,
        .beta = attrs->beta};
    const struct cop_ref operands[3] = {
        cop_emit_src(emitter, 0),
        cop_emit_src(emitter, 1),
        cop_ops__has(node, 2) ? cop_emit_src(emitter, 2) : COP_REF_ABSENT};
    return cop_emit_matmul(emitter, &matmul, operands, cop_emit_dst(emitter, 0), err);
}

static enum cop_status gemm_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct gemm_axes axes = gemm_axes(node->attrs);
    if (node->src[1]->data == NULL) return COP_OK;
    COP_TRY(cop_ties_add_axis(ties, 0, axes.src_in, 1, axes.weights_in, err));
    COP_TRY(cop_ties_add_axis(ties, 1, axes.weights_out, -1, 1, err));
    if (!cop_ops__has(node, 2)) return COP_OK;
    const struct cop_shape *const bias = &node->src[2]->shape;
    if (bias->rank == 0 || bias->dim[bias->rank - 1] != node->dst[0]->shape.dim[1])
        return COP_OK;
    return cop_ties_add_axis(ties, 2, bias->rank - 1, -1, 1, err);
}

/* A bias of another form than one element per result, or factors besides 1, would have to
 * be solved for as well: such a node is cut but not repaired. */
static bool gemm_linear(const struct cop_node *node, struct cop_linear *linear)
{
    const struct gemm_attrs *const attrs = node->attrs;
    const struct gemm_axes axes = gemm_axes(attrs);
    const bool is_plain = !(attrs->alpha < 1.0F) && !(attrs->alpha > 1.0F) &&
                          !(attrs->beta < 1.0F) && !(attrs->beta > 1.0F);
    if (node->src[1]->data == NULL || !is_plain) return false;
    if (cop_ops__has(node, 2)) {
        const struct cop_value *const bias = node->src[2];
        if (bias->data == NULL || bias->shape.rank != 1 ||
            bias->shape.dim[0] != node->dst[0]->shape.dim[1])
            return false;
    }
    *linear = (struct cop_linear){
        .src_slot = 0,
        .weights_slot = 1,
        .bias_slot = 2,
        .src_axis = axes.src_in,
        .in_axis = axes.weights_in,
        .out_axis = axes.weights_out,
        .dst_axis = 1,
        .g = 1,
        .pointwise = attrs->transA == 0 ? attrs : NULL};
    return true;
}

static const struct cop_coupling gemm_coupling = {
    .name = "fully connected",
    .tie = gemm_tie,
    .refit = cop_refit_none,
    .linear = gemm_linear,
};

const struct cop_op cop_op_gemm = {
    .name = "Gemm",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 3, 1},
    .attrs_size = sizeof(struct gemm_attrs),
    .attrs = gemm_specs,
    .upgrade = cop_upgrade_none,
    .infer = gemm_infer,
    .fold = cop_fold_none,
    .macs = gemm_macs,
    .lower = gemm_lower,
    .coupling = &gemm_coupling,
    .relevance = &cop_relevance_linear,
};

/* ---- MatMul ------------------------------------------------------------------------- */

/* A vector on the left is a row, one on the right a column; the result has no such axis. */
static struct cop_shape as_matrix(const struct cop_shape *shape, int side)
{
    struct cop_shape matrix = *shape;
    if (shape->rank != 1) return matrix;
    matrix.rank = 2;
    matrix.dim[side == 0 ? 1 : 0] = shape->dim[0];
    matrix.dim[side == 0 ? 0 : 1] = 1;
    return matrix;
}

/* The product of two operands that are matrices at least. */
static enum cop_status product_shape(
    const struct cop_shape operands[2], struct cop_shape *product, struct cop_err *err)
{
    struct cop_shape leading[2] = {operands[0], operands[1]};
    const int32_t ranks[2] = {operands[0].rank, operands[1].rank};
    const int64_t in = operands[0].dim[ranks[0] - 1];
    leading[0].rank -= 2;
    leading[1].rank -= 2;
    if (operands[1].dim[ranks[1] - 2] != in)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "src 1 axis %d is %lld, src 0 axis %d is %lld",
            ranks[1] - 2,
            (long long)operands[1].dim[ranks[1] - 2],
            ranks[0] - 1,
            (long long)in);
    COP_TRY(cop_shape_broadcast(&leading[0], &leading[1], product, err));
    product->dim[product->rank++] = operands[0].dim[ranks[0] - 2];
    product->dim[product->rank++] = operands[1].dim[ranks[1] - 1];
    return COP_OK;
}

static enum cop_status matmul_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    struct cop_shape operands[2];
    struct cop_shape product = {.rank = 0};
    for (int32_t i = 0; i < 2; i++) {
        COP_TRY(cop_ops__want_f32(src, i, err));
        if (src[i].shape.rank == 0)
            return COP_FAIL(err, COP_ESHAPE, "src %d is a scalar", i);
        operands[i] = as_matrix(&src[i].shape, i);
    }
    COP_TRY(product_shape(operands, &product, err));
    dst[0].dtype = COP_F32;
    for (int32_t i = 0; i < product.rank; i++) {
        const bool is_row = i == product.rank - 2 && src[0].shape.rank == 1;
        const bool is_column = i == product.rank - 1 && src[1].shape.rank == 1;
        if (!is_row && !is_column)
            dst[0].shape.dim[dst[0].shape.rank++] = product.dim[i];
    }
    return COP_OK;
}

static enum cop_status matmul_macs(
    const struct cop_node *node, int64_t *macs, struct cop_err *err)
{
    const struct cop_shape *const src = &node->src[0]->shape;
    return cop_ops__macs(&node->dst[0]->shape, src->dim[src->rank - 1], macs, err);
}

static enum cop_status matmul_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    const struct cop_matmul matmul = {false, false, 1.0F, 0.0F};
    struct cop_ref operands[3] = {COP_REF_ABSENT, COP_REF_ABSENT, COP_REF_ABSENT};
    struct cop_shape shapes[2];
    struct cop_shape product = {.rank = 0};
    struct cop_ref whole = cop_emit_dst(emitter, 0);
    for (int32_t i = 0; i < 2; i++) {
        shapes[i] = as_matrix(&cop_emit_src_fact(emitter, i)->shape, i);
        COP_TRY(cop_emit_view(
            emitter, cop_emit_src(emitter, i), &shapes[i], &operands[i], err));
    }
    COP_TRY(product_shape(shapes, &product, err));
    const bool is_whole =
        cop_shape_equal(&product, &cop_emit_dst_fact(emitter, 0)->shape);
    if (!is_whole) COP_TRY(cop_emit_temp(emitter, &product, &whole, err));
    COP_TRY(cop_emit_matmul(emitter, &matmul, operands, whole, err));
    if (is_whole) return COP_OK;
    return cop_emit_reshape(emitter, whole, cop_emit_dst(emitter, 0), err);
}

/* A product with constant weights: the left operand is the activation. */
static bool has_weights(const struct cop_node *node)
{
    return node->src[1]->data != NULL && node->src[1]->shape.rank == 2 &&
           node->src[0]->shape.rank >= 2 && node->src[0]->data == NULL;
}

static enum cop_status matmul_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    if (!has_weights(node)) return COP_OK;
    const int32_t last = node->src[0]->shape.rank - 1;
    COP_TRY(cop_ties_add_axis(ties, 0, last, 1, 0, err));
    COP_TRY(cop_ties_add_axis(ties, 1, 1, -1, last, err));
    for (int32_t axis = 0; axis < last; axis++)
        COP_TRY(cop_ties_add_axis(ties, 0, axis, -1, axis, err));
    return COP_OK;
}

static bool matmul_linear(const struct cop_node *node, struct cop_linear *linear)
{
    if (!has_weights(node)) return false;
    const int32_t last = node->src[0]->shape.rank - 1;
    *linear = (struct cop_linear){
        .src_slot = 0,
        .weights_slot = 1,
        .bias_slot = -1,
        .src_axis = last,
        .in_axis = 0,
        .out_axis = 1,
        .dst_axis = last,
        .g = 1,
        .pointwise = ""}; /* no attributes */
    return true;
}

static const struct cop_coupling matmul_coupling = {
    .name = "product",
    .tie = matmul_tie,
    .refit = cop_refit_none,
    .linear = matmul_linear,
};

const struct cop_op cop_op_matmul = {
    .name = "MatMul",
    .opsets = {1, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = matmul_infer,
    .fold = cop_fold_none,
    .macs = matmul_macs,
    .lower = matmul_lower,
    .coupling = &matmul_coupling,
    .relevance = &cop_relevance_product,
};
