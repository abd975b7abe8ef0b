/* tests/importers/broken_test.c - one broken or unsupported file per reason to refuse, each
 * with its exact status and what the message must tell. */
#include "broken.h"
#include "importers_tests.h"
#include "support/onnx_bytes.h"
#include "support/test.h"
#include "support/toy_ops.h"

#include "importers/onnx_read.h"

#include <stdio.h>
#include <string.h>

enum { FLOAT = 1 };

static const float weights[6] = {1, 2, 3, 4, 5, 6};

/* ---- the frame ---------------------------------------------------------------------------- */

static void no_ir_version(struct onnx_file *file)
{
    broken_sound(file);
    file->ir_version = 0;
}

static void ancient_ir_version(struct onnx_file *file)
{
    broken_sound(file);
    file->ir_version = 2;
}

static void no_opset(struct onnx_file *file)
{
    broken_sound(file);
    file->opset = 0;
}

static void opset_too_old(struct onnx_file *file)
{
    broken_sound(file);
    file->opset = 8;
}

static void opset_too_new(struct onnx_file *file)
{
    broken_sound(file);
    file->opset = 22;
}

static void opset_negative(struct onnx_file *file)
{
    broken_sound(file);
    file->opset = -5;
}

static void two_opsets(struct onnx_file *file)
{
    broken_sound(file);
    struct pb opset = {0};
    pb_text(&opset, 1, "ai.onnx");
    pb_int(&opset, 2, 13);
    pb_message(&file->trailer, 8, &opset);
}

static void nothing_in_it(struct onnx_file *file)
{
    onnx_begin(file);
}

static void two_graphs(struct onnx_file *file)
{
    broken_sound(file);
    pb_text(&file->trailer, 7, "");
}

static void garbage_behind(struct onnx_file *file)
{
    broken_sound(file);
    pb_raw(&file->trailer, "\xff\xff\xff", 3);
}

static void wrong_wire_type(struct onnx_file *file)
{
    broken_sound(file);
    pb_int(&file->graph, 1, 5); /* a node that is a number */
}

static void name_not_text(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "bad\xff", "x", "z", NULL);
}

static void name_with_zero(struct onnx_file *file)
{
    broken_sound(file);
    pb_bytes(&file->graph, 2, "a\0b", 3);
}

/* ---- values -------------------------------------------------------------------------------- */

static void open_axis(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3,H");
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void open_axis_without_name(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "1,3,?");
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void scalar_input(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "");
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void string_input(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", 8, "N,3");
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void sequence_input(struct onnx_file *file)
{
    onnx_begin(file);
    struct pb type = {0};
    struct pb info = {0};
    pb_text(&type, 4, "");
    pb_text(&info, 1, "x");
    pb_message(&info, 2, &type);
    pb_message(&file->graph, 11, &info);
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void shapeless_input(struct onnx_file *file)
{
    onnx_begin(file);
    struct pb tensor = {0};
    struct pb type = {0};
    struct pb info = {0};
    pb_int(&tensor, 1, FLOAT);
    pb_message(&type, 1, &tensor);
    pb_text(&info, 1, "x");
    pb_message(&info, 2, &type);
    pb_message(&file->graph, 11, &info);
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void huge_input(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,1099511627776,2");
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void deep_input(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,1,1,1,1,1,1,1,1");
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
    onnx_output(file, "y");
}

static void no_inputs(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_floats(file, "w", "2,3", weights, 6);
    onnx_node(file, "ToySum", "sum", "w", "y", NULL);
    onnx_output(file, "y");
}

static void input_twice(struct onnx_file *file)
{
    broken_sound(file);
    onnx_input(file, "x", FLOAT, "N,3");
}

static void no_outputs(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    onnx_node(file, "ToySum", "sum", "x", "y", NULL);
}

static void unknown_output(struct onnx_file *file)
{
    broken_sound(file);
    onnx_output(file, "nothing");
}

static void output_twice(struct onnx_file *file)
{
    broken_sound(file);
    onnx_output(file, "y");
}

static void made_twice(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "again", "x", "y", NULL);
}

static void constant_twice(struct onnx_file *file)
{
    broken_sound(file);
    onnx_floats(file, "w", "2,3", weights, 6);
}

static void overwrites_input(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "over", "y", "x", NULL);
}

static void overwrites_constant(struct onnx_file *file)
{
    broken_sound(file);
    onnx_node(file, "ToySum", "over", "x", "w", NULL);
}

/* ---- tensors ------------------------------------------------------------------------------- */

static void with_tensor(struct onnx_file *file, struct pb *tensor)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    onnx_constant(file, tensor);
    onnx_node(file, "ToyLin", "lin", "x w", "y", NULL);
    onnx_output(file, "y");
}

static void raw_too_short(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    pb_bytes(&t, 9, weights, 20);
    with_tensor(file, &t);
}

static void list_too_short(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    pb_bytes(&t, 4, weights, 20);
    with_tensor(file, &t);
}

static void list_cut(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    pb_bytes(&t, 4, weights, 23);
    with_tensor(file, &t);
}

static void list_of_wrong_type(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "1");
    pb_int(&t, 4, 1);
    with_tensor(file, &t);
}

static void raw_and_list(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    pb_bytes(&t, 9, weights, 24);
    pb_bytes(&t, 4, weights, 24);
    with_tensor(file, &t);
}

static void raw_as_number(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    pb_int(&t, 9, 5);
    with_tensor(file, &t);
}

static void no_elements(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    with_tensor(file, &t);
}

static void huge_without_elements(struct onnx_file *file)
{
    struct pb t =
        onnx_tensor("w", FLOAT, "1048576,1048576"); /* 4 TiB, allowed in itself */
    pb_bytes(&t, 9, weights, 24);
    with_tensor(file, &t);
}

static void overflowing_dims(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "4611686018427387904,4");
    pb_bytes(&t, 9, weights, 24);
    with_tensor(file, &t);
}

static void negative_dim(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "-2,-3");
    pb_bytes(&t, 9, weights, 24);
    with_tensor(file, &t);
}

static void nine_dims(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "1,1,1,1,1,1,1,2,3");
    pb_bytes(&t, 9, weights, 24);
    with_tensor(file, &t);
}

static void untyped_tensor(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", 0, "2,3");
    pb_bytes(&t, 9, weights, 24);
    with_tensor(file, &t);
}

static void string_tensor(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", 8, "1");
    pb_text(&t, 6, "text");
    with_tensor(file, &t);
}

static void segmented_tensor(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    pb_text(&t, 3, "");
    with_tensor(file, &t);
}

static void nameless_tensor(struct onnx_file *file)
{
    struct pb t = onnx_tensor(NULL, FLOAT, "2,3");
    pb_bytes(&t, 9, weights, 24);
    with_tensor(file, &t);
}

static void sparse(struct onnx_file *file)
{
    broken_sound(file);
    pb_text(&file->graph, 15, "");
}

static void external_from_memory(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    struct pb entry = {0};
    pb_text(&entry, 1, "location");
    pb_text(&entry, 2, "weights.bin");
    pb_message(&t, 13, &entry);
    pb_int(&t, 14, 1);
    with_tensor(file, &t);
}

static void external_without_location(struct onnx_file *file)
{
    struct pb t = onnx_tensor("w", FLOAT, "2,3");
    pb_int(&t, 14, 1);
    with_tensor(file, &t);
}

static const struct broken table[] = {
    {"no IR version", no_ir_version, COP_EFORMAT, "no IR version"},
    {"ancient", ancient_ir_version, COP_EUNSUPPORTED, "IR version 2"},
    {"no opset", no_opset, COP_EFORMAT, "no opset"},
    {"opset 8",
     opset_too_old,
     COP_EUNSUPPORTED,
     "ToyLin of opset 8, known from 9 to 21 (node 'lin')"},
    {"opset 22",
     opset_too_new,
     COP_EUNSUPPORTED,
     "ToyLin of opset 22, known from 9 to 21 (node 'lin')"},
    {"opset -5", opset_negative, COP_EFORMAT, "opset -5"},
    {"two opsets", two_opsets, COP_EFORMAT, "two opsets"},
    {"nothing in it", nothing_in_it, COP_EUNSUPPORTED, "no inputs"},
    {"two graphs", two_graphs, COP_EFORMAT, "more than 1 times graph"},
    {"garbage behind", garbage_behind, COP_EFORMAT, "not a sound ONNX file: cut off"},
    {"wrong wire type", wrong_wire_type, COP_EFORMAT, "node is damaged at byte"},
    {"name not text", name_not_text, COP_EFORMAT, "node name at byte"},
    {"name with zero", name_with_zero, COP_EFORMAT, "not UTF-8"},
    {"open axis", open_axis, COP_EUNSUPPORTED, "input 'x': axis 2 is open 'H'"},
    {"open axis, no name", open_axis_without_name, COP_EUNSUPPORTED, "axis 2 is open"},
    {"scalar input", scalar_input, COP_EUNSUPPORTED, "input 'x': is a scalar"},
    {"string input", string_input, COP_EUNSUPPORTED, "element type 8"},
    {"sequence input", sequence_input, COP_EUNSUPPORTED, "input 'x': is not a tensor"},
    {"shapeless input", shapeless_input, COP_EUNSUPPORTED, "input 'x': has no shape"},
    {"huge input", huge_input, COP_ESHAPE, "input 'x'"},
    {"nine axes", deep_input, COP_EUNSUPPORTED, "has 9 axes"},
    {"no inputs", no_inputs, COP_EUNSUPPORTED, "no inputs"},
    {"input twice", input_twice, COP_EFORMAT, "value 'x' is defined twice"},
    {"no outputs", no_outputs, COP_EFORMAT, "no outputs"},
    {"unknown output", unknown_output, COP_EFORMAT, "output 'nothing'"},
    {"output twice", output_twice, COP_EFORMAT, "output 'y' is listed twice"},
    {"made twice",
     made_twice,
     COP_EFORMAT,
     "value 'y' is made twice, by nodes 'lin' and 'again'"},
    {"constant twice", constant_twice, COP_EFORMAT, "value 'w' is defined twice"},
    {"overwrites input", overwrites_input, COP_EFORMAT, "node 'lin' depends on itself"},
    {"overwrites constant",
     overwrites_constant,
     COP_EFORMAT,
     "value 'w' is defined twice"},
    {"raw too short",
     raw_too_short,
     COP_EFORMAT,
     "tensor 'w': 6 elements need 24 bytes, the file has 20"},
    {"list too short",
     list_too_short,
     COP_EFORMAT,
     "shape asks for 6 elements, the file has 5"},
    {"list cut", list_cut, COP_EFORMAT, "cut off"},
    {"list of wrong type", list_of_wrong_type, COP_EFORMAT, "elements are damaged"},
    {"raw and list", raw_and_list, COP_EFORMAT, "both raw and listed"},
    {"raw as number", raw_as_number, COP_EFORMAT, "raw elements are damaged"},
    {"no elements", no_elements, COP_EFORMAT, "the file has 0"},
    {"huge", huge_without_elements, COP_EFORMAT, "the file has 24"},
    {"overflowing dims", overflowing_dims, COP_ESHAPE, "tensor 'w'"},
    {"negative dim", negative_dim, COP_ESHAPE, "tensor 'w'"},
    {"nine dims", nine_dims, COP_EUNSUPPORTED, "has 9 axes"},
    {"untyped tensor", untyped_tensor, COP_EFORMAT, "no element type"},
    {"string tensor", string_tensor, COP_EUNSUPPORTED, "element type 8"},
    {"segmented", segmented_tensor, COP_EUNSUPPORTED, "segmented"},
    {"nameless tensor", nameless_tensor, COP_EFORMAT, "has no name"},
    {"sparse", sparse, COP_EUNSUPPORTED, "sparse"},
    {"external", external_from_memory, COP_EUNSUPPORTED, "'weights.bin'"},
    {"no location", external_without_location, COP_EFORMAT, "no location"},
};

static void test_table(void **state)
{
    (void)state;
    broken_check(table, sizeof table / sizeof *table);
}

/* The file that the broken ones were made from is sound. */
static void test_sound(void **state)
{
    (void)state;
    struct cop_err err;
    struct onnx_file file;
    struct cop_graph *graph = NULL;
    broken_sound(&file);
    struct cop_buf *bytes = onnx_finish(&file);
    assert_ok(cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err));
    cop_graph_destroy(graph);
    cop_buf_release(bytes);
}

static void test_not_onnx(void **state)
{
    (void)state;
    static const char *const files[] = {
        "", "hello", "\x89PNG\r\n\x1a\n", "#!/bin/sh\necho\n", "\x80\x04\x95"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct cop_err err;
        struct cop_graph *graph = NULL;
        struct pb pb = {0};
        pb_raw(&pb, files[i], strlen(files[i]));
        struct cop_buf *bytes = pb_buf(&pb);
        assert_fails(
            cop_onnx_read_bytes(bytes, &toy_set, NULL, &graph, &err), COP_EFORMAT);
        cop_buf_release(bytes);
    }
}

/* So many unknown operators that they do not fit: still one line, the right number, and the
 * whole list where it was asked for. */
static void test_many_unknown(void **state)
{
    (void)state;
    struct cop_err err;
    struct onnx_file file;
    struct cop_graph *graph = NULL;
    broken_sound(&file);
    for (int i = 0; i < 1000; i++) {
        char op[32];
        char value[32];
        (void)snprintf(op, sizeof op, "Unknown%d", i / 2);
        (void)snprintf(value, sizeof value, "v%d", i);
        onnx_node(&file, op, value, "x", value, NULL);
    }
    struct cop_buf *bytes = onnx_finish(&file);
    struct cop_text all;
    cop_text_init(&all, 1 << 16);
    const struct cop_onnx_read_options options = {.unsupported = &all};
    assert_fails(
        cop_onnx_read_bytes(bytes, &toy_set, &options, &graph, &err), COP_EUNSUPPORTED);
    assert_non_null(
        strstr(err.text, "500 operators are not supported: Unknown0 (node"));
    int n_lines = 0;
    for (size_t i = 0; i < all.n; i++)
        n_lines += all.bytes[i] == '\n';
    assert_int_equal(n_lines, 500);
    for (int i = 0; i < 500; i++) {
        char line[64];
        (void)snprintf(
            line, sizeof line, "Unknown%d: node 'v%d', 'v%d'\n", i, 2 * i, 2 * i + 1);
        assert_non_null(strstr(all.bytes, line));
    }
    cop_text_clear(&all);
    cop_buf_release(bytes);
}

static void test_no_such_file(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = NULL;
    assert_fails(
        cop_onnx_read_file("no/such/file.onnx", &toy_set, &graph, &err), COP_ENOTFOUND);
    assert_non_null(strstr(err.text, "no/such/file.onnx"));
    assert_fails(cop_onnx_read_file("/", &toy_set, &graph, &err), COP_EIO);
}

int run_broken_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_not_onnx),
        cmocka_unit_test(test_many_unknown),
        cmocka_unit_test(test_no_such_file),
    };
    return cmocka_run_group_tests_name("broken", tests, NULL, NULL);
}
