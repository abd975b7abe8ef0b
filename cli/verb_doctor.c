/* cli/verb_doctor.c - is this machine fit, and do its kernels compute what they should? */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "engine/peak.h"
#include "prune/blas.h"

#include <stdio.h>

/* What the machine can do at most, on one thread and on all. */
struct peaks {
    struct cop_peak one;
    struct cop_peak all;
};

static void json_peak(
    struct cop_cli *cli, cJSON *document, const char *key, const struct cop_peak *peak)
{
    cJSON *object = cop_json_object(cli, document, key);
    cop_json_count(cli, object, "threads", peak->threads);
    cop_json_number(cli, object, "gflops_per_s", peak->gflops);
    cop_json_number(cli, object, "gb_per_s", peak->gb_per_s);
}

static enum cop_status print_json(
    struct cop_cli *cli,
    const struct cop_engine_info *info,
    const struct peaks *peaks,
    const char *fault,
    struct cop_err *err)
{
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "coppice", COPPICE_VERSION);
    cop_json_text(cli, document, "cpu", info->cpu);
    cop_json_text(cli, document, "isa", info->isa);
    cop_json_count(cli, document, "threads", info->threads);
    cop_json_count(cli, document, "channel_block", info->channel_block);
    cop_json_text(cli, document, "onednn", info->version);
    cop_json_text(cli, document, "blas", cop_blas_config());
    cop_json_text(cli, document, "sqlite", cop_store_sqlite_version());
    json_peak(cli, document, "peak_of_one", &peaks->one);
    json_peak(cli, document, "peak_of_all", &peaks->all);
    cop_json_text(cli, document, "fault", fault);
    cop_json_bool(cli, document, "ok", fault == NULL);
    return cop_json_print(cli, document, err);
}

static void print_peak(const struct cop_peak *peak)
{
    printf(
        "peak            %.1f GFLOP/s in multiply-adds, %.1f GB/s read, on %d "
        "thread%s\n",
        peak->gflops,
        peak->gb_per_s,
        peak->threads,
        peak->threads == 1 ? "" : "s");
}

static void print_text(
    const struct cop_engine_info *info, const struct peaks *peaks, const char *fault)
{
    printf("coppice         %s\n", COPPICE_VERSION);
    printf("processor       %s\n", info->cpu);
    printf("instructions    %s\n", info->isa);
    printf("threads         %d\n", info->threads);
    printf("channel block   %d\n", info->channel_block);
    printf("oneDNN          %s\n", info->version);
    printf("BLAS            %s\n", cop_blas_config());
    printf("SQLite          %s\n", cop_store_sqlite_version());
    print_peak(&peaks->one);
    print_peak(&peaks->all);
    printf("self test       %s\n", fault == NULL ? "passed" : fault);
}

static enum cop_status run(
    struct cop_cli *cli, const void *options, struct cop_err *err)
{
    (void)options;
    COP_TRY(cop_cli_open_engine(cli, err));
    struct cop_engine_info info;
    cop_engine_describe(cli->engine, &info);
    struct peaks peaks;
    COP_TRY(cop_peak_measure(1, &peaks.one, err));
    COP_TRY(cop_peak_measure(info.threads, &peaks.all, err));
    struct cop_err fault = {.status = COP_OK};
    const enum cop_status status = cop_engine_self_test(cli->engine, &fault);
    const char *text = status == COP_OK ? NULL : fault.text;
    if (cli->is_json)
        COP_TRY(print_json(cli, &info, &peaks, text, err));
    else
        print_text(&info, &peaks, text);
    if (status != COP_OK) return COP_FAIL(err, status, "self test: %s", fault.text);
    return COP_OK;
}

const struct cop_verb cop_verb_doctor = {
    .name = "doctor",
    .summary = "checks this machine and its kernels",
    .operands = "",
    .examples = "coppice doctor\ncoppice doctor --json",
    .about =
        "Tells the processor, its instructions, the libraries and the threads; "
        "measures\n"
        "how many multiply-adds it can do in float32 and how fast it reads memory, on "
        "one\n"
        "thread and on all, best of many short trials (other work makes it less); and\n"
        "compares the engine's kernels with plain loops.  Exit status 1 when one is\n"
        "wrong: then no other number of this program can be trusted here.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 0,
    .max_words = 0,
    .run = run};
