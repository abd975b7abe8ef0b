/* tests/ops/simplify_test.c - rewrites keep what a graph computes and leave no chain. */
#include "ops_tests.h"

#include "base/mem.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static struct cop_value *ints(
    struct cop_graph *graph, const int64_t *elements, int64_t n)
{
    struct cop_err err;
    struct cop_buf *buf = NULL;
    struct cop_value *value = NULL;
    const struct cop_shape shape = cop_shape_make(1, &n);
    assert_ok(cop_buf_create((size_t)n * sizeof *elements, &buf, &err));
    memcpy(cop_buf_mutable(buf), elements, (size_t)n * sizeof *elements);
    assert_ok(cop_graph_add_const(graph, "k", COP_I64, &shape, buf, &value, &err));
    cop_buf_release(buf);
    return value;
}

static struct cop_value *add(
    struct cop_graph *graph,
    const struct cop_op *op,
    struct cop_value *const *src,
    int32_t n_src)
{
    struct cop_err err;
    struct cop_node *node = NULL;
    const struct cop_node_spec spec = {
        .op = op, .src = src, .n_src = n_src, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &spec, &node, &err));
    return node->dst[0];
}

static struct cop_graph *graph_with_input(struct cop_value **input, int32_t rank)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    const int64_t dims[4] = {1, 6, 4, 5};
    const struct cop_shape shape = cop_shape_make(rank, dims);
    assert_ok(cop_graph_create(&cop_ops_standard, &graph, &err));
    assert_ok(cop_graph_add_input(graph, "x", COP_F32, &shape, input, &err));
    return graph;
}

static void assert_target(const struct cop_node *node, const int64_t *want, int64_t n)
{
    assert_ptr_equal(node->op, &cop_op_reshape);
    assert_non_null(node->src[1]->data);
    assert_int_equal(*(const int64_t *)node->attrs, 0); /* allowzero */
    assert_int_equal(node->src[1]->shape.dim[0], n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(cop_i64_at(cop_buf_data(node->src[1]->data), i), want[i]);
}

static void set_allowzero(const struct cop_value *reshaped, int64_t allowzero)
{
    *(int64_t *)reshaped->producer->attrs = allowzero;
}

/* x.view(x.size(0), -1) as exporters write it; some say that a 0 would be meant as such. */
static void check_shape_chain(int64_t allowzero)
{
    struct cop_err err;
    struct cop_value *x = NULL;
    struct cop_graph *const graph = graph_with_input(&x, 4);
    const int64_t zero = 0;
    const int64_t open = -1;
    struct cop_value *const shape = add(graph, &cop_op_shape, &x, 1);
    struct cop_value *const gather[2] = {shape, ints(graph, &zero, 1)};
    struct cop_value *const parts[2] = {
        add(graph, &cop_op_gather, gather, 2), ints(graph, &open, 1)};
    const int64_t axis = 0;
    struct cop_node *concat = NULL;
    const struct cop_node_spec spec = {
        .op = &cop_op_concat, .attrs = &axis, .src = parts, .n_src = 2, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &spec, &concat, &err));
    struct cop_value *const operands[2] = {x, concat->dst[0]};
    struct cop_value *const y = add(graph, &cop_op_reshape, operands, 2);
    set_allowzero(y, allowzero);
    assert_ok(cop_graph_mark_output(graph, y, &err));
    assert_ok(cop_ops_simplify(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_int_equal(cop_graph_n_nodes(graph), 1);
    const int64_t want[2] = {0, -1};
    assert_target(cop_graph_node(graph, 0), want, 2);
    cop_graph_destroy(graph);
}

static void test_shape_chain_becomes_a_target(void **state)
{
    (void)state;
    check_shape_chain(0);
    check_shape_chain(1);
}

/* A model exported for one sample spells out the batch. */
static void check_fixed_batch(int64_t allowzero)
{
    struct cop_err err;
    struct cop_value *x = NULL;
    struct cop_graph *const graph = graph_with_input(&x, 4);
    const int64_t target[2] = {1, 120};
    struct cop_value *const operands[2] = {x, ints(graph, target, 2)};
    struct cop_value *const y = add(graph, &cop_op_reshape, operands, 2);
    set_allowzero(y, allowzero);
    assert_ok(cop_graph_mark_output(graph, y, &err));
    assert_ok(cop_ops_simplify(graph, &err));
    const int64_t want[2] = {0, 120};
    assert_target(cop_graph_node(graph, 0), want, 2);
    struct cop_arena *const arena = cop_arena_create();
    struct cop_fact *facts = NULL;
    assert_ok(cop_graph_facts(graph, 5, arena, &facts, &err));
    assert_int_equal(facts[cop_graph_output(graph, 0)->id].shape.dim[0], 5);
    cop_arena_destroy(arena);
    cop_graph_destroy(graph);
}

static void test_fixed_batch_is_freed(void **state)
{
    (void)state;
    check_fixed_batch(0);
    check_fixed_batch(1);
}

static void test_idle_nodes_go(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_value *x = NULL;
    struct cop_graph *const graph = graph_with_input(&x, 4);
    const int64_t same[4] = {0, 6, 4, 5};
    struct cop_value *value = add(graph, &cop_op_identity, &x, 1);
    value = add(graph, &cop_op_relu, &value, 1);
    value = add(graph, &cop_op_dropout, &value, 1);
    struct cop_value *const operands[2] = {value, ints(graph, same, 4)};
    value = add(graph, &cop_op_reshape, operands, 2);
    value = add(graph, &cop_op_cast, &value, 1);
    assert_ok(cop_graph_mark_output(graph, value, &err));
    char name[64];
    (void)snprintf(name, sizeof name, "%s", value->name);
    assert_ok(cop_ops_simplify(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_int_equal(cop_graph_n_nodes(graph), 1);
    assert_ptr_equal(cop_graph_node(graph, 0)->op, &cop_op_relu);
    assert_ptr_equal(cop_graph_node(graph, 0)->src[0], x);
    assert_string_equal(cop_graph_output(graph, 0)->name, name);
    cop_graph_destroy(graph);
}

/* An output that is an input, or two outputs of one value, must stay as they are. */
static void test_outputs_stay_computed(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_value *x = NULL;
    struct cop_graph *const graph = graph_with_input(&x, 2);
    struct cop_value *const relu = add(graph, &cop_op_relu, &x, 1);
    assert_ok(cop_graph_mark_output(graph, add(graph, &cop_op_identity, &x, 1), &err));
    assert_ok(cop_graph_mark_output(graph, relu, &err));
    struct cop_value *value = relu;
    value = add(graph, &cop_op_identity, &value, 1);
    assert_ok(cop_graph_mark_output(graph, value, &err));
    assert_ok(cop_ops_simplify(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_int_equal(cop_graph_n_nodes(graph), 3);
    assert_int_equal(cop_graph_n_outputs(graph), 3);
    cop_graph_destroy(graph);
}

/* Softmax of opset 9 over the last axis is Softmax; over more than one it stays wrapped. */
static void test_old_softmax_is_joined(void **state)
{
    (void)state;
    const int64_t axes[2] = {3, 2};
    const int32_t n_nodes[2] = {1, 3};
    for (int i = 0; i < 2; i++) {
        struct cop_err err;
        struct cop_value *x = NULL;
        struct cop_node *node = NULL;
        struct cop_graph *const graph = graph_with_input(&x, 4);
        const struct cop_node_spec spec = {
            .op = &cop_op_softmax,
            .attrs = &axes[i],
            .src = &x,
            .n_src = 1,
            .n_dst = 1};
        assert_ok(cop_graph_add_node(graph, &spec, &node, &err));
        assert_ok(cop_graph_mark_output(graph, node->dst[0], &err));
        assert_ok(node->op->upgrade(graph, node, 9, &err));
        assert_ok(cop_ops_simplify(graph, &err));
        assert_ok(cop_graph_check(graph, &err));
        assert_int_equal(cop_graph_n_nodes(graph), n_nodes[i]);
        cop_graph_destroy(graph);
    }
}

/* A few bytes per node must not make megabytes each. */
static void test_constant_arithmetic_is_bounded(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_value *x = NULL;
    struct cop_graph *const graph = graph_with_input(&x, 2);
    const int64_t large = 1 << 18;
    const int64_t huge = (int64_t)1 << 39;
    struct cop_value *extent = ints(graph, &huge, 1);
    assert_ok(cop_graph_mark_output(
        graph, add(graph, &cop_op_constant_of_shape, &extent, 1), &err));
    assert_ok(cop_graph_fold(graph, &err));
    assert_int_equal(cop_graph_n_nodes(graph), 1);
    extent = ints(graph, &large, 1);
    for (int i = 0; i < 70; i++)
        assert_ok(cop_graph_mark_output(
            graph, add(graph, &cop_op_constant_of_shape, &extent, 1), &err));
    assert_fails(cop_ops_simplify(graph, &err), COP_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "constant arithmetic"));
    cop_graph_destroy(graph);
}

/* view(size(0), -1), Softmax of opset 9, Dropout: built and simplified with one failing
 * allocation after the other. */
static enum cop_status build_and_simplify(struct cop_err *err)
{
    struct cop_graph *graph = NULL;
    COP_TRY(cop_graph_create(&cop_ops_standard, &graph, err));
    const struct cop_shape shape = {4, {1, 6, 4, 5}};
    const int64_t axis = 3;
    const struct cop_op *const ops[3] = {
        &cop_op_dropout, &cop_op_softmax, &cop_op_identity};
    struct cop_value *value = NULL;
    enum cop_status status =
        cop_graph_add_input(graph, "x", COP_F32, &shape, &value, err);
    for (int i = 0; status == COP_OK && i < 3; i++) {
        const struct cop_node_spec spec = {
            .op = ops[i],
            .attrs = i == 1 ? &axis : NULL,
            .src = &value,
            .n_src = 1,
            .n_dst = 1};
        struct cop_node *node = NULL;
        status = cop_graph_add_node(graph, &spec, &node, err);
        if (status == COP_OK) value = node->dst[0];
    }
    if (status == COP_OK) status = cop_graph_mark_output(graph, value, err);
    for (int32_t i = 0; status == COP_OK && i < cop_graph_n_nodes(graph); i++) {
        struct cop_node *const node = cop_graph_node(graph, i);
        if (node->op == &cop_op_softmax && *(const int64_t *)node->attrs == axis)
            status = node->op->upgrade(graph, node, 9, err);
    }
    if (status == COP_OK) status = cop_ops_simplify(graph, err);
    if (status == COP_OK) status = cop_graph_check(graph, err);
    if (status == COP_OK) assert_int_equal(cop_graph_n_nodes(graph), 1);
    cop_graph_destroy(graph);
    return status;
}

static void test_memory_gives_out(void **state)
{
    (void)state;
    int64_t n = 0;
    enum cop_status status = COP_ENOMEM;
    while (status == COP_ENOMEM) {
        struct cop_err err;
        cop_mem_fail_from(++n);
        status = build_and_simplify(&err);
        cop_mem_fail_from(0);
    }
    assert_int_equal(status, COP_OK);
    assert_true(n > 10);
}

int simplify_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape_chain_becomes_a_target),
        cmocka_unit_test(test_fixed_batch_is_freed),
        cmocka_unit_test(test_idle_nodes_go),
        cmocka_unit_test(test_outputs_stay_computed),
        cmocka_unit_test(test_old_softmax_is_joined),
        cmocka_unit_test(test_constant_arithmetic_is_bounded),
        cmocka_unit_test(test_memory_gives_out),
    };
    return cmocka_run_group_tests_name("simplify", tests, NULL, NULL);
}
