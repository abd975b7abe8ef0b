/* engine/self_test.c - `doctor`: what oneDNN computes on this machine against plain loops,
 * over the layouts and tails that networks meet.  oneDNN has had wrong kernels for single
 * CPUs and shapes; better told here than found in a report. */
#include "engine/plan_impl.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>

/* One small network: convolution, relu, pooling, inner product. */
struct layer {
    int64_t mb;
    int64_t ic;
    int64_t oc;
    int64_t size; /* of the square image */
    int64_t g;
    int64_t kernel;
    int64_t stride;
    int64_t dilate;
    int64_t pad;
    enum cop_pool_alg pool;
};

static const struct layer layers[] = {
    {1, 3, 16, 13, 1, 7, 2, 1, 3, COP_POOL_MAX},
    {1, 16, 32, 9, 1, 3, 1, 1, 1, COP_POOL_MAX},
    {2, 17, 37, 8, 1, 3, 1, 1, 1, COP_POOL_AVG_INCLUDE_PADDING},
    {1, 32, 64, 7, 1, 1, 1, 1, 0, COP_POOL_AVG_EXCLUDE_PADDING},
    {2, 5, 3, 7, 1, 1, 2, 1, 0, COP_POOL_MAX},
    {1, 32, 32, 9, 32, 3, 1, 1, 1, COP_POOL_AVG_EXCLUDE_PADDING},
    {2, 37, 37, 8, 37, 5, 2, 1, 2, COP_POOL_MAX},
    {1, 32, 48, 8, 4, 3, 1, 1, 1, COP_POOL_MAX},
    {1, 8, 16, 11, 1, 3, 1, 2, 2, COP_POOL_AVG_INCLUDE_PADDING},
    {4, 64, 64, 14, 1, 3, 1, 1, 1, COP_POOL_MAX},
};
enum { N_LAYERS = sizeof layers / sizeof layers[0], CLASSES = 11 };

/* The numbers of one layer and what the plain loops make of them. */
struct numbers {
    struct cop_shape src;
    struct cop_shape weights;
    struct cop_shape conv;
    struct cop_shape pooled;
    struct cop_shape flat;
    struct cop_shape matrix;
    struct cop_shape answer;
    float *x;
    float *w;
    float *m;
    double *y;
    double *p;
    double *z;
};

static int64_t out_of(
    int64_t in, int64_t kernel, int64_t stride, int64_t dilate, int64_t pad)
{
    return (in + 2 * pad - (kernel - 1) * dilate - 1) / stride + 1;
}

static float *random_floats(struct cop_rng *rng, const struct cop_shape *shape)
{
    int64_t n = cop_shape_n(shape);
    float *floats = cop_mem_array((size_t)n, sizeof *floats);
    for (int64_t i = 0; floats != NULL && i < n; i++)
        floats[i] = (float)cop_rng_range(rng, -1.0, 1.0);
    return floats;
}

static enum cop_status make_numbers(
    const struct layer *layer, struct numbers *n, struct cop_err *err)
{
    struct cop_rng rng;
    int64_t out =
        out_of(layer->size, layer->kernel, layer->stride, layer->dilate, layer->pad);
    int64_t pooled = out_of(out, 2, 2, 1, 1);
    const int64_t k = layer->kernel;
    n->src = cop_shape_make(
        4, (const int64_t[]){layer->mb, layer->ic, layer->size, layer->size});
    n->weights =
        cop_shape_make(4, (const int64_t[]){layer->oc, layer->ic / layer->g, k, k});
    n->conv = cop_shape_make(4, (const int64_t[]){layer->mb, layer->oc, out, out});
    n->pooled =
        cop_shape_make(4, (const int64_t[]){layer->mb, layer->oc, pooled, pooled});
    n->flat =
        cop_shape_make(2, (const int64_t[]){layer->mb, layer->oc * pooled * pooled});
    n->matrix = cop_shape_make(2, (const int64_t[]){n->flat.dim[1], CLASSES});
    n->answer = cop_shape_make(2, (const int64_t[]){layer->mb, CLASSES});
    cop_rng_init(&rng, 20260614);
    n->x = random_floats(&rng, &n->src);
    n->w = random_floats(&rng, &n->weights);
    n->m = random_floats(&rng, &n->matrix);
    n->y = cop_mem_array((size_t)cop_shape_n(&n->conv), sizeof *n->y);
    n->p = cop_mem_array((size_t)cop_shape_n(&n->pooled), sizeof *n->p);
    n->z = cop_mem_array((size_t)cop_shape_n(&n->answer), sizeof *n->z);
    if (n->x == NULL || n->w == NULL || n->m == NULL || n->y == NULL || n->p == NULL ||
        n->z == NULL)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

static void free_numbers(struct numbers *n)
{
    cop_mem_free(n->x);
    cop_mem_free(n->w);
    cop_mem_free(n->m);
    cop_mem_free(n->y);
    cop_mem_free(n->p);
    cop_mem_free(n->z);
}

/* ---- plain loops ------------------------------------------------------------------------ */

static double conv_at(
    const struct layer *l, const struct numbers *n, int64_t mb, int64_t oc, int64_t at)
{
    int64_t out = n->conv.dim[3];
    int64_t icg = l->ic / l->g;
    int64_t first = oc / (l->oc / l->g) * icg;
    double sum = 0.0;
    for (int64_t i = 0; i < icg * l->kernel * l->kernel; i++) {
        int64_t kx = i % l->kernel;
        int64_t ky = i / l->kernel % l->kernel;
        int64_t c = i / l->kernel / l->kernel;
        int64_t y = at / out * l->stride - l->pad + ky * l->dilate;
        int64_t x = at % out * l->stride - l->pad + kx * l->dilate;
        if (y < 0 || y >= l->size || x < 0 || x >= l->size) continue;
        sum += (double)n->x[((mb * l->ic + first + c) * l->size + y) * l->size + x] *
               (double)n->w[oc * icg * l->kernel * l->kernel + i];
    }
    return sum > 0.0 ? sum : 0.0;
}

static double pool_at(
    const struct layer *l, const struct numbers *n, int64_t plane, int64_t at)
{
    int64_t in = n->conv.dim[3];
    int64_t out = n->pooled.dim[3];
    double sum = 0.0;
    double most = -INFINITY;
    int64_t inside = 0;
    for (int64_t i = 0; i < 4; i++) {
        int64_t y = at / out * 2 - 1 + i / 2;
        int64_t x = at % out * 2 - 1 + i % 2;
        if (y < 0 || y >= in || x < 0 || x >= in) continue;
        double element = n->y[(plane * in + y) * in + x];
        sum += element;
        if (element > most) most = element;
        inside++;
    }
    if (l->pool == COP_POOL_MAX) return most;
    return sum / (l->pool == COP_POOL_AVG_INCLUDE_PADDING ? 4.0 : (double)inside);
}

static void compute_plainly(const struct layer *layer, struct numbers *n)
{
    int64_t image = n->conv.dim[2] * n->conv.dim[3];
    for (int64_t i = 0; i < cop_shape_n(&n->conv); i++)
        n->y[i] =
            conv_at(layer, n, i / image / layer->oc, i / image % layer->oc, i % image);
    image = n->pooled.dim[2] * n->pooled.dim[3];
    for (int64_t i = 0; i < cop_shape_n(&n->pooled); i++)
        n->p[i] = pool_at(layer, n, i / image, i % image);
    for (int64_t i = 0; i < layer->mb * CLASSES; i++) {
        for (int64_t k = 0; k < n->flat.dim[1]; k++)
            n->z[i] += n->p[i / CLASSES * n->flat.dim[1] + k] *
                       (double)n->m[k * CLASSES + i % CLASSES];
    }
}

/* ---- the same as a program ---------------------------------------------------------------- */

static enum cop_status add_tensor(
    struct cop_program *program,
    const struct cop_shape *shape,
    const float *data,
    int32_t *tensor,
    struct cop_err *err)
{
    const struct cop_tensor like = {
        .name = "self test",
        .role = data != NULL ? COP_TENSOR_CONST : COP_TENSOR_UNUSED,
        .dtype = COP_F32,
        .shape = *shape,
        .data = data,
    };
    return cop_program_add_tensor(program, &like, tensor, err);
}

static struct cop_window square(
    int64_t kernel, int64_t stride, int64_t dilate, int64_t pad)
{
    return (struct cop_window){
        .kernel = {kernel, kernel},
        .strides = {stride, stride},
        .dilates = {dilate, dilate},
        .pads_l = {pad, pad},
        .pads_r = {pad, pad},
    };
}

static enum cop_status make_tensors(
    struct cop_program *program,
    const struct numbers *n,
    int32_t t[8],
    struct cop_err *err)
{
    COP_TRY(add_tensor(program, &n->src, NULL, &t[0], err));
    COP_TRY(add_tensor(program, &n->weights, n->w, &t[1], err));
    COP_TRY(add_tensor(program, &n->conv, NULL, &t[2], err));
    COP_TRY(add_tensor(program, &n->conv, NULL, &t[3], err));
    COP_TRY(add_tensor(program, &n->pooled, NULL, &t[4], err));
    COP_TRY(add_tensor(program, &n->flat, NULL, &t[5], err));
    COP_TRY(add_tensor(program, &n->matrix, n->m, &t[6], err));
    COP_TRY(add_tensor(program, &n->answer, NULL, &t[7], err));
    program->tensors[t[0]].role = COP_TENSOR_START;
    program->tensors[t[0]].keep = true;
    program->tensors[t[7]].keep = true;
    program->starts[0] = t[0];
    program->ends[0] = t[7];
    return COP_OK;
}

static enum cop_status make_program(
    struct cop_plan *plan,
    const struct layer *layer,
    const struct numbers *n,
    struct cop_err *err)
{
    struct cop_program *program = COP_ARENA_NEW(plan->arena, struct cop_program);
    if (program == NULL) return COP_FAIL_NOMEM(err);
    plan->program = program;
    program->arena = plan->arena;
    program->mb = layer->mb;
    program->n_starts = 1;
    program->n_ends = 1;
    program->starts = COP_ARENA_NEW(plan->arena, int32_t);
    program->ends = COP_ARENA_NEW(plan->arena, int32_t);
    if (program->starts == NULL || program->ends == NULL) return COP_FAIL_NOMEM(err);
    int32_t t[8];
    struct cop_prim *prim;
    COP_TRY(make_tensors(program, n, t, err));
    const int32_t conv[3] = {t[0], t[1], -1};
    COP_TRY(cop_program_add_prim(program, COP_PRIM_CONV, conv, 3, t[2], &prim, err));
    prim->as.conv.g = layer->g;
    prim->as.conv.window =
        square(layer->kernel, layer->stride, layer->dilate, layer->pad);
    COP_TRY(
        cop_program_add_prim(program, COP_PRIM_ELTWISE, &t[2], 1, t[3], &prim, err));
    prim->as.eltwise.alg = COP_ELTWISE_RELU;
    COP_TRY(cop_program_add_prim(program, COP_PRIM_POOL, &t[3], 1, t[4], &prim, err));
    prim->as.pool.alg = layer->pool;
    prim->as.pool.window = square(2, 2, 1, 1);
    COP_TRY(
        cop_program_add_prim(program, COP_PRIM_RESHAPE, &t[4], 1, t[5], &prim, err));
    const int32_t matmul[3] = {t[5], t[6], -1};
    return cop_program_add_prim(program, COP_PRIM_MATMUL, matmul, 3, t[7], &prim, err);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static enum cop_status compare(
    const struct cop_plan *plan,
    int32_t layer,
    const double *want,
    const float *got,
    struct cop_err *err)
{
    double most = 0.0;
    double worst = 0.0;
    for (int64_t i = 0; i < layers[layer].mb * CLASSES; i++) {
        double miss = fabs((double)got[i] - want[i]);
        if (fabs(want[i]) > most) most = fabs(want[i]);
        if (!(miss <= worst)) worst = miss; /* also when it is not a number */
    }
    if (worst <= 1e-5 * most) return COP_OK;
    const char *impl = plan->n_steps > 0 ? plan->steps[0]->impl : "none";
    for (int32_t i = 0; i < plan->n_steps; i++) {
        if (plan->steps[i]->pd != NULL) {
            impl = plan->steps[i]->impl;
            break;
        }
    }
    return COP_FAIL(
        err,
        COP_EENGINE,
        "self test %d: %lldx%lld kernel, %lld to %lld channels (%s): off by %g of %g",
        (int)layer,
        (long long)layers[layer].kernel,
        (long long)layers[layer].kernel,
        (long long)layers[layer].ic,
        (long long)layers[layer].oc,
        impl,
        worst,
        most);
}

static enum cop_status test_layer(
    struct cop_engine *engine,
    int32_t layer,
    enum cop_purpose purpose,
    struct numbers *n,
    struct cop_err *err)
{
    float *got = cop_mem_array((size_t)(layers[layer].mb * CLASSES), sizeof *got);
    if (got == NULL) return COP_FAIL_NOMEM(err);
    struct cop_plan *plan = NULL;
    enum cop_status status = cop_plan__new(engine, 0, purpose, &plan, err);
    if (status == COP_OK) status = make_program(plan, &layers[layer], n, err);
    if (status == COP_OK) status = cop_plan__compile(plan, err);
    if (status == COP_OK)
        status = cop_plan_run(
            plan, (const float *const[]){n->x}, (float *const[]){got}, err);
    if (status == COP_OK) status = compare(plan, layer, n->z, got, err);
    cop_plan_destroy(plan);
    cop_mem_free(got);
    return status;
}

enum cop_status cop_engine_self_test(struct cop_engine *engine, struct cop_err *err)
{
    enum cop_status status = COP_OK;
    for (int32_t i = 0; status == COP_OK && i < N_LAYERS; i++) {
        struct numbers numbers = {.x = NULL};
        status = make_numbers(&layers[i], &numbers, err);
        if (status == COP_OK) {
            compute_plainly(&layers[i], &numbers);
            status = test_layer(engine, i, COP_PURPOSE_INFER, &numbers, err);
        }
        if (status == COP_OK)
            status = test_layer(engine, i, COP_PURPOSE_BACKWARD, &numbers, err);
        free_numbers(&numbers);
    }
    return status;
}
