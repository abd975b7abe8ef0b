/* prune/lowrank.c - see lowrank.h.
 *
 * The covariance C of a node's results is measured; the basis is that of
 * C + faith * (tr C / tr W^T W) * W^T W, so that directions without data are ordered by the
 * weights.  Errors are those of C itself.  All sums are in double but W^T W and the
 * products with W, whose rounding is that of the weights. */
#include "prune/lowrank.h"

#include "prune/calibrate_impl.h"
#include "prune/fit_impl.h"
#include "prune/probe_impl.h"

#include "base/mem.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

enum { MOST_OUTPUTS = 4608 }; /* three matrices of that side take 510 MB */
static const double faith = 1e-3;

struct entry {
    struct cop_factor factor;
    struct cop_linear linear;
    struct cop_moments moments; /* of the results; gram NULL without samples */
    float *basis;               /* [n_ranks][n_out], the leading direction first */
};

struct cop_lowrank {
    struct cop_arena *arena;
    const struct cop_graph *graph;
    struct entry *entries;
    int32_t n;
    bool has_data;
};

/* ---- candidates ------------------------------------------------------------------------- */

/* The largest rank at which rank * (n_in + n_out) + n_bias < n_in * n_out. */
static int64_t most_ranks(int64_t n_in, int64_t n_out, int64_t n_bias)
{
    int64_t most = (n_in * n_out - n_bias - 1) / (n_in + n_out);
    int64_t least = n_in < n_out ? n_in : n_out;
    return most < least ? most : least;
}

static bool is_candidate(const struct cop_node *node, struct cop_linear *linear)
{
    if (!node->op->coupling->linear(node, linear)) return false;
    const struct cop_value *weights = node->src[linear->weights_slot];
    const struct cop_value *dst = node->dst[0];
    if (linear->g != 1 || linear->pointwise == NULL) return false;
    if (linear->src_slot + linear->weights_slot != 1) return false; /* 0 and 1 */
    if (weights->data == NULL || weights->dtype != COP_F32) return false;
    if (weights->n_uses != 1) return false; /* others would still need it */
    if (weights->shape.dim[linear->out_axis] != dst->shape.dim[linear->dst_axis])
        return false;
    return weights->shape.dim[linear->out_axis] <= MOST_OUTPUTS;
}

static enum cop_status add_entry(
    struct cop_lowrank *lowrank, const struct cop_node *node, struct cop_err *err)
{
    struct cop_linear linear;
    if (!is_candidate(node, &linear)) return COP_OK;
    const struct cop_shape *weights = &node->src[linear.weights_slot]->shape;
    int64_t n_out = weights->dim[linear.out_axis];
    int64_t n_in = cop_shape_n(weights) / n_out;
    bool has_bias = linear.bias_slot < node->n_src && linear.bias_slot >= 0 &&
                    node->src[linear.bias_slot] != NULL;
    bool gets_bias = !has_bias && cop_fit__has_bias(node, &linear);
    int64_t n_bias = gets_bias ? n_out : 0;
    int64_t n_ranks = most_ranks(n_in, n_out, n_bias);
    if (n_ranks < 1) return COP_OK;
    struct entry *entry = &lowrank->entries[lowrank->n];
    struct cop_arena *arena = lowrank->arena;
    double *errors = COP_ARENA_NEW_N(arena, n_ranks + 1, double);
    entry->basis = COP_ARENA_NEW_N(arena, n_ranks * n_out, float);
    if (errors == NULL || entry->basis == NULL) return COP_FAIL_NOMEM(err);
    entry->linear = linear;
    entry->factor = (struct cop_factor){
        .node = node,
        .n_in = n_in,
        .n_out = n_out,
        .positions = cop_shape_n(&node->dst[0]->shape) / n_out,
        .out_axis = linear.out_axis,
        .n_bias = n_bias,
        .n_ranks = n_ranks,
        .errors = errors,
    };
    entry->moments = (struct cop_moments){
        .value = node->dst[0],
        .axis = linear.dst_axis,
        .block = 1,
        .n = n_out,
        .mean = COP_ARENA_NEW_N(arena, n_out, double),
    };
    if (entry->moments.mean == NULL) return COP_FAIL_NOMEM(err);
    lowrank->n++;
    return COP_OK;
}

static enum cop_status find_entries(struct cop_lowrank *lowrank, struct cop_err *err)
{
    int32_t n_nodes = cop_graph_n_nodes(lowrank->graph);
    lowrank->entries = COP_ARENA_NEW_N(lowrank->arena, n_nodes, struct entry);
    if (lowrank->entries == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n_nodes; i++)
        COP_TRY(add_entry(lowrank, cop_graph_node(lowrank->graph, i), err));
    return COP_OK;
}

/* ---- covariances -------------------------------------------------------------------------- */

static enum cop_status visit(
    void *context, int32_t i, const struct cop_probe_value *value, struct cop_err *err)
{
    struct cop_moments *moments = &((struct cop_lowrank *)context)->entries[i].moments;
    const struct cop_view view =
        cop_view__make(value->elements, &value->shape, moments->axis, 1);
    return cop_moments__add(moments, &view, err);
}

/* Without a place for a bias the mean cannot be made up for: it has to pass through the
 * narrow node, so it counts as energy. */
static void uncentre(struct cop_moments *moments)
{
    for (int64_t r = 0; r < moments->n; r++) {
        for (int64_t c = 0; c < moments->n; c++)
            moments->gram[r * moments->n + c] += moments->mean[r] * moments->mean[c];
    }
    memset(moments->mean, 0, (size_t)moments->n * sizeof *moments->mean);
}

static enum cop_status measure_results(
    struct cop_lowrank *lowrank,
    struct cop_engine *engine,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_arena *scratch,
    struct cop_err *err)
{
    const struct cop_value **values =
        COP_ARENA_NEW_N(scratch, lowrank->n, const struct cop_value *);
    if (values == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < lowrank->n; i++) {
        struct cop_moments *moments = &lowrank->entries[i].moments;
        values[i] = moments->value;
        moments->gram = COP_ARENA_NEW_N(scratch, moments->n * moments->n, double);
        moments->shift = COP_ARENA_NEW_N(scratch, moments->n, float);
        if (moments->gram == NULL || moments->shift == NULL) return COP_FAIL_NOMEM(err);
    }
    const struct cop_probe probe = {
        .engine = engine,
        .sides = {{.graph = lowrank->graph, .values = values}},
        .n_sides = 1,
        .n_values = lowrank->n,
        .samples = samples,
        .progress = progress,
        .what = "measuring results",
        .visit = visit,
        .context = lowrank,
    };
    COP_TRY(cop_probe__run(&probe, err));
    for (int32_t i = 0; i < lowrank->n; i++) {
        struct entry *entry = &lowrank->entries[i];
        cop_moments__finish(&entry->moments);
        if (!cop_fit__has_bias(entry->factor.node, &entry->linear))
            uncentre(&entry->moments);
    }
    return COP_OK;
}

/* ---- decomposition ------------------------------------------------------------------------- */

/* The weights as floats, aligned; W [outer][n_out][inner]. */
struct weights {
    int64_t outer;
    int64_t inner;
    float *elements;
};

static enum cop_status read_weights(
    const struct entry *entry, struct weights *weights, struct cop_err *err)
{
    const struct cop_value *value = entry->factor.node->src[entry->linear.weights_slot];
    int32_t axis = entry->linear.out_axis;
    weights->outer = cop_shape_span(&value->shape, 0, axis);
    weights->inner = cop_shape_span(&value->shape, axis + 1, value->shape.rank);
    int64_t n = cop_shape_n(&value->shape);
    weights->elements = cop_mem_array((size_t)n, sizeof *weights->elements);
    if (weights->elements == NULL) return COP_FAIL_NOMEM(err);
    memcpy(weights->elements, cop_buf_data(value->data), (size_t)n * sizeof(float));
    return COP_OK;
}

/* product [n_out][n_out], lower half, += W^T W. */
static void add_square(const struct weights *weights, int64_t n_out, float *product)
{
    bool is_last = weights->inner == 1; /* outputs are the last axis: one product */
    int64_t n_blocks = is_last ? 1 : weights->outer;
    for (int64_t b = 0; b < n_blocks; b++)
        cblas_ssyrk(
            CblasRowMajor,
            CblasLower,
            is_last ? CblasTrans : CblasNoTrans,
            (int)n_out,
            (int)(is_last ? weights->outer : weights->inner),
            1.0F,
            weights->elements + b * n_out * weights->inner,
            (int)(is_last ? n_out : weights->inner),
            1.0F,
            product,
            (int)n_out);
}

static double trace(const double *matrix, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += matrix[i * n + i];
    return sum;
}

/* matrix [n][n] = gram + share * W^T W. */
static enum cop_status compose(
    const struct entry *entry, double *matrix, struct cop_err *err)
{
    int64_t n = entry->factor.n_out;
    struct weights weights;
    COP_TRY(read_weights(entry, &weights, err));
    float *square = cop_mem_array((size_t)n * (size_t)n, sizeof *square);
    if (square == NULL) {
        cop_mem_free(weights.elements);
        return COP_FAIL_NOMEM(err);
    }
    add_square(&weights, n, square);
    cop_mem_free(weights.elements);
    for (int64_t r = 0; r < n; r++) {
        for (int64_t c = 0; c <= r; c++)
            matrix[r * n + c] = matrix[c * n + r] = (double)square[r * n + c];
    }
    cop_mem_free(square);
    const double *gram = entry->moments.gram;
    if (gram == NULL) return COP_OK;
    double of_weights = trace(matrix, n);
    double share = of_weights > 0.0 ? faith * trace(gram, n) / of_weights : 1.0;
    for (int64_t i = 0; i < n * n; i++)
        matrix[i] = gram[i] + share * matrix[i];
    return COP_OK;
}

/* vectors [n_ranks][n]: the eigenvectors of the greatest eigenvalues, ascending. */
static enum cop_status decompose(
    double *matrix,
    int64_t n,
    int64_t n_ranks,
    double *eigenvalues, /* [n] */
    double *vectors,
    struct cop_err *err)
{
    lapack_int *support = cop_mem_array((size_t)n * 2, sizeof *support);
    if (support == NULL) return COP_FAIL_NOMEM(err);
    lapack_int found = 0;
    lapack_int info = LAPACKE_dsyevr(
        LAPACK_COL_MAJOR,
        'V',
        n_ranks == n ? 'A' : 'I',
        'U',
        (lapack_int)n,
        matrix,
        (lapack_int)n,
        0.0,
        0.0,
        (lapack_int)(n - n_ranks + 1),
        (lapack_int)n,
        0.0,
        &found,
        eigenvalues,
        vectors,
        (lapack_int)n,
        support);
    cop_mem_free(support);
    if (info == 0 && found == (lapack_int)n_ranks) return COP_OK;
    if (info == LAPACK_WORK_MEMORY_ERROR) return COP_FAIL_NOMEM(err);
    return COP_FAIL(
        err,
        COP_EINVAL,
        "%lld results have no %lld directions (LAPACK says %d)",
        (long long)n,
        (long long)n_ranks,
        (int)info);
}

/* energies[k] = v_k^T gram v_k, in blocks of vectors. */
static enum cop_status measure_energies(
    const double *gram,
    const double *vectors,
    int64_t n,
    int64_t n_ranks,
    double *energies,
    struct cop_err *err)
{
    enum { BLOCK = 64 };
    double *product = cop_mem_array((size_t)n * BLOCK, sizeof *product);
    if (product == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t first = 0; first < n_ranks; first += BLOCK) {
        int64_t k = n_ranks - first < BLOCK ? n_ranks - first : BLOCK;
        cblas_dgemm(
            CblasRowMajor,
            CblasNoTrans,
            CblasNoTrans,
            (int)k,
            (int)n,
            (int)n,
            1.0,
            vectors + first * n,
            (int)n,
            gram,
            (int)n,
            0.0,
            product,
            (int)n);
        for (int64_t i = 0; i < k; i++)
            energies[first + i] =
                cblas_ddot((int)n, product + i * n, 1, vectors + (first + i) * n, 1);
    }
    cop_mem_free(product);
    return COP_OK;
}

/* Vectors arrive with the greatest eigenvalue last; energies by vector. */
static void record(
    struct entry *entry, const double *vectors, const double *energies, double total)
{
    int64_t n = entry->factor.n_out;
    int64_t n_ranks = entry->factor.n_ranks;
    double *errors = (double *)(uintptr_t)entry->factor.errors;
    double left = total;
    errors[0] = 1.0;
    for (int64_t k = 0; k < n_ranks; k++) {
        int64_t from = n_ranks - 1 - k;
        left -= energies[from];
        errors[k + 1] = total > 0.0 && left > 0.0 ? left / total : 0.0;
        for (int64_t o = 0; o < n; o++)
            entry->basis[k * n + o] = (float)vectors[from * n + o];
    }
}

static enum cop_status solve(struct entry *entry, struct cop_err *err)
{
    size_t n = (size_t)entry->factor.n_out;
    size_t n_ranks = (size_t)entry->factor.n_ranks;
    const double *gram = entry->moments.gram;
    double *matrix = cop_mem_array(n * n, sizeof *matrix);
    double *vectors = cop_mem_array(n_ranks * n, sizeof *vectors);
    double *energies = cop_mem_array(n, sizeof *energies); /* first the eigenvalues */
    enum cop_status status = COP_OK;
    double total = 0.0;
    if (matrix == NULL || vectors == NULL || energies == NULL)
        status = COP_FAIL_NOMEM(err);
    if (status == COP_OK) status = compose(entry, matrix, err);
    if (status == COP_OK) {
        total = trace(gram != NULL ? gram : matrix, (int64_t)n);
        if (!isfinite(total))
            status = COP_FAIL(err, COP_EINVAL, "weights or results are not finite");
    }
    if (status == COP_OK)
        status =
            decompose(matrix, (int64_t)n, (int64_t)n_ranks, energies, vectors, err);
    if (status == COP_OK && gram != NULL)
        status = measure_energies(
            gram, vectors, (int64_t)n, (int64_t)n_ranks, energies, err);
    if (status == COP_OK) record(entry, vectors, energies, total);
    cop_mem_free(energies);
    cop_mem_free(vectors);
    cop_mem_free(matrix);
    return status;
}

static enum cop_status measure(
    struct cop_lowrank *lowrank,
    struct cop_engine *engine,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_err *err)
{
    COP_TRY(find_entries(lowrank, err));
    lowrank->has_data = samples != NULL;
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = COP_OK;
    if (samples != NULL)
        status = measure_results(lowrank, engine, samples, progress, scratch, err);
    for (int32_t i = 0; status == COP_OK && i < lowrank->n; i++) {
        struct entry *entry = &lowrank->entries[i];
        status = cop_progress_check(progress, err);
        if (status != COP_OK) break;
        status = solve(entry, err);
        if (status != COP_OK) cop_err_in(err, "node '%s'", entry->factor.node->name);
        entry->moments.gram = NULL;
        cop_progress_step(progress, "decomposing", i + 1, lowrank->n);
    }
    cop_arena_destroy(scratch);
    return status;
}

enum cop_status cop_lowrank_measure(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_lowrank **lowrank,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    struct cop_lowrank *fresh =
        arena != NULL ? COP_ARENA_NEW(arena, struct cop_lowrank) : NULL;
    if (fresh == NULL) {
        if (arena != NULL) cop_arena_destroy(arena);
        return COP_FAIL_NOMEM(err);
    }
    fresh->arena = arena;
    fresh->graph = graph;
    enum cop_status status = measure(fresh, engine, samples, progress, err);
    if (status != COP_OK) {
        cop_arena_destroy(arena);
        return status;
    }
    *lowrank = fresh;
    return COP_OK;
}

void cop_lowrank_destroy(struct cop_lowrank *lowrank)
{
    if (lowrank != NULL) cop_arena_destroy(lowrank->arena);
}

int32_t cop_lowrank_n(const struct cop_lowrank *lowrank)
{
    return lowrank->n;
}

const struct cop_factor *cop_lowrank_at(const struct cop_lowrank *lowrank, int32_t i)
{
    return &lowrank->entries[i].factor;
}

bool cop_lowrank_has_data(const struct cop_lowrank *lowrank)
{
    return lowrank->has_data;
}

int64_t cop_factor_n_weights(const struct cop_factor *factor, int64_t rank)
{
    if (rank == 0) return factor->n_in * factor->n_out;
    return rank * (factor->n_in + factor->n_out);
}

/* ---- the graph edit ------------------------------------------------------------------------ */

/* W [outer][n_out][inner] becomes [outer][rank][inner] = V^T W. */
static void project(
    const struct entry *entry, int64_t rank, const struct weights *weights, float *to)
{
    int64_t n = entry->factor.n_out;
    if (weights->inner == 1) {
        cblas_sgemm(
            CblasRowMajor,
            CblasNoTrans,
            CblasTrans,
            (int)weights->outer,
            (int)rank,
            (int)n,
            1.0F,
            weights->elements,
            (int)n,
            entry->basis,
            (int)n,
            0.0F,
            to,
            (int)rank);
        return;
    }
    for (int64_t o = 0; o < weights->outer; o++)
        cblas_sgemm(
            CblasRowMajor,
            CblasNoTrans,
            CblasNoTrans,
            (int)rank,
            (int)weights->inner,
            (int)n,
            1.0F,
            entry->basis,
            (int)n,
            weights->elements + o * n * weights->inner,
            (int)weights->inner,
            0.0F,
            to + o * rank * weights->inner,
            (int)weights->inner);
}

/* A fresh constant of @p n floats in @p shape, to be filled. */
static enum cop_status add_floats(
    struct cop_graph *graph,
    const char *name,
    const struct cop_shape *shape,
    struct cop_value **value,
    float **elements,
    struct cop_err *err)
{
    struct cop_buf *buf = NULL;
    COP_TRY(cop_buf_create((size_t)cop_shape_n(shape) * sizeof(float), &buf, err));
    *elements = cop_buf_mutable(buf);
    enum cop_status status =
        cop_graph_add_const(graph, name, COP_F32, shape, buf, value, err);
    cop_buf_release(buf);
    return status;
}

/* The constant of the first node: as the weights, but rank results. */
static enum cop_status add_first(
    const struct entry *entry,
    int64_t rank,
    struct cop_graph *graph,
    const struct cop_node *node,
    struct cop_value **fresh,
    struct cop_err *err)
{
    const struct cop_value *old = node->src[entry->linear.weights_slot];
    struct cop_shape shape = old->shape;
    shape.dim[entry->linear.out_axis] = rank;
    struct weights weights;
    COP_TRY(read_weights(entry, &weights, err));
    float *to = NULL;
    enum cop_status status = add_floats(graph, old->name, &shape, fresh, &to, err);
    if (status == COP_OK) project(entry, rank, &weights, to);
    cop_mem_free(weights.elements);
    return status;
}

/* The constant of the second node: V, the rank on the axis that meets the source. */
static enum cop_status add_second(
    const struct entry *entry,
    int64_t rank,
    struct cop_graph *graph,
    const struct cop_node *node,
    struct cop_value **fresh,
    struct cop_err *err)
{
    const struct cop_linear *linear = &entry->linear;
    const struct cop_value *old = node->src[linear->weights_slot];
    int64_t n = entry->factor.n_out;
    struct cop_shape shape = old->shape;
    for (int32_t axis = 0; axis < shape.rank; axis++)
        shape.dim[axis] = 1;
    shape.dim[linear->out_axis] = n;
    shape.dim[linear->in_axis] = rank;
    float *to = NULL;
    COP_TRY(add_floats(graph, old->name, &shape, fresh, &to, err));
    bool is_in_last = linear->in_axis > linear->out_axis;
    for (int64_t k = 0; k < rank; k++) {
        for (int64_t o = 0; o < n; o++)
            to[is_in_last ? o * rank + k : k * n + o] = entry->basis[k * n + o];
    }
    return COP_OK;
}

/* b' = b + mean - V V^T mean: the mean passes as it was. */
static enum cop_status set_bias(
    const struct entry *entry,
    int64_t rank,
    struct cop_graph *graph,
    struct cop_node *node,
    struct cop_err *err)
{
    const struct cop_linear *linear = &entry->linear;
    if (!cop_fit__has_bias(node, linear)) return COP_OK;
    int64_t n = entry->factor.n_out;
    const struct cop_value *old =
        linear->bias_slot < node->n_src ? node->src[linear->bias_slot] : NULL;
    double *shift = cop_mem_array((size_t)n, sizeof *shift);
    if (shift == NULL) return COP_FAIL_NOMEM(err);
    /* The results' mean holds the bias, which the first node does not have. */
    for (int64_t o = 0; o < n; o++) {
        shift[o] = entry->moments.mean[o];
        if (old != NULL)
            shift[o] -= (double)cop_f32_at(
                cop_buf_data(old->data), cop_shape_n(&old->shape) == 1 ? 0 : o);
    }
    const struct cop_shape shape = cop_shape_make(1, &n);
    struct cop_value *fresh = NULL;
    float *to = NULL;
    enum cop_status status = add_floats(
        graph, old != NULL ? old->name : node->name, &shape, &fresh, &to, err);
    if (status != COP_OK) {
        cop_mem_free(shift);
        return status;
    }
    for (int64_t o = 0; o < n; o++)
        to[o] = (float)entry->moments.mean[o];
    for (int64_t k = 0; k < rank; k++) {
        const float *direction = entry->basis + k * n;
        double along = 0.0;
        for (int64_t o = 0; o < n; o++)
            along += (double)direction[o] * shift[o];
        for (int64_t o = 0; o < n; o++)
            to[o] -= (float)(along * (double)direction[o]);
    }
    cop_mem_free(shift);
    return cop_graph_set_src(graph, node, linear->bias_slot, fresh, err);
}

static enum cop_status split(
    const struct entry *entry,
    int64_t rank,
    struct cop_graph *graph,
    struct cop_node *node,
    struct cop_err *err)
{
    const struct cop_linear *linear = &entry->linear;
    struct cop_value *first = NULL;
    struct cop_value *second = NULL;
    COP_TRY(add_first(entry, rank, graph, node, &first, err));
    COP_TRY(add_second(entry, rank, graph, node, &second, err));
    const char *name =
        cop_arena_printf(cop_graph_arena(graph), "%s_narrow", node->name);
    if (name == NULL) return COP_FAIL_NOMEM(err);
    struct cop_value *src[2];
    src[linear->src_slot] = node->src[linear->src_slot];
    src[linear->weights_slot] = first;
    const struct cop_node_spec spec = {
        .op = node->op,
        .name = name,
        .attrs = node->attrs,
        .src = src,
        .n_src = 2,
        .dst_names = &name,
        .n_dst = 1,
        .before = node,
    };
    struct cop_node *narrow = NULL;
    COP_TRY(cop_graph_add_node(graph, &spec, &narrow, err));
    COP_TRY(cop_graph_set_src(graph, node, linear->src_slot, narrow->dst[0], err));
    COP_TRY(cop_graph_set_src(graph, node, linear->weights_slot, second, err));
    memcpy(node->attrs, linear->pointwise, node->op->attrs_size);
    return set_bias(entry, rank, graph, node, err);
}

static enum cop_status check_ranks(
    const struct cop_lowrank *lowrank, const int64_t *ranks, struct cop_err *err)
{
    for (int32_t i = 0; i < lowrank->n; i++) {
        const struct cop_factor *factor = &lowrank->entries[i].factor;
        if (ranks[i] >= 0 && ranks[i] <= factor->n_ranks) continue;
        return COP_FAIL(
            err,
            COP_EINVAL,
            "node '%s' cannot have rank %lld, the most that saves is %lld",
            factor->node->name,
            (long long)ranks[i],
            (long long)factor->n_ranks);
    }
    return COP_OK;
}

enum cop_status cop_lowrank_apply(
    const struct cop_lowrank *lowrank,
    const int64_t *ranks,
    struct cop_graph **factored,
    struct cop_err *err)
{
    COP_TRY(check_ranks(lowrank, ranks, err));
    struct cop_graph *graph = NULL;
    COP_TRY(cop_graph_clone(lowrank->graph, &graph, err));
    enum cop_status status = COP_OK;
    for (int32_t i = 0; status == COP_OK && i < lowrank->n; i++) {
        const struct entry *entry = &lowrank->entries[i];
        if (ranks[i] == 0) continue;
        struct cop_node *node = cop_graph_find_node(graph, entry->factor.node->name);
        status = split(entry, ranks[i], graph, node, err);
        if (status != COP_OK) cop_err_in(err, "node '%s'", entry->factor.node->name);
    }
    if (status == COP_OK) {
        cop_graph_remove_dead(graph);
        status = cop_graph_infer(graph, err);
    }
    if (status == COP_OK) status = cop_graph_check(graph, err);
    if (status != COP_OK) {
        cop_graph_destroy(graph);
        return status;
    }
    *factored = graph;
    return COP_OK;
}
