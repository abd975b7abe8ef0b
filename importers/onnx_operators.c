/* importers/onnx_operators.c - are all operators known?  See onnx_model.h.
 *
 * A model is taken whole or not at all, and one message tells everything that is missing. */
#include "base/text.h"
#include "importers/onnx_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An operator as the file calls it, and a node that uses it. */
struct use {
    const char *domain; /* "" is the default */
    const char *op_type;
    const char *node;
    size_t position;
};

static const char *domain_of(const Onnx__NodeProto *node)
{
    const char *domain = cop_importers__text(node->domain);
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static int compare_uses(const void *a, const void *b)
{
    const struct use *x = a;
    const struct use *y = b;
    int by_domain = strcmp(x->domain, y->domain);
    if (by_domain != 0) return by_domain;
    int by_type = strcmp(x->op_type, y->op_type);
    if (by_type != 0) return by_type;
    return (x->position > y->position) - (x->position < y->position);
}

static bool is_same_operator(const struct use *a, const struct use *b)
{
    return strcmp(a->domain, b->domain) == 0 && strcmp(a->op_type, b->op_type) == 0;
}

static size_t count_operators(const struct use *uses, size_t n)
{
    size_t operators = 0;
    for (size_t i = 0; i < n; i++)
        operators += i == 0 || !is_same_operator(&uses[i - 1], &uses[i]);
    return operators;
}

/* "Foo (node 'a' and 2 more), Bar (node 'b')", as many as fit. */
static void name_operators(const struct use *uses, size_t n, struct cop_text *list)
{
    for (size_t i = 0; i < n && list->status == COP_OK;) {
        size_t next = i + 1;
        while (next < n && is_same_operator(&uses[i], &uses[next]))
            next++;
        char more[32] = "";
        if (next - i > 1)
            (void)snprintf(more, sizeof more, " and %zu more", next - i - 1);
        cop_text_printf(
            list,
            "%s%s%s%s (node '%s'%s)",
            i == 0 ? "" : ", ",
            uses[i].domain,
            uses[i].domain[0] != '\0' ? "." : "",
            uses[i].op_type,
            uses[i].node,
            more);
        i = next;
    }
}

static enum cop_status list_unknown(struct use *uses, size_t n, struct cop_err *err)
{
    struct cop_text list;
    qsort(uses, n, sizeof *uses, compare_uses);
    size_t operators = count_operators(uses, n);
    cop_text_init(&list, 4096); /* the message will be cut to fit */
    name_operators(uses, n, &list);
    enum cop_status status = COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "%zu %s not supported: %s",
        operators,
        operators == 1 ? "operator is" : "operators are",
        list.bytes != NULL ? list.bytes : uses[0].op_type);
    cop_text_clear(&list);
    return status;
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
    struct use *unknown = COP_ARENA_NEW_N(model->scratch, graph->n_node, struct use);
    if (unknown == NULL) return COP_FAIL_NOMEM(err);
    size_t n = 0;
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        struct use use = {
            .domain = domain_of(node),
            .op_type = cop_importers__text(node->op_type),
            .node = cop_importers__text(node->name),
            .position = i,
        };
        bool is_known =
            use.domain[0] == '\0' && cop_op_find(model->ops, use.op_type) != NULL;
        if (!is_known) unknown[n++] = use;
    }
    if (n > 0) return list_unknown(unknown, n, err);
    for (size_t i = 0; i < graph->n_node; i++) {
        const struct cop_op *op = cop_op_find(model->ops, graph->node[i]->op_type);
        COP_TRY(check_opset(model, graph->node[i], op, err));
    }
    return COP_OK;
}
