/* tests/peers/run_node.c - runs one-node models for node_tests.py.
 *
 * Reads lines "MODEL PREFIX" from standard input.  For each it runs the model at batch 1 on
 * PREFIX.in0, PREFIX.in1, ... (float32), writes PREFIX.out0, ... (float64, whatever the
 * type) and prints one line: "ok" and type and shape of every output, or "refused" and the
 * kind of error and its text. */
#include "engine/engine.h"
#include "importers/onnx_read.h"
#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 16, MAX_PATH = 512 };

/** What one line needs. */
struct job {
    const char *prefix;
    struct cop_engine *engine;
    struct cop_graph *graph;
    struct cop_arena *arena;
    struct cop_fact *facts;
    struct cop_plan *plan;
    const struct cop_value *ends[MAX_FILES]; /* outputs that are computed */
    int32_t n_ends;
    float *in[MAX_FILES];
    float *out[MAX_FILES];
};

static void clear(struct job *job)
{
    for (int i = 0; i < MAX_FILES; i++) {
        free(job->in[i]);
        free(job->out[i]);
    }
    cop_plan_destroy(job->plan);
    cop_arena_destroy(job->arena);
    cop_graph_destroy(job->graph);
}

static FILE *open_file(const struct job *job, const char *kind, int i, const char *mode)
{
    char path[MAX_PATH + 16];
    (void)snprintf(path, sizeof path, "%s.%s%d", job->prefix, kind, i);
    return fopen(path, mode);
}

static enum cop_status read_inputs(struct job *job, struct cop_err *err)
{
    for (int32_t i = 0; i < cop_plan_n_starts(job->plan); i++) {
        const size_t n = (size_t)cop_shape_n(cop_plan_start_shape(job->plan, i));
        FILE *const file = open_file(job, "in", i, "rb");
        job->in[i] = calloc(n + 1, sizeof(float));
        const size_t got = file != NULL && job->in[i] != NULL
                               ? fread(job->in[i], sizeof(float), n, file)
                               : 0;
        if (file != NULL) (void)fclose(file);
        if (got != n)
            return COP_FAIL(
                err, COP_EIO, "input %d has %zu elements, wanted %zu", (int)i, got, n);
    }
    return COP_OK;
}

/* Outputs that are known need no plan: constants have types that the engine has not. */
static enum cop_status compute(struct job *job, struct cop_err *err)
{
    for (int32_t i = 0; i < cop_graph_n_outputs(job->graph); i++) {
        const struct cop_value *const value = cop_graph_output(job->graph, i);
        if (i == MAX_FILES) return COP_FAIL(err, COP_ELIMIT, "too many outputs");
        if (job->facts[value->id].data == NULL) job->ends[job->n_ends++] = value;
    }
    if (job->n_ends == 0) return COP_OK;
    const struct cop_plan_options options = {
        .mb = 1, .threads = 1, .ends = job->ends, .n_ends = job->n_ends};
    COP_TRY(cop_plan_create(job->engine, job->graph, &options, &job->plan, err));
    if (cop_plan_n_starts(job->plan) > MAX_FILES)
        return COP_FAIL(err, COP_ELIMIT, "too many inputs");
    COP_TRY(read_inputs(job, err));
    for (int32_t i = 0; i < job->n_ends; i++) {
        const int64_t n = cop_shape_n(cop_plan_end_shape(job->plan, i));
        job->out[i] = calloc((size_t)n + 1, sizeof(float));
        if (job->out[i] == NULL) return COP_FAIL_NOMEM(err);
    }
    return cop_plan_run(job->plan, (const float *const *)job->in, job->out, err);
}

static enum cop_status run(struct job *job, const char *path, struct cop_err *err)
{
    COP_TRY(cop_onnx_read_file(path, &cop_ops_standard, &job->graph, err));
    COP_TRY(cop_ops_simplify(job->graph, err));
    job->arena = cop_arena_create();
    if (job->arena == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_graph_facts(job->graph, 1, job->arena, &job->facts, err));
    return compute(job, err);
}

/* Every output as doubles; the line tells its type and shape. */
static void tell(const struct job *job)
{
    int32_t end = 0;
    printf("ok");
    for (int32_t i = 0; i < cop_graph_n_outputs(job->graph); i++) {
        const struct cop_fact *const fact =
            &job->facts[cop_graph_output(job->graph, i)->id];
        const float *const computed = fact->data == NULL ? job->out[end++] : NULL;
        FILE *const file = open_file(job, "out", i, "wb");
        for (int64_t k = 0; file != NULL && k < cop_shape_n(&fact->shape); k++) {
            const double element = computed != NULL
                                       ? (double)computed[k]
                                       : cop_element_at(fact->dtype, fact->data, k);
            (void)fwrite(&element, sizeof element, 1, file);
        }
        if (file != NULL) (void)fclose(file);
        char text[COP_SHAPE_TEXT];
        printf(
            " %s:%s",
            cop_dtype_name(fact->dtype),
            cop_shape_print(&fact->shape, text, sizeof text));
    }
    printf("\n");
}

int main(void)
{
    struct cop_engine *engine = NULL;
    struct cop_err err;
    char line[2 * MAX_PATH];
    if (cop_engine_create(&engine, &err) != COP_OK) {
        fprintf(stderr, "run_node: %s\n", err.text);
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *const space = strchr(line, ' ');
        if (space == NULL) break;
        *space = '\0';
        struct job job = {.engine = engine, .prefix = space + 1};
        const enum cop_status status = run(&job, line, &err);
        if (status == COP_OK)
            tell(&job);
        else
            printf("refused %s: %s\n", cop_status_text(status), err.text);
        (void)fflush(stdout);
        clear(&job);
    }
    cop_engine_destroy(engine);
    return 0;
}
