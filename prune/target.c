/* prune/target.c - see target_impl.h. */
#include "prune/target_impl.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 8 };
static const double tolerance = 1e-4; /* of the largest element */
static const float far = 1e3f;        /* beyond what activations reach */

/* The node that alone reads @p value, if all it does is make one value of like shape. */
static const struct cop_node *only_reader(const struct cop_value *value)
{
    if (value->n_uses != 1 || value->is_output) return NULL;
    const struct cop_node *node = value->uses[0].node;
    if (node->n_dst < 1 || node->dst[0] == NULL) return NULL;
    for (int32_t d = 1; d < node->n_dst; d++) {
        if (node->dst[d] != NULL) return NULL;
    }
    const struct cop_shape *to = &node->dst[0]->shape;
    if (to->rank != value->shape.rank || node->dst[0]->dtype != COP_F32) return NULL;
    for (int32_t a = 0; a < to->rank; a++) {
        if (to->dim[a] != value->shape.dim[a]) return NULL;
    }
    return node;
}

/* True if @p value, computed behind @p position, takes only nodes that are not refitted. */
static bool is_at_hand(
    const struct cop_walk_side *side,
    const struct cop_value *value,
    int32_t position,
    const uint8_t *is_linear)
{
    if (!side->is_fed[value->id]) return true;
    if (value->producer == NULL || side->position[value->producer->id] < position)
        return true;
    if (is_linear[value->producer->id]) return false;
    for (int32_t s = 0; s < value->producer->n_src; s++) {
        const struct cop_value *src = value->producer->src[s];
        if (src != NULL && !is_at_hand(side, src, position, is_linear)) return false;
    }
    return true;
}

/* ---- trying a way ---------------------------------------------------------------------- */

/* The nodes from one value to another as a plan that starts from it and from all else
 * that they read. */
struct way {
    const struct cop_value *from;
    const struct cop_value *to;
    const struct cop_value *starts[1 + 2 * MOST_STEPS];
    int32_t n_starts;
    struct cop_plan *plan;
    float *arrays[1 + 2 * MOST_STEPS];
    float *result;
};

static bool add_start(struct way *way, const struct cop_value *value)
{
    for (int32_t i = 0; i < way->n_starts; i++) {
        if (way->starts[i] == value) return true;
    }
    if (way->n_starts == 1 + 2 * MOST_STEPS || value->dtype != COP_F32) return false;
    way->starts[way->n_starts++] = value;
    return true;
}

static void close_way(struct way *way)
{
    cop_plan_destroy(way->plan);
    for (int32_t i = 0; i < way->n_starts; i++)
        cop_mem_free(way->arrays[i]);
    cop_mem_free(way->result);
}

static enum cop_status open_way(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    struct way *way,
    struct cop_err *err)
{
    const struct cop_plan_options options = {
        .mb = 1,
        .threads = 1,
        .starts = way->starts,
        .n_starts = way->n_starts,
        .ends = &way->to,
        .n_ends = 1,
    };
    COP_TRY(cop_plan_create(engine, graph, &options, &way->plan, err));
    for (int32_t i = 0; i < way->n_starts; i++) {
        size_t n = (size_t)cop_shape_n(&way->starts[i]->shape);
        way->arrays[i] = cop_mem_array(n, sizeof(float));
        if (way->arrays[i] == NULL) return COP_FAIL_NOMEM(err);
    }
    way->result = cop_mem_array((size_t)cop_shape_n(&way->to->shape), sizeof(float));
    return way->result != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status try_way(struct way *way, struct cop_err *err)
{
    float *ends[1] = {way->result};
    const float *starts[1 + 2 * MOST_STEPS];
    for (int32_t i = 0; i < way->n_starts; i++)
        starts[i] = way->arrays[i];
    return cop_plan_run(way->plan, starts, ends, err);
}

static void fill(float *elements, int64_t n, struct cop_rng *rng)
{
    for (int64_t i = 0; i < n; i++)
        elements[i] = (float)(3.0 * cop_rng_normal(rng));
}

/* ---- straight ways ------------------------------------------------------------------------ */

/* Slopes from made-up others: result(u, others) = slope * u + result(0, others).  False if
 * that does not hold. */
static enum cop_status measure_slope(
    struct way *way,
    int32_t axis,
    double *slope,
    float *rest,
    bool *is_straight,
    struct cop_err *err)
{
    const struct cop_shape *shape = &way->to->shape;
    int64_t n = cop_shape_n(shape);
    int64_t channels = shape->dim[axis];
    int64_t inner = cop_shape_span(shape, axis + 1, shape->rank);
    struct cop_rng rng;
    cop_rng_init(&rng, 1);
    double worst = 0.0;
    double largest = 0.0;
    for (int round = 0; round < 3; round++) {
        for (int32_t i = 1; i < way->n_starts; i++)
            fill(way->arrays[i], cop_shape_n(&way->starts[i]->shape), &rng);
        memset(way->arrays[0], 0, (size_t)n * sizeof(float));
        COP_TRY(try_way(way, err));
        memcpy(rest, way->result, (size_t)n * sizeof(float));
        for (int64_t i = 0; i < n; i++)
            way->arrays[0][i] = 1.0f;
        if (round > 0) fill(way->arrays[0], n, &rng);
        COP_TRY(try_way(way, err));
        for (int64_t i = 0; i < n; i++) {
            int64_t c = i / inner % channels;
            double gain = (double)way->result[i] - (double)rest[i];
            if (round == 0 && i < channels * inner && i % inner == 0) slope[c] = gain;
            double missed = fabs(gain - slope[c] * (double)way->arrays[0][i]);
            if (!(missed <= worst)) worst = missed; /* a NaN is kept */
            largest = fmax(largest, fabs((double)way->result[i]));
        }
    }
    *is_straight = worst <= tolerance * largest;
    return COP_OK;
}

static enum cop_status test_straight(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    struct way *way,
    int32_t axis,
    double *slope,
    bool *is_straight,
    struct cop_err *err)
{
    float *rest = cop_mem_array((size_t)cop_shape_n(&way->to->shape), sizeof *rest);
    if (rest == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = open_way(engine, graph, way, err);
    if (status == COP_OK)
        status = measure_slope(way, axis, slope, rest, is_straight, err);
    close_way(way);
    cop_mem_free(rest);
    return status;
}

/* ---- bends -------------------------------------------------------------------------------- */

/* Finds low and high if the node behind is nothing but min(max(x, low), high). */
static enum cop_status measure_bend(
    struct way *way, struct cop_target *target, struct cop_err *err)
{
    int64_t n = cop_shape_n(&way->to->shape);
    double ends[2];
    for (int e = 0; e < 2; e++) {
        for (int64_t i = 0; i < n; i++)
            way->arrays[0][i] = e == 0 ? -far : far;
        COP_TRY(try_way(way, err));
        ends[e] = (double)way->result[0];
    }
    struct cop_rng rng;
    cop_rng_init(&rng, 2);
    fill(way->arrays[0], n, &rng);
    COP_TRY(try_way(way, err));
    for (int64_t i = 0; i < n; i++) {
        double clipped = fmin(fmax((double)way->arrays[0][i], ends[0]), ends[1]);
        if (!(fabs(clipped - (double)way->result[i]) <= tolerance)) return COP_OK;
    }
    if (ends[0] > -(double)far) target->low = ends[0];
    if (ends[1] < (double)far) target->high = ends[1];
    return COP_OK;
}

static enum cop_status find_bend(
    struct cop_engine *engine,
    const struct cop_walk_side *side,
    struct cop_target *target,
    struct cop_err *err)
{
    const struct cop_node *node = only_reader(target->value);
    if (node == NULL) return COP_OK;
    for (int32_t s = 0; s < node->n_src; s++) {
        const struct cop_value *src = node->src[s];
        if (src != NULL && src != target->value && side->is_fed[src->id]) return COP_OK;
    }
    struct way way = {.from = target->value, .to = node->dst[0]};
    way.starts[way.n_starts++] = way.from;
    enum cop_status status = open_way(engine, side->graph, &way, err);
    if (status == COP_OK) status = measure_bend(&way, target, err);
    close_way(&way);
    return status;
}

enum cop_status cop_target__find(
    struct cop_engine *engine,
    const struct cop_walk_side *side,
    const struct cop_node *node,
    int32_t axis,
    const uint8_t *is_linear,
    struct cop_arena *arena,
    struct cop_target *target,
    struct cop_err *err)
{
    const struct cop_value *from = node->dst[0];
    int64_t channels = from->shape.dim[axis];
    int32_t position = side->position[node->id];
    *target = (struct cop_target){
        .value = from,
        .slope = COP_ARENA_NEW_N(arena, channels, double),
        .low = -INFINITY,
        .high = INFINITY,
    };
    double *slope = COP_ARENA_NEW_N(arena, channels, double);
    if (target->slope == NULL || slope == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t c = 0; c < channels; c++)
        target->slope[c] = 1.0;
    struct way known = {.from = from};
    known.starts[known.n_starts++] = from;
    for (int step = 0; step < MOST_STEPS; step++) {
        const struct cop_node *next = only_reader(target->value);
        if (next == NULL || is_linear[next->id]) break;
        struct way way = known;
        way.to = next->dst[0];
        bool is_open = true;
        for (int32_t s = 0; s < next->n_src && is_open; s++) {
            const struct cop_value *src = next->src[s];
            if (src == NULL || src == target->value || !side->is_fed[src->id]) continue;
            is_open =
                is_at_hand(side, src, position, is_linear) && add_start(&way, src);
        }
        if (!is_open) break;
        known = way;
        bool is_straight = false;
        COP_TRY(
            test_straight(engine, side->graph, &way, axis, slope, &is_straight, err));
        if (!is_straight) break;
        target->value = next->dst[0];
        memcpy(target->slope, slope, (size_t)channels * sizeof *slope);
    }
    return find_bend(engine, side, target, err);
}
