/* cli/inspect_profile.c - see inspect_profile.h. */
#include "cli/inspect_profile.h"

#include "base/mem.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "engine/peak.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- measuring -------------------------------------------------------------------- */

static enum cop_status make_arrays(
    const struct cop_plan *plan,
    struct cop_arena *arena,
    int32_t n,
    const struct cop_shape *(*shape_of)(const struct cop_plan *plan, int32_t i),
    float ***arrays,
    struct cop_err *err)
{
    *arrays = COP_ARENA_NEW_N(arena, n + 1, float *);
    if (*arrays == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; ++i) {
        const int64_t count = cop_shape_n(shape_of(plan, i));
        (*arrays)[i] = COP_ARENA_NEW_N(arena, count, float);
        if ((*arrays)[i] == NULL) return COP_FAIL_NOMEM(err);
        /* Any values but denormal ones take the same time. */
        for (int64_t k = 0; k < count; ++k)
            (*arrays)[i][k] = (float)(k % 17) * 0.1F - 0.8F;
    }
    return COP_OK;
}

static enum cop_status profile(
    struct cop_plan *plan,
    struct cop_arena *arena,
    int64_t runs,
    struct cop_plan_times *times,
    struct cop_err *err)
{
    float **starts;
    float **ends;
    const int32_t n = cop_plan_n_starts(plan);
    const int32_t n_ends = cop_plan_n_ends(plan);
    COP_TRY(make_arrays(plan, arena, n, cop_plan_start_shape, &starts, err));
    COP_TRY(make_arrays(plan, arena, n_ends, cop_plan_end_shape, &ends, err));
    const float *const *from = (const float *const *)starts;
    COP_TRY(cop_plan_run(plan, from, ends, err));
    return cop_plan_profile(plan, from, ends, (int)runs, times, err);
}

enum cop_status cop_cli_profile_plan(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    int64_t runs,
    struct cop_plan **plan,
    struct cop_plan_times *times,
    struct cop_err *err)
{
    *plan = NULL;
    COP_TRY(cop_cli_open_engine(cli, err));
    COP_TRY(cop_plan_create(cli->engine, graph, options, plan, err));
    const enum cop_status status = profile(*plan, cli->arena, runs, times, err);
    if (status == COP_OK) return COP_OK;
    cop_plan_destroy(*plan);
    *plan = NULL;
    return status;
}

/* ---- printing --------------------------------------------------------------------- */

struct report {
    const char *name;
    int64_t batch;
    const char **node_names; /* [n_ids] */
    const struct cop_plan *plan;
    struct cop_plan_times times;
    double medians_ms; /* of all steps together: what shares are shares of */
    struct cop_plan_memory memory;
    struct cop_peak peak;
};

/* What one step came to. */
struct rate {
    double share;   /* of all steps, percent */
    double gflops;  /* NaN: it multiplies nothing */
    double of_peak; /* percent of what the machine could do of it in that time */
    bool is_memory; /* that is limited by memory, else by arithmetic */
    const char *at; /* the first layer done here; NULL: a change of layout */
    char layout[2 * COP_LAYOUT_TEXT + 4];
};

static struct rate rate_of(
    const struct report *report, const struct cop_plan_step *step)
{
    struct rate rate = {.gflops = (double)NAN, .of_peak = (double)NAN};
    const double least =
        cop_peak_least_ms(&report->peak, step->flops, step->bytes, &rate.is_memory);
    rate.share = 100 * step->ms / report->medians_ms;
    if (step->flops > 0) rate.gflops = (double)step->flops / (1e6 * step->ms);
    if (step->ms > 0) rate.of_peak = 100 * least / step->ms;
    if (step->n_nodes > 0) rate.at = report->node_names[step->node_ids[0]];
    const bool is_same = strcmp(step->src_layout, step->dst_layout) == 0;
    (void)snprintf(
        rate.layout,
        sizeof rate.layout,
        "%s%s%s",
        step->src_layout,
        is_same ? "" : " > ",
        is_same ? "" : step->dst_layout);
    return rate;
}

static void add_step(
    struct cop_table *table, const struct cop_plan_step *step, const struct rate *rate)
{
    cop_table_add(table, "%.3f", step->ms);
    cop_table_add(table, "%.1f", rate->share);
    if (step->flops > 0)
        cop_table_add(table, "%.1f", rate->gflops);
    else
        cop_table_add(table, "%s", "");
    cop_table_add(table, "%.0f", rate->of_peak);
    cop_table_add(table, "%s", rate->is_memory ? "memory" : "FMA");
    cop_table_add(table, "%s", step->kind);
    cop_table_add(table, "%s", step->impl);
    cop_table_add(table, "%s", rate->layout);
    if (step->n_nodes > 1)
        cop_table_add(table, "%s +%d", rate->at, (int)(step->n_nodes - 1));
    else
        cop_table_add(table, "%s", rate->at != NULL ? rate->at : "");
}

static enum cop_status print_text(
    struct cop_cli *cli, const struct report *report, struct cop_err *err)
{
    static const char *const heads[] = {
        ">ms",
        ">%",
        ">GFLOP/s",
        ">% of peak",
        "<limit",
        "<step",
        "<implementation",
        "<layout",
        "<layers",
        NULL};
    const struct cop_plan_times *times = &report->times;
    const struct cop_plan_memory *memory = &report->memory;
    struct cop_table table;
    char text[4][COP_NUMBER_TEXT];
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < cop_plan_n_steps(report->plan); ++i) {
        struct cop_plan_step step;
        cop_plan_step(report->plan, i, &step);
        const struct rate rate = rate_of(report, &step);
        add_step(&table, &step, &rate);
    }
    COP_TRY(cop_table_print(&table, err));
    const size_t sum =
        memory->weights_bytes + memory->activation_bytes + memory->scratchpad_bytes;
    printf(
        "\n%-12s%s, a batch of %lld", "model", report->name, (long long)report->batch);
    printf(
        "\n%-12s%.1f GFLOP/s, %.1f GB/s on %d thread%s\n",
        "peak",
        report->peak.gflops,
        report->peak.gb_per_s,
        report->peak.threads,
        report->peak.threads == 1 ? "" : "s");
    printf(
        "%-12s%s: weights %s, activations %s, scratchpad %s\n",
        "memory",
        cop_text_bytes(text[0], (int64_t)sum),
        cop_text_bytes(text[1], (int64_t)memory->weights_bytes),
        cop_text_bytes(text[2], (int64_t)memory->activation_bytes),
        cop_text_bytes(text[3], (int64_t)memory->scratchpad_bytes));
    printf(
        "%-12s%s ms in steps, %.1f %% of the %s ms of a run\n",
        "time",
        cop_text_ms(text[0], times->steps_ms),
        100 * times->steps_ms / times->wall_ms,
        cop_text_ms(text[1], times->wall_ms));
    return COP_OK;
}

static void json_step(
    struct cop_cli *cli,
    cJSON *element,
    const struct report *report,
    const struct cop_plan_step *step)
{
    const struct rate rate = rate_of(report, step);
    cop_json_text(cli, element, "kind", step->kind);
    cop_json_text(cli, element, "implementation", step->impl);
    cJSON *layers = cop_json_array(cli, element, "layers");
    for (int32_t i = 0; i < step->n_nodes; ++i)
        cop_json_text_element(cli, layers, report->node_names[step->node_ids[i]]);
    cop_json_text(cli, element, "src_layout", step->src_layout);
    cop_json_text(cli, element, "dst_layout", step->dst_layout);
    cop_json_count(cli, element, "flops", step->flops);
    cop_json_count(cli, element, "bytes", step->bytes);
    cop_json_number(cli, element, "ms", step->ms);
    cop_json_number(cli, element, "share", rate.share);
    cop_json_number(cli, element, "gflops_per_s", rate.gflops);
    cop_json_number(cli, element, "of_peak", rate.of_peak);
    cop_json_text(cli, element, "limit", rate.is_memory ? "memory" : "fma");
}

static enum cop_status print_json(
    struct cop_cli *cli, const struct report *report, struct cop_err *err)
{
    const struct cop_plan_memory *memory = &report->memory;
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", report->name);
    cop_json_count(cli, document, "batch", report->batch);
    cop_json_count(cli, document, "threads", report->peak.threads);
    cop_json_number(cli, document, "peak_gflops_per_s", report->peak.gflops);
    cop_json_number(cli, document, "peak_gb_per_s", report->peak.gb_per_s);
    cJSON *steps = cop_json_array(cli, document, "steps");
    for (int32_t i = 0; i < cop_plan_n_steps(report->plan); ++i) {
        struct cop_plan_step step;
        cop_plan_step(report->plan, i, &step);
        json_step(cli, cop_json_element(cli, steps), report, &step);
    }
    cop_json_count(cli, document, "weights_bytes", (int64_t)memory->weights_bytes);
    cop_json_count(
        cli, document, "activation_bytes", (int64_t)memory->activation_bytes);
    cop_json_count(
        cli, document, "scratchpad_bytes", (int64_t)memory->scratchpad_bytes);
    cop_json_number(cli, document, "steps_ms", report->times.steps_ms);
    cop_json_number(cli, document, "wall_ms", report->times.wall_ms);
    cop_json_number(
        cli,
        document,
        "steps_share",
        100 * report->times.steps_ms / report->times.wall_ms);
    return cop_json_print(cli, document, err);
}

/* ---- all of it -------------------------------------------------------------------- */

static enum cop_status name_nodes(
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct report *report,
    struct cop_err *err)
{
    int32_t n_ids = 0;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); ++i) {
        const int32_t id = cop_graph_node(graph, i)->id;
        if (id >= n_ids) n_ids = id + 1;
    }
    report->node_names = COP_ARENA_NEW_N(arena, n_ids + 1, const char *);
    if (report->node_names == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); ++i) {
        const struct cop_node *node = cop_graph_node(graph, i);
        report->node_names[node->id] = node->name;
    }
    return COP_OK;
}

enum cop_status cop_cli_inspect_profile(
    struct cop_cli *cli,
    const char *name,
    const struct cop_graph *graph,
    int64_t batch,
    int64_t runs,
    struct cop_err *err)
{
    struct report report = {.name = name, .batch = batch};
    struct cop_plan *plan;
    struct cop_engine_info info;
    COP_TRY(name_nodes(graph, cli->arena, &report, err));
    COP_TRY(cop_cli_open_engine(cli, err));
    cop_engine_describe(cli->engine, &info);
    const int threads = cli->threads > 0 ? (int)cli->threads : info.threads;
    COP_TRY(cop_peak_measure(threads, &report.peak, err));
    const struct cop_plan_options options = {
        .mb = batch, .threads = threads, .may_slice = true};
    COP_TRY(
        cop_cli_profile_plan(cli, graph, &options, runs, &plan, &report.times, err));
    report.plan = plan;
    for (int32_t i = 0; i < cop_plan_n_steps(plan); ++i) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        report.medians_ms += step.ms;
    }
    cop_plan_memory(plan, &report.memory);
    const enum cop_status status =
        cli->is_json ? print_json(cli, &report, err) : print_text(cli, &report, err);
    cop_plan_destroy(plan);
    return status;
}
