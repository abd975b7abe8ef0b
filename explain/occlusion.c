/* explain/occlusion.c - see occlusion.h. */
#include "explain/occlusion.h"

#include "base/mem.h"
#include "explain/class_score.h"

#include <string.h>

struct cop_occluder {
    struct cop_plan *plan;
    struct cop_occlusion_options options; /* defaults filled in */
    int64_t c, h, w;                      /* of one sample */
    int64_t n_windows[2];                 /* down, across */
    int64_t n_classes;
    float *batch;   /* [mb][c][h][w] */
    float *outputs; /* [mb][n_classes] */
    float *blurred; /* [c][h][w]; NULL unless the fill is a blur */
    float *column;  /* [max(h, w)] for blurring */
    double *losses; /* [n_windows[0]][n_windows[1]] score lost by each window */
};

/* What one map is being made of. */
struct subject {
    const float *sample;
    int64_t target;
    bool is_probability;
    double f_x;
};

void cop_occlusion_map_clear(struct cop_occlusion_map *map)
{
    cop_mem_free(map->values);
    memset(map, 0, sizeof *map);
}

/* Windows along a side: at 0, stride, ..., the last one flush with the far edge. */
static int64_t windows_along(int64_t side, int64_t window, int64_t stride)
{
    return (side - window + stride - 1) / stride + 1;
}

static int64_t window_start(int64_t i, int64_t side, int64_t window, int64_t stride)
{
    const int64_t start = i * stride;
    return start + window > side ? side - window : start;
}

static enum cop_status choose_windows(
    struct cop_occluder *occluder, struct cop_err *err)
{
    const int64_t sides[2] = {occluder->h, occluder->w};
    struct cop_occlusion_options *o = &occluder->options;
    for (int a = 0; a < 2; a++) {
        if (o->window[a] == 0) {
            o->window[a] = sides[a] / 6 > 4 ? sides[a] / 6 : 4;
            if (o->window[a] > sides[a]) o->window[a] = sides[a];
        }
        if (o->window[a] < 1 || o->window[a] > sides[a])
            return COP_FAIL(
                err,
                COP_EINVAL,
                "occlusion window of %lld pixels does not fit a side of %lld",
                (long long)o->window[a],
                (long long)sides[a]);
        if (o->stride[a] == 0) o->stride[a] = o->window[a] > 1 ? o->window[a] / 2 : 1;
        if (o->stride[a] < 1 || o->stride[a] > o->window[a])
            return COP_FAIL(
                err,
                COP_EINVAL,
                "occlusion stride %lld must be from 1 to the window of %lld pixels",
                (long long)o->stride[a],
                (long long)o->window[a]);
        occluder->n_windows[a] = windows_along(sides[a], o->window[a], o->stride[a]);
    }
    if (o->mb == 0) o->mb = 16;
    if (o->mb < 1 || o->mb > 4096)
        return COP_FAIL(
            err, COP_EINVAL, "occlusion batch %lld is not 1 to 4096", (long long)o->mb);
    return COP_OK;
}

static enum cop_status read_input_shape(
    struct cop_occluder *occluder, const struct cop_graph *graph, struct cop_err *err)
{
    if (cop_graph_n_inputs(graph) != 1 || cop_graph_n_outputs(graph) < 1)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "occlusion needs 1 input and an output, the network has %d and %d",
            (int)cop_graph_n_inputs(graph),
            (int)cop_graph_n_outputs(graph));
    const struct cop_shape *shape = &cop_graph_input(graph, 0)->shape;
    if (shape->rank != 4) {
        char text[COP_SHAPE_TEXT];
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "occlusion needs pictures (rank 4), the input is %s",
            cop_shape_print(shape, text, sizeof text));
    }
    occluder->c = shape->dim[1];
    occluder->h = shape->dim[2];
    occluder->w = shape->dim[3];
    return COP_OK;
}

static enum cop_status allocate(struct cop_occluder *occluder, struct cop_err *err)
{
    const size_t mb = (size_t)occluder->options.mb;
    const size_t per_sample = (size_t)(occluder->c * occluder->h * occluder->w);
    const size_t n_windows = (size_t)(occluder->n_windows[0] * occluder->n_windows[1]);
    const int64_t longest = occluder->h > occluder->w ? occluder->h : occluder->w;
    occluder->batch = cop_mem_array(mb, per_sample * sizeof(float));
    occluder->outputs = cop_mem_array(mb, (size_t)occluder->n_classes * sizeof(float));
    occluder->losses = cop_mem_array(n_windows, sizeof(double));
    if (occluder->options.fill == COP_OCCLUSION_BLUR) {
        occluder->blurred = cop_mem_array(per_sample, sizeof(float));
        occluder->column = cop_mem_array((size_t)longest, sizeof(float));
        if (!occluder->blurred || !occluder->column) return COP_FAIL_NOMEM(err);
    }
    if (!occluder->batch || !occluder->outputs || !occluder->losses)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

enum cop_status cop_occluder_create(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_occlusion_options *options,
    struct cop_occluder **occluder,
    struct cop_err *err)
{
    enum cop_status status = COP_OK;
    struct cop_occluder *made = cop_mem_array(1, sizeof *made);
    if (!made) return COP_FAIL_NOMEM(err);
    if (options) made->options = *options;
    status = read_input_shape(made, graph, err);
    if (status == COP_OK) status = choose_windows(made, err);
    if (status != COP_OK) goto done;

    const struct cop_value *end = cop_graph_output(graph, 0);
    const struct cop_plan_options plan_options = {
        .mb = made->options.mb,
        .threads = made->options.threads,
        .purpose = COP_PURPOSE_INFER,
        .ends = &end,
        .n_ends = 1,
    };
    status = cop_plan_create(engine, graph, &plan_options, &made->plan, err);
    if (status != COP_OK) goto done;
    made->n_classes = cop_shape_n(cop_plan_end_shape(made->plan, 0)) / made->options.mb;
    status = allocate(made, err);
    if (status != COP_OK) goto done;
    *occluder = made;
    made = NULL;
done:
    cop_occluder_destroy(made);
    return status;
}

void cop_occluder_destroy(struct cop_occluder *occluder)
{
    if (!occluder) return;
    cop_plan_destroy(occluder->plan);
    cop_mem_free(occluder->batch);
    cop_mem_free(occluder->outputs);
    cop_mem_free(occluder->blurred);
    cop_mem_free(occluder->column);
    cop_mem_free(occluder->losses);
    cop_mem_free(occluder);
}

const struct cop_occlusion_options *cop_occluder_options(
    const struct cop_occluder *occluder)
{
    return &occluder->options;
}

/* Box blur of one line of n elements, step apart; the box is cut at the edges. */
static void blur_line(float *line, int64_t n, int64_t step, int64_t radius, float *copy)
{
    for (int64_t i = 0; i < n; i++)
        copy[i] = line[i * step];
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = i > radius ? i - radius : 0;
        const int64_t last = i + radius < n ? i + radius : n - 1;
        double sum = 0;
        for (int64_t k = first; k <= last; k++)
            sum += (double)copy[k];
        line[i * step] = (float)(sum / (double)(last - first + 1));
    }
}

static void blur(struct cop_occluder *occluder, const float *sample)
{
    const int64_t h = occluder->h;
    const int64_t w = occluder->w;
    memcpy(occluder->blurred, sample, (size_t)(occluder->c * h * w) * sizeof *sample);
    for (int64_t c = 0; c < occluder->c; c++) {
        float *plane = occluder->blurred + c * h * w;
        for (int64_t y = 0; y < h; y++)
            blur_line(
                plane + y * w, w, 1, occluder->options.window[1] / 2, occluder->column);
        for (int64_t x = 0; x < w; x++)
            blur_line(
                plane + x, h, w, occluder->options.window[0] / 2, occluder->column);
    }
}

/* One batch item: the sample with window @p index hidden. */
static void hide_window(
    const struct cop_occluder *occluder,
    const float *sample,
    int64_t index,
    float *item)
{
    const struct cop_occlusion_options *o = &occluder->options;
    const int64_t h = occluder->h;
    const int64_t w = occluder->w;
    const int64_t y0 =
        window_start(index / occluder->n_windows[1], h, o->window[0], o->stride[0]);
    const int64_t x0 =
        window_start(index % occluder->n_windows[1], w, o->window[1], o->stride[1]);
    memcpy(item, sample, (size_t)(occluder->c * h * w) * sizeof *sample);
    for (int64_t c = 0; c < occluder->c; c++)
        for (int64_t y = y0; y < y0 + o->window[0]; y++) {
            const int64_t first = (c * h + y) * w + x0;
            for (int64_t x = first; x < first + o->window[1]; x++)
                item[x] = occluder->blurred ? occluder->blurred[x] : o->fill_value;
        }
}

/* Runs the untouched sample and settles target, kind of output and score. */
static enum cop_status run_untouched(
    struct cop_occluder *occluder, struct subject *subject, struct cop_err *err)
{
    const int64_t per_sample = occluder->c * occluder->h * occluder->w;
    for (int64_t i = 0; i < occluder->options.mb; i++)
        memcpy(
            occluder->batch + i * per_sample,
            subject->sample,
            (size_t)per_sample * sizeof *occluder->batch);
    const float *start = occluder->batch;
    COP_TRY(cop_plan_run(occluder->plan, &start, &occluder->outputs, err));
    if (subject->target < 0)
        subject->target = cop_explain__answer(occluder->outputs, occluder->n_classes);
    if (subject->target >= occluder->n_classes)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "class %lld does not exist, the network has %lld",
            (long long)subject->target,
            (long long)occluder->n_classes);
    subject->is_probability =
        cop_explain__is_probability(occluder->outputs, occluder->n_classes);
    subject->f_x =
        cop_explain__score(occluder->outputs, subject->is_probability, subject->target);
    return COP_OK;
}

/* Score lost by every window, in batches of one plan. */
static enum cop_status run_windows(
    struct cop_occluder *occluder,
    const struct subject *subject,
    const struct cop_progress *progress,
    struct cop_err *err)
{
    const int64_t mb = occluder->options.mb;
    const int64_t n = occluder->n_windows[0] * occluder->n_windows[1];
    const int64_t per_sample = occluder->c * occluder->h * occluder->w;
    for (int64_t first = 0; first < n; first += mb) {
        COP_TRY(cop_progress_check(progress, err));
        const int64_t count = n - first < mb ? n - first : mb;
        for (int64_t i = 0; i < count; i++)
            hide_window(
                occluder, subject->sample, first + i, occluder->batch + i * per_sample);
        const float *start = occluder->batch;
        COP_TRY(cop_plan_run(occluder->plan, &start, &occluder->outputs, err));
        for (int64_t i = 0; i < count; i++)
            occluder->losses[first + i] =
                subject->f_x - cop_explain__score(
                                   occluder->outputs + i * occluder->n_classes,
                                   subject->is_probability,
                                   subject->target);
    }
    return COP_OK;
}

/* Mean loss over the windows that cover pixel (y, x); there is always one, because the
 * stride is at most the window. */
static double mean_loss_at(const struct cop_occluder *occluder, int64_t y, int64_t x)
{
    const struct cop_occlusion_options *o = &occluder->options;
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < occluder->n_windows[0]; i++) {
        const int64_t y0 = window_start(i, occluder->h, o->window[0], o->stride[0]);
        if (y < y0 || y >= y0 + o->window[0]) continue;
        for (int64_t j = 0; j < occluder->n_windows[1]; j++) {
            const int64_t x0 = window_start(j, occluder->w, o->window[1], o->stride[1]);
            if (x < x0 || x >= x0 + o->window[1]) continue;
            sum += occluder->losses[i * occluder->n_windows[1] + j];
            n++;
        }
    }
    return sum / (double)n;
}

enum cop_status cop_occluder_map(
    struct cop_occluder *occluder,
    const float *sample,
    int64_t target,
    const struct cop_progress *progress,
    struct cop_occlusion_map *map,
    struct cop_err *err)
{
    struct subject subject = {.sample = sample, .target = target};
    COP_TRY(run_untouched(occluder, &subject, err));
    if (occluder->blurred) blur(occluder, sample);
    COP_TRY(run_windows(occluder, &subject, progress, err));

    const int64_t *stride = occluder->options.stride;
    const int64_t rows = (occluder->h + stride[0] - 1) / stride[0];
    const int64_t cols = (occluder->w + stride[1] - 1) / stride[1];
    float *values = cop_mem_array((size_t)(rows * cols), sizeof *values);
    if (!values) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            values[i * cols + j] = (float)mean_loss_at(
                occluder,
                (2 * i + 1) * occluder->h / (2 * rows),
                (2 * j + 1) * occluder->w / (2 * cols));
    *map = (struct cop_occlusion_map){
        .rows = rows,
        .cols = cols,
        .target = subject.target,
        .f_x = subject.f_x,
        .is_probability = subject.is_probability,
        .n_windows = occluder->n_windows[0] * occluder->n_windows[1],
        .values = values,
    };
    return COP_OK;
}
