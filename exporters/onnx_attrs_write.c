/* exporters/onnx_attrs_write.c - see onnx_attrs_write.h. */
#include "exporters/onnx_attrs_write.h"

#include <string.h>

enum { LOWEST_OPSET = 13 };

/* AttributeProto.type */
enum { TYPE_FLOAT = 1, TYPE_INT, TYPE_STRING, TYPE_TENSOR, TYPE_FLOATS = 6, TYPE_INTS };

/* ---- tensors ------------------------------------------------------------------------------ */

void cop_exporters__put_tensor_head(
    struct cop_exporters__out *out,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape)
{
    for (int32_t i = 0; i < shape->rank; i++)
        cop_exporters__put_int(out, 1, shape->dim[i]);
    cop_exporters__put_int(out, 2, cop_dtype_to_onnx(dtype));
    if (name != NULL) cop_exporters__put_text(out, 8, name);
}

void cop_exporters__put_tensor(
    struct cop_exporters__out *out, const char *name, const struct cop_fact *tensor)
{
    cop_exporters__put_tensor_head(out, name, tensor->dtype, &tensor->shape);
    size_t n = (size_t)cop_shape_n(&tensor->shape);
    cop_exporters__put_bytes(out, 9, tensor->data, n * cop_dtype_bytes(tensor->dtype));
}

/* ---- attributes ---------------------------------------------------------------------------- */

struct of_attr {
    const struct cop_attr_spec *spec;
    const void *at; /* in the node's attribute struct */
};

static struct of_attr attr_of(
    const struct cop_node *node, const struct cop_attr_spec *spec)
{
    const char *attrs = node->attrs;
    return (struct of_attr){.spec = spec, .at = attrs + spec->offset};
}

static void put_attr_tensor(struct cop_exporters__out *out, const void *what)
{
    cop_exporters__put_tensor(out, NULL, what);
}

static void put_ints(struct cop_exporters__out *out, const struct cop_ints *ints)
{
    for (int64_t i = 0; i < ints->n; i++)
        cop_exporters__put_int(out, 8, ints->at[i]);
}

static void put_floats(struct cop_exporters__out *out, const struct cop_floats *floats)
{
    for (int64_t i = 0; i < floats->n; i++)
        cop_exporters__put_float(out, 7, floats->at[i]);
}

static void put_attr(struct cop_exporters__out *out, const void *what)
{
    const struct of_attr *of = what;
    cop_exporters__put_text(out, 1, of->spec->name);
    switch (of->spec->type) {
    case COP_ATTR_INT:
        cop_exporters__put_int(out, 3, *(const int64_t *)of->at);
        cop_exporters__put_int(out, 20, TYPE_INT);
        break;
    case COP_ATTR_FLOAT:
        cop_exporters__put_float(out, 2, *(const float *)of->at);
        cop_exporters__put_int(out, 20, TYPE_FLOAT);
        break;
    case COP_ATTR_STRING:
        cop_exporters__put_text(out, 4, *(const char *const *)of->at);
        cop_exporters__put_int(out, 20, TYPE_STRING);
        break;
    case COP_ATTR_INTS:
        put_ints(out, of->at);
        cop_exporters__put_int(out, 20, TYPE_INTS);
        break;
    case COP_ATTR_FLOATS:
        put_floats(out, of->at);
        cop_exporters__put_int(out, 20, TYPE_FLOATS);
        break;
    case COP_ATTR_TENSOR:
        cop_exporters__put_message(out, 5, put_attr_tensor, of->at);
        cop_exporters__put_int(out, 20, TYPE_TENSOR);
        break;
    case COP_ATTR_END: break;
    }
}

static bool is_same_text(const char *text, const char *usual)
{
    if (text == NULL || usual == NULL) return text == usual;
    return strcmp(text, usual) == 0;
}

/* Bit for bit: a default that is not a number equals itself. */
static bool is_same_float(const float *a, const float *b)
{
    uint32_t bits_a;
    uint32_t bits_b;
    memcpy(&bits_a, a, sizeof bits_a);
    memcpy(&bits_b, b, sizeof bits_b);
    return bits_a == bits_b;
}

static bool is_default(const struct of_attr *of)
{
    const struct cop_attr_spec *spec = of->spec;
    switch (spec->type) {
    case COP_ATTR_INT: return *(const int64_t *)of->at == spec->int_default;
    case COP_ATTR_FLOAT: return is_same_float(of->at, &spec->float_default);
    case COP_ATTR_STRING:
        return is_same_text(*(const char *const *)of->at, spec->string_default);
    case COP_ATTR_INTS: return ((const struct cop_ints *)of->at)->at == NULL;
    case COP_ATTR_FLOATS: return ((const struct cop_floats *)of->at)->at == NULL;
    case COP_ATTR_TENSOR:
        return ((const struct cop_fact *)of->at)->dtype == COP_DTYPE_NONE;
    case COP_ATTR_END: break;
    }
    return true;
}

static bool has_ended(const struct cop_attr_spec *spec, int32_t opset)
{
    return spec->last_opset != 0 && spec->last_opset < opset;
}

void cop_exporters__put_attrs(
    struct cop_exporters__out *out,
    uint32_t field,
    const struct cop_node *node,
    int32_t opset)
{
    for (const struct cop_attr_spec *spec = node->op->attrs; spec->type != COP_ATTR_END;
         spec++) {
        struct of_attr of = attr_of(node, spec);
        const int64_t n_results = node->n_dst;
        if (has_ended(spec, opset) || spec->first_opset > opset) continue;
        if (spec->counts_results && (node->n_src < 2 || node->src[1] == NULL)) {
            of.at = &n_results;
            cop_exporters__put_message(out, field, put_attr, &of);
            continue;
        }
        if (spec->is_required || !is_default(&of))
            cop_exporters__put_message(out, field, put_attr, &of);
    }
}

const struct cop_attr_spec *cop_exporters__late_list(
    const struct cop_node *node, int32_t opset, struct cop_ints *list)
{
    for (const struct cop_attr_spec *spec = node->op->attrs; spec->type != COP_ATTR_END;
         spec++) {
        struct of_attr of = attr_of(node, spec);
        if (spec->late_slot == 0 || !has_ended(spec, opset) || is_default(&of))
            continue;
        *list = *(const struct cop_ints *)of.at;
        return spec;
    }
    return NULL;
}

/* ---- the opset ------------------------------------------------------------------------------ */

static int32_t lowest_opset(const struct cop_node *node)
{
    int32_t lowest = node->op->opsets[0];
    for (const struct cop_attr_spec *spec = node->op->attrs; spec->type != COP_ATTR_END;
         spec++) {
        struct of_attr of = attr_of(node, spec);
        if (spec->first_opset > lowest && !is_default(&of)) lowest = spec->first_opset;
        if (spec->late_text != NULL && spec->late_opset > lowest &&
            is_same_text(*(const char *const *)of.at, spec->late_text))
            lowest = spec->late_opset;
    }
    return lowest;
}

/* Attributes that older files carried are gone from memory once upgraded; one that is still
 * set would be lost. */
static enum cop_status check_node(
    const struct cop_node *node, int32_t opset, struct cop_err *err)
{
    if (opset > node->op->opsets[1])
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "node '%s' (%s) is known up to opset %d, the model needs %d",
            node->name,
            node->op->name,
            node->op->opsets[1],
            opset);
    for (const struct cop_attr_spec *spec = node->op->attrs; spec->type != COP_ATTR_END;
         spec++) {
        struct of_attr of = attr_of(node, spec);
        if (has_ended(spec, opset) && spec->last_opset >= LOWEST_OPSET &&
            spec->late_slot == 0 && !is_default(&of))
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "node '%s' (%s): attribute '%s' ended with opset %d, the model needs "
                "%d",
                node->name,
                node->op->name,
                spec->name,
                spec->last_opset,
                opset);
    }
    return COP_OK;
}

enum cop_status cop_exporters__choose_opset(
    const struct cop_graph *graph, int32_t *opset, struct cop_err *err)
{
    int32_t chosen = LOWEST_OPSET;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        int32_t lowest = lowest_opset(cop_graph_node(graph, i));
        if (lowest > chosen) chosen = lowest;
    }
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++)
        COP_TRY(check_node(cop_graph_node(graph, i), chosen, err));
    *opset = chosen;
    return COP_OK;
}
