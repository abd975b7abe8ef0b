/* ops/pool.c - MaxPool, AveragePool and their global forms over two spatial axes. */
#include "ops/row.h"

struct pool_attrs {
    struct cop_ops__window_attrs window;
    int64_t ceil_mode;
    int64_t count_include_pad;
    int64_t storage_order;
};

static const struct cop_attr_spec max_specs[] = {
    COP_OPS__WINDOW_SPECS(offsetof(struct pool_attrs, window), true, 10),
    {.name = "ceil_mode",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct pool_attrs, ceil_mode),
     .first_opset = 10},
    {.name = "storage_order",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct pool_attrs, storage_order),
     .first_opset = 8},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec average_specs[] = {
    COP_OPS__WINDOW_SPECS(offsetof(struct pool_attrs, window), true, 19),
    {.name = "ceil_mode",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct pool_attrs, ceil_mode),
     .first_opset = 10},
    {.name = "count_include_pad",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct pool_attrs, count_include_pad),
     .first_opset = 7},
    {.type = COP_ATTR_END}};

static enum cop_status pool_window(
    const struct pool_attrs *attrs,
    const struct cop_shape *src,
    bool is_ceil,
    struct cop_window *window,
    int64_t produced[2],
    struct cop_err *err)
{
    if (attrs->window.kernel_shape.n != 2)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "kernel_shape has %lld entries, only 2 spatial axes are supported",
            (long long)attrs->window.kernel_shape.n);
    return cop_ops__window(
        &attrs->window,
        src,
        attrs->window.kernel_shape.at,
        is_ceil,
        window,
        produced,
        err);
}

static enum cop_status pool_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct pool_attrs *const attrs = node->attrs;
    COP_TRY(cop_ops__want_f32(src, 0, err));
    COP_TRY(cop_ops__want_rank(src, 0, 4, err));
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    COP_TRY(pool_window(
        attrs, &src[0].shape, attrs->ceil_mode != 0, &window, produced, err));
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    dst[0].shape.dim[2] = produced[0];
    dst[0].shape.dim[3] = produced[1];
    return COP_OK;
}

static enum cop_status max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct pool_attrs *const attrs = node->attrs;
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    COP_TRY(pool_window(
        attrs,
        &cop_emit_src_fact(emitter, 0)->shape,
        attrs->ceil_mode != 0,
        &window,
        produced,
        err));
    return cop_emit_pool(
        emitter,
        COP_POOL_MAX,
        &window,
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

/* Given padding counts, what ceil mode adds beyond it does not: pad with zeros first, then
 * average over what is there. */
static enum cop_status lower_padded(
    struct cop_emitter *emitter,
    const struct cop_window *given,
    const struct cop_window *reached,
    struct cop_err *err)
{
    struct cop_shape shape = cop_emit_src_fact(emitter, 0)->shape;
    int64_t pads_l[4] = {0, 0, 0, 0};
    struct cop_window window = *reached;
    for (int i = 0; i < 2; i++) {
        pads_l[2 + i] = given->pads_l[i];
        shape.dim[2 + i] += given->pads_l[i] + given->pads_r[i];
        window.pads_l[i] = 0;
        window.pads_r[i] = reached->pads_r[i] - given->pads_r[i];
    }
    struct cop_ref padded = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, &shape, &padded, err));
    COP_TRY(cop_emit_pad(emitter, pads_l, 0.0F, cop_emit_src(emitter, 0), padded, err));
    return cop_emit_pool(
        emitter,
        COP_POOL_AVG_EXCLUDE_PADDING,
        &window,
        padded,
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status average_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct pool_attrs *const attrs = node->attrs;
    const struct cop_shape *const src = &cop_emit_src_fact(emitter, 0)->shape;
    struct cop_window given = {.kernel = {0, 0}};
    struct cop_window reached = {.kernel = {0, 0}};
    int64_t produced[2] = {0, 0};
    COP_TRY(pool_window(attrs, src, false, &given, produced, err));
    COP_TRY(pool_window(attrs, src, attrs->ceil_mode != 0, &reached, produced, err));
    const bool overhangs =
        reached.pads_r[0] > given.pads_r[0] || reached.pads_r[1] > given.pads_r[1];
    if (attrs->count_include_pad != 0 && overhangs)
        return lower_padded(emitter, &given, &reached, err);
    return cop_emit_pool(
        emitter,
        attrs->count_include_pad != 0 ? COP_POOL_AVG_INCLUDE_PADDING
                                      : COP_POOL_AVG_EXCLUDE_PADDING,
        &reached,
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

/* ---- global pools ------------------------------------------------------------------ */

static enum cop_status global_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    COP_TRY(cop_ops__want_f32(src, 0, err));
    COP_TRY(cop_ops__want_rank(src, 0, 4, err));
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    dst[0].shape.dim[2] = dst[0].shape.dim[3] = 1;
    return COP_OK;
}

static enum cop_status emit_global(
    struct cop_emitter *emitter, enum cop_reduce_alg alg, struct cop_err *err)
{
    return cop_emit_reduce(
        emitter,
        alg,
        1u << 2 | 1u << 3,
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status global_average_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit_global(emitter, COP_REDUCE_MEAN, err);
}

static enum cop_status global_max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit_global(emitter, COP_REDUCE_MAX, err);
}

const struct cop_op cop_op_max_pool = {
    .name = "MaxPool",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct pool_attrs),
    .attrs = max_specs,
    .upgrade = cop_upgrade_none,
    .infer = pool_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = max_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_winner,
};

const struct cop_op cop_op_average_pool = {
    .name = "AveragePool",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct pool_attrs),
    .attrs = average_specs,
    .upgrade = cop_upgrade_none,
    .infer = pool_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = average_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_global_average_pool = {
    .name = "GlobalAveragePool",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = global_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = global_average_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_global_max_pool = {
    .name = "GlobalMaxPool",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = global_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = global_max_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_winner,
};
