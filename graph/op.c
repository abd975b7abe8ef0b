/* graph/op.c - attribute defaults, operator lookup and the facets that say "no". */
#include "graph/op.h"

#include "graph/graph.h"

#include <string.h>

const struct cop_attr_spec cop_attrs_none[] = {{.type = COP_ATTR_END}};

static void set_default(const struct cop_attr_spec *spec, char *field)
{
    switch (spec->type) {
    case COP_ATTR_INT: memcpy(field, &spec->int_default, sizeof(int64_t)); break;
    case COP_ATTR_FLOAT: memcpy(field, &spec->float_default, sizeof(float)); break;
    case COP_ATTR_STRING:
        memcpy(field, &spec->string_default, sizeof spec->string_default);
        break;
    case COP_ATTR_INTS: memset(field, 0, sizeof(struct cop_ints)); break;
    case COP_ATTR_FLOATS: memset(field, 0, sizeof(struct cop_floats)); break;
    case COP_ATTR_TENSOR: memset(field, 0, sizeof(struct cop_fact)); break;
    case COP_ATTR_END: break;
    }
}

void cop_attrs_default(const struct cop_attr_spec *specs, void *attrs)
{
    for (const struct cop_attr_spec *s = specs; s->type != COP_ATTR_END; s++)
        set_default(s, (char *)attrs + s->offset);
}

const struct cop_attr_spec *cop_attrs_find(
    const struct cop_attr_spec *specs, const char *name)
{
    for (const struct cop_attr_spec *s = specs; s->type != COP_ATTR_END; s++) {
        if (strcmp(s->name, name) == 0) return s;
    }
    return NULL;
}

const struct cop_op *cop_op_find(const struct cop_op_set *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->ops[i]->name, name) == 0) return set->ops[i];
    }
    return NULL;
}

enum cop_status cop_fold_none(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    (void)node;
    (void)src;
    (void)dst;
    (void)arena;
    (void)err;
    return COP_OK;
}

enum cop_status cop_macs_none(
    const struct cop_node *node, int64_t *macs, struct cop_err *err)
{
    (void)node;
    (void)err;
    *macs = 0;
    return COP_OK;
}

enum cop_status cop_upgrade_none(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    (void)graph;
    (void)node;
    (void)opset;
    (void)err;
    return COP_OK;
}
