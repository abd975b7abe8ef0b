/* engine/build_loops.c - steps done by our own loops: moving elements (reorder, slice,
 * pad, transpose, concat), broadcasting arithmetic, reductions.  Each result element is
 * computed by one thread in a fixed order, so runs repeat bit for bit. */
#include "engine/plan_impl.h"

#include <math.h>
#include <string.h>

/* ---- moving elements ---------------------------------------------------------------------- */

/* Several copies into one result, after filling it where they do not cover it. */
struct moves {
    bool fills;
    float fill;
    int64_t n_elements; /* of the result's bytes */
    int32_t n;
    struct cop_copy *copy; /* [n], one per source */
};

struct filling {
    float *dst;
    float fill;
    int64_t n;
};

enum { FILL_ROW = 4096 };

static void fill_rows(const void *context, int64_t first, int64_t last)
{
    const struct filling *filling = context;
    int64_t end = last * FILL_ROW < filling->n ? last * FILL_ROW : filling->n;
    for (int64_t i = first * FILL_ROW; i < end; i++)
        filling->dst[i] = filling->fill;
}

static enum cop_status fill_all(
    const struct moves *moves, float *dst, struct cop_err *err)
{
    const struct filling filling = {
        .dst = dst, .fill = moves->fill, .n = moves->n_elements};
    int64_t n_rows = (moves->n_elements + FILL_ROW - 1) / FILL_ROW;
    return cop_rows_run(n_rows, moves->n_elements, fill_rows, &filling, err);
}

static enum cop_status run_moves(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    const struct moves *moves = step->loop_data;
    float *dst = plan->arrays[step->args[moves->n].array].data;
    if (moves->fills) COP_TRY(fill_all(moves, dst, err));
    for (int32_t i = 0; i < moves->n; i++) {
        if (moves->copy[i].rank < 0) continue;
        const float *src = plan->arrays[step->args[i].array].data;
        COP_TRY(cop_copy_run(&moves->copy[i], src, dst, err));
    }
    return COP_OK;
}

static struct moves *new_moves(struct cop_plan *plan, int32_t n)
{
    struct moves *moves = COP_ARENA_NEW(plan->arena, struct moves);
    if (moves == NULL) return NULL;
    moves->n = n;
    moves->copy = COP_ARENA_NEW_N(plan->arena, n, struct cop_copy);
    return moves->copy != NULL ? moves : NULL;
}

static enum cop_status add_moves(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    struct moves *moves,
    const struct cop_step_arg *args,
    struct cop_err *err)
{
    const struct cop_md *dst = cop_plan__md(plan, args[moves->n].array);
    moves->n_elements = (int64_t)(cop_md_bytes(dst) / sizeof(float));
    if (cop_md_is_padded(dst)) moves->fills = true;
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, moves->n + 1, &step, err));
    step->loop = run_moves;
    step->loop_data = moves;
    return COP_OK;
}

enum cop_status cop_plan__build_reorder(
    struct cop_plan *plan, int32_t from, int32_t to, struct cop_err *err)
{
    struct moves *moves = new_moves(plan, 1);
    if (moves == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_copy_between(
        plan->arena,
        cop_plan__md(plan, from),
        cop_plan__md(plan, to),
        &moves->copy[0],
        err));
    const struct cop_step_arg args[2] = {{COP_ROLE_SRC, from}, {COP_ROLE_DST, to}};
    return add_moves(plan, NULL, moves, args, err);
}

/* One axis of a pick: result elements without a source are left to the filling. */
static enum cop_status link_picked(
    struct cop_plan *plan,
    const int64_t *index, /* [extent of the result]; NULL: as it is */
    int32_t axis,
    const struct cop_offsets whole[2], /* src, dst */
    struct cop_copy *copy,
    struct cop_err *err)
{
    copy->src.axis[axis] = whole[0].axis[axis];
    if (index == NULL) return COP_OK;
    const int64_t n = copy->dim[axis];
    int64_t *from = COP_ARENA_NEW_N(plan->arena, n, int64_t);
    int64_t *to = COP_ARENA_NEW_N(plan->arena, n, int64_t);
    if (from == NULL || to == NULL) return COP_FAIL_NOMEM(err);
    copy->dim[axis] = 0;
    for (int64_t i = 0; i < n; i++) {
        if (index[i] < 0) continue;
        from[copy->dim[axis]] = whole[0].axis[axis][index[i]];
        to[copy->dim[axis]++] = whole[1].axis[axis][i];
    }
    copy->src.axis[axis] = from;
    copy->dst.axis[axis] = to;
    copy->repeats = true;
    return COP_OK;
}

static bool pick_fills(const struct cop_prim *prim, const struct cop_shape *dst)
{
    for (int32_t axis = 0; axis < dst->rank; axis++) {
        const int64_t *index = prim->as.pick.index[axis];
        for (int64_t i = 0; index != NULL && i < dst->dim[axis]; i++)
            if (index[i] < 0) return true;
    }
    return false;
}

/* One axis of a slice, pad or transpose: which source and result elements meet. */
static enum cop_status link_axis(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t axis,
    const struct cop_offsets whole[2], /* src, dst */
    struct cop_copy *copy,
    struct cop_err *err)
{
    int64_t in = cop_plan__shape(plan, prim->srcs[0])->dim[axis];
    int64_t out = cop_plan__shape(plan, prim->dst)->dim[axis];
    copy->dst.axis[axis] = whole[1].axis[axis];
    copy->dim[axis] = out;
    if (prim->kind == COP_PRIM_TRANSPOSE) {
        copy->src.axis[axis] = whole[0].axis[prim->as.perm[axis]];
        return COP_OK;
    }
    if (prim->kind == COP_PRIM_PICK)
        return link_picked(plan, prim->as.pick.index[axis], axis, whole, copy, err);
    if (prim->kind == COP_PRIM_PAD) {
        int64_t left = prim->as.pad.pads_l[axis];
        int64_t first = left > 0 ? left : 0;
        int64_t last = left + in < out ? left + in : out;
        copy->dim[axis] = last - first;
        if (last <= first) return COP_OK;
        copy->dst.axis[axis] += first;
        copy->src.axis[axis] = whole[0].axis[axis] + (first - left);
        return COP_OK;
    }
    int64_t *picked = COP_ARENA_NEW_N(plan->arena, out, int64_t);
    if (picked == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < out; i++)
        picked[i] =
            whole[0].axis[axis]
                         [prim->as.slice.starts[axis] + i * prim->as.slice.steps[axis]];
    copy->src.axis[axis] = picked;
    return COP_OK;
}

enum cop_status cop_plan__link(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_offsets whole[2],
    struct cop_copy *copy,
    struct cop_err *err)
{
    copy->rank = cop_plan__shape(plan, prim->dst)->rank;
    if (copy->rank == 0) { /* a scalar is one axis of one element */
        copy->rank = 1;
        copy->dim[0] = 1;
        copy->src = whole[0];
        copy->dst = whole[1];
        return COP_OK;
    }
    bool is_empty = false;
    for (int32_t i = 0; i < copy->rank; i++) {
        COP_TRY(link_axis(plan, prim, i, whole, copy, err));
        if (copy->dim[i] <= 0) is_empty = true;
    }
    if (is_empty) copy->rank = -1;
    return COP_OK;
}

enum cop_status cop_plan__build_copy(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    int32_t src;
    int32_t dst;
    const struct cop_md *md;
    const struct cop_shape *shape = cop_plan__shape(plan, prim->dst);
    COP_TRY(cop_plan__array(plan, prim->srcs[0], &src, err));
    const struct cop_md *own = cop_plan__md(plan, src);
    if (prim->kind == COP_PRIM_TRANSPOSE)
        COP_TRY(cop_md_create(plan->arena, shape, NULL, &md, err));
    else
        COP_TRY(cop_md_like(plan->arena, own, shape, &md, err));
    COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &dst, err));
    struct moves *moves = new_moves(plan, 1);
    if (moves == NULL) return COP_FAIL_NOMEM(err);
    struct cop_offsets whole[2];
    COP_TRY(cop_offsets_of(plan->arena, own, &whole[0], err));
    COP_TRY(cop_offsets_of(plan->arena, md, &whole[1], err));
    COP_TRY(cop_plan__link(plan, prim, whole, &moves->copy[0], err));
    moves->fills = prim->kind == COP_PRIM_PAD;
    moves->fill = prim->kind == COP_PRIM_PAD ? prim->as.pad.fill : 0.0f;
    if (prim->kind == COP_PRIM_PICK) {
        moves->fills = pick_fills(prim, shape);
        moves->fill = prim->as.pick.fill;
    }
    const struct cop_step_arg args[2] = {{COP_ROLE_SRC, src}, {COP_ROLE_DST, dst}};
    return add_moves(plan, prim, moves, args, err);
}

/* ---- concat -------------------------------------------------------------------------------- */

/* Copies of our own, row-major where oneDNN has no direct kernel, into what some sources
 * have been written to already otherwise. */
static enum cop_status build_own_concat(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    struct cop_step_arg *args,
    struct cop_err *err)
{
    int32_t n = prim->n_srcs;
    int32_t axis = prim->as.concat_axis;
    struct moves *moves = new_moves(plan, n);
    if (moves == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_md *md;
    args[n].array = plan->first_array[prim->dst];
    if (args[n].array < 0) {
        COP_TRY(cop_md_create(
            plan->arena, cop_plan__shape(plan, prim->dst), NULL, &md, err));
        COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &args[n].array, err));
    }
    md = cop_plan__md(plan, args[n].array);
    struct cop_offsets dst;
    COP_TRY(cop_offsets_of(plan->arena, md, &dst, err));
    int64_t first = 0;
    int32_t n_copied = 0;
    for (int32_t i = 0; i < n; i++) {
        struct cop_copy *copy = &moves->copy[i];
        const struct cop_md *src = cop_plan__md(plan, args[i].array);
        copy->rank = -1;
        if (!cop_plan__is_in_place(plan, args[i].array, prim)) {
            copy->rank = cop_md_rank(src);
            for (int32_t k = 0; k < copy->rank; k++)
                copy->dim[k] = cop_md_dim(src, k);
            COP_TRY(cop_offsets_of(plan->arena, src, &copy->src, err));
            copy->dst = dst;
            copy->dst.axis[axis] += first;
            n_copied++;
        }
        first += cop_md_dim(src, axis);
    }
    return n_copied > 0 ? add_moves(plan, prim, moves, args, err) : COP_OK;
}

enum cop_status cop_plan__build_concat(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    int32_t n = prim->n_srcs;
    struct cop_step_arg *args =
        COP_ARENA_NEW_N(plan->arena, n + 1, struct cop_step_arg);
    const struct cop_md **mds = COP_ARENA_NEW_N(plan->arena, n, const struct cop_md *);
    if (args == NULL || mds == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        args[i].role = COP_ROLE_MANY_SRC + i;
        COP_TRY(cop_plan__array(plan, prim->srcs[i], &args[i].array, err));
        mds[i] = cop_plan__md(plan, args[i].array);
    }
    args[n].role = COP_ROLE_DST;
    if (plan->first_array[prim->dst] >= 0)
        return build_own_concat(plan, prim, args, err);
    const struct cop_pd_request request = cop_plan__request(plan, NULL);
    struct cop_pd *pd;
    enum cop_status status =
        cop_pd_concat(&request, prim->as.concat_axis, n, mds, &pd, err);
    if (status == COP_ENOMEM) return status;
    /* "simple" copies bytes; the others reorder inside, which 2.6 gets wrong at tails. */
    if (status != COP_OK || strncmp(cop_pd_impl(pd), "simple", 6) != 0)
        return build_own_concat(plan, prim, args, err);
    COP_TRY(cop_plan__new_array(
        plan, prim->dst, cop_pd_md(pd, COP_ROLE_DST), -1, &args[n].array, err));
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, n + 1, &step, err));
    step->pd = pd;
    step->impl = cop_pd_impl(pd);
    return COP_OK;
}

/* ---- broadcasting arithmetic ---------------------------------------------------------------- */

struct broadcast {
    enum cop_binary_alg alg;
    int32_t rank;
    int64_t dim[COP_MAX_RANK];
    struct cop_offsets src[2];
    struct cop_offsets dst;
    const float *from[2];
    float *to;
};

static inline float combine(enum cop_binary_alg alg, float a, float b)
{
    switch (alg) {
    case COP_BINARY_ADD: return a + b;
    case COP_BINARY_SUB: return a - b;
    case COP_BINARY_MUL: return a * b;
    case COP_BINARY_DIV: return a / b;
    case COP_BINARY_MAX: return a > b ? a : b;
    case COP_BINARY_MIN: return a < b ? a : b;
    case COP_BINARY_POW: return powf(a, b);
    case COP_BINARY_PRELU: return a >= 0.0f ? a : a * b;
    case COP_BINARY_EQUAL: return a == b ? 1.0f : 0.0f;
    case COP_BINARY_GREATER: return a > b ? 1.0f : 0.0f;
    case COP_BINARY_GREATER_EQUAL: return a >= b ? 1.0f : 0.0f;
    }
    return 0.0f;
}

static void combine_below(
    const struct broadcast *run, int32_t axis, int64_t a, int64_t b, int64_t dst)
{
    const int64_t *off_a = run->src[0].axis[axis];
    const int64_t *off_b = run->src[1].axis[axis];
    const int64_t *off_dst = run->dst.axis[axis];
    for (int64_t i = 0; i < run->dim[axis]; i++) {
        if (axis + 1 < run->rank)
            combine_below(run, axis + 1, a + off_a[i], b + off_b[i], dst + off_dst[i]);
        else
            run->to[dst + off_dst[i]] = combine(
                run->alg, run->from[0][a + off_a[i]], run->from[1][b + off_b[i]]);
    }
}

static void combine_row(const struct broadcast *run, int64_t row)
{
    int64_t inner = run->rank > 1 ? run->dim[1] : 1;
    int64_t i = row / inner;
    int64_t a = run->src[0].axis[0][i];
    int64_t b = run->src[1].axis[0][i];
    int64_t dst = run->dst.axis[0][i];
    if (run->rank == 1) {
        run->to[dst] = combine(run->alg, run->from[0][a], run->from[1][b]);
        return;
    }
    i = row % inner;
    a += run->src[0].axis[1][i];
    b += run->src[1].axis[1][i];
    dst += run->dst.axis[1][i];
    if (run->rank == 2)
        run->to[dst] = combine(run->alg, run->from[0][a], run->from[1][b]);
    else
        combine_below(run, 2, a, b, dst);
}

static void combine_rows(const void *context, int64_t first, int64_t last)
{
    for (int64_t row = first; row < last; row++)
        combine_row(context, row);
}

static enum cop_status run_broadcast(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    struct broadcast run = *(const struct broadcast *)step->loop_data;
    for (int i = 0; i < 2; i++)
        run.from[i] = plan->arrays[step->args[i].array].data;
    run.to = plan->arrays[step->args[2].array].data;
    int64_t rows = run.dim[0] * (run.rank > 1 ? run.dim[1] : 1);
    int64_t n = 1;
    for (int32_t i = 0; i < run.rank; i++)
        n *= run.dim[i];
    return cop_rows_run(rows, n, combine_rows, &run, err);
}

/* Tables of one operand along the axes of the result: a stretched axis repeats element 0. */
static enum cop_status stretched(
    struct cop_plan *plan,
    int32_t array,
    const struct cop_shape *own,
    const struct cop_shape *result,
    struct cop_offsets *offsets,
    struct cop_err *err)
{
    struct cop_offsets tables = {{NULL}};
    COP_TRY(cop_offsets_of(plan->arena, cop_plan__md(plan, array), &tables, err));
    int32_t lead = result->rank - own->rank;
    for (int32_t i = 0; i < result->rank; i++) {
        bool real = i >= lead && own->dim[i - lead] == result->dim[i];
        if (real) {
            offsets->axis[i] = tables.axis[i - lead];
            continue;
        }
        int64_t *zero = COP_ARENA_NEW_N(plan->arena, result->dim[i], int64_t);
        if (zero == NULL) return COP_FAIL_NOMEM(err);
        offsets->axis[i] = zero;
    }
    return COP_OK;
}

static enum cop_status build_broadcast(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const int32_t srcs[2],
    struct cop_err *err)
{
    struct broadcast *run = COP_ARENA_NEW(plan->arena, struct broadcast);
    if (run == NULL) return COP_FAIL_NOMEM(err);
    struct cop_shape result = *cop_plan__shape(plan, prim->dst);
    const struct cop_md *md = NULL;
    for (int i = 0; i < 2; i++) {
        const struct cop_md *own = cop_plan__md(plan, srcs[i]);
        bool fits = cop_shape_equal(cop_plan__shape(plan, prim->srcs[i]), &result);
        if (md == NULL && fits && !cop_md_is_padded(own)) md = own;
    }
    if (md == NULL) COP_TRY(cop_md_create(plan->arena, &result, NULL, &md, err));
    int32_t dst;
    COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &dst, err));
    if (result.rank == 0) result = (struct cop_shape){.rank = 1, .dim = {1}};
    run->alg = prim->as.binary;
    run->rank = result.rank;
    memcpy(run->dim, result.dim, sizeof run->dim);
    for (int i = 0; i < 2; i++)
        COP_TRY(stretched(
            plan,
            srcs[i],
            cop_plan__shape(plan, prim->srcs[i]),
            &result,
            &run->src[i],
            err));
    COP_TRY(cop_offsets_of(plan->arena, md, &run->dst, err));
    const struct cop_step_arg args[3] = {
        {COP_ROLE_SRC, srcs[0]}, {COP_ROLE_SRC_1, srcs[1]}, {COP_ROLE_DST, dst}};
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, 3, &step, err));
    step->loop = run_broadcast;
    step->loop_data = run;
    return COP_OK;
}

/* Equal shapes: oneDNN, both in one layout, preferably that of a computed operand. */
static enum cop_status build_equal_binary(
    struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    int32_t srcs[2];
    int like = cop_plan__is_const(plan, prim->srcs[0]) ? 1 : 0;
    COP_TRY(cop_plan__array(plan, prim->srcs[like], &srcs[like], err));
    const struct cop_md *md = cop_plan__md(plan, srcs[like]);
    COP_TRY(cop_plan__array_as(plan, prim->srcs[1 - like], md, &srcs[1 - like], err));
    const struct cop_md *const mds[2] = {md, md};
    const struct cop_attr attr = {.n_posts = prim->n_posts, .posts = prim->posts};
    const struct cop_pd_request request = cop_plan__request(plan, &attr);
    struct cop_pd *pd;
    COP_TRY(cop_pd_binary(&request, prim->as.binary, mds, md, &pd, err));
    int32_t dst;
    COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &dst, err));
    const struct cop_step_arg args[3] = {
        {COP_ROLE_SRC, srcs[0]}, {COP_ROLE_SRC_1, srcs[1]}, {COP_ROLE_DST, dst}};
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, 3, &step, err));
    step->pd = pd;
    step->impl = cop_pd_impl(pd);
    return COP_OK;
}

enum cop_status cop_plan__build_binary(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    int32_t srcs[2];
    bool equal = cop_shape_equal(
        cop_plan__shape(plan, prim->srcs[0]), cop_plan__shape(plan, prim->srcs[1]));
    if (equal && cop_binary_is_dnnl(prim->as.binary))
        return build_equal_binary(plan, prim, err);
    for (int i = 0; i < 2; i++)
        COP_TRY(cop_plan__array(plan, prim->srcs[i], &srcs[i], err));
    return build_broadcast(plan, prim, srcs, err);
}

/* ---- reductions ------------------------------------------------------------------------------ */

struct reduction {
    enum cop_reduce_alg alg;
    int64_t n_results;
    int64_t n_reduced;
    int32_t n_kept_axes;
    int64_t kept_dim[COP_MAX_RANK];
    int64_t kept_stride[COP_MAX_RANK];
    const int64_t *reduced; /* [n_reduced] offsets of the elements of one result */
    const float *src;
    float *dst;
};

static float reduce_product(const struct reduction *run, const float *src)
{
    double product = 1.0;
    for (int64_t k = 0; k < run->n_reduced; k++)
        product *= (double)src[run->reduced[k]];
    return (float)product;
}

/* Of one axis, so offsets are listed in the order of its elements. */
static float reduce_place(const struct reduction *run, const float *src)
{
    int64_t best = 0;
    for (int64_t k = 1; k < run->n_reduced; k++) {
        const float x = src[run->reduced[k]];
        const float most = src[run->reduced[best]];
        if (x > most || (x == most && run->alg == COP_REDUCE_ARG_MAX_LAST)) best = k;
    }
    return (float)best;
}

static void reduce_one(const struct reduction *run, int64_t i)
{
    int64_t base = 0;
    int64_t rest = i;
    for (int32_t axis = run->n_kept_axes - 1; axis >= 0; axis--) {
        base += rest % run->kept_dim[axis] * run->kept_stride[axis];
        rest /= run->kept_dim[axis];
    }
    if (run->alg == COP_REDUCE_PROD) {
        run->dst[i] = reduce_product(run, run->src + base);
        return;
    }
    if (run->alg == COP_REDUCE_ARG_MAX || run->alg == COP_REDUCE_ARG_MAX_LAST) {
        run->dst[i] = reduce_place(run, run->src + base);
        return;
    }
    double sum = 0.0;
    float most = -INFINITY;
    float least = INFINITY;
    for (int64_t k = 0; k < run->n_reduced; k++) {
        float x = run->src[base + run->reduced[k]];
        sum += (double)x;
        if (x > most) most = x;
        if (x < least) least = x;
    }
    if (run->alg == COP_REDUCE_MIN) most = least;
    if (run->alg == COP_REDUCE_MEAN) sum /= (double)run->n_reduced;
    bool extreme = run->alg == COP_REDUCE_MAX || run->alg == COP_REDUCE_MIN;
    run->dst[i] = extreme ? most : (float)sum;
}

static void reduce_rows(const void *context, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        reduce_one(context, i);
}

static enum cop_status run_reduction(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    struct reduction run = *(const struct reduction *)step->loop_data;
    run.src = plan->arrays[step->args[0].array].data;
    run.dst = plan->arrays[step->args[1].array].data;
    return cop_rows_run(
        run.n_results, run.n_results * run.n_reduced, reduce_rows, &run, err);
}

/* Splits the axes of a row-major source into kept and reduced ones. */
static enum cop_status split_axes(
    struct cop_plan *plan,
    const struct cop_shape *shape,
    uint32_t axes,
    struct reduction *run,
    struct cop_err *err)
{
    run->n_results = 1;
    run->n_reduced = 1;
    for (int32_t i = 0; i < shape->rank; i++) {
        if ((axes >> i & 1u) != 0)
            run->n_reduced *= shape->dim[i];
        else
            run->n_results *= shape->dim[i];
    }
    int64_t *offset = COP_ARENA_NEW_N(plan->arena, run->n_reduced, int64_t);
    if (offset == NULL) return COP_FAIL_NOMEM(err);
    int64_t filled = 1;
    for (int32_t i = 0; i < shape->rank; i++) {
        int64_t stride = cop_shape_span(shape, i + 1, shape->rank);
        if ((axes >> i & 1u) == 0) {
            run->kept_dim[run->n_kept_axes] = shape->dim[i];
            run->kept_stride[run->n_kept_axes++] = stride;
            continue;
        }
        /* Every offset so far, once per step along this axis; backwards, in place. */
        for (int64_t k = filled * shape->dim[i] - 1; k >= 0; k--)
            offset[k] = offset[k / shape->dim[i]] + k % shape->dim[i] * stride;
        filled *= shape->dim[i];
    }
    run->reduced = offset;
    return COP_OK;
}

enum cop_status cop_plan__build_reduce(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    if (cop_plan__reduces_image(plan, prim))
        return cop_plan__build_image_reduce(plan, prim, err);
    struct reduction *run = COP_ARENA_NEW(plan->arena, struct reduction);
    if (run == NULL) return COP_FAIL_NOMEM(err);
    run->alg = prim->as.reduce.alg;
    int32_t src;
    int32_t dst;
    const struct cop_md *md;
    COP_TRY(split_axes(
        plan, cop_plan__shape(plan, prim->srcs[0]), prim->as.reduce.axes, run, err));
    COP_TRY(cop_plan__array_plain(plan, prim->srcs[0], NULL, &src, err));
    COP_TRY(
        cop_md_create(plan->arena, cop_plan__shape(plan, prim->dst), NULL, &md, err));
    COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &dst, err));
    const struct cop_step_arg args[2] = {{COP_ROLE_SRC, src}, {COP_ROLE_DST, dst}};
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, 2, &step, err));
    step->loop = run_reduction;
    step->loop_data = run;
    return COP_OK;
}
