/* importers/tf_resize.c - images of another size; see tf_rules.h.
 *
 * Both formats say where element o of a result lies in the source, and both compute it in
 * float32, but not by the same operations.  Where the nearest element differs by that, it
 * is picked by a table. */
#include "importers/tf_rules.h"

#include <math.h>
#include <string.h>

enum { MAX_EXTENT = 1 << 20 };

/** How positions are computed. */
struct grid {
    bool aligns;  /* the corners lie on each other */
    bool is_half; /* positions are middles of pixels */
};

static enum cop_status read_grid(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct grid *grid,
    struct cop_err *err)
{
    const struct cop_tf__graph *const tf = &import->tf;
    *grid = (struct grid){.aligns = false};
    COP_TRY(cop_tf__attr_bool(tf, node, "align_corners", &grid->aligns, err));
    COP_TRY(cop_tf__attr_bool(tf, node, "half_pixel_centers", &grid->is_half, err));
    if (grid->aligns && grid->is_half)
        return COP_FAIL(
            err, COP_EFORMAT, "align_corners and half_pixel_centers are both true");
    return COP_OK;
}

/* The nearest element as TensorFlow finds it (resize_nearest_neighbor_op.cc). */
static int64_t nearest_there(
    const struct grid *grid, int64_t in, int64_t out, int64_t o)
{
    const bool aligns = grid->aligns && out > 1;
    const float scale =
        aligns ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;
    const float at = ((float)o + (grid->is_half ? 0.5F : 0.0F)) * scale;
    const float found = grid->aligns ? roundf(at) : floorf(at);
    return found < (float)in - 1.0F ? (int64_t)found : in - 1;
}

/* The same as ONNX's Resize finds it, in the words that find_words chooses. */
static int64_t nearest_here(const struct grid *grid, int64_t in, int64_t out, int64_t o)
{
    const float scale = (float)out / (float)in;
    float at = (float)o / scale;
    if (grid->is_half) at = ((float)o + 0.5F) / scale - 0.5F;
    if (grid->aligns)
        at = out > 1 ? (float)o * ((float)in - 1.0F) / ((float)out - 1.0F) : 0.0F;
    const float found = grid->aligns || grid->is_half ? floorf(at + 0.5F) : floorf(at);
    if (found < 0.0F) return 0;
    return found < (float)in - 1.0F ? (int64_t)found : in - 1;
}

static bool agrees(const struct grid *grid, int64_t in, int64_t out)
{
    for (int64_t o = 0; o < out; o++)
        if (nearest_there(grid, in, out, o) != nearest_here(grid, in, out, o))
            return false;
    return true;
}

/* Picks the rows or columns one by one; the file's order of axes may stay. */
static enum cop_status pick(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct grid *grid,
    int64_t axis,
    int64_t out,
    struct cop_value **value,
    struct cop_err *err)
{
    const char *const name =
        axis == 2 ? node->name : cop_tf__beside(import, node, "rows");
    const int64_t in = (*value)->shape.dim[axis];
    struct cop_value *src[2] = {*value, NULL};
    int64_t *const from = COP_ARENA_NEW_N(import->scratch, out, int64_t);
    if (from == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t o = 0; o < out; o++)
        from[o] = nearest_there(grid, in, out, o);
    COP_TRY(cop_tf__add_ints(import, name, from, out, &src[1], err));
    const struct cop_tf__part part = {
        .op = "Gather",
        .name = name,
        .result = name,
        .src = src,
        .n_src = 2,
        .attrs = {{.name = "axis", .number = axis}}};
    return cop_tf__add(import, &part, value, err);
}

static enum cop_status add_resize(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char *mode,
    const struct grid *grid,
    const int64_t size[2],
    struct cop_err *err)
{
    static const int64_t axes[2] = {2, 3};
    struct cop_value *src[4] = {NULL};
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__image(import, node, true, &src[0], err));
    COP_TRY(cop_tf__add_ints(
        import, cop_tf__beside(import, node, "sizes"), size, 2, &src[3], err));
    const struct cop_tf__part part = {
        .op = "Resize",
        .name = node->name,
        .result = cop_tf__image_name(import, node, true),
        .src = src,
        .n_src = 4,
        .attrs = {
            {.name = "mode", .text = mode},
            {.name = "coordinate_transformation_mode",
             .text = grid->aligns    ? "align_corners"
                     : grid->is_half ? "half_pixel"
                                     : "asymmetric"},
            {.name = "nearest_mode",
             .text = grid->aligns || grid->is_half ? "round_prefer_ceil" : "floor"},
            {.name = "axes", .ints = axes, .n = 2}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, true, dst, err);
}

enum cop_status cop_tf__translate_resize(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    struct grid grid;
    struct cop_tf__ints size = {.n = 0};
    struct cop_value *src = NULL;
    COP_TRY(read_grid(import, node, &grid, err));
    COP_TRY(cop_tf__ints(import, node, 1, "sizes", &size, err));
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    if (size.n != 2 || src->shape.rank != 4)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "has %d sizes for a source of %d axes, wanted 2 for 4",
            size.n,
            src->shape.rank);
    for (int i = 0; i < 2; i++)
        if (size.at[i] < 1 || size.at[i] > MAX_EXTENT || src->shape.dim[1 + i] < 1)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "%lld elements are resized to %lld",
                (long long)src->shape.dim[1 + i],
                (long long)size.at[i]);
    if (strcmp(rule->arg, "nearest") != 0 ||
        (agrees(&grid, src->shape.dim[1], size.at[0]) &&
         agrees(&grid, src->shape.dim[2], size.at[1])))
        return add_resize(import, node, rule->arg, &grid, size.at, err);
    COP_TRY(pick(import, node, &grid, 1, size.at[0], &src, err));
    COP_TRY(pick(import, node, &grid, 2, size.at[1], &src, err));
    return cop_tf__give(import, node, src, err);
}
