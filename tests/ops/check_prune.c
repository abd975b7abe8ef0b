/* tests/ops/check_prune.c - the prune oracle around one operator.
 *
 * Every activation of the line comes out of a linear layer, every result goes into one, so
 * that channels can be cut.  For each group that may be cut, the physically smaller graph
 * must give the outputs of the big one in which the slices that consume the removed
 * channels are zero. */
#include "check.h"

#include "ops/ops.h"
#include "prune/coupling.h"
#include "prune/cut.h"
#include "prune/groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_IN = 3, N_OUT = 4, MAX_MEMBERS = 64 };

/** The net around the node. */
struct net {
    struct cop_graph *graph;
    struct cop_node *node;
    struct cop_value *src[REF_MAX_SRC];
};

static enum cop_status random_constant(
    struct check *check,
    struct net *net,
    struct cop_shape shape,
    bool is_positive,
    struct cop_value **value)
{
    struct ref_tensor tensor;
    ref_make(&tensor, COP_F32, &shape);
    for (int64_t i = 0; i < ref_n(&tensor); i++)
        tensor.at[i] = cop_rng_range(&check->rng, is_positive ? 0.2 : -1.0, 1.0);
    const enum cop_status status =
        case_constant(net->graph, &tensor, value, &check->err);
    ref_clear(&tensor);
    return status;
}

/* A linear layer over axis 1 (a 1x1 convolution, of so many axes) or over the last axis (a
 * product; no axes). */
static enum cop_status add_layer(
    struct check *check,
    struct net *net,
    const int64_t in_out[2],
    int conv_rank,
    bool is_positive,
    struct cop_value **value)
{
    struct cop_value *src[3] = {*value, NULL, NULL};
    const bool is_conv = conv_rank > 0;
    const struct cop_shape weights = {
        is_conv ? conv_rank : 2,
        {is_conv ? in_out[1] : in_out[0], is_conv ? in_out[0] : in_out[1], 1, 1, 1}};
    const struct cop_shape bias = {1, {in_out[1]}};
    COP_TRY(random_constant(check, net, weights, is_positive, &src[1]));
    if (is_conv) COP_TRY(random_constant(check, net, bias, is_positive, &src[2]));
    const struct cop_node_spec spec = {
        .op = is_conv ? &cop_op_conv : &cop_op_matmul,
        .src = src,
        .n_src = is_conv ? 3 : 2,
        .n_dst = 1};
    struct cop_node *node = NULL;
    COP_TRY(cop_graph_add_node(net->graph, &spec, &node, &check->err));
    *value = node->dst[0];
    return COP_OK;
}

/* [n][c][h][w] becomes what the line says, for lines that merge channels. */
static enum cop_status reshape_to(
    struct check *check,
    struct net *net,
    const struct cop_shape *shape,
    struct cop_value **value)
{
    struct cop_value *src[2] = {*value, NULL};
    double extents[COP_MAX_RANK] = {0};
    for (int i = 1; i < shape->rank; i++)
        extents[i] = (double)shape->dim[i];
    const struct ref_tensor target = {COP_I64, {1, {shape->rank}}, extents};
    COP_TRY(case_constant(net->graph, &target, &src[1], &check->err));
    const struct cop_node_spec spec = {
        .op = &cop_op_reshape, .src = src, .n_src = 2, .n_dst = 1};
    struct cop_node *node = NULL;
    COP_TRY(cop_graph_add_node(net->graph, &spec, &node, &check->err));
    *value = node->dst[0];
    return COP_OK;
}

/* [n][a][b][h][w] becomes [n][a][b]. */
static enum cop_status average(
    struct check *check, struct net *net, struct cop_value **value)
{
    double axes[2] = {3.0, 4.0};
    const struct ref_tensor list = {COP_I64, {1, {2}}, axes};
    struct cop_value *src[2] = {*value, NULL};
    struct cop_node *node = NULL;
    COP_TRY(case_constant(net->graph, &list, &src[1], &check->err));
    const struct cop_node_spec spec = {
        .op = &cop_op_reduce_sum, .src = src, .n_src = 2, .n_dst = 1};
    COP_TRY(cop_graph_add_node(net->graph, &spec, &node, &check->err));
    src[0] = node->dst[0];
    const struct cop_node_spec squeeze = {
        .op = &cop_op_squeeze, .src = src, .n_src = 2, .n_dst = 1};
    COP_TRY(cop_graph_add_node(net->graph, &squeeze, &node, &check->err));
    *value = node->dst[0];
    return COP_OK;
}

/* The axis of an activation along which channels are cut: they come out of a 1x1
 * convolution on axis 1, also where the line splits them over two axes. */
static bool comes_from_conv(const struct case_line *line, const struct cop_shape *shape)
{
    return (shape->rank == 4 || shape->rank == 5 ||
            (shape->rank == 3 && line->is_line)) &&
           !line->is_last_axis;
}

/* Numbers of a layer as uint8. */
static enum cop_status add_quantize(
    struct check *check, struct net *net, struct cop_value **value)
{
    double number = 0.05;
    struct cop_value *src[2] = {*value, NULL};
    const struct ref_tensor scale = {COP_F32, {0, {0}}, &number};
    COP_TRY(case_constant(net->graph, &scale, &src[1], &check->err));
    const struct cop_node_spec spec = {
        .op = &cop_op_quantize_linear, .src = src, .n_src = 2, .n_dst = 1};
    struct cop_node *node = NULL;
    COP_TRY(cop_graph_add_node(net->graph, &spec, &node, &check->err));
    *value = node->dst[0];
    return COP_OK;
}

static enum cop_status add_sources(struct check *check, struct net *net)
{
    const struct case_line *const line = check->line;
    for (int s = 0; s < line->n_src; s++) {
        const struct case_src *const from = &line->src[s];
        if (from->kind == CASE_ABSENT) continue;
        if (from->kind != CASE_ACTIVATION) {
            COP_TRY(
                case_constant(net->graph, &check->src[s], &net->src[s], &check->err));
            continue;
        }
        struct cop_shape shape = from->shape;
        const bool is_conv = comes_from_conv(line, &shape);
        const int axis = is_conv ? 1 : shape.rank - 1;
        const bool is_split = shape.rank == 5 && is_conv && !line->is_volume;
        if (is_split)
            shape = (struct cop_shape){
                4, {1, shape.dim[1] * shape.dim[2], shape.dim[3], shape.dim[4]}};
        const int64_t in_out[2] = {N_IN, shape.dim[axis]};
        shape.dim[0] = 1;
        if (shape.rank > 1) shape.dim[axis] = N_IN;
        COP_TRY(cop_graph_add_input(
            net->graph, "x", COP_F32, &shape, &net->src[s], &check->err));
        if (shape.rank > 1)
            COP_TRY(add_layer(
                check,
                net,
                in_out,
                is_conv ? shape.rank : 0,
                from->low >= 0.0,
                &net->src[s]));
        if (from->dtype == COP_U8) COP_TRY(add_quantize(check, net, &net->src[s]));
        if (is_split) COP_TRY(reshape_to(check, net, &from->shape, &net->src[s]));
    }
    return COP_OK;
}

/* [n][c][w] becomes [n][c][w][1]. */
static enum cop_status add_axis(
    struct check *check, struct net *net, struct cop_value **value)
{
    struct cop_value *src[2] = {*value, NULL};
    double last[1] = {3.0};
    const struct ref_tensor axes = {COP_I64, {1, {1}}, last};
    COP_TRY(case_constant(net->graph, &axes, &src[1], &check->err));
    const struct cop_node_spec spec = {
        .op = &cop_op_unsqueeze, .src = src, .n_src = 2, .n_dst = 1};
    struct cop_node *node = NULL;
    COP_TRY(cop_graph_add_node(net->graph, &spec, &node, &check->err));
    *value = node->dst[0];
    return COP_OK;
}

/* What is not float32 becomes float32. */
static enum cop_status add_cast(
    struct check *check, struct net *net, struct cop_value **value)
{
    const int64_t to_and_saturate[2] = {1, 1};
    const struct cop_node_spec spec = {
        .op = &cop_op_cast,
        .attrs = to_and_saturate,
        .src = value,
        .n_src = 1,
        .n_dst = 1};
    struct cop_node *node = NULL;
    COP_TRY(cop_graph_add_node(net->graph, &spec, &node, &check->err));
    *value = node->dst[0];
    return COP_OK;
}

static enum cop_status add_consumers(struct check *check, struct net *net, bool to_last)
{
    for (int d = 0; d < check->line->n_dst; d++) {
        struct cop_shape cut = check->call.dst[d].shape;
        const struct cop_shape *const shape = &cut;
        struct cop_value *value = net->node->dst[d];
        if (check->call.dst[d].dtype != COP_F32) COP_TRY(add_cast(check, net, &value));
        if (cut.rank == 5) {
            COP_TRY(average(check, net, &value));
            cut.rank = 3;
        }
        const bool is_conv = shape->rank >= 3 && shape->rank <= 4 && !to_last;
        if (is_conv && shape->rank == 3) COP_TRY(add_axis(check, net, &value));
        if (shape->rank >= 2) {
            const int64_t in_out[2] = {
                shape->dim[is_conv ? 1 : shape->rank - 1], N_OUT};
            COP_TRY(add_layer(check, net, in_out, is_conv ? 4 : 0, false, &value));
        }
        COP_TRY(cop_graph_mark_output(net->graph, value, &check->err));
    }
    return COP_OK;
}

static enum cop_status make_net(struct check *check, struct net *net, bool to_last)
{
    memset(net, 0, sizeof *net);
    COP_TRY(cop_graph_create(&cop_ops_standard, &net->graph, &check->err));
    COP_TRY(add_sources(check, net));
    COP_TRY(case_append(check->line, net->graph, net->src, &net->node, &check->err));
    COP_TRY(add_consumers(check, net, to_last));
    COP_TRY(case_lift(check->line, net->graph, net->node, &check->err));
    /* Old encodings are pruned in the form that simplifying gives them; nodes of today's
     * are checked as they stand. */
    return check->line->opset < 13 ? cop_ops_simplify(net->graph, &check->err)
                                   : cop_graph_fold(net->graph, &check->err);
}

/* ---- comparing ------------------------------------------------------------------------- */

/** Outputs of a graph on the inputs of this check. */
struct outputs {
    float *at[REF_MAX_DST];
    int64_t n[REF_MAX_DST];
};

static void outputs_clear(struct outputs *outputs)
{
    for (int d = 0; d < REF_MAX_DST; d++)
        free(outputs->at[d]);
}

static bool run_graph(
    struct check *check,
    const struct cop_graph *graph,
    uint64_t seed,
    struct outputs *outputs)
{
    memset(outputs, 0, sizeof *outputs);
    struct cop_plan *plan = NULL;
    const struct cop_plan_options options = {.mb = check->line->mb, .threads = 1};
    float *starts[REF_MAX_SRC] = {NULL};
    bool is_good = check_status(
        check,
        cop_plan_create(check->engine, graph, &options, &plan, &check->err),
        "plan of a net");
    struct cop_rng rng;
    cop_rng_init(&rng, seed);
    for (int s = 0; is_good && s < cop_plan_n_starts(plan); s++) {
        const int64_t n = cop_shape_n(cop_plan_start_shape(plan, s));
        starts[s] = check_floats(n);
        for (int64_t i = 0; i < n; i++)
            starts[s][i] = (float)cop_rng_range(&rng, 0.1, 1.0);
    }
    for (int d = 0; is_good && d < cop_plan_n_ends(plan); d++) {
        outputs->n[d] = cop_shape_n(cop_plan_end_shape(plan, d));
        outputs->at[d] = check_floats(outputs->n[d]);
    }
    if (is_good)
        is_good = check_status(
            check,
            cop_plan_run(plan, (const float *const *)starts, outputs->at, &check->err),
            "run of a net");
    for (int s = 0; s < REF_MAX_SRC; s++)
        free(starts[s]);
    cop_plan_destroy(plan);
    return is_good;
}

static bool same_outputs(
    struct check *check, const struct cop_graph *small, const struct cop_graph *masked)
{
    struct outputs a;
    struct outputs b;
    const uint64_t seed = cop_rng_u64(&check->rng);
    bool is_good = run_graph(check, masked, seed, &b);
    is_good = run_graph(check, small, seed, &a) && is_good;
    for (int d = 0; is_good && d < REF_MAX_DST && b.at[d] != NULL; d++) {
        double *const want = calloc((size_t)b.n[d] + 1, sizeof *want);
        for (int64_t i = 0; want != NULL && i < b.n[d]; i++)
            want[i] = (double)b.at[d][i];
        if (want == NULL || a.n[d] != b.n[d])
            is_good = check_fail(check, "the cut changed the extent of an output");
        else
            is_good =
                check_near(check, "cut against mask", a.at[d], want, a.n[d], 5e-5);
        free(want);
    }
    outputs_clear(&a);
    outputs_clear(&b);
    return is_good;
}

static bool cut_and_compare(
    struct check *check, const struct cop_groups *groups, struct cop_cut *cut)
{
    struct cop_graph *small = NULL;
    struct cop_graph *masked = NULL;
    bool is_good =
        check_status(check, cop_cut_apply(groups, cut, &small, &check->err), "cut") &&
        check_status(check, cop_cut_mask(groups, cut, &masked, &check->err), "mask") &&
        check_status(check, cop_graph_check(small, &check->err), "cut graph");
    if (is_good && cop_graph_n_params(small) >= cop_graph_n_params(masked))
        is_good = check_fail(check, "the cut graph is not smaller");
    if (is_good) is_good = same_outputs(check, small, masked);
    if (is_good) check->n_cut++;
    cop_graph_destroy(small);
    cop_graph_destroy(masked);
    return is_good;
}

/* Keeps at least one channel and cuts at least one. */
static uint8_t *draw_keep(struct check *check, int64_t n)
{
    uint8_t *const keep = calloc((size_t)n, 1);
    if (keep == NULL) return NULL;
    for (int64_t i = 0; i < n; i++)
        keep[i] = cop_rng_below(&check->rng, 2) == 1;
    const int64_t kept = cop_rng_below(&check->rng, n);
    keep[kept] = 1;
    keep[(kept + 1 + cop_rng_below(&check->rng, n - 1)) % n] = 0;
    return keep;
}

/* True if the group runs along the axis of a source at which the line aims. */
static bool is_aimed_at(
    const struct check *check, const struct net *net, const struct cop_group *group)
{
    for (int32_t m = 0; m < group->n_members; m++) {
        for (int s = 0; s < check->line->n_src; s++) {
            if (check->line->src[s].kind != CASE_ACTIVATION) continue;
            const struct cop_shape *const shape = &check->line->src[s].shape;
            const int32_t axis = group->members[m].axis;
            if (group->members[m].value != net->src[s]) continue;
            if (!comes_from_conv(check->line, shape) && axis == shape->rank - 1)
                return true;
            if (comes_from_conv(check->line, shape) && axis >= 1 &&
                axis <= (shape->rank == 3 ? 1 : shape->rank - 3))
                return true;
        }
    }
    return false;
}

/* Each group alone, then all together. */
static bool each_group(
    struct check *check,
    const struct net *net,
    const struct cop_groups *groups,
    int *n_aimed)
{
    const int32_t n = cop_groups_n(groups);
    uint8_t **const keep = calloc((size_t)n + 1, sizeof *keep);
    const uint8_t **const one = calloc((size_t)n + 1, sizeof *one);
    bool is_good = keep != NULL && one != NULL;
    for (int32_t g = 0; is_good && g < n; g++) {
        const struct cop_group *const group = cop_groups_at(groups, g);
        if (group->frozen_because != NULL || group->n_channels < 2) continue;
        *n_aimed += is_aimed_at(check, net, group);
        keep[g] = draw_keep(check, group->n_channels);
        one[g] = keep[g];
        struct cop_cut cut = {one};
        is_good = cut_and_compare(check, groups, &cut);
        one[g] = NULL;
    }
    struct cop_cut all = {(const uint8_t *const *)keep};
    bool has_any = false;
    for (int32_t g = 0; keep != NULL && g < n; g++)
        has_any = has_any || keep[g] != NULL;
    if (is_good && has_any) is_good = cut_and_compare(check, groups, &all);
    for (int32_t g = 0; keep != NULL && g < n; g++)
        free(keep[g]);
    free(keep);
    free(one);
    return is_good;
}

static bool check_net(struct check *check, bool to_last, int *n_aimed)
{
    struct net net;
    struct cop_groups *groups = NULL;
    bool is_good =
        check_status(check, make_net(check, &net, to_last), "net") &&
        check_status(
            check, cop_groups_find(net.graph, &groups, &check->err), "groups") &&
        each_group(check, &net, groups, n_aimed);
    cop_groups_destroy(groups);
    cop_graph_destroy(net.graph);
    return is_good;
}

bool check_prune(struct check *check)
{
    if (!check_is_live(check) || check->line->op->coupling == &cop_couple_frozen)
        return true;
    int n_aimed = 0;
    if (!check_net(check, false, &n_aimed)) return false;
    if (check->call.dst[0].shape.rank >= 3 && !check_net(check, true, &n_aimed))
        return false;
    if (check->line->must_cut && n_aimed == 0)
        return check_fail(check, "no channel of a source may be cut");
    if (check->line->must_freeze && n_aimed > 0)
        return check_fail(check, "channels of a source may be cut");
    return true;
}
