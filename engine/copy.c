/* engine/copy.c - table-driven element copies; see copy.h. */
#include "engine/copy.h"

#include "base/par.h"

#include <string.h>

enum cop_status cop_offsets_of(
    struct cop_arena *arena,
    const struct cop_md *md,
    struct cop_offsets *offsets,
    struct cop_err *err)
{
    for (int32_t i = 0; i < cop_md_rank(md); i++) {
        int64_t *table = COP_ARENA_NEW_N(arena, cop_md_dim(md, i), int64_t);
        if (table == NULL) return COP_FAIL_NOMEM(err);
        cop_md_offsets(md, i, table);
        offsets->axis[i] = table;
    }
    return COP_OK;
}

enum cop_status cop_copy_between(
    struct cop_arena *arena,
    const struct cop_md *src,
    const struct cop_md *dst,
    struct cop_copy *copy,
    struct cop_err *err)
{
    copy->rank = cop_md_rank(src);
    for (int32_t i = 0; i < copy->rank; i++)
        copy->dim[i] = cop_md_dim(src, i);
    COP_TRY(cop_offsets_of(arena, src, &copy->src, err));
    return cop_offsets_of(arena, dst, &copy->dst, err);
}

/* The same iteration without axes of one element, split into (outer, middle, inner):
 * the outer axes are handed to threads, the inner axis is the tight loop. */
struct walk {
    int32_t rank;
    int64_t dim[COP_MAX_RANK];
    const int64_t *src[COP_MAX_RANK];
    const int64_t *dst[COP_MAX_RANK];
    int64_t src_base;
    int64_t dst_base;
    const char *from;
    float *to;
    float *back; /* cop_copy_add_back */
    const float *diff;
};

static struct walk prepare(const struct cop_copy *copy)
{
    struct walk walk = {.rank = 0};
    for (int32_t i = 0; i < copy->rank; i++) {
        if (copy->dim[i] == 1) {
            walk.src_base += copy->src.axis[i][0];
            walk.dst_base += copy->dst.axis[i][0];
            continue;
        }
        walk.dim[walk.rank] = copy->dim[i];
        walk.src[walk.rank] = copy->src.axis[i];
        walk.dst[walk.rank] = copy->dst.axis[i];
        walk.rank++;
    }
    return walk;
}

static void copy_line(const struct walk *walk, int64_t src, int64_t dst)
{
    if (walk->rank == 0) {
        memcpy(walk->to + dst, walk->from + src * 4, sizeof(float));
        return;
    }
    int32_t last = walk->rank - 1;
    const int64_t *src_offset = walk->src[last];
    const int64_t *dst_offset = walk->dst[last];
    int64_t n = walk->dim[last];
    const char *from = walk->from + src * (int64_t)sizeof(float);
    float *to = walk->to + dst;
    for (int64_t i = 0; i < n; i++)
        memcpy(&to[dst_offset[i]], from + src_offset[i] * (int64_t)sizeof(float), 4);
}

static void add_line_back(const struct walk *walk, int64_t src, int64_t dst)
{
    if (walk->rank == 0) {
        walk->back[src] += walk->diff[dst];
        return;
    }
    int32_t last = walk->rank - 1;
    for (int64_t i = 0; i < walk->dim[last]; i++)
        walk->back[src + walk->src[last][i]] += walk->diff[dst + walk->dst[last][i]];
}

/* All lines below axis @p axis, by recursion over the few middle axes. */
static void walk_lines(const struct walk *walk, int32_t axis, int64_t src, int64_t dst)
{
    if (axis >= walk->rank - 1) {
        if (walk->back != NULL)
            add_line_back(walk, src, dst);
        else
            copy_line(walk, src, dst);
        return;
    }
    for (int64_t i = 0; i < walk->dim[axis]; i++)
        walk_lines(walk, axis + 1, src + walk->src[axis][i], dst + walk->dst[axis][i]);
}

static enum cop_status walk_outer(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct walk *walk = context;
    int64_t inner = walk->rank > 2 ? walk->dim[1] : 1;
    int64_t src = walk->src_base + walk->src[0][i / inner];
    int64_t dst = walk->dst_base + walk->dst[0][i / inner];
    if (walk->rank > 2) {
        src += walk->src[1][i % inner];
        dst += walk->dst[1][i % inner];
    }
    walk_lines(walk, walk->rank > 2 ? 2 : 1, src, dst);
    return COP_OK;
}

static enum cop_status run(struct walk *walk, struct cop_err *err)
{
    if (walk->rank < 2) {
        walk_lines(walk, 0, walk->src_base, walk->dst_base);
        return COP_OK;
    }
    int64_t n = walk->dim[0] * (walk->rank > 2 ? walk->dim[1] : 1);
    return cop_par_for(n, walk_outer, walk, err);
}

enum cop_status cop_copy_run(
    const struct cop_copy *copy, const void *src, float *dst, struct cop_err *err)
{
    struct walk walk = prepare(copy);
    walk.from = src;
    walk.to = dst;
    return run(&walk, err);
}

/* Each element of src is read at most once by a copy, so threads never add to the same. */
enum cop_status cop_copy_add_back(
    const struct cop_copy *copy, float *src, const float *dst, struct cop_err *err)
{
    struct walk walk = prepare(copy);
    walk.back = src;
    walk.diff = dst;
    return run(&walk, err);
}
