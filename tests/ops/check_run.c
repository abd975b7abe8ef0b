/* tests/ops/check_run.c - forward, shapes, costs and folding of one line. */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tools ------------------------------------------------------------------------------ */

bool check_fail(struct check *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
    return false;
}

bool check_status(struct check *check, enum cop_status status, const char *what)
{
    if (status == COP_OK) return true;
    return check_fail(
        check, "%s: %s (%s)", what, cop_status_text(status), check->err.text);
}

float *check_floats(int64_t n)
{
    float *const floats = calloc((size_t)n + 1, sizeof *floats);
    if (floats == NULL) {
        fprintf(stderr, "check: out of memory\n");
        exit(1);
    }
    return floats;
}

float *check_src_floats(const struct ref_tensor *tensor)
{
    float *const floats = check_floats(ref_n(tensor));
    for (int64_t i = 0; i < ref_n(tensor); i++)
        floats[i] = (float)tensor->at[i];
    return floats;
}

bool check_is_live(const struct check *check)
{
    for (int s = 0; s < check->line->n_src; s++)
        if (check->line->src[s].kind == CASE_ACTIVATION) return true;
    return false;
}

bool check_near(
    struct check *check,
    const char *what,
    const float *a,
    const double *b,
    int64_t n,
    double tolerance)
{
    double scale = 0.0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(b[i])) scale = fmax(scale, fabs(b[i]));
    for (int64_t i = 0; i < n; i++) {
        if (isnan(b[i]) && isnan((double)a[i])) continue;
        if (isinf(b[i]) && (double)a[i] * b[i] > 0.0 && isinf((double)a[i])) continue;
        const double bound = tolerance * (scale + fabs(b[i])) + 1e-7;
        if (!(fabs((double)a[i] - b[i]) <= bound))
            return check_fail(
                check,
                "%s: element %lld of %lld is %.9g, wanted %.9g",
                what,
                (long long)i,
                (long long)n,
                (double)a[i],
                b[i]);
    }
    return true;
}

static bool same_shape(
    struct check *check,
    const char *what,
    const struct cop_shape *got,
    const struct cop_shape *want)
{
    char text[2][COP_SHAPE_TEXT];
    if (cop_shape_equal(got, want)) return true;
    return check_fail(
        check,
        "%s is %s, wanted %s",
        what,
        cop_shape_print(got, text[0], sizeof text[0]),
        cop_shape_print(want, text[1], sizeof text[1]));
}

/* ---- plans ------------------------------------------------------------------------------ */

void check_bench_clear(struct check_bench *bench)
{
    cop_plan_destroy(bench->plan);
    for (int i = 0; i < REF_MAX_SRC; i++)
        free(bench->starts[i]);
    for (int i = 0; i < REF_MAX_DST; i++)
        free(bench->ends[i]);
}

bool check_bench_make(
    struct check *check, enum cop_purpose purpose, struct check_bench *bench)
{
    memset(bench, 0, sizeof *bench);
    const struct cop_plan_options options = {
        .mb = check->line->mb, .threads = 1, .purpose = purpose};
    if (!check_status(
            check,
            cop_plan_create(
                check->engine, check->built.graph, &options, &bench->plan, &check->err),
            "plan"))
        return false;
    for (int s = 0; s < check->line->n_src; s++)
        if (check->line->src[s].kind == CASE_ACTIVATION)
            bench->starts[bench->n_starts++] = check_src_floats(&check->src[s]);
    for (int d = 0; d < check->line->n_dst; d++) {
        if (!same_shape(
                check,
                "produced shape",
                cop_plan_end_shape(bench->plan, d),
                &check->call.dst[d].shape))
            return false;
        bench->ends[d] = check_floats(ref_n(&check->call.dst[d]));
    }
    return check_status(
        check,
        cop_plan_run(
            bench->plan, (const float *const *)bench->starts, bench->ends, &check->err),
        "run");
}

/* ---- (1) forward, (3) shapes -------------------------------------------------------------- */

/* *is_known: the results are known before anything runs. */
static bool inferred_shapes(struct check *check, bool *is_known)
{
    struct cop_arena *const arena = cop_arena_create();
    struct cop_fact *facts = NULL;
    bool is_good = check_status(
        check,
        cop_graph_facts(
            check->built.graph, check->line->mb, arena, &facts, &check->err),
        "facts");
    for (int d = 0; is_good && d < check->line->n_dst; d++) {
        const struct cop_value *const value = cop_graph_output(check->built.graph, d);
        is_good = same_shape(
            check,
            "inferred shape",
            &facts[value->id].shape,
            &check->call.dst[d].shape);
        if (is_good && facts[value->id].dtype != check->call.dst[d].dtype)
            is_good = check_fail(
                check,
                "inferred type is %s, wanted %s",
                cop_dtype_name(facts[value->id].dtype),
                cop_dtype_name(check->call.dst[d].dtype));
        *is_known = facts != NULL && facts[value->id].data != NULL;
    }
    cop_arena_destroy(arena);
    return is_good;
}

bool check_is_float(const struct check *check)
{
    return check->call.dst[0].dtype == COP_F32;
}

bool check_forward(struct check *check)
{
    bool is_known = false;
    if (!inferred_shapes(check, &is_known)) return false;
    if (!check_is_live(check) || is_known) return true;
    struct check_bench bench;
    bool is_good = check_bench_make(check, COP_PURPOSE_INFER, &bench);
    for (int d = 0; is_good && d < check->line->n_dst; d++) {
        const struct ref_tensor *const want = &check->call.dst[d];
        is_good =
            check_near(check, "forward", bench.ends[d], want->at, ref_n(want), 2e-5);
        check->n_forward += ref_n(want);
    }
    check_bench_clear(&bench);
    return is_good;
}

/* ---- folding ------------------------------------------------------------------------------ */

static bool known_elements(
    struct check *check, const struct cop_fact *fact, const struct ref_tensor *want)
{
    for (int64_t i = 0; i < ref_n(want); i++) {
        const double got = cop_element_at(fact->dtype, fact->data, i);
        const double bound =
            want->dtype == COP_F32 ? 1e-6 * (1.0 + fabs(want->at[i])) : 0;
        if (!(fabs(got - want->at[i]) <= bound))
            return check_fail(
                check,
                "folded element %lld is %.9g, wanted %.9g",
                (long long)i,
                got,
                want->at[i]);
    }
    check->n_folded += ref_n(want);
    return true;
}

bool check_fold(struct check *check)
{
    struct case_graph known;
    if (!check_status(
            check,
            case_build(check->line, check->src, true, &known, &check->err),
            "all constant"))
        return false;
    struct cop_arena *const arena = cop_arena_create();
    struct cop_fact *facts = NULL;
    bool is_good = check_status(
        check, cop_graph_facts(known.graph, 1, arena, &facts, &check->err), "facts");
    for (int d = 0; is_good && d < check->line->n_dst; d++) {
        const struct cop_fact *const fact =
            &facts[cop_graph_output(known.graph, d)->id];
        if (fact->data != NULL)
            is_good = known_elements(check, fact, &check->call.dst[d]);
        else if (check->line->op->fold != cop_fold_none || !check_is_live(check))
            is_good = check_fail(check, "constant sources leave result %d unknown", d);
    }
    cop_arena_destroy(arena);
    cop_graph_destroy(known.graph);
    return is_good;
}

/* ---- (5) multiply-accumulates -------------------------------------------------------------- */

bool check_macs(struct check *check)
{
    if (!check_is_live(check)) return true;
    struct case_line one = *check->line;
    for (int s = 0; s < one.n_src; s++)
        if (one.src[s].kind == CASE_ACTIVATION) one.src[s].shape.dim[0] = 1;
    one.mb = 1;
    struct ref_tensor src[REF_MAX_SRC];
    case_draw(&one, &check->rng, src);
    struct ref_call call = case_call(&one, src);
    (void)ref_run(&call);
    const int64_t counted = call.macs;
    ref_call_clear(&call);
    case_clear(src);
    int64_t told = 0;
    if (!check_status(
            check, cop_graph_macs(check->built.graph, &told, &check->err), "macs"))
        return false;
    check->n_macs++;
    if (told == counted) return true;
    return check_fail(
        check, "macs are %lld, counted %lld", (long long)told, (long long)counted);
}
