/* importers/keras_read.c - from the bytes of a Keras file to a checked graph; see
 * keras_read.h and README.md. */
#include "importers/keras_read.h"

#include "importers/hdf5_file.h"
#include "importers/keras_layers.h"
#include "importers/message.h"
#include "importers/notes.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CALLS = 1 << 16, LEAST_BUDGET = 64 << 20, MAX_GROWTH = 4 };

/** A model being built: the outermost, or one call of a model that is a layer. */
struct scope {
    struct cop_keras__net *net;
    const struct cop_keras__model *model;
    const char *prefix;                     /* of names; "" or "base/" */
    const struct cop_keras__tensor *inputs; /* of a call; NULL: the graph's own */
    struct cop_keras__tensor **results;     /* of each call; NULL: not built yet */
};

/* ---- inputs ------------------------------------------------------------------------------------- */

static const char *const shape_keys[] = {
    "batch_shape", "batch_input_shape", "build_input_shape"};

/* Null extents are kept as 0. */
static enum cop_status input_shape(
    const cJSON *config, struct cop_shape *shape, struct cop_err *err)
{
    const cJSON *list = NULL;
    const cJSON *item = NULL;
    for (size_t i = 0; i < sizeof shape_keys / sizeof *shape_keys && list == NULL; i++)
        list = cop_keras__get(config, shape_keys[i]);
    const int n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || n < 2 || n > COP_MAX_RANK)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "has no shape, or one of %d axes (2 to 8)", n);
    cJSON_ArrayForEach(item, list)
    {
        const int32_t axis = shape->rank++;
        shape->dim[axis] = axis == 0 ? 1 : item->valueint;
        if (axis == 0) continue;
        if (!cJSON_IsNumber(item))
            return COP_FAIL(err, COP_EUNSUPPORTED, "axis %d is open", axis);
        if (item->valueint < 1 || item->valueint > COP_KERAS_INT)
            return COP_FAIL(
                err, COP_EFORMAT, "axis %d has extent %d", axis, item->valueint);
    }
    return COP_OK;
}

static enum cop_status add_input(
    struct scope *scope,
    const struct cop_keras__layer *layer,
    struct cop_keras__tensor *tensor,
    struct cop_err *err)
{
    struct cop_shape shape = {0};
    const char *dtype = cop_keras__text(layer->config, "dtype", "float32");
    COP_TRY(input_shape(layer->config, &shape, err));
    if (strcmp(dtype, "float32") != 0)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "holds %s, only float32 is supported", dtype);
    if (cop_keras__flag(layer->config, "sparse", false) ||
        cop_keras__flag(layer->config, "ragged", false))
        return COP_FAIL(err, COP_EUNSUPPORTED, "is sparse or ragged");
    if (shape.rank == 4 && !scope->net->keeps_order) {
        const int64_t channels = shape.dim[3];
        shape.dim[3] = shape.dim[2];
        shape.dim[2] = shape.dim[1];
        shape.dim[1] = channels;
        tensor->is_first = true;
    }
    COP_TRY(cop_graph_add_input(
        scope->net->graph, layer->name, COP_F32, &shape, &tensor->value, err));
    tensor->value->is_batch_free = true;
    return COP_OK;
}

static enum cop_status build_input(
    struct scope *scope,
    int32_t layer,
    struct cop_keras__tensor *tensor,
    struct cop_err *err)
{
    const struct cop_keras__refs *inputs = &scope->model->inputs;
    for (int32_t i = 0; i < inputs->n && scope->inputs != NULL; i++) {
        if (inputs->at[i].layer != layer) continue;
        *tensor = scope->inputs[i];
        return COP_OK;
    }
    if (scope->inputs != NULL)
        return COP_FAIL(err, COP_EFORMAT, "is no input of its model");
    return add_input(scope, &scope->model->layers[layer], tensor, err);
}

/* ---- calls -------------------------------------------------------------------------------------- */

static enum cop_status build_model(struct scope *scope, struct cop_err *err);

static int32_t call_of(
    const struct cop_keras__model *model, const struct cop_keras__ref *ref)
{
    return model->layers[ref->layer].first_call + ref->call;
}

static void take_ref(
    const struct scope *scope,
    const struct cop_keras__ref *ref,
    struct cop_keras__tensor *tensor)
{
    *tensor = (struct cop_keras__tensor){.number = ref->number};
    if (ref->layer >= 0)
        *tensor = scope->results[call_of(scope->model, ref)][ref->slot];
}

/* A call of a model that is a layer: its own scope, with what is read as inputs. */
static enum cop_status build_inner(
    struct scope *scope,
    const struct cop_keras__job *job,
    struct cop_keras__tensor *results,
    struct cop_err *err)
{
    const struct cop_keras__model *inner = job->layer->inner;
    struct cop_arena *scratch = scope->net->scratch;
    struct scope inside = {
        .net = scope->net,
        .model = inner,
        .prefix = cop_arena_printf(scratch, "%s/", job->name),
        .inputs = job->src,
        .results = COP_ARENA_NEW_N(scratch, inner->n_calls, struct cop_keras__tensor *),
    };
    if (inside.prefix == NULL || inside.results == NULL) return COP_FAIL_NOMEM(err);
    if (job->n_src != inner->inputs.n)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "reads %d tensors, wanted %d",
            job->n_src,
            inner->inputs.n);
    for (int32_t i = 0; i < job->n_src; i++)
        if (job->src[i].value == NULL)
            return COP_FAIL(err, COP_EFORMAT, "reads a number");
    COP_TRY(build_model(&inside, err));
    for (int32_t i = 0; i < inner->outputs.n; i++)
        take_ref(&inside, &inner->outputs.at[i], &results[i]);
    return COP_OK;
}

static enum cop_status check_sources(
    const struct cop_keras__job *job,
    const struct cop_keras__kind *kind,
    struct cop_err *err)
{
    const int32_t least = kind->n_src[0];
    const int32_t most = kind->n_src[1];
    if (job->n_src < least || (most >= 0 && job->n_src > most))
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "reads %d tensors, wanted %d", job->n_src, least);
    for (int32_t i = 0; i < job->n_src && !kind->takes_numbers; i++)
        if (job->src[i].value == NULL)
            return COP_FAIL(
                err, COP_EUNSUPPORTED, "reads the number %g", job->src[i].number);
    return COP_OK;
}

static enum cop_status build_layer(
    struct scope *scope,
    int32_t index,
    struct cop_keras__job *job,
    struct cop_keras__tensor *results,
    struct cop_err *err)
{
    if (strcmp(job->layer->kind, "InputLayer") == 0)
        return build_input(scope, index, results, err);
    if (job->layer->inner != NULL) return build_inner(scope, job, results, err);
    const struct cop_keras__kind *kind = cop_keras__find_kind(job->layer);
    COP_TRY(check_sources(job, kind, err));
    return kind->build(job, results, err);
}

static enum cop_status build_call(
    struct scope *scope, int32_t index, int32_t call, struct cop_err *err)
{
    const struct cop_keras__layer *layer = &scope->model->layers[index];
    const struct cop_keras__refs *refs = &scope->model->calls[call];
    struct cop_arena *scratch = scope->net->scratch;
    const int32_t n_results = layer->inner != NULL ? layer->inner->outputs.n : 1;
    struct cop_keras__tensor *src =
        COP_ARENA_NEW_N(scratch, refs->n, struct cop_keras__tensor);
    struct cop_keras__tensor *results =
        COP_ARENA_NEW_N(scratch, n_results, struct cop_keras__tensor);
    struct cop_keras__job job = {
        .net = scope->net,
        .layer = layer,
        .name = cop_arena_printf(scratch, "%s%s", scope->prefix, layer->name),
        .src = src,
        .n_src = refs->n,
    };
    if (src == NULL || results == NULL || job.name == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < refs->n; i++)
        take_ref(scope, &refs->at[i], &src[i]);
    const enum cop_status status = build_layer(scope, index, &job, results, err);
    if (status != COP_OK) cop_err_in(err, "layer '%s' (%s)", layer->name, layer->kind);
    scope->results[call] = results;
    return status;
}

/* ---- order -------------------------------------------------------------------------------------- */

/** Calls that wait for what they read, the last one on top. */
struct stack {
    struct pending {
        int32_t layer;
        int32_t call;
        int32_t next; /* what to look at */
    } * at;
    int32_t n;
    bool *is_open; /* of each call: it waits */
};

static enum cop_status push(
    const struct scope *scope,
    struct stack *stack,
    const struct cop_keras__ref *ref,
    struct cop_err *err)
{
    const int32_t call = call_of(scope->model, ref);
    if (scope->results[call] != NULL) return COP_OK;
    if (stack->is_open[call])
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "layer '%s' reads what it makes",
            scope->model->layers[ref->layer].name);
    stack->is_open[call] = true;
    stack->at[stack->n++] = (struct pending){.layer = ref->layer, .call = call};
    return COP_OK;
}

/* Builds a call after all that it reads. */
static enum cop_status build_from(
    struct scope *scope,
    struct stack *stack,
    const struct cop_keras__ref *ref,
    struct cop_err *err)
{
    COP_TRY(push(scope, stack, ref, err));
    while (stack->n > 0) {
        struct pending *top = &stack->at[stack->n - 1];
        const struct cop_keras__refs *refs = &scope->model->calls[top->call];
        if (top->next < refs->n) {
            const struct cop_keras__ref *wanted = &refs->at[top->next++];
            if (wanted->layer >= 0) COP_TRY(push(scope, stack, wanted, err));
            continue;
        }
        stack->n--;
        COP_TRY(build_call(scope, top->layer, top->call, err));
    }
    return COP_OK;
}

/* Inputs first and in their order, then from the outputs back. */
static enum cop_status build_model(struct scope *scope, struct cop_err *err)
{
    const struct cop_keras__model *model = scope->model;
    struct cop_arena *scratch = scope->net->scratch;
    struct stack stack = {
        .at = COP_ARENA_NEW_N(scratch, model->n_calls, struct pending),
        .is_open = COP_ARENA_NEW_N(scratch, model->n_calls, bool),
    };
    if (stack.at == NULL || stack.is_open == NULL) return COP_FAIL_NOMEM(err);
    scope->net->n_calls += model->n_calls;
    if (scope->net->n_calls > MAX_CALLS)
        return COP_FAIL(err, COP_EUNSUPPORTED, "more than %d calls", MAX_CALLS);
    for (int32_t i = 0; i < model->inputs.n; i++)
        COP_TRY(build_from(scope, &stack, &model->inputs.at[i], err));
    for (int32_t i = 0; i < model->outputs.n; i++)
        COP_TRY(build_from(scope, &stack, &model->outputs.at[i], err));
    return COP_OK;
}

/* ---- outputs ------------------------------------------------------------------------------------ */

/* An output is a computed value of its own; images are channels-first there too. */
static enum cop_status mark_output(
    const struct scope *scope, const struct cop_keras__ref *ref, struct cop_err *err)
{
    struct cop_keras__tensor tensor;
    const struct cop_keras__layer *layer = &scope->model->layers[ref->layer];
    const struct cop_keras__job job = {
        .net = scope->net, .layer = layer, .name = layer->name};
    take_ref(scope, ref, &tensor);
    if (tensor.value->shape.rank == 4 && !scope->net->keeps_order)
        COP_TRY(cop_keras__order(&job, &tensor, true, &tensor, err));
    const struct cop_importers__part part = {
        .op = "Identity", .src = {tensor.value}, .n_src = 1};
    if (tensor.value->producer == NULL || tensor.value->is_output)
        COP_TRY(cop_keras__node(&job, NULL, &part, &tensor.value, err));
    return cop_graph_mark_output(scope->net->graph, tensor.value, err);
}

static enum cop_status build_graph(
    struct cop_keras__net *net,
    const struct cop_keras__model *model,
    struct cop_err *err)
{
    struct scope scope = {
        .net = net,
        .model = model,
        .prefix = "",
        .results =
            COP_ARENA_NEW_N(net->scratch, model->n_calls, struct cop_keras__tensor *),
    };
    if (scope.results == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(build_model(&scope, err));
    for (int32_t i = 0; i < model->outputs.n; i++)
        COP_TRY(mark_output(&scope, &model->outputs.at[i], err));
    return COP_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

/* The whole model is in one order if any layer says that it is in Keras's other one. */
static bool is_channels_first(const struct cop_keras__model *model)
{
    for (int32_t i = 0; i < model->n; i++) {
        const struct cop_keras__layer *layer = &model->layers[i];
        const char *format = cop_keras__text(layer->config, "data_format", "");
        if (strcmp(format, "channels_first") == 0) return true;
        if (layer->inner != NULL && is_channels_first(layer->inner)) return true;
    }
    return false;
}

/* Layers mean the same in Keras 2 and 3 but for a few; Keras 1 named all else. */
static enum cop_status check_origin(
    const struct cop_importers__h5 *h5, int *version, struct cop_err *err)
{
    *version = (int)strtol(h5->version, NULL, 10);
    if (h5->version[0] == '\0') *version = 2;
    if (*version != 2 && *version != 3)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "written by Keras %s, versions 2 and 3 are supported",
            h5->version);
    if (strcmp(h5->backend, "theano") != 0) return COP_OK;
    return COP_FAIL(
        err, COP_EUNSUPPORTED, "written with Theano, whose kernels are mirrored");
}

static enum cop_status set_meta(
    struct cop_graph *graph, const struct cop_importers__h5 *h5, struct cop_err *err)
{
    static const char format[] = "keras";
    COP_TRY(cop_graph_set_meta(graph, "keras.version", h5->version, err));
    COP_TRY(cop_graph_set_meta(graph, "keras.backend", h5->backend, err));
    COP_TRY(cop_importers__note_widened(graph, format, COP_F16, h5->n_half, err));
    return cop_importers__note_widened(graph, format, COP_F64, h5->n_double, err);
}

static enum cop_status build(
    struct cop_keras__net *net,
    const struct cop_importers__h5 *h5,
    const cJSON *config,
    struct cop_err *err)
{
    struct cop_keras__model *model = NULL;
    COP_TRY(check_origin(h5, &net->version, err));
    COP_TRY(cop_keras__parse(config, net->scratch, &model, err));
    COP_TRY(cop_keras__check_kinds(net, model, err));
    COP_TRY(cop_keras__give_weights(model, h5, net->scratch, err));
    net->keeps_order = is_channels_first(model);
    COP_TRY(build_graph(net, model, err));
    COP_TRY(set_meta(net->graph, h5, err));
    cop_graph_remove_dead(net->graph);
    COP_TRY(cop_graph_sort(net->graph, err));
    COP_TRY(cop_graph_fold(net->graph, err));
    COP_TRY(cop_graph_infer(net->graph, err));
    return cop_graph_check(net->graph, err);
}

enum cop_status cop_keras__from_h5(
    const struct cop_importers__h5 *h5,
    struct cop_arena *scratch,
    const struct cop_op_set *ops,
    struct cop_text *unsupported,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_keras__net net = {
        .scratch = scratch,
        .budget_bytes = LEAST_BUDGET + MAX_GROWTH * h5->bytes,
        .unsupported = unsupported};
    cJSON *config = cJSON_Parse(h5->config);
    if (config == NULL)
        return COP_FAIL(err, COP_EFORMAT, "'model_config' is no sound JSON");
    enum cop_status status = cop_graph_create(ops, &net.graph, err);
    if (status == COP_OK) status = build(&net, h5, config, err);
    cJSON_Delete(config);
    if (status == COP_OK)
        *graph = net.graph;
    else
        cop_graph_destroy(net.graph);
    return status;
}

bool cop_keras_is_file(const struct cop_buf *bytes)
{
    return cop_importers__h5_is(cop_buf_data(bytes), cop_buf_bytes(bytes));
}

static enum cop_status read_model(
    struct cop_buf *bytes,
    struct cop_arena *scratch,
    const struct cop_op_set *ops,
    struct cop_text *unsupported,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_importers__h5 h5 = {0};
    COP_TRY(cop_importers__h5_read(bytes, scratch, &h5, err));
    return cop_keras__from_h5(&h5, scratch, ops, unsupported, graph, err);
}

enum cop_status cop_keras_read_bytes(
    struct cop_buf *bytes,
    const char *file_name,
    const struct cop_op_set *ops,
    struct cop_text *unsupported,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_arena *scratch = cop_arena_create();
    const enum cop_status status =
        scratch != NULL ? read_model(bytes, scratch, ops, unsupported, graph, err)
                        : COP_FAIL_NOMEM(err);
    cop_arena_destroy(scratch);
    if (status != COP_OK) cop_importers__put_file_name(file_name, err);
    return status;
}
