/* prune/symbols.c - union-find over the elements of every mentioned axis.
 *
 * Channel-symbol union-find: a symbol is one element along one axis of one value.  Ties
 * unite symbols; whatever a node does not mention, or what the outside world sees,
 * freezes the class it lies in. */
#include "prune/groups_impl.h"

enum { MAX_SYMBOLS = 1 << 27 };

int32_t cop_symbols__root(const struct cop_symbols *symbols, int32_t symbol)
{
    int32_t *parent = symbols->parent;
    while (parent[symbol] != symbol) {
        parent[symbol] = parent[parent[symbol]];
        symbol = parent[symbol];
    }
    return symbol;
}

const struct cop_symbol_axis *cop_symbols__axis(
    const struct cop_symbols *symbols, const struct cop_value *value, int32_t axis)
{
    int32_t at = symbols->axis_of[value->id * COP_MAX_RANK + axis];
    return at >= 0 ? &symbols->axes[at] : NULL;
}

static bool is_activation(const struct cop_value *value)
{
    return value->data == NULL;
}

/* ---- ties of every node ----------------------------------------------------------- */

static enum cop_status list_ties(
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct cop_symbols *symbols,
    struct cop_err *err)
{
    symbols->n_nodes = cop_graph_n_nodes(graph);
    symbols->nodes = COP_ARENA_NEW_N(arena, symbols->n_nodes, struct cop_node_ties);
    if (symbols->nodes == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < symbols->n_nodes; i++) {
        const struct cop_node *node = cop_graph_node(graph, i);
        struct cop_ties ties = {.arena = arena, .node = node};
        enum cop_status status = node->op->coupling->tie(node, &ties, err);
        if (status != COP_OK) {
            cop_err_in(err, "node '%s' (%s)", node->name, node->op->name);
            return status;
        }
        symbols->nodes[i] =
            (struct cop_node_ties){.node = node, .at = ties.at, .n = ties.n};
    }
    return COP_OK;
}

/* ---- symbols ---------------------------------------------------------------------- */

static enum cop_status number_value(
    struct cop_symbols *symbols, const struct cop_value *value, struct cop_err *err)
{
    for (int32_t axis = 0; axis < value->shape.rank; axis++) {
        int32_t *at = &symbols->axis_of[value->id * COP_MAX_RANK + axis];
        if (*at < 0) continue;
        int64_t extent = value->shape.dim[axis];
        if (extent > MAX_SYMBOLS - symbols->n)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "axis %d of '%s' is %lld; all axes together may have %d elements",
                axis,
                value->name,
                (long long)extent,
                (int)MAX_SYMBOLS);
        *at = symbols->n_axes;
        symbols->axes[symbols->n_axes++] = (struct cop_symbol_axis){
            .value = value, .axis = axis, .n = (int32_t)extent, .first = symbols->n};
        symbols->n += (int32_t)extent;
    }
    return COP_OK;
}

/* Inputs, then results in topological order, then constants: the smallest symbol of a
 * class is on its first producer. */
static enum cop_status number_symbols(
    const struct cop_graph *graph, struct cop_symbols *symbols, struct cop_err *err)
{
    for (int32_t i = 0; i < cop_graph_n_inputs(graph); i++)
        COP_TRY(number_value(symbols, cop_graph_input(graph, i), err));
    for (int32_t i = 0; i < symbols->n_nodes; i++) {
        const struct cop_node *node = symbols->nodes[i].node;
        for (int32_t d = 0; d < node->n_dst; d++) {
            if (node->dst[d] != NULL) COP_TRY(number_value(symbols, node->dst[d], err));
        }
    }
    for (int32_t id = 0; id < cop_graph_n_values(graph); id++) {
        const struct cop_value *value = cop_graph_value(graph, id);
        if (value != NULL && value->data != NULL && !value->is_input)
            COP_TRY(number_value(symbols, value, err));
    }
    return COP_OK;
}

static enum cop_status make_symbols(
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct cop_symbols *symbols,
    struct cop_err *err)
{
    int32_t n_slots = cop_graph_n_values(graph) * COP_MAX_RANK;
    int32_t n_mentioned = 0;
    symbols->axis_of = COP_ARENA_NEW_N(arena, n_slots, int32_t);
    if (symbols->axis_of == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n_slots; i++)
        symbols->axis_of[i] = -1;
    for (int32_t i = 0; i < symbols->n_nodes; i++) {
        const struct cop_node_ties *ties = &symbols->nodes[i];
        for (int32_t e = 0; e < 2 * ties->n; e++) {
            const struct cop_slice *end = &ties->at[e / 2].end[e % 2];
            const struct cop_value *value =
                cop_coupling__operand(ties->node, end->slot);
            int32_t *at = &symbols->axis_of[value->id * COP_MAX_RANK + end->axis];
            n_mentioned += *at < 0;
            *at = 0;
        }
    }
    symbols->axes = COP_ARENA_NEW_N(arena, n_mentioned, struct cop_symbol_axis);
    if (symbols->axes == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(number_symbols(graph, symbols, err));
    symbols->parent = COP_ARENA_NEW_N(arena, symbols->n, int32_t);
    symbols->because = COP_ARENA_NEW_N(arena, symbols->n, const char *);
    symbols->is_batch = COP_ARENA_NEW_N(arena, symbols->n, uint8_t);
    if (symbols->parent == NULL || symbols->because == NULL ||
        symbols->is_batch == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < symbols->n; i++)
        symbols->parent[i] = i;
    return COP_OK;
}

/* ---- uniting ---------------------------------------------------------------------- */

static void unite(struct cop_symbols *symbols, int32_t a, int32_t b)
{
    a = cop_symbols__root(symbols, a);
    b = cop_symbols__root(symbols, b);
    if (a < b) symbols->parent[b] = a;
    if (b < a) symbols->parent[a] = b;
}

static int32_t end_first(
    const struct cop_symbols *symbols,
    const struct cop_node *node,
    const struct cop_slice *end)
{
    const struct cop_value *value = cop_coupling__operand(node, end->slot);
    return cop_symbols__axis(symbols, value, end->axis)->first + (int32_t)end->first;
}

static void unite_tie(
    struct cop_symbols *symbols, const struct cop_node *node, const struct cop_tie *tie)
{
    int32_t first0 = end_first(symbols, node, &tie->end[0]);
    int32_t first1 = end_first(symbols, node, &tie->end[1]);
    int32_t step0 = (int32_t)tie->end[0].step;
    int32_t step1 = (int32_t)tie->end[1].step;
    for (int32_t run = 0; run < (int32_t)tie->runs; run++) {
        int32_t root = first0 + run * step0;
        for (int32_t i = 1; i < step0; i++)
            unite(symbols, root, root + i);
        for (int32_t i = 0; i < step1; i++)
            unite(symbols, root, first1 + run * step1 + i);
    }
}

/* ---- freezing --------------------------------------------------------------------- */

static void freeze(struct cop_symbols *symbols, int32_t symbol, const char *because)
{
    int32_t root = cop_symbols__root(symbols, symbol);
    if (symbols->because[root] == NULL) symbols->because[root] = because;
}

static enum cop_status freeze_borders(
    struct cop_symbols *symbols, struct cop_arena *arena, struct cop_err *err)
{
    for (int32_t a = 0; a < symbols->n_axes; a++) {
        const struct cop_symbol_axis *axis = &symbols->axes[a];
        const struct cop_value *value = axis->value;
        const char *because = NULL;
        bool is_batch = is_activation(value) && axis->axis == 0;
        if (value->is_input || value->is_output) {
            because = cop_arena_printf(
                arena,
                "it is the network's %s '%s'",
                value->is_input ? "input" : "output",
                value->name);
            if (because == NULL) return COP_FAIL_NOMEM(err);
        }
        for (int32_t i = 0; i < axis->n; i++) {
            int32_t root = cop_symbols__root(symbols, axis->first + i);
            if (is_batch) symbols->is_batch[root] = 1;
            if (is_batch) freeze(symbols, root, "it is the batch");
            if (because != NULL) freeze(symbols, root, because);
        }
    }
    return COP_OK;
}

/* Marks what the ends of one operand slot mention, then freezes the rest of it. */
static enum cop_status freeze_operand(
    struct cop_symbols *symbols,
    const struct cop_node *node,
    const struct cop_value *value,
    const int32_t *mark, /* by symbol */
    int32_t stamp,
    struct cop_arena *arena,
    struct cop_err *err)
{
    for (int32_t axis = 0; axis < value->shape.rank; axis++) {
        const struct cop_symbol_axis *at = cop_symbols__axis(symbols, value, axis);
        if (at == NULL) continue;
        const char *because = NULL;
        for (int32_t i = 0; i < at->n; i++) {
            if (mark[at->first + i] == stamp) continue;
            if (because == NULL)
                because = cop_arena_printf(
                    arena,
                    "'%s' (%s) does not let axis %d be cut",
                    node->name,
                    node->op->name,
                    axis);
            if (because == NULL) return COP_FAIL_NOMEM(err);
            freeze(symbols, at->first + i, because);
        }
    }
    return COP_OK;
}

static void mark_end(
    const struct cop_symbols *symbols,
    const struct cop_node_ties *ties,
    int32_t e,
    int32_t *mark,
    int32_t stamp)
{
    const struct cop_slice *end = &ties->at[e / 2].end[e % 2];
    int32_t first = end_first(symbols, ties->node, end);
    int64_t n = ties->at[e / 2].runs * end->step;
    for (int64_t i = 0; i < n; i++)
        mark[first + (int32_t)i] = stamp;
}

/* Silence freezes: every operand of every node, slot by slot. */
static enum cop_status freeze_silent(
    struct cop_symbols *symbols,
    const struct cop_node_ties *ties,
    int32_t *mark,
    int32_t *stamp,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_node *node = ties->node;
    int32_t n_slots = node->n_src + node->n_dst;
    int32_t *head = COP_ARENA_NEW_N(arena, n_slots, int32_t); /* end + 1; 0: none */
    int32_t *next = COP_ARENA_NEW_N(arena, 2 * ties->n, int32_t);
    if (head == NULL || next == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t e = 0; e < 2 * ties->n; e++) {
        int32_t slot = ties->at[e / 2].end[e % 2].slot;
        int32_t at = slot >= 0 ? slot : node->n_src - 1 - slot;
        next[e] = head[at];
        head[at] = e + 1;
    }
    for (int32_t at = 0; at < n_slots; at++) {
        int32_t slot = at < node->n_src ? at : node->n_src - 1 - at;
        const struct cop_value *value = cop_coupling__operand(node, slot);
        if (value == NULL) continue;
        ++*stamp;
        for (int32_t e = head[at]; e != 0; e = next[e - 1])
            mark_end(symbols, ties, e - 1, mark, *stamp);
        COP_TRY(freeze_operand(symbols, node, value, mark, *stamp, arena, err));
    }
    return COP_OK;
}

/* ---- consumers -------------------------------------------------------------------- */

int32_t cop_local__part(const struct cop_local *local, int32_t slot, int32_t axis)
{
    int32_t at = slot >= 0 ? slot : local->node->n_src - 1 - slot;
    int32_t part = at * COP_MAX_RANK + axis;
    while (local->part[part] != part)
        part = local->part[part];
    return part;
}

enum cop_status cop_symbols__local(
    const struct cop_node_ties *ties,
    struct cop_arena *arena,
    struct cop_local *local,
    struct cop_err *err)
{
    const struct cop_node *node = ties->node;
    int32_t n = (node->n_src + node->n_dst) * COP_MAX_RANK;
    *local = (struct cop_local){
        .node = node,
        .part = COP_ARENA_NEW_N(arena, n, int32_t),
        .has_src = COP_ARENA_NEW_N(arena, n, bool),
        .has_dst = COP_ARENA_NEW_N(arena, n, bool),
    };
    if (local->part == NULL || local->has_src == NULL || local->has_dst == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        local->part[i] = i;
    for (int32_t t = 0; t < ties->n; t++) {
        const struct cop_slice *end = ties->at[t].end;
        int32_t a = cop_local__part(local, end[0].slot, end[0].axis);
        int32_t b = cop_local__part(local, end[1].slot, end[1].axis);
        local->part[a > b ? a : b] = a < b ? a : b;
    }
    for (int32_t s = 0; s < node->n_src; s++) {
        if (node->src[s] == NULL || !is_activation(node->src[s])) continue;
        for (int32_t axis = 0; axis < COP_MAX_RANK; axis++)
            local->has_src[cop_local__part(local, s, axis)] = true;
    }
    for (int32_t d = 0; d < node->n_dst; d++) {
        for (int32_t axis = 0; axis < COP_MAX_RANK; axis++)
            local->has_dst[cop_local__part(local, -1 - d, axis)] = true;
    }
    return COP_OK;
}

/* A constant's axis reads the group if the node ties it to an activation source and to
 * no result: the weights' input channels. */
static enum cop_status find_consumers(
    struct cop_symbols *symbols,
    const struct cop_node_ties *ties,
    struct cop_arena *arena,
    struct cop_err *err)
{
    struct cop_local local;
    COP_TRY(cop_symbols__local(ties, arena, &local, err));
    for (int32_t e = 0; e < 2 * ties->n; e++) {
        const struct cop_slice *end = &ties->at[e / 2].end[e % 2];
        const struct cop_value *value = cop_coupling__operand(ties->node, end->slot);
        int32_t part = cop_local__part(&local, end->slot, end->axis);
        if (is_activation(value) || !local.has_src[part] || local.has_dst[part])
            continue;
        int32_t at = symbols->axis_of[value->id * COP_MAX_RANK + end->axis];
        symbols->axes[at].is_consumer = true;
    }
    return COP_OK;
}

static enum cop_status scan_nodes(
    struct cop_symbols *symbols,
    struct cop_arena *arena,
    struct cop_arena *scratch,
    struct cop_err *err)
{
    int32_t *mark = COP_ARENA_NEW_N(scratch, symbols->n, int32_t);
    if (mark == NULL) return COP_FAIL_NOMEM(err);
    int32_t stamp = 0;
    for (int32_t i = 0; i < symbols->n_nodes; i++) {
        COP_TRY(freeze_silent(symbols, &symbols->nodes[i], mark, &stamp, arena, err));
        struct cop_arena_mark here = cop_arena_mark(scratch);
        COP_TRY(find_consumers(symbols, &symbols->nodes[i], scratch, err));
        cop_arena_reset(scratch, here);
    }
    return COP_OK;
}

enum cop_status cop_symbols__unite(
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct cop_symbols *symbols,
    struct cop_err *err)
{
    *symbols = (struct cop_symbols){0};
    COP_TRY(list_ties(graph, arena, symbols, err));
    COP_TRY(make_symbols(graph, arena, symbols, err));
    for (int32_t i = 0; i < symbols->n_nodes; i++) {
        const struct cop_node_ties *ties = &symbols->nodes[i];
        for (int32_t t = 0; t < ties->n; t++)
            unite_tie(symbols, ties->node, &ties->at[t]);
    }
    COP_TRY(freeze_borders(symbols, arena, err));
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = scan_nodes(symbols, arena, scratch, err);
    cop_arena_destroy(scratch);
    return status;
}
