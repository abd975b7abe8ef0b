/* cli/verb_bench.c - how long one run takes on this machine. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "synth/evaluate.h"
#include "synth/evidence.h"

#include <stdio.h>

struct bench_options {
    int64_t batch;
    int64_t runs;
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
    {.name = NULL}};

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
    cop_json_text(cli, document, "isa", info->isa);
    cop_json_text(cli, document, "onednn", info->version);
    cop_json_text(cli, document, "cpu", info->cpu);
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
        result->threads == 1 ? "" : "s");
    printf("median       %s ms\n", cop_text_ms(text, result->median_ms));
    printf("p95          %s ms\n", cop_text_ms(text, result->p95_ms));
    printf("min          %s ms\n", cop_text_ms(text, result->min_ms));
    printf(
        "throughput   %.*f images/s\n",
        result->images_per_s < 100,
        result->images_per_s);
    printf(
        "memory       %s (weights, activations, scratchpad)\n",
        cop_text_bytes(text, result->peak_bytes));
    printf("machine      %s, %s, oneDNN %s\n", info->cpu, info->isa, info->version);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct bench_options *o = given;
    struct cop_cli_model model;
    struct cop_bench_result result;
    struct cop_engine_info info;
    COP_TRY(cop_cli_open_engine(cli, err));
    cop_engine_describe(cli->engine, &info);
    COP_TRY(cop_cli_open_model(cli, cli->words[0], &model, err));
    const struct cop_bench_options bench = {
        .mb = o->batch, .threads = (int)cli->threads, .runs = o->runs};
    enum cop_status status = cop_bench(cli->engine, model.graph, &bench, &result, err);
    if (status == COP_OK) status = store_result(cli, model.id, &result, err);
    if (status == COP_OK && cli->is_json)
        status = print_json(cli, model.name, &result, &info, err);
    else if (status == COP_OK)
        print_text(model.name, &result, &info);
    cop_cli_close_model(&model);
    return status;
}

const struct cop_verb cop_verb_bench = {
    .name = "bench",
    .summary = "latency, throughput and memory on this machine",
    .operands = "MODEL",
    .examples = "coppice bench model --batch 1 --threads 2\n"
                "coppice bench path/to/model.onnx --batch 16 --json",
    .about =
        "Times runs of the network on random inputs after a warm-up.  The result of a\n"
        "model of the project is kept and shown by list and show.",
    .options = options,
    .options_size = sizeof(struct bench_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
