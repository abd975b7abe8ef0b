/* ops/blocks.c - DepthToSpace and SpaceToDepth: channels become blocks of an image, or back.
 * Both are a view with the block's axes apart, a transposition, and a view. */
#include "ops/row.h"

#include <string.h>

struct block_attrs {
    int64_t blocksize;
    const char
        *mode; /* DCR: block position outermost in the channels; CRD: innermost */
};

static const struct cop_attr_spec to_space_specs[] = {
    {.name = "blocksize",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct block_attrs, blocksize),
     .is_required = true},
    {.name = "mode",
     .type = COP_ATTR_STRING,
     .offset = offsetof(struct block_attrs, mode),
     .string_default = "DCR",
     .first_opset = 11},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec to_depth_specs[] = {
    {.name = "blocksize",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct block_attrs, blocksize),
     .is_required = true},
    {.type = COP_ATTR_END}};

static enum cop_status check_extents(
    const struct cop_shape *src,
    int64_t blocksize,
    int32_t first,
    int32_t last,
    int64_t divisor,
    struct cop_err *err)
{
    if (blocksize < 1 || blocksize > INT16_MAX)
        return COP_FAIL(err, COP_ESHAPE, "blocksize is %lld", (long long)blocksize);
    for (int32_t i = first; i < last; i++)
        if (src->dim[i] % divisor != 0)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d has %lld elements, not a multiple of %lld",
                i,
                (long long)src->dim[i],
                (long long)divisor);
    return COP_OK;
}

/* ---- DepthToSpace ------------------------------------------------------------------- */

static bool is_crd(const struct block_attrs *attrs)
{
    return attrs->mode != NULL && strcmp(attrs->mode, "CRD") == 0;
}

static enum cop_status to_space_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct block_attrs *const attrs = node->attrs;
    const int64_t b = attrs->blocksize;
    if (attrs->mode != NULL && strcmp(attrs->mode, "DCR") != 0 && !is_crd(attrs))
        return COP_FAIL(err, COP_EUNSUPPORTED, "mode is '%.20s'", attrs->mode);
    COP_TRY(cop_ops__want_rank(src, 0, 4, err));
    const int64_t square = b > 0 && b <= INT16_MAX ? b * b : 1; /* else refused */
    COP_TRY(check_extents(&src[0].shape, b, 1, 2, square, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = src[0].shape};
    dst[0].shape.dim[1] /= square;
    dst[0].shape.dim[2] *= b;
    dst[0].shape.dim[3] *= b;
    return COP_OK;
}

/* Views @p src apart, transposes, and views the result as dst 0. */
static enum cop_status emit_moved(
    struct cop_emitter *emitter,
    const struct cop_shape *apart,
    const int32_t *perm,
    struct cop_err *err)
{
    struct cop_shape moved_shape = {.rank = apart->rank};
    struct cop_ref view = COP_REF_ABSENT;
    struct cop_ref moved = COP_REF_ABSENT;
    for (int32_t i = 0; i < apart->rank; i++)
        moved_shape.dim[i] = apart->dim[perm[i]];
    COP_TRY(cop_emit_view(emitter, cop_emit_src(emitter, 0), apart, &view, err));
    COP_TRY(cop_emit_temp(emitter, &moved_shape, &moved, err));
    COP_TRY(cop_emit_transpose(emitter, perm, view, moved, err));
    return cop_emit_reshape(emitter, moved, cop_emit_dst(emitter, 0), err);
}

static enum cop_status to_space_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct block_attrs *const attrs = node->attrs;
    const struct cop_shape *const src = &cop_emit_src_fact(emitter, 0)->shape;
    const int64_t b = attrs->blocksize;
    const int64_t c = src->dim[1] / (b * b);
    const int64_t *const d = src->dim;
    const int64_t dcr[6] = {d[0], b, b, c, d[2], d[3]};
    const int64_t crd[6] = {d[0], c, b, b, d[2], d[3]};
    const int32_t dcr_perm[6] = {0, 3, 4, 1, 5, 2};
    const int32_t crd_perm[6] = {0, 1, 4, 2, 5, 3};
    const struct cop_shape apart = cop_shape_make(6, is_crd(attrs) ? crd : dcr);
    return emit_moved(emitter, &apart, is_crd(attrs) ? crd_perm : dcr_perm, err);
}

/* Every channel of the result is made of blocksize^2 channels of the source. */
static enum cop_status to_space_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct block_attrs *const attrs = node->attrs;
    const int64_t n = attrs->blocksize * attrs->blocksize;
    const int64_t c = node->dst[0]->shape.dim[1];
    const struct cop_slice to = {-1, 1, 0, 1};
    COP_TRY(cop_ties_add_axis(ties, 0, 0, -1, 0, err));
    if (is_crd(attrs))
        return cop_ops__tie_range(ties, (struct cop_slice){0, 1, 0, n}, to, c, err);
    for (int64_t k = 0; k < n; k++)
        COP_TRY(
            cop_ops__tie_range(ties, (struct cop_slice){0, 1, k * c, 1}, to, c, err));
    return COP_OK;
}

static const struct cop_coupling to_space_coupling = {
    .name = "blocks",
    .tie = to_space_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_depth_to_space = {
    .name = "DepthToSpace",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct block_attrs),
    .attrs = to_space_specs,
    .upgrade = cop_upgrade_none,
    .infer = to_space_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = to_space_lower,
    .coupling = &to_space_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- SpaceToDepth ------------------------------------------------------------------- */

static enum cop_status to_depth_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const int64_t b = ((const struct block_attrs *)node->attrs)->blocksize;
    COP_TRY(cop_ops__want_rank(src, 0, 4, err));
    COP_TRY(check_extents(&src[0].shape, b, 2, 4, b, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = src[0].shape};
    if (__builtin_mul_overflow(src[0].shape.dim[1], b * b, &dst[0].shape.dim[1]))
        return COP_FAIL(err, COP_ESHAPE, "blocksize is %lld", (long long)b);
    dst[0].shape.dim[2] /= b;
    dst[0].shape.dim[3] /= b;
    return COP_OK;
}

static enum cop_status to_depth_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const int64_t b = ((const struct block_attrs *)node->attrs)->blocksize;
    const int64_t *const d = cop_emit_src_fact(emitter, 0)->shape.dim;
    const int64_t dims[6] = {d[0], d[1], d[2] / b, b, d[3] / b, b};
    const int32_t perm[6] = {0, 3, 5, 1, 2, 4};
    const struct cop_shape apart = cop_shape_make(6, dims);
    return emit_moved(emitter, &apart, perm, err);
}

static enum cop_status to_depth_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const int64_t b = ((const struct block_attrs *)node->attrs)->blocksize;
    const int64_t c = node->src[0]->shape.dim[1];
    COP_TRY(cop_ties_add_axis(ties, 0, 0, -1, 0, err));
    for (int64_t k = 0; k < b * b; k++)
        COP_TRY(cop_ops__tie_range(
            ties,
            (struct cop_slice){0, 1, 0, 1},
            (struct cop_slice){-1, 1, k * c, 1},
            c,
            err));
    return COP_OK;
}

static const struct cop_coupling to_depth_coupling = {
    .name = "blocks",
    .tie = to_depth_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_space_to_depth = {
    .name = "SpaceToDepth",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct block_attrs),
    .attrs = to_depth_specs,
    .upgrade = cop_upgrade_none,
    .infer = to_depth_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = to_depth_lower,
    .coupling = &to_depth_coupling,
    .relevance = &cop_relevance_move,
};
