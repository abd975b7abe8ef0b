/* ops/reduce.c - the reductions over constant axes.  Shape arithmetic of integers folds;
 * activations are float32. */
#include "ops/row.h"

#include <math.h>

/* Axes: an attribute up to opset 17 (ReduceSum: 12), an operand since.  In memory the
 * form of opset 13 holds: an operand of ReduceSum, an attribute of the others. */
struct reduce_attrs {
    struct cop_ints axes;
    int64_t keepdims;
    int64_t noop_with_empty_axes;
};

static const struct cop_attr_spec reduce_specs[] = {
    {.name = "axes",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct reduce_attrs, axes),
     .last_opset = 17,
     .late_slot = 1},
    {.name = "keepdims",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, keepdims),
     .int_default = 1},
    {.name = "noop_with_empty_axes",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, noop_with_empty_axes),
     .first_opset = 18},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec sum_specs[] = {
    {.name = "axes",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct reduce_attrs, axes),
     .last_opset = 12},
    {.name = "keepdims",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, keepdims),
     .int_default = 1},
    {.name = "noop_with_empty_axes",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, noop_with_empty_axes),
     .first_opset = 13},
    {.type = COP_ATTR_END}};

static enum cop_status sum_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct reduce_attrs *const attrs = node->attrs;
    if (opset >= 13 || attrs->axes.at == NULL) return COP_OK;
    const struct cop_ints axes = attrs->axes;
    attrs->axes = (struct cop_ints){0, NULL};
    return cop_ops__set_ints(graph, node, 1, axes.at, axes.n, err);
}

/* Since opset 18 the axes come as an operand, which must be known while reading. */
static enum cop_status reduce_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    if (opset < 18 || !cop_ops__has(node, 1)) return COP_OK;
    struct reduce_attrs *const attrs = node->attrs;
    const struct cop_fact fact = cop_ops__peek(node, 1);
    int64_t axes[COP_MAX_RANK];
    int32_t n = 0;
    COP_TRY(cop_ops__ints(&fact, "axes", axes, &n, err));
    int64_t *const copy = cop_arena_copy(cop_graph_arena(graph), axes, sizeof axes);
    if (copy == NULL) return COP_FAIL_NOMEM(err);
    attrs->axes = (struct cop_ints){n, n > 0 ? copy : NULL};
    return cop_graph_set_src(graph, node, 1, NULL, err);
}

static enum cop_status reduced_axes(
    const struct cop_node *node,
    const struct cop_fact *operand,
    int32_t rank,
    uint32_t *axes,
    struct cop_err *err)
{
    const struct reduce_attrs *const attrs = node->attrs;
    int64_t listed[COP_MAX_RANK];
    int32_t n = 0;
    if (attrs->axes.at != NULL) {
        COP_TRY(cop_ops__axes(rank, attrs->axes.at, attrs->axes.n, axes, err));
        n = (int32_t)attrs->axes.n;
    } else if (operand != NULL) {
        COP_TRY(cop_ops__ints(operand, "axes", listed, &n, err));
        COP_TRY(cop_ops__axes(rank, listed, n, axes, err));
    }
    if (n == 0) *axes = attrs->noop_with_empty_axes != 0 ? 0 : (1u << rank) - 1;
    return COP_OK;
}

static enum cop_status reduce_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct reduce_attrs *const attrs = node->attrs;
    const struct cop_shape *const shape = &src[0].shape;
    uint32_t axes = 0;
    COP_TRY(reduced_axes(
        node, cop_ops__has(node, 1) ? &src[1] : NULL, shape->rank, &axes, err));
    dst[0].dtype = src[0].dtype;
    for (int32_t i = 0; i < shape->rank; i++) {
        const bool is_reduced = (axes >> i & 1u) != 0;
        if (is_reduced && attrs->keepdims == 0) continue;
        dst[0].shape.dim[dst[0].shape.rank++] = is_reduced ? 1 : shape->dim[i];
    }
    return COP_OK;
}

/** What a reduction does before and after the primitive. */
struct recipe {
    enum cop_reduce_alg alg;
    enum { AS_IT_IS, MAGNITUDE, SQUARE } before;
    enum { NOTHING, ROOT, LOGARITHM } after;
};

static enum cop_status emit_before(
    struct cop_emitter *emitter,
    const struct recipe *recipe,
    struct cop_ref *src,
    struct cop_err *err)
{
    const struct cop_ref given = *src;
    if (recipe->before == AS_IT_IS) return COP_OK;
    COP_TRY(cop_emit_temp(emitter, &cop_emit_src_fact(emitter, 0)->shape, src, err));
    if (recipe->before == SQUARE)
        return cop_emit_binary(emitter, COP_BINARY_MUL, given, given, *src, err);
    return cop_emit_eltwise(emitter, COP_ELTWISE_ABS, 0.0F, 0.0F, given, *src, err);
}

static enum cop_status emit_recipe(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    const struct recipe *recipe,
    struct cop_err *err)
{
    uint32_t axes = 0;
    COP_TRY(cop_ops__want_computed_f32(emitter, err));
    COP_TRY(reduced_axes(
        node,
        cop_ops__has(node, 1) ? cop_emit_src_fact(emitter, 1) : NULL,
        cop_emit_src_fact(emitter, 0)->shape.rank,
        &axes,
        err));
    struct cop_ref src = cop_emit_src(emitter, 0);
    struct cop_ref reduced = cop_emit_dst(emitter, 0);
    if (axes == 0 && recipe->before == AS_IT_IS && recipe->after == NOTHING)
        return cop_ops__lower_same(node, emitter, err);
    COP_TRY(emit_before(emitter, recipe, &src, err));
    if (recipe->after != NOTHING)
        COP_TRY(cop_emit_temp(
            emitter, &cop_emit_dst_fact(emitter, 0)->shape, &reduced, err));
    if (axes == 0)
        COP_TRY(cop_emit_reshape(emitter, src, reduced, err));
    else
        COP_TRY(cop_emit_reduce(emitter, recipe->alg, axes, src, reduced, err));
    if (recipe->after == NOTHING) return COP_OK;
    return cop_emit_eltwise(
        emitter,
        recipe->after == ROOT ? COP_ELTWISE_SQRT : COP_ELTWISE_LOG,
        0.0F,
        0.0F,
        reduced,
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status mean_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_MEAN, AS_IT_IS, NOTHING};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status sum_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_SUM, AS_IT_IS, NOTHING};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_MAX, AS_IT_IS, NOTHING};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status min_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_MIN, AS_IT_IS, NOTHING};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status prod_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_PROD, AS_IT_IS, NOTHING};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status l1_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_SUM, MAGNITUDE, NOTHING};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status l2_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_SUM, SQUARE, ROOT};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status sum_square_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_SUM, SQUARE, NOTHING};
    return emit_recipe(node, emitter, &recipe, err);
}

static enum cop_status log_sum_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    static const struct recipe recipe = {COP_REDUCE_SUM, AS_IT_IS, LOGARITHM};
    return emit_recipe(node, emitter, &recipe, err);
}

/* log(sum(exp(x - m))) + m with the largest element m, so that nothing overflows. */
static enum cop_status log_sum_exp_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct cop_shape *const shape = &cop_emit_src_fact(emitter, 0)->shape;
    const struct cop_ref src = cop_emit_src(emitter, 0);
    uint32_t axes = 0;
    COP_TRY(cop_ops__want_computed_f32(emitter, err));
    COP_TRY(reduced_axes(
        node,
        cop_ops__has(node, 1) ? cop_emit_src_fact(emitter, 1) : NULL,
        shape->rank,
        &axes,
        err));
    if (axes == 0) return cop_ops__lower_same(node, emitter, err);
    struct cop_shape kept = *shape;
    for (int32_t i = 0; i < kept.rank; i++)
        if ((axes >> i & 1u) != 0) kept.dim[i] = 1;
    struct cop_ref most;
    struct cop_ref shifted;
    struct cop_ref powers;
    struct cop_ref sum;
    struct cop_ref logarithm;
    struct cop_ref result;
    COP_TRY(cop_emit_temp(emitter, &kept, &most, err));
    COP_TRY(cop_emit_temp(emitter, shape, &shifted, err));
    COP_TRY(cop_emit_temp(emitter, shape, &powers, err));
    COP_TRY(cop_emit_temp(emitter, &kept, &sum, err));
    COP_TRY(cop_emit_temp(emitter, &kept, &logarithm, err));
    COP_TRY(cop_emit_temp(emitter, &kept, &result, err));
    COP_TRY(cop_emit_reduce(emitter, COP_REDUCE_MAX, axes, src, most, err));
    COP_TRY(cop_emit_binary(emitter, COP_BINARY_SUB, src, most, shifted, err));
    COP_TRY(
        cop_emit_eltwise(emitter, COP_ELTWISE_EXP, 0.0F, 0.0F, shifted, powers, err));
    COP_TRY(cop_emit_reduce(emitter, COP_REDUCE_SUM, axes, powers, sum, err));
    COP_TRY(
        cop_emit_eltwise(emitter, COP_ELTWISE_LOG, 0.0F, 0.0F, sum, logarithm, err));
    COP_TRY(cop_emit_binary(emitter, COP_BINARY_ADD, logarithm, most, result, err));
    return cop_emit_reshape(emitter, result, cop_emit_dst(emitter, 0), err);
}

/* ---- folding ---------------------------------------------------------------------- */

/** Reduces in double precision: result = join(result, before(x)), from first. */
struct fold_rule {
    double first;
    double (*join)(double, double);
    bool is_mean;
    double (*before)(double); /* NULL: as it is */
    double (*after)(double);  /* likewise */
};

/* Which element of the result an element of the source falls into. */
static int64_t result_of(const struct cop_shape *src, uint32_t axes, int64_t i)
{
    int64_t at = 0;
    int64_t stride = 1;
    for (int32_t axis = src->rank - 1; axis >= 0; axis--) {
        if ((axes >> axis & 1u) == 0) {
            at += i % src->dim[axis] * stride;
            stride *= src->dim[axis];
        }
        i /= src->dim[axis];
    }
    return at;
}

static enum cop_status fold_with(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    const struct fold_rule *rule,
    struct cop_err *err)
{
    uint32_t axes = 0;
    void *elements = NULL;
    if (src[0].data == NULL || !cop_ops__can_store(dst[0].dtype)) return COP_OK;
    COP_TRY(reduced_axes(
        node, cop_ops__has(node, 1) ? &src[1] : NULL, src[0].shape.rank, &axes, err));
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    double *const sums = COP_ARENA_NEW_N(arena, n, double);
    if (sums == NULL) return COP_FAIL_NOMEM(err);
    /* Of no booleans the largest is false, the smallest true. */
    const bool is_bool = dst[0].dtype == COP_BOOL && isinf(rule->first);
    for (int64_t i = 0; i < n; i++)
        sums[i] = is_bool ? (double)(rule->first > 0.0) : rule->first;
    const int64_t n_src = n > 0 ? cop_shape_n(&src[0].shape) : 0;
    for (int64_t i = 0; i < n_src; i++) {
        double *const sum = &sums[result_of(&src[0].shape, axes, i)];
        const double x = cop_element_at(src[0].dtype, src[0].data, i);
        *sum = rule->join(*sum, rule->before != NULL ? rule->before(x) : x);
    }
    for (int64_t i = 0; i < n; i++) {
        const double result = rule->is_mean ? sums[i] / (double)(n_src / n) : sums[i];
        cop_ops__store(
            dst[0].dtype,
            elements,
            i,
            rule->after != NULL ? rule->after(result) : result);
    }
    return COP_OK;
}

static double add(double a, double b)
{
    return a + b;
}

static double multiply(double a, double b)
{
    return a * b;
}

static double square(double a)
{
    return a * a;
}

/* log(exp(a) + exp(b)) without leaving the range of numbers. */
static double add_logarithms(double a, double b)
{
    const double most = fmax(a, b);
    return isinf(most) ? most : most + log1p(exp(fmin(a, b) - most));
}

static enum cop_status mean_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {0.0, add, true, NULL, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status sum_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {0.0, add, false, NULL, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status max_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {-INFINITY, fmax, false, NULL, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status min_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {INFINITY, fmin, false, NULL, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status prod_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {1.0, multiply, false, NULL, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status l1_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {0.0, add, false, fabs, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status l2_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {0.0, add, false, square, sqrt};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status sum_square_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {0.0, add, false, square, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status log_sum_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {0.0, add, false, NULL, log};
    return fold_with(node, src, dst, arena, &rule, err);
}

static enum cop_status log_sum_exp_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct fold_rule rule = {-INFINITY, add_logarithms, false, NULL, NULL};
    return fold_with(node, src, dst, arena, &rule, err);
}

/* Axes that are not reduced follow; a reduced axis mixes its elements and is frozen. */
static enum cop_status reduce_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct reduce_attrs *const attrs = node->attrs;
    const struct cop_shape *const shape = &node->src[0]->shape;
    struct cop_fact operand = {COP_DTYPE_NONE, {0, {0}}, NULL};
    if (cop_ops__has(node, 1)) operand = cop_ops__peek(node, 1);
    uint32_t axes = 0;
    COP_TRY(reduced_axes(
        node, cop_ops__has(node, 1) ? &operand : NULL, shape->rank, &axes, err));
    int32_t to = 0;
    for (int32_t i = 0; i < shape->rank; i++) {
        const bool is_reduced = (axes >> i & 1u) != 0;
        if (!is_reduced) COP_TRY(cop_ties_add_axis(ties, 0, i, -1, to, err));
        if (!is_reduced || attrs->keepdims != 0) to++;
    }
    return COP_OK;
}

static const struct cop_coupling reduce_coupling = {
    .name = "reduction",
    .tie = reduce_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

static enum cop_status f32_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__want_f32(src, 0, err));
    return reduce_infer(node, src, dst, err);
}

const struct cop_op cop_op_reduce_mean = {
    .name = "ReduceMean",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = reduce_infer,
    .fold = mean_fold,
    .macs = cop_macs_none,
    .lower = mean_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_reduce_sum = {
    .name = "ReduceSum",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = sum_specs,
    .upgrade = sum_upgrade,
    .infer = reduce_infer,
    .fold = sum_fold,
    .macs = cop_macs_none,
    .lower = sum_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_reduce_max = {
    .name = "ReduceMax",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = reduce_infer,
    .fold = max_fold,
    .macs = cop_macs_none,
    .lower = max_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_winner,
};

const struct cop_op cop_op_reduce_min = {
    .name = "ReduceMin",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = reduce_infer,
    .fold = min_fold,
    .macs = cop_macs_none,
    .lower = min_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_winner,
};

const struct cop_op cop_op_reduce_prod = {
    .name = "ReduceProd",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = reduce_infer,
    .fold = prod_fold,
    .macs = cop_macs_none,
    .lower = prod_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_product,
};

const struct cop_op cop_op_reduce_l1 = {
    .name = "ReduceL1",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = f32_infer,
    .fold = l1_fold,
    .macs = cop_macs_none,
    .lower = l1_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_reduce_l2 = {
    .name = "ReduceL2",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = f32_infer,
    .fold = l2_fold,
    .macs = cop_macs_none,
    .lower = l2_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_reduce_sum_square = {
    .name = "ReduceSumSquare",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = f32_infer,
    .fold = sum_square_fold,
    .macs = cop_macs_none,
    .lower = sum_square_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_product,
};

const struct cop_op cop_op_reduce_log_sum = {
    .name = "ReduceLogSum",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = f32_infer,
    .fold = log_sum_fold,
    .macs = cop_macs_none,
    .lower = log_sum_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_product,
};

const struct cop_op cop_op_reduce_log_sum_exp = {
    .name = "ReduceLogSumExp",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = f32_infer,
    .fold = log_sum_exp_fold,
    .macs = cop_macs_none,
    .lower = log_sum_exp_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_winner,
};
