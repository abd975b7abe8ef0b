/* engine/rewrite.c - rewrites before fusion; see rewrite.h.  Works on primitives only. */
#include "engine/rewrite.h"

#include "engine/conv_method.h"
#include "engine/fuse.h"

#include <string.h>

/* ---- equal primitives ------------------------------------------------------------------ */

static bool computes_the_same(const struct cop_prim *a, const struct cop_prim *b)
{
    return a->kind == b->kind && a->n_srcs == b->n_srcs &&
           memcmp(a->srcs, b->srcs, (size_t)a->n_srcs * sizeof a->srcs[0]) == 0 &&
           memcmp(&a->as, &b->as, sizeof a->as) == 0;
}

static bool may_merge(const struct cop_program *program, const struct cop_prim *prim)
{
    return !program->tensors[prim->dst].is_tap && !program->tensors[prim->dst].keep;
}

/* Everybody who reads @p from reads @p to. */
static void redirect(struct cop_program *program, int32_t from, int32_t to)
{
    for (int32_t i = 0; i < program->n_prims; i++) {
        for (int32_t k = 0; k < program->prims[i]->n_srcs; k++) {
            if (program->prims[i]->srcs[k] == from) program->prims[i]->srcs[k] = to;
        }
    }
}

/* In NASNet five branches of a cell each take the same activation of the same tensor. */
static void merge_equal(struct cop_program *program)
{
    for (int32_t i = 1; i < program->n_prims; i++) {
        struct cop_prim *prim = program->prims[i];
        if (!may_merge(program, prim)) continue;
        for (int32_t k = 0; k < i; k++) {
            const struct cop_prim *first = program->prims[k];
            if (!computes_the_same(first, prim) ||
                program->tensors[first->dst].is_tap ||
                !cop_shape_equal(
                    &program->tensors[first->dst].shape,
                    &program->tensors[prim->dst].shape))
                continue;
            redirect(program, prim->dst, first->dst);
            break;
        }
    }
}

/* ---- pad, then slice --------------------------------------------------------------------- */

static bool is_dense_slice(
    const struct cop_program *program, const struct cop_prim *prim)
{
    if (prim->kind != COP_PRIM_SLICE) return false;
    for (int32_t i = 0; i < program->tensors[prim->dst].shape.rank; i++) {
        if (prim->as.slice.steps[i] != 1) return false;
    }
    return true;
}

/* A slice of a padded tensor is the tensor padded less, or cropped. */
static void slice_pads(struct cop_program *program)
{
    for (int32_t i = 0; i < program->n_prims; i++) {
        struct cop_prim *slice = program->prims[i];
        if (!is_dense_slice(program, slice)) continue;
        const struct cop_prim *pad = program->tensors[slice->srcs[0]].writer;
        if (pad == NULL || pad->kind != COP_PRIM_PAD ||
            program->tensors[pad->dst].is_tap)
            continue;
        struct cop_prim own = *slice;
        own.kind = COP_PRIM_PAD;
        memset(&own.as, 0, sizeof own.as);
        own.as.pad.fill = pad->as.pad.fill;
        for (int32_t k = 0; k < program->tensors[slice->dst].shape.rank; k++)
            own.as.pad.pads_l[k] = pad->as.pad.pads_l[k] - slice->as.slice.starts[k];
        own.srcs[0] = pad->srcs[0];
        *slice = own;
    }
}

/* ---- concat, then normalisation ------------------------------------------------------------ */

struct rewriter {
    struct cop_program *program;
    int32_t *n_readers; /* of the tensors there were at first */
};

static bool is_f32_const(const struct cop_program *program, int32_t tensor)
{
    return program->tensors[tensor].role == COP_TENSOR_CONST &&
           program->tensors[tensor].dtype == COP_F32;
}

/* True when every source of the concat is a convolution that nobody else reads, so that
 * each takes its share of the normalisation into its weights. */
static bool can_split(
    const struct rewriter *rewriter,
    const struct cop_prim *norm,
    const struct cop_prim *concat)
{
    const struct cop_program *program = rewriter->program;
    if (concat == NULL || concat->kind != COP_PRIM_CONCAT ||
        concat->as.concat_axis != 1 || program->tensors[concat->dst].keep ||
        rewriter->n_readers[concat->dst] != 1)
        return false;
    for (int i = 1; i < 5; i++) {
        if (!is_f32_const(program, norm->srcs[i])) return false;
    }
    for (int32_t i = 0; i < concat->n_srcs; i++) {
        const struct cop_tensor *src = &program->tensors[concat->srcs[i]];
        if (src->writer == NULL || src->writer->kind != COP_PRIM_CONV || src->keep ||
            rewriter->n_readers[concat->srcs[i]] != 1)
            return false;
    }
    return true;
}

/* Channels [first, first + n) of a normalisation's parameters, without a copy. */
static enum cop_status part_of_params(
    struct cop_program *program,
    const struct cop_prim *norm,
    int64_t first,
    int64_t n,
    int32_t *params, /* [4] */
    struct cop_err *err)
{
    for (int i = 0; i < 4; i++) {
        struct cop_tensor part = program->tensors[norm->srcs[1 + i]];
        part.data = (const char *)part.data + (size_t)first * sizeof(float);
        part.buf = NULL; /* a pack must not be found by the whole buffer */
        part.shape = (struct cop_shape){.rank = 1, .dim = {n}};
        COP_TRY(cop_program_add_tensor(program, &part, &params[i], err));
    }
    return COP_OK;
}

/* Normalises source @p i of the concat; the new primitive goes to *made. */
static enum cop_status normalise_source(
    struct cop_program *program,
    const struct cop_prim *norm,
    struct cop_prim *concat,
    int32_t i,
    int64_t first,
    struct cop_prim **made,
    struct cop_err *err)
{
    struct cop_tensor result = program->tensors[concat->srcs[i]];
    int32_t srcs[5] = {concat->srcs[i]};
    int32_t dst;
    result.role = COP_TENSOR_UNUSED;
    result.writer = NULL;
    COP_TRY(cop_program_add_tensor(program, &result, &dst, err));
    COP_TRY(part_of_params(program, norm, first, result.shape.dim[1], &srcs[1], err));
    COP_TRY(cop_program_add_prim(program, COP_PRIM_NORMALISE, srcs, 5, dst, made, err));
    (*made)->as.epsilon = norm->as.epsilon;
    (*made)->nodes = norm->nodes;
    (*made)->n_nodes = norm->n_nodes;
    concat->srcs[i] = dst;
    return COP_OK;
}

/* Puts the last @p n primitives before position @p at. */
static void move_last(struct cop_program *program, int32_t n, int32_t at)
{
    for (int32_t i = 0; i < n; i++) {
        struct cop_prim *last = program->prims[program->n_prims - 1];
        memmove(
            &program->prims[at + 1],
            &program->prims[at],
            (size_t)(program->n_prims - 1 - at) * sizeof program->prims[0]);
        program->prims[at] = last;
    }
}

static enum cop_status split_normalise(
    struct rewriter *rewriter, int32_t position, struct cop_err *err)
{
    struct cop_program *program = rewriter->program;
    struct cop_prim *norm = program->prims[position];
    struct cop_prim *concat = program->tensors[norm->srcs[0]].writer;
    int32_t at = 0;
    while (program->prims[at] != concat)
        at++;
    int64_t first = 0;
    for (int32_t i = 0; i < concat->n_srcs; i++) {
        struct cop_prim *made;
        int64_t n = program->tensors[concat->srcs[i]].shape.dim[1];
        COP_TRY(normalise_source(program, norm, concat, i, first, &made, err));
        first += n;
    }
    int32_t unread = concat->dst;
    concat->dst = norm->dst;
    program->tensors[concat->dst].writer = concat;
    norm->dst = unread;
    norm->dead = true;
    move_last(program, concat->n_srcs, at);
    return COP_OK;
}

static enum cop_status split_all(struct cop_program *program, struct cop_err *err)
{
    struct rewriter rewriter = {.program = program};
    rewriter.n_readers = COP_ARENA_NEW_N(program->arena, program->n_tensors, int32_t);
    if (rewriter.n_readers == NULL) return COP_FAIL_NOMEM(err);
    cop_program_count_readers(program, rewriter.n_readers);
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *norm = program->prims[i];
        /* Values of the graph come first: those that this loop adds are not looked at. */
        if (norm->dead || norm->kind != COP_PRIM_NORMALISE) continue;
        const struct cop_prim *concat = program->tensors[norm->srcs[0]].writer;
        if (can_split(&rewriter, norm, concat))
            COP_TRY(split_normalise(&rewriter, i, err));
    }
    return COP_OK;
}

/* ---- relu, then depthwise ------------------------------------------------------------------ */

/* True for a depthwise convolution that only a convolution reads: no sum and no other
 * activation will be fused into it. */
static bool takes_relu(
    const struct rewriter *rewriter, const struct cop_prim *conv, int32_t relu)
{
    const struct cop_program *program = rewriter->program;
    if (conv->srcs[0] != relu || !cop_conv_is_depthwise(program, conv) ||
        program->tensors[conv->dst].keep || rewriter->n_readers[conv->dst] != 1)
        return false;
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *reader = program->prims[i];
        if (reader->kind == COP_PRIM_CONV && reader->srcs[0] == conv->dst) return true;
    }
    return false;
}

/* As before every separable convolution of NASNet and Xception. */
static void move_relu(struct rewriter *rewriter, struct cop_prim *relu)
{
    struct cop_program *program = rewriter->program;
    int32_t n_takers = 0;
    for (int32_t i = 0; i < program->n_prims; i++)
        n_takers += takes_relu(rewriter, program->prims[i], relu->dst) ? 1 : 0;
    if (n_takers == 0 || n_takers != rewriter->n_readers[relu->dst]) return;
    for (int32_t i = 0; i < program->n_prims; i++) {
        struct cop_prim *conv = program->prims[i];
        if (conv->kind != COP_PRIM_CONV || conv->srcs[0] != relu->dst) continue;
        conv->srcs[0] = relu->srcs[0];
        conv->as.conv.has_relu = true;
    }
}

static enum cop_status move_relus(struct cop_program *program, struct cop_err *err)
{
    struct rewriter rewriter = {.program = program};
    rewriter.n_readers = COP_ARENA_NEW_N(program->arena, program->n_tensors, int32_t);
    if (rewriter.n_readers == NULL) return COP_FAIL_NOMEM(err);
    cop_program_count_readers(program, rewriter.n_readers);
    for (int32_t i = 0; i < program->n_prims; i++) {
        struct cop_prim *prim = program->prims[i];
        const struct cop_prim *writer = prim->kind == COP_PRIM_ELTWISE
                                            ? program->tensors[prim->srcs[0]].writer
                                            : NULL;
        bool is_relu = prim->kind == COP_PRIM_ELTWISE &&
                       prim->as.eltwise.alg == COP_ELTWISE_RELU &&
                       prim->as.eltwise.alpha == 0.0f &&
                       !program->tensors[prim->dst].keep;
        /* What only the relu reads fuses with it anyway. */
        bool fuses =
            writer != NULL && rewriter.n_readers[prim->srcs[0]] == 1 &&
            (writer->kind == COP_PRIM_CONV || writer->kind == COP_PRIM_NORMALISE);
        if (is_relu && !fuses) move_relu(&rewriter, prim);
    }
    cop_program_remove_dead(program);
    return COP_OK;
}

enum cop_status cop_program_rewrite(
    struct cop_program *program, bool channels_last, struct cop_err *err)
{
    merge_equal(program);
    slice_pads(program);
    cop_program_remove_dead(program);
    COP_TRY(split_all(program, err));
    return channels_last ? move_relus(program, err) : COP_OK;
}
