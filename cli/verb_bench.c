/* cli/verb_bench.c - how long one run takes on this machine, and how many fit in a second
 * when several streams run. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/tuning.h"
#include "cli/verbs.h"
#include "engine/streams.h"
#include "synth/evaluate.h"
#include "synth/evidence.h"
#include "synth/throughput.h"

#include <math.h>
#include <stdio.h>

struct bench_options {
    int64_t batch;
    int64_t runs;
    int64_t streams;
    bool is_throughput;
    bool is_auto;
    bool is_untuned;
    double seconds;
    struct cop_cli_part part;
};

static const struct cop_option options[] = {
    {.name = "batch",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct bench_options, batch),
     .operand = "N",
     .initial = "1",
     .min = 1,
     .max = 65536,
     .help = "samples in one run"},
    {.name = "runs",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct bench_options, runs),
     .operand = "N",
     .min = 1,
     .max = 1000000,
     .help = "timed runs; else as many as fit in half a second, at least 30"},
    {.name = "streams",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct bench_options, streams),
     .operand = "N",
     .min = 1,
     .max = 1024,
     .help = "networks that run at the same time, each on --threads processors"},
    {.name = "throughput",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct bench_options, is_throughput),
     .help = "as many streams as there are processors for"},
    {.name = "auto",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct bench_options, is_auto),
     .help = "times every way to divide the processors into streams"},
    {.name = "untuned",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct bench_options, is_untuned),
     .help = "no measuring of kernels first: what is known, else estimates"},
    {.name = "seconds",
     .kind = COP_OPTION_TIME,
     .offset = offsetof(struct bench_options, seconds),
     .operand = "TIME",
     .initial = "1.5",
     .help = "how long streams run together, at least five times each"},
    COP_CLI_PART_OPTIONS(struct bench_options, part),
    {.name = NULL}};

static void print_machine(const struct cop_engine_info *info)
{
    printf("machine      %s, %s, oneDNN %s\n", info->cpu, info->isa, info->version);
}

static void json_machine(
    struct cop_cli *cli, cJSON *document, const struct cop_engine_info *info)
{
    cop_json_text(cli, document, "isa", info->isa);
    cop_json_text(cli, document, "onednn", info->version);
    cop_json_text(cli, document, "cpu", info->cpu);
}

static void print_images(double images_per_s)
{
    printf("throughput   %.*f images/s\n", images_per_s < 100, images_per_s);
}

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

/* ---- one plan ------------------------------------------------------------------------- */

static enum cop_status store_result(
    struct cop_cli *cli,
    int64_t model_id,
    const struct cop_bench_result *result,
    struct cop_err *err)
{
    if (model_id == 0) return COP_OK;
    const struct cop_evidence evidence = {
        .store = cli->store,
        .engine = cli->engine,
        .threads = result->threads,
        .model_id = model_id};
    return cop_evidence_put_measurement(&evidence, result, err);
}

static enum cop_status print_json(
    struct cop_cli *cli,
    const char *name,
    const struct cop_bench_result *result,
    const struct cop_engine_info *info,
    struct cop_err *err)
{
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", name);
    cop_json_count(cli, document, "batch", result->mb);
    cop_json_count(cli, document, "threads", result->threads);
    cop_json_count(cli, document, "runs", result->runs);
    cop_json_number(cli, document, "median_ms", result->median_ms);
    cop_json_number(cli, document, "p95_ms", result->p95_ms);
    cop_json_number(cli, document, "min_ms", result->min_ms);
    cop_json_number(cli, document, "images_per_s", result->images_per_s);
    cop_json_count(cli, document, "peak_bytes", result->peak_bytes);
    json_machine(cli, document, info);
    return cop_json_print(cli, document, err);
}

static void print_text(
    const char *name,
    const struct cop_bench_result *result,
    const struct cop_engine_info *info)
{
    char text[COP_NUMBER_TEXT];
    printf("model        %s\n", name);
    printf(
        "runs         %lld with a batch of %lld on %d thread%s\n",
        (long long)result->runs,
        (long long)result->mb,
        result->threads,
        plural(result->threads));
    printf("median       %s ms\n", cop_text_ms(text, result->median_ms));
    printf("p95          %s ms\n", cop_text_ms(text, result->p95_ms));
    printf("min          %s ms\n", cop_text_ms(text, result->min_ms));
    print_images(result->images_per_s);
    printf(
        "memory       %s (weights, activations, scratchpad)\n",
        cop_text_bytes(text, result->peak_bytes));
    print_machine(info);
}

static enum cop_status bench_one(
    struct cop_cli *cli,
    const struct cop_cli_model *model,
    const struct bench_options *o,
    const struct cop_engine_info *info,
    struct cop_err *err)
{
    struct cop_bench_result result;
    const struct cop_plan_options plan = {
        .mb = o->batch, .threads = (int)cli->threads, .may_slice = true};
    const struct cop_bench_options bench = {
        .mb = o->batch, .threads = (int)cli->threads, .runs = o->runs};
    if (!o->is_untuned) COP_TRY(cop_cli_tune(cli, model->graph, &plan, err));
    COP_TRY(cop_bench(cli->engine, model->graph, &bench, &result, err));
    COP_TRY(store_result(cli, model->id, &result, err));
    if (cli->is_json) return print_json(cli, model->name, &result, info, err);
    print_text(model->name, &result, info);
    return COP_OK;
}

/* ---- streams -------------------------------------------------------------------------- */

static void json_latency(
    struct cop_cli *cli, cJSON *object, const struct cop_latency_stats *stats)
{
    cop_json_count(cli, object, "runs", stats->runs);
    cop_json_number(cli, object, "median_ms", stats->median_ms);
    cop_json_number(cli, object, "p90_ms", stats->p90_ms);
    cop_json_number(cli, object, "p99_ms", stats->p99_ms);
}

static void json_throughput(
    struct cop_cli *cli, cJSON *object, const struct cop_throughput *result)
{
    cop_json_count(cli, object, "streams", result->streams);
    cop_json_count(cli, object, "threads", result->threads);
    cop_json_bool(cli, object, "pinned", result->is_pinned);
    cop_json_number(cli, object, "images_per_s", result->images_per_s);
    json_latency(cli, object, &result->all);
    cop_json_count(cli, object, "peak_bytes", result->peak_bytes);
}

static void add_latency(struct cop_table *table, const struct cop_latency_stats *stats)
{
    char text[COP_NUMBER_TEXT];
    cop_table_add(table, "%s", cop_text_count(text, stats->runs));
    cop_table_add(table, "%s", cop_text_ms(text, stats->median_ms));
    cop_table_add(table, "%s", cop_text_ms(text, stats->p90_ms));
    cop_table_add(table, "%s", cop_text_ms(text, stats->p99_ms));
}

static enum cop_status print_streams(
    struct cop_cli *cli,
    const char *name,
    const struct cop_throughput *result,
    const struct cop_engine_info *info,
    struct cop_err *err)
{
    static const char *const heads[] = {
        "<stream", ">runs", ">median ms", ">p90 ms", ">p99 ms", NULL};
    char text[COP_NUMBER_TEXT];
    struct cop_table table;
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        cop_json_text(cli, document, "model", name);
        cop_json_count(cli, document, "batch", result->mb);
        json_throughput(cli, document, result);
        cJSON *list = cop_json_array(cli, document, "per_stream");
        for (int i = 0; i < result->streams; ++i)
            json_latency(cli, cop_json_element(cli, list), &result->each[i]);
        json_machine(cli, document, info);
        return cop_json_print(cli, document, err);
    }
    printf("model        %s\n", name);
    printf(
        "streams      %d of %d thread%s, with a batch of %lld%s\n",
        result->streams,
        result->threads,
        plural(result->threads),
        (long long)result->mb,
        result->is_pinned ? "" : "; not pinned: the system refuses");
    print_images(result->images_per_s);
    printf(
        "memory       %s (weights once, activations, scratchpads)\n",
        cop_text_bytes(text, result->peak_bytes));
    print_machine(info);
    putchar('\n');
    cop_table_init(&table, cli->arena, heads);
    for (int i = 0; i < result->streams; ++i) {
        cop_table_add(&table, "%d", i + 1);
        add_latency(&table, &result->each[i]);
    }
    cop_table_add(&table, "all");
    add_latency(&table, &result->all);
    return cop_table_print(&table, err);
}

static enum cop_status bench_streams(
    struct cop_cli *cli,
    const struct cop_cli_model *model,
    const struct bench_options *o,
    const struct cop_engine_info *info,
    struct cop_err *err)
{
    struct cop_throughput result;
    struct cop_streams_options streams = {
        .n = (int)o->streams, .threads = (int)cli->threads};
    COP_TRY(cop_streams_resolve(&streams, err));
    const struct cop_plan_options plan = {
        .mb = o->batch, .threads = streams.threads, .may_slice = true};
    if (!o->is_untuned) COP_TRY(cop_cli_tune(cli, model->graph, &plan, err));
    const struct cop_throughput_options throughput = {
        .mb = o->batch,
        .streams = (int)o->streams,
        .threads = (int)cli->threads,
        .ms = 1000 * o->seconds};
    COP_TRY(
        cop_throughput_measure(cli->engine, model->graph, &throughput, &result, err));
    const enum cop_status status = print_streams(cli, model->name, &result, info, err);
    cop_throughput_clear(&result);
    return status;
}

/* ---- all ways ------------------------------------------------------------------------- */

/* "2 streams of 1 thread" */
static const char *way(char text[COP_NUMBER_TEXT], const struct cop_throughput *result)
{
    (void)snprintf(
        text,
        COP_NUMBER_TEXT,
        "%d stream%s of %d thread%s",
        result->streams,
        plural(result->streams),
        result->threads,
        plural(result->threads));
    return text;
}

/* The choice for throughput and the one for latency, each with what it was held against:
 * one stream of all processors, or the choice for throughput. */
static void print_choices(const struct cop_divisions *divisions)
{
    char text[COP_NUMBER_TEXT];
    const struct cop_throughput *most = &divisions->at[divisions->most_images];
    const struct cop_throughput *least = &divisions->at[divisions->least_ms];
    const struct cop_throughput *other =
        &divisions->at[divisions->most_images == 0 ? divisions->n - 1 : 0];
    printf("\nthroughput   %s: ", way(text, most));
    printf("%.1f images/s", most->images_per_s);
    if (other != most)
        printf(
            ", %.1f %% more than %s",
            100 * (most->images_per_s / other->images_per_s - 1),
            way(text, other));
    printf("\nlatency      %s: ", way(text, least));
    printf("median %s ms", cop_text_ms(text, least->all.median_ms));
    if (most != least)
        printf(
            ", %s ms with %s",
            cop_text_ms(text, most->all.median_ms),
            way((char[COP_NUMBER_TEXT]){0}, most));
    putchar('\n');
}

static enum cop_status print_divisions(
    struct cop_cli *cli,
    const char *name,
    const struct cop_divisions *divisions,
    const struct cop_engine_info *info,
    struct cop_err *err)
{
    static const char *const heads[] = {
        ">streams",
        ">threads",
        ">images/s",
        ">runs",
        ">median ms",
        ">p90 ms",
        ">p99 ms",
        ">memory",
        NULL};
    char text[COP_NUMBER_TEXT];
    struct cop_table table;
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        cop_json_text(cli, document, "model", name);
        cop_json_count(cli, document, "batch", divisions->at[0].mb);
        cJSON *list = cop_json_array(cli, document, "ways");
        for (int32_t i = 0; i < divisions->n; ++i)
            json_throughput(cli, cop_json_element(cli, list), &divisions->at[i]);
        cop_json_count(cli, document, "best_for_throughput", divisions->most_images);
        cop_json_count(cli, document, "best_for_latency", divisions->least_ms);
        json_machine(cli, document, info);
        return cop_json_print(cli, document, err);
    }
    printf(
        "model        %s, with a batch of %lld\n",
        name,
        (long long)divisions->at[0].mb);
    print_machine(info);
    putchar('\n');
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < divisions->n; ++i) {
        const struct cop_throughput *at = &divisions->at[i];
        cop_table_add(&table, "%d", at->streams);
        cop_table_add(&table, "%d", at->threads);
        cop_table_add(&table, "%.1f", at->images_per_s);
        add_latency(&table, &at->all);
        cop_table_add(&table, "%s", cop_text_bytes(text, at->peak_bytes));
    }
    COP_TRY(cop_table_print(&table, err));
    print_choices(divisions);
    return COP_OK;
}

static enum cop_status bench_auto(
    struct cop_cli *cli,
    const struct cop_cli_model *model,
    const struct bench_options *o,
    const struct cop_engine_info *info,
    struct cop_err *err)
{
    struct cop_divisions divisions;
    const struct cop_throughput_options throughput = {
        .mb = o->batch, .threads = (int)cli->threads, .ms = 1000 * o->seconds};
    COP_TRY(
        cop_divisions_measure(cli->engine, model->graph, &throughput, &divisions, err));
    const enum cop_status status =
        print_divisions(cli, model->name, &divisions, info, err);
    cop_divisions_clear(&divisions);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------- */

static enum cop_status check_options(const struct bench_options *o, struct cop_err *err)
{
    const int n_ways = (o->runs > 0) + (o->streams > 0) + o->is_throughput + o->is_auto;
    if (n_ways > 1)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "only one of --runs, --streams, --throughput and --auto can be given");
    return COP_OK;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct bench_options *o = given;
    struct cop_cli_model model;
    struct cop_engine_info info;
    COP_TRY(check_options(o, err));
    COP_TRY(cop_cli_open_engine(cli, err));
    cop_engine_describe(cli->engine, &info);
    cli->part = &o->part;
    COP_TRY(cop_cli_open_model(cli, cli->words[0], &model, err));
    enum cop_status status;
    if (o->is_auto)
        status = bench_auto(cli, &model, o, &info, err);
    else if (o->streams > 0 || o->is_throughput)
        status = bench_streams(cli, &model, o, &info, err);
    else
        status = bench_one(cli, &model, o, &info, err);
    cop_cli_close_model(&model);
    return status;
}

const struct cop_verb cop_verb_bench = {
    .name = "bench",
    .summary = "latency, throughput and memory on this machine",
    .operands = "MODEL",
    .examples = "coppice bench model --batch 1 --threads 2\n"
                "coppice bench path/to/model.onnx --batch 16 --json\n"
                "coppice bench model --streams 4 --threads 2\n"
                "coppice bench model --auto",
    .about =
        "Times runs of the network on random inputs after a warm-up.  The result of a\n"
        "model of the project is kept and shown by list and show.  Convolutions of a\n"
        "kind not met before on this machine are first computed in each way there is;\n"
        "the fastest is remembered for all verbs, in $COPPICE_TUNING (\"off\": "
        "nowhere)\n"
        "or below ~/.cache.\n"
        "\n"
        "With --streams several copies run at the same time over one set of weights,\n"
        "each on processors of its own: one stream of all processors answers soonest,\n"
        "many of one thread (--throughput) do most in a given time.  Streams begin\n"
        "together; only runs during which all were at work are counted.  --auto times\n"
        "every division of the processors (of --threads, or all), up and then down\n"
        "again, and says which is best for what.  These results are only shown.",
    .options = options,
    .options_size = sizeof(struct bench_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
