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

static double opposite(double x)
{
    return x > 0.0 ? 0.0 : 1.0;
}

static double reciprocal(double x)
{
    return 1.0 / x;
}

static double hard_swish(double x)
{
    return x * fmax(0.0, fmin(1.0, x / 6.0 + 0.5));
}

static double softplus(double x)
{
    return log(1.0 + exp(x));
}

static double softsign(double x)
{
    return x / (1.0 + fabs(x));
}

static double mish(double x)
{
    return x * tanh(softplus(x));
}

static double sign(double x)
{
    return (double)(x > 0.0) - (double)(x < 0.0);
}

static void unary(struct ref_call *call)
{
    static const struct {
        const char *op;
        double (*f)(double);
    } functions[] = {
        {"Abs", fabs},
        {"Ceil", ceil},
        {"Erf", erf},
        {"Exp", exp},
        {"Floor", floor},
        {"HardSwish", hard_swish},
        {"Mish", mish},
        {"Not", opposite},
        {"Log", log},
        {"Neg", negative},
        {"Reciprocal", reciprocal},
        {"Relu", relu},
        {"Round", nearbyint},
        {"Sigmoid", sigmoid},
        {"Sign", sign},
        {"Softplus", softplus},
        {"Softsign", softsign},
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

static void selu(struct ref_call *call)
{
    const double alpha = ref_float(call, "alpha", 1.67326319217681884765625);
    const double gamma = ref_float(call, "gamma", 1.05070102214813232421875);
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        call->dst[0].at[i] = gamma * (x > 0.0 ? x : alpha * exp(x) - alpha);
    }
}

static void celu(struct ref_call *call)
{
    const double alpha = ref_float(call, "alpha", 1.0);
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        call->dst[0].at[i] = fmax(0.0, x) + fmin(0.0, alpha * (exp(x / alpha) - 1.0));
    }
}

static void thresholded(struct ref_call *call)
{
    const double alpha = ref_float(call, "alpha", 1.0);
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        call->dst[0].at[i] = x > alpha ? x : 0.0;
    }
}

static void gelu(struct ref_call *call)
{
    const bool is_tanh = strcmp(ref_text(call, "approximate", "none"), "tanh") == 0;
    like_src(call);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        const double inner = sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x);
        call->dst[0].at[i] =
            0.5 * x * (1.0 + (is_tanh ? tanh(inner) : erf(x / sqrt(2.0))));
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

/* Inference: everything goes through, which is what the mask tells. */
static void dropout(struct ref_call *call)
{
    identity(call);
    if (call->n_dst < 2) return;
    ref_make(&call->dst[1], COP_BOOL, &call->src[0].shape);
    for (int64_t i = 0; i < ref_n(&call->dst[1]); i++)
        call->dst[1].at[i] = 1.0;
}

static void cast(struct ref_call *call)
{
    const enum cop_dtype to = cop_dtype_from_onnx((int32_t)ref_int(call, "to", 1));
    ref_make(&call->dst[0], to, &call->src[0].shape);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        const double x = call->src[0].at[i];
        double y = x;
        if (to == COP_I64 || to == COP_I32) y = trunc(x);
        if (to == COP_U8 || to == COP_I8) {
            y = trunc(x);
            while (y > (to == COP_U8 ? 255.0 : 127.0))
                y -= 256.0;
            while (y < (to == COP_U8 ? 0.0 : -128.0))
                y += 256.0;
        }
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

static double greater(double a, double b)
{
    return a > b;
}

static double greater_or_equal(double a, double b)
{
    return a >= b;
}

static double less(double a, double b)
{
    return a < b;
}

static double less_or_equal(double a, double b)
{
    return a <= b;
}

static double both(double a, double b)
{
    return a > 0.0 && b > 0.0;
}

static double either(double a, double b)
{
    return a > 0.0 || b > 0.0;
}

static double differ(double a, double b)
{
    return (a > 0.0) != (b > 0.0);
}

static double parametric(double a, double b)
{
    return a < 0.0 ? a * b : a;
}

static double floored_rest(double a, double b)
{
    return a - b * floor(a / b);
}

static void binary(struct ref_call *call)
{
    const struct {
        const char *op;
        double (*f)(double, double);
        bool is_test;
    } functions[] = {
        {"Add", add, false},
        {"Div", divide, false},
        {"And", both, true},
        {"Equal", equal, true},
        {"Greater", greater, true},
        {"GreaterOrEqual", greater_or_equal, true},
        {"Less", less, true},
        {"LessOrEqual", less_or_equal, true},
        {"Or", either, true},
        {"PRelu", parametric, false},
        {"Sum", add, false},
        {"Mean", add, false},
        {"Xor", differ, true},
        {"Max", fmax, false},
        {"Min", fmin, false},
        {"Mod", ref_int(call, "fmod", 0) != 0 ? fmod : floored_rest, false},
        {"Mul", multiply, false},
        {"Pow", pow, false},
        {"Sub", subtract, false},
    };
    struct cop_shape shape = call->src[0].shape;
    for (int i = 1; i < call->n_src; i++)
        shape = ref_broadcast(&shape, &call->src[i].shape);
    size_t k = 0;
    while (k < sizeof functions / sizeof functions[0] &&
           strcmp(functions[k].op, call->op) != 0)
        k++;
    const enum cop_dtype dtype = call->src[0].dtype;
    ref_make(&call->dst[0], functions[k].is_test ? COP_BOOL : dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        double y = ref_broadcast_at(&call->src[0], &shape, at);
        for (int s = 1; s < call->n_src; s++)
            y = functions[k].f(y, ref_broadcast_at(&call->src[s], &shape, at));
        if (strcmp(call->op, "Mean") == 0) y /= (double)call->n_src;
        call->dst[0].at[i] = dtype == COP_I64 ? trunc(y) : y;
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

/* One element more for a result that so far is @p y. */
static double join(const char *op, double y, double x)
{
    if (strcmp(op, "ReduceMax") == 0) return fmax(y, x);
    if (strcmp(op, "ReduceMin") == 0) return fmin(y, x);
    if (strcmp(op, "ReduceProd") == 0) return y * x;
    if (strcmp(op, "ReduceL1") == 0) return y + fabs(x);
    if (strcmp(op, "ReduceL2") == 0 || strcmp(op, "ReduceSumSquare") == 0)
        return y + x * x;
    return strcmp(op, "ReduceLogSumExp") == 0 ? y + exp(x) : y + x;
}

static double first_of(const char *op)
{
    if (strcmp(op, "ReduceMax") == 0) return -INFINITY;
    if (strcmp(op, "ReduceMin") == 0) return INFINITY;
    return strcmp(op, "ReduceProd") == 0 ? 1.0 : 0.0;
}

/* What the result is once all of @p n elements have joined. */
static double finish(const char *op, double y, int64_t n)
{
    if (strcmp(op, "ReduceMean") == 0) return y / (double)n;
    if (strcmp(op, "ReduceL2") == 0) return sqrt(y);
    return strncmp(op, "ReduceLog", 9) == 0 ? log(y) : y;
}

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
    for (int64_t i = 0; i < cop_shape_n(&shape); i++)
        to[i] = first_of(call->op);
    for (int64_t i = 0; i < ref_n(src); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&src->shape, i, at);
        for (int axis = 0; axis < src->shape.rank; axis++)
            if (reduced[axis]) at[axis] = 0;
        double *const element = &to[ref_ravel(&kept, at)];
        *element = join(call->op, *element, src->at[i]);
    }
    for (int64_t i = 0; i < cop_shape_n(&shape); i++)
        to[i] = finish(call->op, to[i], each);
}

static void arg(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const double towards = strcmp(call->op, "ArgMin") == 0 ? -1.0 : 1.0;
    const bool is_last = ref_int(call, "select_last_index", 0) != 0;
    int64_t axis = ref_int(call, "axis", 0);
    if (axis < 0) axis += src->shape.rank;
    struct cop_shape kept = src->shape;
    struct cop_shape shape = {0, {0}};
    kept.dim[axis] = 1;
    for (int i = 0; i < kept.rank; i++)
        if (i != axis || ref_int(call, "keepdims", 1) != 0)
            shape.dim[shape.rank++] = kept.dim[i];
    ref_make(&call->dst[0], COP_I64, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        double most = -INFINITY;
        ref_unravel(&kept, i, at);
        for (int64_t k = 0; k < src->shape.dim[axis]; k++) {
            at[axis] = k;
            const double x = towards * src->at[ref_ravel(&src->shape, at)];
            if (x < most || (!(x > most) && !is_last)) continue;
            most = x;
            call->dst[0].at[i] = (double)k;
        }
    }
}

const struct ref_row ref_math_rows[] = {
    {"Abs", unary},
    {"Add", binary},
    {"And", binary},
    {"ArgMax", arg},
    {"ArgMin", arg},
    {"Cast", cast},
    {"Ceil", unary},
    {"Celu", celu},
    {"Clip", clip},
    {"Div", binary},
    {"Dropout", dropout},
    {"Elu", elu},
    {"Equal", binary},
    {"Erf", unary},
    {"Exp", unary},
    {"Floor", unary},
    {"Gelu", gelu},
    {"Greater", binary},
    {"GreaterOrEqual", binary},
    {"HardSigmoid", hard_sigmoid},
    {"HardSwish", unary},
    {"Identity", identity},
    {"LeakyRelu", leaky_relu},
    {"Less", binary},
    {"LessOrEqual", binary},
    {"Log", unary},
    {"Max", binary},
    {"Mean", binary},
    {"Min", binary},
    {"Mish", unary},
    {"Mod", binary},
    {"Mul", binary},
    {"Neg", unary},
    {"Not", unary},
    {"Or", binary},
    {"PRelu", binary},
    {"Pow", binary},
    {"Reciprocal", unary},
    {"ReduceL1", reduce},
    {"ReduceL2", reduce},
    {"ReduceLogSum", reduce},
    {"ReduceLogSumExp", reduce},
    {"ReduceMax", reduce},
    {"ReduceMean", reduce},
    {"ReduceMin", reduce},
    {"ReduceProd", reduce},
    {"ReduceSum", reduce},
    {"ReduceSumSquare", reduce},
    {"Relu", unary},
    {"Round", unary},
    {"Selu", selu},
    {"Sigmoid", unary},
    {"Sign", unary},
    {"Softplus", unary},
    {"Softsign", unary},
    {"Sqrt", unary},
    {"Sub", binary},
    {"Sum", binary},
    {"Tanh", unary},
    {"ThresholdedRelu", thresholded},
    {"Where", where},
    {"Xor", binary},
    {NULL, NULL}};
