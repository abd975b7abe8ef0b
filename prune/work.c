/* prune/work.c - how work and tensors shrink as channels of groups go; see work.h. */
#include "prune/work.h"

#include "prune/repair.h"

/* Which groups run along which axes of each value. */
struct along {
    int32_t group;
    int32_t member;
    int32_t next; /* index + 1; 0: the last */
};
struct alongs {
    struct along *at;
    int32_t n;
    int32_t *head; /* by value id: index + 1 */
};

static enum cop_status list_alongs(
    const struct cop_groups *groups,
    struct cop_arena *arena,
    struct alongs *alongs,
    struct cop_err *err)
{
    int32_t n = 0;
    for (int32_t g = 0; g < cop_groups_n(groups); g++)
        n += cop_groups_at(groups, g)->n_members;
    alongs->at = COP_ARENA_NEW_N(arena, n, struct along);
    alongs->head =
        COP_ARENA_NEW_N(arena, cop_graph_n_values(cop_groups_graph(groups)), int32_t);
    if (alongs->at == NULL || alongs->head == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t g = cop_groups_n(groups) - 1; g >= 0; g--) {
        const struct cop_group *group = cop_groups_at(groups, g);
        for (int32_t m = group->n_members - 1; m >= 0; m--) {
            int32_t *head = &alongs->head[group->members[m].value->id];
            alongs->at[alongs->n] =
                (struct along){.group = g, .member = m, .next = *head};
            *head = ++alongs->n;
        }
    }
    return COP_OK;
}

/* Which constant (or else result) tells how much work a node has left after a cut. */
static const struct cop_value *yardstick(const struct cop_node *node, int64_t macs)
{
    const struct cop_value *largest = NULL;
    if (macs == 0) return node->dst[0];
    for (int32_t s = 0; s < node->n_src; s++) {
        const struct cop_value *src = node->src[s];
        if (src == NULL || src->data == NULL || src->shape.rank < 2) continue;
        bool is_larger =
            largest == NULL || cop_shape_n(&src->shape) > cop_shape_n(&largest->shape);
        if (is_larger) largest = src;
    }
    return largest != NULL ? largest : node->dst[0];
}

static enum cop_status fill_item(
    const struct cop_groups *groups,
    const struct alongs *alongs,
    const struct cop_value *value, /* the yardstick; may be NULL */
    int32_t axis,                  /* only along it; -1: along all */
    struct cop_arena *arena,
    struct cop_work_item *item,
    struct cop_err *err)
{
    int32_t first = value != NULL ? alongs->head[value->id] : 0;
    int32_t n = 0;
    for (int32_t i = first; i != 0; i = alongs->at[i - 1].next)
        n++;
    item->parts = COP_ARENA_NEW_N(arena, n, struct cop_work_part);
    if (item->parts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = first; i != 0; i = alongs->at[i - 1].next) {
        const struct along *along = &alongs->at[i - 1];
        const struct cop_member *member =
            &cop_groups_at(groups, along->group)->members[along->member];
        if (axis >= 0 && member->axis != axis) continue;
        item->parts[item->n_parts++] = (struct cop_work_part){
            .group = along->group,
            .axis = member->axis,
            .share = (double)member->step / (double)value->shape.dim[member->axis],
        };
    }
    return COP_OK;
}

/* The biases that a repair adds shrink with the results that they belong to. */
static enum cop_status list_gained(
    const struct cop_groups *groups,
    const struct alongs *alongs,
    struct cop_arena *arena,
    struct cop_work *work,
    struct cop_err *err)
{
    for (int32_t i = 0; i < work->n_nodes; i++) {
        const struct cop_node *node = work->nodes[i].node;
        int32_t axis;
        int64_t n = cop_repair_gained(node, &axis);
        if (n == 0) continue;
        struct cop_work_item *item = &work->consts[work->n_consts++];
        item->size = n;
        item->is_gained = true;
        COP_TRY(fill_item(groups, alongs, node->dst[0], axis, arena, item, err));
    }
    return COP_OK;
}

static enum cop_status list_items(
    const struct cop_groups *groups,
    const struct alongs *alongs,
    bool gains_biases,
    struct cop_arena *arena,
    struct cop_work *work,
    struct cop_err *err)
{
    const struct cop_graph *graph = cop_groups_graph(groups);
    int32_t n_values = cop_graph_n_values(graph);
    work->n_nodes = cop_graph_n_nodes(graph);
    work->nodes = COP_ARENA_NEW_N(arena, work->n_nodes, struct cop_work_item);
    work->consts =
        COP_ARENA_NEW_N(arena, n_values + work->n_nodes, struct cop_work_item);
    if (work->nodes == NULL || work->consts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < work->n_nodes; i++) {
        struct cop_work_item *item = &work->nodes[i];
        item->node = cop_graph_node(graph, i);
        COP_TRY(cop_node_macs(item->node, &item->size, err));
        const struct cop_value *value = yardstick(item->node, item->size);
        COP_TRY(fill_item(groups, alongs, value, -1, arena, item, err));
    }
    for (int32_t i = 0; i < n_values; i++) {
        const struct cop_value *value = cop_graph_value(graph, i);
        if (value == NULL || value->data == NULL || value->dtype != COP_F32) continue;
        struct cop_work_item *item = &work->consts[work->n_consts++];
        item->size = cop_shape_n(&value->shape);
        COP_TRY(fill_item(groups, alongs, value, -1, arena, item, err));
    }
    return gains_biases ? list_gained(groups, alongs, arena, work, err) : COP_OK;
}

/* Counts, then lists, the items that each group has a part of.  An item that a group
 * shrinks along two axes is listed once: its parts of one group lie together or not, so
 * the last index listed is looked at. */
static enum cop_status index_items(
    const struct cop_work_item *items,
    int32_t n_items,
    int32_t n_groups,
    struct cop_arena *arena,
    int32_t **lists, /* [n_groups] */
    int32_t *counts, /* [n_groups] */
    struct cop_err *err)
{
    int32_t *room = COP_ARENA_NEW_N(arena, n_groups, int32_t);
    if (room == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n_items; i++) {
        for (int32_t p = 0; p < items[i].n_parts; p++)
            room[items[i].parts[p].group]++;
    }
    for (int32_t g = 0; g < n_groups; g++) {
        lists[g] = COP_ARENA_NEW_N(arena, room[g], int32_t);
        if (lists[g] == NULL) return COP_FAIL_NOMEM(err);
    }
    for (int32_t i = 0; i < n_items; i++) {
        for (int32_t p = 0; p < items[i].n_parts; p++) {
            int32_t g = items[i].parts[p].group;
            if (counts[g] > 0 && lists[g][counts[g] - 1] == i) continue;
            lists[g][counts[g]++] = i;
        }
    }
    return COP_OK;
}

static enum cop_status index_groups(
    struct cop_work *work, struct cop_arena *arena, struct cop_err *err)
{
    int32_t n = work->n_groups;
    int32_t **lists = COP_ARENA_NEW_N(arena, 2 * n, int32_t *);
    int32_t *counts = COP_ARENA_NEW_N(arena, 2 * n, int32_t);
    work->touched = COP_ARENA_NEW_N(arena, n, struct cop_work_touched);
    if (lists == NULL || counts == NULL || work->touched == NULL)
        return COP_FAIL_NOMEM(err);
    COP_TRY(index_items(work->nodes, work->n_nodes, n, arena, lists, counts, err));
    COP_TRY(index_items(
        work->consts, work->n_consts, n, arena, lists + n, counts + n, err));
    for (int32_t g = 0; g < n; g++)
        work->touched[g] = (struct cop_work_touched){
            .nodes = lists[g],
            .n_nodes = counts[g],
            .consts = lists[n + g],
            .n_consts = counts[n + g],
        };
    return COP_OK;
}

enum cop_status cop_work_find(
    const struct cop_groups *groups,
    bool gains_biases,
    struct cop_arena *arena,
    struct cop_work **work,
    struct cop_err *err)
{
    struct cop_work *found = COP_ARENA_NEW(arena, struct cop_work);
    struct alongs alongs = {0};
    if (found == NULL) return COP_FAIL_NOMEM(err);
    found->n_groups = cop_groups_n(groups);
    COP_TRY(list_alongs(groups, arena, &alongs, err));
    COP_TRY(list_items(groups, &alongs, gains_biases, arena, found, err));
    COP_TRY(index_groups(found, arena, err));
    *work = found;
    return COP_OK;
}

double cop_work_left(const struct cop_work_item *item, const int64_t *removed)
{
    double left[COP_MAX_RANK];
    for (int a = 0; a < COP_MAX_RANK; a++)
        left[a] = 1.0;
    for (int32_t p = 0; p < item->n_parts; p++) {
        const struct cop_work_part *part = &item->parts[p];
        left[part->axis] -= part->share * (double)removed[part->group];
    }
    double product = 1.0;
    for (int a = 0; a < COP_MAX_RANK; a++)
        product *= left[a] > 1e-12 ? left[a] : 0.0;
    return product;
}

/* What goes of the item when the group alone shrinks. */
static double alone(const struct cop_work_item *item, int32_t group, int64_t n)
{
    double left[COP_MAX_RANK];
    double product = 1.0;
    for (int a = 0; a < COP_MAX_RANK; a++)
        left[a] = 1.0;
    for (int32_t p = 0; p < item->n_parts; p++) {
        if (item->parts[p].group == group)
            left[item->parts[p].axis] -= item->parts[p].share * (double)n;
    }
    for (int a = 0; a < COP_MAX_RANK; a++)
        product *= left[a] > 1e-12 ? left[a] : 0.0;
    return (double)item->size * (1.0 - product);
}

struct cop_work_saving cop_work_save(
    const struct cop_work *work, int32_t group, int64_t n)
{
    struct cop_work_saving saving = {0};
    const struct cop_work_touched *touched = &work->touched[group];
    for (int32_t i = 0; i < touched->n_nodes; i++)
        saving.macs += alone(&work->nodes[touched->nodes[i]], group, n);
    for (int32_t i = 0; i < touched->n_consts; i++) {
        const struct cop_work_item *item = &work->consts[touched->consts[i]];
        if (!item->is_gained) saving.params += alone(item, group, n);
    }
    return saving;
}
