/* tests/graph/facts_test.c - inference and folding. */
#include "graph_tests.h"

#include "support/test.h"

#include <string.h>

static void facts_follow_the_batch(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    struct cop_arena *arena = cop_arena_create();
    struct cop_fact *facts = NULL;
    assert_ok(cop_graph_facts(graph, 5, arena, &facts, &err));
    const struct cop_value *y = cop_graph_output(graph, 0);
    assert_int_equal(facts[y->id].shape.dim[0], 5);
    assert_int_equal(facts[y->id].shape.dim[1], 3);
    assert_int_equal(y->shape.dim[0], 1);
    cop_arena_destroy(arena);
    cop_graph_destroy(graph);
}

static void errors_name_the_node(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    const struct cop_shape other = {.rank = 2, .dim = {1, 4}};
    struct cop_value *wide = NULL;
    assert_ok(cop_graph_add_input(graph, "wide", COP_F32, &other, &wide, &err));
    struct cop_node *b = cop_graph_find_node(graph, "b");
    assert_ok(cop_graph_set_src(graph, b, 1, wide, &err));
    assert_fails(cop_graph_infer(graph, &err), COP_ESHAPE);
    assert_string_equal(err.text, "node 'b' (Join): sources are 1x3 and 1x4");
    cop_graph_destroy(graph);
}

static struct cop_node *add(
    struct cop_graph *graph, const struct cop_op *op, struct cop_value *src)
{
    struct cop_err err;
    struct cop_node *node = NULL;
    const struct cop_node_spec spec = {.op = op, .src = &src, .n_src = 1, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &spec, &node, &err));
    return node;
}

/* Extents of x depend on the batch and must stay; extents of a constant must fold. */
static void folding_never_bakes_the_batch_in(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = cop_graph_find_value(graph, "x");
    struct cop_buf *buf = NULL;
    assert_ok(cop_buf_create(6 * sizeof(float), &buf, &err));
    const struct cop_shape shape = {.rank = 2, .dim = {2, 3}};
    struct cop_value *constant = NULL;
    assert_ok(cop_graph_add_const(graph, "c", COP_F32, &shape, buf, &constant, &err));
    cop_buf_release(buf);
    struct cop_node *varies =
        add(graph, &toy_twice, add(graph, &toy_extents, x)->dst[0]);
    struct cop_node *fixed =
        add(graph, &toy_twice, add(graph, &toy_extents, constant)->dst[0]);
    assert_ok(cop_graph_mark_output(graph, varies->dst[0], &err));
    assert_ok(cop_graph_mark_output(graph, fixed->dst[0], &err));
    assert_ok(cop_graph_fold(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_null(cop_graph_output(graph, 1)->data);
    const struct cop_value *folded = cop_graph_output(graph, 2);
    assert_non_null(folded->data);
    assert_int_equal(cop_i64_at(cop_buf_data(folded->data), 0), 4);
    assert_int_equal(cop_i64_at(cop_buf_data(folded->data), 1), 6);
    assert_int_equal(cop_graph_n_nodes(graph), 4);
    cop_graph_destroy(graph);
}

int test_facts(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_follow_the_batch),
        cmocka_unit_test(errors_name_the_node),
        cmocka_unit_test(folding_never_bakes_the_batch_in),
    };
    return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
