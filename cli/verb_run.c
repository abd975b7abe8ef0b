/* cli/verb_run.c - raw tensors in and out, for anyone who wants to compare. */
#include "base/file.h"
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
     .operand = "[NAME=]FILE.npy",
     .is_required = true,
     .help = "one for each input of the model, in its order or by names"},
    {.name = "output",
     .kind = COP_OPTION_TEXTS,
     .offset = offsetof(struct run_options, outputs),
     .operand = "[NAME=]FILE.npy",
     .is_required = true,
     .help = "where they go; one file alone makes y.npy, y.1.npy, .."},
    {.name = NULL}};

/* ---- words -------------------------------------------------------------------------------- */

/** What --input or --output say: files, all of them with names or none. */
struct files {
    struct cop_texts paths;
    struct cop_texts names; /* n is 0 or that of the paths */
};

static bool is_truth(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

/* "FILE.npy" or "NAME=FILE.npy"; "NAME=true" goes to @p truths. */
static enum cop_status split_words(
    struct cop_cli *cli,
    const struct cop_texts *words,
    const char *option,
    struct files *files,
    struct cop_texts *truths,
    struct cop_err *err)
{
    for (int32_t i = 0; i < words->n; ++i) {
        const char *word = words->at[i];
        const char *equals = cop_file_exists(word) ? NULL : strchr(word, '=');
        if (equals != NULL && truths != NULL && is_truth(equals + 1)) {
            truths->at[truths->n++] = word;
            continue;
        }
        files->paths.at[files->paths.n++] = equals != NULL ? equals + 1 : word;
        if (equals == NULL) continue;
        const char *name = cop_arena_strndup(cli->arena, word, (size_t)(equals - word));
        if (name == NULL) return COP_FAIL_NOMEM(err);
        files->names.at[files->names.n++] = name;
    }
    if (files->names.n == 0 || files->names.n == files->paths.n) return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "%s is given with a name and without: name all of them",
        option);
}

/* The file of the graph's input or output called @p name; NULL: none. */
static const char *file_named(const struct files *files, const char *name)
{
    for (int32_t i = 0; i < files->names.n; ++i)
        if (strcmp(files->names.at[i], name) == 0) return files->paths.at[i];
    return NULL;
}

/* Named files in the order of the graph's inputs or outputs, NULL where one is not named;
 * the names are done with then. */
static enum cop_status sort_files(
    struct files *files,
    const struct cop_graph *graph,
    const char *what,
    int32_t n,
    struct cop_value *(*at)(const struct cop_graph *graph, int32_t i),
    struct cop_err *err)
{
    struct cop_texts sorted = {.n = n < COP_MAX_TEXTS ? n : COP_MAX_TEXTS};
    int32_t n_found = 0;
    if (files->names.n == 0) return COP_OK;
    for (int32_t i = 0; i < sorted.n; ++i) {
        sorted.at[i] = file_named(files, at(graph, i)->name);
        n_found += sorted.at[i] != NULL;
    }
    for (int32_t i = 0; i < files->names.n && n_found < files->names.n; ++i) {
        int32_t k = 0;
        while (k < n && strcmp(at(graph, k)->name, files->names.at[i]) != 0)
            ++k;
        if (k < n) continue;
        return COP_FAIL(
            err,
            COP_EINVAL,
            "the model has no %s '%s', but '%s'%s",
            what,
            files->names.at[i],
            n > 0 ? at(graph, 0)->name : "",
            n > 1 ? " and others" : "");
    }
    files->paths = sorted;
    return COP_OK;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

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

/* The array is what is wanted, but with its channels behind. */
static bool has_channels_last(const struct cop_shape *got, const struct cop_shape *want)
{
    return got->rank == 4 && want->rank == 4 && got->dim[1] == want->dim[2] &&
           got->dim[2] == want->dim[3] && got->dim[3] == want->dim[1];
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
        if (paths->at[i] == NULL)
            return COP_FAIL(err, COP_EINVAL, "input '%s' got no file", input->name);
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
            "%s is %s, input '%s' of the model is %s%s%s",
            paths->at[i],
            cop_shape_print(shape, got_text, sizeof got_text),
            input->name,
            cop_shape_print(&input->shape, want_text, sizeof want_text),
            input->is_batch_free ? " for each sample" : "",
            has_channels_last(shape, &want) ? ", channels first" : "");
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

/* "y.npy" for output 0, "y.1.npy" for output 1, unless there is a file for each. */
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
        if (i < paths->n && paths->at[i] == NULL) continue; /* others were named */
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

/* The names of a TensorFlow file choose where the graph begins and ends: the files are then
 * in their order. */
static void choose_part(
    struct cop_cli *cli,
    struct files *in,
    struct files *out,
    const struct cop_texts *truths,
    struct cop_cli_part *part)
{
    part->inputs = in->names;
    part->outputs = out->names;
    for (int32_t i = 0; i < truths->n && part->inputs.n < COP_MAX_TEXTS; ++i)
        part->inputs.at[part->inputs.n++] = truths->at[i];
    in->names.n = 0;
    out->names.n = 0;
    cli->part = part;
}

static enum cop_status open_model(
    struct cop_cli *cli,
    const struct run_options *o,
    struct files *in,
    struct files *out,
    struct cop_cli_model *model,
    struct cop_err *err)
{
    const char *word = cli->words[0];
    struct cop_texts truths = {.n = 0};
    struct cop_cli_part part;
    COP_TRY(split_words(cli, &o->inputs, "--input", in, &truths, err));
    COP_TRY(split_words(cli, &o->outputs, "--output", out, NULL, err));
    const size_t n = strlen(word);
    if (cop_cli_is_model_path(word) && n > 3 && strcmp(word + n - 3, ".pb") == 0)
        choose_part(cli, in, out, &truths, &part);
    else if (truths.n > 0)
        return COP_FAIL(err, COP_EINVAL, "--input %s is for .pb files", truths.at[0]);
    const enum cop_status opened = cop_cli_open_model(cli, word, model, err);
    cli->part = NULL;
    COP_TRY(opened);
    const struct cop_graph *graph = model->graph;
    enum cop_status status =
        sort_files(in, graph, "input", cop_graph_n_inputs(graph), cop_graph_input, err);
    if (status == COP_OK)
        status = sort_files(
            out, graph, "output", cop_graph_n_outputs(graph), cop_graph_output, err);
    if (status != COP_OK) cop_cli_close_model(model);
    return status;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct run_options *o = given;
    struct cop_cli_model model;
    struct arrays arrays = {.n_in = 0};
    struct cop_plan *plan = NULL;
    struct files in = {.paths = {.n = 0}};
    struct files out = {.paths = {.n = 0}};
    COP_TRY(open_model(cli, o, &in, &out, &model, err));
    enum cop_status status = read_inputs(model.graph, &in.paths, &arrays, err);
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
        status = write_outputs(cli, model.graph, plan, &out.paths, &arrays, err);
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
    .examples =
        "coppice run model --input x.npy --output y.npy\n"
        "coppice run path/to/model.onnx --input x.npy --output boxes.npy "
        "--output scores.npy\n"
        "coppice run speech.pb --input Mfcc=x.npy --output labels_softmax=y.npy",
    .about =
        "Feeds arrays to the network as they are, without preprocessing, and "
        "writes its\n"
        "outputs as float32.  Axis 0 is the batch, of any size.\n"
        "\n"
        "Names choose among inputs and outputs; of a TensorFlow file (.pb) they "
        "choose\n"
        "the nodes where the graph begins and ends, and --input NAME=false settles a\n"
        "switch.  Images of such files have their channels first here (NCHW).",
    .options = options,
    .options_size = sizeof(struct run_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
