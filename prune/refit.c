/* prune/refit.c - see refit_impl.h.
 *
 * The walk (walk_impl.h) brings both networks to one linear node after the other.  What the
 * cut network feeds it becomes rows of patches, the original's value at its target
 * (target_impl.h) what they should give; the solution (least_impl.h) is final before the
 * walk goes on, so that each node sees what all before it really send, and makes good what
 * they could not.  Patches have zeros where the window leaves the picture: borders count. */
#include "prune/refit_impl.h"

#include "prune/fit_impl.h"
#include "prune/least_impl.h"
#include "prune/patches_impl.h"
#include "prune/reader_impl.h"
#include "prune/walk_impl.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static const int64_t most_elements = 1 << 27; /* of all rows of one node: 512 MiB */
enum {
    MOST_FEATURES = 4608, /* a wider normal matrix would take more than 162 MiB */
    ROWS_PER_FEATURE = 32,
    LEAST_ROWS = 1 << 16,
};

/* One linear node. */
struct fit {
    const struct cop_node *was; /* in the original */
    struct cop_reader is;       /* in the cut network */
    struct cop_node *node;      /* likewise */
    struct cop_reader_shape shape;
    int64_t features; /* of one convolution group: rows * taps */
    /* while it is the node's turn */
    const struct cop_walk *walk;
    struct cop_patches patches;
    struct cop_target target;
    int64_t *was_output; /* [g * n_out]: channel of the original's value */
    int64_t *is_output;  /* [g * n_out]: 0, 1, ... */
    int64_t was_channels;
    struct cop_least *groups; /* [g] */
};

struct fits {
    struct fit *at;
    int32_t n;
};

/* ---- which nodes ------------------------------------------------------------------------ */

/* Describes one linear node if it can be refitted. */
static void add_fit(
    const struct cop_refit *refit, struct cop_node *node, struct fits *fits)
{
    struct fit *fit = &fits->at[fits->n];
    const struct cop_graph *big = refit->map->groups->graph;
    *fit = (struct fit){.was = cop_graph_find_node(big, node->name), .node = node};
    struct cop_reader *is = &fit->is;
    is->node = node;
    if (fit->was == NULL || !node->op->coupling->linear(node, &is->linear)) return;
    is->src = node->src[is->linear.src_slot];
    is->weights = node->src[is->linear.weights_slot];
    if (is->weights == NULL || is->weights->data == NULL ||
        is->weights->dtype != COP_F32 || is->src->data != NULL ||
        !cop_reader__shape(is, 1, &fit->shape))
        return;
    fit->features = fit->shape.rows * fit->shape.taps;
    bool has_window = is->linear.strides[0] > 0;
    if (fit->features > MOST_FEATURES || (fit->shape.taps > 1 && !has_window)) return;
    int64_t per_row = fit->shape.g * (fit->features + 3 * fit->shape.n_out);
    int64_t rows = ROWS_PER_FEATURE * fit->features;
    if (rows < LEAST_ROWS) rows = LEAST_ROWS;
    if (rows > most_elements / per_row) rows = most_elements / per_row;
    int64_t per_sample = (rows - 1) / refit->samples->n + 1;
    if (!cop_patches__make(is, fit->shape.rows, per_sample, &fit->patches)) return;
    fits->n++;
}

static bool is_cut_before(const struct fit *fit)
{
    const struct cop_shape *was = &fit->was->src[fit->is.linear.src_slot]->shape;
    return was->dim[fit->is.linear.src_axis] !=
           fit->is.src->shape.dim[fit->is.linear.src_axis];
}

/* All from the first that reads something cut. */
static enum cop_status list_fits(
    const struct cop_refit *refit,
    struct cop_arena *arena,
    struct fits *fits,
    struct cop_err *err)
{
    int32_t n_nodes = cop_graph_n_nodes(refit->small);
    fits->at = COP_ARENA_NEW_N(arena, n_nodes, struct fit);
    if (fits->at == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t p = 0; p < n_nodes; p++)
        add_fit(refit, cop_graph_node(refit->small, p), fits);
    bool is_same = n_nodes == cop_graph_n_nodes(refit->map->groups->graph);
    while (is_same && fits->n > 0 && !is_cut_before(&fits->at[0])) {
        fits->at++;
        fits->n--;
    }
    return COP_OK;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static enum cop_status visit(
    void *context,
    int64_t batch,
    int64_t n,
    const float *const read[COP_WALK_SIDES],
    struct cop_err *err)
{
    (void)err;
    const struct fit *fit = context;
    const struct cop_patches *patches = &fit->patches;
    const float *src = cop_walk__held(fit->walk, COP_WALK_CUT, fit->is.src, batch);
    int64_t n_out = fit->shape.n_out;
    for (int64_t g = 0; g < fit->shape.g; g++) {
        const struct cop_least *least = &fit->groups[g];
        cop_patches__pack(
            patches,
            src,
            n,
            g * fit->shape.rows,
            least->z.elements + batch * least->z.stride);
        cop_patches__pack_results(
            patches,
            read[COP_WALK_ORIGINAL],
            n,
            fit->was_channels,
            fit->was_output + g * n_out,
            n_out,
            least->want.elements + batch * least->want.stride);
        if (read[COP_WALK_CUT] == NULL) continue;
        cop_patches__pack_results(
            patches,
            read[COP_WALK_CUT],
            n,
            fit->shape.g * n_out,
            fit->is_output + g * n_out,
            n_out,
            least->rest.elements + batch * least->rest.stride);
    }
    return COP_OK;
}

/* Room for the rows of all groups, in one block of memory that the caller frees. */
static enum cop_status reserve_rows(struct fit *fit, float **block, struct cop_err *err)
{
    const struct cop_walk *walk = fit->walk;
    int64_t per_sample = cop_patches__per_sample(&fit->patches);
    struct cop_rows like = {
        .n_rows = walk->n_samples * per_sample,
        .block_rows = walk->mb * per_sample,
    };
    int64_t room = walk->n_batches * like.block_rows;
    int64_t n_out = fit->shape.n_out;
    bool has_rest = fit->target.value != fit->node->dst[0];
    size_t per_group = (size_t)(room * (fit->features + (has_rest ? 3 : 2) * n_out));
    size_t n;
    if (cop_mul_overflow(per_group, (size_t)fit->shape.g, &n))
        return COP_FAIL_NOMEM(err);
    float *at = cop_mem_array(n, sizeof *at);
    if (at == NULL) return COP_FAIL_NOMEM(err);
    *block = at;
    for (int64_t g = 0; g < fit->shape.g; g++) {
        struct cop_least *least = &fit->groups[g];
        struct cop_rows *const parts[] = {
            &least->z, &least->want, &least->room, &least->rest};
        for (int i = 0; i < (has_rest ? 4 : 3); i++) {
            *parts[i] = like;
            parts[i]->n = i == 0 ? fit->features : n_out;
            parts[i]->stride = parts[i]->n * like.block_rows;
            parts[i]->elements = at;
            at += parts[i]->n * room;
        }
        least->slope = fit->target.slope + g * n_out;
        least->low = fit->target.low;
        least->high = fit->target.high;
        least->has_intercept = cop_fit__has_bias(fit->node, &fit->is.linear);
        least->name = fit->node->name;
    }
    return COP_OK;
}

/* ---- new weights ------------------------------------------------------------------------------ */

static enum cop_status solve(
    const struct cop_refit *refit, struct fit *fit, struct cop_err *err)
{
    const struct cop_reader_shape *shape = &fit->shape;
    int64_t per_group = fit->features * shape->n_out;
    size_t n = (size_t)(shape->g * per_group);
    enum cop_status status = COP_OK;
    double *matrix = cop_mem_array(n, sizeof *matrix);
    double *weights = cop_mem_array((size_t)per_group, sizeof *weights);
    double *bias = cop_mem_array((size_t)(shape->g * shape->n_out), sizeof *bias);
    float *rounded = cop_mem_array(n, sizeof *rounded);
    if (matrix == NULL || weights == NULL || bias == NULL || rounded == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    cop_reader__gather(&fit->is, shape, matrix);
    for (int64_t g = 0; g < shape->g && status == COP_OK; g++) {
        cop_reader__to_features(shape, matrix + g * per_group, weights);
        status =
            cop_least__solve(&fit->groups[g], weights, bias + g * shape->n_out, err);
        cop_reader__from_features(shape, weights, matrix + g * per_group);
    }
    if (status != COP_OK) goto done;
    cop_reader__scatter(&fit->is, shape, matrix, rounded);
    status =
        cop_fit__replace(refit->small, fit->node, &fit->is.linear, rounded, bias, err);
done:
    cop_mem_free(rounded);
    cop_mem_free(bias);
    cop_mem_free(weights);
    cop_mem_free(matrix);
    return status;
}

/* ---- one node after the other --------------------------------------------------------------------- */

static enum cop_status find_outputs(
    const struct cop_refit *refit,
    struct fit *fit,
    struct cop_arena *arena,
    struct cop_err *err)
{
    int64_t n = fit->shape.g * fit->shape.n_out;
    const struct cop_value *dst = fit->was->dst[0];
    int32_t axis = fit->is.linear.dst_axis;
    fit->was_channels = dst->shape.dim[axis];
    fit->was_output = COP_ARENA_NEW_N(arena, n, int64_t);
    fit->is_output = COP_ARENA_NEW_N(arena, n, int64_t);
    fit->groups = COP_ARENA_NEW_N(arena, fit->shape.g, struct cop_least);
    if (fit->was_output == NULL || fit->is_output == NULL || fit->groups == NULL)
        return COP_FAIL_NOMEM(err);
    int64_t at = 0;
    for (int64_t o = 0; o < fit->was_channels; o++) {
        if (cop_cut__stays(refit->map, dst, axis, o) && at < n)
            fit->was_output[at++] = o;
    }
    for (int64_t o = 0; o < n; o++)
        fit->is_output[o] = o;
    return COP_OK;
}

static enum cop_status refit_node(
    const struct cop_refit *refit,
    struct cop_walk *walk,
    struct fit *fit,
    const struct fit *next,
    const uint8_t *is_linear,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_walk_side *was = &walk->sides[COP_WALK_ORIGINAL];
    const struct cop_walk_side *is = &walk->sides[COP_WALK_CUT];
    fit->walk = walk;
    COP_TRY(find_outputs(refit, fit, arena, err));
    COP_TRY(cop_target__find(
        refit->engine,
        is,
        fit->node,
        fit->is.linear.dst_axis,
        is_linear,
        arena,
        &fit->target,
        err));
    const struct cop_value *result = fit->node->dst[0];
    const struct cop_value *want =
        cop_graph_find_value(was->graph, fit->target.value->name);
    if (want == NULL)
        return COP_FAIL(
            err, COP_EINVAL, "the original has no value '%s'", fit->target.value->name);
    bool has_rest = fit->target.value != result;
    const struct cop_walk_pass pass = {
        .to =
            {next != NULL ? was->position[next->was->id]
                          : cop_graph_n_nodes(was->graph),
             is->position[fit->node->id]},
        .read = {want, has_rest ? fit->target.value : NULL},
        .zeroed = has_rest ? result : NULL,
        .visit = visit,
        .context = fit,
    };
    float *block = NULL;
    COP_TRY(reserve_rows(fit, &block, err));
    enum cop_status status = cop_walk__pass(walk, &pass, err);
    if (status == COP_OK) status = solve(refit, fit, err);
    cop_mem_free(block);
    return status;
}

static enum cop_status refit_all(
    const struct cop_refit *refit,
    struct cop_walk *walk,
    struct cop_arena *arena,
    struct cop_err *err)
{
    struct fits fits = {0};
    COP_TRY(list_fits(refit, arena, &fits, err));
    uint8_t *is_linear =
        COP_ARENA_NEW_N(arena, walk->sides[COP_WALK_CUT].n_ids, uint8_t);
    if (is_linear == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < fits.n; i++)
        is_linear[fits.at[i].node->id] = 1;
    for (int32_t i = 0; i < fits.n; i++) {
        COP_TRY(cop_progress_check(refit->progress, err));
        const struct fit *next = i + 1 < fits.n ? &fits.at[i + 1] : NULL;
        struct cop_arena_mark mark = cop_arena_mark(arena);
        enum cop_status status =
            refit_node(refit, walk, &fits.at[i], next, is_linear, arena, err);
        cop_arena_reset(arena, mark);
        if (status != COP_OK) {
            cop_err_in(err, "node '%s'", fits.at[i].node->name);
            return status;
        }
        cop_progress_step(refit->progress, "refitting", i + 1, fits.n);
    }
    return COP_OK;
}

enum cop_status cop_refit__all(const struct cop_refit *refit, struct cop_err *err)
{
    const struct cop_graph *const graphs[COP_WALK_SIDES] = {
        refit->map->groups->graph, refit->small};
    struct cop_walk *walk = NULL;
    COP_TRY(cop_walk__create(refit->engine, graphs, refit->samples, &walk, err));
    struct cop_arena *arena = cop_arena_create();
    enum cop_status status =
        arena != NULL ? refit_all(refit, walk, arena, err) : COP_FAIL_NOMEM(err);
    cop_arena_destroy(arena);
    cop_walk__destroy(walk);
    return status;
}
