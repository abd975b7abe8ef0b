/* prune/fit.c - see fit_impl.h. */
#include "prune/fit_impl.h"

#include "base/mem.h"

#include <string.h>

static int64_t n_outputs(const struct cop_node *node, const struct cop_linear *linear)
{
    return node->dst[0]->shape.dim[linear->dst_axis];
}

static const struct cop_value *bias_of(
    const struct cop_node *node, const struct cop_linear *linear)
{
    return linear->bias_slot < node->n_src ? node->src[linear->bias_slot] : NULL;
}

bool cop_fit__has_bias(const struct cop_node *node, const struct cop_linear *linear)
{
    if (linear->bias_slot < 0) return false;
    const struct cop_value *bias = bias_of(node, linear);
    if (bias == NULL) return true;
    if (bias->data == NULL || bias->dtype != COP_F32) return false;
    int64_t n = cop_shape_n(&bias->shape);
    return n == 1 || n == n_outputs(node, linear);
}

static double bias_at(const struct cop_value *bias, int64_t i)
{
    if (bias == NULL) return 0.0;
    bool is_spread = cop_shape_n(&bias->shape) == 1;
    return (double)cop_f32_at(cop_buf_data(bias->data), is_spread ? 0 : i);
}

/* The operand becomes these elements, for this node alone.  Takes the buffer over. */
static enum cop_status set_operand(
    struct cop_graph *small,
    struct cop_node *node,
    int32_t slot,
    const struct cop_shape *shape,
    struct cop_buf *elements,
    struct cop_err *err)
{
    struct cop_value *value = slot < node->n_src ? node->src[slot] : NULL;
    enum cop_status status;
    if (value != NULL && value->n_uses == 1 && !value->is_output) {
        status = cop_graph_set_const(small, value, shape, elements, err);
    } else {
        const char *name = value != NULL ? value->name : node->name;
        struct cop_value *fresh = NULL;
        status =
            cop_graph_add_const(small, name, COP_F32, shape, elements, &fresh, err);
        if (status == COP_OK) status = cop_graph_set_src(small, node, slot, fresh, err);
    }
    cop_buf_release(elements);
    return status;
}

enum cop_status cop_fit__set_weights(
    const struct cop_cut_map *map,
    struct cop_graph *small,
    struct cop_node *node,
    const struct cop_value *big,
    int32_t slot,
    const float *weights,
    struct cop_err *err)
{
    struct cop_shape shape;
    struct cop_buf *sliced = NULL;
    COP_TRY(cop_cut__slice(map, big, weights, &shape, &sliced, err));
    return set_operand(small, node, slot, &shape, sliced, err);
}

enum cop_status cop_fit__add_bias(
    const struct cop_cut_map *map,
    struct cop_graph *small,
    const struct cop_node *node,
    const struct cop_linear *linear,
    const double *shift,
    struct cop_err *err)
{
    const struct cop_value *dst = node->dst[0];
    int64_t width = cop_cut__width(map, dst, linear->dst_axis);
    struct cop_buf *buf = NULL;
    COP_TRY(cop_buf_create((size_t)width * sizeof(float), &buf, err));
    float *bias = cop_buf_mutable(buf);
    int64_t n = n_outputs(node, linear);
    for (int64_t i = 0; i < n; i++) {
        if (!cop_cut__stays(map, dst, linear->dst_axis, i)) continue;
        *bias++ = (float)(bias_at(bias_of(node, linear), i) + shift[i]);
    }
    struct cop_shape shape = cop_shape_make(1, &width);
    struct cop_node *to = cop_graph_find_node(small, node->name);
    return set_operand(small, to, linear->bias_slot, &shape, buf, err);
}

enum cop_status cop_fit__replace(
    struct cop_graph *small,
    struct cop_node *node,
    const struct cop_linear *linear,
    const float *weights,
    const double *bias,
    struct cop_err *err)
{
    const struct cop_shape shape = node->src[linear->weights_slot]->shape;
    size_t bytes = (size_t)cop_shape_n(&shape) * sizeof *weights;
    struct cop_buf *buf = NULL;
    COP_TRY(cop_buf_create(bytes, &buf, err));
    memcpy(cop_buf_mutable(buf), weights, bytes);
    COP_TRY(set_operand(small, node, linear->weights_slot, &shape, buf, err));
    if (!cop_fit__has_bias(node, linear)) return COP_OK;

    int64_t n = n_outputs(node, linear);
    buf = NULL;
    COP_TRY(cop_buf_create((size_t)n * sizeof(float), &buf, err));
    float *to = cop_buf_mutable(buf);
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)bias[i];
    const struct cop_shape bias_shape = cop_shape_make(1, &n);
    return set_operand(small, node, linear->bias_slot, &bias_shape, buf, err);
}

enum cop_status cop_fit__rescale(
    struct cop_graph *small,
    struct cop_node *node,
    const struct cop_linear *linear,
    const double *scale,
    const double *shift,
    struct cop_err *err)
{
    const struct cop_value *weights = node->src[linear->weights_slot];
    const struct cop_shape shape = weights->shape;
    int64_t n = cop_shape_n(&shape);
    int64_t n_out = shape.dim[linear->out_axis];
    int64_t inner = cop_shape_span(&shape, linear->out_axis + 1, shape.rank);
    struct cop_buf *buf = NULL;
    COP_TRY(cop_buf_create((size_t)n * sizeof(float), &buf, err));
    float *scaled = cop_buf_mutable(buf);
    const void *from = cop_buf_data(weights->data);
    for (int64_t i = 0; i < n; i++)
        scaled[i] = (float)((double)cop_f32_at(from, i) * scale[i / inner % n_out]);
    COP_TRY(set_operand(small, node, linear->weights_slot, &shape, buf, err));

    buf = NULL;
    COP_TRY(cop_buf_create((size_t)n_out * sizeof(float), &buf, err));
    float *bias = cop_buf_mutable(buf);
    for (int64_t i = 0; i < n_out; i++)
        bias[i] = (float)(bias_at(bias_of(node, linear), i) * scale[i] + shift[i]);
    struct cop_shape bias_shape = cop_shape_make(1, &n_out);
    return set_operand(small, node, linear->bias_slot, &bias_shape, buf, err);
}
