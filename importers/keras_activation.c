/* importers/keras_activation.c - activations by name and as layers; see keras_layers.h. */
#include "importers/keras_activation.h"

#include <math.h>
#include <string.h>

/* ---- steps ---------------------------------------------------------------------------------- */

static enum cop_status unary(
    const struct cop_keras__job *job,
    const char *op,
    struct cop_value **x,
    struct cop_err *err)
{
    const struct cop_importers__part part = {.op = op, .src = {*x}, .n_src = 1};
    return cop_keras__node(job, op, &part, x, err);
}

static enum cop_status with_alpha(
    const struct cop_keras__job *job,
    const char *op,
    double alpha,
    struct cop_value **x,
    struct cop_err *err)
{
    const struct cop_importers__part part = {
        .op = op,
        .src = {*x},
        .n_src = 1,
        .attrs = {{.name = "alpha", .real = (float)alpha}}};
    return cop_keras__node(job, op, &part, x, err);
}

static enum cop_status binary(
    const struct cop_keras__job *job,
    const char *op,
    struct cop_value *a,
    struct cop_value *b,
    struct cop_value **dst,
    struct cop_err *err)
{
    const struct cop_importers__part part = {.op = op, .src = {a, b}, .n_src = 2};
    return cop_keras__node(job, op, &part, dst, err);
}

static enum cop_status with_scalar(
    const struct cop_keras__job *job,
    const char *op,
    double number,
    struct cop_value **x,
    struct cop_err *err)
{
    struct cop_value *scalar = NULL;
    COP_TRY(cop_keras__scalar(job, number, &scalar, err));
    return binary(job, op, *x, scalar, x, err);
}

/* min(max(x, low), high); either bound may be infinite. */
static enum cop_status clip(
    const struct cop_keras__job *job,
    double low,
    double high,
    struct cop_value **x,
    struct cop_err *err)
{
    struct cop_importers__part part = {.op = "Clip", .src = {*x}, .n_src = 3};
    if (isfinite(low)) COP_TRY(cop_keras__scalar(job, low, &part.src[1], err));
    if (isfinite(high)) COP_TRY(cop_keras__scalar(job, high, &part.src[2], err));
    return cop_keras__node(job, "Clip", &part, x, err);
}

static enum cop_status hard_sigmoid(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    /* Keras 3 changed the slope from 0.2 to 1 / 6. */
    const float slope = job->net->version >= 3 ? (float)(1.0 / 6.0) : 0.2F;
    const struct cop_importers__part part = {
        .op = "HardSigmoid",
        .src = {*x},
        .n_src = 1,
        .attrs = {{.name = "alpha", .real = slope}, {.name = "beta", .real = 0.5F}}};
    return cop_keras__node(job, "HardSigmoid", &part, x, err);
}

static enum cop_status swish(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    struct cop_value *gate = *x;
    COP_TRY(unary(job, "Sigmoid", &gate, err));
    return binary(job, "Mul", *x, gate, x, err);
}

/* Hendrycks and Gimpel, Gaussian Error Linear Units (2016): x P(X <= x), X normal. */
static enum cop_status gelu(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    struct cop_value *gate = *x;
    COP_TRY(with_scalar(job, "Mul", sqrt(0.5), &gate, err));
    COP_TRY(unary(job, "Erf", &gate, err));
    COP_TRY(with_scalar(job, "Add", 1, &gate, err));
    COP_TRY(with_scalar(job, "Mul", 0.5, &gate, err));
    return binary(job, "Mul", *x, gate, x, err);
}

/* Misra, Mish (2019): x tanh(softplus(x)). */
static enum cop_status mish(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    struct cop_value *gate = *x;
    COP_TRY(unary(job, "Softplus", &gate, err));
    COP_TRY(unary(job, "Tanh", &gate, err));
    return binary(job, "Mul", *x, gate, x, err);
}

static enum cop_status along_axis(
    const struct cop_keras__job *job,
    const char *op,
    int64_t axis,
    struct cop_keras__tensor *x,
    struct cop_err *err)
{
    int32_t memory_axis = 0;
    COP_TRY(cop_keras__axis(x, axis, &memory_axis, err));
    const struct cop_importers__part part = {
        .op = op,
        .src = {x->value},
        .n_src = 1,
        .attrs = {{.name = "axis", .number = memory_axis}}};
    return cop_keras__node(job, op, &part, &x->value, err);
}

/* ---- by name -------------------------------------------------------------------------------- */

/** How a name is computed. */
struct function {
    const char *name;
    const char *op; /* of one source; NULL: steps */
    enum cop_status (*steps)(
        const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err);
    const char *needs; /* an operator that not every set has; NULL: op */
};

static enum cop_status relu6(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    return clip(job, 0, 6, x, err);
}

static enum cop_status leaky(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    return with_alpha(job, "LeakyRelu", 0.2, x, err);
}

static enum cop_status elu(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    return with_alpha(job, "Elu", 1, x, err);
}

static enum cop_status linear(
    const struct cop_keras__job *job, struct cop_value **x, struct cop_err *err)
{
    (void)job, (void)x, (void)err;
    return COP_OK;
}

static const struct function functions[] = {
    {.name = "linear", .steps = linear},
    {.name = "relu", .op = "Relu"},
    {.name = "relu6", .steps = relu6, .needs = "Clip"},
    {.name = "leaky_relu", .steps = leaky, .needs = "LeakyRelu"},
    {.name = "elu", .steps = elu, .needs = "Elu"},
    {.name = "selu", .op = "Selu"},
    {.name = "sigmoid", .op = "Sigmoid"},
    {.name = "tanh", .op = "Tanh"},
    {.name = "hard_sigmoid", .steps = hard_sigmoid, .needs = "HardSigmoid"},
    {.name = "swish", .steps = swish, .needs = "Sigmoid"},
    {.name = "silu", .steps = swish, .needs = "Sigmoid"},
    {.name = "hard_swish", .op = "HardSwish"},
    {.name = "hard_silu", .op = "HardSwish"},
    {.name = "gelu", .steps = gelu, .needs = "Erf"},
    {.name = "softplus", .op = "Softplus"},
    {.name = "softsign", .op = "Softsign"},
    {.name = "mish", .steps = mish, .needs = "Softplus"},
    {.name = "exponential", .op = "Exp"},
};

static const struct function *find_function(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, name) == 0) return &functions[i];
    return NULL;
}

static bool is_softmax(const char *name)
{
    return strcmp(name, "softmax") == 0 || strcmp(name, "log_softmax") == 0;
}

enum cop_status cop_keras__apply(
    const struct cop_keras__job *job,
    const char *name,
    struct cop_keras__tensor *x,
    struct cop_err *err)
{
    if (strcmp(name, "softmax") == 0) return along_axis(job, "Softmax", -1, x, err);
    if (strcmp(name, "log_softmax") == 0)
        return along_axis(job, "LogSoftmax", -1, x, err);
    const struct function *function = find_function(name);
    if (function == NULL)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "activation '%s' is not supported", name);
    return function->op != NULL ? unary(job, function->op, &x->value, err)
                                : function->steps(job, &x->value, err);
}

/* ---- of a configuration ------------------------------------------------------------------- */

/* A function that was registered is written {"class_name": "function", "config": NAME}. */
static const char *name_of(const cJSON *activation)
{
    if (activation == NULL) return "linear";
    if (cJSON_IsString(activation)) return activation->valuestring;
    return cop_keras__text(
        activation, "config", cop_keras__text(activation, "class_name", "?"));
}

/* Layers as activations: those without weights. */
static bool as_layer(const cJSON *activation, struct cop_keras__layer *layer)
{
    *layer = (struct cop_keras__layer){
        .name = "",
        .kind = cop_keras__text(activation, "class_name", ""),
        .config = cop_keras__get(activation, "config"),
    };
    return cJSON_IsObject(layer->config);
}

const char *cop_keras__unknown_activation(
    const struct cop_keras__net *net, const cJSON *config, const char *key)
{
    const cJSON *activation = cop_keras__get(config, key);
    const char *name = name_of(activation);
    struct cop_keras__layer layer;
    if (as_layer(activation, &layer)) {
        const struct cop_keras__kind *kind = cop_keras__find_kind(&layer);
        return kind != NULL && kind->is_activation ? NULL : layer.kind;
    }
    if (is_softmax(name)) return NULL;
    const struct function *function = find_function(name);
    if (function == NULL) return name;
    const char *needs = function->needs != NULL ? function->needs : function->op;
    if (needs == NULL) return NULL;
    return cop_op_find(cop_graph_ops(net->graph), needs) != NULL ? NULL : name;
}

enum cop_status cop_keras__activate(
    const struct cop_keras__job *job,
    const char *key,
    const struct cop_keras__tensor *src,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const cJSON *activation = cop_keras__get(job->layer->config, key);
    struct cop_keras__layer layer;
    *dst = *src;
    if (!as_layer(activation, &layer))
        return cop_keras__apply(job, name_of(activation), dst, err);
    const struct cop_keras__kind *kind = cop_keras__find_kind(&layer);
    if (kind == NULL || !kind->is_activation)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "activation %s is not supported", layer.kind);
    const struct cop_keras__job inner = {
        .net = job->net, .layer = &layer, .name = job->name, .src = src, .n_src = 1};
    return kind->build(&inner, dst, err);
}

/* ---- layers --------------------------------------------------------------------------------- */

enum cop_status cop_keras__build_activation(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return cop_keras__activate(job, "activation", job->src, dst, err);
}

/* max_value for x >= max_value, x for threshold <= x, else slope (x - threshold). */
enum cop_status cop_keras__build_relu(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const cJSON *config = job->layer->config;
    double slope = 0;
    double most = 0;
    double threshold = 0;
    COP_TRY(cop_keras__real(config, "negative_slope", 0, &slope, err));
    COP_TRY(cop_keras__real(config, "max_value", INFINITY, &most, err));
    COP_TRY(cop_keras__real(config, "threshold", 0, &threshold, err));
    *dst = *job->src;
    if (threshold != 0)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "threshold %g is not supported, 0 is", threshold);
    if (slope == 0)
        return isfinite(most) ? clip(job, 0, most, &dst->value, err)
                              : unary(job, "Relu", &dst->value, err);
    COP_TRY(with_alpha(job, "LeakyRelu", slope, &dst->value, err));
    return isfinite(most) ? clip(job, -INFINITY, most, &dst->value, err) : COP_OK;
}

enum cop_status cop_keras__build_leaky_relu(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    /* "alpha" until Keras 2.15, "negative_slope" since. */
    double slope = 0;
    COP_TRY(cop_keras__real(job->layer->config, "alpha", 0.3, &slope, err));
    COP_TRY(cop_keras__real(job->layer->config, "negative_slope", slope, &slope, err));
    *dst = *job->src;
    return with_alpha(job, "LeakyRelu", slope, &dst->value, err);
}

enum cop_status cop_keras__build_elu(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    double alpha = 0;
    COP_TRY(cop_keras__real(job->layer->config, "alpha", 1, &alpha, err));
    *dst = *job->src;
    return with_alpha(job, "Elu", alpha, &dst->value, err);
}

enum cop_status cop_keras__build_softmax(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    int64_t axis = -1;
    int32_t n = 0;
    COP_TRY(cop_keras__ints(job->layer->config, "axis", &axis, 1, &n, err));
    *dst = *job->src;
    return along_axis(job, "Softmax", axis, dst, err);
}

enum cop_status cop_keras__build_thresholded_relu(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    double theta = 0;
    COP_TRY(cop_keras__real(job->layer->config, "theta", 1, &theta, err));
    *dst = *job->src;
    return with_alpha(job, "ThresholdedRelu", theta, &dst->value, err);
}

/* Axes that share a slope have extent 1 in the file, as the operator wants them. */
enum cop_status cop_keras__build_prelu(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    static const int32_t channels_first[] = {2, 0, 1};
    struct cop_importers__part part = {
        .op = "PRelu", .src = {job->src->value}, .n_src = 2};
    COP_TRY(cop_keras__want_weights(job, 1, err));
    COP_TRY(cop_keras__want_axes(job, 0, job->src->value->shape.rank - 1, err));
    COP_TRY(
        job->src->is_first ? cop_keras__weight_permuted(
                                 job, 0, channels_first, NULL, &part.src[1], err)
                           : cop_keras__weight(job, 0, &part.src[1], err));
    *dst = *job->src;
    return cop_keras__node(job, NULL, &part, &dst->value, err);
}
