/* tests/importers/broken_node_test.c - as broken_test.c, for nodes and their attributes. */
#include "broken.h"
#include "importers_tests.h"
#include "support/test.h"

enum { FLOAT = 1 };

static const float weights[6] = {1, 2, 3, 4, 5, 6};

/* ---- nodes --------------------------------------------------------------------------------- */

static void unknown_operators(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "Foo", "a", "x", "f1", NULL);
    onnx_node(file, "Bar", "b", "x", "f2", NULL);
    onnx_node(file, "Foo", "c", "x", "f3", NULL);
}

static void foreign_domain(struct onnx_file *file)
{
    broken_sound(file);
    struct pb node = {0};
    pb_text(&node, 1, "x");
    pb_text(&node, 2, "z");
    pb_text(&node, 3, "fused");
    pb_text(&node, 4, "ToySum");
    pb_text(&node, 7, "com.example");
    pb_message(&file->graph, 1, &node);
}

static void no_operator(struct onnx_file *file)
{
    broken_sound(file);
    pb_text(&file->graph, 1, "");
}

static void cycle(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "one", "b", "a", NULL);
    onnx_node(file, "ToySum", "two", "a", "b", NULL);
}

static void own_result(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "snake", "a", "a", NULL);
}

static void unknown_source(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "lost", "nowhere", "z", NULL);
}

static void too_few_sources(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToyLin", "few", "x", "z", NULL);
}

static void too_many_sources(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToyLin", "many", "x w x x", "z", NULL);
}

static void required_source_absent(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToyLin", "hole", "- w", "z", NULL);
}

static void too_many_results(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToyLin", "many", "x w", "z1 z2", NULL);
}

static void no_results(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "mute", "x", "-", NULL);
}

static void shapes_do_not_fit(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "sum", "x y", "z", NULL);
    onnx_output(file, "z");
}

/* ---- attributes ---------------------------------------------------------------------------- */

static void with_attrs(struct onnx_file *file, struct pb *attrs)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    onnx_floats(file, "w", "2,3", weights, 6);
    onnx_node(file, "ToyLin", "lin", "x w", "y", attrs);
    onnx_output(file, "y");
}

static void unknown_attr(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_attr_int(&attrs, "bogus", 1);
    with_attrs(file, &attrs);
}

static void attr_of_wrong_type(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_attr_float(&attrs, "axis", 1);
    with_attrs(file, &attrs);
}

static void attr_twice(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_attr_int(&attrs, "axis", 1);
    onnx_attr_int(&attrs, "axis", 2);
    with_attrs(file, &attrs);
}

static void attr_without_type(struct onnx_file *file)
{
    struct pb attrs = {0};
    struct pb attr = {0};
    pb_text(&attr, 1, "axis");
    pb_message(&attrs, 5, &attr);
    with_attrs(file, &attrs);
}

static void attr_with_zero(struct onnx_file *file)
{
    struct pb attrs = {0};
    struct pb attr = {0};
    pb_text(&attr, 1, "mode");
    pb_bytes(&attr, 4, "a\0b", 3);
    pb_int(&attr, 20, 3);
    pb_message(&attrs, 5, &attr);
    with_attrs(file, &attrs);
}

static void attr_that_ended(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_attr_int(&attrs, "old", 1);
    with_attrs(file, &attrs);
}

static void attr_with_subgraph(struct onnx_file *file)
{
    struct pb attrs = {0};
    struct pb attr = {0};
    pb_text(&attr, 1, "axis");
    pb_text(&attr, 6, "");
    pb_int(&attr, 20, 5);
    pb_message(&attrs, 5, &attr);
    with_attrs(file, &attrs);
}

static void attr_of_function(struct onnx_file *file)
{
    struct pb attrs = {0};
    struct pb attr = {0};
    pb_text(&attr, 1, "axis");
    pb_text(&attr, 21, "outer");
    pb_int(&attr, 20, 2);
    pb_message(&attrs, 5, &attr);
    with_attrs(file, &attrs);
}

static void required_attr_missing(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToyData", "data", "", "z", NULL);
}

static void attr_tensor_missing(struct onnx_file *file)
{
    broken_sound(file);
    struct pb attrs = {0};
    struct pb attr = {0};
    pb_text(&attr, 1, "value");
    pb_int(&attr, 20, 4);
    pb_message(&attrs, 5, &attr);
    onnx_node(file, "ToyData", "data", "", "z", &attrs);
}

static const struct broken table[] = {
    {"unknown operators",
     unknown_operators,
     COP_EUNSUPPORTED,
     "2 operators are not supported: Bar (node 'b'), Foo (node 'a' and 1 more)"},
    {"foreign domain",
     foreign_domain,
     COP_EUNSUPPORTED,
     "1 operator is not supported: com.example.ToySum (node 'fused')"},
    {"no operator", no_operator, COP_EUNSUPPORTED, "1 operator is not supported"},
    {"cycle", cycle, COP_EFORMAT, "depends on itself"},
    {"own result", own_result, COP_EFORMAT, "node 'snake' depends on itself"},
    {"unknown source",
     unknown_source,
     COP_EFORMAT,
     "node 'lost' (ToySum): reads 'nowhere'"},
    {"too few sources", too_few_sources, COP_EFORMAT, "node 'few'"},
    {"too many sources", too_many_sources, COP_EFORMAT, "node 'many'"},
    {"required source absent", required_source_absent, COP_EFORMAT, "node 'hole'"},
    {"too many results",
     too_many_results,
     COP_EUNSUPPORTED,
     "node 'many' (ToyLin): asks for 2 results, 1 is supported"},
    {"no results", no_results, COP_EFORMAT, "has no results"},
    {"shapes",
     shapes_do_not_fit,
     COP_ESHAPE,
     "node 'sum' (ToySum): source 1 has another shape"},
    {"unknown attribute",
     unknown_attr,
     COP_EUNSUPPORTED,
     "node 'lin' (ToyLin): attribute 'bogus': not supported"},
    {"attribute type",
     attr_of_wrong_type,
     COP_EFORMAT,
     "attribute 'axis': is float, needs int"},
    {"attribute twice", attr_twice, COP_EFORMAT, "attribute 'axis': given twice"},
    {"untyped attribute", attr_without_type, COP_EFORMAT, "attribute 'axis'"},
    {"attribute with zero",
     attr_with_zero,
     COP_EFORMAT,
     "attribute 'mode': text holds a zero"},
    {"ended attribute",
     attr_that_ended,
     COP_EFORMAT,
     "attribute 'old': ended with opset 12, the model has opset 13"},
    {"subgraph", attr_with_subgraph, COP_EUNSUPPORTED, "subgraphs are not supported"},
    {"function", attr_of_function, COP_EUNSUPPORTED, "function"},
    {"missing attribute",
     required_attr_missing,
     COP_EFORMAT,
     "attribute 'value' is missing"},
    {"missing tensor",
     attr_tensor_missing,
     COP_EFORMAT,
     "attribute 'value': tensor is missing"},
};

static void test_table(void **state)
{
    (void)state;
    broken_check(table, sizeof table / sizeof *table);
}

int run_broken_node_tests(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests_name("broken nodes", tests, NULL, NULL);
}
