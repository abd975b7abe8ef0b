/* tests/prune/coupling_test.c - lists of ties: what they accept and what they refuse. */
#include "prune_tests.h"
#include "toy.h"

#include "prune/coupling_impl.h"

static void test_ties_refuse_what_does_not_fit(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *y = toy_add_mix(graph, "a", x, 4);
    struct cop_arena *arena = cop_arena_create();
    struct cop_ties ties = {.arena = arena, .node = y->producer};
    assert_ptr_equal(cop_ties_node(&ties), y->producer);

    assert_ok(cop_ties_add_axis(&ties, 1, 0, -1, 1, &err));
    assert_int_equal(ties.n, 1);
    assert_int_equal(ties.at[0].runs, 4);
    assert_fails(cop_ties_add_axis(&ties, 0, 1, -1, 1, &err), COP_ESHAPE); /* 3 and 4 */
    assert_fails(cop_ties_add_axis(&ties, 2, 0, -1, 1, &err), COP_ESHAPE);
    assert_fails(cop_ties_add_axis(&ties, 0, 2, -1, 1, &err), COP_ESHAPE);
    assert_fails(cop_ties_add_axis(&ties, 0, 1, -2, 1, &err), COP_ESHAPE);

    struct cop_tie tie = {
        .end =
            {{.slot = 0, .axis = 1, .first = 1, .step = 1},
             {.slot = -1, .axis = 1, .first = 0, .step = 2}},
        .runs = 2,
    };
    assert_ok(cop_ties_add(&ties, &tie, &err));
    tie.end[0].first = 2;
    assert_fails(cop_ties_add(&ties, &tie, &err), COP_ESHAPE);
    tie.end[0].first = -1;
    assert_fails(cop_ties_add(&ties, &tie, &err), COP_ESHAPE);
    tie.end[0].first = 0;
    tie.end[1].step = 0;
    assert_fails(cop_ties_add(&ties, &tie, &err), COP_ESHAPE);
    tie.end[1].step = 1;
    tie.runs = INT64_MAX;
    assert_fails(cop_ties_add(&ties, &tie, &err), COP_ESHAPE);
    assert_int_equal(ties.n, 2);

    for (int i = 0; i < 100; i++)
        assert_ok(cop_ties_add_axis(&ties, 1, 0, -1, 1, &err));
    assert_int_equal(ties.n, 102);
    assert_int_equal(ties.at[1].end[1].step, 2);
    cop_arena_destroy(arena);
    cop_graph_destroy(graph);
}

static void test_elementwise_aligns_the_last_axes(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_graph *graph = NULL;
    assert_ok(cop_graph_create(&toy_ops, &graph, &err));
    struct cop_value *x = NULL;
    struct cop_shape shape = cop_shape_make(4, (int64_t[]){1, 5, 2, 3});
    assert_ok(cop_graph_add_input(graph, "x", COP_F32, &shape, &x, &err));
    struct cop_value *shift = toy_const(graph, "shift", 3, (int64_t[]){5, 1, 1});
    struct cop_value *sum = toy_add_plus(graph, "sum", x, shift);

    struct cop_arena *arena = cop_arena_create();
    struct cop_ties ties = {.arena = arena, .node = sum->producer};
    assert_ok(cop_couple_elementwise.tie(sum->producer, &ties, &err));
    bool is_shift_tied = false;
    for (int32_t i = 0; i < ties.n; i++) {
        const struct cop_slice *end = ties.at[i].end;
        if (end[0].slot != 1) continue;
        assert_int_equal(end[0].axis, 0);
        assert_int_equal(end[1].slot, -1);
        assert_int_equal(end[1].axis, 1);
        assert_int_equal(ties.at[i].runs, 5);
        assert_false(is_shift_tied);
        is_shift_tied = true;
    }
    assert_true(is_shift_tied);
    assert_int_equal(ties.n, 5);
    cop_arena_destroy(arena);
    cop_graph_destroy(graph);
}

static bool stays_odd(
    const void *context, const struct cop_value *value, int32_t axis, int64_t element)
{
    (void)context;
    (void)value;
    return axis != 1 || element % 2 == 1;
}

static void test_kept_counts_a_range(void **state)
{
    (void)state;
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(7, &x);
    struct cop_value *y = toy_add_stop(graph, "stop", x);
    const struct cop_kept kept = {.node = y->producer, .stays = stays_odd};
    assert_int_equal(cop_kept_count(&kept, 0, 1, 0, 7), 3);
    assert_int_equal(cop_kept_count(&kept, 0, 1, 3, 2), 1);
    assert_int_equal(cop_kept_count(&kept, -1, 0, 0, 1), 1);
    cop_graph_destroy(graph);
}

int run_coupling_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ties_refuse_what_does_not_fit),
        cmocka_unit_test(test_elementwise_aligns_the_last_axes),
        cmocka_unit_test(test_kept_counts_a_range),
    };
    return cmocka_run_group_tests_name("coupling", tests, NULL, NULL);
}
