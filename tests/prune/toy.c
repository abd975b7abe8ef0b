/* tests/prune/toy.c - see toy.h. */
#include "toy.h"

#include "prune/coupling.h"

#include <stdio.h>

static enum cop_status infer_mix(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    if (src[0].shape.dim[1] != src[1].shape.dim[1])
        return COP_FAIL(err, COP_ESHAPE, "weights do not fit");
    *dst = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    dst->shape.dim[1] = src[1].shape.dim[0];
    return COP_OK;
}

static enum cop_status infer_same(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    dst->dtype = COP_F32;
    dst->shape = src[0].shape;
    return node->n_src < 2
               ? COP_OK
               : cop_shape_broadcast(&src[0].shape, &src[1].shape, &dst->shape, err);
}

static enum cop_status lower_nothing(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)emitter;
    return COP_FAIL(err, COP_EUNSUPPORTED, "'%s' is a toy", node->name);
}

static enum cop_status tie_mix(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    COP_TRY(cop_ties_add_axis(ties, 0, 1, 1, 1, err));
    if (node->n_src > 2) COP_TRY(cop_ties_add_axis(ties, 2, 0, -1, 1, err));
    return cop_ties_add_axis(ties, 1, 0, -1, 1, err);
}

static bool fill_linear(struct cop_linear *linear, int32_t bias_slot)
{
    *linear = (struct cop_linear){
        .src_slot = 0,
        .weights_slot = 1,
        .bias_slot = bias_slot,
        .src_axis = 1,
        .in_axis = 1,
        .out_axis = 0,
        .dst_axis = 1,
        .g = 1,
    };
    return true;
}

static bool linear_mix(const struct cop_node *node, struct cop_linear *linear)
{
    (void)node;
    return fill_linear(linear, 2);
}

static bool linear_bare(const struct cop_node *node, struct cop_linear *linear)
{
    (void)node;
    return fill_linear(linear, -1);
}

static const struct cop_coupling couple_mix = {
    .name = "mix",
    .tie = tie_mix,
    .refit = cop_refit_none,
    .linear = linear_mix,
};

static const struct cop_coupling couple_bare = {
    .name = "bare mix",
    .tie = tie_mix,
    .refit = cop_refit_none,
    .linear = linear_bare,
};

const struct cop_op toy_bare = {
    .name = "Bare",
    .opsets = {1, 99},
    .arity = {2, 2, 1},
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer_mix,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lower_nothing,
    .coupling = &couple_bare,
};

const struct cop_op toy_mix = {
    .name = "Mix",
    .opsets = {1, 99},
    .arity = {2, 3, 1},
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer_mix,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lower_nothing,
    .coupling = &couple_mix,
};

const struct cop_op toy_plus = {
    .name = "Plus",
    .opsets = {1, 99},
    .arity = {2, 2, 1},
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer_same,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lower_nothing,
    .coupling = &cop_couple_elementwise,
};

const struct cop_op toy_stop = {
    .name = "Stop",
    .opsets = {1, 99},
    .arity = {1, 1, 1},
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer_same,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lower_nothing,
    .coupling = &cop_couple_frozen,
};

static const struct cop_op *const rows[] = {&toy_mix, &toy_bare, &toy_plus, &toy_stop};
const struct cop_op_set toy_ops = {.ops = rows, .n = 4};

struct cop_graph *toy_graph(int64_t channels, struct cop_value **x)
{
    struct cop_err err = {0};
    struct cop_graph *graph = NULL;
    assert_ok(cop_graph_create(&toy_ops, &graph, &err));
    struct cop_shape shape = cop_shape_make(2, (int64_t[]){1, channels});
    assert_ok(cop_graph_add_input(graph, "x", COP_F32, &shape, x, &err));
    return graph;
}

struct cop_value *toy_const(
    struct cop_graph *graph, const char *name, int32_t rank, const int64_t *dims)
{
    struct cop_err err = {0};
    struct cop_shape shape = cop_shape_make(rank, dims);
    int64_t n = cop_shape_n(&shape);
    struct cop_buf *buf = NULL;
    assert_ok(cop_buf_create((size_t)n * sizeof(float), &buf, &err));
    float *elements = cop_buf_mutable(buf);
    uint32_t state = 17;
    for (const char *letter = name; *letter != '\0'; letter++)
        state = state * 31 + (uint32_t)(unsigned char)*letter;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        elements[i] = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
    }
    struct cop_value *value = NULL;
    assert_ok(cop_graph_add_const(graph, name, COP_F32, &shape, buf, &value, &err));
    cop_buf_release(buf);
    return value;
}

static struct cop_value *add(
    struct cop_graph *graph,
    const struct cop_op *op,
    const char *name,
    struct cop_value *const *src,
    int32_t n_src)
{
    struct cop_err err = {0};
    const struct cop_node_spec spec = {
        .op = op, .name = name, .src = src, .n_src = n_src, .n_dst = 1};
    struct cop_node *node = NULL;
    assert_ok(cop_graph_add_node(graph, &spec, &node, &err));
    assert_ok(cop_graph_infer(graph, &err));
    return node->dst[0];
}

static struct cop_value *add_linear(
    struct cop_graph *graph,
    const struct cop_op *op,
    const char *name,
    struct cop_value *src,
    int64_t channels)
{
    char weights_name[64];
    (void)snprintf(weights_name, sizeof weights_name, "%s.w", name);
    struct cop_value *weights =
        toy_const(graph, weights_name, 2, (int64_t[]){channels, src->shape.dim[1]});
    return add(graph, op, name, (struct cop_value *[]){src, weights}, 2);
}

struct cop_value *toy_add_mix(
    struct cop_graph *graph, const char *name, struct cop_value *src, int64_t channels)
{
    return add_linear(graph, &toy_mix, name, src, channels);
}

struct cop_value *toy_add_bare(
    struct cop_graph *graph, const char *name, struct cop_value *src, int64_t channels)
{
    return add_linear(graph, &toy_bare, name, src, channels);
}

struct cop_value *toy_add_plus(
    struct cop_graph *graph,
    const char *name,
    struct cop_value *src0,
    struct cop_value *src1)
{
    return add(graph, &toy_plus, name, (struct cop_value *[]){src0, src1}, 2);
}

struct cop_value *toy_add_stop(
    struct cop_graph *graph, const char *name, struct cop_value *src)
{
    return add(graph, &toy_stop, name, &src, 1);
}
