/* ops/volume.c - convolutions over three spatial axes, as such over two.
 *
 * Declared in row.h.  The engine computes images, so every position along the first spatial
 * axis (depth) becomes an image of its own: of a convolution its channels are those of all
 * slices that its window reaches, of a transposed one each image makes the slices that it
 * reaches, which are then added up. */
#include "ops/row.h"

/** Steps along the depth. */
struct depth {
    int64_t n_src;
    int64_t n_dst;
    int64_t n_taps;
    int64_t *table; /* [n_dst][n_taps]; -1: nothing there */
};

enum { MAX_TABLE = 1 << 24 };

enum cop_status cop_ops__check_depth(int64_t n_dst, int64_t n_taps, struct cop_err *err)
{
    if (n_dst <= MAX_TABLE / n_taps) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "%lld slices of %lld taps, together at most %d are supported",
        (long long)n_dst,
        (long long)n_taps,
        MAX_TABLE);
}

static enum cop_status make_table(
    struct cop_emitter *emitter,
    const struct cop_ops__volume *volume,
    struct depth *depth,
    struct cop_err *err)
{
    depth->n_src = cop_emit_src_fact(emitter, 0)->shape.dim[2];
    depth->n_dst = cop_emit_dst_fact(emitter, 0)->shape.dim[2];
    depth->n_taps = volume->depth.kernel[1];
    COP_TRY(cop_ops__check_depth(depth->n_dst, depth->n_taps, err));
    depth->table =
        COP_ARENA_NEW_N(cop_emit_arena(emitter), depth->n_dst * depth->n_taps, int64_t);
    return depth->table != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* Picks along axis 2 of a tensor of rank @p shape->rank, which is @p shape afterwards. */
static enum cop_status pick_slices(
    struct cop_emitter *emitter,
    const struct depth *depth,
    struct cop_ref src,
    const struct cop_shape *shape,
    struct cop_ref *picked,
    struct cop_err *err)
{
    const int64_t *tables[COP_MAX_RANK] = {NULL, NULL, depth->table};
    COP_TRY(cop_emit_temp(emitter, shape, picked, err));
    return cop_emit_pick(emitter, tables, 0.0F, src, *picked, err);
}

/* Views @p ref as [a][b][c][..] and swaps axes 1 and 2. */
static enum cop_status swap(
    struct cop_emitter *emitter,
    const struct cop_shape *shape,
    struct cop_ref *ref,
    struct cop_err *err)
{
    static const int32_t perm[COP_MAX_RANK] = {0, 2, 1, 3, 4, 5, 6, 7};
    struct cop_shape swapped = *shape;
    struct cop_ref view = COP_REF_ABSENT;
    swapped.dim[1] = shape->dim[2];
    swapped.dim[2] = shape->dim[1];
    COP_TRY(cop_emit_view(emitter, *ref, shape, &view, err));
    COP_TRY(cop_emit_temp(emitter, &swapped, ref, err));
    return cop_emit_transpose(emitter, perm, view, *ref, err);
}

/* The weights as those of an image: [oc][ic * taps][kh][kw], or with the two changed. */
static enum cop_status view_weights(
    struct cop_emitter *emitter, struct cop_ref *weights, struct cop_err *err)
{
    const struct cop_shape *const shape = &cop_emit_src_fact(emitter, 1)->shape;
    const struct cop_shape flat = {
        4,
        {shape->dim[0], shape->dim[1] * shape->dim[2], shape->dim[3], shape->dim[4]}};
    return cop_emit_view(emitter, cop_emit_src(emitter, 1), &flat, weights, err);
}

enum cop_status cop_ops__emit_conv_volume(
    struct cop_emitter *emitter,
    const struct cop_ops__volume *volume,
    struct cop_err *err)
{
    const struct cop_window *const window = &volume->depth;
    const int64_t *const src = cop_emit_src_fact(emitter, 0)->shape.dim;
    const int64_t *const dst = cop_emit_dst_fact(emitter, 0)->shape.dim;
    struct depth depth;
    struct cop_ref images = COP_REF_ABSENT;
    struct cop_ref results = COP_REF_ABSENT;
    struct cop_ref weights = COP_REF_ABSENT;
    COP_TRY(make_table(emitter, volume, &depth, err));
    for (int64_t i = 0; i < depth.n_dst * depth.n_taps; i++) {
        const int64_t at = i / depth.n_taps * window->strides[1] - window->pads_l[1] +
                           i % depth.n_taps * window->dilates[1];
        depth.table[i] = at >= 0 && at < depth.n_src ? at : -1;
    }
    const int64_t n = depth.n_dst;
    const int64_t k = depth.n_taps;
    const struct cop_shape picked = {5, {src[0], src[1], n * k, src[3], src[4]}};
    const struct cop_shape taps = {5, {src[0], src[1], n, k, src[3] * src[4]}};
    const struct cop_shape image = {4, {src[0] * n, src[1] * k, src[3], src[4]}};
    const struct cop_shape result = {4, {src[0] * n, dst[1], dst[3], dst[4]}};
    const struct cop_shape planes = {4, {src[0], n, dst[1], dst[3] * dst[4]}};
    COP_TRY(
        pick_slices(emitter, &depth, cop_emit_src(emitter, 0), &picked, &images, err));
    COP_TRY(swap(emitter, &taps, &images, err));
    COP_TRY(cop_emit_view(emitter, images, &image, &images, err));
    COP_TRY(view_weights(emitter, &weights, err));
    COP_TRY(cop_emit_temp(emitter, &result, &results, err));
    const struct cop_ref operands[3] = {images, weights, cop_emit_src(emitter, 2)};
    COP_TRY(cop_emit_conv(emitter, &volume->plane, volume->g, operands, results, err));
    COP_TRY(swap(emitter, &planes, &results, err));
    return cop_emit_reshape(emitter, results, cop_emit_dst(emitter, 0), err);
}

/* The sums of the taps, plus the bias, as result 0. */
static enum cop_status add_taps(
    struct cop_emitter *emitter,
    const struct cop_shape *taps, /* [n][oc][d'][taps][h' * w'] */
    struct cop_ref slices,
    struct cop_err *err)
{
    const struct cop_shape sums = {
        4, {taps->dim[0], taps->dim[1], taps->dim[2], taps->dim[4]}};
    const struct cop_shape column = {4, {1, taps->dim[1], 1, 1}};
    struct cop_ref bias = cop_emit_src(emitter, 2);
    struct cop_ref sum = COP_REF_ABSENT;
    struct cop_ref result = COP_REF_ABSENT;
    COP_TRY(cop_emit_view(emitter, slices, taps, &slices, err));
    COP_TRY(cop_emit_temp(emitter, &sums, &sum, err));
    COP_TRY(cop_emit_reduce(emitter, COP_REDUCE_SUM, 1u << 3, slices, sum, err));
    result = sum;
    if (bias.id >= 0) {
        COP_TRY(cop_emit_view(emitter, bias, &column, &bias, err));
        COP_TRY(cop_emit_temp(emitter, &sums, &result, err));
        COP_TRY(cop_emit_binary(emitter, COP_BINARY_ADD, sum, bias, result, err));
    }
    return cop_emit_reshape(emitter, result, cop_emit_dst(emitter, 0), err);
}

enum cop_status cop_ops__emit_deconv_volume(
    struct cop_emitter *emitter,
    const struct cop_ops__volume *volume,
    struct cop_err *err)
{
    const struct cop_window *const window = &volume->depth;
    const int64_t *const src = cop_emit_src_fact(emitter, 0)->shape.dim;
    const int64_t *const dst = cop_emit_dst_fact(emitter, 0)->shape.dim;
    struct depth depth;
    struct cop_ref images = cop_emit_src(emitter, 0);
    struct cop_ref weights = COP_REF_ABSENT;
    struct cop_ref made = COP_REF_ABSENT;
    struct cop_ref slices = COP_REF_ABSENT;
    COP_TRY(make_table(emitter, volume, &depth, err));
    for (int64_t i = 0; i < depth.n_dst * depth.n_taps; i++) {
        const int64_t tap = i % depth.n_taps;
        const int64_t from =
            i / depth.n_taps + window->pads_l[1] - tap * window->dilates[1];
        const int64_t at = from / window->strides[1];
        const bool is_there =
            from >= 0 && from % window->strides[1] == 0 && at < depth.n_src;
        depth.table[i] = is_there ? at * depth.n_taps + tap : -1;
    }
    const int64_t n = src[2];
    const int64_t k = depth.n_taps;
    const int64_t plane = dst[3] * dst[4];
    const struct cop_shape channels = {4, {src[0], src[1], n, src[3] * src[4]}};
    const struct cop_shape image = {4, {src[0] * n, src[1], src[3], src[4]}};
    const struct cop_shape result = {4, {src[0] * n, dst[1] * k, dst[3], dst[4]}};
    const struct cop_shape parts = {5, {src[0], n, dst[1], k, plane}};
    const struct cop_shape stack = {4, {src[0], dst[1], n * k, plane}};
    const struct cop_shape picked = {4, {src[0], dst[1], dst[2] * k, plane}};
    const struct cop_shape taps = {5, {src[0], dst[1], dst[2], k, plane}};
    COP_TRY(swap(emitter, &channels, &images, err));
    COP_TRY(cop_emit_view(emitter, images, &image, &images, err));
    COP_TRY(view_weights(emitter, &weights, err));
    COP_TRY(cop_emit_temp(emitter, &result, &made, err));
    const struct cop_ref operands[3] = {images, weights, COP_REF_ABSENT};
    COP_TRY(cop_emit_deconv(emitter, &volume->plane, volume->g, operands, made, err));
    COP_TRY(swap(emitter, &parts, &made, err));
    COP_TRY(cop_emit_view(emitter, made, &stack, &made, err));
    COP_TRY(pick_slices(emitter, &depth, made, &picked, &slices, err));
    return add_taps(emitter, &taps, slices, err);
}
