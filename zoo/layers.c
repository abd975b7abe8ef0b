/* zoo/layers.c - layers with fresh weights; see layers.h. */
#include "zoo/layers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SOURCES = 8, MAX_LIST = 8 };
enum { MAX_WEIGHTS = INT32_MAX / sizeof(float) }; /* 2 GiB, protobuf's limit */

static void fail(struct cop_layers *layers, enum cop_status status)
{
    if (layers->status == COP_OK) layers->status = status;
}

const char *cop_layers__name(struct cop_layers *layers, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *name = cop_arena_strdup(cop_graph_arena(layers->graph), text);
    if (name == NULL) fail(layers, COP_FAIL_NOMEM(layers->err));
    return name;
}

/* "scope.name.part"; @p part may be NULL. */
static const char *full_name(
    struct cop_layers *layers, const char *name, const char *part)
{
    const bool is_scoped = layers->scope != NULL;
    return cop_layers__name(
        layers,
        "%s%s%s%s%s",
        is_scoped ? layers->scope : "",
        is_scoped ? "." : "",
        name != NULL ? name : "",
        part != NULL ? "." : "",
        part != NULL ? part : "");
}

/* ---- attributes from text ----------------------------------------------------------------- */

static enum cop_status set_attr(
    struct cop_layers *layers,
    const struct cop_op *op,
    char *attrs,
    const char *name,
    const char *text)
{
    const struct cop_attr_spec *spec = cop_attrs_find(op->attrs, name);
    if (spec == NULL)
        return COP_FAIL(
            layers->err, COP_EUNSUPPORTED, "%s has no attribute '%s'", op->name, name);
    int64_t ints[MAX_LIST];
    struct cop_ints list = {0};
    for (char *end = NULL; list.n < MAX_LIST; text = end + 1) {
        ints[list.n++] = strtoll(text, &end, 10);
        if (*end != ',') break;
    }
    if (spec->type == COP_ATTR_INT) {
        memcpy(attrs + spec->offset, &ints[0], sizeof ints[0]);
        return COP_OK;
    }
    list.at = cop_arena_copy(
        cop_graph_arena(layers->graph), ints, (size_t)list.n * sizeof *ints);
    if (list.at == NULL) return COP_FAIL_NOMEM(layers->err);
    memcpy(attrs + spec->offset, &list, sizeof list);
    return COP_OK;
}

static enum cop_status parse_attrs(
    struct cop_layers *layers, const struct cop_op *op, const char *text, void **attrs)
{
    struct cop_arena *arena = cop_graph_arena(layers->graph);
    *attrs = cop_arena_array(arena, 1, op->attrs_size != 0 ? op->attrs_size : 1);
    char *copy = cop_arena_strdup(arena, text);
    if (*attrs == NULL || copy == NULL) return COP_FAIL_NOMEM(layers->err);
    cop_attrs_default(op->attrs, *attrs);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        if (equals == NULL) continue;
        *equals = '\0';
        COP_TRY(set_attr(layers, op, *attrs, word, equals + 1));
    }
    return COP_OK;
}

static enum cop_status add_op(
    struct cop_layers *layers,
    struct cop_node_spec *spec,
    const char *op_name,
    const char *attrs_text,
    struct cop_value **dst)
{
    spec->op = cop_op_find(cop_graph_ops(layers->graph), op_name);
    if (spec->op == NULL)
        return COP_FAIL(
            layers->err, COP_EUNSUPPORTED, "the set has no operator %s", op_name);
    void *attrs = NULL;
    COP_TRY(parse_attrs(layers, spec->op, attrs_text, &attrs));
    spec->attrs = attrs;
    struct cop_node *node = NULL;
    COP_TRY(cop_graph_add_node(layers->graph, spec, &node, layers->err));
    *dst = node->dst[0];
    /* Shapes are needed by the layers behind; inferring one node is enough. */
    struct cop_fact src[MAX_SOURCES] = {{0}};
    struct cop_fact result = {0};
    for (int32_t i = 0; i < node->n_src; i++) {
        const struct cop_value *value = node->src[i];
        src[i] = (struct cop_fact){
            .dtype = value->dtype,
            .shape = value->shape,
            .data = value->data != NULL ? cop_buf_data(value->data) : NULL,
        };
    }
    enum cop_status status = node->op->infer(node, src, &result, layers->err);
    if (status != COP_OK) {
        cop_err_in(layers->err, "node '%s' (%s)", node->name, node->op->name);
        return status;
    }
    (*dst)->dtype = result.dtype;
    (*dst)->shape = result.shape;
    return cop_moments__follow(&layers->moments, node, layers->err);
}

struct cop_value *cop_layers__op(
    struct cop_layers *layers, const char *op, const char *name, const char *attrs, ...)
{
    struct cop_value *src[MAX_SOURCES];
    struct cop_node_spec spec = {.src = src, .n_dst = 1};
    va_list list;
    va_start(list, attrs);
    struct cop_value *next = va_arg(list, struct cop_value *);
    while (next != NULL && spec.n_src < MAX_SOURCES) {
        src[spec.n_src++] = next;
        next = va_arg(list, struct cop_value *);
    }
    va_end(list);
    spec.name = full_name(layers, name, NULL);
    if (layers->status != COP_OK) return NULL;
    struct cop_value *dst = NULL;
    fail(layers, add_op(layers, &spec, op, attrs, &dst));
    return layers->status == COP_OK ? dst : NULL;
}

/* ---- weights ------------------------------------------------------------------------------ */

/* Room for the elements of a constant; NULL after a failure. */
static struct cop_buf *make_elements(
    struct cop_layers *layers, const char *name, int64_t n, size_t element_bytes)
{
    if (layers->status != COP_OK) return NULL;
    struct cop_buf *buf = NULL;
    layers->n_weights += n;
    if (layers->n_weights > MAX_WEIGHTS)
        fail(
            layers,
            COP_FAIL(
                layers->err,
                COP_EINVAL,
                "'%s' takes the weights to %lld numbers, an ONNX file holds %lld",
                name,
                (long long)layers->n_weights,
                (long long)MAX_WEIGHTS));
    else
        fail(layers, cop_buf_create((size_t)n * element_bytes, &buf, layers->err));
    return buf;
}

/* Releases @p elements, also after a failure. */
static struct cop_value *add_constant(
    struct cop_layers *layers,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    struct cop_buf *elements)
{
    struct cop_value *value = NULL;
    if (elements != NULL && layers->status == COP_OK)
        fail(
            layers,
            cop_graph_add_const(
                layers->graph, name, dtype, shape, elements, &value, layers->err));
    cop_buf_release(elements);
    return layers->status == COP_OK ? value : NULL;
}

/* Numbers drawn from a range; NULL after a failure. */
static struct cop_buf *random_elements(
    struct cop_layers *layers,
    const char *name,
    int64_t n,
    const double range[2] /* low and high */)
{
    struct cop_buf *buf = make_elements(layers, name, n, sizeof(float));
    if (buf == NULL) return NULL;
    /* Two numbers of 24 bits, all that a float holds, from every draw. */
    const double step = (range[1] - range[0]) * 0x1p-24;
    float *elements = cop_buf_mutable(buf);
    uint64_t bits = 0;
    for (int64_t i = 0; i < n; i++) {
        bits = i % 2 == 0 ? cop_rng_u64(&layers->rng) : bits << 32;
        elements[i] = (float)(range[0] + step * (double)(bits >> 40));
    }
    return buf;
}

static struct cop_value *random_constant(
    struct cop_layers *layers,
    const char *name,
    const char *part,
    const struct cop_shape *shape,
    const double range[2])
{
    name = full_name(layers, name, part);
    struct cop_buf *buf = random_elements(layers, name, cop_shape_n(shape), range);
    return add_constant(layers, name, COP_F32, shape, buf);
}

struct cop_value *cop_layers__int64s(
    struct cop_layers *layers,
    const char *name,
    const char *part,
    int64_t n,
    const int64_t *numbers)
{
    const struct cop_shape vector = {.rank = 1, .dim = {n}};
    name = full_name(layers, name, part);
    struct cop_buf *buf = make_elements(layers, name, n, sizeof *numbers);
    if (buf == NULL) return NULL;
    memcpy(cop_buf_mutable(buf), numbers, (size_t)n * sizeof *numbers);
    return add_constant(layers, name, COP_I64, &vector, buf);
}

/* Takes the mean off every row.  Four sums, for speed: none waits for another. */
static void centre(float *elements, int64_t rows, int64_t n)
{
    for (float *row = elements; row < elements + rows * n; row += n) {
        double sums[4] = {0.0};
        for (int64_t i = 0; i < n; i++)
            sums[i % 4] += (double)row[i];
        const float mean = (float)((sums[0] + sums[1] + sums[2] + sums[3]) / (double)n);
        for (int64_t i = 0; i < n; i++)
            row[i] -= mean;
    }
}

/* Uniform weights [oc][...] of variance 2 / fan_in: He et al., "Delving Deep into
 * Rectifiers", 2015, equation 10.  Behind a ReLU every channel has a positive mean, which
 * grows from layer to layer until no score depends on the input any more, unless the weights
 * of a result sum up to zero; their variance is then 2 / (1 - 1 / pi) / fan_in: Brock et
 * al., "Characterizing Signal Propagation to Close the Performance Gap in Unnormalized
 * ResNets", 2021, section 4. */
static struct cop_value *he_weights(
    struct cop_layers *layers,
    const char *name,
    const struct cop_shape *shape,
    bool is_centred)
{
    const int64_t fan_in = cop_shape_span(shape, 1, shape->rank);
    const double gain = is_centred ? 2.0 / (1.0 - 0.3183098861837907) : 2.0;
    const double bound = sqrt(3.0 * gain / (double)fan_in);
    const double range[2] = {-bound, bound};
    name = full_name(layers, name, "weight");
    struct cop_buf *buf = random_elements(layers, name, cop_shape_n(shape), range);
    if (buf != NULL && is_centred) centre(cop_buf_mutable(buf), shape->dim[0], fan_in);
    return add_constant(layers, name, COP_F32, shape, buf);
}

struct cop_value *cop_layers__conv(
    struct cop_layers *layers,
    const char *name,
    struct cop_value *src,
    const struct cop_conv_spec *spec)
{
    if (layers->status != COP_OK) return NULL;
    int64_t group = spec->group > 0 ? spec->group : 1;
    int64_t icg = src->shape.dim[1] / group;
    const int64_t *k = spec->kernel;
    const struct cop_shape shape = {.rank = 4, .dim = {spec->oc, icg, k[0], k[1]}};
    const bool is_centred = group == 1 && !src->is_input;
    const double small[2] = {-0.05, 0.05};
    struct cop_value *weights = he_weights(layers, name, &shape, is_centred);
    struct cop_value *bias = NULL;
    if (spec->has_bias) {
        const struct cop_shape vector = {.rank = 1, .dim = {spec->oc}};
        bias = random_constant(layers, name, "bias", &vector, small);
    }
    char attrs[192];
    (void)snprintf(
        attrs,
        sizeof attrs,
        "kernel_shape=%lld,%lld strides=%lld,%lld pads=%lld,%lld,%lld,%lld group=%lld",
        (long long)k[0],
        (long long)k[1],
        (long long)spec->stride,
        (long long)spec->stride,
        (long long)spec->pads[0],
        (long long)spec->pads[1],
        (long long)spec->pads[2],
        (long long)spec->pads[3],
        (long long)group);
    return cop_layers__op(layers, "Conv", name, attrs, src, weights, bias, NULL);
}

/* Running statistics near what is to come. */
static void draw_statistics(
    struct cop_layers *layers,
    const struct cop_moments *moments,
    int64_t n,
    float *mean,
    float *var)
{
    for (int64_t c = 0; c < n; c++) {
        const double off = cop_rng_range(&layers->rng, -0.2, 0.2);
        mean[c] = (float)(moments[c].mean + off * sqrt(moments[c].var));
        var[c] = (float)(moments[c].var * cop_rng_range(&layers->rng, 0.7, 1.4));
    }
}

struct cop_value *cop_layers__bn(
    struct cop_layers *layers, const char *name, struct cop_value *src, double epsilon)
{
    return cop_layers__scaled_bn(layers, name, src, epsilon, 1.0);
}

struct cop_value *cop_layers__scaled_bn(
    struct cop_layers *layers,
    const char *name,
    struct cop_value *src,
    double epsilon,
    double by)
{
    if (layers->status != COP_OK) return NULL;
    const double scales[2] = {0.7 * by, 1.3 * by};
    static const double shifts[2] = {-0.2, 0.2};
    const int64_t n = src->shape.dim[1];
    const struct cop_shape vector = {.rank = 1, .dim = {n}};
    struct cop_value *params[4];
    params[0] = random_constant(layers, name, "weight", &vector, scales);
    params[1] = random_constant(layers, name, "bias", &vector, shifts);
    const char *const mean_name = full_name(layers, name, "running_mean");
    const char *const var_name = full_name(layers, name, "running_var");
    struct cop_buf *mean = make_elements(layers, mean_name, n, sizeof(float));
    struct cop_buf *var = make_elements(layers, var_name, n, sizeof(float));
    if (layers->status == COP_OK)
        draw_statistics(
            layers,
            cop_moments__of(&layers->moments, src),
            n,
            cop_buf_mutable(mean),
            cop_buf_mutable(var));
    params[2] = add_constant(layers, mean_name, COP_F32, &vector, mean);
    params[3] = add_constant(layers, var_name, COP_F32, &vector, var);
    struct cop_value *dst = cop_layers__op(
        layers,
        "BatchNormalization",
        name,
        "",
        src,
        params[0],
        params[1],
        params[2],
        params[3],
        NULL);
    if (dst == NULL) return NULL;
    const struct cop_attr_spec *spec =
        cop_attrs_find(dst->producer->op->attrs, "epsilon");
    float value = (float)epsilon;
    if (spec != NULL)
        memcpy((char *)dst->producer->attrs + spec->offset, &value, sizeof value);
    return dst;
}

struct cop_value *cop_layers__relu(
    struct cop_layers *layers, const char *name, struct cop_value *src)
{
    return cop_layers__op(layers, "Relu", name, "", src, NULL);
}

struct cop_value *cop_layers__relu6(
    struct cop_layers *layers, const char *name, struct cop_value *src)
{
    const struct cop_shape scalar = {.rank = 0};
    const double low[2] = {0.0, 0.0};
    const double high[2] = {6.0, 6.0};
    struct cop_value *least = random_constant(layers, name, "min", &scalar, low);
    struct cop_value *most = random_constant(layers, name, "max", &scalar, high);
    return cop_layers__op(layers, "Clip", name, "", src, least, most, NULL);
}

struct cop_value *cop_layers__linear(
    struct cop_layers *layers, const char *name, struct cop_value *src, int64_t n)
{
    if (layers->status != COP_OK) return NULL;
    const struct cop_shape matrix = {.rank = 2, .dim = {n, src->shape.dim[1]}};
    const struct cop_shape vector = {.rank = 1, .dim = {n}};
    const double small[2] = {-0.05, 0.05};
    struct cop_value *weights = he_weights(layers, name, &matrix, true);
    struct cop_value *bias = random_constant(layers, name, "bias", &vector, small);
    return cop_layers__op(layers, "Gemm", name, "transB=1", src, weights, bias, NULL);
}

struct cop_value *cop_layers__global_pool(
    struct cop_layers *layers, struct cop_value *src)
{
    struct cop_value *x =
        cop_layers__op(layers, "GlobalAveragePool", "avgpool", "", src, NULL);
    return cop_layers__op(layers, "Flatten", "flatten", "axis=1", x, NULL);
}
