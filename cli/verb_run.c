/* cli/verb_run.c - raw tensors in and out, for anyone who wants to compare. */
#include "base/mem.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "data/npy.h"

#include <stdio.h>
#include <string.h>

struct run_options {
    struct cop_texts inputs;
    struct cop_texts outputs;
};

static const struct cop_option options[] = {
    {.name = "input",
     .kind = COP_OPTION_TEXTS,
     .offset = offsetof(struct run_options, inputs),
     .operand = "FILE.npy",
     .is_required = true,
     .help = "one for each input of the model, in its order"},
    {.name = "output",
     .kind = COP_OPTION_TEXTS,
     .offset = offsetof(struct run_options, outputs),
     .operand = "FILE.npy",
     .is_required = true,
     .help = "where they go; one name makes y.npy, y.1.npy, .."},
    {.name = NULL}};

/* The arrays of one run; cleared by clear_arrays. */
struct arrays {
    struct cop_shape in_shapes[COP_MAX_TEXTS];
    float *in[COP_MAX_TEXTS];
    int32_t n_in;
    float *out[COP_MAX_TEXTS];
    int32_t n_out;
};

static void clear_arrays(struct arrays *arrays)
{
    for (int32_t i = 0; i < arrays->n_in; ++i)
        cop_mem_free(arrays->in[i]);
    for (int32_t i = 0; i < arrays->n_out; ++i)
        cop_mem_free(arrays->out[i]);
}

/* Reads all inputs; they must agree on the batch and fit the model besides it. */
static enum cop_status read_inputs(
    const struct cop_graph *graph,
    const struct cop_texts *paths,
    struct arrays *arrays,
    struct cop_err *err)
{
    const int32_t n = cop_graph_n_inputs(graph);
    if (paths->n != n)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "the model has %d input%s, --input was given %d times",
            n,
            n == 1 ? "" : "s",
            paths->n);
    for (int32_t i = 0; i < n; ++i) {
        const struct cop_value *input = cop_graph_input(graph, i);
        struct cop_shape *shape = &arrays->in_shapes[i];
        COP_TRY(cop_npy_read(paths->at[i], shape, &arrays->in[i], err));
        arrays->n_in = i + 1;
        struct cop_shape want = input->shape;
        const bool has_batch = shape->rank > 0 && want.rank > 0;
        if (has_batch) want.dim[0] = arrays->in_shapes[0].dim[0];
        if (has_batch && want.dim[0] > 0 && cop_shape_equal(shape, &want)) continue;
        char got_text[COP_SHAPE_TEXT];
        char want_text[COP_SHAPE_TEXT];
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%s is %s, input '%s' of the model is %s%s",
            paths->at[i],
            cop_shape_print(shape, got_text, sizeof got_text),
            input->name,
            cop_shape_print(&input->shape, want_text, sizeof want_text),
            input->is_batch_free ? " for each sample" : "");
    }
    return COP_OK;
}

static enum cop_status compute(
    struct cop_plan *plan, struct arrays *arrays, struct cop_err *err)
{
    const float *starts[COP_MAX_TEXTS];
    for (int32_t i = 0; i < arrays->n_in; ++i)
        starts[i] = arrays->in[i];
    const int32_t n = cop_plan_n_ends(plan);
    if (n > COP_MAX_TEXTS)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "the model has %d outputs, at most %d can be written",
            n,
            COP_MAX_TEXTS);
    for (int32_t i = 0; i < n; ++i) {
        arrays->out[i] = cop_mem_array(
            (size_t)cop_shape_n(cop_plan_end_shape(plan, i)), sizeof(float));
        if (arrays->out[i] == NULL) return COP_FAIL_NOMEM(err);
        arrays->n_out = i + 1;
    }
    return cop_plan_run(plan, starts, arrays->out, err);
}

/* "y.npy" for output 0, "y.1.npy" for output 1, unless it was named. */
static const char *output_path(
    struct cop_cli *cli, const struct cop_texts *paths, int32_t i)
{
    if (i < paths->n) return paths->at[i];
    const char *first = paths->at[0] != NULL ? paths->at[0] : "output.npy";
    const char *dot = strrchr(first, '.');
    const char *slash = strrchr(first, '/');
    const size_t n = dot != NULL && (slash == NULL || dot > slash)
                         ? (size_t)(dot - first)
                         : strlen(first);
    return cop_arena_printf(cli->arena, "%.*s.%d%s", (int)n, first, i, first + n);
}

static enum cop_status write_outputs(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct cop_plan *plan,
    const struct cop_texts *paths,
    const struct arrays *arrays,
    struct cop_err *err)
{
    if (paths->n > arrays->n_out)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "the model has %d output%s, --output was given %d times",
            arrays->n_out,
            arrays->n_out == 1 ? "" : "s",
            paths->n);
    cJSON *document = cli->is_json ? cop_json_document(cli) : NULL;
    cJSON *outputs = document != NULL ? cop_json_array(cli, document, "outputs") : NULL;
    enum cop_status status = COP_OK;
    for (int32_t i = 0; i < arrays->n_out && status == COP_OK; ++i) {
        const struct cop_shape *shape = cop_plan_end_shape(plan, i);
        const char *path = output_path(cli, paths, i);
        if (path == NULL)
            status = COP_FAIL_NOMEM(err);
        else
            status = cop_npy_write(path, shape, arrays->out[i], err);
        if (status != COP_OK) break;
        const char *name = cop_graph_output(graph, i)->name;
        char text[COP_SHAPE_TEXT];
        if (document == NULL) {
            printf(
                "%s  %s  %s\n", path, cop_shape_print(shape, text, sizeof text), name);
            continue;
        }
        cJSON *element = cop_json_element(cli, outputs);
        cop_json_text(cli, element, "name", name);
        cop_json_text(cli, element, "file", path);
        cop_json_dims(cli, element, "shape", shape->dim, shape->rank);
    }
    if (document == NULL) return status;
    if (status == COP_OK) return cop_json_print(cli, document, err);
    cJSON_Delete(document);
    return status;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct run_options *o = given;
    struct cop_cli_model model;
    struct arrays arrays = {.n_in = 0};
    struct cop_plan *plan = NULL;
    COP_TRY(cop_cli_open_model(cli, cli->words[0], &model, err));
    enum cop_status status = read_inputs(model.graph, &o->inputs, &arrays, err);
    if (status != COP_OK) goto done;
    status = cop_cli_open_engine(cli, err);
    if (status != COP_OK) goto done;
    const struct cop_plan_options plan_options = {
        .mb = arrays.in_shapes[0].dim[0],
        .threads = (int)cli->threads,
        .purpose = COP_PURPOSE_INFER,
        .may_slice = true};
    status = cop_plan_create(cli->engine, model.graph, &plan_options, &plan, err);
    if (status == COP_OK) status = compute(plan, &arrays, err);
    if (status == COP_OK)
        status = write_outputs(cli, model.graph, plan, &o->outputs, &arrays, err);
done:
    cop_plan_destroy(plan);
    clear_arrays(&arrays);
    cop_cli_close_model(&model);
    return status;
}

const struct cop_verb cop_verb_run = {
    .name = "run",
    .summary = "raw tensors in and out (NumPy files)",
    .operands = "MODEL --input X.npy --output Y.npy",
    .examples = "coppice run model --input x.npy --output y.npy\n"
                "coppice run path/to/model.onnx --input x.npy --output boxes.npy "
                "--output scores.npy",
    .about = "Feeds arrays to the network as they are, without preprocessing, and "
             "writes its\n"
             "outputs as float32.  Axis 0 is the batch, of any size.",
    .options = options,
    .options_size = sizeof(struct run_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
