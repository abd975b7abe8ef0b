/* importers/keras_model.c - from the configuration's JSON to layers and calls; see
 * keras_model.h.
 *
 * Three notations of what a call reads:
 *   Keras 2:    [["conv", 0, 0, {}], ["other", 0, 0, {}]]
 *   functions:  ["conv", 0, 0, {"y": 2.0}], where y may be a tensor too
 *   Keras 3:    {"args": [{"class_name": "__keras_tensor__", "config": {...}}], ...} */
#include "importers/keras_model.h"

#include "importers/keras_json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_LAYERS = 1 << 16, MAX_REFS = 1 << 10 };

/** A model being read. */
struct reader {
    struct cop_arena *arena;
    struct cop_keras__model *model;
    struct named *names;         /* sorted, model->n of them */
    struct cop_keras__refs refs; /* of the call in hand; room for MAX_REFS */
    bool is_keras3;              /* the notation of the call in hand */
    int depth;
};

struct named {
    const char *name;
    int32_t layer;
};

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static enum cop_status find_layer(
    const struct reader *reader, const char *name, int32_t *layer, struct cop_err *err)
{
    const struct named key = {.name = name};
    const struct named *found = bsearch(
        &key, reader->names, (size_t)reader->model->n, sizeof key, compare_named);
    if (found == NULL)
        return COP_FAIL(err, COP_EFORMAT, "reads '%s', which is no layer", name);
    *layer = found->layer;
    return COP_OK;
}

/* ---- references ----------------------------------------------------------------------------- */

/* ["conv", 0, 0] and what may follow. */
static bool is_ref(const cJSON *item)
{
    const cJSON *first = cJSON_IsArray(item) ? item->child : NULL;
    return cJSON_IsString(first) && cJSON_IsNumber(first->next) &&
           cJSON_IsNumber(first->next->next);
}

static enum cop_status put_ref(
    struct reader *reader, const struct cop_keras__ref *ref, struct cop_err *err)
{
    if (reader->refs.n == MAX_REFS)
        return COP_FAIL(err, COP_EUNSUPPORTED, "reads more than %d tensors", MAX_REFS);
    reader->refs.at[reader->refs.n++] = *ref;
    return COP_OK;
}

static enum cop_status put_array_ref(
    struct reader *reader, const cJSON *item, struct cop_err *err)
{
    struct cop_keras__ref ref = {0};
    const cJSON *name = item->child;
    const double call = name->next->valuedouble;
    const double slot = name->next->next->valuedouble;
    if (call < 0) { /* ["_CONSTANT_VALUE", -1, 3.0]: the number stands for the slot */
        ref.layer = -1;
        ref.number = slot;
        return put_ref(reader, &ref, err);
    }
    if (!(call < MAX_LAYERS) || !(slot >= 0 && slot < MAX_LAYERS))
        return COP_FAIL(
            err, COP_EFORMAT, "call %g or result %g of a layer", call, slot);
    COP_TRY(find_layer(reader, name->valuestring, &ref.layer, err));
    ref.call = (int32_t)call;
    ref.slot = (int32_t)slot;
    return put_ref(reader, &ref, err);
}

/* In Keras 2 what the call says of training holds always; in Keras 3 the caller of the whole
 * model overrules it. */
static enum cop_status check_argument(
    const struct reader *reader, const cJSON *item, struct cop_err *err)
{
    const char *key = item->string != NULL ? item->string : "";
    if (!reader->is_keras3 && strcmp(key, "training") == 0 && cJSON_IsTrue(item))
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "is called with training=True outside training");
    return COP_OK;
}

/* Tensors and numbers in the order in which they stand.  The texts and flags among the
 * arguments of a function are its own business. */
static enum cop_status gather(
    struct reader *reader, const cJSON *item, struct cop_err *err)
{
    const char *kind = cop_keras__text(item, "class_name", "");
    COP_TRY(check_argument(reader, item, err));
    if (is_ref(item)) {
        COP_TRY(put_array_ref(reader, item, err));
        const cJSON *more = item->child->next->next->next;
        return cJSON_IsObject(more) ? gather(reader, more, err) : COP_OK;
    }
    if (strcmp(kind, "__keras_tensor__") == 0) {
        const cJSON *history =
            cop_keras__get(cop_keras__get(item, "config"), "keras_history");
        if (!is_ref(history))
            return COP_FAIL(err, COP_EFORMAT, "reads a tensor without history");
        return put_array_ref(reader, history, err);
    }
    if (cJSON_IsNumber(item)) {
        const struct cop_keras__ref ref = {.layer = -1, .number = item->valuedouble};
        return put_ref(reader, &ref, err);
    }
    if (!cJSON_IsArray(item) && !cJSON_IsObject(item)) return COP_OK;
    const cJSON *child = NULL;
    cJSON_ArrayForEach(child, item) COP_TRY(gather(reader, child, err));
    return COP_OK;
}

static enum cop_status read_refs(
    struct reader *reader,
    const cJSON *item,
    struct cop_keras__refs *refs,
    struct cop_err *err)
{
    reader->refs.n = 0;
    reader->is_keras3 = cJSON_IsObject(item);
    if (item != NULL) COP_TRY(gather(reader, item, err));
    refs->n = reader->refs.n;
    refs->at = cop_arena_copy(
        reader->arena, reader->refs.at, (size_t)refs->n * sizeof *refs->at);
    return refs->at != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* ---- layers --------------------------------------------------------------------------------- */

static enum cop_status parse_model(
    const cJSON *item,
    const struct reader *outer,
    struct cop_keras__model **model,
    struct cop_err *err);

static bool is_model(const char *kind)
{
    return strcmp(kind, "Model") == 0 || strcmp(kind, "Functional") == 0 ||
           strcmp(kind, "Sequential") == 0;
}

static enum cop_status read_layer(
    struct reader *reader,
    const cJSON *item,
    struct cop_keras__layer *layer,
    struct cop_err *err)
{
    layer->config = cop_keras__get(item, "config");
    layer->kind = cop_keras__text(item, "class_name", NULL);
    layer->name = cop_keras__text(item, "name", NULL);
    if (layer->name == NULL) layer->name = cop_keras__text(layer->config, "name", "");
    if (layer->kind == NULL || layer->config == NULL)
        return COP_FAIL(
            err, COP_EFORMAT, "layer '%s' has no class or configuration", layer->name);
    if (strcmp(layer->kind, "TFOpLambda") == 0)
        layer->kind = cop_keras__text(layer->config, "function", layer->kind);
    if (is_model(layer->kind)) return parse_model(item, reader, &layer->inner, err);
    layer->is_operation = cJSON_IsObject(layer->config) &&
                          strcmp(layer->kind, "InputLayer") != 0 &&
                          cop_keras__get(layer->config, "trainable") == NULL;
    return COP_OK;
}

static enum cop_status read_layers(
    struct reader *reader, const cJSON *list, struct cop_err *err)
{
    struct cop_keras__model *model = reader->model;
    const int n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || n < 1 || n > MAX_LAYERS)
        return COP_FAIL(err, COP_EFORMAT, "model '%s' has no layers", model->name);
    /* One more: a Sequential may lack its input layer. */
    model->layers = COP_ARENA_NEW_N(reader->arena, n + 1, struct cop_keras__layer);
    reader->names = COP_ARENA_NEW_N(reader->arena, n + 1, struct named);
    if (model->layers == NULL || reader->names == NULL) return COP_FAIL_NOMEM(err);
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        COP_TRY(read_layer(reader, item, &model->layers[model->n], err));
        reader->names[model->n] =
            (struct named){.name = model->layers[model->n].name, .layer = model->n};
        model->n++;
    }
    qsort(reader->names, (size_t)n, sizeof *reader->names, compare_named);
    for (int32_t i = 1; i < n; i++)
        if (strcmp(reader->names[i - 1].name, reader->names[i].name) == 0)
            return COP_FAIL(
                err, COP_EFORMAT, "two layers are named '%s'", reader->names[i].name);
    return COP_OK;
}

/* ---- Functional ----------------------------------------------------------------------------- */

static int32_t count_calls(const cJSON *layer)
{
    return cJSON_GetArraySize(cop_keras__get(layer, "inbound_nodes"));
}

static enum cop_status read_calls(
    struct reader *reader, const cJSON *list, struct cop_err *err)
{
    struct cop_keras__model *model = reader->model;
    const cJSON *item = NULL;
    int64_t n = 0;
    cJSON_ArrayForEach(item, list) n += 1 + count_calls(item);
    if (n > MAX_LAYERS)
        return COP_FAIL(err, COP_EUNSUPPORTED, "more than %d calls", MAX_LAYERS);
    model->calls = COP_ARENA_NEW_N(reader->arena, n, struct cop_keras__refs);
    if (model->calls == NULL) return COP_FAIL_NOMEM(err);
    struct cop_keras__layer *layer = model->layers;
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *call = NULL;
        layer->first_call = model->n_calls;
        cJSON_ArrayForEach(call, cop_keras__get(item, "inbound_nodes"))
        {
            enum cop_status status =
                read_refs(reader, call, &model->calls[model->n_calls++], err);
            if (status == COP_OK) continue;
            cop_err_in(err, "layer '%s' (%s)", layer->name, layer->kind);
            return status;
        }
        /* An input layer is called once, by nobody. */
        if (model->n_calls == layer->first_call) model->n_calls++;
        layer->n_calls = model->n_calls - layer->first_call;
        layer++;
    }
    return COP_OK;
}

/* ---- numbers of calls ----------------------------------------------------------------------- */

static void find_last_calls(const struct cop_keras__refs *refs, int32_t *last)
{
    for (int32_t i = 0; i < refs->n; i++) {
        const struct cop_keras__ref *ref = &refs->at[i];
        if (ref->layer >= 0 && ref->call > last[ref->layer])
            last[ref->layer] = ref->call;
    }
}

static enum cop_status settle_refs(
    const struct cop_keras__model *model,
    const int32_t *last,
    struct cop_keras__refs *refs,
    struct cop_err *err)
{
    for (int32_t i = 0; i < refs->n; i++) {
        struct cop_keras__ref *ref = &refs->at[i];
        if (ref->layer < 0) continue;
        const struct cop_keras__layer *layer = &model->layers[ref->layer];
        const bool from_one =
            layer->inner != NULL && last[ref->layer] == layer->n_calls;
        const int32_t n_slots = layer->inner != NULL ? layer->inner->outputs.n : 1;
        ref->call -= from_one ? 1 : 0;
        if (ref->call < 0 || ref->call >= layer->n_calls || ref->slot >= n_slots)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "call %d of layer '%s' is read, it has %d (result %d of %d)",
                ref->call,
                layer->name,
                layer->n_calls,
                ref->slot,
                n_slots);
    }
    return COP_OK;
}

/* Keras 2 counts the calls of a model that is a layer from 1, its own making being call 0;
 * Keras 3 counts from 0.  The last call is always read by somebody, which tells the two
 * apart. */
static enum cop_status settle_calls(struct reader *reader, struct cop_err *err)
{
    struct cop_keras__model *model = reader->model;
    int32_t *last = COP_ARENA_NEW_N(reader->arena, model->n, int32_t);
    if (last == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < model->n_calls; i++)
        find_last_calls(&model->calls[i], last);
    find_last_calls(&model->outputs, last);
    for (int32_t i = 0; i < model->n_calls; i++)
        COP_TRY(settle_refs(model, last, &model->calls[i], err));
    return settle_refs(model, last, &model->outputs, err);
}

/* ---- Sequential ----------------------------------------------------------------------------- */

/* What tells the shape of the input when no layer does. */
static const cJSON *first_shape(
    const struct cop_keras__layer *layer, const cJSON *model)
{
    static const char built[] = "build_input_shape";
    if (cJSON_IsObject(model) && cop_keras__get(model, built) != NULL) return model;
    while (layer->inner != NULL)
        layer = &layer->inner->layers[layer->inner->inputs.at[0].layer];
    return layer->config;
}

static enum cop_status add_first_input(
    struct reader *reader, const cJSON *config, struct cop_err *err)
{
    struct cop_keras__model *model = reader->model;
    if (strcmp(model->layers[0].kind, "InputLayer") == 0) return COP_OK;
    const struct cop_keras__layer first = model->layers[0];
    memmove(model->layers + 1, model->layers, (size_t)model->n * sizeof *model->layers);
    model->n++;
    model->layers[0] = (struct cop_keras__layer){
        .name = cop_arena_printf(reader->arena, "%s_input", first.name),
        .kind = "InputLayer",
        .config = first_shape(&first, config),
    };
    return model->layers[0].name != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status make_refs(
    struct reader *reader,
    int32_t layer,
    struct cop_keras__refs *refs,
    struct cop_err *err)
{
    const struct cop_keras__ref ref = {.layer = layer};
    refs->n = 1;
    refs->at = cop_arena_copy(reader->arena, &ref, sizeof ref);
    return refs->at != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* Each layer reads the one before it. */
static enum cop_status chain(
    struct reader *reader, const cJSON *config, struct cop_err *err)
{
    struct cop_keras__model *model = reader->model;
    COP_TRY(add_first_input(reader, config, err));
    model->n_calls = model->n;
    model->calls = COP_ARENA_NEW_N(reader->arena, model->n, struct cop_keras__refs);
    if (model->calls == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < model->n; i++) {
        struct cop_keras__layer *layer = &model->layers[i];
        if (layer->inner != NULL && layer->inner->outputs.n != 1)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "layer '%s' has %d results in a sequence",
                layer->name,
                layer->inner->outputs.n);
        layer->first_call = i;
        layer->n_calls = 1;
        if (i > 0) COP_TRY(make_refs(reader, i - 1, &model->calls[i], err));
    }
    COP_TRY(make_refs(reader, 0, &model->inputs, err));
    return make_refs(reader, model->n - 1, &model->outputs, err);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum cop_status settle_ends(struct cop_keras__model *model, struct cop_err *err)
{
    if (model->inputs.n == 0 || model->outputs.n == 0)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "model '%s' has %d inputs and %d outputs",
            model->name,
            model->inputs.n,
            model->outputs.n);
    for (int32_t i = 0; i < model->inputs.n; i++) {
        const int32_t layer = model->inputs.at[i].layer;
        model->inputs.at[i] = (struct cop_keras__ref){.layer = layer};
        if (layer < 0 || strcmp(model->layers[layer].kind, "InputLayer") != 0)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "input %d of model '%s' is no input layer",
                i,
                model->name);
    }
    for (int32_t i = 0; i < model->outputs.n; i++)
        if (model->outputs.at[i].layer < 0)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "output %d of model '%s' is a number",
                i,
                model->name);
    return COP_OK;
}

static enum cop_status read_functional(
    struct reader *reader, const cJSON *config, struct cop_err *err)
{
    struct cop_keras__model *model = reader->model;
    const cJSON *inputs = cop_keras__get(config, "input_layers");
    const cJSON *outputs = cop_keras__get(config, "output_layers");
    COP_TRY(read_calls(reader, cop_keras__get(config, "layers"), err));
    COP_TRY(read_refs(reader, inputs, &model->inputs, err));
    COP_TRY(read_refs(reader, outputs, &model->outputs, err));
    COP_TRY(settle_ends(model, err));
    return settle_calls(reader, err);
}

static enum cop_status parse_model(
    const cJSON *item,
    const struct reader *outer,
    struct cop_keras__model **model,
    struct cop_err *err)
{
    struct reader reader = {
        .arena = outer->arena, .refs = outer->refs, .depth = outer->depth + 1};
    const cJSON *config = cop_keras__get(item, "config");
    const char *kind = cop_keras__text(item, "class_name", "");
    if (!is_model(kind) || config == NULL)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "a model of class '%s' does not tell its layers, Sequential and Functional "
            "do",
            kind);
    if (reader.depth > MAX_DEPTH)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "models are nested deeper than %d", MAX_DEPTH);
    *model = reader.model = COP_ARENA_NEW(reader.arena, struct cop_keras__model);
    if (*model == NULL) return COP_FAIL_NOMEM(err);
    (*model)->name = cop_keras__text(config, "name", "");
    const cJSON *list =
        cJSON_IsArray(config) ? config : cop_keras__get(config, "layers");
    COP_TRY(read_layers(&reader, list, err));
    return strcmp(kind, "Sequential") == 0 ? chain(&reader, config, err)
                                           : read_functional(&reader, config, err);
}

enum cop_status cop_keras__parse(
    const cJSON *config,
    struct cop_arena *arena,
    struct cop_keras__model **model,
    struct cop_err *err)
{
    struct reader outer = {.arena = arena};
    outer.refs.at = COP_ARENA_NEW_N(arena, MAX_REFS, struct cop_keras__ref);
    if (outer.refs.at == NULL) return COP_FAIL_NOMEM(err);
    return parse_model(config, &outer, model, err);
}
