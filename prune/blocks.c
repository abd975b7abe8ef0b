/* prune/blocks.c - see blocks.h. */
#include "prune/blocks.h"

#include "prune/calibrate_impl.h"
#include "prune/coupling.h"
#include "prune/probe_impl.h"

#include "base/mem.h"
#include "base/rng.h"

#include <lapacke.h>
#include <string.h>

enum {
    MOST_NODES = 400,     /* between x and y: the cells of NASNet have about 70 */
    MOST_CHANNELS = 4096, /* of y; two such Grams side by side take 512 MB */
    PROFILE_REPEATS = 15,
};
static const double ridge = 1e-3;

/* What is between one x and one y. */
struct entry {
    struct cop_block block;
    int32_t first; /* positions in the graph; y's producer is at last */
    int32_t last;
    uint8_t *is_inside;         /* by position - first */
    struct cop_moments moments; /* of the channels of x, then those of y */
};

struct cop_blocks {
    struct cop_arena *arena;
    const struct cop_graph *graph;
    struct entry *entries;
    int32_t n;
    bool is_timed;
};

/* ---- finding ---------------------------------------------------------------------------- */

struct search {
    const struct cop_graph *graph;
    int32_t *position;  /* by node id */
    uint8_t *is_before; /* by position: y comes through here */
    uint8_t *is_behind; /* by position: x comes through here */
};

static bool is_activation(const struct cop_value *value)
{
    return value != NULL && value->data == NULL;
}

static int32_t n_activations(const struct cop_node *node)
{
    int32_t n = 0;
    for (int32_t s = 0; s < node->n_src; s++)
        n += is_activation(node->src[s]);
    return n;
}

/* Marks the nodes down to @p least that y, made at position @p last, comes from. */
static void mark_before(const struct search *search, int32_t last, int32_t least)
{
    memset(search->is_before + least, 0, (size_t)(last - least + 1));
    search->is_before[last] = 1;
    for (int32_t p = last; p >= least; p--) {
        const struct cop_node *node = cop_graph_node(search->graph, p);
        if (!search->is_before[p]) continue;
        for (int32_t s = 0; s < node->n_src; s++) {
            const struct cop_value *src = node->src[s];
            if (src == NULL || src->producer == NULL) continue;
            int32_t from = search->position[src->producer->id];
            if (from >= least) search->is_before[from] = 1;
        }
    }
}

static int32_t position_of(const struct search *search, const struct cop_value *value)
{
    return value->producer != NULL ? search->position[value->producer->id] : -1;
}

/* Marks what lies between; false if something there is read elsewhere, or nothing there
 * has weights. */
static bool mark_between(
    const struct search *search,
    const struct cop_value *x,
    const struct cop_value *y,
    int32_t last)
{
    int32_t first = position_of(search, x) + 1;
    bool has_weights = false;
    for (int32_t p = first; p <= last; p++) {
        const struct cop_node *node = cop_graph_node(search->graph, p);
        bool is_behind = false;
        for (int32_t s = 0; s < node->n_src && search->is_before[p]; s++) {
            const struct cop_value *src = node->src[s];
            if (!is_activation(src)) continue;
            int32_t from = position_of(search, src);
            is_behind |= src == x || (from >= first && search->is_behind[from]);
        }
        search->is_behind[p] = is_behind;
        if (!is_behind) continue;
        struct cop_linear linear;
        has_weights |= node->op->coupling->linear(node, &linear);
    }
    if (!has_weights || !search->is_behind[last]) return false;
    for (int32_t p = first; p <= last; p++) {
        const struct cop_node *node = cop_graph_node(search->graph, p);
        for (int32_t d = 0; search->is_behind[p] && d < node->n_dst; d++) {
            const struct cop_value *value = node->dst[d];
            if (value == NULL || value == y) continue;
            if (value->is_output) return false;
            for (int32_t u = 0; u < value->n_uses; u++) {
                int32_t reader = search->position[value->uses[u].node->id];
                if (reader > last || !search->is_behind[reader]) return false;
            }
        }
    }
    return true;
}

static bool is_like(const struct cop_value *x, const struct cop_value *y)
{
    return x != NULL && x->data == NULL && x->dtype == y->dtype &&
           cop_shape_equal(&x->shape, &y->shape);
}

static bool reads(const struct cop_node *node, const struct cop_value *value)
{
    for (int32_t s = 0; s < node->n_src; s++) {
        if (node->src[s] == value) return true;
    }
    return false;
}

/* The nearest value that is read by several and bounds a block that ends in y: one that y
 * is made from, as a shortcut, or else any. */
static const struct cop_value *find_start(
    const struct search *search, const struct cop_value *y, int32_t last)
{
    int32_t least = last > MOST_NODES ? last - MOST_NODES : 0;
    mark_before(search, last, least);
    for (int way = 0; way < 2; way++) {
        for (int32_t p = last - 1; p >= least; p--) {
            const struct cop_value *x = cop_graph_node(search->graph, p)->dst[0];
            if (!search->is_before[p] || !is_like(x, y) || x->n_uses < 2) continue;
            if (way == 0 && !reads(y->producer, x)) continue;
            if (mark_between(search, x, y, last)) return x;
        }
    }
    return NULL;
}

/* Back from x over nodes that read one value, alone, and have no weights: an activation. */
static const struct cop_value *find_stand_in(const struct cop_value *x)
{
    for (;;) {
        const struct cop_node *node = x->producer;
        struct cop_linear linear;
        if (node == NULL || node->n_src != 1 || node->n_dst != 1) return x;
        const struct cop_value *src = node->src[0];
        if (!is_like(src, x) || src->n_uses != 1 || src->is_output) return x;
        if (node->op->coupling->linear(node, &linear)) return x;
        x = src;
    }
}

static enum cop_status add_entry(
    struct cop_blocks *blocks,
    const struct search *search,
    const struct cop_value *x,
    const struct cop_value *y,
    struct cop_err *err)
{
    struct entry *entry = &blocks->entries[blocks->n++];
    entry->first = position_of(search, x) + 1;
    entry->last = position_of(search, y);
    int32_t n = entry->last - entry->first + 1;
    entry->is_inside = COP_ARENA_NEW_N(blocks->arena, n, uint8_t);
    if (entry->is_inside == NULL) return COP_FAIL_NOMEM(err);
    entry->block = (struct cop_block){
        .name = y->producer->name, .from = x, .to = y, .stand_in = find_stand_in(x)};
    for (int32_t i = 0; i < n; i++) {
        if (!search->is_behind[entry->first + i]) continue;
        int64_t macs = 0;
        COP_TRY(
            cop_node_macs(cop_graph_node(blocks->graph, entry->first + i), &macs, err));
        entry->is_inside[i] = 1;
        entry->block.n_nodes++;
        entry->block.macs += macs;
    }
    return COP_OK;
}

static enum cop_status find_all(struct cop_blocks *blocks, struct cop_err *err)
{
    const struct cop_graph *graph = blocks->graph;
    int32_t n_nodes = cop_graph_n_nodes(graph);
    int32_t n_ids = 0;
    for (int32_t p = 0; p < n_nodes; p++) {
        int32_t id = cop_graph_node(graph, p)->id;
        if (id >= n_ids) n_ids = id + 1;
    }
    struct search search = {
        .graph = graph,
        .position = COP_ARENA_NEW_N(blocks->arena, n_ids, int32_t),
        .is_before = COP_ARENA_NEW_N(blocks->arena, n_nodes, uint8_t),
        .is_behind = COP_ARENA_NEW_N(blocks->arena, n_nodes, uint8_t),
    };
    blocks->entries = COP_ARENA_NEW_N(blocks->arena, n_nodes, struct entry);
    if (search.position == NULL || search.is_before == NULL ||
        search.is_behind == NULL || blocks->entries == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t p = 0; p < n_nodes; p++)
        search.position[cop_graph_node(graph, p)->id] = p;
    for (int32_t p = 0; p < n_nodes; p++) {
        const struct cop_node *node = cop_graph_node(graph, p);
        const struct cop_value *y = node->dst[0];
        if (y == NULL || y->dtype != COP_F32 || y->shape.rank < 2 || y->is_output)
            continue;
        if (n_activations(node) < 2 || y->shape.dim[1] > MOST_CHANNELS) continue;
        const struct cop_value *x = find_start(&search, y, p);
        if (x != NULL) COP_TRY(add_entry(blocks, &search, x, y, err));
    }
    return COP_OK;
}

enum cop_status cop_blocks_find(
    const struct cop_graph *graph, struct cop_blocks **blocks, struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    struct cop_blocks *fresh =
        arena != NULL ? COP_ARENA_NEW(arena, struct cop_blocks) : NULL;
    if (fresh == NULL) {
        cop_arena_destroy(arena);
        return COP_FAIL_NOMEM(err);
    }
    fresh->arena = arena;
    fresh->graph = graph;
    enum cop_status status = find_all(fresh, err);
    if (status != COP_OK) {
        cop_arena_destroy(arena);
        return status;
    }
    *blocks = fresh;
    return COP_OK;
}

void cop_blocks_destroy(struct cop_blocks *blocks)
{
    if (blocks != NULL) cop_arena_destroy(blocks->arena);
}

int32_t cop_blocks_n(const struct cop_blocks *blocks)
{
    return blocks->n;
}

const struct cop_block *cop_blocks_at(const struct cop_blocks *blocks, int32_t i)
{
    return &blocks->entries[i].block;
}

/* ---- recoverability ---------------------------------------------------------------------- */

/* Channels of x and y one behind the other, so that one Gram holds their products. */
static enum cop_status visit(
    void *context, int32_t i, const struct cop_probe_value *values, struct cop_err *err)
{
    struct cop_moments *moments = &((struct cop_blocks *)context)->entries[i].moments;
    struct cop_shape shape = values[0].shape;
    int64_t outer = shape.dim[0];
    int64_t each = cop_shape_n(&shape) / outer;
    float *both = cop_mem_array((size_t)(2 * outer * each), sizeof *both);
    if (both == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t o = 0; o < outer; o++) {
        for (int side = 0; side < 2; side++)
            memcpy(
                both + (2 * o + side) * each,
                values[side].elements + o * each,
                (size_t)each * sizeof *both);
    }
    shape.dim[1] *= 2;
    const struct cop_view view = cop_view__make(both, &shape, 1, 1);
    enum cop_status status = cop_moments__add(moments, &view, err);
    cop_mem_free(both);
    return status;
}

/* With C the centred Gram of [x y] over c channels each: the error of y - x about its mean,
 * and what the regression of y on x leaves of y. */
static enum cop_status judge(struct entry *entry, struct cop_err *err)
{
    int64_t n = entry->moments.n;
    int64_t c = n / 2;
    const double *gram = entry->moments.gram;
    double *normal = cop_mem_array((size_t)(c * c), sizeof *normal);
    double *map = cop_mem_array((size_t)(c * c), sizeof *map);
    if (normal == NULL || map == NULL) {
        cop_mem_free(map);
        cop_mem_free(normal);
        return COP_FAIL_NOMEM(err);
    }
    double mean = 0.0;
    double energy = 0.0;
    double bypassed = 0.0;
    for (int64_t i = 0; i < c; i++) {
        double xx = gram[i * n + i];
        double yy = gram[(c + i) * n + c + i];
        mean += xx / (double)c;
        energy += yy;
        bypassed += xx + yy - 2.0 * gram[i * n + c + i];
    }
    for (int64_t i = 0; i < c; i++) {
        for (int64_t k = 0; k < c; k++) {
            normal[i * c + k] = gram[i * n + k];
            map[i * c + k] = gram[(c + i) * n + k]; /* column i: products with y_i */
        }
        normal[i * c + i] += mean > 0.0 ? ridge * mean : 1.0;
    }
    lapack_int info = LAPACKE_dposv(
        LAPACK_COL_MAJOR, 'U', (int)c, (int)c, normal, (int)c, map, (int)c);
    double left = energy; /* tr Cyy - 2 tr B Cxy + tr B Cxx B^T */
    for (int64_t i = 0; i < c && info == 0; i++) {
        for (int64_t k = 0; k < c; k++) {
            double b = map[i * c + k];
            double along = 0.0;
            for (int64_t l = 0; l < c; l++)
                along += gram[k * n + l] * map[i * c + l];
            left += b * (along - 2.0 * gram[(c + i) * n + k]);
        }
    }
    cop_mem_free(map);
    cop_mem_free(normal);
    if (info != 0)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "the moments of '%s' are not positive definite",
            entry->block.from->name);
    entry->block.error_bypassed = energy > 0.0 ? bypassed / energy : 0.0;
    entry->block.error_linear = energy > 0.0 && left > 0.0 ? left / energy : 0.0;
    return COP_OK;
}

static enum cop_status reserve(
    struct cop_blocks *blocks,
    struct cop_arena *arena,
    const struct cop_value **values[COP_PROBE_SIDES],
    struct cop_err *err)
{
    for (int side = 0; side < 2; side++) {
        values[side] = COP_ARENA_NEW_N(arena, blocks->n, const struct cop_value *);
        if (values[side] == NULL) return COP_FAIL_NOMEM(err);
    }
    for (int32_t i = 0; i < blocks->n; i++) {
        struct entry *entry = &blocks->entries[i];
        int64_t n = 2 * entry->block.to->shape.dim[1];
        values[0][i] = entry->block.from;
        values[1][i] = entry->block.to;
        entry->moments = (struct cop_moments){
            .value = entry->block.to,
            .axis = 1,
            .block = 1,
            .n = n,
            .mean = COP_ARENA_NEW_N(arena, n, double),
            .gram = COP_ARENA_NEW_N(arena, n * n, double),
            .shift = COP_ARENA_NEW_N(arena, n, float),
        };
        if (entry->moments.mean == NULL || entry->moments.gram == NULL ||
            entry->moments.shift == NULL)
            return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

enum cop_status cop_blocks_measure(
    struct cop_blocks *blocks,
    struct cop_engine *engine,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_err *err)
{
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_value **values[COP_PROBE_SIDES] = {NULL};
    enum cop_status status = reserve(blocks, scratch, values, err);
    const struct cop_probe probe = {
        .engine = engine,
        .sides =
            {{.graph = blocks->graph, .values = values[0]},
             {.graph = blocks->graph, .values = values[1]}},
        .n_sides = 2,
        .n_values = blocks->n,
        .samples = samples,
        .progress = progress,
        .what = "measuring blocks",
        .visit = visit,
        .context = blocks,
    };
    if (status == COP_OK) status = cop_probe__run(&probe, err);
    for (int32_t i = 0; status == COP_OK && i < blocks->n; i++) {
        cop_moments__finish(&blocks->entries[i].moments);
        status = judge(&blocks->entries[i], err);
    }
    cop_arena_destroy(scratch);
    return status;
}

/* ---- time ---------------------------------------------------------------------------------- */

static bool is_inside(const struct cop_blocks *blocks, int32_t i, int32_t node_id)
{
    const struct entry *entry = &blocks->entries[i];
    for (int32_t p = entry->first; p <= entry->last; p++) {
        if (cop_graph_node(blocks->graph, p)->id == node_id)
            return entry->is_inside[p - entry->first] != 0;
    }
    return false;
}

static void share_out(struct cop_blocks *blocks, const struct cop_plan *plan)
{
    double total = 0.0;
    for (int32_t i = 0; i < blocks->n; i++)
        blocks->entries[i].block.time_share = 0.0;
    for (int32_t s = 0; s < cop_plan_n_steps(plan); s++) {
        struct cop_plan_step step;
        cop_plan_step(plan, s, &step);
        total += step.ms;
        for (int32_t i = 0; i < blocks->n; i++) {
            bool is_ours = false; /* a fused step may end with a node behind y */
            for (int32_t k = 0; k < step.n_nodes; k++)
                is_ours |= is_inside(blocks, i, step.node_ids[k]);
            if (is_ours) blocks->entries[i].block.time_share += step.ms;
        }
    }
    for (int32_t i = 0; i < blocks->n && total > 0.0; i++)
        blocks->entries[i].block.time_share /= total;
    blocks->is_timed = total > 0.0;
}

enum cop_status cop_blocks_time(
    struct cop_blocks *blocks,
    struct cop_engine *engine,
    const struct cop_plan_options *options,
    struct cop_err *err)
{
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    struct cop_plan *plan = NULL;
    struct cop_rng rng;
    cop_rng_init(&rng, 1);
    const float **starts = NULL;
    enum cop_status status =
        cop_plan_create(engine, blocks->graph, options, &plan, err);
    if (status == COP_OK) {
        starts = COP_ARENA_NEW_N(scratch, cop_plan_n_starts(plan), const float *);
        if (starts == NULL) status = COP_FAIL_NOMEM(err);
    }
    for (int32_t i = 0; status == COP_OK && i < cop_plan_n_starts(plan); i++) {
        int64_t n = cop_shape_n(cop_plan_start_shape(plan, i));
        float *elements = COP_ARENA_NEW_N(scratch, n, float);
        if (elements == NULL) status = COP_FAIL_NOMEM(err);
        for (int64_t k = 0; status == COP_OK && k < n; k++)
            elements[k] = (float)cop_rng_range(&rng, -1.0, 1.0);
        starts[i] = elements;
    }
    struct cop_plan_times times;
    if (status == COP_OK) status = cop_plan_run(plan, starts, NULL, err);
    if (status == COP_OK)
        status = cop_plan_profile(plan, starts, NULL, PROFILE_REPEATS, &times, err);
    if (status == COP_OK) share_out(blocks, plan);
    cop_plan_destroy(plan);
    cop_arena_destroy(scratch);
    return status;
}

int32_t cop_blocks_cheapest(const struct cop_blocks *blocks)
{
    int32_t best = -1;
    double least = 0.0;
    for (int32_t i = 0; i < blocks->n; i++) {
        const struct cop_block *block = &blocks->entries[i].block;
        double saved = blocks->is_timed ? block->time_share : (double)block->macs;
        if (saved <= 0.0) continue;
        double cost = block->error_linear / saved;
        if (best >= 0 && cost >= least) continue;
        best = i;
        least = cost;
    }
    return best;
}

/* ---- the graph edit -------------------------------------------------------------------------- */

static enum cop_status bypass(
    const struct cop_block *block, struct cop_graph *graph, struct cop_err *err)
{
    struct cop_value *to = cop_graph_value(graph, block->to->id);
    struct cop_value *stand_in = cop_graph_value(graph, block->stand_in->id);
    COP_TRY(cop_graph_replace_value(graph, to, stand_in, err));
    if (!stand_in->is_input && !stand_in->is_output)
        COP_TRY(cop_graph_swap_names(graph, to, stand_in, err));
    cop_graph_remove_dead(graph);
    COP_TRY(cop_graph_infer(graph, err));
    return cop_graph_check(graph, err);
}

enum cop_status cop_blocks_drop(
    const struct cop_blocks *blocks,
    int32_t i,
    struct cop_graph **dropped,
    struct cop_err *err)
{
    struct cop_graph *graph = NULL;
    COP_TRY(cop_graph_clone(blocks->graph, &graph, err));
    enum cop_status status = bypass(&blocks->entries[i].block, graph, err);
    if (status != COP_OK) {
        cop_err_in(err, "block '%s'", blocks->entries[i].block.name);
        cop_graph_destroy(graph);
        return status;
    }
    *dropped = graph;
    return COP_OK;
}
