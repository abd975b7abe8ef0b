/* tests/importers/tf_cases_test.c - small frozen graphs compute what TensorFlow computed.
 *
 * The files in tf/ were written by make_tf_fixtures.py, which says what they hold.  `cases`
 * names them, one a line: NAME mbN, then any of phase=false (a truth value for input
 * "phase"), last=N (Transposes left after simplifying), norms=N (normalisation nodes),
 * prunable (channels can be cut). */
#include "importers_tests.h"

#include "engine/engine.h"
#include "importers/tf_read.h"
#include "ops/ops.h"
#include "prune/groups.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ENDS = 64 };

struct line {
    char name[64];
    int mb;
    int last;  /* -1: not checked */
    int norms; /* likewise */
    bool is_prunable;
    bool has_phase;
};

static bool read_line(FILE *file, struct line *line)
{
    char text[160];
    *line = (struct line){.last = -1, .norms = -1};
    if (fgets(text, sizeof text, file) == NULL) return false;
    if (sscanf(text, "%63s mb%d", line->name, &line->mb) != 2) fail_msg("%s", text);
    const char *const last = strstr(text, "last=");
    if (last != NULL) line->last = (int)strtol(last + 5, NULL, 10);
    const char *const norms = strstr(text, "norms=");
    if (norms != NULL) line->norms = (int)strtol(norms + 6, NULL, 10);
    line->is_prunable = strstr(text, " prunable") != NULL;
    line->has_phase = strstr(text, " phase=false") != NULL;
    return true;
}

static struct cop_graph *import(const struct line *line)
{
    char path[128];
    struct cop_err err;
    struct cop_buf *bytes = NULL;
    struct cop_graph *graph = NULL;
    const struct cop_tf_input phase = {.name = "phase", .is_switch = true};
    const struct cop_tf_read_options options = {
        .inputs = &phase, .n_inputs = line->has_phase};
    (void)snprintf(path, sizeof path, "tf/%s.pb", line->name);
    assert_ok(cop_buf_map(path, &bytes, &err));
    assert_true(cop_tf_is_graph(bytes));
    assert_ok(
        cop_tf_read_bytes(bytes, path, &cop_ops_standard, &options, &graph, &err));
    cop_buf_release(bytes);
    return graph;
}

/* The elements of the file's input, in the order that the graph takes them. */
static float *input_values(const struct cop_graph *graph, const struct cop_shape *shape)
{
    const int64_t n = cop_shape_n(shape);
    float *const values = calloc((size_t)n, sizeof *values);
    const bool is_turned =
        cop_graph_meta(graph, "tf.transposed_inputs") != NULL && shape->rank == 4;
    const int64_t c = is_turned ? shape->dim[1] : 1;
    const int64_t hw = is_turned ? shape->dim[2] * shape->dim[3] : n;
    for (int64_t i = 0; i < n; i++) {
        const int64_t sample = i / (c * hw);
        const int64_t pixel = i / c % hw;
        values[(sample * c + i % c) * hw + pixel] =
            (float)((i * 48271 + 11) % 65536) / 32768.0F - 1.0F;
    }
    return values;
}

static float *wanted(const struct line *line, int64_t n)
{
    char path[128];
    float more;
    float *const values = calloc((size_t)n + 1, sizeof *values);
    (void)snprintf(path, sizeof path, "tf/%s.out", line->name);
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    if (fread(values, sizeof *values, (size_t)n, file) != (size_t)n ||
        fread(&more, sizeof more, 1, file) != 0)
        fail_msg("%s has another size than the %lld results", path, (long long)n);
    (void)fclose(file);
    return values;
}

static void compare(
    const struct line *line,
    const struct cop_value *output,
    const float *got,
    const float *want,
    int64_t n)
{
    float scale = 1e-3F;
    for (int64_t i = 0; i < n; i++)
        scale = fmaxf(scale, fabsf(want[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - want[i]) <= 1e-5F * scale + 1e-5F * fabsf(want[i])))
            fail_msg(
                "%s: '%s' element %lld is %.9g, TensorFlow has %.9g",
                line->name,
                output->name,
                (long long)i,
                (double)got[i],
                (double)want[i]);
}

static void run_and_compare(
    struct cop_engine *engine, const struct line *line, const struct cop_graph *graph)
{
    struct cop_err err;
    struct cop_plan *plan = NULL;
    float *starts[4] = {NULL};
    float *ends[MAX_ENDS] = {NULL};
    int64_t n[MAX_ENDS];
    int64_t all = 0;
    const struct cop_plan_options options = {.mb = line->mb};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    for (int32_t i = 0; i < cop_plan_n_starts(plan); i++)
        starts[i] = input_values(graph, cop_plan_start_shape(plan, i));
    for (int32_t i = 0; i < cop_plan_n_ends(plan); i++) {
        n[i] = cop_shape_n(cop_plan_end_shape(plan, i));
        ends[i] = calloc((size_t)n[i], sizeof(float));
        all += n[i];
    }
    assert_ok(cop_plan_run(plan, (const float *const *)starts, ends, &err));
    float *const want = wanted(line, all);
    const float *at = want;
    for (int32_t i = 0; i < cop_plan_n_ends(plan); i++) {
        compare(line, cop_graph_output(graph, i), ends[i], at, n[i]);
        at += n[i];
        free(ends[i]);
    }
    for (int i = 0; i < 4; i++)
        free(starts[i]);
    free(want);
    cop_plan_destroy(plan);
}

static int count(const struct cop_graph *graph, const struct cop_op *op)
{
    int n = 0;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++)
        n += cop_graph_node(graph, i)->op == op;
    return n;
}

static void check_line(struct cop_engine *engine, const struct line *line)
{
    struct cop_err err;
    struct cop_graph *const graph = import(line);
    run_and_compare(engine, line, graph);
    assert_ok(cop_ops_simplify(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    run_and_compare(engine, line, graph);
    if (line->last >= 0) assert_int_equal(count(graph, &cop_op_transpose), line->last);
    if (line->norms >= 0)
        assert_int_equal(count(graph, &cop_op_batch_normalization), line->norms);
    if (line->is_prunable) {
        struct cop_groups *groups = NULL;
        assert_ok(cop_groups_find(graph, &groups, &err));
        assert_true(cop_groups_prunable_macs(groups) > 0.9);
        cop_groups_destroy(groups);
    }
    cop_graph_destroy(graph);
}

static void test_cases(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_engine *engine = NULL;
    struct line line;
    int n = 0;
    FILE *const file = fopen("tf/cases", "r");
    assert_non_null(file);
    assert_ok(cop_engine_create(&engine, &err));
    for (; read_line(file, &line); n++)
        check_line(engine, &line);
    assert_true(n >= 20);
    cop_engine_destroy(engine);
    (void)fclose(file);
}

int run_tf_cases_tests(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests_name("tf cases", tests, NULL, NULL);
}
