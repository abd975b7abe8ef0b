/* ops/eltwise.c - functions of one tensor, element by element.
 *
 * Every lowering is one or a few uses of cop_emit_eltwise; folding computes the same in
 * double precision, so that constant branches of a graph disappear at import. */
#include "ops/row.h"

#include <math.h>
#include <string.h>

struct alpha_attrs {
    float alpha;
};

static const struct cop_attr_spec leaky_specs[] = {
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct alpha_attrs, alpha),
     .float_default = 0.01F},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec elu_specs[] = {
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct alpha_attrs, alpha),
     .float_default = 1.0F},
    {.type = COP_ATTR_END}};

static float alpha_of(const struct cop_node *node)
{
    return ((const struct alpha_attrs *)node->attrs)->alpha;
}

/* ---- lowering --------------------------------------------------------------------- */

static enum cop_status emit(
    struct cop_emitter *emitter,
    enum cop_eltwise_alg alg,
    float alpha,
    float beta,
    struct cop_err *err)
{
    COP_TRY(cop_ops__want_computed_f32(emitter, err));
    return cop_emit_eltwise(
        emitter,
        alg,
        alpha,
        beta,
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status relu_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_RELU, 0.0F, 0.0F, err);
}

static enum cop_status leaky_relu_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return emit(emitter, COP_ELTWISE_RELU, alpha_of(node), 0.0F, err);
}

static enum cop_status sigmoid_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_LOGISTIC, 0.0F, 0.0F, err);
}

static enum cop_status tanh_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_TANH, 0.0F, 0.0F, err);
}

static enum cop_status elu_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return emit(emitter, COP_ELTWISE_ELU, alpha_of(node), 0.0F, err);
}

static enum cop_status exp_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_EXP, 0.0F, 0.0F, err);
}

static enum cop_status sqrt_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_SQRT, 0.0F, 0.0F, err);
}

static enum cop_status log_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_LOG, 0.0F, 0.0F, err);
}

static enum cop_status abs_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_ABS, 0.0F, 0.0F, err);
}

static enum cop_status neg_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_LINEAR, -1.0F, 0.0F, err);
}

static enum cop_status reciprocal_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_ELTWISE_POW, 1.0F, -1.0F, err);
}

/* HardSigmoid: min(max(alpha * x + beta, 0), 1). */
static enum cop_status emit_hard_sigmoid(
    struct cop_emitter *emitter,
    float alpha,
    float beta,
    struct cop_ref dst,
    struct cop_err *err)
{
    struct cop_ref line = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, &cop_emit_src_fact(emitter, 0)->shape, &line, err));
    COP_TRY(cop_emit_eltwise(
        emitter, COP_ELTWISE_LINEAR, alpha, beta, cop_emit_src(emitter, 0), line, err));
    return cop_emit_eltwise(emitter, COP_ELTWISE_CLIP, 0.0F, 1.0F, line, dst, err);
}

struct hard_attrs {
    float alpha;
    float beta;
};

static const struct cop_attr_spec hard_specs[] = {
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct hard_attrs, alpha),
     .float_default = 0.2F},
    {.name = "beta",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct hard_attrs, beta),
     .float_default = 0.5F},
    {.type = COP_ATTR_END}};

static enum cop_status hard_sigmoid_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct hard_attrs *const attrs = node->attrs;
    return emit_hard_sigmoid(
        emitter, attrs->alpha, attrs->beta, cop_emit_dst(emitter, 0), err);
}

static enum cop_status hard_swish_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    struct cop_ref gate = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, &cop_emit_src_fact(emitter, 0)->shape, &gate, err));
    COP_TRY(emit_hard_sigmoid(emitter, 1.0F / 6.0F, 0.5F, gate, err));
    return cop_emit_binary(
        emitter,
        COP_BINARY_MUL,
        cop_emit_src(emitter, 0),
        gate,
        cop_emit_dst(emitter, 0),
        err);
}

/* ---- folding ---------------------------------------------------------------------- */

static enum cop_status fold_with(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    double (*f)(double),
    struct cop_err *err)
{
    if (src[0].data == NULL || !cop_ops__can_store(dst[0].dtype)) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    for (int64_t i = 0; i < n; i++)
        cop_ops__store(
            dst[0].dtype, elements, i, f(cop_element_at(src[0].dtype, src[0].data, i)));
    return COP_OK;
}

static enum cop_status exp_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, exp, err);
}

static enum cop_status sqrt_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, sqrt, err);
}

static enum cop_status log_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, log, err);
}

static enum cop_status abs_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, fabs, err);
}

static double negative(double x)
{
    return -x;
}

static enum cop_status neg_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, negative, err);
}

static double inverse(double x)
{
    return 1.0 / x;
}

static enum cop_status reciprocal_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, inverse, err);
}

/* ---- Clip ------------------------------------------------------------------------- */

/* Bounds were attributes up to opset 10, operands since. */
struct clip_attrs {
    float min;
    float max;
};

static const float no_bound = 3.4028234663852886e38F;

static const struct cop_attr_spec clip_specs[] = {
    {.name = "min",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct clip_attrs, min),
     .float_default = -3.4028234663852886e38F,
     .last_opset = 10},
    {.name = "max",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct clip_attrs, max),
     .float_default = 3.4028234663852886e38F,
     .last_opset = 10},
    {.type = COP_ATTR_END}};

static enum cop_status clip_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    if (opset > 10) return COP_OK;
    struct clip_attrs *const attrs = node->attrs;
    if (attrs->min > -no_bound)
        COP_TRY(cop_ops__set_scalar(graph, node, 1, attrs->min, err));
    if (attrs->max < no_bound)
        COP_TRY(cop_ops__set_scalar(graph, node, 2, attrs->max, err));
    attrs->min = -no_bound;
    attrs->max = no_bound;
    return COP_OK;
}

static enum cop_status clip_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    for (int32_t i = 1; i < node->n_src; i++) {
        if (!cop_ops__has(node, i)) continue;
        if (src[i].dtype != src[0].dtype)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "bound %d is %s, src is %s",
                i,
                cop_dtype_name(src[i].dtype),
                cop_dtype_name(src[0].dtype));
        if (cop_shape_n(&src[i].shape) != 1)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "bound %d has %lld elements, wanted 1",
                i,
                (long long)cop_shape_n(&src[i].shape));
    }
    return cop_ops__infer_same(node, src, dst, err);
}

static enum cop_status clip_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    double bounds[2] = {-INFINITY, INFINITY};
    void *elements = NULL;
    for (int32_t i = 0; i < 3; i++) {
        if (!cop_ops__has(node, i)) continue;
        if (src[i].data == NULL || !cop_ops__can_store(src[i].dtype)) return COP_OK;
        if (i > 0) bounds[i - 1] = cop_element_at(src[i].dtype, src[i].data, 0);
    }
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    const size_t bytes = cop_dtype_bytes(dst[0].dtype);
    for (int64_t i = 0; i < n; i++) {
        const double x = cop_element_at(src[0].dtype, src[0].data, i);
        const double raised = x < bounds[0] ? bounds[0] : x;
        const double result = raised > bounds[1] ? bounds[1] : raised;
        if (result < x || result > x)
            cop_ops__store(dst[0].dtype, elements, i, result);
        else /* large integers are no doubles */
            memcpy(
                (char *)elements + (size_t)i * bytes,
                (const char *)src[0].data + (size_t)i * bytes,
                bytes);
    }
    return COP_OK;
}

/* A computed bound is one more operand of a maximum or minimum. */
static enum cop_status clip_computed(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    struct cop_ref so_far = cop_emit_src(emitter, 0);
    const struct cop_shape scalar = cop_shape_make(0, NULL);
    for (int32_t i = 1; i < 3; i++) {
        const bool is_last = i == 2 || !cop_ops__has(node, 2);
        struct cop_ref bound = COP_REF_ABSENT;
        struct cop_ref next = cop_emit_dst(emitter, 0);
        if (!cop_ops__has(node, i)) continue;
        COP_TRY(cop_emit_number(emitter, i, &bound, err));
        COP_TRY(cop_emit_view(emitter, bound, &scalar, &bound, err));
        if (!is_last)
            COP_TRY(cop_emit_temp(
                emitter, &cop_emit_src_fact(emitter, 0)->shape, &next, err));
        COP_TRY(cop_emit_binary(
            emitter,
            i == 1 ? COP_BINARY_MAX : COP_BINARY_MIN,
            so_far,
            bound,
            next,
            err));
        so_far = next;
    }
    return COP_OK;
}

/* Of bounds that contradict each other the upper one holds. */
static enum cop_status clip_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    float bounds[2] = {-no_bound, no_bound};
    for (int32_t i = 1; i < 3; i++) {
        if (!cop_ops__has(node, i)) continue;
        const struct cop_fact *const fact = cop_emit_src_fact(emitter, i);
        if (fact->data == NULL) return clip_computed(node, emitter, err);
        bounds[i - 1] = (float)cop_element_at(fact->dtype, fact->data, 0);
    }
    if (bounds[0] > bounds[1]) bounds[0] = bounds[1];
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_CLIP,
        bounds[0],
        bounds[1],
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status clip_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    for (int32_t axis = 0; axis < node->dst[0]->shape.rank; axis++)
        COP_TRY(cop_ties_add_axis(ties, 0, axis, -1, axis, err));
    return COP_OK;
}

/* Bounds are one element each, whatever their rank: they tie nothing. */
static const struct cop_coupling clip_coupling = {
    .name = "elementwise",
    .tie = clip_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_relu = {
    .name = "Relu",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = relu_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_leaky_relu = {
    .name = "LeakyRelu",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct alpha_attrs),
    .attrs = leaky_specs,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = leaky_relu_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_sigmoid = {
    .name = "Sigmoid",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = sigmoid_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_tanh = {
    .name = "Tanh",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = tanh_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_elu = {
    .name = "Elu",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct alpha_attrs),
    .attrs = elu_specs,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = elu_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_hard_sigmoid = {
    .name = "HardSigmoid",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct hard_attrs),
    .attrs = hard_specs,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = hard_sigmoid_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_hard_swish = {
    .name = "HardSwish",
    .opsets = {14, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = hard_swish_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_exp = {
    .name = "Exp",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = exp_fold,
    .macs = cop_macs_none,
    .lower = exp_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_sqrt = {
    .name = "Sqrt",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = sqrt_fold,
    .macs = cop_macs_none,
    .lower = sqrt_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_log = {
    .name = "Log",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = log_fold,
    .macs = cop_macs_none,
    .lower = log_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_abs = {
    .name = "Abs",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same,
    .fold = abs_fold,
    .macs = cop_macs_none,
    .lower = abs_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_neg = {
    .name = "Neg",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same,
    .fold = neg_fold,
    .macs = cop_macs_none,
    .lower = neg_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_reciprocal = {
    .name = "Reciprocal",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = reciprocal_fold,
    .macs = cop_macs_none,
    .lower = reciprocal_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_clip = {
    .name = "Clip",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 3, 1},
    .attrs_size = sizeof(struct clip_attrs),
    .attrs = clip_specs,
    .upgrade = clip_upgrade,
    .infer = clip_infer,
    .fold = clip_fold,
    .macs = cop_macs_none,
    .lower = clip_lower,
    .coupling = &clip_coupling,
    .relevance = &cop_relevance_elementwise,
};
