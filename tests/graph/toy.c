/* tests/graph/toy.c - three operators that exist nowhere else. */
#include "graph_tests.h"

#include "support/test.h"

static const struct cop_attr_spec twice_specs[] = {
    {.name = "count",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct twice_attrs, count),
     .int_default = 7},
    {.name = "list",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct twice_attrs, list)},
    {.name = "word",
     .type = COP_ATTR_STRING,
     .offset = offsetof(struct twice_attrs, word),
     .string_default = "none"},
    {.type = COP_ATTR_END},
};

static enum cop_status like_first(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    if (node->n_src > 1 && !cop_shape_equal(&src[0].shape, &src[1].shape)) {
        char a[COP_SHAPE_TEXT];
        char b[COP_SHAPE_TEXT];
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "sources are %s and %s",
            cop_shape_print(&src[0].shape, a, sizeof a),
            cop_shape_print(&src[1].shape, b, sizeof b));
    }
    dst[0].dtype = src[0].dtype;
    dst[0].shape = src[0].shape;
    return COP_OK;
}

static enum cop_status twice_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    (void)node;
    if (src[0].data == NULL || src[0].dtype != COP_I64) return COP_OK;
    int64_t n = cop_shape_n(&src[0].shape);
    int64_t *elements = COP_ARENA_NEW_N(arena, n, int64_t);
    if (elements == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++)
        elements[i] = 2 * cop_i64_at(src[0].data, i);
    dst[0].data = elements;
    return COP_OK;
}

static enum cop_status extents_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    (void)err;
    dst[0].dtype = COP_I64;
    dst[0].shape = (struct cop_shape){.rank = 1, .dim = {src[0].shape.rank}};
    return COP_OK;
}

static enum cop_status extents_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    (void)node;
    size_t bytes = (size_t)src[0].shape.rank * sizeof(int64_t);
    dst[0].data = cop_arena_copy(arena, src[0].shape.dim, bytes);
    return dst[0].data != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status ten_macs(
    const struct cop_node *node, int64_t *macs, struct cop_err *err)
{
    (void)node;
    (void)err;
    *macs = 10;
    return COP_OK;
}

const struct cop_op toy_twice = {
    .name = "Twice",
    .opsets = {1, 99},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct twice_attrs),
    .attrs = twice_specs,
    .upgrade = cop_upgrade_none,
    .infer = like_first,
    .fold = twice_fold,
    .macs = ten_macs,
};
const struct cop_op toy_join = {
    .name = "Join",
    .opsets = {1, 99},
    .arity = {2, -1, 1},
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = like_first,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
};
const struct cop_op toy_extents = {
    .name = "Extents",
    .opsets = {1, 99},
    .arity = {1, 1, 1},
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = extents_infer,
    .fold = extents_fold,
    .macs = cop_macs_none,
};
const struct cop_op_set toy_ops = {
    .ops = (const struct cop_op *const[]){&toy_twice, &toy_join, &toy_extents},
    .n = 3,
};

struct cop_graph *toy_graph(void)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    assert_ok(cop_graph_create(&toy_ops, &graph, &err));
    const struct cop_shape shape = {.rank = 2, .dim = {1, 3}};
    struct cop_value *input = NULL;
    assert_ok(cop_graph_add_input(graph, "x", COP_F32, &shape, &input, &err));
    input->is_batch_free = true;
    struct cop_node *a = NULL;
    const struct cop_node_spec spec_a = {
        .op = &toy_twice, .name = "a", .src = &input, .n_src = 1, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &spec_a, &a, &err));
    struct cop_value *sources[2] = {a->dst[0], input};
    struct cop_node *b = NULL;
    const char *names[1] = {"y"};
    const struct cop_node_spec spec_b = {
        .op = &toy_join,
        .name = "b",
        .src = sources,
        .n_src = 2,
        .dst_names = names,
        .n_dst = 1,
    };
    assert_ok(cop_graph_add_node(graph, &spec_b, &b, &err));
    assert_ok(cop_graph_mark_output(graph, b->dst[0], &err));
    assert_ok(cop_graph_infer(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    return graph;
}
