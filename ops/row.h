/* ops/row.h - what the rows of this folder share: checks, constant folding, refitting.
 *
 * Private to ops/.  Rows stay short because the questions that many of them ask ("is this
 * operand a known list of integers?", "copy these elements in that order") are answered
 * here once.  Everything is pure except where a graph is passed in. */
#ifndef COP_OPS_ROW_H
#define COP_OPS_ROW_H

#include "engine/emit.h"
#include "explain/relevance.h"
#include "graph/graph.h"
#include "prune/coupling.h"

#include <stdbool.h>
#include <stdint.h>

/** The opset whose encoding the in-memory form uses, and the last one understood where an
 *  operator has not changed since. */
enum { COP_OPS_FORM = 13, COP_OPS_LAST = 21 };

/* ---- checks -------------------------------------------------------------------- */

/** COP_EUNSUPPORTED unless what is computed is float32: integers would lose exactness. */
COP_NODISCARD enum cop_status cop_ops__want_computed_f32(
    const struct cop_emitter *emitter, struct cop_err *err);
/** COP_EUNSUPPORTED unless all sources have the type of the first. */
COP_NODISCARD enum cop_status cop_ops__want_one_type(
    const struct cop_node *node, const struct cop_fact *src, struct cop_err *err);
/** What is known of a value of a graph whose shapes are inferred. */
struct cop_fact cop_ops__fact(const struct cop_value *value);
/** COP_EUNSUPPORTED unless the operand is float32. */
COP_NODISCARD enum cop_status cop_ops__want_f32(
    const struct cop_fact *src, int32_t slot, struct cop_err *err);
/** COP_ESHAPE unless the operand has that rank. */
COP_NODISCARD enum cop_status cop_ops__want_rank(
    const struct cop_fact *src, int32_t slot, int32_t rank, struct cop_err *err);
/** COP_ESHAPE unless the operand is a vector of @p n elements. */
COP_NODISCARD enum cop_status cop_ops__want_vector(
    const struct cop_fact *src, int32_t slot, int64_t n, struct cop_err *err);
bool cop_ops__has(const struct cop_node *node, int32_t slot);

/** The elements of an integer operand, at most COP_MAX_RANK of them.  COP_EUNSUPPORTED when
 *  they are not known, COP_ESHAPE when there are too many. */
COP_NODISCARD enum cop_status cop_ops__ints(
    const struct cop_fact *src,
    const char *what,
    int64_t ints[COP_MAX_RANK],
    int32_t *n,
    struct cop_err *err);

/** Marks listed axes (negative ones count from the end) of a tensor of @p rank; an empty
 *  list marks none.  COP_ESHAPE when one lies outside or is named twice. */
COP_NODISCARD enum cop_status cop_ops__axes(
    int32_t rank, const int64_t *axes, int64_t n, uint32_t *marks, struct cop_err *err);

/* ---- infer, fold and lower rules that many rows pick ------------------------------ */

cop_infer_fn cop_ops__infer_same;      /* dst 0 is like src 0 */
cop_infer_fn cop_ops__infer_same_f32;  /* likewise, float32 only */
cop_infer_fn cop_ops__infer_broadcast; /* all sources broadcast, of one type */
cop_fold_fn cop_ops__fold_pass;        /* dst 0 has the elements of src 0 */
cop_lower_fn cop_ops__lower_same;      /* dst 0 has the elements of src 0 */
cop_lower_fn cop_ops__lower_known;     /* refuses: only as shape arithmetic */

/** Memory for the elements of a result that is being folded, or NULL in *elements when it is
 *  larger than both its sources and a fixed cap: then it simply stays unknown. */
COP_NODISCARD enum cop_status cop_ops__fold_room(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    void **elements,
    struct cop_err *err);

/** One kind of arithmetic, on integers and on numbers. */
struct cop_ops__arithmetic {
    bool (*whole)(int64_t a, int64_t b, int64_t *result); /* false: undefined */
    double (*real)(double a, double b);
};
/** Folds broadcast sources from the left into dst 0, integers where all are int64.
 *  COP_ESHAPE where integer arithmetic is undefined. */
COP_NODISCARD enum cop_status cop_ops__fold_broadcast(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    const struct cop_ops__arithmetic *arithmetic,
    struct cop_err *err);
/** The element of a source that element @p i of the broadcast result sees. */
int64_t cop_ops__broadcast_at(
    const struct cop_shape *src, const struct cop_shape *dst, int64_t i);

/** Copies dst[i] = from[first + sum i_axis * strides[axis]], strides in elements. */
void cop_ops__copy_strided(
    const struct cop_shape *shape,
    const int64_t *strides,
    int64_t first,
    size_t element_bytes,
    const void *from,
    void *to);
/** Row-major strides in elements. */
void cop_ops__strides(const struct cop_shape *shape, int64_t strides[COP_MAX_RANK]);

/** False for the one type whose elements are moved but never computed, float16. */
bool cop_ops__can_store(enum cop_dtype dtype);
/** Stores a number as an element of that type, rounding as a C cast does and clamping what
 *  does not fit. */
void cop_ops__store(enum cop_dtype dtype, void *elements, int64_t i, double number);

/** Room for a table of what axis @p axis of result 0 picks, one entry per element.
 *  COP_EUNSUPPORTED if the result has more than 2^31 bytes per image. */
COP_NODISCARD enum cop_status cop_ops__table(
    struct cop_emitter *emitter, int32_t axis, int64_t **table, struct cop_err *err);

/* ---- costs ---------------------------------------------------------------------- */

/** @p each multiply-accumulates for every element of @p results.  COP_ESHAPE when they
 *  are too many to count. */
COP_NODISCARD enum cop_status cop_ops__macs(
    const struct cop_shape *results, int64_t each, int64_t *macs, struct cop_err *err);

/* ---- editing -------------------------------------------------------------------- */

/** A fresh int64 vector (n >= 0) becomes src[slot]; absent operands before it are padded. */
COP_NODISCARD enum cop_status cop_ops__set_ints(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    const int64_t *ints,
    int64_t n,
    struct cop_err *err);
/** A fresh float32 scalar becomes src[slot]. */
COP_NODISCARD enum cop_status cop_ops__set_scalar(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    float number,
    struct cop_err *err);
/** What is known of operand @p slot while a file is read: constants, and results of
 *  Constant nodes.  data NULL when nothing is. */
struct cop_fact cop_ops__peek(const struct cop_node *node, int32_t slot);

/* ---- coupling ------------------------------------------------------------------- */

/** The range [first, first + n) of an axis may be cut freely; nothing when n is 0. */
COP_NODISCARD enum cop_status cop_ops__tie_free(
    struct cop_ties *ties,
    int32_t slot,
    int32_t axis,
    int64_t first,
    int64_t n,
    struct cop_err *err);
/** n elements from first0 on one axis tied to n from first1 on another. */
COP_NODISCARD enum cop_status cop_ops__tie_range(
    struct cop_ties *ties,
    struct cop_slice end0,
    struct cop_slice end1,
    int64_t runs,
    struct cop_err *err);

/* ---- windows (Conv and the pools) ------------------------------------------------- */

struct cop_ops__window_attrs {
    const char *auto_pad;
    struct cop_ints kernel_shape;
    struct cop_ints strides;
    struct cop_ints pads;
    struct cop_ints dilations;
};
/** The attributes' rows of a table.
 *  @param at offset of the cop_ops__window_attrs in the operator's attribute struct
 *  @param is_needed whether a file must give kernel_shape
 *  @param dilations_from first opset with dilations */
#define COP_OPS__WINDOW_SPECS(at, is_needed, dilations_from)                           \
    {.name = "auto_pad",                                                               \
     .type = COP_ATTR_STRING,                                                          \
     .offset = (at) + offsetof(struct cop_ops__window_attrs, auto_pad),                \
     .string_default = "NOTSET"},                                                      \
        {.name = "kernel_shape",                                                       \
         .type = COP_ATTR_INTS,                                                        \
         .offset = (at) + offsetof(struct cop_ops__window_attrs, kernel_shape),        \
         .is_required = (is_needed)},                                                  \
        {.name = "strides",                                                            \
         .type = COP_ATTR_INTS,                                                        \
         .offset = (at) + offsetof(struct cop_ops__window_attrs, strides)},            \
        {.name = "pads",                                                               \
         .type = COP_ATTR_INTS,                                                        \
         .offset = (at) + offsetof(struct cop_ops__window_attrs, pads)},               \
    {                                                                                  \
        .name = "dilations", .type = COP_ATTR_INTS,                                    \
        .offset = (at) + offsetof(struct cop_ops__window_attrs, dilations),            \
        .first_opset = (dilations_from)                                                \
    }

/** The shape as an image: [n][c][w] becomes [n][c][1][w], others stay. */
struct cop_shape cop_ops__image(const struct cop_shape *shape);

/** The window with its paddings spelled out, and the extents it produces; with one spatial
 *  axis, the first of the two is trivial.  Where ceil mode reaches past the given padding,
 *  pads_r grows by that much.  COP_ESHAPE, COP_EUNSUPPORTED. */
COP_NODISCARD enum cop_status cop_ops__window(
    const struct cop_ops__window_attrs *attrs,
    const struct cop_shape *src, /* rank 3 or 4 */
    const int64_t *kernel,       /* an extent per spatial axis */
    bool is_ceil,
    struct cop_window *window,
    int64_t produced[2],
    struct cop_err *err);
/** A window over three spatial axes as one over the first (depth) and one over the other two
 *  (plane).  COP_ESHAPE when a list has another length. */
struct cop_ops__volume_attrs {
    struct cop_ops__window_attrs depth;
    struct cop_ops__window_attrs plane;
    int64_t pads[6]; /* what the two pads point to */
};
COP_NODISCARD enum cop_status cop_ops__split_window(
    const struct cop_ops__window_attrs *attrs,
    struct cop_ops__volume_attrs *parts,
    struct cop_err *err);
/** A list of three as its first entry and the other two, likewise; absent stays absent. */
COP_NODISCARD enum cop_status cop_ops__split_list(
    const struct cop_ints *list,
    const char *what,
    struct cop_ints parts[2],
    struct cop_err *err);
/** COP_EUNSUPPORTED unless the operand has one, two or three spatial axes. */
COP_NODISCARD enum cop_status cop_ops__want_volume(
    const struct cop_fact *src, int32_t slot, struct cop_err *err);

/** Writes what a window produces into the spatial axes of a shape of rank 3 or 4. */
void cop_ops__set_image(struct cop_shape *shape, const int64_t produced[2]);

/** Source 0 and a place for result 0 as images; what is computed between the two calls
 *  reads ends[0] and writes ends[1]. */
COP_NODISCARD enum cop_status cop_ops__emit_image(
    struct cop_emitter *emitter, struct cop_ref ends[2], struct cop_err *err);
COP_NODISCARD enum cop_status cop_ops__finish_image(
    struct cop_emitter *emitter, const struct cop_ref ends[2], struct cop_err *err);

/* ---- volume.c: windows over three axes, as images ---------------------------------- */

/** A convolution (or transposed one) over [n][c][d][h][w], of which @p plane is over the last
 *  two axes and entry 1 of @p depth over the first. */
struct cop_ops__volume {
    struct cop_window depth;
    struct cop_window plane;
    int64_t g;
};
/** COP_EUNSUPPORTED when the slices of all taps along the depth are beyond 2^24. */
COP_NODISCARD enum cop_status cop_ops__check_depth(
    int64_t n_dst, int64_t n_taps, struct cop_err *err);
COP_NODISCARD enum cop_status cop_ops__emit_conv_volume(
    struct cop_emitter *emitter,
    const struct cop_ops__volume *volume,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_ops__emit_deconv_volume(
    struct cop_emitter *emitter,
    const struct cop_ops__volume *volume,
    struct cop_err *err);

#endif
