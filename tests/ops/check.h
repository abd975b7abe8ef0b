/* tests/ops/check.h - the checks that every case line goes through. */
#ifndef COP_TESTS_OPS_CHECK_H
#define COP_TESTS_OPS_CHECK_H

#include "case.h"
#include "engine/engine.h"

/** One case line under test.  A check returns false, with text filled, when it fails; the
 *  counters tell what it really compared. */
struct check {
    const struct case_line *line;
    struct cop_engine *engine;
    struct cop_rng rng;
    struct ref_tensor src[REF_MAX_SRC];
    struct ref_call call; /* computed */
    struct case_graph built;
    struct cop_err err;
    char text[512];
    int64_t n_forward;   /* elements compared with the reference */
    int64_t n_folded;    /* elements of folded results compared */
    int64_t n_gradient;  /* derivatives compared with central differences */
    int64_t n_macs;      /* lines whose multiply-accumulates were counted */
    int64_t n_cut;       /* cuts compared with their masks */
    int64_t n_read;      /* nodes written, read and compared */
    int64_t n_relevance; /* balances checked */
};

/** Sets text to what the call failed with. */
bool check_status(struct check *check, enum cop_status status, const char *what);
bool check_fail(struct check *check, const char *format, ...) COP_PRINTF(2, 3);
/** |a - b| <= tolerance * (scale + |b|) for all; scale is the largest |b|. */
bool check_near(
    struct check *check,
    const char *what,
    const float *a,
    const double *b,
    int64_t n,
    double tolerance);
/** Heap array of n floats. */
float *check_floats(int64_t n);
/** Elements of a source as floats, for cop_plan_run. */
float *check_src_floats(const struct ref_tensor *tensor);
/** True for lines with at least one activation, and with a float32 result. */
bool check_is_live(const struct check *check);
bool check_is_float(const struct check *check);

/** A plan over the line's graph and the arrays it works on. */
struct check_bench {
    struct cop_plan *plan;
    float *starts[REF_MAX_SRC];
    int n_starts;
    float *ends[REF_MAX_DST];
};
/** Plans, checks the shapes that the plan tells, and runs.  Clear it also on failure. */
bool check_bench_make(
    struct check *check, enum cop_purpose purpose, struct check_bench *bench);
void check_bench_clear(struct check_bench *bench);

/* check_run.c: (1) forward, (3) shapes, (5) multiply-accumulates, folding */
bool check_forward(struct check *check);
bool check_fold(struct check *check);
bool check_macs(struct check *check);
/* check_gradient.c: (2) backward */
bool check_backward(struct check *check);
/* check_prune.c: (4) the prune oracle */
bool check_prune(struct check *check);
/* check_file.c: (6) write then read */
bool check_file(struct check *check);
/* check_relevance.c: (7) relevance in = relevance out */
bool check_relevance(struct check *check);

#endif
