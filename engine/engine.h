/* engine/engine.h - runs a graph with oneDNN: plans, taps, profiles, gradients.
 *
 * A plan is compiled from a read-only graph for one batch size, thread count and purpose.
 * It keeps references on the constants it needs and none on the graph: the graph may be
 * destroyed first.  One plan serves one thread at a time; plans of one engine may run in
 * several threads at once.  All tensors at this border are plain NCHW float32. */
#ifndef COP_ENGINE_ENGINE_H
#define COP_ENGINE_ENGINE_H

#include "base/err.h"
#include "graph/graph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_engine; /* the machine: oneDNN engine, packed weights shared by plans */
struct cop_plan;

COP_NODISCARD enum cop_status cop_engine_create(
    struct cop_engine **engine, struct cop_err *err);
/** After all its plans.  Accepts NULL. */
void cop_engine_destroy(struct cop_engine *engine);

/** Plans made from now on compute convolutions in their direct form only: slower, with less
 *  rounding error. */
void cop_engine_refuse_winograd(struct cop_engine *engine);

/** Adds choices of kernels that were measured earlier and written to @p path.  A file that
 *  is missing, damaged or of another machine adds nothing.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_engine_load_tuning(
    struct cop_engine *engine, const char *path, struct cop_err *err);
/** Writes what is known, if something was measured since.  COP_EIO, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_engine_save_tuning(
    struct cop_engine *engine, const char *path, struct cop_err *err);

/** What every stored measurement says of the machine. */
struct cop_engine_info {
    char isa[32];      /* oneDNN's effective ISA, e.g. "avx512_core_vnni" */
    char version[32];  /* of oneDNN, e.g. "2.6.3" */
    char cpu[64];      /* model name as the system gives it */
    int threads;       /* processors we may use */
    int channel_block; /* channels of one vector block: 16 or 8 */
};
void cop_engine_describe(const struct cop_engine *engine, struct cop_engine_info *info);

/** Compares small random convolutions, pools, ... with plain loops.  COP_EENGINE names
 *  the first that is wrong.  For `doctor`. */
COP_NODISCARD enum cop_status cop_engine_self_test(
    struct cop_engine *engine, struct cop_err *err);

enum cop_purpose {
    COP_PURPOSE_INFER,    /* fused; only outputs and taps can be read */
    COP_PURPOSE_BACKWARD, /* unfused; every tensor stays readable; gradients */
};

struct cop_plan_options {
    int64_t mb;  /* batch size, >= 1 */
    int threads; /* OpenMP threads; 0: all */
    enum cop_purpose purpose;
    /* The plan computes from these values instead of the graph's inputs (any cut), in
     * this order.  n 0: the graph's inputs. */
    const struct cop_value *const *starts;
    int32_t n_starts;
    /* What the plan computes, in this order.  n 0: the graph's outputs. */
    const struct cop_value *const *ends;
    int32_t n_ends;
    /* Values kept readable besides the ends: fusion stops at them. */
    const struct cop_value *const *taps;
    int32_t n_taps;
    /* The batch may run in slices where that is faster: less memory, the same results; but
     * cop_plan_read then has nothing to read. */
    bool may_slice;
};

/** COP_ENOMEM, COP_ESHAPE, COP_EUNSUPPORTED (batch or operator), COP_EENGINE. */
COP_NODISCARD enum cop_status cop_plan_create(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_plan **plan,
    struct cop_err *err);
/** Accepts NULL. */
void cop_plan_destroy(struct cop_plan *plan);

/** Runs the network with each method that could compute some of its convolutions, and
 *  remembers for each kind of convolution the method that was fastest where it stands.
 *  Plans made later use it.  Does nothing if all kinds are known.  *n_measured counts the
 *  kinds that were not.  What making and running a plan returns. */
COP_NODISCARD enum cop_status cop_engine_tune(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    int32_t *n_measured,
    struct cop_err *err);

int32_t cop_plan_n_starts(const struct cop_plan *plan);
int32_t cop_plan_n_ends(const struct cop_plan *plan);
/** Shapes at the plan's batch size. */
const struct cop_shape *cop_plan_start_shape(const struct cop_plan *plan, int32_t i);
const struct cop_shape *cop_plan_end_shape(const struct cop_plan *plan, int32_t i);

/** Runs forward.  starts[i] and ends[i] hold as many floats as their shapes say; an
 *  ends[i] of NULL is not copied out.  COP_EENGINE. */
COP_NODISCARD enum cop_status cop_plan_run(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    struct cop_err *err);

/** Copies a tapped value (or start, or end) of the last run out.  The value belongs to
 *  the graph the plan was made from, and is named by its id.
 *  COP_EINVAL when it was not tapped or @p n is not its element count. */
COP_NODISCARD enum cop_status cop_plan_read(
    struct cop_plan *plan,
    int32_t value_id,
    float *elements,
    int64_t n,
    struct cop_err *err);

/** Channels that the next runs force to @p fill right after the value is computed: one
 *  byte per element of axis 1, non-zero = replaced.  NULL mask ends it.  The value must
 *  be tapped or a start; the mask is copied.  How ablation and the prune oracle work. */
COP_NODISCARD enum cop_status cop_plan_mask_channels(
    struct cop_plan *plan,
    int32_t value_id,
    const uint8_t *mask,
    float fill,
    struct cop_err *err);

/** Purpose BACKWARD, after a run: gradients of sum(diff_ends . ends) with respect to every
 *  tensor, from the gradients at the ends (NULL entries: zero). */
COP_NODISCARD enum cop_status cop_plan_backward(
    struct cop_plan *plan, const float *const *diff_ends, struct cop_err *err);
/** Copies the gradient of any value, constant ones included, after cop_plan_backward. */
COP_NODISCARD enum cop_status cop_plan_read_diff(
    struct cop_plan *plan,
    int32_t value_id,
    float *elements,
    int64_t n,
    struct cop_err *err);

/** Bytes that live while the plan does. */
struct cop_plan_memory {
    size_t weights_bytes;    /* packed constants */
    size_t activation_bytes; /* the planned block */
    size_t scratchpad_bytes;
};
void cop_plan_memory(const struct cop_plan *plan, struct cop_plan_memory *memory);

enum { COP_LAYOUT_TEXT = 24 };

/** One fused primitive of the plan.  What it does is counted for the whole batch. */
struct cop_plan_step {
    const char *kind;        /* "convolution", "reorder", ... */
    const char *impl;        /* oneDNN's implementation name, or ours */
    const int32_t *node_ids; /* graph nodes computed here; empty for pure reorders */
    int32_t n_nodes;
    int64_t flops; /* two per multiply-accumulate of a convolution or product by its
                      definition, however it is computed; else 0 */
    int64_t bytes; /* every array it reads or writes, once, without padding */
    char src_layout[COP_LAYOUT_TEXT]; /* of the first source: "nhwc", "nChw16c", ... */
    char dst_layout[COP_LAYOUT_TEXT];
    double ms; /* of the last profile, median over its repeats */
};
int32_t cop_plan_n_steps(const struct cop_plan *plan);
void cop_plan_step(const struct cop_plan *plan, int32_t i, struct cop_plan_step *step);
/** Medians over the runs of a profile. */
struct cop_plan_times {
    double steps_ms; /* all steps of a run together */
    double
        wall_ms; /* of the same runs: also what lies before, between and behind them */
};
/** Runs @p repeats times as cop_plan_run does, timing each step.  The first run of a plan
 *  is slower than others: run it before.  COP_EINVAL, COP_ENOMEM, COP_EENGINE. */
COP_NODISCARD enum cop_status cop_plan_profile(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    int repeats,
    struct cop_plan_times *times,
    struct cop_err *err);

#endif
