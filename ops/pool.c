/* ops/pool.c - MaxPool, AveragePool, LpPool over one to three spatial axes, and their global
 * forms over any number.
 *
 * A window over three axes is two steps: over the last two, then over the first.  Largest
 * elements and sums do not mind, and neither do averages: how many elements of a window are
 * counted is a product over its axes. */
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

/** One pooling of images. */
struct step {
    struct cop_window given;   /* with the paddings that the file asks for */
    struct cop_window reached; /* and with what ceil mode adds to them */
    struct cop_shape src;      /* rank 4 */
    struct cop_shape dst;
};

/** Nearly always one; two over three spatial axes. */
struct steps {
    int n;
    struct step at[2];
};

static enum cop_status find_step(
    const struct cop_ops__window_attrs *attrs,
    const struct cop_shape *src, /* rank 3 or 4 */
    const int64_t *kernel,
    bool is_ceil,
    struct step *step,
    struct cop_err *err)
{
    int64_t produced[2] = {0, 0};
    COP_TRY(cop_ops__window(attrs, src, kernel, false, &step->given, produced, err));
    COP_TRY(
        cop_ops__window(attrs, src, kernel, is_ceil, &step->reached, produced, err));
    step->src = step->dst = cop_ops__image(src);
    cop_ops__set_image(&step->dst, produced);
    return COP_OK;
}

static void swap_axes(struct cop_window *window)
{
    int64_t *const entries[] = {
        window->kernel,
        window->strides,
        window->dilates,
        window->pads_l,
        window->pads_r};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        const int64_t first = entries[i][0];
        entries[i][0] = entries[i][1];
        entries[i][1] = first;
    }
}

/* [n][c * d][h][w] first, then [n][c][d][h' * w']. */
static enum cop_status find_volume_steps(
    const struct pool_attrs *attrs,
    const struct cop_shape *src,
    struct steps *steps,
    struct cop_err *err)
{
    struct cop_ops__volume_attrs parts;
    const int64_t *const kernel = attrs->window.kernel_shape.at;
    const int64_t *const dim = src->dim;
    const bool is_ceil = attrs->ceil_mode != 0;
    const struct cop_shape planes = {4, {dim[0], dim[1] * dim[2], dim[3], dim[4]}};
    const struct cop_shape line = {3, {dim[0], dim[1], dim[2]}};
    struct step *const plane = &steps->at[0];
    struct step *const depth = &steps->at[1];
    steps->n = 2;
    COP_TRY(cop_ops__split_window(&attrs->window, &parts, err));
    COP_TRY(find_step(&parts.plane, &planes, kernel + 1, is_ceil, plane, err));
    COP_TRY(find_step(&parts.depth, &line, kernel, is_ceil, depth, err));
    swap_axes(&depth->given);
    swap_axes(&depth->reached);
    const int64_t produced = depth->dst.dim[3];
    depth->src = line;
    depth->src.rank = 4;
    depth->src.dim[3] = plane->dst.dim[2] * plane->dst.dim[3];
    depth->dst = depth->src;
    depth->dst.dim[2] = produced;
    return COP_OK;
}

static enum cop_status find_steps(
    const struct pool_attrs *attrs,
    const struct cop_shape *src,
    struct steps *steps,
    struct cop_err *err)
{
    const struct cop_ints *const kernel = &attrs->window.kernel_shape;
    if (kernel->n != src->rank - 2)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "kernel_shape has %lld entries, src has %d spatial axes",
            (long long)kernel->n,
            src->rank - 2);
    if (src->rank == 5) return find_volume_steps(attrs, src, steps, err);
    steps->n = 1;
    return find_step(
        &attrs->window, src, kernel->at, attrs->ceil_mode != 0, &steps->at[0], err);
}

static enum cop_status pool_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    struct steps steps;
    const int32_t rank = src[0].shape.rank;
    COP_TRY(cop_ops__want_volume(src, 0, err));
    COP_TRY(find_steps(node->attrs, &src[0].shape, &steps, err));
    dst[0] = src[0];
    dst[0].data = NULL;
    const struct cop_shape *const plane = &steps.at[0].dst;
    dst[0].shape.dim[rank - 1] = plane->dim[3];
    if (rank >= 4) dst[0].shape.dim[rank - 2] = plane->dim[2];
    if (rank == 5) dst[0].shape.dim[2] = steps.at[1].dst.dim[2];
    return COP_OK;
}

/* The largest byte is exact in float32. */
static enum cop_status max_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    if (src[0].dtype != COP_U8 && src[0].dtype != COP_I8)
        COP_TRY(cop_ops__want_f32(src, 0, err));
    return pool_infer(node, src, dst, err);
}

static enum cop_status average_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__want_f32(src, 0, err));
    return pool_infer(node, src, dst, err);
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
    return average_infer(node, src, dst, err);
}

/** Emits the primitives of one step. */
typedef enum cop_status emit_step_fn(
    const struct pool_attrs *attrs,
    struct cop_emitter *emitter,
    const struct step *step,
    const struct cop_ref ends[2],
    struct cop_err *err);

/* All steps, from @p src to a tensor that has the elements of result 0: @p dst, if it is there
 * and has the shape of an image. */
static enum cop_status emit_steps(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    emit_step_fn *emit_step,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_ref *result,
    struct cop_err *err)
{
    struct steps steps;
    const struct pool_attrs *const attrs = node->attrs;
    COP_TRY(find_steps(attrs, &cop_emit_src_fact(emitter, 0)->shape, &steps, err));
    *result = src;
    for (int i = 0; i < steps.n; i++) {
        const struct step *const step = &steps.at[i];
        const bool is_there =
            i == steps.n - 1 && dst.id >= 0 &&
            cop_shape_equal(&step->dst, &cop_emit_dst_fact(emitter, 0)->shape);
        struct cop_ref ends[2] = {COP_REF_ABSENT, dst};
        COP_TRY(cop_emit_view(emitter, *result, &step->src, &ends[0], err));
        if (!is_there) COP_TRY(cop_emit_temp(emitter, &step->dst, &ends[1], err));
        COP_TRY(emit_step(attrs, emitter, step, ends, err));
        *result = ends[1];
    }
    return COP_OK;
}

static enum cop_status lower_steps(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    emit_step_fn *emit_step,
    struct cop_err *err)
{
    const struct cop_ref dst = cop_emit_dst(emitter, 0);
    struct cop_ref result = COP_REF_ABSENT;
    COP_TRY(emit_steps(
        node, emitter, emit_step, cop_emit_src(emitter, 0), dst, &result, err));
    if (result.id == dst.id) return COP_OK;
    return cop_emit_reshape(emitter, result, dst, err);
}

static enum cop_status emit_max(
    const struct pool_attrs *attrs,
    struct cop_emitter *emitter,
    const struct step *step,
    const struct cop_ref ends[2],
    struct cop_err *err)
{
    (void)attrs;
    return cop_emit_pool(emitter, COP_POOL_MAX, &step->reached, ends[0], ends[1], err);
}

static enum cop_status max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return lower_steps(node, emitter, emit_max, err);
}

/* Given padding counts, what ceil mode adds beyond it does not: pad with zeros first, then
 * average over what is there. */
static enum cop_status emit_padded(
    struct cop_emitter *emitter,
    const struct step *step,
    const struct cop_ref ends[2],
    struct cop_err *err)
{
    struct cop_shape shape = step->src;
    int64_t pads_l[4] = {0, 0, 0, 0};
    struct cop_window window = step->reached;
    for (int i = 0; i < 2; i++) {
        pads_l[2 + i] = step->given.pads_l[i];
        shape.dim[2 + i] += step->given.pads_l[i] + step->given.pads_r[i];
        window.pads_l[i] = 0;
        window.pads_r[i] = step->reached.pads_r[i] - step->given.pads_r[i];
    }
    struct cop_ref padded = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, &shape, &padded, err));
    COP_TRY(cop_emit_pad(emitter, pads_l, 0.0F, ends[0], padded, err));
    return cop_emit_pool(
        emitter, COP_POOL_AVG_EXCLUDE_PADDING, &window, padded, ends[1], err);
}

static enum cop_status emit_average(
    const struct pool_attrs *attrs,
    struct cop_emitter *emitter,
    const struct step *step,
    const struct cop_ref ends[2],
    struct cop_err *err)
{
    const bool counts = attrs->count_include_pad != 0;
    const int64_t *const given = step->given.pads_r;
    const int64_t *const reached = step->reached.pads_r;
    if (counts && (reached[0] > given[0] || reached[1] > given[1]))
        return emit_padded(emitter, step, ends, err);
    return cop_emit_pool(
        emitter,
        counts ? COP_POOL_AVG_INCLUDE_PADDING : COP_POOL_AVG_EXCLUDE_PADDING,
        &step->reached,
        ends[0],
        ends[1],
        err);
}

static enum cop_status average_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return lower_steps(node, emitter, emit_average, err);
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

/* An average times the number of its elements; padding adds 0 to it. */
static enum cop_status emit_sum(
    const struct pool_attrs *attrs,
    struct cop_emitter *emitter,
    const struct step *step,
    const struct cop_ref ends[2],
    struct cop_err *err)
{
    const struct cop_window *const window = &step->reached;
    struct cop_ref means = COP_REF_ABSENT;
    (void)attrs;
    COP_TRY(cop_emit_temp(emitter, &step->dst, &means, err));
    COP_TRY(cop_emit_pool(
        emitter, COP_POOL_AVG_INCLUDE_PADDING, window, ends[0], means, err));
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_LINEAR,
        (float)(window->kernel[0] * window->kernel[1]),
        0.0F,
        means,
        ends[1],
        err);
}

/* The p-th root of a window's sum of |x|^p. */
static enum cop_status lp_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct pool_attrs *const attrs = node->attrs;
    const struct cop_shape *const src = &cop_emit_src_fact(emitter, 0)->shape;
    const struct cop_shape *const dst = &cop_emit_dst_fact(emitter, 0)->shape;
    struct cop_ref powers = COP_REF_ABSENT;
    struct cop_ref sums = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, src, &powers, err));
    COP_TRY(emit_power(
        emitter, (float)attrs->p, cop_emit_src(emitter, 0), powers, src, err));
    COP_TRY(emit_steps(node, emitter, emit_sum, powers, COP_REF_ABSENT, &sums, err));
    COP_TRY(cop_emit_view(emitter, sums, dst, &sums, err));
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_POW,
        1.0F,
        1.0F / (float)attrs->p,
        sums,
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
    .infer = max_infer,
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
    .infer = average_infer,
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
