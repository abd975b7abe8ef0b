/* importers/onnx_attrs.c - attributes of nodes by the rows' tables; see onnx_model.h. */
#include "importers/onnx_model.h"

#include <string.h>

/* AttributeProto.type */
enum {
    TYPE_FLOAT = 1,
    TYPE_INT,
    TYPE_STRING,
    TYPE_TENSOR,
    TYPE_GRAPH,
    TYPE_FLOATS,
    TYPE_INTS,
    TYPE_STRINGS,
    TYPE_TENSORS,
    TYPE_GRAPHS
};

static const struct {
    enum cop_attr_type attr;
    int32_t onnx;
    const char *name;
} types[] = {
    {COP_ATTR_FLOAT, TYPE_FLOAT, "float"},
    {COP_ATTR_INT, TYPE_INT, "int"},
    {COP_ATTR_STRING, TYPE_STRING, "string"},
    {COP_ATTR_TENSOR, TYPE_TENSOR, "tensor"},
    {COP_ATTR_FLOATS, TYPE_FLOATS, "floats"},
    {COP_ATTR_INTS, TYPE_INTS, "ints"},
    {COP_ATTR_END, TYPE_STRINGS, "strings"},
    {COP_ATTR_END, TYPE_TENSORS, "tensors"},
};

static const char *type_name(int32_t onnx)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].onnx == onnx) return types[i].name;
    }
    return "another type";
}

static int32_t wanted_type(enum cop_attr_type attr)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].attr == attr) return types[i].onnx;
    }
    return 0;
}

/* Files of IR version 1 leave the type to be seen from what is there. */
static int32_t given_type(const Onnx__AttributeProto *proto)
{
    if (proto->has_type && proto->type != 0) return proto->type;
    if (proto->has_f) return TYPE_FLOAT;
    if (proto->has_i) return TYPE_INT;
    if (proto->has_s) return TYPE_STRING;
    if (proto->t != NULL) return TYPE_TENSOR;
    if (proto->n_floats > 0) return TYPE_FLOATS;
    if (proto->n_ints > 0) return TYPE_INTS;
    return 0;
}

/* ---- one attribute by type --------------------------------------------------------------- */

/* An empty list is present, unlike an absent one: it has a pointer. */
static enum cop_status store_list(
    struct cop_arena *arena,
    const void *elements,
    size_t n,
    size_t size,
    const void **at,
    struct cop_err *err)
{
    static const int64_t nothing[1];
    *at = n > 0 ? cop_arena_copy(arena, elements, n * size) : nothing;
    return *at != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status store_string(
    struct cop_arena *arena,
    const ProtobufCBinaryData *bytes,
    const char **to,
    struct cop_err *err)
{
    if (bytes->len > 0 && memchr(bytes->data, 0, bytes->len) != NULL)
        return COP_FAIL(err, COP_EFORMAT, "text holds a zero");
    const char *text = bytes->len > 0 ? (const char *)bytes->data : "";
    *to = cop_arena_strndup(arena, text, bytes->len);
    return *to != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status store_tensor(
    const struct cop_importers__model *model,
    const Onnx__TensorProto *proto,
    struct cop_fact *to,
    struct cop_err *err)
{
    static const int64_t nothing[1];
    if (proto == NULL) return COP_FAIL(err, COP_EFORMAT, "tensor is missing");
    struct cop_importers__tensor tensor;
    COP_TRY(cop_importers__read_tensor(model, proto, &tensor, err));
    const void *data = cop_buf_data(tensor.data);
    *to = (struct cop_fact){
        .dtype = tensor.dtype,
        .shape = tensor.shape,
        .data = data != NULL ? data : nothing,
    };
    struct cop_arena *arena = cop_graph_arena(model->graph);
    if (cop_arena_defer(arena, cop_buf_release_any, tensor.data) == COP_OK)
        return COP_OK;
    return COP_FAIL_NOMEM(err);
}

static enum cop_status store(
    const struct cop_importers__model *model,
    const struct cop_attr_spec *spec,
    const Onnx__AttributeProto *proto,
    void *attrs,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_graph_arena(model->graph);
    char *to = (char *)attrs + spec->offset;
    const void *at = NULL;
    switch (spec->type) {
    case COP_ATTR_INT: memcpy(to, &proto->i, sizeof(int64_t)); return COP_OK;
    case COP_ATTR_FLOAT: memcpy(to, &proto->f, sizeof(float)); return COP_OK;
    case COP_ATTR_STRING:
        return store_string(arena, &proto->s, (const char **)(void *)to, err);
    case COP_ATTR_INTS:
        COP_TRY(
            store_list(arena, proto->ints, proto->n_ints, sizeof(int64_t), &at, err));
        *(struct cop_ints *)(void *)to =
            (struct cop_ints){.n = (int64_t)proto->n_ints, .at = at};
        return COP_OK;
    case COP_ATTR_FLOATS:
        COP_TRY(
            store_list(arena, proto->floats, proto->n_floats, sizeof(float), &at, err));
        *(struct cop_floats *)(void *)to =
            (struct cop_floats){.n = (int64_t)proto->n_floats, .at = at};
        return COP_OK;
    case COP_ATTR_TENSOR:
        return store_tensor(model, proto->t, (struct cop_fact *)(void *)to, err);
    case COP_ATTR_END: break;
    }
    return COP_FAIL(err, COP_EINVAL, "operator table has no type for it");
}

/* ---- a node's attributes ------------------------------------------------------------------ */

static enum cop_status check_one(
    const struct cop_importers__model *model,
    const struct cop_attr_spec *spec,
    const Onnx__AttributeProto *proto,
    struct cop_err *err)
{
    int32_t type = given_type(proto);
    if (type == TYPE_GRAPH || type == TYPE_GRAPHS)
        return COP_FAIL(err, COP_EUNSUPPORTED, "subgraphs are not supported");
    if (proto->ref_attr_name != NULL)
        return COP_FAIL(err, COP_EUNSUPPORTED, "refers to a function's attribute");
    if (spec == NULL) return COP_FAIL(err, COP_EUNSUPPORTED, "not supported");
    if (type != wanted_type(spec->type))
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "is %s, needs %s",
            type_name(type),
            type_name(wanted_type(spec->type)));
    if (spec->last_opset != 0 && model->opset > spec->last_opset)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "ended with opset %d, the model has opset %d",
            spec->last_opset,
            model->opset);
    return COP_OK;
}

static const Onnx__AttributeProto *find_given(
    const Onnx__NodeProto *node, const char *name, size_t end)
{
    for (size_t i = 0; i < end; i++) {
        if (strcmp(cop_importers__text(node->attribute[i]->name), name) == 0)
            return node->attribute[i];
    }
    return NULL;
}

static enum cop_status read_one(
    const struct cop_importers__model *model,
    const struct cop_op *op,
    const Onnx__NodeProto *node,
    size_t i,
    void *attrs,
    struct cop_err *err)
{
    const Onnx__AttributeProto *proto = node->attribute[i];
    const char *name = cop_importers__text(proto->name);
    if (find_given(node, name, i) != NULL)
        return COP_FAIL(err, COP_EFORMAT, "given twice");
    const struct cop_attr_spec *spec = cop_attrs_find(op->attrs, name);
    COP_TRY(check_one(model, spec, proto, err));
    return store(model, spec, proto, attrs, err);
}

static enum cop_status check_required(
    const struct cop_importers__model *model,
    const struct cop_op *op,
    const Onnx__NodeProto *node,
    struct cop_err *err)
{
    for (const struct cop_attr_spec *spec = op->attrs; spec->type != COP_ATTR_END;
         spec++) {
        bool is_due = spec->is_required && model->opset >= spec->first_opset &&
                      (spec->last_opset == 0 || model->opset <= spec->last_opset);
        if (is_due && find_given(node, spec->name, node->n_attribute) == NULL)
            return COP_FAIL(err, COP_EFORMAT, "attribute '%s' is missing", spec->name);
    }
    return COP_OK;
}

enum cop_status cop_importers__read_attrs(
    const struct cop_importers__model *model,
    const struct cop_op *op,
    const Onnx__NodeProto *node,
    void *attrs,
    struct cop_err *err)
{
    cop_attrs_default(op->attrs, attrs);
    for (size_t i = 0; i < node->n_attribute; i++) {
        enum cop_status status = read_one(model, op, node, i, attrs, err);
        if (status != COP_OK) {
            const char *name = cop_importers__text(node->attribute[i]->name);
            cop_err_in(err, "attribute '%s'", name);
            return status;
        }
    }
    return check_required(model, op, node, err);
}
