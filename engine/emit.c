/* engine/emit.c - the emitter: checks shapes and appends primitives; see emit.h. */
#include "engine/emit.h"

#include "engine/lower.h"

#include <string.h>

/* ---- tensors ------------------------------------------------------------------------ */

struct cop_ref cop_emit_src(struct cop_emitter *emitter, int32_t slot)
{
    const struct cop_node *node = emitter->node;
    if (slot < 0 || slot >= node->n_src || node->src[slot] == NULL)
        return COP_REF_ABSENT;
    return (struct cop_ref){node->src[slot]->id};
}

struct cop_ref cop_emit_dst(struct cop_emitter *emitter, int32_t slot)
{
    const struct cop_node *node = emitter->node;
    if (slot < 0 || slot >= node->n_dst || node->dst[slot] == NULL)
        return COP_REF_ABSENT;
    return (struct cop_ref){node->dst[slot]->id};
}

static const struct cop_fact fact_absent = {.dtype = COP_DTYPE_NONE};

const struct cop_fact *cop_emit_src_fact(
    const struct cop_emitter *emitter, int32_t slot)
{
    const struct cop_node *node = emitter->node;
    if (slot < 0 || slot >= node->n_src || node->src[slot] == NULL) return &fact_absent;
    return &emitter->facts[node->src[slot]->id];
}

const struct cop_fact *cop_emit_dst_fact(
    const struct cop_emitter *emitter, int32_t slot)
{
    const struct cop_node *node = emitter->node;
    if (slot < 0 || slot >= node->n_dst || node->dst[slot] == NULL) return &fact_absent;
    return &emitter->facts[node->dst[slot]->id];
}

enum cop_status cop_emit_temp(
    struct cop_emitter *emitter,
    const struct cop_shape *shape,
    struct cop_ref *temp,
    struct cop_err *err)
{
    const struct cop_tensor tensor = {
        .name = "temporary",
        .role = COP_TENSOR_UNUSED,
        .dtype = COP_F32,
        .shape = *shape,
    };
    return cop_program_add_tensor(emitter->program, &tensor, &temp->id, err);
}

/* ---- checks ------------------------------------------------------------------------- */

static const struct cop_shape *shape_of(
    const struct cop_emitter *emitter, struct cop_ref ref)
{
    return &emitter->program->tensors[ref.id].shape;
}

static enum cop_status check_ref(
    const struct cop_emitter *emitter, struct cop_ref ref, struct cop_err *err)
{
    if (ref.id < 0 || ref.id >= emitter->program->n_tensors)
        return COP_FAIL(err, COP_EINVAL, "an operand that may not be absent is absent");
    return COP_OK;
}

static enum cop_status check_pair(
    const struct cop_emitter *emitter,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_ref(emitter, src, err));
    return check_ref(emitter, dst, err);
}

static enum cop_status fail_shapes(
    const struct cop_shape *got,
    const struct cop_shape *want,
    const char *what,
    struct cop_err *err)
{
    char got_text[COP_SHAPE_TEXT];
    char want_text[COP_SHAPE_TEXT];
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "%s is %s, expected %s",
        what,
        cop_shape_print(got, got_text, sizeof got_text),
        cop_shape_print(want, want_text, sizeof want_text));
}

static enum cop_status check_dst(
    const struct cop_emitter *emitter,
    struct cop_ref dst,
    const struct cop_shape *want,
    struct cop_err *err)
{
    if (cop_shape_equal(shape_of(emitter, dst), want)) return COP_OK;
    return fail_shapes(shape_of(emitter, dst), want, "result", err);
}

static enum cop_status check_rank(
    const struct cop_emitter *emitter,
    struct cop_ref ref,
    int32_t rank,
    struct cop_err *err)
{
    const struct cop_shape *shape = shape_of(emitter, ref);
    if (shape->rank == rank) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "value '%s' has %d axes, supported is %d",
        emitter->program->tensors[ref.id].name,
        (int)shape->rank,
        (int)rank);
}

/* Extent that a window leaves of spatial axis i. */
static enum cop_status window_out(
    const struct cop_window *window,
    int i,
    int64_t in,
    int64_t *out,
    struct cop_err *err)
{
    if (window->kernel[i] < 1 || window->strides[i] < 1 || window->dilates[i] < 1 ||
        window->pads_l[i] < 0 || window->pads_r[i] < 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "window with kernel %lld, stride %lld, dilation %lld, pads %lld and %lld",
            (long long)window->kernel[i],
            (long long)window->strides[i],
            (long long)window->dilates[i],
            (long long)window->pads_l[i],
            (long long)window->pads_r[i]);
    int64_t reach = (window->kernel[i] - 1) * window->dilates[i] + 1;
    int64_t padded = in + window->pads_l[i] + window->pads_r[i];
    if (padded < reach)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "window reaches over %lld elements, padded source has %lld",
            (long long)reach,
            (long long)padded);
    *out = (padded - reach) / window->strides[i] + 1;
    return COP_OK;
}

/* Appends a primitive with one source. */
static enum cop_status add_unary(
    struct cop_emitter *emitter,
    enum cop_prim_kind kind,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_prim **prim,
    struct cop_err *err)
{
    return cop_program_add_prim(emitter->program, kind, &src.id, 1, dst.id, prim, err);
}

/* ---- primitives --------------------------------------------------------------------- */

enum cop_status cop_emit_conv(
    struct cop_emitter *emitter,
    const struct cop_window *window,
    int64_t g,
    const struct cop_ref src_weights_bias[3],
    struct cop_ref dst,
    struct cop_err *err)
{
    const struct cop_ref bias = src_weights_bias[2];
    COP_TRY(check_pair(emitter, src_weights_bias[0], dst, err));
    COP_TRY(check_ref(emitter, src_weights_bias[1], err));
    COP_TRY(check_rank(emitter, src_weights_bias[0], 4, err));
    COP_TRY(check_rank(emitter, src_weights_bias[1], 4, err));
    const struct cop_shape *src = shape_of(emitter, src_weights_bias[0]);
    const struct cop_shape *weights = shape_of(emitter, src_weights_bias[1]);
    if (g < 1 || weights->dim[0] % g != 0 || weights->dim[1] * g != src->dim[1])
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "weights axes 0 and 1 are %lld and %lld in %lld groups, src has %lld "
            "channels",
            (long long)weights->dim[0],
            (long long)weights->dim[1],
            (long long)g,
            (long long)src->dim[1]);
    struct cop_shape want = {.rank = 4, .dim = {src->dim[0], weights->dim[0]}};
    for (int i = 0; i < 2; i++) {
        if (weights->dim[2 + i] != window->kernel[i])
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "weights axis %d is %lld, kernel is %lld",
                2 + i,
                (long long)weights->dim[2 + i],
                (long long)window->kernel[i]);
        COP_TRY(window_out(window, i, src->dim[2 + i], &want.dim[2 + i], err));
    }
    COP_TRY(check_dst(emitter, dst, &want, err));
    if (bias.id >= 0) {
        struct cop_shape per_channel = {.rank = 1, .dim = {weights->dim[0]}};
        if (!cop_shape_equal(shape_of(emitter, bias), &per_channel))
            return fail_shapes(shape_of(emitter, bias), &per_channel, "bias", err);
    }
    int32_t srcs[3] = {src_weights_bias[0].id, src_weights_bias[1].id, bias.id};
    struct cop_prim *prim;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_CONV, srcs, 3, dst.id, &prim, err));
    prim->as.conv.window = *window;
    prim->as.conv.g = g;
    return COP_OK;
}

/* Shape of op(src) op(weights). */
static enum cop_status matmul_shape(
    const struct cop_matmul *matmul,
    const struct cop_shape *src,
    const struct cop_shape *weights,
    struct cop_shape *product,
    struct cop_err *err)
{
    if (src->rank < 2 || weights->rank < 2)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "matrix product of operands with %d and %d axes",
            (int)src->rank,
            (int)weights->rank);
    const int64_t *s = src->dim + src->rank - 2;
    const int64_t *w = weights->dim + weights->rank - 2;
    int64_t m = matmul->transpose_src ? s[1] : s[0];
    int64_t k = matmul->transpose_src ? s[0] : s[1];
    int64_t k_weights = matmul->transpose_weights ? w[1] : w[0];
    int64_t n = matmul->transpose_weights ? w[0] : w[1];
    if (k != k_weights)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "src has %lld columns, weights have %lld rows",
            (long long)k,
            (long long)k_weights);
    struct cop_shape leading[2] = {*src, *weights};
    leading[0].rank -= 2;
    leading[1].rank -= 2;
    COP_TRY(cop_shape_broadcast(&leading[0], &leading[1], product, err));
    product->dim[product->rank++] = m;
    product->dim[product->rank++] = n;
    return COP_OK;
}

static enum cop_status emit_scaled(
    struct cop_emitter *emitter, float factor, struct cop_ref *ref, struct cop_err *err)
{
    if (factor == 1.0f) return COP_OK;
    struct cop_shape shape = *shape_of(emitter, *ref);
    struct cop_ref scaled;
    COP_TRY(cop_emit_temp(emitter, &shape, &scaled, err));
    COP_TRY(
        cop_emit_eltwise(emitter, COP_ELTWISE_LINEAR, factor, 0.0f, *ref, scaled, err));
    *ref = scaled;
    return COP_OK;
}

/* A bias is part of the product where it is one number per column; any other one, and
 * alpha and beta, become primitives of their own. */
enum cop_status cop_emit_matmul(
    struct cop_emitter *emitter,
    const struct cop_matmul *matmul,
    const struct cop_ref src_weights_bias[3],
    struct cop_ref dst,
    struct cop_err *err)
{
    struct cop_ref bias = src_weights_bias[2];
    COP_TRY(check_pair(emitter, src_weights_bias[0], dst, err));
    COP_TRY(check_ref(emitter, src_weights_bias[1], err));
    struct cop_shape product = {.rank = 0};
    COP_TRY(matmul_shape(
        matmul,
        shape_of(emitter, src_weights_bias[0]),
        shape_of(emitter, src_weights_bias[1]),
        &product,
        err));
    COP_TRY(check_dst(emitter, dst, &product, err));
    bool per_column = bias.id >= 0 && shape_of(emitter, bias)->rank == 1 &&
                      shape_of(emitter, bias)->dim[0] == product.dim[product.rank - 1];
    bool simple = bias.id < 0 || per_column;
    struct cop_ref sum = dst;
    struct cop_ref scaled_bias = bias;
    if (bias.id >= 0) COP_TRY(emit_scaled(emitter, matmul->beta, &scaled_bias, err));
    if (!simple || matmul->alpha != 1.0f)
        COP_TRY(cop_emit_temp(emitter, &product, &sum, err));
    bool fused = per_column && matmul->alpha == 1.0f;
    int32_t srcs[3] = {
        src_weights_bias[0].id, src_weights_bias[1].id, fused ? scaled_bias.id : -1};
    struct cop_prim *prim;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_MATMUL, srcs, 3, sum.id, &prim, err));
    prim->as.matmul.transpose_src = matmul->transpose_src;
    prim->as.matmul.transpose_weights = matmul->transpose_weights;
    if (sum.id == dst.id) return COP_OK;
    if (bias.id < 0)
        return cop_emit_eltwise(
            emitter, COP_ELTWISE_LINEAR, matmul->alpha, 0.0f, sum, dst, err);
    COP_TRY(emit_scaled(emitter, matmul->alpha, &sum, err));
    return cop_emit_binary(emitter, COP_BINARY_ADD, sum, scaled_bias, dst, err);
}

enum cop_status cop_emit_pool(
    struct cop_emitter *emitter,
    enum cop_pool_alg alg,
    const struct cop_window *window,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    COP_TRY(check_rank(emitter, src, 4, err));
    const struct cop_shape *in = shape_of(emitter, src);
    struct cop_shape want = {.rank = 4, .dim = {in->dim[0], in->dim[1]}};
    for (int i = 0; i < 2; i++)
        COP_TRY(window_out(window, i, in->dim[2 + i], &want.dim[2 + i], err));
    COP_TRY(check_dst(emitter, dst, &want, err));
    struct cop_prim *prim;
    COP_TRY(add_unary(emitter, COP_PRIM_POOL, src, dst, &prim, err));
    prim->as.pool.alg = alg;
    prim->as.pool.window = *window;
    return COP_OK;
}

enum cop_status cop_emit_eltwise(
    struct cop_emitter *emitter,
    enum cop_eltwise_alg alg,
    float alpha,
    float beta,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    COP_TRY(check_dst(emitter, dst, shape_of(emitter, src), err));
    struct cop_prim *prim;
    COP_TRY(add_unary(emitter, COP_PRIM_ELTWISE, src, dst, &prim, err));
    prim->as.eltwise.alg = alg;
    prim->as.eltwise.alpha = alpha;
    prim->as.eltwise.beta = beta;
    return COP_OK;
}

enum cop_status cop_emit_binary(
    struct cop_emitter *emitter,
    enum cop_binary_alg alg,
    struct cop_ref src0,
    struct cop_ref src1,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src0, dst, err));
    COP_TRY(check_ref(emitter, src1, err));
    struct cop_shape both;
    COP_TRY(cop_shape_broadcast(
        shape_of(emitter, src0), shape_of(emitter, src1), &both, err));
    COP_TRY(check_dst(emitter, dst, &both, err));
    int32_t srcs[2] = {src0.id, src1.id};
    struct cop_prim *prim;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_BINARY, srcs, 2, dst.id, &prim, err));
    prim->as.binary = alg;
    return COP_OK;
}

enum cop_status cop_emit_normalise(
    struct cop_emitter *emitter,
    float epsilon,
    struct cop_ref src,
    const struct cop_ref params[4],
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    const struct cop_shape *in = shape_of(emitter, src);
    COP_TRY(check_dst(emitter, dst, in, err));
    if (in->rank < 2)
        return COP_FAIL(err, COP_ESHAPE, "normalised value has no channel axis");
    struct cop_shape per_channel = {.rank = 1, .dim = {in->dim[1]}};
    int32_t srcs[5] = {src.id};
    for (int i = 0; i < 4; i++) {
        COP_TRY(check_ref(emitter, params[i], err));
        if (!cop_shape_equal(shape_of(emitter, params[i]), &per_channel))
            return fail_shapes(
                shape_of(emitter, params[i]), &per_channel, "parameter", err);
        srcs[1 + i] = params[i].id;
    }
    struct cop_prim *prim;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_NORMALISE, srcs, 5, dst.id, &prim, err));
    prim->as.epsilon = epsilon;
    return COP_OK;
}

enum cop_status cop_emit_softmax(
    struct cop_emitter *emitter,
    int32_t axis,
    bool logarithm,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    COP_TRY(check_dst(emitter, dst, shape_of(emitter, src), err));
    int32_t resolved;
    COP_TRY(cop_shape_axis(shape_of(emitter, src)->rank, axis, &resolved, err));
    struct cop_prim *prim;
    COP_TRY(add_unary(emitter, COP_PRIM_SOFTMAX, src, dst, &prim, err));
    prim->as.softmax.axis = resolved;
    prim->as.softmax.logarithm = logarithm;
    return COP_OK;
}

enum cop_status cop_emit_reduce(
    struct cop_emitter *emitter,
    enum cop_reduce_alg alg,
    uint32_t axes,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    const struct cop_shape *in = shape_of(emitter, src);
    const struct cop_shape *out = shape_of(emitter, dst);
    struct cop_shape kept = {.rank = in->rank};
    struct cop_shape dropped = {.rank = 0};
    for (int32_t i = 0; i < in->rank; i++) {
        bool reduced = (axes >> i & 1u) != 0;
        kept.dim[i] = reduced ? 1 : in->dim[i];
        if (!reduced) dropped.dim[dropped.rank++] = in->dim[i];
    }
    if (!cop_shape_equal(out, &kept) && !cop_shape_equal(out, &dropped))
        return fail_shapes(out, &kept, "result", err);
    /* Over the image it is a pooling, which keeps the axes. */
    if (in->rank == 4 && axes == 0xc && out->rank == 2) {
        struct cop_ref image;
        COP_TRY(cop_emit_temp(emitter, &kept, &image, err));
        COP_TRY(cop_emit_reduce(emitter, alg, axes, src, image, err));
        return cop_emit_reshape(emitter, image, dst, err);
    }
    struct cop_prim *prim;
    COP_TRY(add_unary(emitter, COP_PRIM_REDUCE, src, dst, &prim, err));
    prim->as.reduce.alg = alg;
    prim->as.reduce.axes = axes;
    return COP_OK;
}

enum cop_status cop_emit_concat(
    struct cop_emitter *emitter,
    int32_t axis,
    int32_t n_srcs,
    const struct cop_ref *srcs,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_ref(emitter, dst, err));
    const struct cop_shape *out = shape_of(emitter, dst);
    int32_t resolved;
    COP_TRY(cop_shape_axis(out->rank, axis, &resolved, err));
    int64_t total = 0;
    int32_t *ids = COP_ARENA_NEW_N(emitter->program->arena, n_srcs, int32_t);
    if (ids == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n_srcs; i++) {
        COP_TRY(check_ref(emitter, srcs[i], err));
        ids[i] = srcs[i].id;
        struct cop_shape want = *out;
        const struct cop_shape *part = shape_of(emitter, srcs[i]);
        want.dim[resolved] = part->dim[resolved];
        if (!cop_shape_equal(part, &want))
            return fail_shapes(part, &want, "source", err);
        total += part->dim[resolved];
    }
    if (n_srcs < 1 || total != out->dim[resolved])
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "sources have %lld elements along axis %d, result has %lld",
            (long long)total,
            (int)resolved,
            (long long)out->dim[resolved]);
    struct cop_prim *prim;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_CONCAT, ids, n_srcs, dst.id, &prim, err));
    prim->as.concat_axis = resolved;
    return COP_OK;
}

enum cop_status cop_emit_slice(
    struct cop_emitter *emitter,
    const int64_t *starts,
    const int64_t *steps,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    const struct cop_shape *in = shape_of(emitter, src);
    const struct cop_shape *out = shape_of(emitter, dst);
    if (in->rank != out->rank) return fail_shapes(out, in, "result", err);
    for (int32_t i = 0; i < in->rank; i++) {
        int64_t last = starts[i] + (out->dim[i] - 1) * steps[i];
        if (starts[i] < 0 || starts[i] >= in->dim[i] || last < 0 || last >= in->dim[i])
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "slice of axis %d runs from %lld to %lld, source has %lld",
                (int)i,
                (long long)starts[i],
                (long long)last,
                (long long)in->dim[i]);
    }
    struct cop_prim *prim;
    COP_TRY(add_unary(emitter, COP_PRIM_SLICE, src, dst, &prim, err));
    memcpy(prim->as.slice.starts, starts, (size_t)in->rank * sizeof starts[0]);
    memcpy(prim->as.slice.steps, steps, (size_t)in->rank * sizeof steps[0]);
    return COP_OK;
}

enum cop_status cop_emit_pad(
    struct cop_emitter *emitter,
    const int64_t *pads_l,
    float fill,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    const struct cop_shape *in = shape_of(emitter, src);
    const struct cop_shape *out = shape_of(emitter, dst);
    if (in->rank != out->rank) return fail_shapes(out, in, "result", err);
    struct cop_prim *prim;
    COP_TRY(add_unary(emitter, COP_PRIM_PAD, src, dst, &prim, err));
    memcpy(prim->as.pad.pads_l, pads_l, (size_t)in->rank * sizeof pads_l[0]);
    prim->as.pad.fill = fill;
    return COP_OK;
}

enum cop_status cop_emit_transpose(
    struct cop_emitter *emitter,
    const int32_t *perm,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    const struct cop_shape *in = shape_of(emitter, src);
    struct cop_shape want = {.rank = in->rank};
    uint32_t seen = 0;
    for (int32_t i = 0; i < in->rank; i++) {
        if (perm[i] < 0 || perm[i] >= in->rank || (seen >> perm[i] & 1u) != 0)
            return COP_FAIL(
                err, COP_EINVAL, "not a permutation of %d axes", (int)in->rank);
        seen |= 1u << perm[i];
        want.dim[i] = in->dim[perm[i]];
    }
    COP_TRY(check_dst(emitter, dst, &want, err));
    struct cop_prim *prim;
    COP_TRY(add_unary(emitter, COP_PRIM_TRANSPOSE, src, dst, &prim, err));
    memcpy(prim->as.perm, perm, (size_t)in->rank * sizeof perm[0]);
    return COP_OK;
}

enum cop_status cop_emit_reshape(
    struct cop_emitter *emitter,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    COP_TRY(check_pair(emitter, src, dst, err));
    const struct cop_shape *in = shape_of(emitter, src);
    const struct cop_shape *out = shape_of(emitter, dst);
    if (cop_shape_n(in) != cop_shape_n(out)) return fail_shapes(out, in, "result", err);
    struct cop_prim *prim;
    return add_unary(emitter, COP_PRIM_RESHAPE, src, dst, &prim, err);
}
