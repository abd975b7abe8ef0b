/* importers/onnx_operators.c - are all operators known?  See onnx_model.h.
 *
 * A model is taken whole or not at all, and one message tells everything that is missing. */
#include "importers/onnx_model.h"
#include "importers/unknown.h"

#include <string.h>

static const char *domain_of(const Onnx__NodeProto *node)
{
    const char *domain = cop_importers__text(node->domain);
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

/* NULL, or what the message calls an operator that is not supported. */
static enum cop_status judge(
    const struct cop_importers__model *model,
    const Onnx__NodeProto *node,
    const char **unknown,
    struct cop_err *err)
{
    const char *name = cop_importers__text(node->op_type);
    const struct cop_op *op =
        domain_of(node)[0] == '\0' ? cop_op_find(model->ops, name) : NULL;
    *unknown = op == NULL ? name : NULL;
    if (op == NULL || (model->opset >= op->opsets[0] && model->opset <= op->opsets[1]))
        return COP_OK;
    *unknown = cop_arena_printf(
        model->scratch,
        "%s of opset %d, known from %d to %d",
        name,
        model->opset,
        op->opsets[0],
        op->opsets[1]);
    return *unknown != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* Nodes without a name are known by their first result. */
static const char *name_of(const Onnx__NodeProto *node)
{
    const char *name = cop_importers__text(node->name);
    return name[0] == '\0' && node->n_output > 0 ? node->output[0] : name;
}

enum cop_status cop_importers__check_operators(
    const struct cop_importers__model *model, struct cop_err *err)
{
    const Onnx__GraphProto *graph = model->proto->graph;
    struct cop_importers__unknown *unknown =
        COP_ARENA_NEW_N(model->scratch, graph->n_node, struct cop_importers__unknown);
    if (unknown == NULL) return COP_FAIL_NOMEM(err);
    size_t n = 0;
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        struct cop_importers__unknown use = {
            .domain = domain_of(node), .node = name_of(node), .position = i};
        COP_TRY(judge(model, node, &use.op_type, err));
        if (use.op_type != NULL) unknown[n++] = use;
    }
    if (n == 0) return COP_OK;
    return cop_importers__list_unknown(
        unknown, n, cop_importers__operators, model->options->unsupported, err);
}
