/* importers/keras_weights.c - which tensors of the file belong to which layer; see
 * keras_model.h.
 *
 * Keras reads weights by position, not by name, and so do we: names changed between its
 * versions, the order did not. */
#include "importers/keras_layers.h"

#include <stdlib.h>
#include <string.h>

/** The float tensors of one group of the file, handed out one by one. */
struct list {
    const struct cop_importers__h5_tensor **at;
    int32_t n;
    int32_t next;
};

static int compare_layers(const void *a, const void *b)
{
    const struct cop_importers__h5_layer *const *x = a;
    const struct cop_importers__h5_layer *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Counters and seeds of random numbers are no floats and not needed. */
static enum cop_status list_floats(
    const struct cop_importers__h5_layer *layer,
    struct cop_arena *arena,
    struct list *list,
    struct cop_err *err)
{
    *list = (struct list){0};
    list->at =
        COP_ARENA_NEW_N(arena, layer->n, const struct cop_importers__h5_tensor *);
    if (list->at == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < layer->n; i++)
        if (layer->tensors[i].data != NULL) list->at[list->n++] = &layer->tensors[i];
    return COP_OK;
}

static enum cop_status give(
    struct cop_keras__layer *layer,
    const struct cop_importers__h5_tensor **at,
    int32_t n,
    struct cop_arena *arena,
    struct cop_err *err)
{
    layer->n_weights = n;
    layer->weights = at;
    layer->values = COP_ARENA_NEW_N(arena, 2 * (size_t)n, struct cop_value *);
    return layer->values != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* ---- a model that is a layer ------------------------------------------------------------------ */

static void count(const struct cop_keras__layer *layer, int32_t counts[2])
{
    const struct cop_keras__kind *kind = cop_keras__find_kind(layer);
    counts[0] = counts[1] = 0;
    if (kind != NULL && kind->weights != NULL) kind->weights(layer->config, counts);
    if (cop_keras__flag(layer->config, "trainable", true)) return;
    counts[1] += counts[0];
    counts[0] = 0;
}

static enum cop_status make_rooms(
    struct cop_keras__model *model, struct cop_arena *arena, struct cop_err *err)
{
    for (int32_t i = 0; i < model->n; i++) {
        struct cop_keras__layer *layer = &model->layers[i];
        if (layer->inner != NULL) {
            COP_TRY(make_rooms(layer->inner, arena, err));
            continue;
        }
        int32_t counts[2];
        count(layer, counts);
        const int32_t n = counts[0] + counts[1];
        const struct cop_importers__h5_tensor **at =
            COP_ARENA_NEW_N(arena, n, const struct cop_importers__h5_tensor *);
        if (at == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(give(layer, at, n, arena, err));
    }
    return COP_OK;
}

/* Pass 0 takes what training changes, pass 1 the rest. */
static void take(struct cop_keras__model *model, int pass, struct list *list)
{
    for (int32_t i = 0; i < model->n; i++) {
        struct cop_keras__layer *layer = &model->layers[i];
        if (layer->inner != NULL) {
            take(layer->inner, pass, list);
            continue;
        }
        int32_t counts[2];
        count(layer, counts);
        for (int32_t k = 0; k < counts[pass]; k++, list->next++)
            if (list->next < list->n)
                layer->weights[pass * counts[0] + k] = list->at[list->next];
    }
}

static enum cop_status give_inside(
    struct cop_keras__model *model,
    struct list *list,
    struct cop_arena *arena,
    struct cop_err *err)
{
    COP_TRY(make_rooms(model, arena, err));
    take(model, 0, list);
    take(model, 1, list);
    if (list->next == list->n) return COP_OK;
    return COP_FAIL(
        err,
        COP_EFORMAT,
        "has %d float tensors in the file, its layers want %d",
        list->n,
        list->next);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static enum cop_status give_layer(
    struct cop_keras__layer *layer,
    const struct cop_importers__h5_layer *file_layer,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_importers__h5_layer nothing = {.name = ""};
    struct list list;
    COP_TRY(list_floats(file_layer != NULL ? file_layer : &nothing, arena, &list, err));
    const enum cop_status status = layer->inner != NULL
                                       ? give_inside(layer->inner, &list, arena, err)
                                       : give(layer, list.at, list.n, arena, err);
    if (status != COP_OK) cop_err_in(err, "layer '%s' (%s)", layer->name, layer->kind);
    return status;
}

enum cop_status cop_keras__give_weights(
    struct cop_keras__model *model,
    const struct cop_importers__h5 *h5,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_importers__h5_layer **sorted =
        COP_ARENA_NEW_N(arena, h5->n, const struct cop_importers__h5_layer *);
    if (sorted == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < h5->n; i++)
        sorted[i] = &h5->layers[i];
    qsort(sorted, (size_t)h5->n, sizeof(void *), compare_layers);
    for (int32_t i = 0; i < model->n; i++) {
        const struct cop_importers__h5_layer wanted = {.name = model->layers[i].name};
        const struct cop_importers__h5_layer *key = &wanted;
        const struct cop_importers__h5_layer *const *found =
            bsearch(&key, sorted, (size_t)h5->n, sizeof(void *), compare_layers);
        COP_TRY(
            give_layer(&model->layers[i], found != NULL ? *found : NULL, arena, err));
    }
    return COP_OK;
}
