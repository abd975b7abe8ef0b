/* ops/pool.c - MaxPool, AveragePool, LpPool over one or two spatial axes, and their global
 * forms over any number. */
#include "ops/row.h"

struct pool_attrs {
    struct cop_ops__window_attrs window;
    int64_t ceil_mode;
    int64_t count_include_pad;
    int64_t storage_order;
    int64_t p;
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

static const struct cop_attr_spec lp_specs[] = {
    COP_OPS__WINDOW_SPECS(offsetof(struct pool_attrs, window), true, 18),
    {.name = "ceil_mode",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct pool_attrs, ceil_mode),
     .first_opset = 18},
    {.name = "p",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct pool_attrs, p),
     .int_default = 2},
    {.type = COP_ATTR_END}};

static enum cop_status pool_window(
    const struct pool_attrs *attrs,
    const struct cop_shape *src,
    bool is_ceil,
    struct cop_window *window,
    int64_t produced[2],
    struct cop_err *err)
{
    if (attrs->window.kernel_shape.n != src->rank - 2)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "kernel_shape has %lld entries, src has %d spatial axes",
            (long long)attrs->window.kernel_shape.n,
            src->rank - 2);
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
    COP_TRY(cop_ops__want_image(src, 0, err));
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    COP_TRY(pool_window(
        attrs, &src[0].shape, attrs->ceil_mode != 0, &window, produced, err));
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    cop_ops__set_image(&dst[0].shape, produced);
    return COP_OK;
}

static enum cop_status check_p(const struct cop_node *node, struct cop_err *err)
{
    const struct pool_attrs *const attrs = node->attrs;
    if (attrs->p >= 1 && attrs->p <= 64) return COP_OK;
    return COP_FAIL(
        err, COP_EUNSUPPORTED, "p is %lld, 1 to 64 are supported", (long long)attrs->p);
}

static enum cop_status lp_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(check_p(node, err));
    return pool_infer(node, src, dst, err);
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
    struct cop_ref ends[2];
    COP_TRY(cop_ops__emit_image(emitter, ends, err));
    COP_TRY(cop_emit_pool(emitter, COP_POOL_MAX, &window, ends[0], ends[1], err));
    return cop_ops__finish_image(emitter, ends, err);
}

/* Given padding counts, what ceil mode adds beyond it does not: pad with zeros first, then
 * average over what is there. */
static enum cop_status lower_padded(
    struct cop_emitter *emitter,
    const struct cop_window *given,
    const struct cop_window *reached,
    const struct cop_ref ends[2],
    struct cop_err *err)
{
    struct cop_shape shape = cop_ops__image(&cop_emit_src_fact(emitter, 0)->shape);
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
    COP_TRY(cop_emit_pad(emitter, pads_l, 0.0F, ends[0], padded, err));
    return cop_emit_pool(
        emitter, COP_POOL_AVG_EXCLUDE_PADDING, &window, padded, ends[1], err);
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
    struct cop_ref ends[2];
    COP_TRY(cop_ops__emit_image(emitter, ends, err));
    if (attrs->count_include_pad != 0 && overhangs)
        COP_TRY(lower_padded(emitter, &given, &reached, ends, err));
    else
        COP_TRY(cop_emit_pool(
            emitter,
            attrs->count_include_pad != 0 ? COP_POOL_AVG_INCLUDE_PADDING
                                          : COP_POOL_AVG_EXCLUDE_PADDING,
            &reached,
            ends[0],
            ends[1],
            err));
    return cop_ops__finish_image(emitter, ends, err);
}

/* ---- LpPool ------------------------------------------------------------------------ */

/* |x|^p, or back. */
static enum cop_status emit_power(
    struct cop_emitter *emitter,
    float power,
    struct cop_ref src,
    struct cop_ref dst,
    const struct cop_shape *shape,
    struct cop_err *err)
{
    struct cop_ref size = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, shape, &size, err));
    COP_TRY(cop_emit_eltwise(emitter, COP_ELTWISE_ABS, 0.0F, 0.0F, src, size, err));
    return cop_emit_eltwise(emitter, COP_ELTWISE_POW, 1.0F, power, size, dst, err);
}

/* The p-th root of a window's sum of |x|^p, the sum being an average times the number of
 * its elements; padding adds 0 to it. */
static enum cop_status lp_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct pool_attrs *const attrs = node->attrs;
    const struct cop_shape src = cop_ops__image(&cop_emit_src_fact(emitter, 0)->shape);
    const struct cop_shape dst = cop_ops__image(&cop_emit_dst_fact(emitter, 0)->shape);
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    COP_TRY(pool_window(
        attrs,
        &cop_emit_src_fact(emitter, 0)->shape,
        attrs->ceil_mode != 0,
        &window,
        produced,
        err));
    struct cop_ref ends[2];
    struct cop_ref powers = COP_REF_ABSENT;
    struct cop_ref means = COP_REF_ABSENT;
    struct cop_ref sums = COP_REF_ABSENT;
    COP_TRY(cop_ops__emit_image(emitter, ends, err));
    COP_TRY(cop_emit_temp(emitter, &src, &powers, err));
    COP_TRY(cop_emit_temp(emitter, &dst, &means, err));
    COP_TRY(cop_emit_temp(emitter, &dst, &sums, err));
    COP_TRY(emit_power(emitter, (float)attrs->p, ends[0], powers, &src, err));
    COP_TRY(cop_emit_pool(
        emitter, COP_POOL_AVG_INCLUDE_PADDING, &window, powers, means, err));
    COP_TRY(cop_emit_eltwise(
        emitter,
        COP_ELTWISE_LINEAR,
        (float)(window.kernel[0] * window.kernel[1]),
        0.0F,
        means,
        sums,
        err));
    COP_TRY(cop_emit_eltwise(
        emitter, COP_ELTWISE_POW, 1.0F, 1.0F / (float)attrs->p, sums, ends[1], err));
    return cop_ops__finish_image(emitter, ends, err);
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
    if (src[0].shape.rank < 3)
        return COP_FAIL(
            err, COP_ESHAPE, "src 0 has %d axes, wanted 3 or more", src[0].shape.rank);
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    for (int32_t i = 2; i < src[0].shape.rank; i++)
        dst[0].shape.dim[i] = 1;
    return COP_OK;
}

static enum cop_status global_lp_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(check_p(node, err));
    return global_infer(node, src, dst, err);
}

static uint32_t spatial_axes(const struct cop_emitter *emitter)
{
    return ((1u << cop_emit_src_fact(emitter, 0)->shape.rank) - 1u) & ~3u;
}

static enum cop_status emit_global(
    struct cop_emitter *emitter, enum cop_reduce_alg alg, struct cop_err *err)
{
    return cop_emit_reduce(
        emitter,
        alg,
        spatial_axes(emitter),
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

static const struct cop_attr_spec global_lp_specs[] = {
    {.name = "p",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct pool_attrs, p),
     .int_default = 2},
    {.type = COP_ATTR_END}};

static enum cop_status global_lp_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct pool_attrs *const attrs = node->attrs;
    const struct cop_shape *const shape = &cop_emit_src_fact(emitter, 0)->shape;
    struct cop_ref powers = COP_REF_ABSENT;
    struct cop_ref sums = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, shape, &powers, err));
    COP_TRY(cop_emit_temp(emitter, &cop_emit_dst_fact(emitter, 0)->shape, &sums, err));
    COP_TRY(emit_power(
        emitter, (float)attrs->p, cop_emit_src(emitter, 0), powers, shape, err));
    COP_TRY(cop_emit_reduce(
        emitter, COP_REDUCE_SUM, spatial_axes(emitter), powers, sums, err));
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_POW,
        1.0F,
        1.0F / (float)attrs->p,
        sums,
        cop_emit_dst(emitter, 0),
        err);
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

const struct cop_op cop_op_lp_pool = {
    .name = "LpPool",
    .opsets = {2, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct pool_attrs),
    .attrs = lp_specs,
    .upgrade = cop_upgrade_none,
    .infer = lp_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lp_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_global_lp_pool = {
    .name = "GlobalLpPool",
    .opsets = {2, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct pool_attrs),
    .attrs = global_lp_specs,
    .upgrade = cop_upgrade_none,
    .infer = global_lp_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = global_lp_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_sum,
};
