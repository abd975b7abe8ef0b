/* ops/activation.c - activations made of more than one primitive, and rounding. */
#include "ops/row.h"

#include <math.h>
#include <string.h>

struct act_attrs {
    float alpha;
    float gamma;
    const char *approximate;
};

static float alpha_of(const struct cop_node *node)
{
    return ((const struct act_attrs *)node->attrs)->alpha;
}

/* dst = f(src) of the shape of source 0; dst absent: a fresh one. */
static enum cop_status apply(
    struct cop_emitter *emitter,
    enum cop_eltwise_alg alg,
    float alpha,
    float beta,
    struct cop_ref src,
    struct cop_ref *dst,
    struct cop_err *err)
{
    if (dst->id < 0)
        COP_TRY(
            cop_emit_temp(emitter, &cop_emit_src_fact(emitter, 0)->shape, dst, err));
    return cop_emit_eltwise(emitter, alg, alpha, beta, src, *dst, err);
}

/* The one function from source 0 to result 0. */
static enum cop_status apply_whole(
    struct cop_emitter *emitter,
    enum cop_eltwise_alg alg,
    float alpha,
    struct cop_err *err)
{
    struct cop_ref dst = cop_emit_dst(emitter, 0);
    return apply(emitter, alg, alpha, 0.0F, cop_emit_src(emitter, 0), &dst, err);
}

static enum cop_status softplus_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return apply_whole(emitter, COP_ELTWISE_SOFTPLUS, 0.0F, err);
}

static enum cop_status erf_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return apply_whole(emitter, COP_ELTWISE_ERF, 0.0F, err);
}

static enum cop_status floor_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return apply_whole(emitter, COP_ELTWISE_FLOOR, 0.0F, err);
}

static enum cop_status ceil_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return apply_whole(emitter, COP_ELTWISE_CEIL, 0.0F, err);
}

static enum cop_status round_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return apply_whole(emitter, COP_ELTWISE_ROUND, 0.0F, err);
}

static enum cop_status sign_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return apply_whole(emitter, COP_ELTWISE_SIGN, 0.0F, err);
}

/* x / (1 + |x|) */
static enum cop_status softsign_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    const struct cop_ref src = cop_emit_src(emitter, 0);
    struct cop_ref size = COP_REF_ABSENT;
    struct cop_ref divisor = COP_REF_ABSENT;
    COP_TRY(apply(emitter, COP_ELTWISE_ABS, 0.0F, 0.0F, src, &size, err));
    COP_TRY(apply(emitter, COP_ELTWISE_LINEAR, 1.0F, 1.0F, size, &divisor, err));
    return cop_emit_binary(
        emitter, COP_BINARY_DIV, src, divisor, cop_emit_dst(emitter, 0), err);
}

/* x * tanh(log(1 + exp(x))) */
static enum cop_status mish_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    const struct cop_ref src = cop_emit_src(emitter, 0);
    struct cop_ref plus = COP_REF_ABSENT;
    struct cop_ref gate = COP_REF_ABSENT;
    COP_TRY(apply(emitter, COP_ELTWISE_SOFTPLUS, 0.0F, 0.0F, src, &plus, err));
    COP_TRY(apply(emitter, COP_ELTWISE_TANH, 0.0F, 0.0F, plus, &gate, err));
    return cop_emit_binary(
        emitter, COP_BINARY_MUL, src, gate, cop_emit_dst(emitter, 0), err);
}

/* gamma * (x > 0 ? x : alpha * (exp(x) - 1)) */
static enum cop_status selu_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct act_attrs *const attrs = node->attrs;
    struct cop_ref elu = COP_REF_ABSENT;
    struct cop_ref dst = cop_emit_dst(emitter, 0);
    const struct cop_ref src = cop_emit_src(emitter, 0);
    COP_TRY(apply(emitter, COP_ELTWISE_ELU, attrs->alpha, 0.0F, src, &elu, err));
    return apply(emitter, COP_ELTWISE_LINEAR, attrs->gamma, 0.0F, elu, &dst, err);
}

/* alpha * elu(x / alpha), which is x where x > 0 */
static enum cop_status celu_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const float alpha = alpha_of(node);
    struct cop_ref scaled = COP_REF_ABSENT;
    struct cop_ref elu = COP_REF_ABSENT;
    struct cop_ref dst = cop_emit_dst(emitter, 0);
    const struct cop_ref src = cop_emit_src(emitter, 0);
    COP_TRY(apply(emitter, COP_ELTWISE_LINEAR, 1.0F / alpha, 0.0F, src, &scaled, err));
    COP_TRY(apply(emitter, COP_ELTWISE_ELU, 1.0F, 0.0F, scaled, &elu, err));
    return apply(emitter, COP_ELTWISE_LINEAR, alpha, 0.0F, elu, &dst, err);
}

/* x > alpha ? x : 0 */
static enum cop_status thresholded_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const float numbers[2] = {alpha_of(node), 0.0F};
    const struct cop_shape scalar = cop_shape_make(0, NULL);
    const struct cop_ref src = cop_emit_src(emitter, 0);
    struct cop_ref constants[2];
    struct cop_ref passes = COP_REF_ABSENT;
    for (int i = 0; i < 2; i++)
        COP_TRY(cop_emit_const(emitter, &scalar, &numbers[i], &constants[i], err));
    COP_TRY(
        cop_emit_temp(emitter, &cop_emit_src_fact(emitter, 0)->shape, &passes, err));
    COP_TRY(
        cop_emit_binary(emitter, COP_BINARY_GREATER, src, constants[0], passes, err));
    return cop_emit_select(
        emitter, passes, src, constants[1], cop_emit_dst(emitter, 0), err);
}

static bool is_tanh_form(const struct cop_node *node)
{
    const char *const form = ((const struct act_attrs *)node->attrs)->approximate;
    return form != NULL && strcmp(form, "tanh") == 0;
}

static enum cop_status gelu_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const char *const form = ((const struct act_attrs *)node->attrs)->approximate;
    if (form != NULL && strcmp(form, "none") != 0 && !is_tanh_form(node))
        return COP_FAIL(err, COP_EUNSUPPORTED, "approximate is '%.20s'", form);
    return cop_ops__infer_same_f32(node, src, dst, err);
}

static enum cop_status gelu_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return apply_whole(
        emitter,
        is_tanh_form(node) ? COP_ELTWISE_GELU_TANH : COP_ELTWISE_GELU_ERF,
        0.0F,
        err);
}

static enum cop_status celu_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const double alpha = (double)alpha_of(node);
    if (!(fabs(alpha) > 0.0))
        return COP_FAIL(err, COP_EUNSUPPORTED, "alpha is %g", alpha);
    return cop_ops__infer_same_f32(node, src, dst, err);
}

/* ---- folding: exporters round sizes in chains of shape arithmetic --------------------- */

static enum cop_status fold_with(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    double (*f)(double),
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    for (int64_t i = 0; i < n; i++)
        cop_ops__store(
            dst[0].dtype, elements, i, f(cop_element_at(src[0].dtype, src[0].data, i)));
    return COP_OK;
}

static enum cop_status floor_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, floor, err);
}

static enum cop_status ceil_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, ceil, err);
}

static enum cop_status round_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, nearbyint, err);
}

/* ---- rows ----------------------------------------------------------------------------- */

static const struct cop_attr_spec selu_specs[] = {
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct act_attrs, alpha),
     .float_default = 1.67326319217681884765625F},
    {.name = "gamma",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct act_attrs, gamma),
     .float_default = 1.05070102214813232421875F},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec one_specs[] = {
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct act_attrs, alpha),
     .float_default = 1.0F},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec gelu_specs[] = {
    {.name = "approximate",
     .type = COP_ATTR_STRING,
     .offset = offsetof(struct act_attrs, approximate),
     .string_default = "none"},
    {.type = COP_ATTR_END}};

const struct cop_op cop_op_softplus = {
    .name = "Softplus",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = softplus_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_softsign = {
    .name = "Softsign",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = softsign_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_erf = {
    .name = "Erf",
    .opsets = {9, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = erf_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_mish = {
    .name = "Mish",
    .opsets = {18, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = mish_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_selu = {
    .name = "Selu",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct act_attrs),
    .attrs = selu_specs,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = selu_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_celu = {
    .name = "Celu",
    .opsets = {12, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct act_attrs),
    .attrs = one_specs,
    .upgrade = cop_upgrade_none,
    .infer = celu_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = celu_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_thresholded_relu = {
    .name = "ThresholdedRelu",
    .opsets = {10, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct act_attrs),
    .attrs = one_specs,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = thresholded_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_gelu = {
    .name = "Gelu",
    .opsets = {20, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct act_attrs),
    .attrs = gelu_specs,
    .upgrade = cop_upgrade_none,
    .infer = gelu_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = gelu_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_floor = {
    .name = "Floor",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = floor_fold,
    .macs = cop_macs_none,
    .lower = floor_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_ceil = {
    .name = "Ceil",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = ceil_fold,
    .macs = cop_macs_none,
    .lower = ceil_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_round = {
    .name = "Round",
    .opsets = {11, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = round_fold,
    .macs = cop_macs_none,
    .lower = round_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_sign = {
    .name = "Sign",
    .opsets = {9, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = sign_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};
