/* ops/join.c - a constant that is added behind a linear layer becomes its bias; see
 * rewrite.h.
 *
 * Files of TensorFlow, and what is converted from them, add biases by nodes of their own.
 * As operands of the layer they are seen by repair, and a product of a matrix with weights
 * becomes a Gemm. */
#include "ops/ops.h"
#include "ops/rewrite.h"
#include "ops/row.h"

/* One float for each of the n channels along @p axis of a result of @p rank, and one along
 * the other axes. */
static bool is_per_channel(
    const struct cop_value *value, int32_t rank, int32_t axis, int64_t n)
{
    const struct cop_shape *const shape = &value->shape;
    if (value->data == NULL || value->dtype != COP_F32 || shape->rank > rank ||
        cop_shape_n(shape) != n)
        return false;
    const int32_t at = axis - (rank - shape->rank);
    return at >= 0 && shape->dim[at] == n;
}

/* A layer without bias whose result only @p add reads. */
static struct cop_node *layer_before(const struct cop_value *value)
{
    struct cop_node *const node = value->producer;
    if (node == NULL || value->n_uses != 1 || value->is_output) return NULL;
    if (node->op == &cop_op_matmul) {
        const struct cop_value *const weights = node->src[1];
        const bool is_plain = weights->data != NULL && weights->shape.rank == 2 &&
                              node->src[0]->shape.rank == 2;
        return is_plain ? node : NULL;
    }
    const bool is_linear = node->op == &cop_op_conv ||
                           node->op == &cop_op_conv_transpose ||
                           node->op == &cop_op_gemm;
    return is_linear && !cop_ops__has(node, 2) ? node : NULL;
}

/* The bias as a vector; the bytes are shared. */
static enum cop_status flat_bias(
    struct cop_graph *graph,
    struct cop_value *bias,
    int64_t n,
    struct cop_value **flat,
    struct cop_err *err)
{
    const struct cop_shape shape = {.rank = 1, .dim = {n}};
    *flat = bias;
    if (bias->shape.rank == 1) return COP_OK;
    if (bias->n_uses == 1 && !bias->is_output)
        return cop_graph_set_const(graph, bias, &shape, bias->data, err);
    return cop_graph_add_const(
        graph, bias->name, COP_F32, &shape, bias->data, flat, err);
}

/* A product with weights takes a bias as Gemm. */
static enum cop_status as_gemm(
    struct cop_graph *graph,
    struct cop_node *add,
    const struct cop_node *product,
    struct cop_value *bias,
    struct cop_err *err)
{
    struct cop_value *const src[3] = {product->src[0], product->src[1], bias};
    struct cop_node *gemm = NULL;
    const struct cop_node_spec spec = {
        .op = &cop_op_gemm,
        .name = product->name,
        .src = src,
        .n_src = 3,
        .n_dst = 1,
        .before = add};
    COP_TRY(cop_graph_add_node(graph, &spec, &gemm, err));
    gemm->dst[0]->dtype = COP_F32;
    gemm->dst[0]->shape = add->dst[0]->shape;
    return cop_graph_replace_value(graph, add->dst[0], gemm->dst[0], err);
}

static enum cop_status join(
    struct cop_graph *graph, struct cop_node *add, int32_t slot, struct cop_err *err)
{
    const struct cop_shape *const shape = &add->dst[0]->shape;
    struct cop_node *const layer = layer_before(add->src[slot]);
    struct cop_value *bias = add->src[1 - slot];
    if (layer == NULL || !cop_shape_equal(&layer->dst[0]->shape, shape) ||
        !is_per_channel(bias, shape->rank, 1, shape->dim[1]))
        return COP_OK;
    COP_TRY(flat_bias(graph, bias, shape->dim[1], &bias, err));
    if (layer->op == &cop_op_matmul) return as_gemm(graph, add, layer, bias, err);
    while (layer->n_src < 3)
        COP_TRY(cop_graph_set_src(graph, layer, layer->n_src, NULL, err));
    float *const beta = cop_ops__attr(layer, "beta"); /* of a Gemm: scales the bias */
    if (beta != NULL) *beta = 1.0F;
    COP_TRY(cop_graph_set_src(graph, layer, 2, bias, err));
    return cop_graph_replace_value(graph, add->dst[0], layer->dst[0], err);
}

enum cop_status cop_ops__join_biases(struct cop_graph *graph, struct cop_err *err)
{
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct cop_node *const node = cop_graph_node(graph, i);
        const int32_t n = cop_graph_n_nodes(graph);
        for (int32_t slot = 0; slot < 2 && node->op == &cop_op_add; slot++)
            if (node->dst[0]->n_uses > 0 || node->dst[0]->is_output)
                COP_TRY(join(graph, node, slot, err));
        i += cop_graph_n_nodes(graph) - n;
    }
    cop_graph_remove_dead(graph);
    return cop_graph_infer(graph, err);
}
