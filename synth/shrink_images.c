/* synth/shrink_images.c - the images of one cut; see shrink_images.h. */
#include "synth/shrink_images.h"

#include "base/mem.h"
#include "base/par.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SAMPLES = 512, LEAST_HELD_OUT = 50, MOST_HELD_OUT = 1000 };

/* Without images: noise, scaled as the model's own preprocessing would scale pictures. */
static enum cop_status make_up(
    const struct cop_graph *graph,
    int64_t n,
    uint64_t seed,
    struct cop_shrink_images *images,
    struct cop_err *err)
{
    const struct cop_shape *shape = &cop_graph_input(graph, 0)->shape;
    if (cop_graph_n_inputs(graph) != 1 || shape->rank != 4)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "without images only networks of one picture can be cut; give --data");
    struct cop_merge_pictures *pictures = &images->pictures;
    *pictures = (struct cop_merge_pictures){
        .channels = shape->dim[1],
        .height = shape->dim[2],
        .width = shape->dim[3],
        .deviation = {1.0F, 1.0F, 1.0F, 1.0F},
        .seed = seed,
    };
    struct cop_preprocess told;
    const char *text = cop_graph_meta(graph, COP_PREPROCESS_META);
    if (text != NULL && cop_preprocess_parse(text, &told, NULL) == COP_OK) {
        for (int64_t c = 0; c < COP_MERGE_CHANNELS && c < told.channels; c++) {
            pictures->mean[c] = (127.5F * told.scale - told.mean[c]) / told.std[c];
            pictures->deviation[c] = 64.0F * told.scale / told.std[c];
        }
    }
    images->samples = cop_merge_source(pictures, n);
    return COP_OK;
}

enum cop_status cop_shrink__images(
    const struct cop_shrink_input *input,
    const struct cop_shrink_options *options,
    struct cop_arena *arena,
    struct cop_shrink_images *images,
    struct cop_err *err)
{
    int64_t n = options->samples > 0 ? options->samples : DEFAULT_SAMPLES;
    *images = (struct cop_shrink_images){.samples = {.n = 0}};
    if (input->data == NULL)
        return make_up(input->graph, n, options->seed, images, err);
    COP_TRY(cop_drawn__make(input->data, n, options->seed, arena, &images->drawn, err));
    images->samples = images->drawn.samples;
    return COP_OK;
}

/* Of made-up pictures. */
static enum cop_status read_part(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    const struct cop_shrink_part *part = context;
    const struct cop_sample_source *all = &part->images->samples;
    return all->read(all->context, part->first + first, n, batch, err);
}

enum cop_status cop_shrink__part(
    const struct cop_shrink_images *images,
    int64_t part,
    int64_t n,
    struct cop_arena *arena,
    struct cop_shrink_part *made,
    struct cop_err *err)
{
    *made = (struct cop_shrink_part){.images = images};
    if (images->drawn.data != NULL) {
        COP_TRY(cop_drawn__part(&images->drawn, part, n, arena, &made->drawn, err));
        made->samples = made->drawn.samples;
        return COP_OK;
    }
    int64_t n_all = images->samples.n;
    if (n > n_all) n = n_all;
    made->samples =
        (struct cop_sample_source){.context = made, .n = n, .read = read_part};
    made->first = part * n <= n_all - n ? part * n : n_all - n;
    return COP_OK;
}

int32_t cop_shrink__label(const struct cop_shrink_images *images, int64_t i)
{
    return images->drawn.data != NULL
               ? cop_dataset_label(images->drawn.data, images->drawn.at[i])
               : -1;
}

enum cop_status cop_shrink__compared(
    const struct cop_shrink_input *input,
    const struct cop_shrink_images *images,
    struct cop_arena *arena,
    const struct cop_dataset **set,
    struct cop_evaluate_options *evaluate,
    bool *is_held_out,
    struct cop_err *err)
{
    *set = input->val != NULL ? input->val : input->data;
    if (input->val != NULL) {
        *is_held_out = true; /* unless the caller finds shared samples */
        return COP_OK;
    }
    if (*set == NULL) return COP_OK;
    int64_t n = cop_dataset_n(images->drawn.data);
    int64_t n_rest = n - images->samples.n;
    *is_held_out = n_rest >= LEAST_HELD_OUT;
    evaluate->samples = images->drawn.at;
    evaluate->n_samples = images->samples.n;
    if (!*is_held_out) return COP_OK;
    int64_t n_taken = n_rest < MOST_HELD_OUT ? n_rest : MOST_HELD_OUT;
    int64_t *taken = COP_ARENA_NEW_N(arena, n_taken, int64_t);
    if (taken == NULL) return COP_FAIL_NOMEM(err);
    int64_t at = 0; /* in the drawn */
    int64_t rest = 0;
    int64_t k = 0;
    for (int64_t s = 0; s < n && k < n_taken; s++) {
        if (at < images->samples.n && images->drawn.at[at] == s) {
            at++;
            continue;
        }
        if (rest++ == k * n_rest / n_taken) taken[k++] = s;
    }
    evaluate->samples = taken;
    evaluate->n_samples = k;
    return COP_OK;
}

/* ---- samples that both sets have ------------------------------------------------------- */

struct digests {
    const struct cop_dataset *set;
    const int64_t *samples; /* NULL: all */
    uint8_t (*at)[32];
};

static enum cop_status digest(void *context, int64_t i, struct cop_err *err)
{
    const struct digests *digests = context;
    int64_t sample = digests->samples != NULL ? digests->samples[i] : i;
    return cop_dataset_sample_hash(digests->set, sample, digests->at[i], err);
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

enum cop_status cop_shrink__count_shared(
    const struct cop_shrink_images *images,
    const struct cop_dataset *val,
    int64_t *n_shared,
    struct cop_err *err)
{
    *n_shared = 0;
    if (images->drawn.data == NULL) return COP_OK;
    int64_t n = images->samples.n;
    int64_t n_val = cop_dataset_n(val);
    struct digests sets[2] = {
        {.set = images->drawn.data, .samples = images->drawn.at}, {.set = val}};
    sets[0].at = cop_mem_array((size_t)n, sizeof *sets[0].at);
    sets[1].at = cop_mem_array((size_t)n_val, sizeof *sets[1].at);
    enum cop_status status =
        sets[0].at != NULL && sets[1].at != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    if (status == COP_OK) status = cop_par_for(n, digest, &sets[0], err);
    if (status == COP_OK) status = cop_par_for(n_val, digest, &sets[1], err);
    if (status == COP_OK) {
        qsort(sets[0].at, (size_t)n, 32, compare_digests);
        for (int64_t i = 0; i < n_val; i++)
            *n_shared +=
                bsearch(sets[1].at[i], sets[0].at, (size_t)n, 32, compare_digests) !=
                NULL;
    }
    cop_mem_free(sets[0].at);
    cop_mem_free(sets[1].at);
    return status;
}
