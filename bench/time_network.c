/* bench/time_network.c - times one network, a slice at a time, on demand.
 *
 *   time_network MODEL.onnx BATCH THREADS [PREFIX]
 *
 * reads the inputs from PREFIX.in0, PREFIX.in1, ... (float32, NCHW; random numbers without
 * PREFIX), loads the model, runs it once and says how long that took.  Then it obeys lines
 * of standard input until they end, so that a driver can time several programs in turn:
 *
 *   run K          K runs; their milliseconds in one line
 *   write PREFIX   the outputs of the last run to PREFIX.out0, ...
 *   profile K      a line per step, the median of K runs: ms, kind, implementation, nodes
 *
 * It uses the calls that the command line uses, and kernels that `coppice bench` measured if
 * $COPPICE_TUNING names its file. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "importers/onnx_read.h"
#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD = 1024, MAX_RUNS = 1000000 };

struct subject {
    struct cop_graph *graph;
    struct cop_engine *engine;
    struct cop_plan *plan;
    float **starts;
    float **ends;
};

static enum cop_status transfer(
    const char *prefix,
    const char *kind, /* "in" or "out" */
    int32_t i,
    float *floats,
    int64_t n,
    struct cop_err *err)
{
    char path[MAX_WORD + 32];
    (void)snprintf(path, sizeof path, "%s.%s%d", prefix, kind, (int)i);
    const bool is_input = strcmp(kind, "in") == 0;
    FILE *const file = fopen(path, is_input ? "rb" : "wb");
    if (file == NULL) return COP_FAIL(err, COP_ENOTFOUND, "cannot open %s", path);
    const size_t done = is_input ? fread(floats, sizeof *floats, (size_t)n, file)
                                 : fwrite(floats, sizeof *floats, (size_t)n, file);
    const bool is_closed = fclose(file) == 0;
    if (done == (size_t)n && is_closed) return COP_OK;
    return COP_FAIL(err, COP_EIO, "%s: %zu of %lld elements", path, done, (long long)n);
}

/* Arrays for n tensors; @p shape_of says how large each is. */
static enum cop_status make_arrays(
    const struct cop_plan *plan,
    int32_t n,
    const struct cop_shape *(*shape_of)(const struct cop_plan *plan, int32_t i),
    float ***arrays,
    struct cop_err *err)
{
    *arrays = cop_mem_array((size_t)n + 1, sizeof **arrays); /* NULL ends it */
    if (*arrays == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        const size_t elements = (size_t)cop_shape_n(shape_of(plan, i));
        (*arrays)[i] = cop_mem_aligned(elements * sizeof(float));
        if ((*arrays)[i] == NULL) return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

static void free_arrays(float **arrays)
{
    for (float **array = arrays; array != NULL && *array != NULL; array++)
        cop_mem_free(*array);
    cop_mem_free(arrays);
}

static enum cop_status fill_starts(
    struct subject *subject, const char *prefix, struct cop_err *err)
{
    struct cop_rng rng;
    cop_rng_init(&rng, 1);
    for (int32_t i = 0; i < cop_plan_n_starts(subject->plan); i++) {
        const int64_t n = cop_shape_n(cop_plan_start_shape(subject->plan, i));
        if (prefix != NULL) {
            COP_TRY(transfer(prefix, "in", i, subject->starts[i], n, err));
            continue;
        }
        for (int64_t k = 0; k < n; k++)
            subject->starts[i][k] = (float)cop_rng_range(&rng, -1.0, 1.0);
    }
    return COP_OK;
}

static enum cop_status run(struct subject *subject, double *ms, struct cop_err *err)
{
    const double before = cop_clock_ms();
    COP_TRY(cop_plan_run(
        subject->plan, (const float *const *)subject->starts, subject->ends, err));
    *ms = cop_clock_ms() - before;
    return COP_OK;
}

/* Prints "ready LOAD FIRST": milliseconds from the file to a plan, and of the first run.
 * Reading the inputs lies between the two and is not timed. */
static enum cop_status prepare(
    struct subject *subject, char **words, const char *prefix, struct cop_err *err)
{
    const struct cop_plan_options options = {
        .mb = strtoll(words[2], NULL, 10),
        .threads = (int)strtol(words[3], NULL, 10),
        .may_slice = true};
    const double before = cop_clock_ms();
    COP_TRY(cop_onnx_read_file(words[1], &cop_ops_standard, &subject->graph, err));
    COP_TRY(cop_ops_simplify(subject->graph, err));
    COP_TRY(cop_engine_create(&subject->engine, err));
    const char *tuning = getenv("COPPICE_TUNING");
    if (tuning != NULL && strcmp(tuning, "off") != 0)
        COP_TRY(cop_engine_load_tuning(subject->engine, tuning, err));
    COP_TRY(cop_plan_create(
        subject->engine, subject->graph, &options, &subject->plan, err));
    const double load_ms = cop_clock_ms() - before;
    const struct cop_plan *const plan = subject->plan;
    COP_TRY(make_arrays(
        plan, cop_plan_n_starts(plan), cop_plan_start_shape, &subject->starts, err));
    COP_TRY(make_arrays(
        plan, cop_plan_n_ends(plan), cop_plan_end_shape, &subject->ends, err));
    COP_TRY(fill_starts(subject, prefix, err));
    double first_ms;
    COP_TRY(run(subject, &first_ms, err));
    struct cop_engine_info info;
    cop_engine_describe(subject->engine, &info);
    printf(
        "ready %.4f %.4f Coppice %s, oneDNN %s, %s\n",
        load_ms,
        first_ms,
        COPPICE_VERSION,
        info.version,
        info.isa);
    return COP_OK;
}

static enum cop_status time_runs(struct subject *subject, long n, struct cop_err *err)
{
    for (long i = 0; i < n; i++) {
        double ms;
        COP_TRY(run(subject, &ms, err));
        printf("%s%.4f", i > 0 ? " " : "", ms);
    }
    printf("\n");
    return COP_OK;
}

static enum cop_status write_ends(
    struct subject *subject, const char *prefix, struct cop_err *err)
{
    for (int32_t i = 0; i < cop_plan_n_ends(subject->plan); i++) {
        const int64_t n = cop_shape_n(cop_plan_end_shape(subject->plan, i));
        COP_TRY(transfer(prefix, "out", i, subject->ends[i], n, err));
    }
    printf("written\n");
    return COP_OK;
}

static const char *node_name(const struct cop_graph *graph, int32_t id)
{
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        const struct cop_node *const node = cop_graph_node(graph, i);
        if (node->id == id) return node->name;
    }
    return "?";
}

static enum cop_status profile(struct subject *subject, long n, struct cop_err *err)
{
    struct cop_plan_times times;
    COP_TRY(cop_plan_profile(
        subject->plan,
        (const float *const *)subject->starts,
        subject->ends,
        (int)n,
        &times,
        err));
    for (int32_t i = 0; i < cop_plan_n_steps(subject->plan); i++) {
        struct cop_plan_step step;
        cop_plan_step(subject->plan, i, &step);
        printf("%9.4f  %-14s %-24s", step.ms, step.kind, step.impl);
        for (int32_t k = 0; k < step.n_nodes; k++)
            printf(" %s", node_name(subject->graph, step.node_ids[k]));
        printf("\n");
    }
    printf("%9.4f  sum of %.4f\n", times.steps_ms, times.wall_ms);
    return COP_OK;
}

static enum cop_status obey(
    struct subject *subject, const char *line, struct cop_err *err)
{
    char verb[16];
    char word[MAX_WORD];
    if (sscanf(line, "%15s %1023s", verb, word) != 2)
        return COP_FAIL(err, COP_EINVAL, "a line is a verb and a word: %s", line);
    const long n = strtol(word, NULL, 10);
    if (strcmp(verb, "write") == 0) return write_ends(subject, word, err);
    if (n < 1 || n > MAX_RUNS)
        return COP_FAIL(err, COP_EINVAL, "1 to %d runs, not %s", MAX_RUNS, word);
    if (strcmp(verb, "run") == 0) return time_runs(subject, n, err);
    if (strcmp(verb, "profile") == 0) return profile(subject, n, err);
    return COP_FAIL(err, COP_EINVAL, "'%s' is none of run, write, profile", verb);
}

int main(int n_args, char **args)
{
    if (n_args < 4 || n_args > 5) {
        fprintf(stderr, "usage: time_network MODEL.onnx BATCH THREADS [PREFIX]\n");
        return 2;
    }
    struct cop_err err;
    struct subject subject = {0};
    char line[MAX_WORD + 32];
    enum cop_status status = prepare(&subject, args, args[4], &err);
    (void)fflush(stdout);
    while (status == COP_OK && fgets(line, sizeof line, stdin) != NULL) {
        status = obey(&subject, line, &err);
        (void)fflush(stdout);
    }
    if (status != COP_OK) fprintf(stderr, "time_network: %s\n", err.text);
    free_arrays(subject.starts);
    free_arrays(subject.ends);
    cop_plan_destroy(subject.plan);
    cop_engine_destroy(subject.engine);
    cop_graph_destroy(subject.graph);
    return status == COP_OK ? 0 : 1;
}
