/* tests/importers/limits_test.c - large, hostile and memory-starved: what a file asks for
 * is bounded, tensors are not held twice, running out of memory is told. */
#include "importers_tests.h"
#include "support/onnx_bytes.h"
#include "support/test.h"
#include "support/toy_ops.h"

#include "base/mem.h"
#include "importers/onnx_read.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FLOAT = 1 };

static const float weights[6] = {1, 2, 3, 4, 5, 6};

static void expect_refused(struct onnx_file *file, const char *text)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = onnx_finish(file);
    assert_fails(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err), COP_EFORMAT);
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' does not tell '%s'", err.text, text);
    cop_buf_release(bytes);
}

static void test_counts(void **state)
{
    (void)state;
    struct onnx_file file;
    onnx_begin(&file);
    for (int i = 0; i < (1 << 16) + 1; i++)
        pb_text(&file.graph, 1, "");
    expect_refused(&file, "more than 65536 times node");

    onnx_begin(&file);
    struct pb attr = {0};
    for (int i = 0; i < 1 << 16; i++)
        pb_int(&attr, 8, 1);
    struct pb node = {0};
    for (int i = 0; i < 33; i++)
        pb_bytes(&node, 5, attr.at, attr.n);
    pb_free(&attr);
    pb_message(&file.graph, 1, &node);
    expect_refused(&file, "more than 2097152 fields");

    onnx_begin(&file);
    struct pb text = {0};
    static char block[1 << 20];
    memset(block, 'a', sizeof block);
    for (int i = 0; i < 65; i++)
        pb_raw(&text, block, sizeof block);
    struct pb entry = {0};
    pb_text(&entry, 1, "key");
    pb_message(&entry, 2, &text);
    pb_message(&file.trailer, 14, &entry);
    expect_refused(&file, "more than 64 MiB besides the tensors");
}

/* A subgraph in a subgraph in a ... is stepped over, not walked. */
static void test_deep_nesting(void **state)
{
    (void)state;
    struct pb inner = {0};
    for (int i = 0; i < 2000; i++) {
        struct pb attr = {0};
        struct pb node = {0};
        struct pb graph = {0};
        pb_message(&attr, 6, &inner);
        pb_message(&node, 5, &attr);
        pb_message(&graph, 1, &node);
        inner = graph;
    }
    struct pb attrs = {0};
    struct pb attr = {0};
    pb_text(&attr, 1, "axis");
    pb_int(&attr, 20, 5);
    pb_message(&attr, 6, &inner);
    pb_message(&attrs, 5, &attr);
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_floats(&file, "w", "2,3", weights, 6);
    onnx_node(&file, "ToyLin", "lin", "x w", "y", &attrs);
    onnx_output(&file, "y");
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = onnx_finish(&file);
    assert_fails(
        cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err), COP_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "subgraphs"));
    cop_buf_release(bytes);
}

/* A chain of many nodes listed backwards: no recursion, no quadratic time. */
static void test_long_chain(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "v0", FLOAT, "N,3");
    for (int i = N; i > 0; i--) {
        char from[16];
        char to[16];
        (void)snprintf(from, sizeof from, "v%d", i - 1);
        (void)snprintf(to, sizeof to, "v%d", i);
        onnx_node(&file, "ToySum", "", from, to, NULL);
    }
    onnx_output(&file, "v20000");
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = onnx_finish(&file);
    assert_ok(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err));
    assert_int_equal(cop_graph_n_nodes(graph), N);
    assert_string_equal(cop_graph_node(graph, N - 1)->dst[0]->name, "v20000");
    cop_graph_destroy(graph);
    cop_buf_release(bytes);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%*d %ld", &pages), 1);
    (void)fclose(statm);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* 100 MiB of weights, a hole in the file: reading must neither copy nor touch them. */
static void test_weights_stay_in_the_file(void **state)
{
    (void)state;
    const int64_t n = 100LL << 20;
    char folder[256];
    char path[300];
    struct pb tensor = onnx_tensor("w", FLOAT, "8738133,3");
    const int64_t bytes = 8738133LL * 3 * 4;
    assert_true(bytes > n - 100 && bytes < n + 100);
    pb_key(&tensor, 9, 2);
    pb_varint(&tensor, (uint64_t)bytes);
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToyLin", "lin", "x w", "y", NULL);
    onnx_output(&file, "y");
    pb_key(&file.graph, 5, 2);
    pb_varint(&file.graph, tensor.n + (uint64_t)bytes);
    pb_raw(&file.graph, tensor.at, tensor.n);
    pb_free(&tensor);
    struct pb model = {0};
    struct pb opset = {0};
    pb_int(&model, 1, 8);
    pb_int(&opset, 2, 13);
    pb_message(&model, 8, &opset);
    pb_key(&model, 7, 2);
    pb_varint(&model, file.graph.n + (uint64_t)bytes);
    pb_raw(&model, file.graph.at, file.graph.n);
    pb_free(&file.graph);

    (void)snprintf(path, sizeof path, "%s/big.onnx", test_make_dir(folder));
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(model.at, 1, model.n, out), model.n);
    assert_int_equal(fflush(out), 0);
    assert_int_equal(ftruncate(fileno(out), (off_t)((int64_t)model.n + bytes)), 0);
    (void)fclose(out);
    pb_free(&model);

    struct cop_err err;
    struct cop_graph *graph = NULL;
    long before = resident_kib();
    assert_ok(cop_onnx_read_file(path, &toy_set, &graph, &err));
    long grown = resident_kib() - before;
    assert_in_range(grown < 0 ? 0 : grown, 0, 8 * 1024);
    const struct cop_value *w = cop_graph_find_value(graph, "w");
    assert_true(cop_buf_bytes(w->data) == (size_t)bytes);
    assert_true(cop_f32_at(cop_buf_data(w->data), bytes / 4 - 1) == 0.0F);
    cop_graph_destroy(graph);
    test_remove_dir(folder);
}

/* Fails the first allocation, the second, ... until the reading succeeds. */
static void test_out_of_memory(void **state)
{
    (void)state;
    struct pb attrs = {0};
    onnx_attr_ints(&attrs, "pads", (const int64_t[]){1, 2}, 2);
    onnx_attr_text(&attrs, "mode", "odd");
    struct pb tensor = onnx_tensor(NULL, FLOAT, "2,3");
    for (int i = 0; i < 6; i++)
        pb_float(&tensor, 4, weights[i]);
    struct pb data = {0};
    onnx_attr_tensor(&data, "value", &tensor);
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToyData", "data", "", "w", &data);
    onnx_node(&file, "ToyLin", "lin", "x w", "y", &attrs);
    onnx_output(&file, "y");
    struct cop_buf *bytes = onnx_finish(&file);
    int64_t n = 0;
    enum cop_status status = COP_ENOMEM;
    while (status == COP_ENOMEM) {
        struct cop_err err;
        struct cop_graph *graph = NULL;
        cop_mem_fail_from(++n);
        status = cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err);
        cop_mem_fail_from(0);
        if (status == COP_OK) cop_graph_destroy(graph);
    }
    assert_int_equal(status, COP_OK);
    assert_true(n > 20);
    cop_buf_release(bytes);
}

int run_limits_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_weights_stay_in_the_file),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
