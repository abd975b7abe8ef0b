/* tests/prune/topology_test.c - what is tied to what in the shapes that networks have. */
#include "prune_tests.h"

#include "ops/ops.h"
#include "prune/cut.h"
#include "prune/groups.h"
#include "support/net.h"
#include "support/test.h"

#include <string.h>

/* A network with its groups. */
struct subject {
    struct test_net net;
    struct cop_groups *groups;
};

static struct test_net begin(int64_t c)
{
    return test_net_begin(&cop_ops_standard, c, 8, 8, 3);
}

static struct subject finish(struct test_net *net, struct cop_value *end)
{
    struct cop_err err;
    test_net_end(net, end);
    struct subject subject = {.net = *net};
    assert_ok(cop_groups_find(net->graph, &subject.groups, &err));
    return subject;
}

static void clear(struct subject *subject)
{
    cop_groups_destroy(subject->groups);
    cop_graph_destroy(subject->net.graph);
}

/* The one listed group that lies on this axis of the node's result. */
static const struct cop_group *group_of(const struct subject *subject, const char *node)
{
    const struct cop_value *value =
        cop_graph_find_node(subject->net.graph, node)->dst[0];
    const struct cop_group *found = NULL;
    for (int32_t g = 0; g < cop_groups_n(subject->groups); g++) {
        const struct cop_group *group = cop_groups_at(subject->groups, g);
        for (int32_t m = 0; m < group->n_members; m++) {
            if (group->members[m].value != value || group->members[m].axis != 1)
                continue;
            assert_null(found);
            found = group;
        }
    }
    if (found == NULL) fail_msg("'%s' is in no group", node);
    return found;
}

static int32_t member_of(const struct cop_group *group, const struct cop_value *value)
{
    for (int32_t m = 0; m < group->n_members; m++) {
        if (group->members[m].value == value) return m;
    }
    return -1;
}

/* Where channel c of the group lies on the first result of a node. */
static void assert_lies(
    const struct subject *subject,
    const struct cop_group *group,
    int64_t channel,
    const char *node,
    int64_t n,
    const int64_t *elements)
{
    const struct cop_value *value =
        cop_graph_find_node(subject->net.graph, node)->dst[0];
    int32_t m = member_of(group, value);
    assert_true(m >= 0);
    const int64_t *at;
    int64_t n_at;
    cop_group_elements(subject->groups, group, m, channel, &at, &n_at);
    assert_int_equal(n_at, n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(at[i], elements[i]);
}

static void test_concat_offsets(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 4, 3, 1);
    struct cop_value *b = test_net_conv(&net, "b", net.x, 6, 1, 1);
    struct cop_value *cat = test_net_op(&net, "Concat", "cat", "axis=1", a, b, NULL);
    struct cop_value *y = test_net_conv(&net, "y", cat, 5, 1, 1);
    struct subject subject = finish(&net, test_net_head(&net, y, 3));
    const struct cop_group *ga = group_of(&subject, "a");
    const struct cop_group *gb = group_of(&subject, "b");
    assert_true(ga != gb);
    assert_null(ga->frozen_because);
    assert_int_equal(ga->n_channels, 4);
    assert_int_equal(gb->n_channels, 6);
    assert_lies(&subject, gb, 2, "cat", 1, (int64_t[]){6});
    assert_lies(&subject, ga, 2, "cat", 1, (int64_t[]){2});
    clear(&subject);
}

/* One class at several offsets, as in a NASNet cell: [p, h + p, h] with h tied to p. */
static void test_nested_concat_and_add(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *p = test_net_conv(&net, "p", net.x, 4, 1, 1);
    struct cop_value *h = test_net_conv(&net, "h", net.x, 4, 3, 1);
    struct cop_value *sum = test_net_op(&net, "Add", "sum", "", h, p, NULL);
    struct cop_value *in = test_net_op(&net, "Concat", "in", "axis=1", p, sum, NULL);
    struct cop_value *cat = test_net_op(&net, "Concat", "cat", "axis=1", in, h, NULL);
    struct cop_value *y = test_net_conv(&net, "y", cat, 5, 1, 1);
    struct subject subject = finish(&net, test_net_head(&net, y, 3));
    const struct cop_group *group = group_of(&subject, "p");
    assert_ptr_equal(group, group_of(&subject, "h"));
    assert_int_equal(group->n_channels, 4);
    assert_lies(&subject, group, 1, "cat", 3, (int64_t[]){1, 5, 9});
    clear(&subject);
}

static void test_depthwise_carries(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 6, 1, 1);
    struct cop_value *d = test_net_conv(&net, "d", a, 12, 3, 6); /* multiplier 2 */
    struct cop_value *y = test_net_conv(&net, "y", d, 5, 1, 1);
    struct subject subject = finish(&net, test_net_head(&net, y, 3));
    const struct cop_group *group = group_of(&subject, "a");
    assert_int_equal(group->n_channels, 6);
    assert_lies(&subject, group, 4, "d", 2, (int64_t[]){8, 9});
    const struct cop_node *d_node = cop_graph_find_node(net.graph, "d");
    assert_false(group->members[member_of(group, d_node->src[1])].is_consumer);
    const struct cop_node *y_node = cop_graph_find_node(net.graph, "y");
    assert_true(group->members[member_of(group, y_node->src[1])].is_consumer);
    const char *reason;
    assert_int_equal(
        cop_groups_verdict(subject.groups, d_node, &reason), COP_VERDICT_CARRIED);

    struct cop_err err;
    const uint8_t keep[6] = {1, 0, 1, 1, 0, 0};
    const uint8_t *keeps[8] = {0};
    keeps[group->id] = keep;
    const struct cop_cut cut = {.keep = keeps};
    struct cop_graph *small = NULL;
    assert_ok(cop_cut_apply(subject.groups, &cut, &small, &err));
    assert_int_equal(cop_graph_find_node(small, "d")->src[1]->shape.dim[0], 6);
    assert_int_equal(cop_graph_find_node(small, "y")->src[1]->shape.dim[1], 6);
    cop_graph_destroy(small);
    clear(&subject);
}

/* Every slice keeps the same positions. */
static void test_grouped_convolution(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 6, 1, 1);
    struct cop_value *g = test_net_conv(&net, "g", a, 8, 3, 2);
    struct cop_value *y = test_net_conv(&net, "y", g, 5, 1, 1);
    struct subject subject = finish(&net, test_net_head(&net, y, 3));
    const struct cop_group *in = group_of(&subject, "a");
    assert_int_equal(in->n_channels, 3);
    assert_lies(&subject, in, 1, "a", 2, (int64_t[]){1, 4});
    const struct cop_group *out = group_of(&subject, "g");
    assert_true(in != out);
    assert_int_equal(out->n_channels, 4);
    assert_lies(&subject, out, 3, "g", 2, (int64_t[]){3, 7});
    clear(&subject);
}

static void test_flatten_into_gemm(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 4, 3, 1);
    struct cop_value *flat = test_net_op(&net, "Flatten", "flat", "", a, NULL);
    struct cop_value *w = test_net_weights(&net, 0.1, 2, (int64_t[]){256, 7});
    struct cop_value *y = test_net_op(&net, "Gemm", "fc", "", flat, w, NULL);
    struct subject subject = finish(&net, y);
    const struct cop_group *group = group_of(&subject, "a");
    assert_null(group->frozen_because);
    assert_int_equal(group->n_channels, 4);
    int32_t m = member_of(group, w);
    assert_true(group->members[m].is_consumer);
    assert_int_equal(group->members[m].axis, 0);
    assert_int_equal(group->members[m].step, 64);
    const int64_t *at;
    int64_t n;
    cop_group_elements(subject.groups, group, m, 2, &at, &n);
    assert_int_equal(at[0], 128);
    assert_int_equal(at[63], 191);
    clear(&subject);
}

/* CIFAR ResNet's option A: the shortcut is strided and padded with zero channels. */
static void test_padded_shortcut(void **state)
{
    (void)state;
    struct cop_err err;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 4, 3, 1);
    struct cop_value *pads =
        test_net_ints(&net, 8, (int64_t[]){0, 2, 0, 0, 0, 2, 0, 0});
    struct cop_value *pad = test_net_op(&net, "Pad", "pad", "", a, pads, NULL);
    struct cop_value *b = test_net_conv(&net, "b", a, 8, 3, 1);
    struct cop_value *sum = test_net_op(&net, "Add", "sum", "", b, pad, NULL);
    struct cop_value *y = test_net_conv(&net, "y", sum, 5, 1, 1);
    struct subject subject = finish(&net, test_net_head(&net, y, 3));
    const struct cop_group *tied = group_of(&subject, "a");
    assert_null(tied->frozen_because);
    assert_int_equal(tied->n_channels, 4);
    assert_lies(&subject, tied, 0, "b", 1, (int64_t[]){2});
    const struct cop_group *outer = NULL; /* the channels that the pad made */
    for (int32_t g = 0; g < cop_groups_n(subject.groups); g++) {
        const struct cop_group *group = cop_groups_at(subject.groups, g);
        if (group != tied && member_of(group, pad) >= 0) outer = group;
    }
    assert_non_null(outer);
    assert_null(outer->frozen_because);
    assert_int_equal(outer->n_channels, 4);
    assert_lies(&subject, outer, 2, "pad", 1, (int64_t[]){6});

    const uint8_t keep_tied[4] = {1, 0, 1, 1};
    const uint8_t keep_outer[4] = {0, 1, 0, 1};
    const uint8_t *keeps[8] = {0};
    keeps[tied->id] = keep_tied;
    keeps[outer->id] = keep_outer;
    const struct cop_cut cut = {.keep = keeps};
    struct cop_graph *small = NULL;
    assert_ok(cop_cut_apply(subject.groups, &cut, &small, &err));
    assert_int_equal(cop_graph_find_node(small, "sum")->dst[0]->shape.dim[1], 5);
    assert_int_equal(cop_graph_find_node(small, "b")->src[1]->shape.dim[0], 5);
    cop_graph_destroy(small);
    clear(&subject);
}

static void test_slice_splits_a_tensor(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 6, 3, 1);
    struct cop_value *from = test_net_ints(&net, 1, (int64_t[]){2});
    struct cop_value *to = test_net_ints(&net, 1, (int64_t[]){6});
    struct cop_value *axes = test_net_ints(&net, 1, (int64_t[]){1});
    struct cop_value *part =
        test_net_op(&net, "Slice", "part", "", a, from, to, axes, NULL);
    struct cop_value *y = test_net_conv(&net, "y", part, 5, 1, 1);
    struct cop_value *z = test_net_conv(&net, "z", a, 5, 1, 1);
    struct cop_value *sum = test_net_op(&net, "Add", "sum", "", y, z, NULL);
    struct subject subject = finish(&net, test_net_head(&net, sum, 3));
    const struct cop_group *group = group_of(&subject, "part");
    assert_null(group->frozen_because);
    assert_int_equal(group->n_channels, 4);
    assert_lies(&subject, group, 0, "a", 1, (int64_t[]){2});
    clear(&subject);
}

static void test_transpose_moves_the_axis(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 6, 3, 1);
    struct cop_value *nhwc =
        test_net_op(&net, "Transpose", "nhwc", "perm=0,2,3,1", a, NULL);
    struct cop_value *act = test_net_op(&net, "Relu", "act", "", nhwc, NULL);
    struct cop_value *back =
        test_net_op(&net, "Transpose", "back", "perm=0,3,1,2", act, NULL);
    struct cop_value *y = test_net_conv(&net, "y", back, 5, 1, 1);
    struct subject subject = finish(&net, test_net_head(&net, y, 3));
    const struct cop_group *group = group_of(&subject, "a");
    assert_null(group->frozen_because);
    assert_ptr_equal(group, group_of(&subject, "back"));
    int32_t m = member_of(group, act);
    assert_true(m >= 0);
    assert_int_equal(group->members[m].axis, 3);
    clear(&subject);
}

static void test_softmax_freezes(void **state)
{
    (void)state;
    struct test_net net = begin(3);
    struct cop_value *a = test_net_conv(&net, "a", net.x, 6, 3, 1);
    struct cop_value *s = test_net_op(&net, "Softmax", "soft", "axis=1", a, NULL);
    struct cop_value *y = test_net_conv(&net, "y", s, 5, 1, 1);
    struct subject subject = finish(&net, test_net_head(&net, y, 3));
    const struct cop_group *group = group_of(&subject, "a");
    assert_string_equal(
        group->frozen_because, "'soft' (Softmax) does not let axis 1 be cut");
    assert_null(group_of(&subject, "y")->frozen_because);
    const char *reason;
    assert_int_equal(
        cop_groups_verdict(
            subject.groups, cop_graph_find_node(net.graph, "soft"), &reason),
        COP_VERDICT_FROZEN);
    assert_non_null(reason);
    clear(&subject);
}

int run_topology_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concat_offsets),
        cmocka_unit_test(test_nested_concat_and_add),
        cmocka_unit_test(test_depthwise_carries),
        cmocka_unit_test(test_grouped_convolution),
        cmocka_unit_test(test_flatten_into_gemm),
        cmocka_unit_test(test_padded_shortcut),
        cmocka_unit_test(test_slice_splits_a_tensor),
        cmocka_unit_test(test_transpose_moves_the_axis),
        cmocka_unit_test(test_softmax_freezes),
    };
    return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
