/* prune/calibrate.c - see calibrate.h.
 *
 * Each batch is packed channel by channel, less a shift near the mean, and multiplied in
 * single precision in blocks of bounded length; the blocks are added up in double in a
 * fixed order, so that a calibration repeats bit for bit, however many streams read. */
#include "prune/calibrate_impl.h"
#include "prune/probe_impl.h"
#include "prune/reader_impl.h"
#include "prune/target_impl.h"
#include "prune/view_impl.h"

#include "base/mem.h"
#include "engine/product.h"

#include <math.h>

enum {
    MOST_CHANNELS = 8192, /* a wider Gram would take more than 512 MiB */
    PACK_COLUMNS = 4096,  /* summed in single precision */
};

/* ---- what to measure -------------------------------------------------------------- */

const struct cop_moments *cop_calibration__moments(
    const struct cop_calibration *calibration,
    const struct cop_value *value,
    int32_t axis)
{
    for (int32_t i = 0; i < calibration->n_moments; i++) {
        const struct cop_moments *moments = &calibration->moments[i];
        if (moments->value == value && moments->axis == axis) return moments;
    }
    return NULL;
}

static enum cop_status add_moments(
    struct cop_calibration *calibration,
    const struct cop_groups *groups,
    const struct cop_reader *reader,
    struct cop_err *err)
{
    int32_t axis = reader->linear.src_axis;
    if (cop_calibration__moments(calibration, reader->src, axis) != NULL) return COP_OK;
    int64_t block = cop_reader__block(groups, reader->src, axis);
    int64_t n = reader->src->shape.dim[axis] / block;
    if (n > MOST_CHANNELS) return COP_OK; /* such a reader is cut without repair */
    struct cop_moments *moments = &calibration->moments[calibration->n_moments++];
    *moments = (struct cop_moments){
        .value = reader->src,
        .axis = axis,
        .block = block,
        .n = n,
        .mean = COP_ARENA_NEW_N(calibration->arena, n, double),
        .gram = COP_ARENA_NEW_N(calibration->arena, n * n, double),
        .shift = COP_ARENA_NEW_N(calibration->arena, n, float),
    };
    if (moments->mean == NULL || moments->gram == NULL || moments->shift == NULL)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

static enum cop_status add_taps(
    struct cop_calibration *calibration,
    const struct cop_reader *reader,
    int64_t n_samples,
    struct cop_err *err)
{
    struct cop_taps *taps = &calibration->taps[calibration->n_taps];
    if (!cop_taps__make(calibration->groups, reader, n_samples, taps)) return COP_OK;
    struct cop_moments *moments = &taps->moments;
    calibration->n_taps++;
    moments->mean = COP_ARENA_NEW_N(calibration->arena, moments->n, double);
    moments->gram =
        COP_ARENA_NEW_N(calibration->arena, moments->n * moments->n, double);
    moments->shift = COP_ARENA_NEW_N(calibration->arena, moments->n, float);
    if (moments->mean == NULL || moments->gram == NULL || moments->shift == NULL)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

static enum cop_status add_spread(
    struct cop_calibration *calibration,
    const struct cop_node *node,
    struct cop_err *err)
{
    struct cop_linear linear;
    if (!node->op->coupling->linear(node, &linear)) return COP_OK;
    const struct cop_value *dst = node->dst[0];
    struct cop_spread *spread = &calibration->spreads[calibration->n_spreads++];
    int64_t n = dst->shape.dim[linear.dst_axis];
    *spread = (struct cop_spread){
        .node = node,
        .value = dst,
        .axis = linear.dst_axis,
        .n = n,
        .mean = COP_ARENA_NEW_N(calibration->arena, n, double),
        .deviation = COP_ARENA_NEW_N(calibration->arena, n, double),
    };
    if (spread->mean == NULL || spread->deviation == NULL) return COP_FAIL_NOMEM(err);
    return COP_OK;
}

static enum cop_status plan_measures(
    struct cop_calibration *calibration, int64_t n_samples, struct cop_err *err)
{
    const struct cop_groups *groups = calibration->groups;
    int32_t n_nodes = cop_graph_n_nodes(groups->graph);
    struct cop_arena *arena = calibration->arena;
    calibration->moments =
        COP_ARENA_NEW_N(arena, groups->n_readers, struct cop_moments);
    calibration->spreads = COP_ARENA_NEW_N(arena, n_nodes, struct cop_spread);
    calibration->taps = COP_ARENA_NEW_N(arena, groups->n_readers, struct cop_taps);
    if (calibration->moments == NULL || calibration->spreads == NULL ||
        calibration->taps == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < groups->n_readers; i++) {
        COP_TRY(add_moments(calibration, groups, &groups->readers[i], err));
        COP_TRY(add_taps(calibration, &groups->readers[i], n_samples, err));
    }
    for (int32_t i = 0; i < n_nodes; i++)
        COP_TRY(add_spread(calibration, cop_graph_node(groups->graph, i), err));
    return COP_OK;
}

/* ---- moments ---------------------------------------------------------------------- */

static void set_shift(struct cop_moments *moments, const struct cop_view *view)
{
    int64_t rows = cop_view__rows(view);
    for (int64_t c = 0; c < moments->n; c++) {
        double sum = 0.0;
        for (int64_t first = 0; first < rows; first += PACK_COLUMNS) {
            float packed[PACK_COLUMNS];
            int64_t n = rows - first < PACK_COLUMNS ? rows - first : PACK_COLUMNS;
            cop_view__pack(view, c, 0.0f, first, n, packed);
            for (int64_t i = 0; i < n; i++)
                sum += (double)packed[i];
        }
        moments->shift[c] = (float)(sum / (double)rows);
    }
}

enum cop_status cop_moments__multiply(
    struct cop_moments *moments,
    const float *packed,
    int64_t k,
    float *product,
    struct cop_err *err)
{
    int64_t n = moments->n;
    for (int64_t r0 = 0; r0 < n; r0 += COP_MOMENTS_BAND) {
        int64_t r1 = n - r0 < COP_MOMENTS_BAND ? n : r0 + COP_MOMENTS_BAND;
        COP_TRY(cop_product_nt(r1 - r0, r1, k, packed + r0 * k, packed, product, err));
        for (int64_t r = r0; r < r1; r++) {
            for (int64_t c = 0; c <= r; c++)
                moments->gram[r * n + c] += (double)product[(r - r0) * r1 + c];
        }
    }
    return COP_OK;
}

enum cop_status cop_moments__add(
    struct cop_moments *moments, const struct cop_view *view, struct cop_err *err)
{
    int64_t n = moments->n;
    int64_t rows = cop_view__rows(view);
    if (moments->count == 0) set_shift(moments, view);
    int64_t most = rows < PACK_COLUMNS ? rows : PACK_COLUMNS;
    float *packed = cop_mem_array((size_t)(n * most), sizeof *packed);
    float *product = cop_mem_array((size_t)n * COP_MOMENTS_BAND, sizeof *product);
    if (packed == NULL || product == NULL) {
        cop_mem_free(packed);
        cop_mem_free(product);
        return COP_FAIL_NOMEM(err);
    }
    enum cop_status status = COP_OK;
    for (int64_t first = 0; first < rows; first += PACK_COLUMNS) {
        int64_t k = rows - first < PACK_COLUMNS ? rows - first : PACK_COLUMNS;
        for (int64_t c = 0; c < n; c++) {
            float *row = packed + c * k;
            cop_view__pack(view, c, moments->shift[c], first, k, row);
            for (int64_t i = 0; i < k; i++)
                moments->mean[c] += (double)row[i];
        }
        status = cop_moments__multiply(moments, packed, k, product, err);
        if (status != COP_OK) break;
    }
    moments->count += rows;
    cop_mem_free(packed);
    cop_mem_free(product);
    return status;
}

void cop_moments__finish(struct cop_moments *moments)
{
    int64_t n = moments->n;
    double count = moments->count > 0 ? (double)moments->count : 1.0;
    for (int64_t r = 0; r < n; r++)
        moments->mean[r] /= count; /* still less the shift */
    for (int64_t r = 0; r < n; r++) {
        for (int64_t c = 0; c <= r; c++) {
            double centred =
                moments->gram[r * n + c] / count - moments->mean[r] * moments->mean[c];
            moments->gram[r * n + c] = centred;
            moments->gram[c * n + r] = centred;
        }
    }
    for (int64_t r = 0; r < n; r++)
        moments->mean[r] += (double)moments->shift[r];
}

/* ---- spreads ---------------------------------------------------------------------- */

void cop_spread__add(
    struct cop_spread *spread, const float *elements, const struct cop_shape *shape)
{
    int64_t outer = cop_shape_span(shape, 0, spread->axis);
    int64_t inner = cop_shape_span(shape, spread->axis + 1, shape->rank);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t c = 0; c < spread->n; c++, elements += inner) {
            double sum = 0.0;
            double squares = 0.0;
            for (int64_t i = 0; i < inner; i++) {
                double element = (double)elements[i];
                sum += element;
                squares += element * element;
            }
            spread->mean[c] += sum;
            spread->deviation[c] += squares;
        }
    }
    spread->count += (double)(outer * inner);
}

void cop_spread__finish(struct cop_spread *spread)
{
    double count = spread->count > 0.0 ? spread->count : 1.0;
    for (int64_t c = 0; c < spread->n; c++) {
        spread->mean[c] /= count;
        double variance =
            spread->deviation[c] / count - spread->mean[c] * spread->mean[c];
        spread->deviation[c] = sqrt(variance > 0.0 ? variance : 0.0);
    }
}

/* ---- the pass --------------------------------------------------------------------- */

static enum cop_status visit(
    void *context, int32_t i, const struct cop_probe_value *value, struct cop_err *err)
{
    struct cop_calibration *calibration = context;
    if (i < calibration->n_moments) {
        struct cop_moments *moments = &calibration->moments[i];
        const struct cop_view view = cop_view__make(
            value->elements, &value->shape, moments->axis, moments->block);
        return cop_moments__add(moments, &view, err);
    }
    i -= calibration->n_moments;
    if (i < calibration->n_taps) {
        struct cop_taps *taps = &calibration->taps[i];
        int64_t n = value->shape.dim[0] / taps->moments.value->shape.dim[0];
        return cop_taps__add(taps, value->elements, n, err);
    }
    cop_spread__add(
        &calibration->spreads[i - calibration->n_taps], value->elements, &value->shape);
    return COP_OK;
}

static const struct cop_value *measured_value(
    const struct cop_calibration *calibration, int32_t i)
{
    if (i < calibration->n_moments) return calibration->moments[i].value;
    i -= calibration->n_moments;
    if (i < calibration->n_taps) return calibration->taps[i].moments.value;
    return calibration->spreads[i - calibration->n_taps].value;
}

/* How far the target of each reader moves with its outputs: by the normalisation behind. */
static enum cop_status find_slopes(
    struct cop_calibration *calibration, struct cop_engine *engine, struct cop_err *err)
{
    const struct cop_groups *groups = calibration->groups;
    struct cop_walk_side side = {.graph = groups->graph};
    COP_TRY(cop_walk__survey(&side, calibration->arena, err));
    uint8_t *is_linear = COP_ARENA_NEW_N(calibration->arena, side.n_ids, uint8_t);
    calibration->slopes =
        COP_ARENA_NEW_N(calibration->arena, groups->n_readers, double *);
    if (is_linear == NULL || calibration->slopes == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < calibration->n_spreads; i++)
        is_linear[calibration->spreads[i].node->id] = 1;
    for (int32_t i = 0; i < groups->n_readers; i++) {
        const struct cop_reader *reader = &groups->readers[i];
        struct cop_target target;
        COP_TRY(cop_target__find(
            engine,
            &side,
            reader->node,
            reader->linear.dst_axis,
            is_linear,
            calibration->arena,
            &target,
            err));
        calibration->slopes[i] = target.slope;
    }
    return COP_OK;
}

const double *cop_calibration__slopes(
    const struct cop_calibration *calibration, const struct cop_reader *reader)
{
    if (calibration->slopes == NULL) return NULL;
    return calibration->slopes[reader - calibration->groups->readers];
}

static enum cop_status measure(
    struct cop_calibration *calibration,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_err *err)
{
    int32_t n_values =
        calibration->n_moments + calibration->n_taps + calibration->n_spreads;
    const struct cop_value **values =
        COP_ARENA_NEW_N(calibration->arena, n_values, const struct cop_value *);
    if (values == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n_values; i++)
        values[i] = measured_value(calibration, i);
    const struct cop_probe probe = {
        .engine = engine,
        .sides = {{.graph = graph, .values = values}},
        .n_sides = 1,
        .n_values = n_values,
        .samples = samples,
        .progress = progress,
        .what = "calibrating",
        .visit = visit,
        .context = calibration,
    };
    COP_TRY(cop_probe__run(&probe, err));
    for (int32_t i = 0; i < calibration->n_moments; i++)
        cop_moments__finish(&calibration->moments[i]);
    for (int32_t i = 0; i < calibration->n_taps; i++)
        cop_moments__finish(&calibration->taps[i].moments);
    for (int32_t i = 0; i < calibration->n_spreads; i++)
        cop_spread__finish(&calibration->spreads[i]);
    return COP_OK;
}

enum cop_status cop_calibrate(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_calibration **calibration,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct cop_calibration *fresh = COP_ARENA_NEW(arena, struct cop_calibration);
    enum cop_status status = fresh != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    if (status == COP_OK) {
        fresh->arena = arena;
        fresh->groups = groups;
        status = plan_measures(fresh, samples->n > 0 ? samples->n : 1, err);
    }
    if (status == COP_OK) status = find_slopes(fresh, engine, err);
    if (status == COP_OK)
        status = measure(fresh, engine, groups->graph, samples, progress, err);
    if (status != COP_OK) {
        cop_arena_destroy(arena);
        return status;
    }
    *calibration = fresh;
    return COP_OK;
}

void cop_calibration_destroy(struct cop_calibration *calibration)
{
    if (calibration != NULL) cop_arena_destroy(calibration->arena);
}

bool cop_calibration_moments(
    const struct cop_calibration *calibration,
    const struct cop_value *value,
    int64_t *n_channels,
    const double **mean,
    const double **gram)
{
    for (int32_t i = 0; i < calibration->n_moments; i++) {
        const struct cop_moments *moments = &calibration->moments[i];
        if (moments->value != value) continue;
        *n_channels = moments->n;
        *mean = moments->mean;
        *gram = moments->gram;
        return true;
    }
    return false;
}
