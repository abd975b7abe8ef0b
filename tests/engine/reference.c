/* tests/engine/reference.c - what primitives mean, slowly, in double precision. */
#include "toy.h"

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t offset_of(const struct cop_shape *shape, const int64_t *index)
{
    int64_t offset = 0;
    for (int32_t i = 0; i < shape->rank; i++)
        offset = offset * shape->dim[i] + index[i];
    return offset;
}

static void unravel(const struct cop_shape *shape, int64_t flat, int64_t *index)
{
    for (int32_t i = shape->rank - 1; i >= 0; i--) {
        index[i] = flat % shape->dim[i];
        flat /= shape->dim[i];
    }
}

static double eltwise(const struct toy_attrs *a, double x)
{
    double alpha = (double)a->alpha;
    double beta = (double)a->beta;
    switch (a->eltwise) {
    case COP_ELTWISE_RELU: return x > 0 ? x : alpha * x;
    case COP_ELTWISE_CLIP: return fmin(fmax(x, alpha), beta);
    case COP_ELTWISE_LOGISTIC: return 1 / (1 + exp(-x));
    case COP_ELTWISE_TANH: return tanh(x);
    case COP_ELTWISE_ELU: return x > 0 ? x : alpha * (exp(x) - 1);
    case COP_ELTWISE_LINEAR: return alpha * x + beta;
    case COP_ELTWISE_EXP: return exp(x);
    case COP_ELTWISE_LOG: return log(x);
    case COP_ELTWISE_SQRT: return sqrt(x);
    case COP_ELTWISE_ABS: return fabs(x);
    case COP_ELTWISE_POW: return alpha * pow(x, beta);
    case COP_ELTWISE_SOFTPLUS: return log1p(exp(x));
    case COP_ELTWISE_GELU_ERF: return x * 0.5 * (1 + erf(x / sqrt(2)));
    case COP_ELTWISE_GELU_TANH:
        return x * 0.5 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case COP_ELTWISE_ROUND: return nearbyint(x);
    case COP_ELTWISE_ERF: return erf(x);
    case COP_ELTWISE_FLOOR: return floor(x);
    case COP_ELTWISE_CEIL: return ceil(x);
    case COP_ELTWISE_TRUNC: return trunc(x);
    case COP_ELTWISE_SIGN: return x > 0 ? 1 : x < 0 ? -1 : 0;
    }
    return NAN;
}

static double binary(enum cop_binary_alg alg, double a, double b)
{
    switch (alg) {
    case COP_BINARY_ADD: return a + b;
    case COP_BINARY_SUB: return a - b;
    case COP_BINARY_MUL: return a * b;
    case COP_BINARY_DIV: return a / b;
    case COP_BINARY_MAX: return fmax(a, b);
    case COP_BINARY_MIN: return fmin(a, b);
    case COP_BINARY_POW: return pow(a, b);
    case COP_BINARY_PRELU: return a >= 0 ? a : a * b;
    case COP_BINARY_EQUAL: return !(a < b) && !(a > b);
    case COP_BINARY_GREATER: return a > b;
    case COP_BINARY_GREATER_EQUAL: return a >= b;
    }
    return NAN;
}

/* Element of a tensor that broadcasts to a result, at the result's index. */
static double stretched(
    const struct toy_tensor *src, const struct cop_shape *result, const int64_t *index)
{
    int64_t own[COP_MAX_RANK];
    int32_t lead = result->rank - src->shape.rank;
    for (int32_t i = 0; i < src->shape.rank; i++)
        own[i] = src->shape.dim[i] == 1 ? 0 : index[lead + i];
    return src->at[offset_of(&src->shape, own)];
}

static double conv_at(
    const struct toy_attrs *a,
    const struct toy_tensor *const *src,
    int32_t n_src,
    int64_t oc_all,
    const int64_t *index)
{
    const struct cop_window *w = &a->window;
    const struct cop_shape *in = &src[0]->shape;
    int64_t icg = src[1]->shape.dim[1];
    int64_t group = index[1] / (oc_all / a->g);
    double sum = n_src > 2 ? src[2]->at[index[1]] : 0.0;
    for (int64_t c = 0; c < icg; c++) {
        for (int64_t k = 0; k < w->kernel[0] * w->kernel[1]; k++) {
            int64_t ky = k / w->kernel[1];
            int64_t kx = k % w->kernel[1];
            int64_t y = index[2] * w->strides[0] - w->pads_l[0] + ky * w->dilates[0];
            int64_t x = index[3] * w->strides[1] - w->pads_l[1] + kx * w->dilates[1];
            if (y < 0 || y >= in->dim[2] || x < 0 || x >= in->dim[3]) continue;
            const int64_t at_src[4] = {index[0], group * icg + c, y, x};
            const int64_t at_weights[4] = {index[1], c, ky, kx};
            sum += src[0]->at[offset_of(in, at_src)] *
                   src[1]->at[offset_of(&src[1]->shape, at_weights)];
        }
    }
    return sum;
}

static double pool_at(
    const struct toy_attrs *a, const struct toy_tensor *src, const int64_t *index)
{
    const struct cop_window *w = &a->window;
    double sum = 0.0;
    double most = -INFINITY;
    int64_t inside = 0;
    for (int64_t ky = 0; ky < w->kernel[0]; ky++) {
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = index[2] * w->strides[0] - w->pads_l[0] + ky * w->dilates[0];
            int64_t x = index[3] * w->strides[1] - w->pads_l[1] + kx * w->dilates[1];
            if (y < 0 || y >= src->shape.dim[2] || x < 0 || x >= src->shape.dim[3])
                continue;
            const int64_t at[4] = {index[0], index[1], y, x};
            double element = src->at[offset_of(&src->shape, at)];
            sum += element;
            most = fmax(most, element);
            inside++;
        }
    }
    if (a->pool == COP_POOL_MAX) return most;
    int64_t n =
        a->pool == COP_POOL_AVG_INCLUDE_PADDING ? w->kernel[0] * w->kernel[1] : inside;
    return sum / (double)n;
}

static double matmul_at(
    const struct toy_attrs *a,
    const struct toy_tensor *const *src,
    int32_t n_src,
    const struct cop_shape *result,
    const int64_t *index)
{
    const struct cop_shape *s = &src[0]->shape;
    int32_t r = result->rank;
    int64_t k = a->matmul.transpose_src ? s->dim[s->rank - 2] : s->dim[s->rank - 1];
    double sum = 0.0;
    for (int64_t i = 0; i < k; i++) {
        int64_t at[2][COP_MAX_RANK];
        struct cop_shape wide[2];
        double element[2];
        for (int o = 0; o < 2; o++) {
            bool flip = o == 0 ? a->matmul.transpose_src : a->matmul.transpose_weights;
            memcpy(at[o], index, sizeof at[o]);
            at[o][r - 2] = o == 0 ? index[r - 2] : i;
            at[o][r - 1] = o == 0 ? i : index[r - 1];
            if (flip) {
                int64_t keep = at[o][r - 2];
                at[o][r - 2] = at[o][r - 1];
                at[o][r - 1] = keep;
            }
            wide[o] = *result;
            element[o] = stretched(src[o], &wide[o], at[o]);
        }
        sum += element[0] * element[1];
    }
    sum *= (double)a->matmul.alpha;
    if (n_src > 2) sum += (double)a->matmul.beta * stretched(src[2], result, index);
    return sum;
}

static double softmax_at(
    const struct toy_attrs *a, const struct toy_tensor *src, const int64_t *index)
{
    int64_t at[COP_MAX_RANK];
    memcpy(at, index, sizeof at);
    double most = -INFINITY;
    double sum = 0.0;
    for (at[a->axis] = 0; at[a->axis] < src->shape.dim[a->axis]; at[a->axis]++)
        most = fmax(most, src->at[offset_of(&src->shape, at)]);
    for (at[a->axis] = 0; at[a->axis] < src->shape.dim[a->axis]; at[a->axis]++)
        sum += exp(src->at[offset_of(&src->shape, at)] - most);
    double own = src->at[offset_of(&src->shape, index)] - most;
    return a->logarithm ? own - log(sum) : exp(own) / sum;
}

static double reduce_at(
    const struct toy_attrs *a, const struct toy_tensor *src, const int64_t *index)
{
    double sum = 0.0;
    double most = -INFINITY;
    int64_t n = 0;
    for (int64_t i = 0; i < cop_shape_n(&src->shape); i++) {
        int64_t at[COP_MAX_RANK];
        int32_t k = 0;
        bool inside = true;
        unravel(&src->shape, i, at);
        for (int32_t axis = 0; axis < src->shape.rank; axis++) {
            bool reduced = (a->axes >> axis & 1u) != 0;
            if (!reduced && at[axis] != index[k]) inside = false;
            if (!reduced || a->keep_axes) k++;
        }
        if (!inside) continue;
        sum += src->at[i];
        most = fmax(most, src->at[i]);
        n++;
    }
    if (a->reduce == COP_REDUCE_MAX) return most;
    return a->reduce == COP_REDUCE_MEAN ? sum / (double)n : sum;
}

static double moved_at(
    const struct toy_attrs *a,
    const struct toy_tensor *const *src,
    int32_t n_src,
    int64_t *index)
{
    const struct cop_shape *in = &src[0]->shape;
    int64_t at[COP_MAX_RANK];
    memcpy(at, index, sizeof at);
    if (a->kind == TOY_CONCAT) {
        for (int32_t i = 0; i < n_src; i++) {
            if (at[a->axis] < src[i]->shape.dim[a->axis])
                return src[i]->at[offset_of(&src[i]->shape, at)];
            at[a->axis] -= src[i]->shape.dim[a->axis];
        }
        return NAN;
    }
    for (int32_t i = 0; i < in->rank; i++) {
        if (a->kind == TOY_SLICE) at[i] = a->starts[i] + index[i] * a->steps[i];
        if (a->kind == TOY_PAD) at[i] = index[i] - a->pads_l[i];
        if (a->kind == TOY_TRANSPOSE) at[a->perm[i]] = index[i];
        if (a->kind == TOY_PAD && (at[i] < 0 || at[i] >= in->dim[i]))
            return (double)a->beta;
    }
    return src[0]->at[offset_of(in, at)];
}

void toy_forward(
    const struct toy_attrs *attrs,
    const struct toy_tensor *const *src,
    int32_t n_src,
    struct toy_tensor *dst)
{
    for (int64_t i = 0; i < cop_shape_n(&dst->shape); i++) {
        int64_t index[COP_MAX_RANK] = {0};
        double r = NAN;
        unravel(&dst->shape, i, index);
        switch (attrs->kind) {
        case TOY_CONV: r = conv_at(attrs, src, n_src, dst->shape.dim[1], index); break;
        case TOY_MATMUL: r = matmul_at(attrs, src, n_src, &dst->shape, index); break;
        case TOY_POOL: r = pool_at(attrs, src[0], index); break;
        case TOY_ELTWISE: r = eltwise(attrs, src[0]->at[i]); break;
        case TOY_BINARY:
            r = binary(
                attrs->binary,
                stretched(src[0], &dst->shape, index),
                stretched(src[1], &dst->shape, index));
            break;
        case TOY_NORMALISE:
            r = (src[0]->at[i] - src[3]->at[index[1]]) /
                    sqrt(src[4]->at[index[1]] + (double)attrs->epsilon) *
                    src[1]->at[index[1]] +
                src[2]->at[index[1]];
            break;
        case TOY_SOFTMAX: r = softmax_at(attrs, src[0], index); break;
        case TOY_REDUCE: r = reduce_at(attrs, src[0], index); break;
        case TOY_RESHAPE: r = src[0]->at[i]; break;
        default: r = moved_at(attrs, src, n_src, index); break;
        }
        dst->at[i] = r;
    }
}

/* ---- whole graphs ------------------------------------------------------------------- */

struct toy_values *toy_values_create(
    const struct cop_graph *graph, int64_t mb, struct cop_rng *rng)
{
    struct cop_err err;
    struct cop_arena *arena = cop_arena_create();
    struct cop_fact *facts;
    assert_ok(cop_graph_facts(graph, mb, arena, &facts, &err));
    struct toy_values *values = calloc(1, sizeof *values);
    values->mb = mb;
    values->n = cop_graph_n_values(graph);
    values->value = calloc((size_t)values->n, sizeof *values->value);
    for (int32_t id = 0; id < values->n; id++) {
        const struct cop_value *value = cop_graph_value(graph, id);
        if (value == NULL) continue;
        struct toy_tensor *tensor = &values->value[id];
        tensor->shape = facts[id].shape;
        int64_t n = cop_shape_n(&tensor->shape);
        tensor->at = calloc((size_t)n, sizeof *tensor->at);
        for (int64_t i = 0; i < n; i++) {
            if (value->data != NULL)
                tensor->at[i] = (double)cop_f32_at(cop_buf_data(value->data), i);
            else if (value->is_input)
                tensor->at[i] = (double)(float)cop_rng_range(rng, -1.0, 1.0);
        }
    }
    cop_arena_destroy(arena);
    toy_values_compute(graph, values, NULL, 0);
    return values;
}

void toy_values_compute(
    const struct cop_graph *graph,
    struct toy_values *values,
    const struct cop_value *const *starts,
    int32_t n_starts)
{
    for (int32_t p = 0; p < cop_graph_n_nodes(graph); p++) {
        const struct cop_node *node = cop_graph_node(graph, p);
        const struct toy_tensor *src[16];
        bool given = false;
        for (int32_t i = 0; i < n_starts; i++)
            given = given || starts[i] == node->dst[0];
        if (given) continue;
        for (int32_t i = 0; i < node->n_src; i++)
            src[i] = &values->value[node->src[i]->id];
        toy_forward(node->attrs, src, node->n_src, &values->value[node->dst[0]->id]);
    }
}

void toy_values_destroy(struct toy_values *values)
{
    for (int32_t i = 0; i < values->n; i++)
        free(values->value[i].at);
    free(values->value);
    free(values);
}

float *toy_floats(const struct toy_values *values, int32_t id)
{
    const struct toy_tensor *tensor = &values->value[id];
    int64_t n = cop_shape_n(&tensor->shape);
    float *floats = calloc((size_t)n, sizeof *floats);
    for (int64_t i = 0; i < n; i++)
        floats[i] = (float)tensor->at[i];
    return floats;
}

void toy_assert_close(const float *got, const float *want, int64_t n, double relative)
{
    double most = 1e-3;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)want[i]));
    assert_near(got, want, n, 0.0, relative * most);
}

void toy_check_plan(
    struct cop_plan *plan,
    const struct cop_graph *graph,
    const struct toy_values *values,
    double relative)
{
    struct cop_err err;
    float *starts[8];
    float *ends[16];
    for (int32_t i = 0; i < cop_graph_n_inputs(graph); i++)
        starts[i] = toy_floats(values, cop_graph_input(graph, i)->id);
    for (int32_t i = 0; i < cop_graph_n_outputs(graph); i++)
        ends[i] =
            calloc((size_t)cop_shape_n(cop_plan_end_shape(plan, i)), sizeof(float));
    for (int run = 0; run < 2; run++) {
        assert_ok(cop_plan_run(plan, (const float *const *)starts, ends, &err));
        for (int32_t i = 0; i < cop_graph_n_outputs(graph); i++) {
            int32_t id = cop_graph_output(graph, i)->id;
            float *want = toy_floats(values, id);
            toy_assert_close(
                ends[i], want, cop_shape_n(&values->value[id].shape), relative);
            free(want);
        }
    }
    for (int32_t i = 0; i < cop_graph_n_inputs(graph); i++)
        free(starts[i]);
    for (int32_t i = 0; i < cop_graph_n_outputs(graph); i++)
        free(ends[i]);
}

void toy_check_forward(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct toy_values *values,
    enum cop_purpose purpose,
    double relative)
{
    struct cop_err err;
    struct cop_plan *plan;
    const struct cop_plan_options options = {.mb = values->mb, .purpose = purpose};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    toy_check_plan(plan, graph, values, relative);
    cop_plan_destroy(plan);
}
