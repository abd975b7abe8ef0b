/* engine/plan_impl.h - what a plan is made of; for the files of this folder only.
 *
 * A tensor of the program exists as one or more arrays, each in one layout; arrays lie in
 * storages; storages get places in the plan's block by lifetime.  A step reads and writes
 * arrays, with a oneDNN kernel or one of our loops.  All of it lives in the plan's arena. */
#ifndef COP_ENGINE_PLAN_IMPL_H
#define COP_ENGINE_PLAN_IMPL_H

#include "base/arena.h"
#include "engine/copy.h"
#include "engine/dnnl_shim.h"
#include "engine/engine.h"
#include "engine/program.h"
#include "engine/weights.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_engine {
    struct cop_dnnl *dnnl;
    struct cop_weights *weights;
    struct cop_tuner *tuner;
    bool no_winograd;
    double
        cache_bytes; /* of some cores and their share of the last level; see slices.h */
};

/** Bytes with a lifetime [first, last] counted in steps; -1 is before the first step. */
struct cop_storage {
    size_t bytes;
    int32_t first;
    int32_t last;
    bool is_kept;   /* until the next run: starts, ends, taps */
    bool is_shared; /* seen by more than one tensor: never overwritten in place */
    size_t offset;  /* in the plan's block */
};

/** Where a tensor that only a concat of channels reads may be written at once. */
struct cop_slot {
    const struct cop_prim *concat; /* NULL: none */
    int64_t first;                 /* its first channel in the result */
};

/** One tensor in one layout. */
struct cop_array {
    int32_t tensor;
    const struct cop_md *md;
    int32_t storage; /* -1: a constant, data set */
    int64_t offset;  /* elements from the start of the storage */
    float *data;     /* after cop_plan__place */
    int32_t next;    /* another array of the same tensor; -1: none */
};

struct cop_step;
/** One of our own loops; reads step->args[0 .. n_args - 1), writes the last. */
typedef enum cop_status cop_loop_fn(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err);

struct cop_step_arg {
    int role; /* enum cop_role */
    int32_t array;
};

struct cop_step {
    const char *kind;
    const char *impl;
    const struct cop_prim *prim; /* NULL: a reorder */
    const int32_t *nodes;
    int32_t n_nodes;
    struct cop_step_arg *args; /* the result is last */
    int32_t n_args;
    const struct cop_pd *pd; /* oneDNN, or */
    struct cop_kernel *kernel;
    cop_loop_fn *loop; /* ours */
    const void *loop_data;
    size_t scratchpad_bytes; /* of a loop */
    const char *tuning_key;  /* where several methods were able; else NULL */
    const char *tuning_method;
    double ms;
};

/** Channels forced to a number after a tensor is computed. */
struct cop_mask {
    int32_t value_id;
    int64_t n_channels;
    uint8_t *channels; /* on the heap; NULL: off */
    float fill;
    struct cop_offsets offsets;
};

/** How a value crosses the border of the plan. */
struct cop_port {
    int32_t tensor;
    struct cop_shape shape; /* of the whole batch */
    struct cop_copy copy;   /* to row-major; starts are row-major themselves */
    bool is_plain;
};

struct cop_backward;

struct cop_plan {
    struct cop_engine *engine;
    struct cop_arena *arena;
    struct cop_program *program;
    int threads;
    enum cop_purpose purpose;
    int method;    /* enum cop_conv_method wherever it is able; -1: choose */
    bool is_plain; /* oneDNN alone computes convolutions */

    struct cop_array *arrays;
    int32_t n_arrays;
    int32_t cap_arrays;
    int32_t *first_array;   /* by tensor; -1: none */
    int32_t *last_use;      /* by tensor: index of the last primitive that reads it */
    struct cop_slot *slots; /* by tensor: its place in the result of a concat */
    struct cop_storage *storages;
    int32_t n_storages;
    int32_t cap_storages;
    struct cop_step **steps;
    int32_t n_steps;
    int32_t cap_steps;

    float *block; /* heap, 64-byte aligned */
    void *scratchpad;
    struct cop_plan_memory memory;

    struct cop_port *starts;
    int32_t n_starts;
    struct cop_port *ends;
    int32_t n_ends;
    struct cop_mask *masks; /* by tap; channels NULL where off */
    int32_t n_masks;
    int64_t n_slices; /* runs of the steps per batch */
    bool has_run;
    struct cop_backward *backward;
};

/* ---- plan.c ------------------------------------------------------------------------- */

/** cop_plan_run; @p times as for cop_plan__run_steps, of all slices. */
COP_NODISCARD enum cop_status cop_plan__run(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    double *times,
    struct cop_err *err);
/** An empty plan; its program is set by the caller before it is compiled. */
COP_NODISCARD enum cop_status cop_plan__new(
    struct cop_engine *engine,
    int threads,
    enum cop_purpose purpose,
    struct cop_plan **plan,
    struct cop_err *err);
/** cop_plan_create with one method for all convolutions that it is able to compute; for
 *  tests. */
COP_NODISCARD enum cop_status cop_plan__create_with(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    int method,
    struct cop_plan **plan,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_plan__compile(
    struct cop_plan *plan, struct cop_err *err);

/* ---- build.c: arrays and steps ------------------------------------------------------ */

/** Chooses kernels and layouts for the whole program. */
COP_NODISCARD enum cop_status cop_plan__build(
    struct cop_plan *plan, struct cop_err *err);

struct cop_pd_request cop_plan__request(
    const struct cop_plan *plan, const struct cop_attr *attr);
const struct cop_shape *cop_plan__shape(const struct cop_plan *plan, int32_t tensor);
/** @p array's layout and its elements' place. */
const struct cop_md *cop_plan__md(const struct cop_plan *plan, int32_t array);

/** The tensor in whatever layout it has; constants are packed plain. */
COP_NODISCARD enum cop_status cop_plan__array(
    struct cop_plan *plan, int32_t tensor, int32_t *array, struct cop_err *err);
/** The tensor in layout @p md of its own shape, reordered if it must be. */
COP_NODISCARD enum cop_status cop_plan__array_as(
    struct cop_plan *plan,
    int32_t tensor,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err);
/** The tensor row-major; @p view NULL or another shape of as many elements. */
COP_NODISCARD enum cop_status cop_plan__array_plain(
    struct cop_plan *plan,
    int32_t tensor,
    const struct cop_shape *view,
    int32_t *array,
    struct cop_err *err);
/** A fresh array of a computed tensor; @p storage -1: a fresh one. */
COP_NODISCARD enum cop_status cop_plan__new_array(
    struct cop_plan *plan,
    int32_t tensor,
    const struct cop_md *md,
    int32_t storage,
    int32_t *array,
    struct cop_err *err);
/** Another view of the same bytes, not listed with the tensor. */
COP_NODISCARD enum cop_status cop_plan__view(
    struct cop_plan *plan,
    int32_t array,
    const struct cop_md *md,
    int32_t *view,
    struct cop_err *err);
/** A constant as @p request says; its array belongs to no tensor. */
COP_NODISCARD enum cop_status cop_plan__packed(
    struct cop_plan *plan,
    const struct cop_pack_request *request,
    int32_t *array,
    struct cop_err *err);

/* ---- slots.c: concat without copies ------------------------------------------------- */

COP_NODISCARD enum cop_status cop_plan__find_slots(
    struct cop_plan *plan, struct cop_err *err);
/** True when the tensor may be written straight into the result of a concat. */
bool cop_plan__has_slot(const struct cop_plan *plan, int32_t tensor);
/** The array in which a kernel that can write with any strides should leave the tensor: a
 *  part of the result of a concat, channels last; or fresh, dense and channels last. */
COP_NODISCARD enum cop_status cop_plan__channels_last_array(
    struct cop_plan *plan, int32_t tensor, int32_t *array, struct cop_err *err);
/** True when @p array, of a source of @p concat, is a part of the result already. */
bool cop_plan__is_in_place(
    const struct cop_plan *plan, int32_t array, const struct cop_prim *concat);

/** Appends a step for @p prim (NULL: a reorder).  The result is the last argument. */
COP_NODISCARD enum cop_status cop_plan__add_step(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_step_arg *args,
    int32_t n_args,
    struct cop_step **step,
    struct cop_err *err);
/** True when @p array's bytes may be overwritten by the primitive at @p position. */
bool cop_plan__dies(const struct cop_plan *plan, int32_t array, int32_t position);

/* ---- build_*.c: one builder per kind of primitive ------------------------------------- */

typedef enum cop_status cop_builder_fn(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err);
cop_builder_fn cop_plan__build_conv;
cop_builder_fn cop_plan__build_matmul;
cop_builder_fn cop_plan__build_pool;
cop_builder_fn cop_plan__build_eltwise;
cop_builder_fn cop_plan__build_binary;
cop_builder_fn cop_plan__build_normalise;
cop_builder_fn cop_plan__build_softmax;
cop_builder_fn cop_plan__build_reduce;
cop_builder_fn cop_plan__build_concat;
cop_builder_fn cop_plan__build_copy; /* slice, pad, transpose, pick */
cop_builder_fn cop_plan__build_reshape;
cop_builder_fn cop_plan__build_resample;
cop_builder_fn cop_plan__build_select;
cop_builder_fn cop_plan__build_deconv;
cop_builder_fn cop_plan__build_own_eltwise; /* what oneDNN has no kernel for */

/* Shared by the builders of convolution and products, build_linear.c. */
struct cop_attr cop_plan__attr(const struct cop_prim *prim);
bool cop_plan__is_const(const struct cop_plan *plan, int32_t tensor);
/** True with a bias of its own or a folded shift. */
bool cop_plan__has_bias(const struct cop_prim *prim);
COP_NODISCARD enum cop_status cop_plan__bias_md(
    struct cop_plan *plan, int64_t n, const struct cop_md **md, struct cop_err *err);
COP_NODISCARD enum cop_status cop_plan__bias_array(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err);
/** True for products of so few rows that reading the weights is all the time goes into;
 *  our loops fetch them ahead. */
bool cop_plan__prefers_few_rows(
    const struct cop_plan *plan, const struct cop_prim *prim, int64_t m);
COP_NODISCARD enum cop_status cop_plan__build_few_rows(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_shape *rows,
    int32_t src,
    int32_t dst,
    struct cop_err *err);
/** The step of a kernel over src, weights, bias (-1: none), dst. */
COP_NODISCARD enum cop_status cop_plan__add_linear(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    struct cop_pd *pd,
    const int32_t arrays[4],
    struct cop_step **step,
    struct cop_err *err);

/** The copy that a slice, pad, transpose or pick is, between tensors whose elements lie at
 *  @p whole (src, dst); rank -1 if nothing is copied. */
COP_NODISCARD enum cop_status cop_plan__link(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_offsets whole[2],
    struct cop_copy *copy,
    struct cop_err *err);

/** Steps of an operand along the result's axes; 0 where it is stretched. */
void cop_plan__strides_along(
    const struct cop_shape *own, const struct cop_shape *dst, int64_t *strides);

/** A reduction that pooling does; see build_simple.c. */
bool cop_plan__reduces_image(const struct cop_plan *plan, const struct cop_prim *prim);
COP_NODISCARD enum cop_status cop_plan__build_image_reduce(
    struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err);

/** Reorders @p from into @p to with our own loop. */
COP_NODISCARD enum cop_status cop_plan__build_reorder(
    struct cop_plan *plan, int32_t from, int32_t to, struct cop_err *err);

/* ---- memory.c, run.c ------------------------------------------------------------------- */

/** Gives every storage a place in one block and every array its address. */
COP_NODISCARD enum cop_status cop_plan__place(
    struct cop_plan *plan, struct cop_err *err);
/** Binds the steps' kernels to the addresses. */
COP_NODISCARD enum cop_status cop_plan__bind(
    struct cop_plan *plan, struct cop_err *err);
/** Runs all steps on what the starts hold; @p times NULL or [n_steps], to which the
 *  milliseconds of each are added. */
COP_NODISCARD enum cop_status cop_plan__run_steps(
    struct cop_plan *plan, double *times, struct cop_err *err);

/** The mask that is on for a value, or NULL. */
const struct cop_mask *cop_plan__mask_of(const struct cop_plan *plan, int32_t value_id);

/* ---- backward*.c ------------------------------------------------------------------------ */

/** Room for plain values and gradients of every tensor. */
COP_NODISCARD enum cop_status cop_plan__backward_create(
    struct cop_plan *plan, struct cop_err *err);
void cop_plan__backward_destroy(struct cop_backward *backward);

#endif
