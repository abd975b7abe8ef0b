/* tests/importers/read_test.c - what a sound file becomes, with a toy operator set: the
 * reader knows no operator by name. */
#include "importers_tests.h"
#include "support/onnx_bytes.h"
#include "support/test.h"
#include "support/toy_ops.h"

#include "importers/onnx_read.h"

#include <string.h>

enum { FLOAT = 1, INT64 = 7 };

static const float weights[6] = {1, 2, 3, 4, 5, 6};

static struct cop_graph *read_ok(struct onnx_file *file)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = onnx_finish(file);
    assert_ok(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err));
    cop_buf_release(bytes);
    return graph;
}

/* x[N][3] -> ToyLin -> y[N][2] */
static void begin_lin(struct onnx_file *file, struct pb *attrs)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    onnx_floats(file, "w", "2,3", weights, 6);
    onnx_node(file, "ToyLin", "lin", "x w", "y", attrs);
    onnx_output(file, "y");
}

static void test_small_graph(void **state)
{
    (void)state;
    struct onnx_file file;
    begin_lin(&file, NULL);
    struct cop_graph *graph = read_ok(&file);
    assert_int_equal(cop_graph_n_nodes(graph), 1);
    assert_int_equal(cop_graph_n_inputs(graph), 1);
    assert_int_equal(cop_graph_n_outputs(graph), 1);
    const struct cop_value *x = cop_graph_input(graph, 0);
    assert_string_equal(x->name, "x");
    assert_true(x->is_batch_free);
    assert_int_equal(x->shape.rank, 2);
    assert_int_equal(x->shape.dim[0], 1);
    assert_int_equal(x->shape.dim[1], 3);
    const struct cop_value *y = cop_graph_output(graph, 0);
    assert_string_equal(y->name, "y");
    assert_int_equal(y->shape.dim[1], 2);
    const struct cop_node *node = cop_graph_node(graph, 0);
    assert_string_equal(node->name, "lin");
    assert_ptr_equal(node->op, &toy_lin);
    assert_int_equal(node->n_src, 2); /* the third is optional and was not given */
    assert_ptr_equal(node->src[0], x);
    assert_memory_equal(cop_buf_data(node->src[1]->data), weights, sizeof weights);
    assert_ptr_equal(node->dst[0], y);
    cop_graph_destroy(graph);
}

static void test_default_attrs(void **state)
{
    (void)state;
    struct onnx_file file;
    begin_lin(&file, NULL);
    struct cop_graph *graph = read_ok(&file);
    const struct toy_lin_attrs *attrs = cop_graph_node(graph, 0)->attrs;
    assert_int_equal(attrs->axis, 1);
    assert_true(attrs->alpha == 1.5F);
    assert_string_equal(attrs->mode, "plain");
    assert_null(attrs->pads.at);
    assert_null(attrs->scales.at);
    cop_graph_destroy(graph);
}

static void test_given_attrs(void **state)
{
    (void)state;
    struct pb attrs = {0};
    onnx_attr_int(&attrs, "axis", -7);
    onnx_attr_float(&attrs, "alpha", 0.25F);
    onnx_attr_text(&attrs, "mode", "odd");
    onnx_attr_ints(&attrs, "pads", (const int64_t[]){1, -2, 3}, 3);
    onnx_attr_floats(&attrs, "scales", (const float[]){0.5F, 2.0F}, 2);
    struct onnx_file file;
    begin_lin(&file, &attrs);
    struct cop_graph *graph = read_ok(&file);
    const struct toy_lin_attrs *read = cop_graph_node(graph, 0)->attrs;
    assert_int_equal(read->axis, -7);
    assert_true(read->alpha == 0.25F);
    assert_string_equal(read->mode, "odd");
    assert_int_equal(read->pads.n, 3);
    assert_int_equal(read->pads.at[1], -2);
    assert_int_equal(read->scales.n, 2);
    assert_true(read->scales.at[1] == 2.0F);
    cop_graph_destroy(graph);
}

/* Packed lists, an empty list, and an attribute without a type as IR version 3 allows. */
static void test_attr_encodings(void **state)
{
    (void)state;
    struct pb attrs = {0};
    struct pb packed = {0};
    pb_varint(&packed, 5);
    pb_varint(&packed, (uint64_t)-1);
    struct pb attr = {0};
    pb_text(&attr, 1, "pads");
    pb_message(&attr, 8, &packed);
    pb_message(&attrs, 5, &attr);
    onnx_attr_floats(&attrs, "scales", NULL, 0);
    struct pb untyped = {0};
    pb_int(&untyped, 3, 4);
    pb_text(&untyped, 1, "axis");
    pb_message(&attrs, 5, &untyped);
    struct onnx_file file;
    begin_lin(&file, &attrs);
    struct cop_graph *graph = read_ok(&file);
    const struct toy_lin_attrs *read = cop_graph_node(graph, 0)->attrs;
    assert_int_equal(read->pads.n, 2);
    assert_int_equal(read->pads.at[0], 5);
    assert_int_equal(read->pads.at[1], -1);
    assert_non_null(read->scales.at); /* present and empty is not absent */
    assert_int_equal(read->scales.n, 0);
    assert_int_equal(read->axis, 4);
    cop_graph_destroy(graph);
}

static void test_old_opset_is_lifted(void **state)
{
    (void)state;
    struct pb attrs = {0};
    onnx_attr_int(&attrs, "old", 3);
    struct onnx_file file;
    begin_lin(&file, &attrs);
    file.opset = 11;
    struct cop_graph *graph = read_ok(&file);
    const struct toy_lin_attrs *read = cop_graph_node(graph, 0)->attrs;
    assert_string_equal(read->mode, "lifted");
    assert_int_equal(read->old, 3);
    assert_string_equal(cop_graph_meta(graph, "onnx.opset"), "11");
    cop_graph_destroy(graph);
}

static void test_absent_operands(void **state)
{
    (void)state;
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_floats(&file, "w", "2,3", weights, 6);
    onnx_node(&file, "ToyLin", "lin", "x w -", "h", NULL);
    onnx_node(&file, "ToySum", "sum", "h - h", "- y", NULL);
    onnx_output(&file, "y");
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = onnx_finish(&file);
    /* the toy's shapes do not allow a hole, but the reader must have made one */
    assert_fails(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err), COP_ESHAPE);
    assert_non_null(strstr(err.text, "node 'sum' (ToySum): source 1"));
    cop_buf_release(bytes);

    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_floats(&file, "w", "2,3", weights, 6);
    onnx_node(&file, "ToyLin", "lin", "x w -", "h", NULL);
    onnx_node(&file, "ToySum", "sum", "h h", "- y", NULL);
    onnx_output(&file, "y");
    graph = read_ok(&file);
    assert_int_equal(cop_graph_node(graph, 0)->n_src, 2);
    const struct cop_node *sum = cop_graph_node(graph, 1);
    assert_int_equal(sum->n_dst, 2);
    assert_null(sum->dst[0]);
    assert_string_equal(sum->dst[1]->name, "y");
    cop_graph_destroy(graph);
}

/* Files in any order; those in order keep it. */
static void test_unsorted(void **state)
{
    (void)state;
    struct onnx_file file;
    onnx_begin(&file);
    onnx_output(&file, "d");
    onnx_node(&file, "ToySum", "last", "b c", "d", NULL);
    onnx_node(&file, "ToySum", "third", "a", "c", NULL);
    onnx_node(&file, "ToySum", "second", "a x", "b", NULL);
    onnx_node(&file, "ToySum", "first", "x", "a", NULL);
    onnx_input(&file, "x", FLOAT, "N,3");
    struct cop_graph *graph = read_ok(&file);
    static const char *const names[] = {"first", "second", "third", "last"};
    assert_int_equal(cop_graph_n_nodes(graph), 4);
    for (int32_t i = 0; i < 4; i++)
        assert_string_equal(cop_graph_node(graph, i)->name, names[i]);
    cop_graph_destroy(graph);

    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToySum", "first", "x", "a", NULL);
    onnx_node(&file, "ToySum", "side", "x", "b", NULL);
    onnx_node(&file, "ToySum", "third", "a", "c", NULL);
    onnx_node(&file, "ToySum", "last", "c b", "d", NULL);
    onnx_output(&file, "d");
    graph = read_ok(&file);
    assert_string_equal(cop_graph_node(graph, 1)->name, "side");
    cop_graph_destroy(graph);
}

static void test_names_made_unique(void **state)
{
    (void)state;
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToySum", "", "x", "a", NULL);
    onnx_node(&file, "ToySum", "same", "a", "b", NULL);
    onnx_node(&file, "ToySum", "same", "b", "c", NULL);
    onnx_node(&file, "ToySum", "", "c", "d", NULL);
    onnx_output(&file, "d");
    struct cop_graph *graph = read_ok(&file);
    assert_int_equal(cop_graph_n_nodes(graph), 4);
    for (int32_t i = 0; i < 4; i++) {
        const struct cop_node *node = cop_graph_node(graph, i);
        assert_true(node->name[0] != '\0');
        assert_ptr_equal(cop_graph_find_node(graph, node->name), node);
    }
    assert_string_equal(cop_graph_node(graph, 1)->name, "same");
    cop_graph_destroy(graph);
}

static void test_batch_axes(void **state)
{
    (void)state;
    static const struct {
        const char *dims;
        bool is_free;
        const char *fixed;
    } cases[] = {
        {"N,3", true, NULL},
        {"?,3", true, NULL},
        {"-1,3", true, NULL},
        {"0,3", true, NULL},
        {"1,3", false, NULL},
        {"16,3", false, "16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_file file;
        onnx_begin(&file);
        onnx_input(&file, "x", FLOAT, cases[i].dims);
        onnx_node(&file, "ToySum", "sum", "x", "y", NULL);
        onnx_output(&file, "y");
        struct cop_graph *graph = read_ok(&file);
        const struct cop_value *x = cop_graph_input(graph, 0);
        assert_int_equal(x->shape.dim[0], 1);
        assert_int_equal(x->is_batch_free, cases[i].is_free);
        const char *fixed = cop_graph_meta(graph, "onnx.fixed_batch");
        if (cases[i].fixed == NULL)
            assert_null(fixed);
        else
            assert_string_equal(fixed, cases[i].fixed);
        cop_graph_destroy(graph);
    }
}

/* Until IR version 4 constants had to be listed among the inputs. */
static void test_constant_listed_as_input(void **state)
{
    (void)state;
    struct onnx_file file;
    onnx_begin(&file);
    file.ir_version = 3;
    onnx_input(&file, "w", FLOAT, "2,3");
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_floats(&file, "w", "2,3", weights, 6);
    onnx_node(&file, "ToyLin", "lin", "x w", "y", NULL);
    onnx_output(&file, "y");
    struct cop_graph *graph = read_ok(&file);
    assert_int_equal(cop_graph_n_inputs(graph), 1);
    assert_string_equal(cop_graph_input(graph, 0)->name, "x");
    assert_non_null(cop_graph_find_value(graph, "w")->data);
    cop_graph_destroy(graph);
}

static void put_entry(struct pb *model, const char *key, const char *text)
{
    struct pb entry = {0};
    pb_text(&entry, 1, key);
    pb_text(&entry, 2, text);
    pb_message(model, 14, &entry);
}

static void test_meta(void **state)
{
    (void)state;
    struct onnx_file file;
    begin_lin(&file, NULL);
    pb_text(&file.trailer, 2, "torch");
    pb_text(&file.trailer, 3, "2.1");
    put_entry(&file.trailer, "mean", "0.5");
    put_entry(&file.trailer, "onnx.opset", "99"); /* a stale note of an ancestor */
    struct cop_graph *graph = read_ok(&file);
    assert_string_equal(cop_graph_meta(graph, "onnx.producer"), "torch 2.1");
    assert_string_equal(cop_graph_meta(graph, "onnx.ir_version"), "8");
    assert_string_equal(cop_graph_meta(graph, "onnx.opset"), "13");
    assert_string_equal(cop_graph_meta(graph, "mean"), "0.5");
    assert_int_equal(cop_graph_n_meta(graph), 4);
    cop_graph_destroy(graph);
}

/* A tensor attribute becomes a constant through the row's fold alone. */
static void test_data_node_folds(void **state)
{
    (void)state;
    struct pb tensor = onnx_tensor(NULL, FLOAT, "2,3");
    pb_bytes(&tensor, 9, weights, sizeof weights);
    struct pb attrs = {0};
    onnx_attr_tensor(&attrs, "value", &tensor);
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_node(&file, "ToyData", "data", "", "w", &attrs);
    onnx_node(&file, "ToyLin", "lin", "x w", "y", NULL);
    onnx_output(&file, "y");
    struct cop_graph *graph = read_ok(&file);
    assert_int_equal(cop_graph_n_nodes(graph), 1);
    const struct cop_value *w = cop_graph_node(graph, 0)->src[1];
    assert_non_null(w->data);
    assert_memory_equal(cop_buf_data(w->data), weights, sizeof weights);
    cop_graph_destroy(graph);
}

static void test_dead_parts_go(void **state)
{
    (void)state;
    struct onnx_file file;
    begin_lin(&file, NULL);
    onnx_floats(&file, "unread", "6", weights, 6);
    onnx_node(&file, "ToySum", "dead", "x", "nobody", NULL);
    struct cop_graph *graph = read_ok(&file);
    assert_int_equal(cop_graph_n_nodes(graph), 1);
    assert_null(cop_graph_find_value(graph, "unread"));
    cop_graph_destroy(graph);
}

/* What is left of a network when everything folds: an input and a constant handed on. */
static void test_no_nodes(void **state)
{
    (void)state;
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", FLOAT, "N,3");
    onnx_floats(&file, "w", "2,3", weights, 6);
    onnx_output(&file, "x");
    onnx_output(&file, "w");
    struct cop_graph *graph = read_ok(&file);
    assert_int_equal(cop_graph_n_nodes(graph), 0);
    assert_ptr_equal(cop_graph_output(graph, 0), cop_graph_input(graph, 0));
    assert_non_null(cop_graph_output(graph, 1)->data);
    cop_graph_destroy(graph);
}

int run_read_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_graph),
        cmocka_unit_test(test_default_attrs),
        cmocka_unit_test(test_given_attrs),
        cmocka_unit_test(test_attr_encodings),
        cmocka_unit_test(test_old_opset_is_lifted),
        cmocka_unit_test(test_absent_operands),
        cmocka_unit_test(test_unsorted),
        cmocka_unit_test(test_names_made_unique),
        cmocka_unit_test(test_batch_axes),
        cmocka_unit_test(test_constant_listed_as_input),
        cmocka_unit_test(test_meta),
        cmocka_unit_test(test_data_node_folds),
        cmocka_unit_test(test_dead_parts_go),
        cmocka_unit_test(test_no_nodes),
    };
    return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
