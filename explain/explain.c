/* explain/explain.c - see explain.h. */
#include "explain/explain.h"

#include "explain/compare.h"

#include <stdlib.h>
#include <string.h>

/* One call at work. */
struct job {
    struct cop_engine *engine;
    const struct cop_explain_inputs *inputs;
    struct cop_explain_options options; /* defaults filled in */
    const struct cop_progress *progress;
    struct cop_explain_result *result;
    struct cop_arena *arena;
    int64_t *samples; /* [n] flips first, each part ascending */
    int64_t n;
    int64_t n_flips;
    int64_t sample_elements;
    float *sample;    /* [c][h][w] */
    int64_t *targets; /* [n] what the original answers; -1 until known */
};

/* ---- choosing samples ---------------------------------------------------------- */

/* A sample that only the original got right, and how sure the variant still was of it. */
struct flip {
    int64_t sample;
    float p_label;
};

static int by_damage(const void *a, const void *b)
{
    const struct flip *x = a;
    const struct flip *y = b;
    if (x->p_label < y->p_label) return -1;
    if (x->p_label > y->p_label) return 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

/* Flips of the two rows, both ascending by sample. */
static int64_t list_flips(
    const struct cop_evaluation_row rows[2], int64_t n_samples, struct flip *flips)
{
    const int64_t n[2] = {
        cop_stored_answers_n(&rows[0]), cop_stored_answers_n(&rows[1])};
    int64_t n_flips = 0;
    int64_t i = 0;
    int64_t j = 0;
    while (i < n[0] && j < n[1]) {
        const struct cop_stored_answer a = cop_stored_answer_at(&rows[0], i);
        const struct cop_stored_answer b = cop_stored_answer_at(&rows[1], j);
        if (a.sample == b.sample && a.sample >= 0 && a.sample < n_samples &&
            cop_stored_answer_is_right(&a) && !cop_stored_answer_is_right(&b))
            flips[n_flips++] = (struct flip){a.sample, b.p_label};
        i += a.sample <= b.sample;
        j += b.sample <= a.sample;
    }
    return n_flips;
}

/* Puts up to a quarter of the samples: those the variant lost by most. */
static enum cop_status choose_flips(struct job *job, struct cop_err *err)
{
    const struct cop_explain_inputs *in = job->inputs;
    struct cop_evaluation_row rows[2];
    if (in->n_subjects < 2) return COP_OK;
    for (int m = 0; m < 2; m++) {
        const enum cop_status status = cop_store_last_evaluation(
            in->store,
            in->subjects[m].model_id,
            in->dataset_id,
            job->arena,
            &rows[m],
            err);
        if (status == COP_ENOTFOUND) return COP_OK;
        if (status != COP_OK) return status;
    }
    struct flip *flips =
        COP_ARENA_NEW_N(job->arena, cop_stored_answers_n(&rows[0]) + 1, struct flip);
    if (!flips) return COP_FAIL_NOMEM(err);
    const int64_t n = list_flips(rows, cop_dataset_n(in->dataset), flips);
    qsort(flips, (size_t)n, sizeof *flips, by_damage);
    const int64_t most = job->options.n_samples / 4;
    for (int64_t i = 0; i < n && i < most; i++)
        job->samples[job->n_flips++] = flips[i].sample;
    return COP_OK;
}

static bool is_chosen(const struct job *job, int64_t sample)
{
    for (int64_t i = 0; i < job->n; i++)
        if (job->samples[i] == sample) return true;
    return false;
}

static enum cop_status choose_samples(struct job *job, struct cop_err *err)
{
    const struct cop_dataset *dataset = job->inputs->dataset;
    if (job->options.n_samples > cop_dataset_n(dataset))
        job->options.n_samples = cop_dataset_n(dataset);
    if (job->options.n_samples < 1)
        return COP_FAIL(err, COP_EINVAL, "there are no samples to explain");
    int64_t n_drawn = job->options.n_samples;
    job->samples = COP_ARENA_NEW_N(job->arena, n_drawn, int64_t);
    job->targets = COP_ARENA_NEW_N(job->arena, n_drawn, int64_t);
    int64_t *drawn = COP_ARENA_NEW_N(job->arena, n_drawn, int64_t);
    if (!job->samples || !job->targets || !drawn) return COP_FAIL_NOMEM(err);
    COP_TRY(choose_flips(job, err));
    COP_TRY(cop_dataset_draw(dataset, job->options.seed, &n_drawn, drawn, err));
    job->n = job->n_flips;
    for (int64_t i = 0; i < n_drawn && job->n < job->options.n_samples; i++)
        if (!is_chosen(job, drawn[i])) job->samples[job->n++] = drawn[i];
    for (int64_t i = 0; i < job->n; i++)
        job->targets[i] = -1;
    return COP_OK;
}

/* ---- occlusion ----------------------------------------------------------------- */

static const char *occlusion_config(
    struct job *job,
    const struct cop_occluder *occluder,
    const struct cop_occlusion_map *map,
    bool is_flip)
{
    const struct cop_occlusion_options *o = cop_occluder_options(occluder);
    return cop_arena_printf(
        job->arena,
        "{\"window\":[%lld,%lld],\"stride\":[%lld,%lld],\"fill\":\"%s\","
        "\"fill_value\":%.9g,\"windows\":%lld,\"score\":\"%s\",\"chosen\":\"%s\","
        "\"seed\":%llu}",
        (long long)o->window[0],
        (long long)o->window[1],
        (long long)o->stride[0],
        (long long)o->stride[1],
        o->fill == COP_OCCLUSION_BLUR ? "blur" : "value",
        (double)o->fill_value,
        (long long)map->n_windows,
        map->is_probability ? "log-probability" : "logit",
        is_flip ? "lost" : "drawn",
        (unsigned long long)job->options.seed);
}

static enum cop_status map_sample(
    struct job *job,
    const struct cop_explain_subject *subject,
    struct cop_occluder *occluder,
    int64_t i,
    struct cop_err *err)
{
    struct cop_occlusion_map map = {0};
    COP_TRY(
        cop_dataset_read(job->inputs->dataset, &job->samples[i], 1, job->sample, err));
    COP_TRY(cop_occluder_map(
        occluder, job->sample, job->targets[i], job->progress, &map, err));
    job->targets[i] = map.target;
    struct cop_attribution_row row = {
        .model_id = subject->model_id,
        .dataset_id = job->inputs->dataset_id,
        .sample = job->samples[i],
        .method = "occlusion",
        .layer = "",
        .target = map.target,
        .rows = map.rows,
        .cols = map.cols,
        .f_x = map.f_x,
        .config_json = occlusion_config(job, occluder, &map, i < job->n_flips),
        .values = map.values,
        .values_bytes = (size_t)(map.rows * map.cols) * sizeof *map.values,
    };
    enum cop_status status =
        row.config_json ? cop_store_put_attribution(job->inputs->store, &row, err)
                        : COP_FAIL_NOMEM(err);
    job->result->n_maps += status == COP_OK;
    cop_occlusion_map_clear(&map);
    return status;
}

static enum cop_status occlude(
    struct job *job, const struct cop_explain_subject *subject, struct cop_err *err)
{
    enum cop_status status = COP_OK;
    struct cop_occluder *occluder = NULL;
    struct cop_occlusion_options options = job->options.occlusion;
    if (options.threads == 0) options.threads = job->options.threads;
    COP_TRY(cop_occluder_create(job->engine, subject->graph, &options, &occluder, err));
    for (int64_t i = 0; i < job->n && status == COP_OK; i++) {
        status = map_sample(job, subject, occluder, i, err);
        const int64_t done = (subject - job->inputs->subjects) * job->n + i + 1;
        cop_progress_step(
            job->progress, "occlusion", done, job->n * job->inputs->n_subjects);
    }
    cop_occluder_destroy(occluder);
    return status;
}

/* ---- ablation ------------------------------------------------------------------ */

/* Has weights of its own: a constant operand of rank 4. */
static bool has_kernel(const struct cop_node *node)
{
    for (int32_t i = 0; i < node->n_src; i++)
        if (node->src[i] && node->src[i]->data && node->src[i]->shape.rank == 4)
            return true;
    return false;
}

static bool is_layer(const struct cop_node *node)
{
    return has_kernel(node) && node->n_dst > 0 && node->dst[0] &&
           node->dst[0]->shape.rank == 4;
}

/* Adds up to @p room of the @p n values, evenly spread and the last included, that are not
 * there yet. */
static void add_spread(
    const struct cop_value **chosen,
    int32_t *n_chosen,
    const struct cop_value *const *values,
    int32_t n,
    int32_t room)
{
    const int32_t taken = n < room ? n : room;
    for (int32_t i = 0; i < taken; i++) {
        const struct cop_value *value = values[(int64_t)(i + 1) * n / taken - 1];
        bool is_there = false;
        for (int32_t k = 0; k < *n_chosen; k++)
            is_there |= chosen[k] == value;
        if (!is_there) chosen[(*n_chosen)++] = value;
    }
}

/* Layers that the variant's cuts are named after, in the order of the graph. */
static enum cop_status list_cut_layers(
    struct job *job,
    const struct cop_graph *graph,
    const struct cop_value **layers,
    int32_t *n_layers,
    struct cop_err *err)
{
    const struct cop_explain_inputs *in = job->inputs;
    struct cop_cut_row *cuts = NULL;
    int32_t n_cuts = 0;
    COP_TRY(cop_store_list_cuts(
        in->store,
        in->subjects[in->n_subjects - 1].model_id,
        job->arena,
        &cuts,
        &n_cuts,
        err));
    for (int32_t p = 0; p < cop_graph_n_nodes(graph); p++) {
        const struct cop_node *node = cop_graph_node(graph, p);
        bool is_named = false;
        for (int32_t i = 0; i < n_cuts; i++)
            is_named |= strcmp(cuts[i].layer, node->name) == 0;
        if (is_named && is_layer(node)) layers[(*n_layers)++] = node->dst[0];
    }
    return COP_OK;
}

/* The default layers: those that were cut, then others with kernels; each kind evenly
 * spread over the depth. */
static enum cop_status choose_layers(
    struct job *job,
    const struct cop_graph *graph,
    struct cop_ablation_options *options,
    struct cop_err *err)
{
    const int32_t n_nodes = cop_graph_n_nodes(graph);
    const int32_t most = job->options.max_layers;
    const struct cop_value **all =
        COP_ARENA_NEW_N(job->arena, n_nodes + 1, const struct cop_value *);
    const struct cop_value **chosen =
        COP_ARENA_NEW_N(job->arena, n_nodes + 1, const struct cop_value *);
    int32_t n = 0;
    int32_t n_chosen = 0;
    if (!all || !chosen) return COP_FAIL_NOMEM(err);
    COP_TRY(list_cut_layers(job, graph, all, &n, err));
    add_spread(chosen, &n_chosen, all, n, most);
    n = 0;
    for (int32_t p = 0; p < n_nodes; p++) {
        const struct cop_node *node = cop_graph_node(graph, p);
        if (is_layer(node)) all[n++] = node->dst[0];
    }
    add_spread(chosen, &n_chosen, all, n, most - n_chosen);
    options->layers = chosen;
    options->n_layers = n_chosen;
    return COP_OK;
}

static enum cop_status store_layer(
    struct job *job,
    const struct cop_explain_subject *subject,
    const struct cop_ablation_layer *layer,
    bool is_absolute,
    int64_t n_samples,
    struct cop_err *err)
{
    struct cop_attribution_row row = {
        .model_id = subject->model_id,
        .dataset_id = job->inputs->dataset_id,
        .sample = -1,
        .method = is_absolute ? "channel-ablation-abs" : "channel-ablation",
        .layer = layer->name,
        .target = -1,
        .rows = 1,
        .cols = layer->n_channels,
        .f_x = layer->mean_score,
        .config_json = cop_arena_printf(
            job->arena,
            "{\"fill\":\"%s\",\"samples\":%lld,\"target\":\"answer of the original\","
            "\"seed\":%llu}",
            job->options.ablation_fill == COP_ABLATION_MEAN ? "mean" : "zero",
            (long long)n_samples,
            (unsigned long long)job->options.seed),
        .values = is_absolute ? layer->mean_abs : layer->mean,
        .values_bytes = (size_t)layer->n_channels * sizeof(float),
    };
    if (!row.config_json) return COP_FAIL_NOMEM(err);
    return cop_store_put_attribution(job->inputs->store, &row, err);
}

static enum cop_status ablate(
    struct job *job, const struct cop_explain_subject *subject, struct cop_err *err)
{
    /* The drawn samples stand for the data; the flips at the front do not. */
    const int64_t most = job->n - job->n_flips;
    const int64_t n =
        job->options.ablation_samples < most ? job->options.ablation_samples : most;
    if (n < 1) return COP_OK;
    struct cop_ablation_options options = {
        .layers = subject->layers,
        .n_layers = subject->n_layers,
        .fill = job->options.ablation_fill,
        .threads = job->options.threads,
        .progress = job->progress,
    };
    if (options.n_layers == 0)
        COP_TRY(choose_layers(job, subject->graph, &options, err));
    float *inputs = COP_ARENA_NEW_N(job->arena, n * job->sample_elements, float);
    struct cop_ablation_layer *layers =
        COP_ARENA_NEW_N(job->arena, options.n_layers + 1, struct cop_ablation_layer);
    if (!inputs || !layers) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_dataset_read(
        job->inputs->dataset, job->samples + job->n_flips, n, inputs, err));
    const struct cop_ablation_samples samples = {
        .inputs = inputs, .targets = job->targets + job->n_flips, .n = n};
    COP_TRY(cop_ablate(
        job->engine, subject->graph, &samples, &options, job->arena, layers, err));
    for (int32_t i = 0; i < options.n_layers; i++) {
        COP_TRY(store_layer(job, subject, &layers[i], false, n, err));
        COP_TRY(store_layer(job, subject, &layers[i], true, n, err));
        job->result->n_layers++;
    }
    return COP_OK;
}

/* ---- the call ------------------------------------------------------------------ */

static enum cop_status prepare(struct job *job, struct cop_err *err)
{
    struct cop_explain_options *o = &job->options;
    const struct cop_explain_inputs *in = job->inputs;
    if (in->n_subjects < 1 || in->n_subjects > 2)
        return COP_FAIL(
            err, COP_EINVAL, "%d models to explain, not 1 or 2", (int)in->n_subjects);
    if (o->n_samples == 0) o->n_samples = 20;
    if (o->ablation_samples == 0) o->ablation_samples = 8;
    if (o->max_layers <= 0) o->max_layers = 8;
    int64_t shape[3];
    cop_dataset_sample_shape(in->dataset, shape);
    job->sample_elements = shape[0] * shape[1] * shape[2];
    for (int32_t m = 0; m < in->n_subjects; m++) {
        if (cop_graph_n_inputs(in->subjects[m].graph) != 1)
            return COP_FAIL(
                err, COP_ESHAPE, "only networks of one input are explained");
        const struct cop_value *input = cop_graph_input(in->subjects[m].graph, 0);
        if (cop_shape_n(&input->shape) != job->sample_elements)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "the data gives %lldx%lldx%lld, input '%s' takes %lld elements",
                (long long)shape[0],
                (long long)shape[1],
                (long long)shape[2],
                input->name,
                (long long)cop_shape_n(&input->shape));
    }
    job->sample = COP_ARENA_NEW_N(job->arena, job->sample_elements, float);
    if (!job->sample) return COP_FAIL_NOMEM(err);
    return choose_samples(job, err);
}

static enum cop_status run(struct job *job, struct cop_err *err)
{
    const struct cop_explain_inputs *in = job->inputs;
    COP_TRY(prepare(job, err));
    job->result->n_samples = job->n;
    job->result->n_flips = job->n_flips;
    for (int32_t m = 0; m < in->n_subjects; m++)
        COP_TRY(occlude(job, &in->subjects[m], err));
    for (int32_t m = 0; m < in->n_subjects; m++)
        COP_TRY(ablate(job, &in->subjects[m], err));
    return COP_OK;
}

enum cop_status cop_explain(
    struct cop_engine *engine,
    const struct cop_explain_inputs *inputs,
    const struct cop_explain_options *options,
    const struct cop_progress *progress,
    struct cop_explain_result *result,
    struct cop_err *err)
{
    struct job job = {
        .engine = engine,
        .inputs = inputs,
        .progress = progress,
        .result = result,
        .arena = cop_arena_create(),
    };
    if (!job.arena) return COP_FAIL_NOMEM(err);
    if (options) job.options = *options;
    memset(result, 0, sizeof *result);
    const enum cop_status status = run(&job, err);
    cop_arena_destroy(job.arena);
    return status;
}
