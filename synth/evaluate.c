/* synth/evaluate.c - accuracy of a network on a data set; see evaluate.h.
 *
 * Streams of one thread take batches in turn; each decodes its batch and runs it, so that
 * decoding overlaps with computing.  What a sample gets depends on its own elements alone
 * and is put in its own place; counting comes afterwards, in order. */
#include "synth/evaluate.h"

#include "base/mem.h"
#include "base/stats.h"
#include "engine/streams.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { DEFAULT_MB = 8 };

/* What one stream works with. */
struct hand {
    float *batch;  /* [mb][c][h][w] */
    float *scores; /* [mb][n_scores] */
};

struct evaluator {
    const struct cop_dataset *dataset;
    struct cop_streams *streams;
    int32_t plan;
    int64_t n;
    int64_t mb;
    int64_t n_scores;   /* elements of the first output per sample */
    struct hand *hands; /* [streams] */
    int64_t *samples;   /* [n] */
    bool *in_top5;      /* [n] */
    struct cop_answer *answers;
    pthread_mutex_t lock; /* guards what is below */
    const struct cop_progress *progress;
    int64_t n_done;
};

static int64_t rank_of(const float *scores, int64_t n, int64_t label)
{
    int64_t rank = 0;
    for (int64_t i = 0; i < n; i++) {
        bool is_before =
            scores[i] > scores[label] || (scores[i] == scores[label] && i < label);
        rank += is_before;
    }
    return rank;
}

/* Outputs that already are a distribution (a Softmax in the graph) are left alone. */
static void to_probabilities(
    const float *scores, int64_t n, double *denominator, float *max)
{
    double sum = 0.0;
    bool is_distribution = true;
    *max = scores[0];
    for (int64_t i = 0; i < n; i++) {
        sum += (double)scores[i];
        if (scores[i] < 0.0F) is_distribution = false;
        if (scores[i] > *max) *max = scores[i];
    }
    if (is_distribution && fabs(sum - 1.0) < 1e-3) {
        *denominator = 0.0;
        return;
    }
    *denominator = 0.0;
    for (int64_t i = 0; i < n; i++)
        *denominator += exp((double)scores[i] - (double)*max);
}

static float probability(float score, double denominator, float max)
{
    if (denominator == 0.0) return score;
    return (float)(exp((double)score - (double)max) / denominator);
}

static void note_answer(
    const struct evaluator *evaluator, int64_t i, const float *scores)
{
    int64_t n = evaluator->n_scores;
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++) {
        if (scores[k] > scores[best]) best = k;
    }
    double denominator;
    float max;
    to_probabilities(scores, n, &denominator, &max);
    int64_t sample = evaluator->samples[i];
    int32_t label = cop_dataset_label(evaluator->dataset, sample);
    evaluator->answers[i] = (struct cop_answer){
        .sample = (int32_t)sample,
        .answer = (int32_t)best,
        .p_answer = probability(scores[best], denominator, max),
        .p_label = label >= 0 ? probability(scores[label], denominator, max) : NAN,
    };
    evaluator->in_top5[i] = label >= 0 && rank_of(scores, n, label) < 5;
}

static enum cop_status check_stop(struct evaluator *evaluator, struct cop_err *err)
{
    (void)pthread_mutex_lock(&evaluator->lock);
    enum cop_status status = cop_progress_check(evaluator->progress, err);
    (void)pthread_mutex_unlock(&evaluator->lock);
    return status;
}

static void tell_done(struct evaluator *evaluator, int64_t n_more)
{
    (void)pthread_mutex_lock(&evaluator->lock);
    evaluator->n_done += n_more;
    cop_progress_step(evaluator->progress, "evaluate", evaluator->n_done, evaluator->n);
    (void)pthread_mutex_unlock(&evaluator->lock);
}

static enum cop_status run_batch(
    void *context, int stream, int64_t i, struct cop_err *err)
{
    struct evaluator *evaluator = context;
    const struct hand *hand = &evaluator->hands[stream];
    int64_t first = i * evaluator->mb;
    int64_t left = evaluator->n - first;
    int64_t now = left < evaluator->mb ? left : evaluator->mb;
    COP_TRY(check_stop(evaluator, err));
    COP_TRY(cop_dataset_read(
        evaluator->dataset, evaluator->samples + first, now, hand->batch, err));
    const float *starts[1] = {hand->batch};
    float *ends[1] = {hand->scores};
    COP_TRY(cop_plan_run(
        cop_streams_plan(evaluator->streams, stream, evaluator->plan),
        starts,
        ends,
        err));
    for (int64_t k = 0; k < now; k++)
        note_answer(evaluator, first + k, hand->scores + k * evaluator->n_scores);
    tell_done(evaluator, now);
    return COP_OK;
}

static enum cop_status check_fit(
    const struct evaluator *evaluator,
    const struct cop_graph *graph,
    struct cop_err *err)
{
    int64_t sample[3];
    cop_dataset_sample_shape(evaluator->dataset, sample);
    struct cop_shape got = {.rank = 4, .dim = {1, sample[0], sample[1], sample[2]}};
    const struct cop_value *input = cop_graph_input(graph, 0);
    char want_text[COP_SHAPE_TEXT];
    char got_text[COP_SHAPE_TEXT];
    if (cop_graph_n_inputs(graph) != 1 || !cop_shape_equal(&input->shape, &got))
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "input '%s' is %s, the data gives %s",
            input->name,
            cop_shape_print(&input->shape, want_text, sizeof want_text),
            cop_shape_print(&got, got_text, sizeof got_text));
    int32_t n_classes = cop_dataset_n_classes(evaluator->dataset);
    if (n_classes <= evaluator->n_scores) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "output '%s' has %lld scores, the data has %d classes",
        cop_graph_output(graph, 0)->name,
        (long long)evaluator->n_scores,
        n_classes);
}

/* ---- before and after ------------------------------------------------------------------ */

/* No more streams than processors or batches. */
static enum cop_status make_streams(
    struct evaluator *evaluator,
    const struct cop_evaluate_options *options,
    struct cop_err *err)
{
    struct cop_streams_options streams = {.n = 0};
    COP_TRY(cop_streams_resolve(&streams, err));
    int64_t n_batches = (evaluator->n + evaluator->mb - 1) / evaluator->mb;
    if (options->threads > 0 && options->threads < streams.n)
        streams.n = options->threads;
    if (n_batches < streams.n) streams.n = (int)n_batches;
    return cop_streams_create(&streams, &evaluator->streams, err);
}

static enum cop_status make_hands(struct evaluator *evaluator, struct cop_err *err)
{
    int n_streams = cop_streams_n(evaluator->streams);
    const struct cop_plan *plan =
        cop_streams_plan(evaluator->streams, 0, evaluator->plan);
    size_t n_in = (size_t)cop_shape_n(cop_plan_start_shape(plan, 0));
    size_t n_out = (size_t)cop_shape_n(cop_plan_end_shape(plan, 0));
    evaluator->hands = cop_mem_array((size_t)n_streams, sizeof *evaluator->hands);
    if (evaluator->hands == NULL) return COP_FAIL_NOMEM(err);
    for (int i = 0; i < n_streams; i++) {
        struct hand *hand = &evaluator->hands[i];
        hand->batch = cop_mem_array(n_in, sizeof(float));
        hand->scores = cop_mem_array(n_out, sizeof(float));
        if (hand->batch == NULL || hand->scores == NULL) return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

static enum cop_status make_room(
    struct evaluator *evaluator, struct cop_evaluation *evaluation, struct cop_err *err)
{
    size_t n = (size_t)evaluator->n;
    size_t n_classes = (size_t)evaluation->n_classes;
    evaluator->samples =
        cop_mem_array((size_t)cop_dataset_n(evaluator->dataset), sizeof(int64_t));
    evaluator->in_top5 = cop_mem_array(n, sizeof(bool));
    evaluation->answers = cop_mem_array(n, sizeof *evaluation->answers);
    evaluation->class_n = cop_mem_array(n_classes, sizeof(int64_t));
    evaluation->class_right = cop_mem_array(n_classes, sizeof(int64_t));
    evaluator->answers = evaluation->answers;
    if (evaluator->samples == NULL || evaluator->in_top5 == NULL ||
        evaluation->answers == NULL || evaluation->class_n == NULL ||
        evaluation->class_right == NULL)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

static enum cop_status prepare(
    struct evaluator *evaluator,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_evaluate_options *options,
    struct cop_evaluation *evaluation,
    struct cop_err *err)
{
    int64_t n = cop_dataset_n(evaluator->dataset);
    bool is_part = options->limit > 0 && options->limit < n;
    if (options->samples != NULL)
        evaluator->n = options->n_samples;
    else
        evaluator->n = is_part ? options->limit : n;
    evaluation->n = evaluator->n;
    evaluation->n_classes = cop_dataset_n_classes(evaluator->dataset);
    if (evaluator->n == 0) return COP_FAIL(err, COP_EINVAL, "the data set is empty");
    evaluator->mb = options->mb > 0 ? options->mb : DEFAULT_MB;
    if (evaluator->mb > evaluator->n) evaluator->mb = evaluator->n;
    COP_TRY(make_streams(evaluator, options, err));
    const struct cop_value *end = cop_graph_output(graph, 0);
    const struct cop_plan_options plan_options = {
        .mb = evaluator->mb,
        .ends = (const struct cop_value *const[]){end},
        .n_ends = 1,
        .may_slice = true,
    };
    COP_TRY(cop_streams_add_plan(
        evaluator->streams, engine, graph, &plan_options, &evaluator->plan, err));
    const struct cop_plan *plan =
        cop_streams_plan(evaluator->streams, 0, evaluator->plan);
    evaluator->n_scores = cop_shape_n(cop_plan_end_shape(plan, 0)) / evaluator->mb;
    COP_TRY(check_fit(evaluator, graph, err));
    COP_TRY(make_hands(evaluator, err));
    COP_TRY(make_room(evaluator, evaluation, err));
    if (options->samples != NULL) {
        memcpy(
            evaluator->samples,
            options->samples,
            (size_t)evaluator->n * sizeof *options->samples);
        return COP_OK;
    }
    if (is_part)
        return cop_dataset_draw(
            evaluator->dataset, options->seed, &evaluator->n, evaluator->samples, err);
    for (int64_t i = 0; i < n; i++)
        evaluator->samples[i] = i;
    return COP_OK;
}

static void summarise(
    const struct evaluator *evaluator, struct cop_evaluation *evaluation)
{
    int64_t n_labelled = 0;
    int64_t n_top1 = 0;
    int64_t n_top5 = 0;
    evaluation->n = evaluator->n;
    evaluation->top1 = evaluation->top5 = NAN;
    evaluation->top1_low = evaluation->top1_high = NAN;
    for (int64_t i = 0; i < evaluator->n; i++) {
        int32_t label = cop_dataset_label(evaluator->dataset, evaluator->samples[i]);
        if (label < 0) continue;
        n_labelled++;
        evaluation->class_n[label]++;
        if (evaluation->answers[i].answer == label) {
            evaluation->class_right[label]++;
            n_top1++;
        }
        n_top5 += evaluator->in_top5[i];
    }
    if (n_labelled == 0) return;
    double low;
    double high;
    cop_stats_wilson(n_top1, n_labelled, &low, &high);
    evaluation->top1 = 100.0 * (double)n_top1 / (double)n_labelled;
    evaluation->top5 = 100.0 * (double)n_top5 / (double)n_labelled;
    evaluation->top1_low = 100.0 * low;
    evaluation->top1_high = 100.0 * high;
}

static void evaluator_clear(struct evaluator *evaluator)
{
    int n_streams = evaluator->hands != NULL ? cop_streams_n(evaluator->streams) : 0;
    for (int i = 0; i < n_streams; i++) {
        cop_mem_free(evaluator->hands[i].batch);
        cop_mem_free(evaluator->hands[i].scores);
    }
    cop_mem_free(evaluator->hands);
    cop_mem_free(evaluator->samples);
    cop_mem_free(evaluator->in_top5);
    cop_streams_destroy(evaluator->streams);
    (void)pthread_mutex_destroy(&evaluator->lock);
}

enum cop_status cop_evaluate(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_dataset *dataset,
    const struct cop_evaluate_options *options,
    const struct cop_progress *progress,
    struct cop_evaluation *evaluation,
    struct cop_err *err)
{
    *evaluation = (struct cop_evaluation){0};
    struct evaluator evaluator = {.dataset = dataset, .progress = progress};
    (void)pthread_mutex_init(&evaluator.lock, NULL);
    enum cop_status status =
        prepare(&evaluator, engine, graph, options, evaluation, err);
    int64_t n_batches =
        status == COP_OK ? (evaluator.n + evaluator.mb - 1) / evaluator.mb : 0;
    if (status == COP_OK)
        status =
            cop_streams_for(evaluator.streams, n_batches, run_batch, &evaluator, err);
    if (status == COP_OK) summarise(&evaluator, evaluation);
    evaluator_clear(&evaluator);
    if (status != COP_OK) cop_evaluation_clear(evaluation);
    return status;
}

void cop_evaluation_clear(struct cop_evaluation *evaluation)
{
    cop_mem_free(evaluation->class_n);
    cop_mem_free(evaluation->class_right);
    cop_mem_free(evaluation->answers);
    *evaluation = (struct cop_evaluation){0};
}
