/* importers/tf_live.c - which nodes are needed, and in which order; see tf_import.h.
 *
 * A first walk goes back from the outputs over everything.  In its order branches are
 * settled: a Switch whose condition is a known truth value takes one, and a Merge hands on
 * the result of the one taken (what is left of dropout and of training switches).  A second
 * walk then finds what the outputs really need. */
#include "importers/tf_import.h"

#include <string.h>

static bool is_op(const struct cop_tf__node *node, const char *const *ops)
{
    for (; *ops != NULL; ops++)
        if (strcmp(node->op, *ops) == 0) return true;
    return false;
}

static bool is_switch(const struct cop_tf__node *node)
{
    static const char *const ops[] = {"Switch", "RefSwitch", NULL};
    return is_op(node, ops);
}

static bool is_merge(const struct cop_tf__node *node)
{
    static const char *const ops[] = {"Merge", "RefMerge", NULL};
    return is_op(node, ops);
}

static bool is_placeholder(const struct cop_tf__node *node)
{
    static const char *const ops[] = {
        "Placeholder", "PlaceholderV2", "PlaceholderWithDefault", NULL};
    return is_op(node, ops);
}

/* Nodes that hand on their first input and do nothing else where no gradient is asked for. */
static bool is_pass(const struct cop_tf__node *node)
{
    static const char *const ops[] = {
        "Identity",
        "StopGradient",
        "PreventGradient",
        "Snapshot",
        "CheckNumerics",
        "EnsureShape",
        "PlaceholderWithDefault",
        NULL};
    return is_op(node, ops);
}

int32_t cop_tf__cut_at(const struct cop_tf__import *import, struct cop_tf__ref ref)
{
    for (int32_t i = 0; i < import->options->n_inputs; i++)
        if (import->cuts[i].node == ref.node && import->cuts[i].port == ref.port)
            return i;
    return -1;
}

struct cop_tf__ref cop_tf__follow(
    const struct cop_tf__import *import, struct cop_tf__ref ref)
{
    if (cop_tf__cut_at(import, ref) >= 0) return ref;
    const struct cop_tf__made *const made = &import->made[ref.node];
    const bool is_handed_on =
        made->same_as.node >= 0 &&
        (ref.port == 0 || is_switch(cop_tf__node_of(import, ref)));
    return is_handed_on ? made->same_as : ref;
}

/* ---- walks -------------------------------------------------------------------------------- */

enum mark { UNSEEN, OPEN, DONE };
struct frame {
    int32_t node;
    int32_t next; /* the child to look at */
};

struct walk {
    struct cop_tf__import *import;
    enum mark *marks;
    struct frame *stack;
    int32_t *order;
    int32_t n;
    bool is_first; /* everything; else what is really read */
};

static enum cop_status begin_walk(
    struct cop_tf__import *import,
    bool is_first,
    struct walk *walk,
    struct cop_err *err)
{
    const int32_t n = import->tf.n_nodes;
    *walk = (struct walk){.import = import, .is_first = is_first};
    walk->marks = COP_ARENA_NEW_N(import->scratch, n, enum mark);
    walk->stack = COP_ARENA_NEW_N(import->scratch, n, struct frame);
    walk->order = COP_ARENA_NEW_N(import->scratch, n, int32_t);
    if (walk->marks == NULL || walk->stack == NULL || walk->order == NULL)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

enum { NO_CHILD = -1, NO_MORE = -2 };

/* The node to visit for child @p k. */
static int32_t child(
    const struct walk *walk, const struct cop_tf__node *node, int32_t k)
{
    const struct cop_tf__import *const import = walk->import;
    const struct cop_tf__ref handed_on = cop_tf__made_of(import, node)->same_as;
    if (!walk->is_first && handed_on.node >= 0) {
        if (k > 0) return NO_MORE;
        return cop_tf__cut_at(import, handed_on) >= 0 ? NO_CHILD : handed_on.node;
    }
    if (!walk->is_first && is_placeholder(node)) return NO_MORE;
    if (k < node->n_inputs) {
        const struct cop_tf__ref ref = node->inputs[k].ref;
        return cop_tf__cut_at(import, ref) >= 0 ? NO_CHILD : ref.node;
    }
    k -= node->n_inputs;
    if (walk->is_first && k < node->n_controls) return node->controls[k];
    return NO_MORE;
}

static enum cop_status visit(struct walk *walk, int32_t root, struct cop_err *err)
{
    int32_t depth = 0;
    if (walk->marks[root] != UNSEEN) return COP_OK;
    walk->stack[depth++] = (struct frame){root, 0};
    walk->marks[root] = OPEN;
    while (depth > 0) {
        struct frame *const top = &walk->stack[depth - 1];
        const struct cop_tf__node *const node = &walk->import->tf.nodes[top->node];
        const int32_t next = child(walk, node, top->next++);
        if (next == NO_MORE) {
            walk->marks[top->node] = DONE;
            walk->order[walk->n++] = top->node;
            depth--;
            continue;
        }
        if (next == NO_CHILD || walk->marks[next] == DONE) continue;
        if (walk->marks[next] == OPEN)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "node '%s' depends on itself (loops are not supported)",
                walk->import->tf.nodes[next].name);
        walk->marks[next] = OPEN;
        walk->stack[depth++] = (struct frame){next, 0};
    }
    return COP_OK;
}

/* ---- truth values ---------------------------------------------------------------------------- */

static int8_t known_of(const struct cop_tf__import *import, struct cop_tf__ref ref)
{
    const int32_t cut = ref.node >= 0 ? cop_tf__cut_at(import, ref) : -1;
    if (ref.node < 0) return -1;
    if (cut < 0) return import->made[ref.node].known;
    const struct cop_tf_input *const input = &import->options->inputs[cut];
    return (int8_t)(input->is_switch ? input->is_true : -1);
}

static int8_t const_truth(
    struct cop_tf__import *import, const struct cop_tf__node *node)
{
    enum { TF_BOOL = 10 };
    int64_t dtype = 0;
    struct cop_tf__tensor tensor;
    if (cop_tf__attr_type(&import->tf, node, "dtype", &dtype, NULL) != COP_OK ||
        dtype != TF_BOOL ||
        cop_tf__read_tensor(
            &import->tf, node, import->file, &import->room, &tensor, NULL) != COP_OK)
        return -1;
    int8_t known = -1;
    if (tensor.dtype == COP_BOOL && tensor.shape.rank == 0)
        known = cop_element_at(COP_BOOL, cop_buf_data(tensor.data), 0) > 0;
    cop_buf_release(tensor.data);
    return known;
}

static int8_t find_truth(struct cop_tf__import *import, const struct cop_tf__node *node)
{
    int8_t in[2] = {-1, -1};
    for (int32_t i = 0; i < 2 && i < node->n_inputs; i++)
        in[i] = known_of(import, node->inputs[i].ref);
    if (strcmp(node->op, "Const") == 0) return const_truth(import, node);
    if (strcmp(node->op, "LogicalNot") == 0)
        return (int8_t)(in[0] < 0 ? -1 : 1 - in[0]);
    if (strcmp(node->op, "LogicalAnd") == 0) {
        if (in[0] == 0 || in[1] == 0) return 0;
        return (int8_t)(in[0] == 1 && in[1] == 1 ? 1 : -1);
    }
    if (strcmp(node->op, "LogicalOr") == 0) {
        if (in[0] == 1 || in[1] == 1) return 1;
        return (int8_t)(in[0] == 0 && in[1] == 0 ? 0 : -1);
    }
    return (int8_t)(is_pass(node) || is_switch(node) ? in[0] : -1);
}

/* ---- branches ----------------------------------------------------------------------------------- */

static bool is_alive(const struct cop_tf__import *import, struct cop_tf__ref ref)
{
    if (ref.node < 0 || cop_tf__cut_at(import, ref) >= 0) return true;
    const struct cop_tf__made *const made = &import->made[ref.node];
    return !made->is_dead && made->dead_port != ref.port;
}

static void settle_merge(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_tf__made *made)
{
    int32_t n_alive = 0;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        const struct cop_tf__ref ref = node->inputs[i].ref;
        if (ref.node < 0 || !is_alive(import, ref)) continue;
        n_alive++;
        made->same_as = cop_tf__follow(import, ref);
    }
    made->is_dead = n_alive == 0;
    if (n_alive != 1) made->same_as.node = -1;
}

/* A default that is a scalar is a switch or a rate; larger ones are inputs. */
static bool passes_default(
    const struct cop_tf__import *import, const struct cop_tf__node *node)
{
    struct cop_tf__shape shape = {.rank = -1};
    return strcmp(node->op, "PlaceholderWithDefault") != 0 ||
           (cop_tf__attr_shape(&import->tf, node, "shape", &shape, NULL) == COP_OK &&
            shape.rank == 0);
}

/* What the nodes in front are is known already. */
static void settle(struct cop_tf__import *import, const struct cop_tf__node *node)
{
    struct cop_tf__made *const made = cop_tf__made_of(import, node);
    made->known = find_truth(import, node);
    for (int32_t i = 0; i < node->n_controls; i++)
        made->is_dead = made->is_dead || import->made[node->controls[i]].is_dead;
    if (is_merge(node)) {
        if (!made->is_dead) settle_merge(import, node, made);
        made->known = known_of(import, made->same_as);
        return;
    }
    for (int32_t i = 0; i < node->n_inputs; i++)
        made->is_dead = made->is_dead || !is_alive(import, node->inputs[i].ref);
    if (node->n_inputs == 0 || node->inputs[0].ref.node < 0) return;
    const struct cop_tf__ref first = cop_tf__follow(import, node->inputs[0].ref);
    if (is_switch(node)) {
        const int8_t taken =
            node->n_inputs > 1 ? known_of(import, node->inputs[1].ref) : (int8_t)-1;
        made->dead_port = (int8_t)(taken < 0 ? -1 : 1 - taken);
        made->same_as = first;
    } else if (is_pass(node) && passes_default(import, node)) {
        made->same_as = first;
    }
}

/* The condition behind a Merge that could not be settled, for the message. */
static const char *condition_of(
    const struct cop_tf__import *import, const struct cop_tf__node *node)
{
    enum { MOST = 1000 };
    for (int32_t steps = 0; steps < MOST && node->n_inputs > 0; steps++) {
        const bool is_found = is_switch(node) && node->n_inputs > 1;
        const struct cop_tf__ref ref = node->inputs[is_found ? 1 : 0].ref;
        if (ref.node < 0) break;
        if (is_found) return cop_tf__node_of(import, cop_tf__follow(import, ref))->name;
        node = cop_tf__node_of(import, ref);
    }
    return "?";
}

static enum cop_status check_sources(
    const struct cop_tf__node *node, struct cop_err *err)
{
    for (int32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i].ref.node < 0)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "reads '%s', which the file does not have",
                node->inputs[i].text);
    return COP_OK;
}

static enum cop_status check_all_sources(const struct walk *walk, struct cop_err *err)
{
    for (int32_t k = 0; k < walk->n; k++) {
        const struct cop_tf__node *const node = &walk->import->tf.nodes[walk->order[k]];
        const enum cop_status status = check_sources(node, err);
        if (status == COP_OK) continue;
        cop_err_in(err, "node '%s' (%s)", node->name, node->op);
        return status;
    }
    return COP_OK;
}

static enum cop_status check_needed(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_err *err)
{
    const struct cop_tf__made *const made = cop_tf__made_of(import, node);
    if (made->is_dead)
        return COP_FAIL(err, COP_EFORMAT, "stands in a branch that is not taken");
    if (is_merge(node) && made->same_as.node < 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "the branch depends on '%s'; say --input %s=false (or true)",
            condition_of(import, node),
            condition_of(import, node));
    if (made->same_as.node >= 0 || is_placeholder(node)) return COP_OK;
    return check_sources(node, err);
}

/* ---- ends ------------------------------------------------------------------------------------------ */

static enum cop_status find_cuts(struct cop_tf__import *import, struct cop_err *err)
{
    const struct cop_tf_read_options *const options = import->options;
    import->cuts =
        COP_ARENA_NEW_N(import->scratch, options->n_inputs, struct cop_tf__ref);
    if (import->cuts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < options->n_inputs; i++) {
        import->cuts[i] = cop_tf__find(&import->tf, options->inputs[i].name);
        if (import->cuts[i].node < 0)
            return COP_FAIL(
                err, COP_EINVAL, "no node is named '%s'", options->inputs[i].name);
    }
    return COP_OK;
}

/* Nodes that nobody reads, and that compute something. */
static bool may_end(const struct cop_tf__node *node)
{
    static const char *const ops[] = {"Const", "NoOp", "Assert", NULL};
    return !node->is_read && !is_placeholder(node) && !is_op(node, ops);
}

static enum cop_status find_ends(struct cop_tf__import *import, struct cop_err *err)
{
    const struct cop_tf_read_options *const options = import->options;
    const int32_t n = options->n_outputs > 0 ? options->n_outputs : import->tf.n_nodes;
    import->outputs = COP_ARENA_NEW_N(import->scratch, n, struct cop_tf__ref);
    if (import->outputs == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        struct cop_tf__ref ref = {i, 0};
        if (options->n_outputs > 0) {
            ref = cop_tf__find(&import->tf, options->outputs[i]);
            if (ref.node < 0)
                return COP_FAIL(
                    err, COP_EINVAL, "no node is named '%s'", options->outputs[i]);
        } else if (!may_end(&import->tf.nodes[i])) {
            continue;
        }
        import->outputs[import->n_outputs++] = ref;
    }
    return COP_OK;
}

/* Of the ends nobody named only those are outputs that depend on an input. */
static enum cop_status keep_dependent(
    struct cop_tf__import *import, const struct walk *walk, struct cop_err *err)
{
    bool *const depends = COP_ARENA_NEW_N(import->scratch, import->tf.n_nodes, bool);
    bool has_cut = false;
    if (depends == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < import->options->n_inputs; i++)
        has_cut = has_cut || !import->options->inputs[i].is_switch;
    for (int32_t k = 0; k < walk->n; k++) {
        const int32_t at = walk->order[k];
        const struct cop_tf__node *const node = &import->tf.nodes[at];
        depends[at] = !has_cut && is_placeholder(node);
        for (int32_t i = 0; i < node->n_inputs; i++) {
            const struct cop_tf__ref ref = node->inputs[i].ref;
            if (ref.node < 0) continue;
            const int32_t cut = cop_tf__cut_at(import, ref);
            depends[at] =
                depends[at] || (cut >= 0 ? !import->options->inputs[cut].is_switch
                                         : depends[ref.node]);
        }
    }
    int32_t n = 0;
    for (int32_t i = 0; i < import->n_outputs; i++) {
        const struct cop_tf__ref ref = import->outputs[i];
        if (depends[ref.node] && !import->made[ref.node].is_dead)
            import->outputs[n++] = ref;
    }
    import->n_outputs = n;
    if (n > 0) return COP_OK;
    COP_TRY(check_all_sources(walk, err));
    return COP_FAIL(
        err,
        COP_EINVAL,
        "nothing that depends on an input is left unread; name an output");
}

static void count_readers(
    struct cop_tf__import *import, const struct cop_tf__node *reader)
{
    for (int32_t i = 0; i < reader->n_inputs; i++) {
        const struct cop_tf__ref ref = reader->inputs[i].ref;
        if (ref.node < 0 || cop_tf__cut_at(import, ref) >= 0) continue;
        struct cop_tf__made *const made = &import->made[ref.node];
        made->reader = made->n_readers++ == 0 && i == 0 ? reader : NULL;
    }
}

enum cop_status cop_tf__find_order(struct cop_tf__import *import, struct cop_err *err)
{
    struct walk walk;
    const int32_t n = import->tf.n_nodes;
    import->made = COP_ARENA_NEW_N(import->scratch, n, struct cop_tf__made);
    if (import->made == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        import->made[i] =
            (struct cop_tf__made){.same_as = {-1, 0}, .known = -1, .dead_port = -1};
    COP_TRY(find_cuts(import, err));
    COP_TRY(find_ends(import, err));
    COP_TRY(begin_walk(import, true, &walk, err));
    for (int32_t i = 0; i < import->n_outputs; i++)
        COP_TRY(visit(&walk, import->outputs[i].node, err));
    for (int32_t i = 0; i < walk.n; i++)
        settle(import, &import->tf.nodes[walk.order[i]]);
    if (import->options->n_outputs == 0) COP_TRY(keep_dependent(import, &walk, err));
    COP_TRY(begin_walk(import, false, &walk, err));
    for (int32_t i = 0; i < import->n_outputs; i++) {
        if (cop_tf__cut_at(import, import->outputs[i]) >= 0) continue;
        COP_TRY(visit(&walk, import->outputs[i].node, err));
    }
    import->order = walk.order;
    import->n_order = walk.n;
    for (int32_t i = 0; i < walk.n; i++) {
        const struct cop_tf__node *const node = &import->tf.nodes[walk.order[i]];
        cop_tf__made_of(import, node)->is_needed = true;
        count_readers(import, node);
        const enum cop_status status = check_needed(import, node, err);
        if (status == COP_OK) continue;
        cop_err_in(err, "node '%s' (%s)", node->name, node->op);
        return status;
    }
    return COP_OK;
}
