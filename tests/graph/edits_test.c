/* tests/graph/edits_test.c - building, changing, cloning and sorting graphs. */
#include "graph_tests.h"

#include "base/mem.h"
#include "support/test.h"

#include <string.h>

static struct cop_buf *bytes_of(const void *data, size_t n)
{
    struct cop_err err;
    struct cop_buf *buf = NULL;
    assert_ok(cop_buf_create(n, &buf, &err));
    memcpy(cop_buf_mutable(buf), data, n);
    return buf;
}

static void names_stay_unique(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = cop_graph_find_value(graph, "x");
    for (int i = 0; i < 500; i++) {
        const char *names[1] = {"y"}; /* taken */
        const struct cop_node_spec spec = {
            .op = &toy_twice,
            .name = "a",
            .src = &x,
            .n_src = 1,
            .dst_names = names,
            .n_dst = 1,
        };
        struct cop_node *node = NULL;
        assert_ok(cop_graph_add_node(graph, &spec, &node, &err));
        assert_ptr_equal(cop_graph_find_node(graph, node->name), node);
        assert_ptr_equal(cop_graph_find_value(graph, node->dst[0]->name), node->dst[0]);
    }
    assert_ok(cop_graph_check(graph, &err));
    cop_graph_remove_dead(graph);
    assert_int_equal(cop_graph_n_nodes(graph), 2);
    assert_ok(cop_graph_check(graph, &err));
    cop_graph_destroy(graph);
}

static void arity_is_checked(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = cop_graph_find_value(graph, "x");
    struct cop_value *two[2] = {x, NULL};
    struct cop_node *node = NULL;
    const struct cop_node_spec few = {
        .op = &toy_join, .src = two, .n_src = 1, .n_dst = 1};
    assert_fails(cop_graph_add_node(graph, &few, &node, &err), COP_EINVAL);
    const struct cop_node_spec absent = {
        .op = &toy_join, .src = two, .n_src = 2, .n_dst = 1};
    assert_fails(cop_graph_add_node(graph, &absent, &node, &err), COP_EINVAL);
    const struct cop_node_spec many = {
        .op = &toy_twice, .src = two, .n_src = 2, .n_dst = 1};
    assert_fails(cop_graph_add_node(graph, &many, &node, &err), COP_EINVAL);
    assert_ok(cop_graph_check(graph, &err));
    assert_int_equal(cop_graph_n_nodes(graph), 2);
    cop_graph_destroy(graph);
}

static void replacing_an_output_keeps_its_name(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    struct cop_node *a = cop_graph_find_node(graph, "a");
    struct cop_node *b = cop_graph_find_node(graph, "b");
    assert_ok(cop_graph_replace_value(graph, b->dst[0], a->dst[0], &err));
    assert_ptr_equal(cop_graph_output(graph, 0), a->dst[0]);
    assert_string_equal(a->dst[0]->name, "y");
    cop_graph_remove_dead(graph);
    assert_int_equal(cop_graph_n_nodes(graph), 1);
    assert_ok(cop_graph_check(graph, &err));
    cop_graph_destroy(graph);
}

static void clone_shares_constants_and_ids(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    const float elements[3] = {1, 2, 3};
    struct cop_buf *buf = bytes_of(elements, sizeof elements);
    const struct cop_shape shape = {.rank = 2, .dim = {1, 3}};
    struct cop_value *constant = NULL;
    assert_ok(cop_graph_add_const(graph, "c", COP_F32, &shape, buf, &constant, &err));
    struct cop_node *b = cop_graph_find_node(graph, "b");
    assert_ok(cop_graph_set_src(graph, b, 2, constant, &err));
    struct twice_attrs *attrs = cop_graph_find_node(graph, "a")->attrs;
    attrs->list = (struct cop_ints){2, (const int64_t[]){4, 5}};
    assert_ok(cop_graph_set_meta(graph, "k", "v", &err));
    struct cop_graph *clone = NULL;
    assert_ok(cop_graph_clone(graph, &clone, &err));
    cop_graph_destroy(graph);
    assert_ok(cop_graph_check(clone, &err));
    struct cop_value *twin = cop_graph_find_value(clone, "c");
    assert_ptr_equal(twin->data, buf);
    const struct twice_attrs *copied = cop_graph_find_node(clone, "a")->attrs;
    assert_int_equal(copied->list.at[1], 5);
    assert_int_equal(copied->count, 7);
    assert_string_equal(copied->word, "none");
    assert_string_equal(cop_graph_meta(clone, "k"), "v");
    assert_int_equal(cop_graph_n_params(clone), 3);
    int64_t macs = 0;
    assert_ok(cop_graph_macs(clone, &macs, &err));
    assert_int_equal(macs, 10);
    cop_graph_destroy(clone);
    assert_false(cop_buf_is_shared(buf));
    cop_buf_release(buf);
}

static void constant_bytes_must_fit(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    struct cop_buf *buf = bytes_of("12345678", 8);
    const struct cop_shape three = {.rank = 1, .dim = {3}};
    struct cop_value *value = NULL;
    assert_fails(
        cop_graph_add_const(graph, "c", COP_F32, &three, buf, &value, &err),
        COP_ESHAPE);
    assert_non_null(strstr(err.text, "12"));
    assert_non_null(strstr(err.text, "8"));
    cop_buf_release(buf);
    cop_graph_destroy(graph);
}

static void sort_finds_order_and_cycles(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = cop_graph_find_value(graph, "x");
    struct cop_node *a = cop_graph_find_node(graph, "a");
    struct cop_node *late = NULL;
    const struct cop_node_spec spec = {
        .op = &toy_twice, .name = "late", .src = &x, .n_src = 1, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &spec, &late, &err));
    assert_ok(cop_graph_set_src(graph, a, 0, late->dst[0], &err));
    assert_fails(cop_graph_check(graph, &err), COP_EFORMAT);
    assert_ok(cop_graph_sort(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_ptr_equal(cop_graph_node(graph, 0), late);
    assert_ok(cop_graph_set_src(graph, late, 0, a->dst[0], &err));
    assert_fails(cop_graph_sort(graph, &err), COP_EFORMAT);
    cop_graph_destroy(graph);
}

static void every_failed_allocation_is_told(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = toy_graph();
    int64_t n = 1;
    for (;; n++) {
        struct cop_graph *clone = NULL;
        cop_mem_fail_from(n);
        enum cop_status status = cop_graph_clone(graph, &clone, &err);
        if (status == COP_OK) status = cop_graph_infer(clone, &err);
        if (status == COP_OK) status = cop_graph_fold(clone, &err);
        cop_mem_fail_from(0);
        cop_graph_destroy(clone);
        if (status == COP_OK) break;
        assert_int_equal(status, COP_ENOMEM);
    }
    assert_true(n > 10);
    cop_graph_destroy(graph);
}

int test_edits(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stay_unique),
        cmocka_unit_test(arity_is_checked),
        cmocka_unit_test(replacing_an_output_keeps_its_name),
        cmocka_unit_test(clone_shares_constants_and_ids),
        cmocka_unit_test(constant_bytes_must_fit),
        cmocka_unit_test(sort_finds_order_and_cycles),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests_name("edits", tests, NULL, NULL);
}
