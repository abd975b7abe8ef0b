/* tests/real/speech_test.c - the speech networks, cut behind their Mfcc node, compute what
 * TensorFlow computed: speech_test speech.outputs.
 *
 * The models are those of the folder named by COPPICE_REAL; speech_outputs.py wrote the
 * numbers.  Both samples are run in one batch, which is not what the files were made for. */
#include "engine/engine.h"
#include "importers/import.h"
#include "ops/ops.h"
#include "prune/groups.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 49, COEFFICIENTS = 10, LABELS = 12, SAMPLES = 2, SKIPPED = 77 };
static const double tolerance = 1e-4;

/** One network of the table: the numbers of both samples and outputs. */
struct wanted {
    char name[64];
    char outputs[2][64];
    float numbers[2][SAMPLES][LABELS];
};

/* Four lines: two outputs of each sample. */
static bool read_wanted(FILE *file, struct wanted *wanted)
{
    for (int k = 0; k < 4; k++) {
        int sample = 0;
        const int i = k % 2;
        if (fscanf(file, "%63s %d %63s", wanted->name, &sample, wanted->outputs[i]) !=
                3 ||
            sample != k / 2)
            return false;
        for (int n = 0; n < LABELS; n++)
            if (fscanf(file, "%f", &wanted->numbers[i][sample][n]) != 1) return false;
    }
    return true;
}

static enum cop_status import(
    const char *folder,
    const struct wanted *wanted,
    struct cop_graph **graph,
    struct cop_err *err)
{
    char path[1024];
    const struct cop_tf_input input = {.name = "Mfcc"};
    const char *const outputs[2] = {wanted->outputs[0], wanted->outputs[1]};
    const struct cop_tf_read_options part = {
        .inputs = &input, .n_inputs = 1, .outputs = outputs, .n_outputs = 2};
    (void)snprintf(path, sizeof path, "%s/models/%s.pb", folder, wanted->name);
    COP_TRY(cop_import_file(path, &cop_ops_standard, &part, graph, err));
    return cop_ops_simplify(*graph, err);
}

static enum cop_status run(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    float *const outputs[2],
    struct cop_err *err)
{
    static float x[SAMPLES * FRAMES * COEFFICIENTS];
    const float *const inputs[1] = {x};
    const struct cop_plan_options options = {.mb = SAMPLES};
    struct cop_plan *plan = NULL;
    for (int64_t i = 0; i < SAMPLES * FRAMES * COEFFICIENTS; i++)
        x[i] = (float)((i * 48271 + 11) % 65536) / 8192.0F - 4.0F;
    COP_TRY(cop_plan_create(engine, graph, &options, &plan, err));
    enum cop_status status = COP_OK;
    for (int32_t i = 0; i < 2; i++)
        if (cop_shape_n(cop_plan_end_shape(plan, i)) != SAMPLES * LABELS)
            status = COP_FAIL(err, COP_ESHAPE, "output %d has another size", i);
    if (status == COP_OK) status = cop_plan_run(plan, inputs, outputs, err);
    cop_plan_destroy(plan);
    return status;
}

/* Relative to the largest number of the output. */
static enum cop_status compare(
    const struct wanted *wanted, int i, const float *got, struct cop_err *err)
{
    const float *const want = &wanted->numbers[i][0][0];
    double largest = 0;
    double worst = 0;
    for (int n = 0; n < SAMPLES * LABELS; n++) {
        largest = fmax(largest, fabs((double)want[n]));
        worst = fmax(worst, fabs((double)got[n] - (double)want[n]));
    }
    printf(
        "%s: %s differs by %.2g\n", wanted->name, wanted->outputs[i], worst / largest);
    if (worst <= tolerance * largest) return COP_OK;
    return COP_FAIL(err, COP_ESHAPE, "'%s' is not TensorFlow's", wanted->outputs[i]);
}

static enum cop_status check(
    struct cop_engine *engine,
    const char *folder,
    const struct wanted *wanted,
    struct cop_err *err)
{
    float numbers[2][SAMPLES * LABELS];
    float *const outputs[2] = {numbers[0], numbers[1]};
    struct cop_graph *graph = NULL;
    struct cop_groups *groups = NULL;
    enum cop_status status = import(folder, wanted, &graph, err);
    if (status == COP_OK) status = run(engine, graph, outputs, err);
    for (int i = 0; i < 2 && status == COP_OK; i++)
        status = compare(wanted, i, numbers[i], err);
    if (status == COP_OK) status = cop_groups_find(graph, &groups, err);
    if (status == COP_OK && cop_groups_prunable_macs(groups) < 0.99)
        status = COP_FAIL(
            err,
            COP_ESHAPE,
            "only %g of the MACs can be cut",
            cop_groups_prunable_macs(groups));
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
    return status;
}

int main(int n_args, char **args)
{
    const char *const folder = getenv("COPPICE_REAL");
    struct cop_err err = {.text = "the table of numbers is unreadable"};
    struct cop_engine *engine = NULL;
    struct wanted wanted;
    int n = 0;
    if (folder == NULL || folder[0] == '\0') {
        puts("real: COPPICE_REAL is not set: no real model is tested");
        return SKIPPED;
    }
    FILE *const file = n_args == 2 ? fopen(args[1], "r") : NULL;
    enum cop_status status = file == NULL ? COP_EIO : cop_engine_create(&engine, &err);
    while (status == COP_OK && read_wanted(file, &wanted)) {
        status = check(engine, folder, &wanted, &err);
        n++;
    }
    cop_engine_destroy(engine);
    if (file != NULL) (void)fclose(file);
    if (status == COP_OK && n == 3) return 0;
    printf("speech_test: %s\n", status == COP_OK ? "networks are missing" : err.text);
    return 1;
}
