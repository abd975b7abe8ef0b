/* tests/ops/late_test.c - nodes that need a late opset, next to nodes whose encoding has
 * changed until then, are written and read back as they were. */
#include "ops_tests.h"

#include "exporters/onnx_write.h"
#include "importers/onnx_read.h"
#include "ops/ops.h"
#include "support/test.h"

#include <string.h>

struct sink {
    char bytes[1 << 14];
    size_t n;
};

static enum cop_status take(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    struct sink *const sink = context;
    if (n > sizeof sink->bytes - sink->n) return COP_FAIL(err, COP_EIO, "sink is full");
    memcpy(sink->bytes + sink->n, bytes, n);
    sink->n += n;
    return COP_OK;
}

static struct cop_graph *write_and_read(struct cop_graph *graph)
{
    static struct sink sink;
    struct cop_err err;
    struct cop_buf *buf = NULL;
    struct cop_graph *back = NULL;
    const struct cop_onnx_write_options options = {.sink = take, .context = &sink};
    sink.n = 0;
    assert_ok(cop_onnx_write(graph, &options, &err));
    assert_ok(cop_buf_create(sink.n, &buf, &err));
    memcpy(cop_buf_mutable(buf), sink.bytes, sink.n);
    assert_ok(cop_onnx_read_bytes(buf, &cop_ops_standard, NULL, &back, &err));
    cop_buf_release(buf);
    cop_graph_destroy(graph);
    return back;
}

/* x, then an operator with @p attrs, then Mish, which opset 18 brought. */
static struct cop_graph *before_mish(const struct cop_op *op, const void *attrs)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_value *value = NULL;
    struct cop_node *node = NULL;
    const struct cop_shape shape = {4, {1, 6, 4, 5}};
    assert_ok(cop_graph_create(&cop_ops_standard, &graph, &err));
    assert_ok(cop_graph_add_input(graph, "x", COP_F32, &shape, &value, &err));
    const struct cop_node_spec first = {
        .op = op, .name = "n", .attrs = attrs, .src = &value, .n_src = 1, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &first, &node, &err));
    value = node->dst[0];
    const struct cop_node_spec last = {
        .op = &cop_op_mish, .src = &value, .n_src = 1, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &last, &node, &err));
    assert_ok(cop_graph_mark_output(graph, node->dst[0], &err));
    assert_ok(cop_graph_infer(graph, &err));
    return graph;
}

static void test_axes_become_an_operand(void **state)
{
    (void)state;
    static const int64_t axes[2] = {2, 3};
    const struct {
        struct cop_ints axes;
        int64_t keepdims;
        int64_t noop;
    } attrs = {{2, axes}, 0, 0};
    struct cop_graph *const back =
        write_and_read(before_mish(&cop_op_reduce_max, &attrs));
    const struct cop_node *const node = cop_graph_node(back, 0);
    const struct cop_ints *const read = node->attrs;
    assert_ptr_equal(node->op, &cop_op_reduce_max);
    assert_string_equal(cop_graph_meta(back, "onnx.opset"), "18");
    assert_int_equal(read->n, 2);
    assert_int_equal(read->at[0], 2);
    assert_int_equal(read->at[1], 3);
    assert_int_equal(node->dst[0]->shape.rank, 2);
    cop_graph_destroy(back);
}

/* Opset 19 brought this way of padding, not the operator. */
static void test_a_late_value_raises_the_opset(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_node *node = NULL;
    struct cop_buf *buf = NULL;
    const int64_t amounts[4] = {0, 1, 0, 2};
    const struct cop_shape shape = {2, {1, 6}};
    const struct cop_shape list = {1, {4}};
    const struct {
        const char *mode;
        struct cop_ints pads;
        float value;
    } attrs = {"wrap", {0, NULL}, 0.0F};
    assert_ok(cop_graph_create(&cop_ops_standard, &graph, &err));
    assert_ok(cop_graph_add_input(graph, "x", COP_F32, &shape, &src[0], &err));
    assert_ok(cop_buf_create(sizeof amounts, &buf, &err));
    memcpy(cop_buf_mutable(buf), amounts, sizeof amounts);
    assert_ok(cop_graph_add_const(graph, "p", COP_I64, &list, buf, &src[1], &err));
    cop_buf_release(buf);
    const struct cop_node_spec spec = {
        .op = &cop_op_pad, .attrs = &attrs, .src = src, .n_src = 2, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &spec, &node, &err));
    assert_ok(cop_graph_mark_output(graph, node->dst[0], &err));
    assert_ok(cop_graph_infer(graph, &err));
    graph = write_and_read(graph);
    assert_string_equal(cop_graph_meta(graph, "onnx.opset"), "19");
    cop_graph_destroy(graph);
}

int late_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_axes_become_an_operand),
        cmocka_unit_test(test_a_late_value_raises_the_opset),
    };
    return cmocka_run_group_tests_name("late", tests, NULL, NULL);
}
