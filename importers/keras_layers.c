/* importers/keras_layers.c - the table of kinds, and what they are made of; see
 * keras_layers.h. */
#include "importers/keras_layers.h"

#include "importers/keras_activation.h"
#include "importers/keras_conv.h"
#include "importers/keras_merge.h"
#include "importers/keras_norm.h"
#include "importers/keras_pool.h"
#include "importers/keras_shape.h"
#include "importers/unknown.h"

#include <string.h>

/* ---- counts of tensors -------------------------------------------------------------------------- */

static void kernel_and_bias(const cJSON *config, int32_t counts[2])
{
    counts[0] = 1 + cop_keras__flag(config, "use_bias", true);
}

static void two_kernels_and_bias(const cJSON *config, int32_t counts[2])
{
    counts[0] = 2 + cop_keras__flag(config, "use_bias", true);
}

static void statistics(const cJSON *config, int32_t counts[2])
{
    counts[0] = cop_keras__flag(config, "scale", true) +
                cop_keras__flag(config, "center", true);
    counts[1] = 2;
}

static void slopes(const cJSON *config, int32_t counts[2])
{
    (void)config;
    counts[0] = 1;
}

static void adapted(const cJSON *config, int32_t counts[2])
{
    counts[1] = cop_keras__get(config, "mean") == NULL ? 2 : 0;
}

/* ---- the table -------------------------------------------------------------------------------- */

#define ONE .n_src = {1, 1}
#define TWO .n_src = {2, 2}
#define SOME .n_src = {1, -1}

static const struct cop_keras__kind kinds[] = {
    {"Conv2D", cop_keras__build_conv, ONE, .weights = kernel_and_bias},
    {"DepthwiseConv2D", cop_keras__build_depthwise, ONE, .weights = kernel_and_bias},
    {"SeparableConv2D",
     cop_keras__build_separable,
     ONE,
     .weights = two_kernels_and_bias},
    {"Conv2DTranspose",
     cop_keras__build_conv_transpose,
     ONE,
     .weights = kernel_and_bias,
     .needs = "ConvTranspose"},
    {"Dense", cop_keras__build_dense, ONE, .weights = kernel_and_bias},
    {"BatchNormalization", cop_keras__build_batch_norm, ONE, .weights = statistics},
    {"Normalization", cop_keras__build_normalization, ONE, .weights = adapted},
    {"Rescaling", cop_keras__build_rescaling, ONE},
    {"Activation", cop_keras__build_activation, ONE},
    {"ReLU", cop_keras__build_relu, ONE, .is_activation = true},
    {"LeakyReLU", cop_keras__build_leaky_relu, ONE, .is_activation = true},
    {"ELU", cop_keras__build_elu, ONE, .is_activation = true},
    {"Softmax", cop_keras__build_softmax, ONE, .is_activation = true},
    {"ThresholdedReLU",
     cop_keras__build_thresholded_relu,
     ONE,
     .needs = "ThresholdedRelu",
     .is_activation = true},
    {"PReLU", cop_keras__build_prelu, ONE, .weights = slopes, .needs = "PRelu"},
    {"MaxPooling2D", cop_keras__build_max_pool, ONE},
    {"AveragePooling2D", cop_keras__build_average_pool, ONE},
    {"GlobalMaxPooling2D", cop_keras__build_global_max, ONE},
    {"GlobalAveragePooling2D", cop_keras__build_global_average, ONE},
    {"ZeroPadding2D", cop_keras__build_zero_padding, ONE},
    {"Cropping2D", cop_keras__build_cropping, ONE},
    {"UpSampling2D", cop_keras__build_up_sampling, ONE, .needs = "Resize"},
    {"Flatten", cop_keras__build_flatten, ONE},
    {"Reshape", cop_keras__build_reshape, ONE},
    {"Permute", cop_keras__build_permute, ONE},
    {"Add", cop_keras__build_add, SOME},
    {"Subtract", cop_keras__build_subtract, TWO},
    {"Multiply", cop_keras__build_multiply, SOME},
    {"Average", cop_keras__build_average, SOME},
    {"Maximum", cop_keras__build_maximum, SOME},
    {"Minimum", cop_keras__build_minimum, SOME},
    {"Concatenate", cop_keras__build_concatenate, SOME},
    /* Only training makes them do anything. */
    {"Dropout", cop_keras__build_same, ONE},
    {"SpatialDropout1D", cop_keras__build_same, ONE},
    {"SpatialDropout2D", cop_keras__build_same, ONE},
    {"AlphaDropout", cop_keras__build_same, ONE},
    {"GaussianDropout", cop_keras__build_same, ONE},
    {"GaussianNoise", cop_keras__build_same, ONE},
    {"ActivityRegularization", cop_keras__build_same, ONE},
    {"RandomFlip", cop_keras__build_same, ONE},
    {"RandomRotation", cop_keras__build_same, ONE},
    {"RandomZoom", cop_keras__build_same, ONE},
    {"RandomTranslation", cop_keras__build_same, ONE},
    {"RandomContrast", cop_keras__build_same, ONE},
    {"RandomBrightness", cop_keras__build_same, ONE},
};

/* Functions that stand as layers: in Keras 3 classes of keras.ops, some with the names of
 * layers, and in Keras 2 those of TensorFlow. */
static const struct cop_keras__kind operations[] = {
    {"Add", cop_keras__build_add, TWO, .takes_numbers = true},
    {"Subtract", cop_keras__build_subtract, TWO, .takes_numbers = true},
    {"Multiply", cop_keras__build_multiply, TWO, .takes_numbers = true},
    {"Divide", cop_keras__build_divide, TWO, .takes_numbers = true},
    {"TrueDivide", cop_keras__build_divide, TWO, .takes_numbers = true},
    {"Maximum", cop_keras__build_maximum, TWO, .takes_numbers = true},
    {"Minimum", cop_keras__build_minimum, TWO, .takes_numbers = true},
    {"__operators__.add", cop_keras__build_add, TWO, .takes_numbers = true},
    {"math.add", cop_keras__build_add, TWO, .takes_numbers = true},
    {"math.subtract", cop_keras__build_subtract, TWO, .takes_numbers = true},
    {"math.multiply", cop_keras__build_multiply, TWO, .takes_numbers = true},
    {"math.divide", cop_keras__build_divide, TWO, .takes_numbers = true},
    {"math.truediv", cop_keras__build_divide, TWO, .takes_numbers = true},
    {"math.maximum", cop_keras__build_maximum, TWO, .takes_numbers = true},
    {"math.minimum", cop_keras__build_minimum, TWO, .takes_numbers = true},
};

static const struct cop_keras__kind *find(
    const struct cop_keras__kind *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

const struct cop_keras__kind *cop_keras__find_kind(const struct cop_keras__layer *layer)
{
    const bool is_function = layer->is_operation || strchr(layer->kind, '.') != NULL;
    return is_function
               ? find(operations, sizeof operations / sizeof *operations, layer->kind)
               : find(kinds, sizeof kinds / sizeof *kinds, layer->kind);
}

/* ---- the verdict -------------------------------------------------------------------------------- */

struct verdict {
    const struct cop_keras__net *net;
    struct cop_importers__unknown *unknown; /* room for every layer */
    size_t n;
};

/* NULL, or what of the layer is not supported. */
static const char *unknown_part(
    const struct cop_keras__net *net, const struct cop_keras__layer *layer)
{
    const struct cop_keras__kind *kind = cop_keras__find_kind(layer);
    if (strcmp(layer->kind, "InputLayer") == 0) return NULL;
    if (kind == NULL) return layer->kind;
    if (kind->needs != NULL &&
        cop_op_find(cop_graph_ops(net->graph), kind->needs) == NULL)
        return layer->kind;
    return cop_keras__unknown_activation(net, layer->config, "activation");
}

static size_t count_layers(const struct cop_keras__model *model)
{
    size_t n = (size_t)model->n;
    for (int32_t i = 0; i < model->n; i++)
        if (model->layers[i].inner != NULL) n += count_layers(model->layers[i].inner);
    return n;
}

static void check_model(struct verdict *verdict, const struct cop_keras__model *model)
{
    for (int32_t i = 0; i < model->n; i++) {
        const struct cop_keras__layer *layer = &model->layers[i];
        if (layer->inner != NULL) {
            check_model(verdict, layer->inner);
            continue;
        }
        struct cop_importers__unknown *use = &verdict->unknown[verdict->n];
        use->domain = "";
        use->op_type = unknown_part(verdict->net, layer);
        use->node = layer->name;
        use->position = verdict->n;
        verdict->n += use->op_type != NULL;
    }
}

enum cop_status cop_keras__check_kinds(
    const struct cop_keras__net *net,
    const struct cop_keras__model *model,
    struct cop_err *err)
{
    struct verdict verdict = {.net = net};
    verdict.unknown = COP_ARENA_NEW_N(
        net->scratch, count_layers(model), struct cop_importers__unknown);
    if (verdict.unknown == NULL) return COP_FAIL_NOMEM(err);
    check_model(&verdict, model);
    if (verdict.n == 0) return COP_OK;
    return cop_importers__list_unknown(
        verdict.unknown, verdict.n, cop_importers__layers, net->unsupported, err);
}

/* ---- nodes and constants ------------------------------------------------------------------------ */

enum cop_status cop_keras__node(
    const struct cop_keras__job *job,
    const char *suffix,
    const struct cop_importers__part *part,
    struct cop_value **dst,
    struct cop_err *err)
{
    struct cop_importers__part named = *part;
    named.name = suffix != NULL
                     ? cop_arena_printf(job->net->scratch, "%s/%s", job->name, suffix)
                     : job->name;
    if (named.name == NULL) return COP_FAIL_NOMEM(err);
    return cop_importers__add(job->net->graph, &named, dst, err);
}

enum cop_status cop_keras__scalar(
    const struct cop_keras__job *job,
    double number,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_shape shape = {.rank = 0};
    const float real = (float)number;
    return cop_importers__add_floats(job->net->graph, NULL, &shape, &real, value, err);
}

enum cop_status cop_keras__want_weights(
    const struct cop_keras__job *job, int32_t n, struct cop_err *err)
{
    if (job->layer->n_weights == n) return COP_OK;
    return COP_FAIL(
        err,
        COP_EFORMAT,
        "has %d float tensors in the file, wanted %d",
        job->layer->n_weights,
        n);
}

enum cop_status cop_keras__want_axes(
    const struct cop_keras__job *job, int32_t i, int32_t rank, struct cop_err *err)
{
    const struct cop_importers__h5_tensor *tensor = job->layer->weights[i];
    if (tensor->shape.rank == rank) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "tensor '%s' has %d axes, wanted %d",
        tensor->name,
        tensor->shape.rank,
        rank);
}

/* "conv1/kernel" for the tensor "model/conv1_1/kernel:0" of the layer conv1. */
static const char *weight_name(
    const struct cop_keras__job *job, const struct cop_importers__h5_tensor *tensor)
{
    const char *slash = strrchr(tensor->name, '/');
    const char *base = slash != NULL ? slash + 1 : tensor->name;
    return cop_arena_printf(
        job->net->scratch, "%s/%.*s", job->name, (int)strcspn(base, ":"), base);
}

enum cop_status cop_keras__spend(
    const struct cop_keras__job *job, size_t bytes, struct cop_err *err)
{
    if (bytes > job->net->budget_bytes)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "constants take far more memory than the file");
    job->net->budget_bytes -= bytes;
    return COP_OK;
}

enum cop_status cop_keras__weight(
    const struct cop_keras__job *job,
    int32_t i,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_importers__h5_tensor *tensor = job->layer->weights[i];
    struct cop_value **kept = &job->layer->values[2 * i];
    if (*kept == NULL) {
        const char *name = weight_name(job, tensor);
        if (name == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(cop_graph_add_const(
            job->net->graph, name, COP_F32, &tensor->shape, tensor->data, kept, err));
    }
    *value = *kept;
    return COP_OK;
}

/* Row by row of the result, whose last axis has a stride in the source. */
static void permute(
    const struct cop_importers__h5_tensor *from,
    const struct cop_shape *to,
    const int32_t *perm,
    float *out)
{
    const void *in = cop_buf_data(from->data);
    const int32_t rank = to->rank;
    int64_t strides[COP_MAX_RANK];
    int64_t at[COP_MAX_RANK] = {0};
    const int64_t n = cop_shape_n(to);
    for (int32_t a = 0; a < rank; a++)
        strides[a] = cop_shape_span(&from->shape, perm[a] + 1, rank);
    int64_t source = 0;
    for (int64_t i = 0; i < n; i++) {
        out[i] = cop_f32_at(in, source);
        for (int32_t a = rank - 1; a >= 0; a--) {
            source += strides[a];
            if (++at[a] < to->dim[a]) break;
            source -= strides[a] * to->dim[a];
            at[a] = 0;
        }
    }
}

static enum cop_status make_permuted(
    const struct cop_keras__job *job,
    const struct cop_importers__h5_tensor *tensor,
    const int32_t *perm,
    const struct cop_shape *shape,
    struct cop_value **value,
    struct cop_err *err)
{
    const char *name = weight_name(job, tensor);
    struct cop_shape permuted = {.rank = tensor->shape.rank};
    struct cop_buf *data = NULL;
    if (name == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t a = 0; a < permuted.rank; a++)
        permuted.dim[a] = tensor->shape.dim[perm[a]];
    COP_TRY(cop_keras__spend(job, cop_buf_bytes(tensor->data), err));
    COP_TRY(cop_buf_create(cop_buf_bytes(tensor->data), &data, err));
    permute(tensor, &permuted, perm, cop_buf_mutable(data));
    if (shape != NULL) permuted = *shape;
    const enum cop_status status = cop_graph_add_const(
        job->net->graph, name, COP_F32, &permuted, data, value, err);
    cop_buf_release(data);
    return status;
}

enum cop_status cop_keras__weight_permuted(
    const struct cop_keras__job *job,
    int32_t i,
    const int32_t *perm,
    const struct cop_shape *shape,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_value **kept = &job->layer->values[2 * i + 1];
    if (*kept == NULL)
        COP_TRY(make_permuted(job, job->layer->weights[i], perm, shape, kept, err));
    *value = *kept;
    return COP_OK;
}
