/* tests/peers/run_model.c - runs a model on raw float files, for comparisons with peers.
 *
 *   run_model MODEL.onnx BATCH PREFIX
 *
 * reads PREFIX.in0, PREFIX.in1, ... (float32, NCHW) and writes PREFIX.out0, ... */
#include "engine/engine.h"
#include "importers/onnx_read.h"
#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_FILES = 32 };

/** What one run needs. */
struct job {
    struct cop_graph *graph;
    struct cop_engine *engine;
    struct cop_plan *plan;
    float *in[MAX_FILES];
    float *out[MAX_FILES];
};

static enum cop_status prepare(
    struct job *job, const char *path, int64_t mb, struct cop_err *err)
{
    COP_TRY(cop_onnx_read_file(path, &cop_ops_standard, &job->graph, err));
    COP_TRY(cop_ops_simplify(job->graph, err));
    COP_TRY(cop_engine_create(&job->engine, err));
    const struct cop_plan_options options = {.mb = mb};
    COP_TRY(cop_plan_create(job->engine, job->graph, &options, &job->plan, err));
    if (cop_plan_n_starts(job->plan) > MAX_FILES ||
        cop_plan_n_ends(job->plan) > MAX_FILES)
        return COP_FAIL(err, COP_ELIMIT, "at most %d inputs and outputs", MAX_FILES);
    return COP_OK;
}

static enum cop_status transfer(
    const char *prefix,
    const char *kind,
    int i,
    const struct cop_shape *shape,
    float *floats,
    struct cop_err *err)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s.%s%d", prefix, kind, i);
    const bool is_input = kind[0] == 'i';
    FILE *const file = fopen(path, is_input ? "rb" : "wb");
    if (file == NULL) return COP_FAIL(err, COP_ENOTFOUND, "cannot open %s", path);
    const size_t n = (size_t)cop_shape_n(shape);
    const size_t done = is_input ? fread(floats, sizeof *floats, n, file)
                                 : fwrite(floats, sizeof *floats, n, file);
    (void)fclose(file);
    if (done == n) return COP_OK;
    return COP_FAIL(err, COP_EIO, "%s has %zu elements, wanted %zu", path, done, n);
}

static enum cop_status run(struct job *job, const char *prefix, struct cop_err *err)
{
    const int32_t n_in = cop_plan_n_starts(job->plan);
    const int32_t n_out = cop_plan_n_ends(job->plan);
    for (int32_t i = 0; i < n_in; i++) {
        const struct cop_shape *const shape = cop_plan_start_shape(job->plan, i);
        job->in[i] = calloc((size_t)cop_shape_n(shape) + 1, sizeof(float));
        if (job->in[i] == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(transfer(prefix, "in", i, shape, job->in[i], err));
    }
    for (int32_t i = 0; i < n_out; i++) {
        const struct cop_shape *const shape = cop_plan_end_shape(job->plan, i);
        job->out[i] = calloc((size_t)cop_shape_n(shape) + 1, sizeof(float));
        if (job->out[i] == NULL) return COP_FAIL_NOMEM(err);
    }
    COP_TRY(cop_plan_run(job->plan, (const float *const *)job->in, job->out, err));
    for (int32_t i = 0; i < n_out; i++) {
        const struct cop_shape *const shape = cop_plan_end_shape(job->plan, i);
        COP_TRY(transfer(prefix, "out", i, shape, job->out[i], err));
    }
    return COP_OK;
}

int main(int n_args, char **args)
{
    struct cop_err err;
    struct job job = {0};
    if (n_args != 4) {
        fprintf(stderr, "usage: run_model MODEL.onnx BATCH PREFIX\n");
        return 2;
    }
    enum cop_status status = prepare(&job, args[1], strtoll(args[2], NULL, 10), &err);
    if (status == COP_OK) status = run(&job, args[3], &err);
    if (status != COP_OK) fprintf(stderr, "run_model: %s\n", err.text);
    for (int i = 0; i < MAX_FILES; i++) {
        free(job.in[i]);
        free(job.out[i]);
    }
    cop_plan_destroy(job.plan);
    cop_engine_destroy(job.engine);
    cop_graph_destroy(job.graph);
    return status == COP_OK ? 0 : 1;
}
