/* importers/onnx_build.c - constants, inputs, nodes and outputs of the graph; see
 * onnx_model.h. */
#include "base/mem.h"
#include "importers/notes.h"
#include "importers/onnx_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- constants and inputs ---------------------------------------------------------------- */

static enum cop_status check_fresh_name(
    const struct cop_importers__model *model, const char *name, struct cop_err *err)
{
    if (name[0] == '\0') return COP_FAIL(err, COP_EFORMAT, "a value has no name");
    if (cop_graph_find_value(model->graph, name) == NULL) return COP_OK;
    return COP_FAIL(err, COP_EFORMAT, "value '%s' is defined twice", name);
}

static enum cop_status add_constants(
    const struct cop_importers__model *model, struct cop_err *err)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    for (size_t i = 0; i < proto->n_initializer; i++) {
        const char *name = cop_importers__text(proto->initializer[i]->name);
        COP_TRY(check_fresh_name(model, name, err));
        struct cop_importers__tensor tensor;
        struct cop_value *value = NULL;
        COP_TRY(cop_importers__read_tensor(model, proto->initializer[i], &tensor, err));
        enum cop_status status = cop_graph_add_const(
            model->graph, name, tensor.dtype, &tensor.shape, tensor.data, &value, err);
        cop_buf_release(tensor.data);
        if (status != COP_OK) return status;
    }
    return COP_OK;
}

/* Axis 0 may be open, which is the usual way to export, or fixed. */
static enum cop_status read_dims(
    const Onnx__TensorShapeProto *proto,
    struct cop_shape *shape,
    bool *is_batch_free,
    int64_t *batch,
    struct cop_err *err)
{
    if (proto->n_dim == 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "is a scalar, axis 0 must be the batch");
    if (proto->n_dim > COP_MAX_RANK)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "has %zu axes, at most %d are supported",
            proto->n_dim,
            COP_MAX_RANK);
    shape->rank = (int32_t)proto->n_dim;
    for (size_t i = 0; i < proto->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *dim = proto->dim[i];
        bool is_open = !dim->has_dim_value || dim->dim_value <= 0;
        if (i > 0 && is_open) {
            const char *param = cop_importers__text(dim->dim_param);
            const char *mark = param[0] != '\0' ? "'" : "";
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "axis %zu is open%s%s%s%s",
                i,
                mark[0] != '\0' ? " " : "",
                mark,
                param,
                mark);
        }
        shape->dim[i] = i == 0 ? 1 : dim->dim_value;
        if (i > 0) continue;
        *is_batch_free = is_open;
        *batch = is_open ? 1 : dim->dim_value;
    }
    return COP_OK;
}

static enum cop_status read_input_type(
    const Onnx__ValueInfoProto *proto, enum cop_dtype *dtype, struct cop_err *err)
{
    const Onnx__TypeProto__Tensor *type =
        proto->type != NULL ? proto->type->tensor_type : NULL;
    if (type == NULL) return COP_FAIL(err, COP_EUNSUPPORTED, "is not a tensor");
    if (type->shape == NULL) return COP_FAIL(err, COP_EUNSUPPORTED, "has no shape");
    *dtype =
        type->has_elem_type ? cop_dtype_from_onnx(type->elem_type) : COP_DTYPE_NONE;
    if (*dtype == COP_DTYPE_NONE)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "element type %" PRId32 " is not supported, float32 is",
            type->has_elem_type ? type->elem_type : 0);
    if (*dtype == COP_F16 || *dtype == COP_F64) *dtype = COP_F32; /* as constants are */
    return COP_OK;
}

/* A file made for one batch size is read as one of batch 1; the number is noted. */
static enum cop_status note_batch(
    const struct cop_importers__model *model, int64_t batch, struct cop_err *err)
{
    char text[24];
    if (batch == 1) return COP_OK;
    (void)snprintf(text, sizeof text, "%" PRId64, batch);
    return cop_graph_set_meta(model->graph, "onnx.fixed_batch", text, err);
}

static enum cop_status add_input(
    const struct cop_importers__model *model,
    const Onnx__ValueInfoProto *proto,
    struct cop_err *err)
{
    enum cop_dtype dtype = COP_DTYPE_NONE;
    struct cop_shape shape = {0};
    bool is_batch_free = false;
    int64_t batch = 1;
    COP_TRY(read_input_type(proto, &dtype, err));
    COP_TRY(read_dims(
        proto->type->tensor_type->shape, &shape, &is_batch_free, &batch, err));
    struct cop_value *value = NULL;
    const char *name = cop_importers__text(proto->name);
    COP_TRY(cop_graph_add_input(model->graph, name, dtype, &shape, &value, err));
    value->is_batch_free = is_batch_free;
    return note_batch(model, batch, err);
}

/* Until IR version 4 files list their constants as inputs too; they are constants. */
static enum cop_status add_inputs(
    const struct cop_importers__model *model, struct cop_err *err)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    for (size_t i = 0; i < proto->n_input; i++) {
        const char *name = cop_importers__text(proto->input[i]->name);
        const struct cop_value *known = cop_graph_find_value(model->graph, name);
        if (known != NULL && known->data != NULL) continue;
        COP_TRY(check_fresh_name(model, name, err));
        enum cop_status status = add_input(model, proto->input[i], err);
        if (status != COP_OK) {
            cop_err_in(err, "input '%s'", name);
            return status;
        }
    }
    if (cop_graph_n_inputs(model->graph) == 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "the graph has no inputs");
    return COP_OK;
}

/* ---- nodes -------------------------------------------------------------------------------- */

/* Absent operands at the end are written as "" by some and left away by others. */
static size_t count_given(char *const *names, size_t n)
{
    while (n > 0 && names[n - 1][0] == '\0')
        n--;
    return n;
}

static enum cop_status find_sources(
    const struct cop_importers__model *model,
    const Onnx__NodeProto *proto,
    struct cop_value **src,
    size_t n,
    struct cop_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = proto->input[i];
        if (name[0] == '\0') continue;
        src[i] = cop_graph_find_value(model->graph, name);
        if (src[i] == NULL)
            return COP_FAIL(err, COP_EFORMAT, "reads '%s', which nothing makes", name);
    }
    return COP_OK;
}

static enum cop_status name_results(
    const struct cop_importers__model *model,
    const Onnx__NodeProto *proto,
    const char **names,
    size_t n,
    struct cop_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (proto->output[i][0] == '\0') continue; /* unused: stays NULL */
        COP_TRY(check_fresh_name(model, proto->output[i], err));
        names[i] = proto->output[i];
    }
    return n > 0 ? COP_OK : COP_FAIL(err, COP_EFORMAT, "has no results");
}

static enum cop_status add_node(
    const struct cop_importers__model *model,
    const Onnx__NodeProto *proto,
    struct cop_node **node,
    struct cop_err *err)
{
    const struct cop_op *op = cop_op_find(model->ops, proto->op_type);
    size_t n_src = count_given(proto->input, proto->n_input);
    size_t n_dst = count_given(proto->output, proto->n_output);
    if (n_dst > (size_t)op->arity[2])
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "asks for %zu results, %d %s supported",
            n_dst,
            op->arity[2],
            op->arity[2] == 1 ? "is" : "are");
    struct cop_value **src = COP_ARENA_NEW_N(model->scratch, n_src, struct cop_value *);
    const char **names = COP_ARENA_NEW_N(model->scratch, n_dst, const char *);
    void *attrs = cop_arena_array(model->scratch, 1, op->attrs_size);
    if (src == NULL || names == NULL || attrs == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(find_sources(model, proto, src, n_src, err));
    COP_TRY(name_results(model, proto, names, n_dst, err));
    COP_TRY(cop_importers__read_attrs(model, op, proto, attrs, err));
    struct cop_node_spec spec = {
        .op = op,
        .name = proto->name,
        .attrs = attrs,
        .src = src,
        .n_src = (int32_t)n_src,
        .dst_names = names,
        .n_dst = (int32_t)n_dst,
    };
    enum cop_status status = cop_graph_add_node(model->graph, &spec, node, err);
    if (status != COP_EINVAL) return status;
    if (err != NULL)
        err->status = COP_EFORMAT; /* the caller is a file, not a program */
    return COP_EFORMAT;
}

static enum cop_status at_node(
    const Onnx__NodeProto *proto, enum cop_status status, struct cop_err *err)
{
    if (status != COP_OK)
        cop_err_in(
            err, "node '%s' (%s)", cop_importers__text(proto->name), proto->op_type);
    return status;
}

static enum cop_status mark_outputs(
    const struct cop_importers__model *model, struct cop_err *err)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    if (proto->n_output == 0) return COP_FAIL(err, COP_EFORMAT, "no outputs");
    for (size_t i = 0; i < proto->n_output; i++) {
        const char *name = cop_importers__text(proto->output[i]->name);
        struct cop_value *value = cop_graph_find_value(model->graph, name);
        if (value == NULL)
            return COP_FAIL(err, COP_EFORMAT, "output '%s' is made by nothing", name);
        if (value->is_output)
            return COP_FAIL(err, COP_EFORMAT, "output '%s' is listed twice", name);
        COP_TRY(cop_graph_mark_output(model->graph, value, err));
    }
    return COP_OK;
}

/* Rows lift the encodings of old opsets once everything that they may look at is there. */
static enum cop_status upgrade_all(
    const struct cop_importers__model *model, struct cop_err *err)
{
    int32_t n = cop_graph_n_nodes(model->graph);
    struct cop_node **nodes = COP_ARENA_NEW_N(model->scratch, n, struct cop_node *);
    if (nodes == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        nodes[i] = cop_graph_node(model->graph, i);
    for (int32_t i = 0; i < n; i++) {
        const struct cop_op *op = nodes[i]->op;
        const char *name = nodes[i]->name;
        enum cop_status status = op->upgrade(model->graph, nodes[i], model->opset, err);
        if (status == COP_OK) continue;
        cop_err_in(err, "node '%s' (%s)", name, op->name);
        return status;
    }
    return COP_OK;
}

enum cop_status cop_importers__build_graph(
    const struct cop_importers__model *model, struct cop_err *err)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    COP_TRY(add_constants(model, err));
    COP_TRY(add_inputs(model, err));
    int32_t *order = NULL;
    COP_TRY(cop_importers__order_nodes(model, &order, err));
    for (size_t i = 0; i < proto->n_node; i++) {
        const Onnx__NodeProto *node = proto->node[order[i]];
        struct cop_node *added = NULL;
        COP_TRY(at_node(node, add_node(model, node, &added, err), err));
    }
    COP_TRY(mark_outputs(model, err));
    COP_TRY(cop_importers__note_unused(model->graph, "onnx", err));
    return upgrade_all(model, err);
}
