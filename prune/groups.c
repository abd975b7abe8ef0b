/* prune/groups.c - from united symbols to classes, and from classes to groups. */
#include "prune/groups_impl.h"

#include "base/mem.h"

#include <string.h>

/* The classes: their symbols in ascending order, class after class.  Classes are numbered
 * by their smallest symbol. */
struct classes {
    int32_t n;
    int32_t *start;   /* [n + 1] into symbols */
    int32_t *symbols; /* [n symbols] */
    int32_t *axis_at; /* by symbol: index of its axis */
    int32_t *group;   /* by class; -1: not listed */
};

/* ---- classes ---------------------------------------------------------------------- */

static enum cop_status collect_classes(
    const struct cop_symbols *symbols,
    struct cop_arena *scratch,
    struct classes *classes,
    struct cop_err *err)
{
    int32_t n = symbols->n;
    int32_t *class_of = COP_ARENA_NEW_N(scratch, n, int32_t);
    int32_t *next = COP_ARENA_NEW_N(scratch, (int64_t)n + 1, int32_t);
    classes->start = COP_ARENA_NEW_N(scratch, (int64_t)n + 2, int32_t);
    classes->symbols = COP_ARENA_NEW_N(scratch, n, int32_t);
    classes->axis_at = COP_ARENA_NEW_N(scratch, n, int32_t);
    if (class_of == NULL || next == NULL || classes->start == NULL ||
        classes->symbols == NULL || classes->axis_at == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t s = 0; s < n; s++) { /* a root is the smallest of its class */
        int32_t root = cop_symbols__root(symbols, s);
        class_of[s] = root == s ? classes->n++ : class_of[root];
        classes->start[class_of[s] + 1]++;
    }
    for (int32_t c = 0; c < classes->n; c++) {
        classes->start[c + 1] += classes->start[c];
        next[c] = classes->start[c];
    }
    for (int32_t s = 0; s < n; s++)
        classes->symbols[next[class_of[s]]++] = s;
    for (int32_t a = 0; a < symbols->n_axes; a++) {
        for (int32_t i = 0; i < symbols->axes[a].n; i++)
            classes->axis_at[symbols->axes[a].first + i] = a;
    }
    classes->group = COP_ARENA_NEW_N(scratch, classes->n, int32_t);
    return classes->group != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static int32_t class_symbol(const struct classes *classes, int32_t class, int32_t i)
{
    return classes->symbols[classes->start[class] + i];
}

static int32_t class_size(const struct classes *classes, int32_t class)
{
    return classes->start[class + 1] - classes->start[class];
}

/* Without a constant nothing would become smaller; the batch is never cut; and a frozen
 * axis of extent 1 (a broadcast height) tells nobody anything. */
static bool is_listed(
    const struct cop_symbols *symbols, const struct classes *classes, int32_t class)
{
    int32_t root = class_symbol(classes, class, 0);
    if (symbols->is_batch[root]) return false;
    bool has_const = false;
    bool is_wide = false;
    for (int32_t i = 0; i < class_size(classes, class); i++) {
        const struct cop_symbol_axis *axis =
            &symbols->axes[classes->axis_at[class_symbol(classes, class, i)]];
        has_const = has_const || axis->value->data != NULL;
        is_wide = is_wide || axis->n > 1;
    }
    return has_const && (is_wide || symbols->because[root] == NULL);
}

/* ---- groups: classes alike --------------------------------------------------------- */

static bool is_alike(
    const struct cop_symbols *symbols,
    const struct classes *classes,
    int32_t a,
    int32_t b)
{
    int32_t n = class_size(classes, a);
    if (n != class_size(classes, b)) return false;
    if (symbols->because[class_symbol(classes, a, 0)] !=
        symbols->because[class_symbol(classes, b, 0)])
        return false;
    for (int32_t i = 0; i < n; i++) {
        if (classes->axis_at[class_symbol(classes, a, i)] !=
            classes->axis_at[class_symbol(classes, b, i)])
            return false;
    }
    return true;
}

static uint64_t class_hash(const struct classes *classes, int32_t class)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a over the axes */
    for (int32_t i = 0; i < class_size(classes, class); i++) {
        hash ^= (uint64_t)classes->axis_at[class_symbol(classes, class, i)];
        hash *= 1099511628211u;
    }
    return hash ^ (hash >> 29);
}

/* Sets classes->group; representatives[g] is the first class of group g. */
static enum cop_status group_classes(
    const struct cop_symbols *symbols,
    struct classes *classes,
    struct cop_arena *scratch,
    int32_t **representatives,
    int32_t *n_groups,
    struct cop_err *err)
{
    size_t n_buckets = 16;
    while (n_buckets < (size_t)classes->n * 2)
        n_buckets *= 2;
    int32_t *buckets = COP_ARENA_NEW_N(scratch, n_buckets, int32_t); /* group + 1 */
    int32_t *first = COP_ARENA_NEW_N(scratch, classes->n, int32_t);
    if (buckets == NULL || first == NULL) return COP_FAIL_NOMEM(err);
    int32_t n = 0;
    for (int32_t c = 0; c < classes->n; c++) {
        classes->group[c] = -1;
        if (!is_listed(symbols, classes, c)) continue;
        size_t at = (size_t)class_hash(classes, c) & (n_buckets - 1);
        while (buckets[at] != 0 &&
               !is_alike(symbols, classes, first[buckets[at] - 1], c))
            at = (at + 1) & (n_buckets - 1);
        if (buckets[at] == 0) {
            first[n] = c;
            buckets[at] = ++n;
        }
        classes->group[c] = buckets[at] - 1;
    }
    *representatives = first;
    *n_groups = n;
    return COP_OK;
}

static enum cop_status add_members(
    struct cop_groups *groups,
    const struct classes *classes,
    int32_t representative,
    struct cop_group *group,
    struct cop_err *err)
{
    int32_t n = class_size(classes, representative);
    struct cop_member *members = COP_ARENA_NEW_N(groups->arena, n, struct cop_member);
    if (members == NULL) return COP_FAIL_NOMEM(err);
    int32_t last = -1;
    for (int32_t i = 0; i < n; i++) {
        int32_t at = classes->axis_at[class_symbol(classes, representative, i)];
        if (at != last) {
            const struct cop_symbol_axis *axis = &groups->symbols.axes[at];
            members[group->n_members++] = (struct cop_member){
                .value = axis->value,
                .axis = axis->axis,
                .is_consumer = axis->is_consumer,
            };
        }
        members[group->n_members - 1].step++;
        last = at;
    }
    group->members = members;
    return COP_OK;
}

/* The first node that produces the group, or else the value it starts on; a name used
 * before gets a number. */
static enum cop_status name_group(
    struct cop_groups *groups,
    struct cop_group *group,
    int32_t *n_named, /* by value id: groups named after it */
    struct cop_err *err)
{
    const struct cop_value *start = group->members[0].value;
    for (int32_t m = 0; m < group->n_members; m++) {
        if (group->members[m].value->producer == NULL) continue;
        start = group->members[m].value;
        break;
    }
    const char *name = start->producer != NULL ? start->producer->name : start->name;
    int32_t before = n_named[start->id]++;
    group->name =
        before == 0 ? name : cop_arena_printf(groups->arena, "%s#%d", name, before + 1);
    return group->name != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status add_elements(
    struct cop_groups *groups, const struct classes *classes, struct cop_err *err)
{
    for (int32_t g = 0; g < groups->n; g++) {
        struct cop_group *group = &groups->groups[g];
        groups->elements[g] =
            COP_ARENA_NEW_N(groups->arena, group->n_members, int64_t *);
        if (groups->elements[g] == NULL) return COP_FAIL_NOMEM(err);
        for (int32_t m = 0; m < group->n_members; m++) {
            groups->elements[g][m] = COP_ARENA_NEW_N(
                groups->arena, group->n_channels * group->members[m].step, int64_t);
            if (groups->elements[g][m] == NULL) return COP_FAIL_NOMEM(err);
        }
        group->n_channels = 0; /* counted up again below */
    }
    for (int32_t c = 0; c < classes->n; c++) {
        int32_t g = classes->group[c];
        if (g < 0) continue;
        struct cop_group *group = &groups->groups[g];
        int64_t channel = group->n_channels++;
        int32_t i = 0;
        for (int32_t m = 0; m < group->n_members; m++) {
            int64_t step = group->members[m].step;
            for (int64_t k = 0; k < step; k++) {
                int32_t symbol = class_symbol(classes, c, i++);
                groups->elements[g][m][channel * step + k] =
                    symbol - groups->symbols.axes[classes->axis_at[symbol]].first;
                groups->group_of[symbol] = g;
                groups->channel_of[symbol] = (int32_t)channel;
            }
        }
    }
    return COP_OK;
}

static enum cop_status build_groups(
    struct cop_groups *groups, struct cop_arena *scratch, struct cop_err *err)
{
    struct cop_symbols *symbols = &groups->symbols;
    struct classes classes = {0};
    int32_t *first = NULL;
    COP_TRY(collect_classes(symbols, scratch, &classes, err));
    COP_TRY(group_classes(symbols, &classes, scratch, &first, &groups->n, err));
    struct cop_arena *arena = groups->arena;
    groups->groups = COP_ARENA_NEW_N(arena, groups->n, struct cop_group);
    groups->elements = COP_ARENA_NEW_N(arena, groups->n, int64_t **);
    groups->group_of = COP_ARENA_NEW_N(arena, symbols->n, int32_t);
    groups->channel_of = COP_ARENA_NEW_N(arena, symbols->n, int32_t);
    int32_t *n_named =
        COP_ARENA_NEW_N(scratch, cop_graph_n_values(groups->graph), int32_t);
    if (groups->groups == NULL || groups->elements == NULL ||
        groups->group_of == NULL || groups->channel_of == NULL || n_named == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t s = 0; s < symbols->n; s++)
        groups->group_of[s] = -1;
    for (int32_t c = 0; c < classes.n; c++) {
        if (classes.group[c] >= 0) groups->groups[classes.group[c]].n_channels++;
    }
    for (int32_t g = 0; g < groups->n; g++) {
        struct cop_group *group = &groups->groups[g];
        group->id = g;
        group->frozen_because = symbols->because[class_symbol(&classes, first[g], 0)];
        COP_TRY(add_members(groups, &classes, first[g], group, err));
        COP_TRY(name_group(groups, group, n_named, err));
    }
    return add_elements(groups, &classes, err);
}

/* ---- how nodes fare ----------------------------------------------------------------- */

static bool is_free_group(const struct cop_groups *groups, int32_t g)
{
    return g >= 0 && groups->groups[g].frozen_because == NULL;
}

/* True if some element of the axis belongs to a group that may be cut; else *because is
 * why the first element may not, if that is known. */
static bool is_free_axis(
    const struct cop_groups *groups,
    const struct cop_value *value,
    int32_t axis,
    const char **because)
{
    const struct cop_symbol_axis *at = cop_symbols__axis(&groups->symbols, value, axis);
    if (at == NULL) return false;
    for (int32_t i = 0; i < at->n; i++) {
        if (is_free_group(groups, groups->group_of[at->first + i])) return true;
    }
    int32_t root = at->n > 0 ? cop_symbols__root(&groups->symbols, at->first) : -1;
    if (root >= 0 && *because == NULL) *because = groups->symbols.because[root];
    return false;
}

static enum cop_status judge_node(
    struct cop_groups *groups, const struct cop_local *local, struct cop_err *err)
{
    const struct cop_node *node = local->node;
    const char *because = NULL;
    bool is_free = false;
    bool is_made = false; /* some free axis does not come from a source */
    for (int32_t d = 0; d < node->n_dst; d++) {
        if (node->dst[d] == NULL) continue;
        for (int32_t axis = 1; axis < node->dst[d]->shape.rank; axis++) {
            if (!is_free_axis(groups, node->dst[d], axis, &because)) continue;
            is_free = true;
            int32_t part = cop_local__part(local, -1 - d, axis);
            is_made = is_made || !local->has_src[part];
        }
    }
    groups->verdict[node->id] = is_made   ? COP_VERDICT_PRUNABLE
                                : is_free ? COP_VERDICT_CARRIED
                                          : COP_VERDICT_FROZEN;
    if (is_free) return COP_OK;
    if (because == NULL)
        because = cop_arena_printf(
            groups->arena, "'%s' (%s) lets nothing be cut", node->name, node->op->name);
    if (because == NULL) return COP_FAIL_NOMEM(err);
    groups->reason[node->id] = because;
    return COP_OK;
}

/* A reader of channels: linear, with constant float weights, and its source's channel
 * axis does not run on into a result. */
static bool find_reader(
    const struct cop_groups *groups,
    const struct cop_local *local,
    struct cop_reader *reader)
{
    const struct cop_node *node = local->node;
    struct cop_linear *linear = &reader->linear;
    if (!node->op->coupling->linear(node, linear) || linear->g < 1) return false;
    reader->node = node;
    reader->src = cop_coupling__operand(node, linear->src_slot);
    reader->weights = cop_coupling__operand(node, linear->weights_slot);
    if (reader->src == NULL || reader->weights == NULL) return false;
    if (reader->src->data != NULL || reader->weights->data == NULL) return false;
    if (reader->weights->dtype != COP_F32) return false;
    int64_t n_in = reader->weights->shape.dim[linear->in_axis];
    int64_t n_out = reader->weights->shape.dim[linear->out_axis];
    if (n_in * linear->g != reader->src->shape.dim[linear->src_axis]) return false;
    if (n_out % linear->g != 0) return false;
    int32_t part = cop_local__part(local, linear->src_slot, linear->src_axis);
    if (local->has_dst[part]) return false;
    const char *because = NULL;
    return is_free_axis(groups, reader->src, linear->src_axis, &because);
}

static enum cop_status judge_nodes(
    struct cop_groups *groups, struct cop_arena *scratch, struct cop_err *err)
{
    const struct cop_symbols *symbols = &groups->symbols;
    int32_t n_ids = 0;
    for (int32_t i = 0; i < symbols->n_nodes; i++) {
        if (symbols->nodes[i].node->id >= n_ids) n_ids = symbols->nodes[i].node->id + 1;
    }
    groups->verdict = COP_ARENA_NEW_N(groups->arena, n_ids, uint8_t);
    groups->reason = COP_ARENA_NEW_N(groups->arena, n_ids, const char *);
    groups->readers =
        COP_ARENA_NEW_N(groups->arena, symbols->n_nodes, struct cop_reader);
    if (groups->verdict == NULL || groups->reason == NULL || groups->readers == NULL)
        return COP_FAIL_NOMEM(err);
    double all_macs = 0.0;
    double prunable_macs = 0.0;
    for (int32_t i = 0; i < symbols->n_nodes; i++) {
        struct cop_arena_mark here = cop_arena_mark(scratch);
        struct cop_local local;
        COP_TRY(cop_symbols__local(&symbols->nodes[i], scratch, &local, err));
        COP_TRY(judge_node(groups, &local, err));
        struct cop_reader *reader = &groups->readers[groups->n_readers];
        bool is_reader = find_reader(groups, &local, reader);
        groups->n_readers += is_reader;
        int64_t macs = 0;
        COP_TRY(cop_node_macs(local.node, &macs, err));
        all_macs += (double)macs;
        if (is_reader || groups->verdict[local.node->id] != COP_VERDICT_FROZEN)
            prunable_macs += (double)macs;
        cop_arena_reset(scratch, here);
    }
    groups->prunable_macs = all_macs > 0.0 ? prunable_macs / all_macs : 0.0;
    return COP_OK;
}

/* ---- public ------------------------------------------------------------------------- */

enum cop_status cop_groups_find(
    const struct cop_graph *graph, struct cop_groups **groups, struct cop_err *err)
{
    enum cop_status status = COP_ENOMEM;
    struct cop_arena *scratch = cop_arena_create();
    struct cop_arena *arena = cop_arena_create();
    struct cop_groups *fresh =
        arena != NULL ? COP_ARENA_NEW(arena, struct cop_groups) : NULL;
    if (scratch == NULL || fresh == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    fresh->arena = arena;
    fresh->graph = graph;
    status = cop_symbols__unite(graph, arena, &fresh->symbols, err);
    if (status == COP_OK) status = build_groups(fresh, scratch, err);
    if (status == COP_OK) status = judge_nodes(fresh, scratch, err);
    if (status != COP_OK) goto done;
    *groups = fresh;
    arena = NULL;
done:
    cop_arena_destroy(arena);
    cop_arena_destroy(scratch);
    return status;
}

void cop_groups_destroy(struct cop_groups *groups)
{
    if (groups != NULL) cop_arena_destroy(groups->arena);
}

const struct cop_graph *cop_groups_graph(const struct cop_groups *groups)
{
    return groups->graph;
}

int32_t cop_groups_n(const struct cop_groups *groups)
{
    return groups->n;
}

int32_t cop_groups_n_frozen(const struct cop_groups *groups)
{
    int32_t n = 0;
    for (int32_t i = 0; i < groups->n; i++)
        n += cop_groups_at(groups, i)->frozen_because != NULL;
    return n;
}

const struct cop_group *cop_groups_at(const struct cop_groups *groups, int32_t i)
{
    return &groups->groups[i];
}

void cop_group_elements(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t member,
    int64_t channel,
    const int64_t **elements,
    int64_t *n)
{
    *n = group->members[member].step;
    *elements = &groups->elements[group->id][member][channel * *n];
}

bool cop_groups__find(
    const struct cop_groups *groups,
    const struct cop_value *value,
    int32_t axis,
    int64_t element,
    int32_t *group,
    int32_t *channel)
{
    const struct cop_symbol_axis *at = cop_symbols__axis(&groups->symbols, value, axis);
    if (at == NULL) return false;
    int32_t symbol = at->first + (int32_t)element;
    *group = groups->group_of[symbol];
    *channel = groups->channel_of[symbol];
    return *group >= 0;
}

enum cop_verdict cop_groups_verdict(
    const struct cop_groups *groups, const struct cop_node *node, const char **reason)
{
    *reason = groups->reason[node->id];
    return (enum cop_verdict)groups->verdict[node->id];
}

double cop_groups_prunable_macs(const struct cop_groups *groups)
{
    return groups->prunable_macs;
}
