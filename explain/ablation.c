/* explain/ablation.c - see ablation.h. */
#include "explain/ablation.h"

#include "base/mem.h"
#include "explain/class_score.h"

#include <math.h>
#include <string.h>

/* The cut of the graph at one layer: the layer first, then every value that runs past it
 * into what depends on it. */
struct cut {
    const struct cop_value **starts;
    int32_t n_starts;
    const struct cop_value *end;
    int64_t n_channels;
    int64_t spatial; /* elements of one channel of one sample */
};

/* One layer at work: everything lives in a scratch arena. */
struct bench {
    struct cop_plan *whole; /* from the inputs to the cut and the output */
    struct cop_plan *rest;  /* from the cut to the output */
    int64_t mb;
    int64_t n_classes;
    float **starts; /* [n_starts] elements at the cut, the layer first */
    float **ends; /* what whole fills: the outputs, then the starts that are no input */
    float *outputs;   /* [mb][n_classes] */
    double *scores;   /* [n] of the untouched samples */
    int64_t *targets; /* [n] */
    float *inputs;    /* [mb][...]; a last batch that is not full is filled up */
    int64_t per_sample;
    bool is_probability;
    uint8_t *mask; /* [n_channels] */
};

static void plan_release(void *plan)
{
    cop_plan_destroy(plan);
}

static bool is_start(const struct cut *cut, const struct cop_value *value)
{
    for (int32_t i = 0; i < cut->n_starts; i++)
        if (cut->starts[i] == value) return true;
    return false;
}

/* Marks in @p is_needed the values that the first output is computed from. */
static void mark_needed(const struct cop_graph *graph, bool *is_needed)
{
    is_needed[cop_graph_output(graph, 0)->id] = true;
    for (int32_t p = cop_graph_n_nodes(graph) - 1; p >= 0; p--) {
        const struct cop_node *node = cop_graph_node(graph, p);
        bool is_used = false;
        for (int32_t i = 0; i < node->n_dst; i++)
            is_used |= node->dst[i] && is_needed[node->dst[i]->id];
        for (int32_t i = 0; is_used && i < node->n_src; i++)
            if (node->src[i]) is_needed[node->src[i]->id] = true;
    }
}

/* Finds the cut at @p layer; what neither depends on it nor feeds what does is left out. */
static enum cop_status find_cut(
    const struct cop_graph *graph,
    const struct cop_value *layer,
    struct cop_arena *scratch,
    struct cut *cut,
    struct cop_err *err)
{
    const int32_t n_values = cop_graph_n_values(graph);
    bool *is_behind = COP_ARENA_NEW_N(scratch, n_values, bool);
    bool *is_needed = COP_ARENA_NEW_N(scratch, n_values, bool);
    cut->starts = COP_ARENA_NEW_N(scratch, n_values, const struct cop_value *);
    if (!is_behind || !is_needed || !cut->starts) return COP_FAIL_NOMEM(err);
    cut->end = cop_graph_output(graph, 0);
    cut->starts[cut->n_starts++] = layer;
    is_behind[layer->id] = true;
    mark_needed(graph, is_needed);
    for (int32_t p = 0; p < cop_graph_n_nodes(graph); p++) {
        const struct cop_node *node = cop_graph_node(graph, p);
        bool is_touched = false;
        bool is_used = false;
        for (int32_t i = 0; i < node->n_src; i++)
            is_touched |= node->src[i] && is_behind[node->src[i]->id];
        for (int32_t i = 0; i < node->n_dst; i++) {
            if (!node->dst[i]) continue;
            is_behind[node->dst[i]->id] |= is_touched;
            is_used |= is_needed[node->dst[i]->id];
        }
        for (int32_t i = 0; is_touched && is_used && i < node->n_src; i++) {
            const struct cop_value *src = node->src[i];
            if (src && !src->data && !is_behind[src->id] && !is_start(cut, src))
                cut->starts[cut->n_starts++] = src;
        }
    }
    if (!is_behind[cut->end->id] || cut->end == layer)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "layer '%s': output '%s' does not depend on it",
            layer->name,
            cut->end->name);
    return COP_OK;
}

/* A plan that the scratch arena destroys. */
static enum cop_status make_plan(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_arena *scratch,
    struct cop_plan **plan,
    struct cop_err *err)
{
    COP_TRY(cop_plan_create(engine, graph, options, plan, err));
    if (cop_arena_defer(scratch, plan_release, *plan) != COP_OK)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

static enum cop_status make_plans(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cut *cut,
    int threads,
    struct cop_arena *scratch,
    struct bench *bench,
    struct cop_err *err)
{
    const struct cop_value **ends =
        COP_ARENA_NEW_N(scratch, cut->n_starts + 1, const struct cop_value *);
    if (!ends) return COP_FAIL_NOMEM(err);
    int32_t n_ends = 0;
    ends[n_ends++] = cut->end;
    for (int32_t i = 0; i < cut->n_starts; i++)
        if (!cut->starts[i]->is_input) ends[n_ends++] = cut->starts[i];
    struct cop_plan_options options = {
        .mb = bench->mb,
        .threads = threads,
        .ends = ends,
        .n_ends = n_ends,
    };
    COP_TRY(make_plan(engine, graph, &options, scratch, &bench->whole, err));
    options.starts = cut->starts;
    options.n_starts = cut->n_starts;
    options.ends = &cut->end;
    options.n_ends = 1;
    return make_plan(engine, graph, &options, scratch, &bench->rest, err);
}

static enum cop_status allocate(
    const struct cut *cut,
    int64_t n_samples,
    struct cop_arena *scratch,
    struct bench *bench,
    struct cop_err *err)
{
    bench->starts = COP_ARENA_NEW_N(scratch, cut->n_starts, float *);
    bench->ends = COP_ARENA_NEW_N(scratch, cut->n_starts + 1, float *);
    if (!bench->starts || !bench->ends) return COP_FAIL_NOMEM(err);
    const int32_t n_ends = cop_plan_n_ends(bench->whole);
    for (int32_t i = 0; i < n_ends; i++) {
        const int64_t n = cop_shape_n(cop_plan_end_shape(bench->whole, i));
        bench->ends[i] = COP_ARENA_NEW_N(scratch, n, float);
        if (!bench->ends[i]) return COP_FAIL_NOMEM(err);
    }
    bench->outputs = bench->ends[0];
    bench->n_classes = cop_shape_n(cop_plan_end_shape(bench->whole, 0)) / bench->mb;
    bench->per_sample = cop_shape_n(cop_plan_start_shape(bench->whole, 0)) / bench->mb;
    bench->inputs = COP_ARENA_NEW_N(scratch, bench->mb * bench->per_sample, float);
    int32_t next_end = 1;
    for (int32_t i = 0; i < cut->n_starts; i++)
        bench->starts[i] =
            cut->starts[i]->is_input ? bench->inputs : bench->ends[next_end++];
    bench->scores = COP_ARENA_NEW_N(scratch, n_samples, double);
    bench->targets = COP_ARENA_NEW_N(scratch, n_samples, int64_t);
    bench->mask = COP_ARENA_NEW_N(scratch, cut->n_channels, uint8_t);
    if (!bench->inputs || !bench->scores || !bench->targets || !bench->mask)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

/* Runs the samples first .. first + count untouched; fills what lies at the cut. */
static enum cop_status run_whole(
    struct bench *bench,
    const struct cop_ablation_samples *samples,
    int64_t first,
    int64_t count,
    struct cop_err *err)
{
    for (int64_t i = 0; i < bench->mb; i++) {
        const int64_t sample = first + (i < count ? i : count - 1);
        memcpy(
            bench->inputs + i * bench->per_sample,
            samples->inputs + sample * bench->per_sample,
            (size_t)bench->per_sample * sizeof(float));
    }
    const float *inputs = bench->inputs;
    COP_TRY(cop_plan_run(bench->whole, &inputs, bench->ends, err));
    if (first == 0)
        bench->is_probability =
            cop_explain__is_probability(bench->outputs, bench->n_classes);
    for (int64_t i = 0; i < count; i++) {
        const float *outputs = bench->outputs + i * bench->n_classes;
        int64_t target = samples->targets ? samples->targets[first + i] : -1;
        if (target < 0) target = cop_explain__answer(outputs, bench->n_classes);
        if (target >= bench->n_classes)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "class %lld does not exist, the network has %lld",
                (long long)target,
                (long long)bench->n_classes);
        bench->targets[first + i] = target;
        bench->scores[first + i] =
            cop_explain__score(outputs, bench->is_probability, target);
    }
    return COP_OK;
}

/* Mean of every channel of the layer over one batch, added to @p means. */
static void add_means(
    const struct bench *bench, const struct cut *cut, int64_t count, double *means)
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < cut->n_channels; c++) {
            const float *channel =
                bench->starts[0] + (i * cut->n_channels + c) * cut->spatial;
            double sum = 0;
            for (int64_t s = 0; s < cut->spatial; s++)
                sum += (double)channel[s];
            means[c] += sum / (double)cut->spatial;
        }
}

static enum cop_status measure_means(
    struct bench *bench,
    const struct cut *cut,
    const struct cop_ablation_samples *samples,
    double *means,
    struct cop_err *err)
{
    for (int64_t first = 0; first < samples->n; first += bench->mb) {
        const int64_t left = samples->n - first;
        const int64_t count = left < bench->mb ? left : bench->mb;
        COP_TRY(run_whole(bench, samples, first, count, err));
        add_means(bench, cut, count, means);
    }
    for (int64_t c = 0; c < cut->n_channels; c++)
        means[c] /= (double)samples->n;
    return COP_OK;
}

/* Sums of the score lost without each channel, over samples first .. first + count. */
static enum cop_status ablate_batch(
    struct bench *bench,
    const struct cut *cut,
    int64_t first,
    int64_t count,
    const double *fills,
    double *sums[2],
    struct cop_err *err)
{
    const int32_t layer_id = cut->starts[0]->id;
    const float *const *starts = (const float *const *)bench->starts;
    for (int64_t c = 0; c < cut->n_channels; c++) {
        bench->mask[c] = 1;
        const float fill = (float)fills[c];
        COP_TRY(cop_plan_mask_channels(bench->rest, layer_id, bench->mask, fill, err));
        COP_TRY(cop_plan_run(bench->rest, starts, &bench->outputs, err));
        bench->mask[c] = 0;
        for (int64_t i = 0; i < count; i++) {
            const double loss =
                bench->scores[first + i] - cop_explain__score(
                                               bench->outputs + i * bench->n_classes,
                                               bench->is_probability,
                                               bench->targets[first + i]);
            sums[0][c] += loss;
            sums[1][c] += fabs(loss);
        }
    }
    return COP_OK;
}

static enum cop_status ablate_layer(
    struct bench *bench,
    const struct cut *cut,
    const struct cop_ablation_samples *samples,
    const struct cop_ablation_options *options,
    struct cop_arena *scratch,
    struct cop_ablation_layer *result,
    struct cop_err *err)
{
    const int64_t n = cut->n_channels;
    double *fills = COP_ARENA_NEW_N(scratch, n, double);
    double *sums[2] = {
        COP_ARENA_NEW_N(scratch, n, double), COP_ARENA_NEW_N(scratch, n, double)};
    if (!fills || !sums[0] || !sums[1]) return COP_FAIL_NOMEM(err);
    if (options->fill == COP_ABLATION_MEAN)
        COP_TRY(measure_means(bench, cut, samples, fills, err));
    double score = 0;
    for (int64_t first = 0; first < samples->n; first += bench->mb) {
        const int64_t left = samples->n - first;
        const int64_t count = left < bench->mb ? left : bench->mb;
        COP_TRY(cop_progress_check(options->progress, err));
        COP_TRY(run_whole(bench, samples, first, count, err));
        COP_TRY(ablate_batch(bench, cut, first, count, fills, sums, err));
    }
    for (int64_t i = 0; i < samples->n; i++)
        score += bench->scores[i];
    result->mean_score = score / (double)samples->n;
    for (int64_t c = 0; c < n; c++) {
        result->mean[c] = (float)(sums[0][c] / (double)samples->n);
        result->mean_abs[c] = (float)(sums[1][c] / (double)samples->n);
    }
    return COP_OK;
}

/* Sets up one layer in a scratch arena and measures it. */
static enum cop_status run_layer(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_value *layer,
    const struct cop_ablation_samples *samples,
    const struct cop_ablation_options *options,
    struct cop_ablation_layer *result,
    struct cop_err *err)
{
    enum cop_status status = COP_OK;
    struct cut cut = {
        .n_channels = result->n_channels,
        .spatial = cop_shape_span(&layer->shape, 2, layer->shape.rank),
    };
    struct bench bench = {.mb = options->mb > 0 ? options->mb : 16};
    if (bench.mb > samples->n) bench.mb = samples->n;
    struct cop_arena *scratch = cop_arena_create();
    if (!scratch) return COP_FAIL_NOMEM(err);
    status = find_cut(graph, layer, scratch, &cut, err);
    if (status != COP_OK) goto done;
    status = make_plans(engine, graph, &cut, options->threads, scratch, &bench, err);
    if (status != COP_OK) goto done;
    status = allocate(&cut, samples->n, scratch, &bench, err);
    if (status != COP_OK) goto done;
    status = ablate_layer(&bench, &cut, samples, options, scratch, result, err);
done:
    cop_arena_destroy(scratch);
    return status;
}

static enum cop_status start_result(
    const struct cop_value *layer,
    struct cop_arena *arena,
    struct cop_ablation_layer *result,
    struct cop_err *err)
{
    const char *name = layer->producer ? layer->producer->name : layer->name;
    if (layer->data || layer->shape.rank < 2 || layer->shape.dim[1] < 1)
        return COP_FAIL(err, COP_EINVAL, "layer '%s' has no channels", name);
    const int64_t n = layer->shape.dim[1];
    *result = (struct cop_ablation_layer){
        .name = cop_arena_strdup(arena, name),
        .n_channels = n,
        .mean = COP_ARENA_NEW_N(arena, n, float),
        .mean_abs = COP_ARENA_NEW_N(arena, n, float),
    };
    if (!result->name || !result->mean || !result->mean_abs) return COP_FAIL_NOMEM(err);
    return COP_OK;
}

enum cop_status cop_ablate(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_ablation_samples *samples,
    const struct cop_ablation_options *options,
    struct cop_arena *arena,
    struct cop_ablation_layer *results,
    struct cop_err *err)
{
    if (samples->n < 1)
        return COP_FAIL(err, COP_EINVAL, "ablation needs at least one sample");
    if (cop_graph_n_inputs(graph) != 1 || cop_graph_n_outputs(graph) < 1)
        return COP_FAIL(err, COP_EINVAL, "ablation needs 1 input and an output");
    for (int32_t i = 0; i < options->n_layers; i++) {
        const struct cop_value *layer = options->layers[i];
        COP_TRY(start_result(layer, arena, &results[i], err));
        const enum cop_status status =
            run_layer(engine, graph, layer, samples, options, &results[i], err);
        if (status != COP_OK) {
            cop_err_in(err, "ablation of '%s'", results[i].name);
            return status;
        }
        cop_progress_step(options->progress, "ablation", i + 1, options->n_layers);
    }
    return COP_OK;
}
