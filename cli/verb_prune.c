/* cli/verb_prune.c - one cut, now: what may remain in, one smaller network out. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "exporters/onnx_write.h"
#include "synth/shrink.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct prune_options {
    struct cop_amount macs;
    struct cop_amount params;
    struct cop_amount bytes;
    struct cop_latency latency;
    int64_t blocks;
    const char *data;
    const char *val;
    const char *preprocess;
    const char *name;
    const char *file;
    const char *score;
    bool is_unrepaired;
    bool keeps_ranks;
    int64_t samples;
    int64_t seed;
    int64_t batch;
    struct cop_cli_part part;
};

static const struct cop_option options[] = {
    {.name = "macs",
     .kind = COP_OPTION_AMOUNT,
     .offset = offsetof(struct prune_options, macs),
     .operand = "REMAIN",
     .help = "multiply-accumulates that may remain: 48%, 2.1G"},
    {.name = "params",
     .kind = COP_OPTION_AMOUNT,
     .offset = offsetof(struct prune_options, params),
     .operand = "REMAIN",
     .help = "parameters that may remain: 30%, 850k"},
    {.name = "bytes",
     .kind = COP_OPTION_AMOUNT,
     .offset = offsetof(struct prune_options, bytes),
     .operand = "REMAIN",
     .help = "bytes of parameters that may remain: 25%, 10MB"},
    {.name = "latency",
     .kind = COP_OPTION_LATENCY,
     .offset = offsetof(struct prune_options, latency),
     .operand = "REMAIN",
     .help = "measured time that may remain: 60%, 12ms"},
    {.name = "blocks",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct prune_options, blocks),
     .operand = "N",
     .initial = "0",
     .max = 1000,
     .help = "leave out N whole blocks, those that cost least, and cut nothing else"},
    {.name = "data",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct prune_options, data),
     .operand = "NAME|PATH",
     .help = "calibration images, labels not needed; else pictures are made up"},
    {.name = "samples",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct prune_options, samples),
     .operand = "N",
     .initial = "512",
     .min = 1,
     .max = 1000000,
     .help = "of the calibration images"},
    {.name = "val",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct prune_options, val),
     .operand = "NAME|PATH",
     .help = "images to compare on; else those that --data has left over"},
    {.name = "name",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct prune_options, name),
     .operand = "NAME",
     .help = "of the new model, for a model of the project"},
    {.name = "output",
     .letter = 'o',
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct prune_options, file),
     .operand = "FILE.onnx",
     .help = "where to write it, for a model file"},
    {.name = "score",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct prune_options, score),
     .operand = "SCORE",
     .help = "reconstruction (if not given), magnitude, taylor, fisher, fpgm"},
    {.name = "no-repair",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct prune_options, is_unrepaired),
     .help = "cut only: to see what the repair is worth"},
    {.name = "channels-only",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct prune_options, keeps_ranks),
     .help = "no low rank, which --params and --bytes use too"},
    {.name = "seed",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct prune_options, seed),
     .operand = "N",
     .initial = "1",
     .help = "of the draw of samples; equal seeds make equal cuts"},
    {.name = "batch",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct prune_options, batch),
     .operand = "N",
     .initial = "1",
     .min = 1,
     .max = 65536,
     .help = "batch whose time counts"},
    {.name = "preprocess",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct prune_options, preprocess),
     .operand = "TEXT",
     .help = "for a path; else the model's metadata tell"},
    COP_CLI_PART_OPTIONS(struct prune_options, part),
    {.name = NULL}};

/* Everything that the verb opened, and what came of it. */
struct prune {
    const struct prune_options *o;
    struct cop_shrink_options shrink;
    struct cop_cli_model model;
    struct cop_cli_data data;
    struct cop_cli_data val;
    const char *asked; /* "prune --macs 48%" */
    struct cop_shrunk shrunk;
};

static struct cop_limit limit_of(const struct cop_amount *amount)
{
    if (!isnan(amount->ratio))
        return (struct cop_limit){.value = amount->ratio, .is_share = true};
    return (struct cop_limit){.value = isnan(amount->count) ? 0 : amount->count};
}

static enum cop_status read_options(
    const struct cop_cli *cli, struct prune *prune, struct cop_err *err)
{
    const struct prune_options *o = prune->o;
    const struct cop_amount latency = {
        .ratio = o->latency.ratio, .count = o->latency.ms};
    prune->shrink = (struct cop_shrink_options){
        .macs = limit_of(&o->macs),
        .params = limit_of(&o->params),
        .bytes = limit_of(&o->bytes),
        .latency = limit_of(&latency),
        .n_blocks = (int32_t)o->blocks,
        .score = COP_SCORE_RECONSTRUCTION,
        .is_unrepaired = o->is_unrepaired,
        .keeps_ranks = o->keeps_ranks,
        .samples = o->samples,
        .seed = (uint64_t)o->seed,
        .mb = o->batch,
        .threads = (int)cli->threads,
    };
    const struct cop_shrink_options *s = &prune->shrink;
    if (s->macs.value <= 0 && s->params.value <= 0 && s->bytes.value <= 0 &&
        s->latency.value <= 0 && s->n_blocks == 0)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "say what may remain: --macs 48%%, --params, --bytes, --latency or "
            "--blocks");
    if (o->score != NULL)
        COP_TRY(cop_score_method_parse(o->score, &prune->shrink.score, err));
    const bool is_file = cop_cli_is_model_path(cli->words[0]);
    if (is_file && o->file == NULL)
        return COP_FAIL(
            err, COP_EINVAL, "a model file: say by -o FILE.onnx where the result goes");
    if (!is_file && o->name == NULL)
        return COP_FAIL(
            err, COP_EINVAL, "say by --name NAME what the new model is called");
    if (is_file && o->name != NULL)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "--name is for models of a project; 'coppice import %s' makes it one",
            cli->words[0]);
    return o->name != NULL ? cop_cli_check_name(o->name, err) : COP_OK;
}

static const char *print_limit(
    struct cop_arena *arena,
    const char *before,
    const char *what,
    const struct cop_limit *limit,
    const char *unit)
{
    if (before == NULL || limit->value <= 0) return before;
    if (limit->is_share)
        return cop_arena_printf(
            arena, "%s --%s %g%%", before, what, 100 * limit->value);
    return cop_arena_printf(arena, "%s --%s %.9g%s", before, what, limit->value, unit);
}

static enum cop_status open_all(
    struct cop_cli *cli, struct prune *prune, struct cop_err *err)
{
    const struct prune_options *o = prune->o;
    const struct cop_shrink_options *s = &prune->shrink;
    const char *asked = print_limit(cli->arena, "prune", "macs", &s->macs, "");
    asked = print_limit(cli->arena, asked, "params", &s->params, "");
    asked = print_limit(cli->arena, asked, "bytes", &s->bytes, "");
    prune->asked = print_limit(cli->arena, asked, "latency", &s->latency, "ms");
    if (s->n_blocks > 0)
        prune->asked = cop_arena_printf(cli->arena, "prune --blocks %d", s->n_blocks);
    if (prune->asked == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_cli_open_engine(cli, err));
    cli->part = &o->part;
    COP_TRY(cop_cli_open_model(cli, cli->words[0], &prune->model, err));
    if (o->name != NULL) { /* before the work, not after it */
        struct cop_model_row taken;
        const enum cop_status status =
            cop_store_get_model(cli->store, o->name, cli->arena, &taken, NULL);
        if (status == COP_OK)
            return COP_FAIL(err, COP_EINVAL, "there is a model '%s' already", o->name);
        if (status != COP_ENOTFOUND) return status;
    }
    if (o->data != NULL)
        COP_TRY(cop_cli_open_data(
            cli, o->data, o->preprocess, prune->model.graph, &prune->data, err));
    if (o->val != NULL)
        COP_TRY(cop_cli_open_data(
            cli, o->val, o->preprocess, prune->model.graph, &prune->val, err));
    return COP_OK;
}

static enum cop_status store_model(
    struct cop_cli *cli, const struct prune *prune, struct cop_err *err)
{
    struct cop_model_row parent;
    struct cop_dataset_row data = {.sha256 = NULL};
    COP_TRY(
        cop_store_get_model(cli->store, prune->model.name, cli->arena, &parent, err));
    if (prune->data.id != 0)
        COP_TRY(
            cop_store_get_dataset(cli->store, prune->o->data, cli->arena, &data, err));
    const struct cop_shrink_origin origin = {
        .parent = &parent,
        .name = prune->o->name,
        .asked = prune->asked,
        .data_sha256 = data.sha256,
        .val_id = prune->val.id,
        .val = prune->val.dataset,
    };
    return cop_shrink_store(
        cli->store, cli->engine, &origin, &prune->shrink, &prune->shrunk, err);
}

/* ---- text ---------------------------------------------------------------------------- */

static void print_reached(
    const char *what,
    const struct cop_limit *limit,
    const char *asked,
    double before,
    double after)
{
    if (limit->value <= 0) return;
    printf(
        "%-13s%.1f %% of the %s; asked for at most %s\n",
        "reached",
        100 * after / before,
        what,
        asked);
}

static void print_asked(const struct prune *prune)
{
    const struct cop_shrink_options *s = &prune->shrink;
    const struct cop_shrunk_size *before = &prune->shrunk.before;
    const struct cop_shrunk_size *after = &prune->shrunk.after;
    const struct {
        const char *what;
        const struct cop_limit *limit;
        double before, after;
    } rows[] = {
        {"MACs", &s->macs, (double)before->macs, (double)after->macs},
        {"parameters", &s->params, (double)before->params, (double)after->params},
        {"bytes", &s->bytes, (double)before->bytes, (double)after->bytes},
        {"time", &s->latency, 1.0, prune->shrunk.time_share},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        char text[64];
        char number[COP_NUMBER_TEXT];
        if (rows[i].limit->is_share)
            snprintf(text, sizeof text, "%.4g %%", 100 * rows[i].limit->value);
        else if (rows[i].limit == &s->latency)
            snprintf(text, sizeof text, "%.4g ms", rows[i].limit->value);
        else
            snprintf(
                text, sizeof text, "%s", cop_text_si(number, rows[i].limit->value));
        print_reached(rows[i].what, rows[i].limit, text, rows[i].before, rows[i].after);
    }
}

static enum cop_status print_sizes(
    struct cop_cli *cli, const struct cop_shrunk *shrunk, struct cop_err *err)
{
    static const char *const heads[] = {"<", ">before", ">after", ">left %", NULL};
    const struct cop_shrunk_size *before = &shrunk->before;
    const struct cop_shrunk_size *after = &shrunk->after;
    char text[COP_NUMBER_TEXT];
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    cop_table_add(&table, "MACs");
    cop_table_add(&table, "%s", cop_text_si(text, (double)before->macs));
    cop_table_add(&table, "%s", cop_text_si(text, (double)after->macs));
    cop_table_add(&table, "%.1f", 100 * (double)after->macs / (double)before->macs);
    cop_table_add(&table, "parameters");
    cop_table_add(&table, "%s", cop_text_count(text, before->params));
    cop_table_add(&table, "%s", cop_text_count(text, after->params));
    cop_table_add(&table, "%.1f", 100 * (double)after->params / (double)before->params);
    cop_table_add(&table, "size");
    cop_table_add(&table, "%s", cop_text_bytes(text, before->bytes));
    cop_table_add(&table, "%s", cop_text_bytes(text, after->bytes));
    cop_table_add(&table, "%.1f", 100 * (double)after->bytes / (double)before->bytes);
    cop_table_add(&table, "milliseconds");
    cop_table_add(&table, "%s", cop_text_ms(text, before->ms));
    cop_table_add(&table, "%s", cop_text_ms(text, after->ms));
    cop_table_add(&table, "%.1f", 100 * shrunk->time_share);
    if (!isnan(shrunk->evaluations[0].top1) && shrunk->evaluations[0].n > 0) {
        cop_table_add(&table, "top-1 %%");
        cop_table_add(&table, "%.2f", shrunk->evaluations[0].top1);
        cop_table_add(&table, "%.2f", shrunk->evaluations[1].top1);
        cop_table_add(&table, "%s", "");
    }
    return cop_table_print(&table, err);
}

/* Which images a number was taken on, in words. */
static const char *compared_on(const struct prune *prune)
{
    if (prune->o->val != NULL) return prune->o->val;
    return prune->shrunk.is_held_out ? "images not used for calibration"
                                     : "the calibration images themselves";
}

static void print_shared(const struct cop_shrunk *shrunk)
{
    if (shrunk->n_shared == 0) return;
    printf(
        "%-13s%lld of these samples were calibrated on: not held out\n",
        "shared",
        (long long)shrunk->n_shared);
}

static void print_idle(const struct cop_shrunk *shrunk)
{
    enum { MOST_NAMED = 8 };
    if (shrunk->n_idle == 0) return;
    printf(
        "%-13s%d group%s, because cutting them saves no time: ",
        "left alone",
        shrunk->n_idle,
        shrunk->n_idle == 1 ? "" : "s");
    for (int32_t i = 0; i < shrunk->n_idle && i < MOST_NAMED; ++i)
        printf("%s%s", i > 0 ? ", " : "", shrunk->idle[i]->name);
    puts(shrunk->n_idle > MOST_NAMED ? ", ..." : "");
}

static void print_lowered(const struct cop_shrunk *shrunk)
{
    enum { MOST_NAMED = 8 };
    const struct cop_reduced_nodes *nodes = &shrunk->lowered;
    if (nodes->n == 0) return;
    printf("%-13s%d node%s: ", "low rank", nodes->n, nodes->n == 1 ? "" : "s");
    for (int32_t i = 0; i < nodes->n && i < MOST_NAMED; ++i)
        printf(
            "%s%s %lldx%lld by %lld",
            i > 0 ? ", " : "",
            nodes->at[i].name,
            (long long)nodes->at[i].n_in,
            (long long)nodes->at[i].n_out,
            (long long)nodes->at[i].rank);
    puts(nodes->n > MOST_NAMED ? ", ..." : "");
}

static void print_dropped(const struct cop_shrunk *shrunk)
{
    for (int32_t i = 0; i < shrunk->dropped.n; ++i) {
        const struct cop_dropped_block *block = &shrunk->dropped.at[i];
        printf(
            "%-13s%s: %.1f %% of the time, %.1f %% of its result not linear in its "
            "input\n",
            i == 0 ? "left out" : "",
            block->name,
            100 * block->time_share,
            100 * block->error);
    }
}

static void print_cut(const struct cop_shrunk *shrunk)
{
    const int32_t n = cop_groups_n(shrunk->groups);
    const int32_t n_frozen = cop_groups_n_frozen(shrunk->groups);
    const int32_t n_options = cop_tables_n_options(shrunk->tables);
    int32_t n_cut = 0;
    for (int32_t o = 0; o < n_options; ++o)
        n_cut += shrunk->choice[o] != 0;
    printf("%-13s%d of %d groups; %d are frozen", "cut", n_cut, n, n_frozen);
    const int32_t n_narrow = n - n_frozen - n_options;
    if (n_narrow > 0)
        printf(", %d %s too narrow to cut", n_narrow, n_narrow == 1 ? "is" : "are");
    putchar('\n');
}

/* Two ways to choose the widths were tried: which was kept, and why. */
static void print_allocation(const struct cop_shrunk *shrunk)
{
    static const char *const names[COP_N_ALLOCATIONS] = {
        [COP_BY_TABLES] = "what each layer loses",
        [COP_BY_INQUIRY] = "what the outputs lose",
    };
    if (!shrunk->is_contested) return;
    const enum cop_allocation kept = shrunk->allocation;
    const enum cop_allocation other =
        kept == COP_BY_TABLES ? COP_BY_INQUIRY : COP_BY_TABLES;
    printf(
        "%-13sby %s: outputs off by %.2f %% in a trial; by %s: %.2f %%\n",
        "widths",
        names[kept],
        100 * shrunk->allocation_errors[kept],
        names[other],
        100 * shrunk->allocation_errors[other]);
}

static const char *ground_of(const struct prune *prune)
{
    if (prune->shrink.is_unrepaired) return "not repaired, as asked";
    if (prune->shrunk.is_blind)
        return "no images were given: channels merged; images do much better";
    return "repaired by least squares";
}

static enum cop_status print_text(
    struct cop_cli *cli, const struct prune *prune, struct cop_err *err)
{
    const struct cop_shrunk *shrunk = &prune->shrunk;
    print_asked(prune);
    putchar('\n');
    COP_TRY(print_sizes(cli, shrunk, err));
    printf(
        "\n%-13sbatch %lld, %d thread%s, timed in turn with the original\n",
        "time",
        (long long)shrunk->benches[1].mb,
        shrunk->benches[1].threads,
        shrunk->benches[1].threads == 1 ? "" : "s");
    if (!isnan(shrunk->agreement))
        printf(
            "%-13s%.2f %% of the answers on %lld samples (%s)\n",
            "same answer",
            shrunk->agreement,
            (long long)shrunk->evaluations[0].n,
            compared_on(prune));
    else
        printf("%-13snot compared: no images\n", "same answer");
    print_shared(shrunk);
    print_cut(shrunk);
    print_allocation(shrunk);
    print_lowered(shrunk);
    print_dropped(shrunk);
    print_idle(shrunk);
    printf("%-13s%s, ", "by", cop_score_method_name(prune->shrink.score));
    printf(
        "%lld %s; ",
        (long long)shrunk->n_calibration,
        shrunk->is_blind ? "made-up pictures" : "samples");
    puts(ground_of(prune));
    if (prune->o->file != NULL) printf("wrote %s\n", prune->o->file);
    if (prune->o->name != NULL)
        printf(
            "kept as %s; next: coppice compare %s %s, coppice why %s LAYER\n",
            prune->o->name,
            prune->model.name,
            prune->o->name,
            prune->o->name);
    return COP_OK;
}

/* ---- JSON ----------------------------------------------------------------------------- */

static void json_size(
    struct cop_cli *cli,
    cJSON *document,
    const char *key,
    const struct cop_shrunk_size *size,
    const struct cop_evaluation *evaluation)
{
    cJSON *object = cop_json_object(cli, document, key);
    cop_json_count(cli, object, "macs", size->macs);
    cop_json_count(cli, object, "params", size->params);
    cop_json_count(cli, object, "bytes", size->bytes);
    cop_json_number(cli, object, "ms", size->ms);
    cop_json_number(
        cli, object, "top1", evaluation->n > 0 ? evaluation->top1 : (double)NAN);
}

static void json_limit(
    struct cop_cli *cli,
    cJSON *asked,
    const char *key,
    const struct cop_limit *limit,
    double before)
{
    double left = limit->is_share ? limit->value * before : limit->value;
    cop_json_number(cli, asked, key, limit->value > 0 ? left : (double)NAN);
}

static void json_allocation(
    struct cop_cli *cli, cJSON *document, const struct cop_shrunk *shrunk)
{
    const double *errors = shrunk->allocation_errors;
    const bool is_tried = shrunk->is_contested;
    const char *by = shrunk->allocation == COP_BY_TABLES ? "tables" : "inquired";
    cJSON *object = cop_json_object(cli, document, "allocation");
    cop_json_text(cli, object, "by", is_tried ? by : NULL);
    cop_json_number(
        cli, object, "error_tables", is_tried ? errors[COP_BY_TABLES] : (double)NAN);
    cop_json_number(
        cli, object, "error_inquired", is_tried ? errors[COP_BY_INQUIRY] : (double)NAN);
}

static enum cop_status print_json(
    struct cop_cli *cli, const struct prune *prune, struct cop_err *err)
{
    const struct cop_shrunk *shrunk = &prune->shrunk;
    const struct cop_shrink_options *s = &prune->shrink;
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", prune->model.name);
    cop_json_text(cli, document, "name", prune->o->name);
    cop_json_text(cli, document, "file", prune->o->file);
    cJSON *asked = cop_json_object(cli, document, "asked");
    json_limit(cli, asked, "macs", &s->macs, (double)shrunk->before.macs);
    json_limit(cli, asked, "params", &s->params, (double)shrunk->before.params);
    json_limit(cli, asked, "bytes", &s->bytes, (double)shrunk->before.bytes);
    json_limit(cli, asked, "ms", &s->latency, shrunk->before.ms);
    json_size(cli, document, "before", &shrunk->before, &shrunk->evaluations[0]);
    json_size(cli, document, "after", &shrunk->after, &shrunk->evaluations[1]);
    cop_json_number(cli, document, "faster", 1 / shrunk->time_share);
    cop_json_number(cli, document, "agreement", shrunk->agreement);
    cop_json_count(cli, document, "compared", shrunk->evaluations[0].n);
    cop_json_bool(cli, document, "held_out", shrunk->is_held_out);
    cop_json_text(cli, document, "score", cop_score_method_name(s->score));
    cop_json_count(cli, document, "samples", shrunk->n_calibration);
    cop_json_bool(cli, document, "made_up", shrunk->is_blind);
    cop_json_bool(cli, document, "repaired", !s->is_unrepaired);
    json_allocation(cli, document, shrunk);
    cJSON *groups = cop_json_array(cli, document, "cut");
    for (int32_t i = 0; i < cop_tables_n_options(shrunk->tables); ++i) {
        const struct cop_cut_option *option = cop_tables_option(shrunk->tables, i);
        if (shrunk->choice[i] == 0) continue;
        cJSON *element = cop_json_element(cli, groups);
        cop_json_text(cli, element, "layer", option->group->name);
        cop_json_count(cli, element, "width_before", option->widths[0]);
        cop_json_count(cli, element, "width_after", option->widths[shrunk->choice[i]]);
    }
    cJSON *lowered = cop_json_array(cli, document, "low_rank");
    for (int32_t i = 0; i < shrunk->lowered.n; ++i) {
        cJSON *element = cop_json_element(cli, lowered);
        cop_json_text(cli, element, "layer", shrunk->lowered.at[i].name);
        cop_json_count(cli, element, "rank", shrunk->lowered.at[i].rank);
        cop_json_number(cli, element, "error", shrunk->lowered.at[i].error);
    }
    cJSON *blocks = cop_json_array(cli, document, "left_out");
    for (int32_t i = 0; i < shrunk->dropped.n; ++i) {
        cJSON *element = cop_json_element(cli, blocks);
        cop_json_text(cli, element, "block", shrunk->dropped.at[i].name);
        cop_json_number(cli, element, "error", shrunk->dropped.at[i].error);
        cop_json_number(cli, element, "time_share", shrunk->dropped.at[i].time_share);
    }
    cJSON *idle = cop_json_array(cli, document, "saves_no_time");
    for (int32_t i = 0; i < shrunk->n_idle; ++i)
        cop_json_text_element(cli, idle, shrunk->idle[i]->name);
    return cop_json_print(cli, document, err);
}

/* ---- the verb -------------------------------------------------------------------------- */

static enum cop_status cut(
    struct cop_cli *cli, struct prune *prune, struct cop_err *err)
{
    COP_TRY(read_options(cli, prune, err));
    COP_TRY(open_all(cli, prune, err));
    const struct cop_shrink_input input = {
        .graph = prune->model.graph,
        .data = prune->data.dataset,
        .val = prune->val.dataset,
    };
    COP_TRY(cop_shrink(
        cli->engine, &input, &prune->shrink, &cli->progress, &prune->shrunk, err));
    if (prune->o->file != NULL)
        COP_TRY(cop_onnx_write_file(prune->shrunk.graph, prune->o->file, err));
    if (prune->o->name != NULL) COP_TRY(store_model(cli, prune, err));
    return cli->is_json ? print_json(cli, prune, err) : print_text(cli, prune, err);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    struct prune prune = {.o = given};
    const enum cop_status status = cut(cli, &prune, err);
    if (prune.shrunk.arena != NULL) cop_shrunk_clear(&prune.shrunk);
    cop_cli_close_data(&prune.data);
    cop_cli_close_data(&prune.val);
    cop_cli_close_model(&prune.model);
    return status;
}

const struct cop_verb cop_verb_prune = {
    .name = "prune",
    .summary = "one cut, now: what may remain in, one smaller network out",
    .operands = "MODEL --macs 48% --data CALIB --name NAME",
    .examples = "coppice prune model --macs 48% --data calib --name half\n"
                "coppice prune model --latency 60% --data calib --val val --name fast\n"
                "coppice prune net.onnx --bytes 2MB --data ./photos/ -o small.onnx",
    .about =
        "Cuts whole channels until no more than what was asked remains, repairs the "
        "rest\n"
        "in closed form on the calibration images, and measures what came out: size, "
        "time\n"
        "in turn with the original, equal answers.  Widths go in the steps that this\n"
        "machine computes in; with --latency alone, groups whose cutting saves no "
        "time\n"
        "are left alone and named.  With --params or --bytes alone, wide layers may "
        "also\n"
        "become two narrow ones (low rank), wherever that costs less than channels.\n"
        "--blocks N leaves out residual blocks and cells instead, one by one.\n"
        "\n"
        "--score says which channels go: reconstruction, what the following layers "
        "cannot "
        "make\n"
        "up for (the default with images); magnitude, the norm of the weights "
        "(without);\n"
        "taylor and fisher, first and second order of the loss, against labels where "
        "the\n"
        "images have them, else against the network's own answers; fpgm, the filters "
        "that\n"
        "others of their layer replace best.\n"
        "\n"
        "Without --data channels are merged: what a removed one did is given to those "
        "that\n"
        "answer alike on made-up pictures.  A few hundred real ones do much better.\n"
        "\n"
        "If the result is not what was asked, nothing is written or kept and the exit\n"
        "status is 4; the message says what can be had.  Ctrl-C leaves nothing behind.",
    .options = options,
    .options_size = sizeof(struct prune_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
