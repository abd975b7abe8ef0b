/* synth/evaluate.c - accuracy of a network on a data set; see evaluate.h. */
#include "synth/evaluate.h"

#include "base/mem.h"
#include "base/stats.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_MB = 32 };

struct evaluator {
    const struct cop_dataset *dataset;
    const struct cop_progress *progress;
    struct cop_plan *plan;
    int64_t mb;
    int64_t sample_elements;
    int64_t n_scores; /* elements of the first output per sample */
    float *batch;     /* [mb][c][h][w] */
    float *scores;    /* [mb][n_scores] */
    int64_t *samples;
    int64_t n_top1;
    int64_t n_top5;
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

static void count_answer(
    struct evaluator *evaluator,
    struct cop_evaluation *evaluation,
    int64_t sample,
    const float *scores,
    struct cop_answer *answer)
{
    int64_t n = evaluator->n_scores;
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        if (scores[i] > scores[best]) best = i;
    }
    double denominator;
    float max;
    to_probabilities(scores, n, &denominator, &max);
    int32_t label = cop_dataset_label(evaluator->dataset, sample);
    *answer = (struct cop_answer){
        .sample = (int32_t)sample,
        .answer = (int32_t)best,
        .p_answer = probability(scores[best], denominator, max),
        .p_label = label >= 0 ? probability(scores[label], denominator, max) : NAN,
    };
    if (label < 0) return;
    evaluation->class_n[label]++;
    if (best == label) {
        evaluation->class_right[label]++;
        evaluator->n_top1++;
    }
    if (rank_of(scores, n, label) < 5) evaluator->n_top5++;
}

static enum cop_status run_batches(
    struct evaluator *evaluator, struct cop_evaluation *evaluation, struct cop_err *err)
{
    int64_t n = evaluation->n;
    for (int64_t first = 0; first < n; first += evaluator->mb) {
        COP_TRY(cop_progress_check(evaluator->progress, err));
        int64_t now = n - first < evaluator->mb ? n - first : evaluator->mb;
        COP_TRY(cop_dataset_read(
            evaluator->dataset,
            evaluator->samples + first,
            now,
            evaluator->batch,
            err));
        const float *starts[1] = {evaluator->batch};
        float *ends[1] = {evaluator->scores};
        COP_TRY(cop_plan_run(evaluator->plan, starts, ends, err));
        for (int64_t i = 0; i < now; i++)
            count_answer(
                evaluator,
                evaluation,
                evaluator->samples[first + i],
                evaluator->scores + i * evaluator->n_scores,
                &evaluation->answers[first + i]);
        cop_progress_step(evaluator->progress, "evaluate", first + now, n);
    }
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
    evaluation->n = is_part ? options->limit : n;
    if (n == 0) return COP_FAIL(err, COP_EINVAL, "the data set is empty");
    evaluator->mb = options->mb > 0 ? options->mb : DEFAULT_MB;
    if (evaluator->mb > evaluation->n) evaluator->mb = evaluation->n;
    const struct cop_value *end = cop_graph_output(graph, 0);
    const struct cop_plan_options plan_options = {
        .mb = evaluator->mb,
        .threads = options->threads,
        .ends = (const struct cop_value *const[]){end},
        .n_ends = 1,
    };
    COP_TRY(cop_plan_create(engine, graph, &plan_options, &evaluator->plan, err));
    evaluator->n_scores =
        cop_shape_n(cop_plan_end_shape(evaluator->plan, 0)) / evaluator->mb;
    COP_TRY(check_fit(evaluator, graph, err));
    const struct cop_shape *start = cop_plan_start_shape(evaluator->plan, 0);
    evaluation->n_classes = cop_dataset_n_classes(evaluator->dataset);
    size_t n_classes = (size_t)evaluation->n_classes;
    evaluator->batch = cop_mem_array((size_t)cop_shape_n(start), sizeof(float));
    evaluator->scores =
        cop_mem_array((size_t)(evaluator->mb * evaluator->n_scores), sizeof(float));
    evaluator->samples = cop_mem_array((size_t)n, sizeof(int64_t));
    evaluation->answers =
        cop_mem_array((size_t)evaluation->n, sizeof *evaluation->answers);
    evaluation->class_n = cop_mem_array(n_classes, sizeof(int64_t));
    evaluation->class_right = cop_mem_array(n_classes, sizeof(int64_t));
    if (evaluator->batch == NULL || evaluator->scores == NULL ||
        evaluator->samples == NULL || evaluation->answers == NULL ||
        evaluation->class_n == NULL || evaluation->class_right == NULL)
        return COP_FAIL_NOMEM(err);
    if (is_part)
        return cop_dataset_draw(
            evaluator->dataset, options->seed, &evaluation->n, evaluator->samples, err);
    for (int64_t i = 0; i < n; i++)
        evaluator->samples[i] = i;
    return COP_OK;
}

static void summarise(
    const struct evaluator *evaluator, struct cop_evaluation *evaluation)
{
    int64_t n_labelled = 0;
    for (int32_t c = 0; c < evaluation->n_classes; c++)
        n_labelled += evaluation->class_n[c];
    if (n_labelled == 0) {
        evaluation->top1 = evaluation->top5 = NAN;
        evaluation->top1_low = evaluation->top1_high = NAN;
        return;
    }
    double low;
    double high;
    cop_stats_wilson(evaluator->n_top1, n_labelled, &low, &high);
    evaluation->top1 = 100.0 * (double)evaluator->n_top1 / (double)n_labelled;
    evaluation->top5 = 100.0 * (double)evaluator->n_top5 / (double)n_labelled;
    evaluation->top1_low = 100.0 * low;
    evaluation->top1_high = 100.0 * high;
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
    enum cop_status status =
        prepare(&evaluator, engine, graph, options, evaluation, err);
    if (status == COP_OK) status = run_batches(&evaluator, evaluation, err);
    if (status == COP_OK) summarise(&evaluator, evaluation);
    cop_plan_destroy(evaluator.plan);
    cop_mem_free(evaluator.batch);
    cop_mem_free(evaluator.scores);
    cop_mem_free(evaluator.samples);
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
