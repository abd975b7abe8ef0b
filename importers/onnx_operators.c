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

static enum cop_status check_opset(
    const struct cop_importers__model *model,
    const Onnx__NodeProto *node,
    const struct cop_op *op,
    struct cop_err *err)
{
    if (model->opset >= op->opsets[0] && model->opset <= op->opsets[1]) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "node '%s' (%s): opset %d is not supported, %d to %d are",
        cop_importers__text(node->name),
        op->name,
        model->opset,
        op->opsets[0],
        op->opsets[1]);
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
            .domain = domain_of(node),
            .op_type = cop_importers__text(node->op_type),
            .node = cop_importers__text(node->name),
            .position = i,
        };
        bool is_known =
            use.domain[0] == '\0' && cop_op_find(model->ops, use.op_type) != NULL;
        if (!is_known) unknown[n++] = use;
    }
    if (n > 0) return cop_importers__list_unknown(unknown, n, err);
    for (size_t i = 0; i < graph->n_node; i++) {
        const struct cop_op *op = cop_op_find(model->ops, graph->node[i]->op_type);
        COP_TRY(check_opset(model, graph->node[i], op, err));
    }
    return COP_OK;
}
