/* tests/prune/groups_test.c - groups and cuts over operators the pruner has never heard
 * of: the toys of toy.h. */
#include "prune_tests.h"
#include "toy.h"

#include "base/mem.h"
#include "prune/cut.h"
#include "prune/groups.h"

#include <string.h>

static const struct cop_group *find_group(
    const struct cop_groups *groups, const char *name)
{
    for (int32_t g = 0; g < cop_groups_n(groups); g++) {
        if (strcmp(cop_groups_at(groups, g)->name, name) == 0)
            return cop_groups_at(groups, g);
    }
    return NULL;
}

static const struct cop_member *find_member(
    const struct cop_group *group, const char *value, int32_t axis)
{
    for (int32_t m = 0; m < group->n_members; m++) {
        const struct cop_member *member = &group->members[m];
        if (strcmp(member->value->name, value) == 0 && member->axis == axis)
            return member;
    }
    return NULL;
}

/* x -> a -> b -> out: only a's channels are free. */
static void test_chain(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 4);
    struct cop_value *b = toy_add_mix(graph, "b", a, 5);
    assert_ok(cop_graph_mark_output(graph, b, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    assert_int_equal(cop_groups_n(groups), 3);
    assert_string_equal(cop_groups_at(groups, 0)->name, "x");
    assert_string_equal(
        cop_groups_at(groups, 0)->frozen_because, "it is the network's input 'x'");
    const struct cop_group *group = cop_groups_at(groups, 1);
    assert_string_equal(group->name, "a");
    assert_null(group->frozen_because);
    assert_int_equal(group->n_channels, 4);
    assert_int_equal(group->n_members, 3);
    assert_false(find_member(group, "a.w", 0)->is_consumer);
    assert_true(find_member(group, "b.w", 1)->is_consumer);
    assert_string_equal(
        cop_groups_at(groups, 2)->frozen_because, "it is the network's output 'b'");

    const char *reason = NULL;
    assert_int_equal(
        cop_groups_verdict(groups, a->producer, &reason), COP_VERDICT_PRUNABLE);
    assert_null(reason);
    assert_int_equal(
        cop_groups_verdict(groups, b->producer, &reason), COP_VERDICT_FROZEN);
    assert_string_equal(reason, "it is the network's output 'b'");
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

/* Residual: a + b(a) unites both producers; Stop freezes what it reads. */
static void test_residual_and_silence(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 4);
    struct cop_value *b = toy_add_mix(graph, "b", a, 4);
    struct cop_value *sum = toy_add_plus(graph, "sum", a, b);
    struct cop_value *c = toy_add_mix(graph, "c", sum, 6);
    struct cop_value *stop = toy_add_stop(graph, "stop", c);
    struct cop_value *d = toy_add_mix(graph, "d", stop, 2);
    assert_ok(cop_graph_mark_output(graph, d, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    const struct cop_group *group = find_group(groups, "a");
    assert_null(group->frozen_because);
    assert_non_null(find_member(group, "b.w", 0));
    assert_true(find_member(group, "b.w", 1)->is_consumer);
    assert_true(find_member(group, "c.w", 1)->is_consumer);
    assert_non_null(find_member(group, "sum", 1));
    assert_string_equal(
        find_group(groups, "c")->frozen_because,
        "'stop' (Stop) does not let axis 1 be cut");
    const char *reason = NULL;
    assert_int_equal(
        cop_groups_verdict(groups, sum->producer, &reason), COP_VERDICT_CARRIED);
    assert_int_equal(
        cop_groups_verdict(groups, stop->producer, &reason), COP_VERDICT_FROZEN);
    assert_string_equal(reason, "'stop' (Stop) does not let axis 1 be cut");
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

/* One weight read twice: its in axis ties both sources, its out axis both results. */
static void test_shared_weights(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 4);
    struct cop_value *b = toy_add_mix(graph, "b", x, 4);
    struct cop_value *c = toy_add_mix(graph, "c", a, 6);
    const struct cop_node_spec spec = {
        .op = &toy_mix,
        .name = "d",
        .src = (struct cop_value *[]){b, c->producer->src[1]},
        .n_src = 2,
        .n_dst = 1};
    struct cop_node *d = NULL;
    assert_ok(cop_graph_add_node(graph, &spec, &d, &err));
    assert_ok(cop_graph_infer(graph, &err));
    struct cop_value *e = toy_add_mix(graph, "e", c, 2);
    struct cop_value *f = toy_add_mix(graph, "f", d->dst[0], 2);
    assert_ok(cop_graph_mark_output(graph, e, &err));
    assert_ok(cop_graph_mark_output(graph, f, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    assert_null(find_group(groups, "b"));
    assert_non_null(find_member(find_group(groups, "a"), "b", 1));
    assert_null(find_group(groups, "a")->frozen_because);
    assert_non_null(find_member(find_group(groups, "c"), "d", 1));
    assert_true(find_member(find_group(groups, "c"), "f.w", 1)->is_consumer);

    const uint8_t keep[6] = {1, 0, 1, 1, 0, 1};
    const uint8_t *keeps[16] = {0};
    keeps[find_group(groups, "c")->id] = keep;
    const struct cop_cut cut = {.keep = keeps};
    struct cop_graph *small = NULL;
    assert_ok(cop_cut_apply(groups, &cut, &small, &err));
    assert_int_equal(cop_graph_find_value(small, "c.w")->shape.dim[0], 4);
    assert_int_equal(cop_graph_find_value(small, "c.w")->shape.dim[1], 4);
    assert_int_equal(cop_graph_find_value(small, "f.w")->shape.dim[1], 4);
    assert_int_equal(cop_graph_find_value(small, "d")->shape.dim[1], 4);
    const float *big_e = cop_buf_data(cop_graph_find_value(graph, "e.w")->data);
    const float *small_e = cop_buf_data(cop_graph_find_value(small, "e.w")->data);
    const int kept[4] = {0, 2, 3, 5};
    for (int o = 0; o < 2; o++) {
        for (int k = 0; k < 4; k++)
            assert_true(big_e[o * 6 + kept[k]] == small_e[o * 4 + k]);
    }
    assert_ptr_equal(/* what is not cut stays shared */
                     cop_graph_find_value(small, "a.w")->data,
                     cop_graph_find_value(graph, "a.w")->data);
    cop_graph_destroy(small);

    struct cop_graph *masked = NULL;
    assert_ok(cop_cut_mask(groups, &cut, &masked, &err));
    const float *mask_e = cop_buf_data(cop_graph_find_value(masked, "e.w")->data);
    for (int i = 0; i < 12; i++)
        assert_true(mask_e[i] == (keep[i % 6] ? big_e[i] : 0.0f));
    cop_graph_destroy(masked);
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

static void test_bad_cuts_are_refused(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 4);
    struct cop_value *b = toy_add_mix(graph, "b", a, 5);
    assert_ok(cop_graph_mark_output(graph, b, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    const uint8_t some[5] = {1, 0, 1, 1, 1};
    const uint8_t none[5] = {0};
    struct cop_graph *small = NULL;
    const uint8_t *keeps[3] = {NULL, NULL, some};
    const struct cop_cut cut = {.keep = keeps};
    assert_fails(cop_cut_apply(groups, &cut, &small, &err), COP_EINVAL);
    assert_fails(cop_cut_mask(groups, &cut, &small, &err), COP_EINVAL);
    keeps[2] = NULL;
    keeps[1] = none;
    assert_fails(cop_cut_apply(groups, &cut, &small, &err), COP_EINVAL);
    assert_non_null(strstr(err.text, "none of the 4 channels of group 'a'"));
    keeps[1] = some;
    assert_ok(cop_cut_apply(groups, &cut, &small, &err));
    cop_graph_destroy(small);
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

/* A hundred thousand symbols in one chain of sums take no visible time, and running out
 * of memory anywhere is told. */
static void test_many_symbols(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *sum = toy_add_mix(graph, "first", x, 2000);
    for (int i = 0; i < 60; i++)
        sum = toy_add_plus(graph, NULL, sum, sum);
    struct cop_value *last = toy_add_mix(graph, "last", sum, 2);
    assert_ok(cop_graph_mark_output(graph, last, &err));
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    assert_int_equal(find_group(groups, "first")->n_channels, 2000);
    assert_int_equal(find_group(groups, "first")->n_members, 63);
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_value *x = NULL;
    struct cop_graph *graph = toy_graph(3, &x);
    struct cop_value *a = toy_add_mix(graph, "a", x, 4);
    struct cop_value *b = toy_add_mix(graph, "b", toy_add_plus(graph, "p", a, a), 5);
    assert_ok(cop_graph_mark_output(graph, b, &err));
    const uint8_t some[4] = {1, 0, 1, 1};
    const uint8_t *keeps[3] = {NULL, some, NULL};
    const struct cop_cut cut = {.keep = keeps};
    enum cop_status status = COP_ENOMEM;
    int64_t n = 1;
    for (; status == COP_ENOMEM && n < 10000; n++) {
        struct cop_groups *groups = NULL;
        struct cop_graph *small = NULL;
        cop_mem_fail_from(n);
        status = cop_groups_find(graph, &groups, &err);
        if (status == COP_OK) status = cop_cut_apply(groups, &cut, &small, &err);
        cop_mem_fail_from(0);
        cop_graph_destroy(small);
        cop_groups_destroy(groups);
    }
    assert_ok(status);
    assert_true(n > 5);
    cop_graph_destroy(graph);
}

int run_groups_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_residual_and_silence),
        cmocka_unit_test(test_shared_weights),
        cmocka_unit_test(test_bad_cuts_are_refused),
        cmocka_unit_test(test_many_symbols),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
