/* cli/verb_inspect.c - the layer table: what there is, what it costs, what may be cut. */
#include "base/mem.h"
#include "cli/inputs.h"
#include "cli/inspect_groups.h"
#include "cli/inspect_profile.h"
#include "cli/origin.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/preprocess.h"
#include "prune/groups.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct inspect_options {
    bool is_groups;
    bool is_untimed;
    bool is_profile;
    int64_t batch;
    int64_t runs;
    struct cop_cli_part part;
};

static const struct cop_option options[] = {
    {.name = "groups",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct inspect_options, is_groups),
     .help = "instead of layers: what is cut together, and what that saves"},
    {.name = "no-time",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct inspect_options, is_untimed),
     .help = "do not run the network"},
    {.name = "profile",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct inspect_options, is_profile),
     .help =
         "each step of the engine's plan instead: time, GFLOP/s, share of the peak"},
    {.name = "batch",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct inspect_options, batch),
     .operand = "N",
     .initial = "1",
     .min = 1,
     .max = 65536,
     .help = "samples that are timed together"},
    {.name = "runs",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct inspect_options, runs),
     .operand = "N",
     .initial = "20",
     .min = 1,
     .max = 100000,
     .help = "runs; the median is shown"},
    COP_CLI_PART_OPTIONS(struct inspect_options, part),
    {.name = NULL}};

/* One row of the table. */
struct layer {
    const struct cop_node *node;
    int64_t macs;
    int64_t params;
    double ms;              /* NaN: not timed, or done within another layer's step */
    const char *fused_into; /* the layer whose step does this one too */
    enum cop_verdict verdict;
    const char *because; /* of FROZEN */
};

struct totals {
    int64_t macs;
    int64_t params;
    int64_t bytes;
    double ms;            /* NaN: not timed */
    double reorder_ms;    /* of it, between layouts, for no layer in particular */
    double prunable_ms;   /* of it, steps with a layer that may_shrink */
    double prunable_macs; /* share */
};

struct inspection {
    struct layer *layers; /* [n], in topological order */
    int32_t n;
    struct layer **by_id; /* [n_ids] */
    int32_t n_ids;
    struct totals totals;
};

static int64_t node_params(const struct cop_node *node)
{
    int64_t n = 0;
    for (int32_t i = 0; i < node->n_src; ++i) {
        const struct cop_value *value = node->src[i];
        const bool is_weight = value != NULL && value->data != NULL &&
                               (value->dtype == COP_F32 || value->dtype == COP_F16 ||
                                value->dtype == COP_F64);
        if (is_weight) n += cop_shape_n(&value->shape);
    }
    return n;
}

static enum cop_status list_layers(
    const struct cop_graph *graph,
    const struct cop_groups *groups,
    struct cop_arena *arena,
    struct inspection *inspection,
    struct cop_err *err)
{
    inspection->n = cop_graph_n_nodes(graph);
    for (int32_t i = 0; i < inspection->n; ++i)
        if (cop_graph_node(graph, i)->id >= inspection->n_ids)
            inspection->n_ids = cop_graph_node(graph, i)->id + 1;
    inspection->layers = COP_ARENA_NEW_N(arena, inspection->n + 1, struct layer);
    inspection->by_id = COP_ARENA_NEW_N(arena, inspection->n_ids + 1, struct layer *);
    if (inspection->layers == NULL || inspection->by_id == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < inspection->n; ++i) {
        struct layer *layer = &inspection->layers[i];
        layer->node = cop_graph_node(graph, i);
        layer->params = node_params(layer->node);
        layer->ms = (double)NAN;
        layer->verdict = cop_groups_verdict(groups, layer->node, &layer->because);
        COP_TRY(cop_node_macs(layer->node, &layer->macs, err));
        inspection->by_id[layer->node->id] = layer;
    }
    struct totals *totals = &inspection->totals;
    totals->params = cop_graph_n_params(graph);
    totals->bytes = cop_graph_param_bytes(graph);
    totals->prunable_macs = cop_groups_prunable_macs(groups);
    totals->ms = totals->reorder_ms = totals->prunable_ms = (double)NAN;
    return cop_graph_macs(graph, &totals->macs, err);
}

/* ---- time ----------------------------------------------------------------------- */

/* True when the layer gets smaller as channels go: its own, or those that it reads. */
static bool may_shrink(const struct inspection *inspection, const struct layer *layer)
{
    if (layer->verdict != COP_VERDICT_FROZEN) return true;
    for (int32_t i = 0; i < layer->node->n_src; ++i) {
        const struct cop_value *src = layer->node->src[i];
        if (src == NULL || src->producer == NULL) continue;
        if (inspection->by_id[src->producer->id]->verdict != COP_VERDICT_FROZEN)
            return true;
    }
    return false;
}

/* Gives every step's time to the first of its layers. */
static void share_out(const struct cop_plan *plan, struct inspection *inspection)
{
    struct totals *totals = &inspection->totals;
    totals->ms = totals->reorder_ms = totals->prunable_ms = 0;
    for (int32_t i = 0; i < cop_plan_n_steps(plan); ++i) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        totals->ms += step.ms;
        if (step.n_nodes == 0) {
            totals->reorder_ms += step.ms;
            continue;
        }
        struct layer *first = inspection->by_id[step.node_ids[0]];
        first->ms = isnan(first->ms) ? step.ms : first->ms + step.ms;
        bool is_prunable = false;
        for (int32_t k = 0; k < step.n_nodes; ++k) {
            struct layer *layer = inspection->by_id[step.node_ids[k]];
            if (layer != first) layer->fused_into = first->node->name;
            is_prunable = is_prunable || may_shrink(inspection, layer);
        }
        if (is_prunable) totals->prunable_ms += step.ms;
    }
}

static enum cop_status time_layers(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct inspect_options *o,
    struct inspection *inspection,
    struct cop_err *err)
{
    struct cop_plan *plan;
    struct cop_plan_times times;
    const struct cop_plan_options plan_options = {
        .mb = o->batch, .threads = (int)cli->threads, .purpose = COP_PURPOSE_INFER};
    COP_TRY(
        cop_cli_profile_plan(cli, graph, &plan_options, o->runs, &plan, &times, err));
    share_out(plan, inspection);
    cop_plan_destroy(plan);
    return COP_OK;
}

/* ---- printing --------------------------------------------------------------------- */

static cJSON *origin_of(struct cop_cli *cli, const struct cop_cli_model *model)
{
    return model->origin_json != NULL ? cop_origin_parse(cli, model->origin_json)
                                      : cop_origin_read(cli, model->graph);
}

static const char *const verdict_names[] = {
    [COP_VERDICT_PRUNABLE] = "prunable",
    [COP_VERDICT_CARRIED] = "carried",
    [COP_VERDICT_FROZEN] = "frozen"};

static void print_layer(
    struct cop_table *table, const struct layer *layer, bool is_timed)
{
    char text[COP_NUMBER_TEXT];
    char shape[COP_SHAPE_TEXT] = "-";
    const struct cop_value *dst = layer->node->dst[0];
    if (dst != NULL) cop_shape_print(&dst->shape, shape, sizeof shape);
    cop_table_add(table, "%s", layer->node->name);
    cop_table_add(table, "%s", layer->node->op->name);
    cop_table_add(table, "%s", shape);
    cop_table_add(
        table, "%s", layer->params > 0 ? cop_text_count(text, layer->params) : "");
    cop_table_add(
        table, "%s", layer->macs > 0 ? cop_text_si(text, (double)layer->macs) : "");
    if (is_timed && isnan(layer->ms))
        cop_table_add(table, "%s", layer->fused_into != NULL ? "fused" : "");
    else if (is_timed)
        cop_table_add(table, "%.3f", layer->ms);
    if (layer->verdict == COP_VERDICT_FROZEN && layer->because != NULL)
        cop_table_add(table, "frozen because %s", layer->because);
    else
        cop_table_add(table, "%s", verdict_names[layer->verdict]);
}

/* What was told of the file, before the sums. */
static void print_origin(struct cop_cli *cli, const struct cop_cli_model *model)
{
    enum { WIDTH = 12 };
    const char *preprocess = cop_graph_meta(model->graph, COP_PREPROCESS_META);
    cJSON *origin = origin_of(cli, model);
    cop_origin_print(origin, WIDTH);
    cJSON_Delete(origin);
    if (preprocess != NULL) printf("%-*s%s\n", WIDTH, "preprocess", preprocess);
    cop_origin_print_metadata(model->graph, WIDTH);
    cop_origin_print_shared(model->graph, WIDTH);
}

static enum cop_status print_text(
    struct cop_cli *cli,
    const struct cop_cli_model *model,
    const struct inspect_options *o,
    const struct inspection *inspection,
    struct cop_err *err)
{
    static const char *const timed_heads[] = {
        "<layer", "<op", "<output", ">parameters", ">MACs", ">ms", "<verdict", NULL};
    static const char *const heads[] = {
        "<layer", "<op", "<output", ">parameters", ">MACs", "<verdict", NULL};
    const struct totals *totals = &inspection->totals;
    struct cop_table table;
    char text[COP_NUMBER_TEXT];
    cop_table_init(&table, cli->arena, o->is_untimed ? heads : timed_heads);
    for (int32_t i = 0; i < inspection->n; ++i)
        print_layer(&table, &inspection->layers[i], !o->is_untimed);
    COP_TRY(cop_table_print(&table, err));
    printf("\n%-12s%s\n", "model", model->name);
    print_origin(cli, model);
    printf("%-12s%s", "parameters", cop_text_count(text, totals->params));
    printf(" (%s)\n", cop_text_bytes(text, totals->bytes));
    printf("%-12s%s per sample", "MACs", cop_text_si(text, (double)totals->macs));
    printf(
        ", %.1f %% in layers that shrink when channels go\n",
        100 * totals->prunable_macs);
    if (isnan(totals->ms)) return COP_OK;
    printf(
        "%-12s%s ms for a batch of %lld",
        "time",
        cop_text_ms(text, totals->ms),
        (long long)o->batch);
    printf(
        ", %.1f %% in steps that shrink when channels go, %.1f %% in reorders\n",
        totals->ms > 0 ? 100 * totals->prunable_ms / totals->ms : 0.0,
        totals->ms > 0 ? 100 * totals->reorder_ms / totals->ms : 0.0);
    return COP_OK;
}

static void add_origin(
    struct cop_cli *cli, cJSON *document, const struct cop_cli_model *model)
{
    cJSON *origin = origin_of(cli, model);
    cop_origin_move(origin, document);
    cJSON_Delete(origin);
    cop_json_text(
        cli, document, "preprocess", cop_graph_meta(model->graph, COP_PREPROCESS_META));
    cop_origin_add_metadata(cli, document, model->graph);
    cop_origin_add_shared(cli, document, model->graph);
}

static enum cop_status print_json(
    struct cop_cli *cli,
    const struct cop_cli_model *model,
    const struct inspect_options *o,
    const struct inspection *inspection,
    struct cop_err *err)
{
    const struct totals *totals = &inspection->totals;
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", model->name);
    add_origin(cli, document, model);
    cJSON *layers = cop_json_array(cli, document, "layers");
    for (int32_t i = 0; i < inspection->n; ++i) {
        const struct layer *layer = &inspection->layers[i];
        const struct cop_value *dst = layer->node->dst[0];
        cJSON *element = cop_json_element(cli, layers);
        cop_json_text(cli, element, "name", layer->node->name);
        cop_json_text(cli, element, "op", layer->node->op->name);
        cop_json_dims(
            cli,
            element,
            "shape",
            dst != NULL ? dst->shape.dim : NULL,
            dst != NULL ? dst->shape.rank : 0);
        cop_json_count(cli, element, "params", layer->params);
        cop_json_count(cli, element, "macs", layer->macs);
        cop_json_number(cli, element, "ms", layer->ms);
        cop_json_text(cli, element, "fused_into", layer->fused_into);
        cop_json_text(cli, element, "verdict", verdict_names[layer->verdict]);
        cop_json_text(cli, element, "because", layer->because);
    }
    cop_json_count(cli, document, "batch", o->batch);
    cop_json_count(cli, document, "params", totals->params);
    cop_json_count(cli, document, "bytes", totals->bytes);
    cop_json_count(cli, document, "macs", totals->macs);
    cop_json_number(cli, document, "prunable_macs", 100 * totals->prunable_macs);
    cop_json_number(cli, document, "ms", totals->ms);
    cop_json_number(cli, document, "reorder_ms", totals->reorder_ms);
    cop_json_number(
        cli,
        document,
        "prunable_time",
        totals->ms > 0 ? 100 * totals->prunable_ms / totals->ms : (double)NAN);
    return cop_json_print(cli, document, err);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct inspect_options *o = given;
    struct cop_cli_model model;
    struct cop_groups *groups = NULL;
    struct inspection inspection = {.n = 0};
    if (o->is_profile && o->is_untimed)
        return COP_FAIL(
            err, COP_EINVAL, "only one of --profile and --no-time can be given");
    if (o->is_profile && o->is_groups)
        return COP_FAIL(
            err, COP_EINVAL, "only one of --profile and --groups can be given");
    cli->part = &o->part;
    COP_TRY(cop_cli_open_model(cli, cli->words[0], &model, err));
    if (o->is_groups) {
        const int64_t timed_mb = o->is_untimed ? 0 : o->batch;
        const enum cop_status told = cop_cli_inspect_groups(cli, &model, timed_mb, err);
        cop_cli_close_model(&model);
        return told;
    }
    if (o->is_profile) {
        const enum cop_status done = cop_cli_inspect_profile(
            cli, model.name, model.graph, o->batch, o->runs, err);
        cop_cli_close_model(&model);
        return done;
    }
    enum cop_status status = cop_groups_find(model.graph, &groups, err);
    if (status == COP_OK)
        status = list_layers(model.graph, groups, cli->arena, &inspection, err);
    if (status == COP_OK && !o->is_untimed)
        status = time_layers(cli, model.graph, o, &inspection, err);
    if (status == COP_OK)
        status = cli->is_json ? print_json(cli, &model, o, &inspection, err)
                              : print_text(cli, &model, o, &inspection, err);
    cop_groups_destroy(groups);
    cop_cli_close_model(&model);
    return status;
}

const struct cop_verb cop_verb_inspect = {
    .name = "inspect",
    .summary = "layers: shapes, parameters, MACs, milliseconds, what may be cut",
    .operands = "MODEL",
    .examples = "coppice inspect model\n"
                "coppice inspect path/to/model.onnx --no-time\n"
                "coppice inspect model --groups\n"
                "coppice inspect model --profile",
    .about =
        "One line for each layer, in the order of computation.  Shapes are those of "
        "one\n"
        "sample.  Layers that the engine computes in one step with an earlier one are\n"
        "marked 'fused'; the step's time stands at its first layer.\n"
        "\n"
        "A layer is 'prunable' when channels it produces may be cut, 'carried' when "
        "it\n"
        "only follows its neighbours, else 'frozen', with the reason.\n"
        "\n"
        "Below the table stands what the file told: format and producer, how pictures\n"
        "become its input, metadata, weights that several nodes read, tensors that no\n"
        "node reads, and those that were widened to float32.\n"
        "\n"
        "--groups lists what is cut together instead: every tensor that one channel "
        "runs\n"
        "through, where in it, and what a step of channels saves, all else left as it "
        "is\n"
        "(time from this machine, between four measured widths).\n"
        "\n"
        "--profile shows the plan as it runs, a line for each fused step.  GFLOP/s "
        "count\n"
        "what a convolution or product is by its definition.  The peak of a step is "
        "what\n"
        "the machine's multiply-add units could do of it, or its memory, whichever is\n"
        "less (both are measured); a step passes 100 % where its data still lies in "
        "a\n"
        "cache, or where Winograd's method saves products.",
    .options = options,
    .options_size = sizeof(struct inspect_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
