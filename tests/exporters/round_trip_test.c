/* tests/exporters/round_trip_test.c - read, write, read gives the same network, with a toy
 * operator set: the writer knows no operator by name. */
#include "exporters_tests.h"
#include "support/onnx_bytes.h"
#include "support/same_graph.h"
#include "support/test.h"
#include "support/toy_ops.h"

#include "base/mem.h"
#include "exporters/onnx_write.h"
#include "importers/onnx_read.h"

#include <stdio.h>
#include <string.h>

enum { FLOAT = 1, INT64 = 7 };

static const float weights[6] = {1, 2, 3, 4, 5, 6};

static struct cop_graph *read_bytes(struct cop_buf *bytes)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    assert_ok(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err));
    cop_buf_release(bytes);
    return graph;
}

static enum cop_status collect(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    (void)err;
    pb_raw(context, bytes, n);
    return COP_OK;
}

static struct cop_buf *write_bytes(const struct cop_graph *graph)
{
    struct cop_err err;
    struct pb pb = {0};
    struct cop_onnx_write_options options = {.sink = collect, .context = &pb};
    assert_ok(cop_onnx_write(graph, &options, &err));
    return pb_buf(&pb);
}

/* Everything at once: all attribute types, an absent operand's place, an unused result, an
 * integer constant, two inputs, two outputs, metadata. */
static void fill(struct onnx_file *file, const char *batch_dims)
{
    struct pb attrs = {0};
    onnx_attr_int(&attrs, "axis", -7);
    onnx_attr_float(&attrs, "alpha", 0.25F);
    onnx_attr_text(&attrs, "mode", "\xc3\xa9t\xc3\xa9");
    onnx_attr_ints(&attrs, "pads", (const int64_t[]){1, -2, 3}, 3);
    onnx_attr_floats(&attrs, "scales", (const float[]){0.5F, 2.0F}, 2);
    struct pb plain = {0};
    onnx_attr_ints(&plain, "pads", NULL, 0);
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, batch_dims);
    onnx_input(file, "z", FLOAT, batch_dims);
    onnx_floats(file, "w", "2,3", weights, 6);
    onnx_floats(file, "b", "2", weights, 2);
    struct pb counts = onnx_tensor("counts", INT64, "2");
    pb_int(&counts, 7, 5);
    pb_int(&counts, 7, -6);
    onnx_constant(file, &counts);
    onnx_node(file, "ToyLin", "first", "x w b", "h", &attrs);
    onnx_node(file, "ToyLin", "second", "z w", "k", &plain);
    onnx_node(file, "ToySum", "sum", "h k h", "- y", NULL);
    onnx_output(file, "y");
    onnx_output(file, "k");
    onnx_output(file, "counts");
    struct pb entry = {0};
    pb_text(&entry, 1, "classes");
    pb_text(&entry, 2, "cat,dog");
    pb_message(&file->trailer, 14, &entry);
}

static void test_same_network(void **state)
{
    (void)state;
    static const char *const dims[] = {"N,3", "1,3"};
    for (int i = 0; i < 2; i++) {
        struct onnx_file file;
        fill(&file, dims[i]);
        struct cop_graph *first = read_bytes(onnx_finish(&file));
        struct cop_graph *second = read_bytes(write_bytes(first));
        test_assert_same_graph(first, second);
        assert_int_equal(cop_graph_input(second, 0)->is_batch_free, i == 0);
        assert_string_equal(
            cop_graph_meta(second, "onnx.producer"), "coppice " COPPICE_VERSION);
        cop_graph_destroy(first);
        cop_graph_destroy(second);
    }
}

/* The bytes depend on the graph alone, so writing what was read back changes nothing. */
static void test_same_bytes(void **state)
{
    (void)state;
    struct onnx_file file;
    fill(&file, "N,3");
    struct cop_graph *first = read_bytes(onnx_finish(&file));
    struct cop_buf *a = write_bytes(first);
    struct cop_buf *b = write_bytes(first);
    struct cop_graph *second = read_bytes(cop_buf_retain(a));
    struct cop_buf *c = write_bytes(second);
    assert_int_equal(cop_buf_bytes(a), cop_buf_bytes(b));
    assert_memory_equal(cop_buf_data(a), cop_buf_data(b), cop_buf_bytes(a));
    assert_int_equal(cop_buf_bytes(a), cop_buf_bytes(c));
    assert_memory_equal(cop_buf_data(a), cop_buf_data(c), cop_buf_bytes(a));
    cop_buf_release(a);
    cop_buf_release(b);
    cop_buf_release(c);
    cop_graph_destroy(first);
    cop_graph_destroy(second);
}

/* A row that kept its tensor attribute (no fold) writes it again. */
static void test_tensor_attribute(void **state)
{
    (void)state;
    struct cop_op kept = toy_data;
    kept.fold = cop_fold_none;
    const struct cop_op *const rows[] = {&toy_sum, &kept};
    const struct cop_op_set set = {.ops = rows, .n = 2};
    struct pb tensor = onnx_tensor(NULL, FLOAT, "2,3");
    pb_bytes(&tensor, 9, weights, sizeof weights);
    struct pb attrs = {0};
    onnx_attr_tensor(&attrs, "value", &tensor);
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToySum", "sum", "x", "y", NULL);
    onnx_node(&file, "ToyData", "data", "", "w", &attrs);
    onnx_output(&file, "y");
    onnx_output(&file, "w");
    struct cop_err err;
    struct cop_graph *first = NULL;
    struct cop_graph *second = NULL;
    struct cop_buf *bytes = onnx_finish(&file);
    assert_ok(cop_onnx_read_bytes(bytes, &set, NULL, &first, &err));
    cop_buf_release(bytes);
    bytes = write_bytes(first);
    assert_ok(cop_onnx_read_bytes(bytes, &set, NULL, &second, &err));
    cop_buf_release(bytes);
    assert_int_equal(cop_graph_n_nodes(second), 2);
    test_assert_same_graph(first, second);
    cop_graph_destroy(first);
    cop_graph_destroy(second);
}

static struct cop_graph *lin_with(int64_t opset, const char *attr, int64_t number)
{
    struct pb attrs = {0};
    if (attr != NULL) onnx_attr_int(&attrs, attr, number);
    struct onnx_file file;
    onnx_begin(&file);
    file.opset = opset;
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_floats(&file, "w", "2,3", weights, 6);
    onnx_node(&file, "ToyLin", "lin", "x w", "y", &attrs);
    onnx_output(&file, "y");
    return read_bytes(onnx_finish(&file));
}

static void expect_opset(struct cop_graph *graph, const char *opset)
{
    struct cop_graph *again = read_bytes(write_bytes(graph));
    assert_string_equal(cop_graph_meta(again, "onnx.opset"), opset);
    cop_graph_destroy(again);
    cop_graph_destroy(graph);
}

static void test_opset(void **state)
{
    (void)state;
    expect_opset(lin_with(9, NULL, 0), "13");
    expect_opset(lin_with(21, NULL, 0), "13");
    expect_opset(lin_with(17, "fresh", 0), "13"); /* at its default: not written */
    expect_opset(lin_with(17, "fresh", 1), "15");
    expect_opset(lin_with(11, "old", 1), "13"); /* lifted, so no longer written */
}

/* An operator that came late raises the opset of all. */
static void test_late_operator(void **state)
{
    (void)state;
    struct cop_op late = toy_sum;
    late.opsets[0] = 17;
    const struct cop_op *const rows[] = {&toy_lin, &late};
    const struct cop_op_set set = {.ops = rows, .n = 2};
    struct onnx_file file;
    onnx_begin(&file);
    file.opset = 18;
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(&file, "y");
    struct cop_buf *bytes = onnx_finish(&file);
    struct cop_err err;
    struct cop_graph *graph = NULL;
    assert_ok(cop_onnx_read_bytes(bytes, &set, NULL, &graph, &err));
    cop_buf_release(bytes);
    bytes = write_bytes(graph);
    cop_graph_destroy(graph);
    assert_ok(cop_onnx_read_bytes(bytes, &set, NULL, &graph, &err));
    assert_string_equal(cop_graph_meta(graph, "onnx.opset"), "17");
    cop_graph_destroy(graph);
    cop_buf_release(bytes);
}

/* An operand that was taken away at the end leaves no empty name behind. */
static void test_absent_at_the_end(void **state)
{
    (void)state;
    struct cop_err err;
    struct onnx_file file;
    fill(&file, "N,3");
    struct cop_graph *first = read_bytes(onnx_finish(&file));
    struct cop_node *node = cop_graph_find_node(first, "first");
    assert_int_equal(node->n_src, 3);
    assert_ok(cop_graph_set_src(first, node, 2, NULL, &err));
    struct cop_graph *second = read_bytes(write_bytes(first));
    assert_int_equal(cop_graph_find_node(second, "first")->n_src, 2);
    struct cop_buf *bytes = write_bytes(first);
    const char empty_operand[] = {0x0a, 0x01, 'w', 0x0a, 0x00};
    const char *at = cop_buf_data(bytes);
    for (size_t i = 0; i + sizeof empty_operand <= cop_buf_bytes(bytes); i++)
        assert_memory_not_equal(at + i, empty_operand, sizeof empty_operand);
    cop_buf_release(bytes);
    cop_graph_destroy(first);
    cop_graph_destroy(second);
}

/* ---- tensors kept elsewhere ------------------------------------------------------------------ */

struct stored {
    struct pb file;
    int n_asked;
    struct cop_buf *data;
};

static enum cop_status collect_stored(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    struct stored *stored = context;
    return collect(&stored->file, bytes, n, err);
}

static enum cop_status store(
    void *context,
    const struct cop_value *constant,
    char location[128],
    struct cop_err *err)
{
    struct stored *stored = context;
    (void)err;
    stored->n_asked++;
    stored->data = cop_buf_retain(constant->data);
    (void)snprintf(location, 128, "blob:%s", constant->name);
    return COP_OK;
}

static enum cop_status load(
    void *context,
    const char *location,
    int64_t offset,
    int64_t length,
    struct cop_buf **data,
    struct cop_err *err)
{
    const struct stored *stored = context;
    (void)err;
    assert_string_equal(location, "blob:w");
    assert_int_equal(offset, 0);
    assert_int_equal(length, 24);
    *data = cop_buf_retain(stored->data);
    return COP_OK;
}

static void test_external(void **state)
{
    (void)state;
    struct onnx_file file;
    fill(&file, "N,3");
    struct cop_graph *first = read_bytes(onnx_finish(&file));
    struct cop_err err;
    struct stored stored = {0};
    struct cop_onnx_write_options options = {
        .sink = collect_stored,
        .context = &stored,
        .external = store,
        .external_from = 17, /* more than b and counts, less than w */
    };
    assert_ok(cop_onnx_write(first, &options, &err));
    assert_int_equal(stored.n_asked, 1);
    struct cop_onnx_read_options read = {.external = load, .external_context = &stored};
    struct cop_graph *second = NULL;
    struct cop_buf *bytes = pb_buf(&stored.file);
    assert_ok(cop_onnx_read_bytes(bytes, &toy_set, &read, &second, &err));
    test_assert_same_graph(first, second);
    cop_buf_release(bytes);
    cop_buf_release(stored.data);
    cop_graph_destroy(first);
    cop_graph_destroy(second);
}

/* ---- failures --------------------------------------------------------------------------------- */

struct tight {
    size_t room;
};

static enum cop_status fill_up(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    struct tight *tight = context;
    (void)bytes;
    if (n > tight->room) return COP_FAIL(err, COP_EIO, "disk is full");
    tight->room -= n;
    return COP_OK;
}

static void test_sink_fails(void **state)
{
    (void)state;
    struct onnx_file file;
    fill(&file, "N,3");
    struct cop_graph *graph = read_bytes(onnx_finish(&file));
    struct cop_buf *whole = write_bytes(graph);
    for (size_t room = 0; room < cop_buf_bytes(whole); room += 13) {
        struct cop_err err;
        struct tight tight = {.room = room};
        struct cop_onnx_write_options options = {.sink = fill_up, .context = &tight};
        assert_fails(cop_onnx_write(graph, &options, &err), COP_EIO);
        assert_string_equal(err.text, "disk is full");
    }
    cop_buf_release(whole);
    cop_graph_destroy(graph);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct onnx_file file;
    fill(&file, "N,3");
    struct cop_graph *graph = read_bytes(onnx_finish(&file));
    enum cop_status status = COP_ENOMEM;
    int64_t n = 0;
    while (status == COP_ENOMEM) {
        struct cop_err err;
        struct tight tight = {.room = 1 << 20};
        struct cop_onnx_write_options options = {.sink = fill_up, .context = &tight};
        cop_mem_fail_from(++n);
        status = cop_onnx_write(graph, &options, &err);
        cop_mem_fail_from(0);
    }
    assert_int_equal(status, COP_OK);
    assert_true(n > 1);
    cop_graph_destroy(graph);
}

int run_round_trip_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_network),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_tensor_attribute),
        cmocka_unit_test(test_opset),
        cmocka_unit_test(test_late_operator),
        cmocka_unit_test(test_absent_at_the_end),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_sink_fails),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("round trip", tests, NULL, NULL);
}
