/* importers/build.c - see build.h. */
#include "importers/build.h"

#include <string.h>

/* ---- attributes ----------------------------------------------------------------------------- */

static enum cop_status set_attr(
    struct cop_graph *graph,
    const struct cop_op *op,
    const struct cop_importers__attr *attr,
    char *attrs,
    struct cop_err *err)
{
    const struct cop_attr_spec *spec = cop_attrs_find(op->attrs, attr->name);
    struct cop_ints ints = {.n = attr->n};
    if (spec == NULL)
        return COP_FAIL(err, COP_EUNSUPPORTED, "has no attribute '%s'", attr->name);
    char *at = attrs + spec->offset;
    switch (spec->type) {
    case COP_ATTR_INT: memcpy(at, &attr->number, sizeof attr->number); return COP_OK;
    case COP_ATTR_FLOAT: memcpy(at, &attr->real, sizeof attr->real); return COP_OK;
    case COP_ATTR_STRING: memcpy(at, &attr->text, sizeof attr->text); return COP_OK;
    case COP_ATTR_INTS:
        ints.at = cop_arena_copy(
            cop_graph_arena(graph), attr->ints, (size_t)attr->n * sizeof *ints.at);
        if (ints.at == NULL) return COP_FAIL_NOMEM(err);
        memcpy(at, &ints, sizeof ints);
        return COP_OK;
    default: break;
    }
    return COP_FAIL(
        err, COP_EUNSUPPORTED, "attribute '%s' is of no kind we write", attr->name);
}

enum cop_status cop_importers__make_attrs(
    struct cop_graph *graph,
    const struct cop_op *op,
    const struct cop_importers__attr *given,
    void **attrs,
    struct cop_err *err)
{
    *attrs = cop_arena_array(cop_graph_arena(graph), 1, op->attrs_size);
    if (*attrs == NULL) return COP_FAIL_NOMEM(err);
    cop_attrs_default(op->attrs, *attrs);
    for (int i = 0; i < COP_IMPORTERS__ATTRS && given[i].name != NULL; i++)
        COP_TRY(set_attr(graph, op, &given[i], *attrs, err));
    return COP_OK;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static enum cop_status infer_one(
    const struct cop_node *node, struct cop_arena *arena, struct cop_err *err)
{
    struct cop_fact *src = COP_ARENA_NEW_N(arena, node->n_src, struct cop_fact);
    struct cop_fact dst = {0};
    if (src == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < node->n_src; i++) {
        const struct cop_value *value = node->src[i];
        if (value == NULL) continue;
        src[i] = (struct cop_fact){
            .dtype = value->dtype,
            .shape = value->shape,
            .data = value->data != NULL ? cop_buf_data(value->data) : NULL,
        };
    }
    COP_TRY(node->op->infer(node, src, &dst, err));
    node->dst[0]->dtype = dst.dtype;
    node->dst[0]->shape = dst.shape;
    return COP_OK;
}

static enum cop_status add_node(
    struct cop_graph *graph,
    const struct cop_importers__part *part,
    const struct cop_op *op,
    struct cop_value **dst,
    struct cop_err *err)
{
    void *attrs = NULL;
    COP_TRY(cop_importers__make_attrs(graph, op, part->attrs, &attrs, err));
    struct cop_node *node = NULL;
    struct cop_node_spec spec = {
        .op = op,
        .name = part->name,
        .attrs = attrs,
        .src = part->all_src != NULL ? part->all_src : part->src,
        .n_src = part->n_src,
        .dst_names = &part->name,
        .n_dst = 1,
    };
    COP_TRY(cop_graph_add_node(graph, &spec, &node, err));
    *dst = node->dst[0];
    struct cop_arena *arena = cop_graph_arena(graph);
    const struct cop_arena_mark mark = cop_arena_mark(arena);
    const enum cop_status status = infer_one(node, arena, err);
    cop_arena_reset(arena, mark);
    return status;
}

enum cop_status cop_importers__add(
    struct cop_graph *graph,
    const struct cop_importers__part *part,
    struct cop_value **dst,
    struct cop_err *err)
{
    const struct cop_op *op = cop_op_find(cop_graph_ops(graph), part->op);
    const enum cop_status status =
        op != NULL ? add_node(graph, part, op, dst, err)
                   : COP_FAIL(err, COP_EUNSUPPORTED, "operator is not supported");
    if (status != COP_OK) cop_err_in(err, "node '%s' (%s)", part->name, part->op);
    return status;
}

/* ---- constants ------------------------------------------------------------------------------ */

static enum cop_status add_copy(
    struct cop_graph *graph,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    const void *elements,
    struct cop_value **value,
    struct cop_err *err)
{
    int64_t n = 0;
    struct cop_buf *data = NULL;
    COP_TRY(cop_shape_count(shape, &n, err));
    const size_t bytes = (size_t)n * cop_dtype_bytes(dtype);
    COP_TRY(cop_buf_create(bytes, &data, err));
    if (bytes > 0) memcpy(cop_buf_mutable(data), elements, bytes);
    const enum cop_status status =
        cop_graph_add_const(graph, name, dtype, shape, data, value, err);
    cop_buf_release(data);
    return status;
}

enum cop_status cop_importers__add_ints(
    struct cop_graph *graph,
    const char *name,
    const int64_t *ints,
    int64_t n,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_shape shape = cop_shape_make(1, &n);
    return add_copy(graph, name, COP_I64, &shape, ints, value, err);
}

enum cop_status cop_importers__add_floats(
    struct cop_graph *graph,
    const char *name,
    const struct cop_shape *shape,
    const float *floats,
    struct cop_value **value,
    struct cop_err *err)
{
    return add_copy(graph, name, COP_F32, shape, floats, value, err);
}
