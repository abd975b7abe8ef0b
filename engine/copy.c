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

/* ---- rows over threads ---------------------------------------------------------------- */

enum { CHUNKS = 16, SERIAL_ELEMENTS = 16384 };

struct rows {
    int64_t n;
    int64_t chunks;
    cop_rows_fn *body;
    const void *context;
};

static enum cop_status run_chunk(void *context, int64_t chunk, struct cop_err *err)
{
    (void)err;
    const struct rows *rows = context;
    rows->body(
        rows->context,
        rows->n * chunk / rows->chunks,
        rows->n * (chunk + 1) / rows->chunks);
    return COP_OK;
}

enum cop_status cop_rows_run(
    int64_t n,
    int64_t n_elements,
    cop_rows_fn *body,
    const void *context,
    struct cop_err *err)
{
    struct rows rows = {
        .n = n, .chunks = n < CHUNKS ? n : CHUNKS, .body = body, .context = context};
    if (n_elements >= SERIAL_ELEMENTS && n > 1)
        return cop_par_for(rows.chunks, run_chunk, &rows, err);
    body(context, 0, n);
    return COP_OK;
}

/* ---- walking -------------------------------------------------------------------------- */

enum { SHORT_AXIS = 16 };

/* The same iteration without axes of one element, the axis with the shortest steps in the
 * result innermost: there the loop is tight. */
struct walk {
    int32_t rank;
    int64_t dim[COP_MAX_RANK];
    const int64_t *src[COP_MAX_RANK];
    const int64_t *dst[COP_MAX_RANK];
    int64_t src_base;
    int64_t dst_base;
    bool is_dense; /* the inner axis steps by one element on both sides */
    bool is_short; /* the inner axis is short and the one before steps by one in src */
    const char *from;
    float *to;
    float *back; /* cop_copy_add_back */
    const float *diff;
};

static void insert_axis(struct walk *walk, const struct cop_copy *copy, int32_t axis)
{
    const int64_t *dst = copy->dst.axis[axis];
    int32_t at = walk->rank++;
    while (at > 0 && walk->dst[at - 1][1] - walk->dst[at - 1][0] < dst[1] - dst[0]) {
        walk->dim[at] = walk->dim[at - 1];
        walk->src[at] = walk->src[at - 1];
        walk->dst[at] = walk->dst[at - 1];
        at--;
    }
    walk->dim[at] = copy->dim[axis];
    walk->src[at] = copy->src.axis[axis];
    walk->dst[at] = dst;
}

static bool steps_by(const int64_t *offset, int64_t n, int64_t step)
{
    for (int64_t i = 1; i < n; i++) {
        if (offset[i] != offset[0] + i * step) return false;
    }
    return true;
}

/* Lines that follow one another on both sides are one line; two axes stay, for threads. */
static void join_lines(struct walk *walk)
{
    while (walk->rank > 2) {
        int32_t last = walk->rank - 1;
        int64_t n = walk->dim[last];
        if (!steps_by(walk->src[last - 1], walk->dim[last - 1], n) ||
            !steps_by(walk->dst[last - 1], walk->dim[last - 1], n))
            return;
        walk->src_base += walk->src[last][0];
        walk->dst_base += walk->dst[last][0];
        walk->dim[last - 1] *= n;
        walk->rank--;
    }
}

static struct walk prepare(const struct cop_copy *copy)
{
    struct walk walk = {.rank = 0};
    for (int32_t i = 0; i < copy->rank; i++) {
        if (copy->dim[i] == 1) {
            walk.src_base += copy->src.axis[i][0];
            walk.dst_base += copy->dst.axis[i][0];
        } else {
            insert_axis(&walk, copy, i);
        }
    }
    int32_t last = walk.rank - 1;
    walk.is_dense = walk.rank > 0 && steps_by(walk.src[last], walk.dim[last], 1) &&
                    steps_by(walk.dst[last], walk.dim[last], 1);
    walk.is_short = walk.rank > 2 && !walk.is_dense && walk.dim[last] <= SHORT_AXIS &&
                    steps_by(walk.src[last - 1], walk.dim[last - 1], 1);
    return walk;
}

static void copy_line(const struct walk *walk, int64_t src, int64_t dst)
{
    const char *from = walk->from + src * (int64_t)sizeof(float);
    float *to = walk->to + dst;
    if (walk->rank == 0) {
        memcpy(to, from, sizeof(float));
        return;
    }
    int32_t last = walk->rank - 1;
    const int64_t *src_offset = walk->src[last];
    const int64_t *dst_offset = walk->dst[last];
    int64_t n = walk->dim[last];
    if (walk->is_dense) {
        memcpy(
            to + dst_offset[0],
            from + src_offset[0] * (int64_t)sizeof(float),
            (size_t)n * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        memcpy(&to[dst_offset[i]], from + src_offset[i] * (int64_t)sizeof(float), 4);
}

/* A picture's few channels side by side: along the line of one channel after the other. */
static void copy_short(const struct walk *walk, int64_t src, int64_t dst)
{
    int32_t last = walk->rank - 1;
    const int64_t *dst_offset = walk->dst[last - 1];
    for (int64_t k = 0; k < walk->dim[last]; k++) {
        int64_t first = src + walk->src[last][k] + walk->src[last - 1][0];
        const char *from = walk->from + first * (int64_t)sizeof(float);
        float *to = walk->to + dst + walk->dst[last][k];
        for (int64_t i = 0; i < walk->dim[last - 1]; i++)
            memcpy(&to[dst_offset[i]], from + i * (int64_t)sizeof(float), 4);
    }
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
    if (axis == walk->rank - 2 && walk->is_short && walk->back == NULL) {
        copy_short(walk, src, dst);
        return;
    }
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

/* Rows are the pairs of indices along the two outer axes. */
static void walk_rows(const void *context, int64_t first, int64_t last)
{
    const struct walk *walk = context;
    int64_t inner = walk->rank > 2 ? walk->dim[1] : 1;
    for (int64_t row = first; row < last; row++) {
        int64_t src = walk->src_base + walk->src[0][row / inner];
        int64_t dst = walk->dst_base + walk->dst[0][row / inner];
        if (walk->rank > 2) {
            src += walk->src[1][row % inner];
            dst += walk->dst[1][row % inner];
        }
        walk_lines(walk, walk->rank > 2 ? 2 : 1, src, dst);
    }
}

/* ---- turning -------------------------------------------------------------------------- */

enum { TILE = 64, RUN = 8 };

/* Channels that lie side by side in src, at least in runs, and far apart in the result. */
struct turn {
    const struct walk *walk;
    int32_t axis;    /* of the channels: at most one before it, one or two behind */
    int64_t n_tiles; /* of channels */
};

static bool is_in_runs(const int64_t *offset, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        if (i % RUN != 0 && offset[i] != offset[i - 1] + 1) return false;
    }
    return n >= RUN;
}

static bool find_turn(const struct walk *walk, struct turn *turn)
{
    if (walk->is_dense || walk->is_short) return false;
    for (int32_t axis = 0; axis < 2; axis++) {
        int32_t behind = walk->rank - 1 - axis;
        if (behind < 1 || behind > 2) continue;
        if (!is_in_runs(walk->src[axis], walk->dim[axis])) continue;
        *turn = (struct turn){
            .walk = walk, .axis = axis, .n_tiles = (walk->dim[axis] + TILE - 1) / TILE};
        return true;
    }
    return false;
}

/* One pixel of a tile. */
static void turn_pixel(
    const struct turn *turn, int64_t first, int64_t last, const char *from, float *to)
{
    const int64_t *src_offset = turn->walk->src[turn->axis];
    const int64_t *dst_offset = turn->walk->dst[turn->axis];
    for (int64_t c = first; c < last; c += RUN) {
        const char *run = from + src_offset[c] * (int64_t)sizeof(float);
        int64_t n = last - c < RUN ? last - c : RUN;
        for (int64_t k = 0; k < n; k++)
            memcpy(&to[dst_offset[c + k]], run + k * (int64_t)sizeof(float), 4);
    }
}

/* Rows are tiles of the channels of one picture: read pixel by pixel, so that the lines
 * that are written stay in cache until they are full. */
static void turn_rows(const void *context, int64_t first, int64_t last)
{
    const struct turn *turn = context;
    const struct walk *walk = turn->walk;
    int32_t inner = walk->rank - 1;
    bool has_middle = inner - turn->axis == 2;
    for (int64_t row = first; row < last; row++) {
        int64_t src = walk->src_base;
        int64_t dst = walk->dst_base;
        int64_t c0 = row % turn->n_tiles * TILE;
        int64_t left = walk->dim[turn->axis] - c0;
        if (turn->axis > 0) {
            src += walk->src[0][row / turn->n_tiles];
            dst += walk->dst[0][row / turn->n_tiles];
        }
        for (int64_t y = 0; y < (has_middle ? walk->dim[inner - 1] : 1); y++) {
            int64_t src_y = src + (has_middle ? walk->src[inner - 1][y] : 0);
            int64_t dst_y = dst + (has_middle ? walk->dst[inner - 1][y] : 0);
            for (int64_t x = 0; x < walk->dim[inner]; x++) {
                int64_t at = src_y + walk->src[inner][x];
                turn_pixel(
                    turn,
                    c0,
                    c0 + (left < TILE ? left : TILE),
                    walk->from + at * (int64_t)sizeof(float),
                    walk->to + dst_y + walk->dst[inner][x]);
            }
        }
    }
}

static int64_t count_elements(const struct walk *walk)
{
    int64_t n = 1;
    for (int32_t i = 0; i < walk->rank; i++)
        n *= walk->dim[i];
    return n;
}

static enum cop_status run(struct walk *walk, bool in_turn, struct cop_err *err)
{
    if (walk->rank < 2 || in_turn) {
        walk_lines(walk, 0, walk->src_base, walk->dst_base);
        return COP_OK;
    }
    int64_t rows = walk->dim[0] * (walk->rank > 2 ? walk->dim[1] : 1);
    return cop_rows_run(rows, count_elements(walk), walk_rows, walk, err);
}

enum cop_status cop_copy_run(
    const struct cop_copy *copy, const void *src, float *dst, struct cop_err *err)
{
    struct walk walk = prepare(copy);
    if (walk.is_dense) join_lines(&walk);
    walk.from = src;
    walk.to = dst;
    struct turn turn;
    if (!find_turn(&walk, &turn)) return run(&walk, false, err);
    int64_t rows = turn.n_tiles * (turn.axis > 0 ? walk.dim[0] : 1);
    return cop_rows_run(rows, count_elements(&walk), turn_rows, &turn, err);
}

/* Where each element of src is read at most once, threads never add to the same. */
enum cop_status cop_copy_add_back(
    const struct cop_copy *copy, float *src, const float *dst, struct cop_err *err)
{
    struct walk walk = prepare(copy);
    walk.back = src;
    walk.diff = dst;
    return run(&walk, copy->repeats, err);
}
