/* importers/tf_graph.c - the walk over a GraphDef; see tf_graph.h. */
#include "importers/tf_graph.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_NODES = 1 << 16,
    MAX_PARTS = 1 << 21, /* inputs and attributes of all nodes */
    MAX_TEXT = 64 << 20, /* bytes of all names */
    MAX_ONE_TEXT = 1 << 16
};

/* Fields of GraphDef, and the two that tell other files of the same ending. */
enum { GRAPH_NODE = 1, GRAPH_VERSIONS = 4, SAVED_SCHEMA = 1, SAVED_GRAPHS = 2 };
enum { NODE_NAME = 1, NODE_OP = 2, NODE_INPUT = 3, NODE_ATTR = 5 };

struct scan {
    struct cop_tf__graph *graph;
    size_t text_left;
    size_t parts_left;
};

/* ---- what kind of file ------------------------------------------------------------------ */

enum kind { KIND_UNKNOWN, KIND_GRAPH, KIND_SAVED };

/* GraphDef: field 1 is a message.  SavedModel: field 1 is a number, field 2 a message that
 * is no text; ModelProto of ONNX has a number and texts there, and fields 7 and 8. */
static enum kind find_kind(struct cop_importers__span file)
{
    struct cop_importers__wire wire = cop_importers__wire_over(file.at, file);
    bool has_schema = false;
    enum kind kind = KIND_UNKNOWN;
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        if (cop_importers__wire_next(&wire, &field, NULL) != COP_OK) return kind;
        if (field.number == GRAPH_NODE && field.type == COP_WIRE_BYTES)
            return KIND_GRAPH;
        if (field.number > GRAPH_VERSIONS) return KIND_UNKNOWN;
        has_schema = has_schema ||
                     (field.number == SAVED_SCHEMA && field.type == COP_WIRE_VARINT);
        if (has_schema && field.number == SAVED_GRAPHS &&
            field.type == COP_WIRE_BYTES && !cop_importers__is_text(field.body))
            kind = KIND_SAVED;
    }
    return kind;
}

bool cop_tf__is_graph(struct cop_importers__span file)
{
    return find_kind(file) != KIND_UNKNOWN;
}

/* ---- texts ------------------------------------------------------------------------------- */

static enum cop_status take_text(
    struct scan *scan,
    const struct cop_importers__field *field,
    const char *what,
    const char **text,
    struct cop_err *err)
{
    const ptrdiff_t at = field->whole.at - scan->graph->file;
    if (field->type != COP_WIRE_BYTES || !cop_importers__is_text(field->body))
        return COP_FAIL(err, COP_EFORMAT, "%s at byte %td is not UTF-8 text", what, at);
    if (field->body.n > MAX_ONE_TEXT || field->body.n > scan->text_left)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "%s at byte %td is too long: %zu bytes",
            what,
            at,
            field->body.n);
    scan->text_left -= field->body.n;
    const char *const from = field->body.n > 0 ? (const char *)field->body.at : "";
    *text = cop_arena_strndup(scan->graph->arena, from, field->body.n);
    return *text != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* ---- one node ------------------------------------------------------------------------------ */

static enum cop_status count_parts(
    struct scan *scan,
    struct cop_importers__span message,
    struct cop_tf__node *node,
    struct cop_err *err)
{
    struct cop_importers__wire wire =
        cop_importers__wire_over(scan->graph->file, message);
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number != NODE_INPUT && field.number != NODE_ATTR) continue;
        if (scan->parts_left-- == 0)
            return COP_FAIL(
                err, COP_EFORMAT, "more than %d inputs and attributes", MAX_PARTS);
        if (field.number == NODE_INPUT)
            node->n_inputs++;
        else
            node->n_attrs++;
    }
    node->inputs =
        COP_ARENA_NEW_N(scan->graph->arena, node->n_inputs, struct cop_tf__input);
    node->attrs =
        COP_ARENA_NEW_N(scan->graph->arena, node->n_attrs, struct cop_tf__attr);
    if (node->inputs == NULL || node->attrs == NULL) return COP_FAIL_NOMEM(err);
    return COP_OK;
}

/* An entry of the map from names to AttrValue. */
static enum cop_status take_attr(
    struct scan *scan,
    const struct cop_importers__field *entry,
    struct cop_tf__attr *attr,
    struct cop_err *err)
{
    enum { KEY = 1, VALUE = 2 };
    if (entry->type != COP_WIRE_BYTES)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "attribute at byte %td is damaged",
            entry->whole.at - scan->graph->file);
    struct cop_importers__wire wire =
        cop_importers__wire_over(scan->graph->file, entry->body);
    *attr = (struct cop_tf__attr){.name = ""};
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number == KEY)
            COP_TRY(take_text(scan, &field, "attribute name", &attr->name, err));
        if (field.number == VALUE && field.type == COP_WIRE_BYTES)
            attr->value = field.body;
    }
    return COP_OK;
}

static enum cop_status take_node(
    struct scan *scan,
    struct cop_importers__span message,
    struct cop_tf__node *node,
    struct cop_err *err)
{
    *node = (struct cop_tf__node){.name = "", .op = ""};
    COP_TRY(count_parts(scan, message, node, err));
    struct cop_importers__wire wire =
        cop_importers__wire_over(scan->graph->file, message);
    int32_t n_inputs = 0;
    int32_t n_attrs = 0;
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        const char **text = NULL;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        switch (field.number) {
        case NODE_NAME: text = &node->name; break;
        case NODE_OP: text = &node->op; break;
        case NODE_INPUT: text = &node->inputs[n_inputs++].text; break;
        case NODE_ATTR:
            COP_TRY(take_attr(scan, &field, &node->attrs[n_attrs++], err));
            break;
        default: break;
        }
        if (text != NULL) COP_TRY(take_text(scan, &field, "text", text, err));
    }
    if (node->name[0] == '\0' || node->op[0] == '\0')
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "node at byte %td has no %s",
            message.at - scan->graph->file,
            node->name[0] == '\0' ? "name" : "operator");
    return COP_OK;
}

/* ---- all nodes ------------------------------------------------------------------------------- */

static enum cop_status count_nodes(
    struct cop_importers__span file, struct cop_tf__graph *graph, struct cop_err *err)
{
    struct cop_importers__wire wire = cop_importers__wire_over(file.at, file);
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number != GRAPH_NODE || field.type != COP_WIRE_BYTES) continue;
        if (graph->n_nodes++ == MAX_NODES)
            return COP_FAIL(err, COP_EFORMAT, "more than %d nodes", MAX_NODES);
    }
    if (graph->n_nodes == 0) return COP_FAIL(err, COP_EFORMAT, "it has no nodes");
    return COP_OK;
}

static enum cop_status take_versions(
    struct cop_tf__graph *graph,
    struct cop_importers__span message,
    struct cop_err *err)
{
    struct cop_importers__wire wire = cop_importers__wire_over(graph->file, message);
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number == 1 && field.type == COP_WIRE_VARINT)
            graph->producer = (int64_t)(field.varint & INT32_MAX);
    }
    return COP_OK;
}

static enum cop_status take_nodes(
    struct scan *scan, struct cop_importers__span file, struct cop_err *err)
{
    struct cop_tf__graph *const graph = scan->graph;
    struct cop_importers__wire wire = cop_importers__wire_over(file.at, file);
    int32_t n = 0;
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.type != COP_WIRE_BYTES) continue;
        if (field.number == GRAPH_NODE)
            COP_TRY(take_node(scan, field.body, &graph->nodes[n++], err));
        else if (field.number == GRAPH_VERSIONS)
            COP_TRY(take_versions(graph, field.body, err));
    }
    return COP_OK;
}

/* ---- names ------------------------------------------------------------------------------------ */

struct named {
    const char *name;
    int32_t node;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *const x = a;
    const struct named *const y = b;
    const int by_name = strcmp(x->name, y->name);
    return by_name != 0 ? by_name : (x->node > y->node) - (x->node < y->node);
}

static enum cop_status index_names(struct cop_tf__graph *graph, struct cop_err *err)
{
    struct named *const all =
        COP_ARENA_NEW_N(graph->arena, graph->n_nodes, struct named);
    graph->by_name = COP_ARENA_NEW_N(graph->arena, graph->n_nodes, int32_t);
    if (all == NULL || graph->by_name == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < graph->n_nodes; i++)
        all[i] = (struct named){graph->nodes[i].name, i};
    qsort(all, (size_t)graph->n_nodes, sizeof *all, compare_named);
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        if (i > 0 && strcmp(all[i - 1].name, all[i].name) == 0)
            return COP_FAIL(err, COP_EFORMAT, "two nodes are named '%s'", all[i].name);
        graph->by_name[i] = all[i].node;
    }
    return COP_OK;
}

static int compare_text(const char *text, size_t n, const char *name)
{
    const int by_start = strncmp(text, name, n);
    return by_start != 0 ? by_start : (name[n] == '\0' ? 0 : -1);
}

static int32_t find_name(const struct cop_tf__graph *graph, const char *text, size_t n)
{
    int32_t low = 0;
    int32_t high = graph->n_nodes;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const int32_t node = graph->by_name[middle];
        const int order = compare_text(text, n, graph->nodes[node].name);
        if (order == 0) return node;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

struct cop_tf__ref cop_tf__find(const struct cop_tf__graph *graph, const char *text)
{
    enum { MAX_PORT = 1 << 16 };
    const char *const colon = strrchr(text, ':');
    struct cop_tf__ref ref = {find_name(graph, text, strlen(text)), 0};
    if (ref.node >= 0 || colon == NULL || colon[1] < '0' || colon[1] > '9') return ref;
    char *end = NULL;
    const long port = strtol(colon + 1, &end, 10);
    if (*end != '\0' || port > MAX_PORT) return ref;
    ref.node = find_name(graph, text, (size_t)(colon - text));
    ref.port = (int32_t)port;
    return ref;
}

/* Inputs of data first, then those that only order the execution ("^name"). */
static enum cop_status link_node(
    struct cop_tf__graph *graph, struct cop_tf__node *node, struct cop_err *err)
{
    int32_t n = 0;
    node->controls = COP_ARENA_NEW_N(graph->arena, node->n_inputs, int32_t);
    if (node->controls == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        const char *const text = node->inputs[i].text;
        if (text[0] == '^') {
            const struct cop_tf__ref ref = cop_tf__find(graph, text + 1);
            if (ref.node >= 0) node->controls[node->n_controls++] = ref.node;
            continue;
        }
        const struct cop_tf__ref ref = cop_tf__find(graph, text);
        if (ref.node >= 0) graph->nodes[ref.node].is_read = true;
        node->inputs[n++] = (struct cop_tf__input){text, ref};
    }
    node->n_inputs = n;
    return COP_OK;
}

enum cop_status cop_tf__scan(
    struct cop_importers__span file,
    struct cop_arena *arena,
    struct cop_tf__graph *graph,
    struct cop_err *err)
{
    *graph = (struct cop_tf__graph){.file = file.at, .arena = arena};
    if (find_kind(file) == KIND_SAVED)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "a SavedModel, whose weights lie beside it; freeze it to one graph first");
    struct scan scan = {graph, MAX_TEXT, MAX_PARTS};
    COP_TRY(count_nodes(file, graph, err));
    graph->nodes = COP_ARENA_NEW_N(arena, graph->n_nodes, struct cop_tf__node);
    if (graph->nodes == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(take_nodes(&scan, file, err));
    COP_TRY(index_names(graph, err));
    for (int32_t i = 0; i < graph->n_nodes; i++)
        COP_TRY(link_node(graph, &graph->nodes[i], err));
    return COP_OK;
}
