/* prune/score_weights.c - scores that need nothing but weights; see score.h. */
#include "prune/score_impl.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

/* ---- ranking ------------------------------------------------------------------------- */

static int by_score(const void *a, const void *b)
{
    const struct cop_score *x = a;
    const struct cop_score *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->channel < y->channel ? -1 : 1;
}

void cop_score__rank(struct cop_score *order, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += order[i].score;
    qsort(order, (size_t)n, sizeof *order, by_score);
    double gone = 0.0;
    for (int64_t i = 0; i < n; i++) {
        gone += order[i].score;
        order[i].error_left = sum > 0.0 ? gone / sum : 0.0;
        if (sum > 0.0) order[i].score *= (double)n / sum;
    }
}

/* ---- slices of weights ----------------------------------------------------------------- */

static bool is_weight(const struct cop_value *value, int32_t least_rank)
{
    return value->data != NULL && value->dtype == COP_F32 &&
           value->shape.rank >= least_rank;
}

/* Vectors (biases, statistics) count only where there are no weights. */
static int32_t least_rank(const struct cop_group *group)
{
    for (int32_t m = 0; m < group->n_members; m++) {
        if (is_weight(group->members[m].value, 2)) return 2;
    }
    return 1;
}

/* Elements of a channel's slice of one member. */
static int64_t slice_n(const struct cop_member *member)
{
    const struct cop_shape *shape = &member->value->shape;
    return member->step * (cop_shape_n(shape) / shape->dim[member->axis]);
}

/* Copies a channel's slice of one member, element by element of the axis. */
static void gather_slice(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t m,
    int64_t channel,
    double *slice)
{
    const struct cop_member *member = &group->members[m];
    const struct cop_shape *shape = &member->value->shape;
    const void *data = cop_buf_data(member->value->data);
    int64_t outer = cop_shape_span(shape, 0, member->axis);
    int64_t inner = cop_shape_span(shape, member->axis + 1, shape->rank);
    const int64_t *elements;
    int64_t n;
    cop_group_elements(groups, group, m, channel, &elements, &n);
    for (int64_t e = 0; e < n; e++) {
        for (int64_t o = 0; o < outer; o++) {
            int64_t first = (o * shape->dim[member->axis] + elements[e]) * inner;
            for (int64_t i = 0; i < inner; i++)
                *slice++ = (double)cop_f32_at(data, first + i);
        }
    }
}

/* ---- magnitude --------------------------------------------------------------------------- */

static double slice_squares(
    const struct cop_value *value, int32_t axis, int64_t element)
{
    const void *data = cop_buf_data(value->data);
    int64_t outer = cop_shape_span(&value->shape, 0, axis);
    int64_t inner = cop_shape_span(&value->shape, axis + 1, value->shape.rank);
    double squares = 0.0;
    for (int64_t o = 0; o < outer; o++) {
        int64_t first = (o * value->shape.dim[axis] + element) * inner;
        for (int64_t i = 0; i < inner; i++) {
            double weight = (double)cop_f32_at(data, first + i);
            squares += weight * weight;
        }
    }
    return squares;
}

void cop_score__magnitude(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct cop_score *order)
{
    int32_t rank = least_rank(group);
    for (int64_t c = 0; c < group->n_channels; c++) {
        double squares = 0.0;
        for (int32_t m = 0; m < group->n_members; m++) {
            const struct cop_member *member = &group->members[m];
            if (!is_weight(member->value, rank)) continue;
            const int64_t *elements;
            int64_t n;
            cop_group_elements(groups, group, m, c, &elements, &n);
            for (int64_t e = 0; e < n; e++)
                squares += slice_squares(member->value, member->axis, elements[e]);
        }
        order[c] = (struct cop_score){.channel = c, .score = squares};
    }
    cop_score__rank(order, group->n_channels);
}

/* ---- geometric median ---------------------------------------------------------------------- */

/* Adds the Gram of the channels' slices of one member to @p gram [n][n]. */
static enum cop_status add_gram(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t m,
    struct cop_arena *arena,
    double *gram,
    struct cop_err *err)
{
    int64_t n = group->n_channels;
    int64_t length = slice_n(&group->members[m]);
    struct cop_arena_mark mark = cop_arena_mark(arena);
    double *rows = COP_ARENA_NEW_N(arena, n * length, double);
    if (rows == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t c = 0; c < n; c++)
        gather_slice(groups, group, m, c, rows + c * length);
    cblas_dsyrk(
        CblasRowMajor,
        CblasUpper,
        CblasNoTrans,
        (int)n,
        (int)length,
        1.0,
        rows,
        (int)length,
        1.0,
        gram,
        (int)n);
    cop_arena_reset(arena, mark);
    return COP_OK;
}

/* The filters are the slices of those who make the channels; readers' slices say nothing of
 * whether another filter does the same.  A group without makers is judged by all. */
static bool counts(const struct cop_group *group, int32_t m, int32_t rank)
{
    bool has_maker = false;
    for (int32_t k = 0; k < group->n_members; k++)
        has_maker = has_maker || (is_weight(group->members[k].value, rank) &&
                                  !group->members[k].is_consumer);
    return is_weight(group->members[m].value, rank) &&
           !(has_maker && group->members[m].is_consumer);
}

static enum cop_status score_fpgm(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct cop_arena *arena,
    struct cop_score *order,
    struct cop_err *err)
{
    int64_t n = group->n_channels;
    int32_t rank = least_rank(group);
    double *gram = COP_ARENA_NEW_N(arena, n * n, double);
    if (gram == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t m = 0; m < group->n_members; m++) {
        if (counts(group, m, rank))
            COP_TRY(add_gram(groups, group, m, arena, gram, err));
    }
    for (int64_t c = 0; c < n; c++) {
        double sum = 0.0;
        for (int64_t j = 0; j < n; j++) {
            double product = gram[(c < j ? c : j) * n + (c < j ? j : c)];
            double squares = gram[c * (n + 1)] + gram[j * (n + 1)] - 2.0 * product;
            sum += squares > 0.0 ? sqrt(squares) : 0.0;
        }
        order[c] = (struct cop_score){.channel = c, .score = sum};
    }
    cop_score__rank(order, n);
    return COP_OK;
}

enum cop_status cop_score__fpgm(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct cop_score *order,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = score_fpgm(groups, group, arena, order, err);
    cop_arena_destroy(arena);
    return status;
}
