/* importers/tf_attrs.c - attributes of nodes, decoded on demand; see tf_graph.h. */
#include "importers/tf_graph.h"

#include <inttypes.h>
#include <string.h>

/* Fields of AttrValue, and of its ListValue where it has the same ones. */
enum {
    VALUE_LIST = 1,
    VALUE_TEXT = 2,
    VALUE_INT = 3,
    VALUE_FLOAT = 4,
    VALUE_BOOL = 5,
    VALUE_TYPE = 6,
    VALUE_SHAPE = 7,
    VALUE_TENSOR = 8
};
enum { LIST_INT = 3, LIST_SHAPE = 7 };
enum { SHAPE_DIM = 2, SHAPE_UNKNOWN = 3, DIM_SIZE = 1 };

static const struct cop_tf__attr *find_attr(
    const struct cop_tf__node *node, const char *name)
{
    for (int32_t i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0) return &node->attrs[i];
    return NULL;
}

bool cop_tf__has_attr(const struct cop_tf__node *node, const char *name)
{
    return find_attr(node, name) != NULL;
}

/* The field of that number in the attribute; its last one, as protobuf has it.  A number
 * that is zero may be left out by the writer: then *found is false and another field is
 * the one that shows a wrong type. */
static enum cop_status find_value(
    const struct cop_tf__graph *graph,
    const struct cop_tf__attr *attr,
    uint32_t number,
    enum cop_importers__wire_type type,
    struct cop_importers__field *value,
    bool *found,
    struct cop_err *err)
{
    bool has_other = false;
    struct cop_importers__wire wire =
        cop_importers__wire_over(graph->file, attr->value);
    *found = false;
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        *found = field.number == number && field.type == type;
        has_other = !*found;
        if (*found) *value = field;
    }
    if (!has_other) return COP_OK;
    return COP_FAIL(err, COP_EFORMAT, "attribute '%s' has another type", attr->name);
}

static enum cop_status number_of(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    uint32_t number,
    int64_t *to,
    struct cop_err *err)
{
    const struct cop_tf__attr *const attr = find_attr(node, name);
    struct cop_importers__field field;
    bool found = false;
    if (attr == NULL) return COP_OK;
    COP_TRY(find_value(graph, attr, number, COP_WIRE_VARINT, &field, &found, err));
    *to = found ? (int64_t)field.varint : 0;
    return COP_OK;
}

enum cop_status cop_tf__attr_int(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    int64_t *to,
    struct cop_err *err)
{
    return number_of(graph, node, name, VALUE_INT, to, err);
}

enum cop_status cop_tf__attr_bool(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    bool *to,
    struct cop_err *err)
{
    int64_t number = *to;
    COP_TRY(number_of(graph, node, name, VALUE_BOOL, &number, err));
    *to = number != 0;
    return COP_OK;
}

enum cop_status cop_tf__attr_type(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    int64_t *to,
    struct cop_err *err)
{
    return number_of(graph, node, name, VALUE_TYPE, to, err);
}

enum cop_status cop_tf__attr_float(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    float *to,
    struct cop_err *err)
{
    const struct cop_tf__attr *const attr = find_attr(node, name);
    struct cop_importers__field field;
    bool found = false;
    if (attr == NULL) return COP_OK;
    COP_TRY(
        find_value(graph, attr, VALUE_FLOAT, COP_WIRE_FIXED32, &field, &found, err));
    *to = 0.0F;
    if (found) memcpy(to, field.body.at, sizeof *to);
    return COP_OK;
}

enum cop_status cop_tf__attr_text(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    const char **to,
    struct cop_err *err)
{
    const struct cop_tf__attr *const attr = find_attr(node, name);
    struct cop_importers__field field;
    bool found = false;
    if (attr == NULL) return COP_OK;
    COP_TRY(find_value(graph, attr, VALUE_TEXT, COP_WIRE_BYTES, &field, &found, err));
    const struct cop_importers__span text =
        found ? field.body : (struct cop_importers__span){NULL, 0};
    if (!cop_importers__is_text(text))
        return COP_FAIL(err, COP_EFORMAT, "attribute '%s' is not text", name);
    *to = cop_arena_strndup(
        graph->arena, text.n > 0 ? (const char *)text.at : "", text.n);
    return *to != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* ---- lists ------------------------------------------------------------------------------ */

static enum cop_status add_int(
    struct cop_tf__ints *to, uint64_t number, const char *name, struct cop_err *err)
{
    if (to->n == COP_TF_MAX_INTS)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "attribute '%s' has more than %d numbers",
            name,
            COP_TF_MAX_INTS);
    to->at[to->n++] = (int64_t)number;
    return COP_OK;
}

static enum cop_status list_of(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    struct cop_importers__span *list,
    bool *found,
    struct cop_err *err)
{
    const struct cop_tf__attr *const attr = find_attr(node, name);
    struct cop_importers__field field;
    *found = false;
    if (attr == NULL) return COP_OK;
    COP_TRY(find_value(graph, attr, VALUE_LIST, COP_WIRE_BYTES, &field, found, err));
    if (*found) *list = field.body;
    return COP_OK;
}

enum cop_status cop_tf__attr_ints(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    struct cop_tf__ints *to,
    struct cop_err *err)
{
    struct cop_importers__span list = {NULL, 0};
    bool found = false;
    COP_TRY(list_of(graph, node, name, &list, &found, err));
    if (!found) return COP_OK;
    to->n = 0;
    struct cop_importers__wire wire = cop_importers__wire_over(graph->file, list);
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number != LIST_INT)
            return COP_FAIL(err, COP_EFORMAT, "attribute '%s' has another type", name);
        if (field.type == COP_WIRE_VARINT) {
            COP_TRY(add_int(to, field.varint, name, err));
            continue;
        }
        struct cop_importers__wire packed =
            cop_importers__wire_over(graph->file, field.body);
        while (cop_importers__wire_more(&packed)) {
            uint64_t number = 0;
            COP_TRY(cop_importers__wire_varint(&packed, &number, err));
            COP_TRY(add_int(to, number, name, err));
        }
    }
    return COP_OK;
}

/* ---- shapes ------------------------------------------------------------------------------- */

static enum cop_status add_dim(
    const struct cop_tf__graph *graph,
    struct cop_importers__span message,
    struct cop_tf__shape *to,
    struct cop_err *err)
{
    struct cop_importers__wire wire = cop_importers__wire_over(graph->file, message);
    int64_t size = 0; /* a size of 0 is left out */
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number == DIM_SIZE) size = (int64_t)field.varint;
    }
    if (to->rank == COP_MAX_RANK)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "shape has more than %d axes", COP_MAX_RANK);
    to->dim[to->rank++] = size;
    return COP_OK;
}

enum cop_status cop_tf__read_shape(
    const struct cop_tf__graph *graph,
    struct cop_importers__span message,
    struct cop_tf__shape *to,
    struct cop_err *err)
{
    struct cop_importers__wire wire = cop_importers__wire_over(graph->file, message);
    bool is_unknown = false;
    *to = (struct cop_tf__shape){.rank = 0};
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number == SHAPE_DIM) COP_TRY(add_dim(graph, field.body, to, err));
        if (field.number == SHAPE_UNKNOWN) is_unknown = field.varint != 0;
    }
    if (is_unknown) to->rank = -1;
    return COP_OK;
}

enum cop_status cop_tf__attr_shape(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    struct cop_tf__shape *to,
    struct cop_err *err)
{
    const struct cop_tf__attr *const attr = find_attr(node, name);
    struct cop_importers__field field;
    struct cop_importers__span list = {NULL, 0};
    bool found = false;
    if (attr == NULL) return COP_OK;
    if (find_value(graph, attr, VALUE_SHAPE, COP_WIRE_BYTES, &field, &found, NULL) ==
        COP_OK) {
        if (found) return cop_tf__read_shape(graph, field.body, to, err);
        return COP_OK;
    }
    COP_TRY(list_of(graph, node, name, &list, &found, err));
    struct cop_importers__wire wire = cop_importers__wire_over(graph->file, list);
    while (cop_importers__wire_more(&wire)) {
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number == LIST_SHAPE && field.type == COP_WIRE_BYTES)
            return cop_tf__read_shape(graph, field.body, to, err);
    }
    return COP_OK;
}

enum cop_status cop_tf__attr_tensor(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    struct cop_importers__span *to,
    struct cop_err *err)
{
    const struct cop_tf__attr *const attr = find_attr(node, name);
    struct cop_importers__field field;
    bool found = false;
    if (attr != NULL)
        COP_TRY(
            find_value(graph, attr, VALUE_TENSOR, COP_WIRE_BYTES, &field, &found, err));
    if (!found) return COP_FAIL(err, COP_EFORMAT, "has no tensor '%s'", name);
    *to = field.body;
    return COP_OK;
}
