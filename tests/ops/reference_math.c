/* tests/ops/reference_math.c - elementwise operators and reductions. */
#include "reference.h"

#include <math.h>
#include <string.h>

/* ---- of one tensor ------------------------------------------------------------------ */

static void like_src(struct ref_call *call)
{
    ref_make(&call->dst[0], call->src[0].dtype, &call->src[0].shape);
}

static double relu(double x)
{
    return x > 0.0 ? x : 0.0;
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double negative(double x)
{
    return -x;
}

static double reciprocal(double x)
{
    return 1.0 / x;
}

static double hard_swish(double x)
{
    return x * fmax(0.0, fmin(1.0, x / 6.0 + 0.5));
}

static void unary(struct ref_call *call)
{
    static const struct {
        const char *op;
        double (*f)(double);
    } functions[] = {
        {"Abs", fabs},
        {"Exp", exp},
        {"HardSwish", hard_swish},
        {"Log", log},
        {"Neg", negative},
        {"Reciprocal", reciprocal},
        {"Relu", relu},
        {"Sigmoid", sigmoid},
        {"Sqrt", sqrt},
        {"Tanh", tanh},
    };
    like_src(call);
    for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
        if (strcmp(functions[k].op, call->op) != 0) continue;
        for (int64_t i = 0; i < ref_n(&call->dst[0]); i++)
            call->dst[0].at[i] = functions[k].f(call->src[0].at[i]);
    }
}

static void leaky_relu(struct ref_call *call)
{
    const double alpha = ref_float(call, "alpha", 0.01);
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        call->dst[0].at[i] = x > 0.0 ? x : alpha * x;
    }
}

static void elu(struct ref_call *call)
{
    const double alpha = ref_float(call, "alpha", 1.0);
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        call->dst[0].at[i] = x > 0.0 ? x : alpha * (exp(x) - 1.0);
    }
}

static void hard_sigmoid(struct ref_call *call)
{
    const double alpha = ref_float(call, "alpha", 0.2);
    const double beta = ref_float(call, "beta", 0.5);
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++)
        call->dst[0].at[i] = fmax(0.0, fmin(1.0, alpha * call->src[0].at[i] + beta));
}

static void clip(struct ref_call *call)
{
    const bool is_old = call->opset < 11;
    double low = is_old ? ref_float(call, "min", -INFINITY) : -INFINITY;
    double high = is_old ? ref_float(call, "max", INFINITY) : INFINITY;
    if (ref_has(call, 1)) low = call->src[1].at[0];
    if (ref_has(call, 2)) high = call->src[2].at[0];
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++)
        call->dst[0].at[i] = fmin(high, fmax(low, call->src[0].at[i]));
}

static void identity(struct ref_call *call)
{
    like_src(call);
    memcpy(
        call->dst[0].at,
        call->src[0].at,
        (size_t)ref_n(&call->src[0]) * sizeof(double));
}

static void cast(struct ref_call *call)
{
    const enum cop_dtype to = cop_dtype_from_onnx((int32_t)ref_int(call, "to", 1));
    ref_make(&call->dst[0], to, &call->src[0].shape);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        double y = x;
        if (to == COP_I64 || to == COP_I32) y = trunc(x);
        if (to == COP_BOOL) y = x < 0.0 || x > 0.0;
        call->dst[0].at[i] = y;
    }
}

/* ---- of two tensors ------------------------------------------------------------------ */

static double add(double a, double b)
{
    return a + b;
}

static double subtract(double a, double b)
{
    return a - b;
}

static double multiply(double a, double b)
{
    return a * b;
}

static double divide(double a, double b)
{
    return a / b;
}

static double equal(double a, double b)
{
    return !(a < b) && !(a > b);
}

static void binary(struct ref_call *call)
{
    static const struct {
        const char *op;
        double (*f)(double, double);
    } functions[] = {
        {"Add", add},
        {"Div", divide},
        {"Equal", equal},
        {"Max", fmax},
        {"Min", fmin},
        {"Mul", multiply},
        {"Pow", pow},
        {"Sub", subtract},
    };
    const struct ref_tensor *const a = &call->src[0];
    const struct ref_tensor *const b = &call->src[1];
    const struct cop_shape shape = ref_broadcast(&a->shape, &b->shape);
    const bool is_test = strcmp(call->op, "Equal") == 0;
    ref_make(&call->dst[0], is_test ? COP_BOOL : a->dtype, &shape);
    for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
        if (strcmp(functions[k].op, call->op) != 0) continue;
        for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
            int64_t at[COP_MAX_RANK];
            ref_unravel(&shape, i, at);
            double y = functions[k].f(
                ref_broadcast_at(a, &shape, at), ref_broadcast_at(b, &shape, at));
            if (a->dtype == COP_I64) y = trunc(y);
            call->dst[0].at[i] = y;
        }
    }
}

static void where(struct ref_call *call)
{
    struct cop_shape shape = ref_broadcast(&call->src[1].shape, &call->src[2].shape);
    shape = ref_broadcast(&shape, &call->src[0].shape);
    ref_make(&call->dst[0], call->src[1].dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        const bool holds = ref_broadcast_at(&call->src[0], &shape, at) > 0.0;
        call->dst[0].at[i] = ref_broadcast_at(&call->src[holds ? 1 : 2], &shape, at);
    }
}

/* ---- reductions ---------------------------------------------------------------------- */

static void reduce(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    int64_t axes[COP_MAX_RANK];
    int n = ref_ints(call, "axes", axes, COP_MAX_RANK);
    if (ref_has(call, 1)) {
        n = (int)ref_n(&call->src[1]);
        for (int i = 0; i < n; i++)
            axes[i] = (int64_t)call->src[1].at[i];
    }
    bool reduced[COP_MAX_RANK] = {false};
    for (int i = 0; i < n; i++)
        reduced[axes[i] < 0 ? axes[i] + src->shape.rank : axes[i]] = true;
    if (n <= 0 && ref_int(call, "noop_with_empty_axes", 0) == 0)
        for (int i = 0; i < src->shape.rank; i++)
            reduced[i] = true;

    struct cop_shape kept = src->shape;
    struct cop_shape shape = {0, {0}};
    int64_t each = 1;
    for (int i = 0; i < src->shape.rank; i++) {
        if (reduced[i]) kept.dim[i] = 1;
        if (reduced[i]) each *= src->shape.dim[i];
        if (!reduced[i] || ref_int(call, "keepdims", 1) != 0)
            shape.dim[shape.rank++] = kept.dim[i];
    }
    ref_make(&call->dst[0], src->dtype, &shape);
    double *const to = call->dst[0].at;
    const bool is_max = strcmp(call->op, "ReduceMax") == 0;
    for (int64_t i = 0; is_max && i < cop_shape_n(&shape); i++)
        to[i] = -INFINITY;
    for (int64_t i = 0; i < ref_n(src); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&src->shape, i, at);
        for (int axis = 0; axis < src->shape.rank; axis++)
            if (reduced[axis]) at[axis] = 0;
        double *const element = &to[ref_ravel(&kept, at)];
        *element = is_max ? fmax(*element, src->at[i]) : *element + src->at[i];
    }
    for (int64_t i = 0; strcmp(call->op, "ReduceMean") == 0 && i < cop_shape_n(&shape);
         i++)
        to[i] /= (double)each;
}

const struct ref_row ref_math_rows[] = {
    {"Abs", unary},
    {"Add", binary},
    {"Cast", cast},
    {"Clip", clip},
    {"Div", binary},
    {"Dropout", identity},
    {"Elu", elu},
    {"Equal", binary},
    {"Exp", unary},
    {"HardSigmoid", hard_sigmoid},
    {"HardSwish", unary},
    {"Identity", identity},
    {"LeakyRelu", leaky_relu},
    {"Log", unary},
    {"Max", binary},
    {"Min", binary},
    {"Mul", binary},
    {"Neg", unary},
    {"Pow", binary},
    {"Reciprocal", unary},
    {"ReduceMax", reduce},
    {"ReduceMean", reduce},
    {"ReduceSum", reduce},
    {"Relu", unary},
    {"Sigmoid", unary},
    {"Sqrt", unary},
    {"Sub", binary},
    {"Tanh", unary},
    {"Where", where},
    {NULL, NULL}};
