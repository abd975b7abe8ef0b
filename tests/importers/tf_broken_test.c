/* tests/importers/tf_broken_test.c - TensorFlow graphs that are broken or not supported, one
 * per reason to refuse, each with its exact status and what the message must tell. */
#include "importers_tests.h"

#include "importers/tf_read.h"
#include "ops/ops.h"
#include "support/test.h"
#include "support/tf_bytes.h"

#include <stdio.h>
#include <string.h>

static const char image[] = "Placeholder x | dtype=#1 shape=<-1,4,4,3>\n";
static const char weights[] = "Const w | value={f*;3,3,3,2;~54}\n";
static const char conv[] = "Conv2D y x w | strides=[1,1,1,1] padding='SAME'\n";

static enum cop_status read_bytes(
    struct cop_buf *bytes,
    const char *input,
    const char *output,
    struct cop_graph **graph,
    struct cop_err *err)
{
    const struct cop_tf_input cut = {.name = input};
    const struct cop_tf_read_options options = {
        .inputs = &cut,
        .n_inputs = input != NULL,
        .outputs = &output,
        .n_outputs = output != NULL};
    *graph = NULL;
    *err = (struct cop_err){.text = ""};
    return cop_tf_read_bytes(bytes, "net.pb", &cop_ops_standard, &options, graph, err);
}

static const char *status_word(enum cop_status status)
{
    static const char *const words[] = {
#define WORD(name, text) #name,
        COP_STATUS_MAP(WORD)
#undef WORD
    };
    return words[status];
}

static bool is_line(const struct cop_err *err)
{
    return strncmp(err->text, "net.pb: ", 8) == 0 && strchr(err->text, '\n') == NULL;
}

/* ---- the table of graphs --------------------------------------------------------------- */

enum { MAX_LINE = 1000 };

struct broken_case {
    char title[MAX_LINE];
    char input[MAX_LINE]; /* "": none */
    char output[MAX_LINE];
    struct pb graph;
    char wanted[MAX_LINE]; /* status and message */
};

/* "--input x" and the like go into @p to. */
static bool take_word(const char *line, const char *start, char to[MAX_LINE])
{
    const size_t n = strlen(start);
    if (strncmp(line, start, n) != 0) return false;
    (void)snprintf(to, MAX_LINE, "%s", line + n);
    return true;
}

static bool read_case(FILE *file, struct broken_case *broken)
{
    char line[MAX_LINE];
    *broken = (struct broken_case){.title = ""};
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0') continue;
        if (take_word(line, "! ", broken->wanted)) return true;
        if (take_word(line, "= ", broken->title) ||
            take_word(line, "--input ", broken->input) ||
            take_word(line, "--output ", broken->output))
            continue;
        const char *const nodes = strcmp(line, "@x") == 0      ? image
                                  : strcmp(line, "@w") == 0    ? weights
                                  : strcmp(line, "@conv") == 0 ? conv
                                                               : line;
        tf_nodes(&broken->graph, nodes);
    }
    return false;
}

static bool is_refused(struct broken_case *broken)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    char status_name[32];
    int n = 0;
    if (sscanf(broken->wanted, "%31s %n", status_name, &n) != 1)
        fail_msg("%s: wants nothing", broken->title);
    struct cop_buf *bytes = pb_buf(&broken->graph);
    const enum cop_status status = read_bytes(
        bytes,
        broken->input[0] != '\0' ? broken->input : NULL,
        broken->output[0] != '\0' ? broken->output : NULL,
        &graph,
        &err);
    cop_buf_release(bytes);
    const bool is_right = strcmp(status_word(status), status_name) == 0 &&
                          is_line(&err) && strstr(err.text, broken->wanted + n) != NULL;
    if (!is_right)
        print_error(
            "%s: got %s %s\nwanted %s\n",
            broken->title,
            status_word(status),
            err.text,
            broken->wanted);
    if (status == COP_OK) cop_graph_destroy(graph);
    return is_right;
}

static void test_table(void **state)
{
    (void)state;
    static struct broken_case broken;
    int n = 0;
    int n_wrong = 0;
    FILE *const file = fopen("tf/broken", "r");
    assert_non_null(file);
    for (; read_case(file, &broken); n++)
        n_wrong += !is_refused(&broken);
    (void)fclose(file);
    assert_int_equal(n_wrong, 0);
    assert_true(n > 100);
}

/* ---- bytes ------------------------------------------------------------------------------------------- */

/* x, w, their convolution y, its Relu r. */
static struct pb sound(void)
{
    struct pb graph = tf_graph(image);
    tf_nodes(&graph, weights);
    tf_nodes(&graph, conv);
    tf_nodes(&graph, "Relu r y");
    return graph;
}

static bool is_documented(enum cop_status status)
{
    return status == COP_EFORMAT || status == COP_EINVAL ||
           status == COP_EUNSUPPORTED || status == COP_ESHAPE;
}

/* However many bytes are missing: one line, or a graph of the nodes that are whole. */
static void test_truncated(void **state)
{
    (void)state;
    struct pb whole = sound();
    tf_nodes(&whole, "Const e | value={f;2;1,2}");
    int n_read = 0;
    for (size_t n = 0; n < whole.n; n++) {
        struct cop_err err;
        struct cop_graph *graph = NULL;
        struct pb part = {0};
        pb_raw(&part, whole.at, n);
        struct cop_buf *bytes = pb_buf(&part);
        const enum cop_status status = read_bytes(bytes, NULL, NULL, &graph, &err);
        cop_buf_release(bytes);
        if (status != COP_OK && (!is_documented(status) || !is_line(&err)))
            fail_msg("%zu bytes: %s (%s)", n, cop_status_text(status), err.text);
        n_read += status == COP_OK;
        if (status == COP_OK) cop_graph_destroy(graph);
    }
    assert_int_equal(n_read, 2); /* up to y and up to r */
    pb_free(&whole);
}

static void expect(struct pb *pb, enum cop_status want, const char *text)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_buf *bytes = pb_buf(pb);
    const enum cop_status status = read_bytes(bytes, NULL, NULL, &graph, &err);
    cop_buf_release(bytes);
    if (status != want || (want != COP_OK && !is_line(&err)) ||
        strstr(err.text, text) == NULL)
        fail_msg("%s (%s), wanted '%s'", cop_status_text(status), err.text, text);
    if (status == COP_OK) cop_graph_destroy(graph);
}

static void test_other_files(void **state)
{
    (void)state;
    struct pb pb = {0};
    expect(&pb, COP_EFORMAT, "the file is empty");
    pb_raw(&pb, "\x80\x04\x95\x01\x02\x03", 6);
    expect(&pb, COP_EFORMAT, "not a sound TensorFlow graph");
    struct pb inner = sound();
    struct pb meta = {0};
    pb_int(&pb, 1, 1);
    pb_message(&meta, 2, &inner);
    pb_message(&pb, 2, &meta);
    expect(&pb, COP_EUNSUPPORTED, "a SavedModel, whose weights lie beside it");
    struct pb info = {0};
    pb_text(&info, 5, "2.21.0");
    inner = sound();
    pb_message(&pb, 1, &info); /* a MetaGraphDef, as beside a checkpoint */
    pb_message(&pb, 2, &inner);
    expect(&pb, COP_EFORMAT, "not a sound TensorFlow graph");
}

/* Fields of another wire type, and of numbers that nobody gave out. */
static void test_wire_types(void **state)
{
    (void)state;
    struct pb pb = sound();
    pb_int(&pb, 1, 5);
    expect(&pb, COP_OK, "");
    for (uint32_t field = 1; field <= 5; field++) {
        struct pb node = {0};
        pb = sound();
        pb_text(&node, 2, "Relu");
        pb_text(&node, 1, "z");
        pb_int(&node, field, 5);
        pb_message(&pb, 1, &node);
        /* The device, field 4, is read by nobody. */
        expect(
            &pb,
            field == 4 ? COP_OK : COP_EFORMAT,
            field == 4   ? ""
            : field == 5 ? "attribute at byte"
                         : "is not UTF-8 text");
    }
    pb = sound();
    pb_raw(&pb, "\x0a\xff\xff\xff\xff\x7f", 6);
    expect(&pb, COP_EFORMAT, "overruns its message");
    pb = sound();
    pb_raw(&pb, "\x0b", 1);
    expect(&pb, COP_EFORMAT, "not a sound TensorFlow graph");
    struct pb node = {0};
    pb = sound();
    pb_text(&node, 2, "Re\xfflu");
    pb_message(&pb, 1, &node);
    expect(&pb, COP_EFORMAT, "is not UTF-8 text");
}

/* A function in an attribute may hold attributes: as deep as the file says. */
static void test_deep_nesting(void **state)
{
    (void)state;
    enum { DEPTH = 5000 };
    struct pb inside = {0};
    pb_int(&inside, 3, 1);
    for (int i = 0; i < DEPTH; i++) {
        struct pb entry = {0};
        struct pb function = {0};
        struct pb value = {0};
        pb_text(&entry, 1, "f");
        pb_message(&entry, 2, &inside);
        pb_message(&function, 2, &entry);
        pb_message(&value, 10, &function);
        inside = value;
    }
    struct pb pb = tf_graph(image);
    struct pb node = {0};
    struct pb entry = {0};
    pb_text(&node, 1, "y");
    pb_text(&node, 2, "Relu");
    pb_text(&node, 3, "x");
    pb_text(&entry, 1, "f");
    pb_message(&entry, 2, &inside);
    pb_message(&node, 5, &entry);
    pb_message(&pb, 1, &node);
    expect(&pb, COP_OK, "");
}

static void test_counts(void **state)
{
    (void)state;
    enum { MOST = 1 << 16 };
    struct pb pb = sound();
    for (int i = 0; i < MOST; i++)
        pb_text(&pb, 1, "");
    expect(&pb, COP_EFORMAT, "more than 65536 nodes");
    pb = sound();
    struct pb node = {0};
    pb_text(&node, 1, "z");
    pb_text(&node, 2, "AddN");
    for (int i = 0; i < MOST * 33; i++)
        pb_text(&node, 3, "");
    pb_message(&pb, 1, &node);
    expect(&pb, COP_EFORMAT, "more than 2097152 inputs and attributes");
    char name[(1 << 16) + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    pb = sound();
    pb_text(&node, 1, name);
    pb_message(&pb, 1, &node);
    expect(&pb, COP_EFORMAT, "is too long: 65537 bytes");
}

/* A chain of thousands of nodes is walked without recursion. */
static void test_long_chain(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct pb pb = tf_graph(image);
    char line[64];
    for (int i = N; i > 0; i--) {
        (void)snprintf(
            line, sizeof line, i > 1 ? "Relu n%d n%d" : "Relu n%d x", i, i - 1);
        tf_nodes(&pb, line);
    }
    expect(&pb, COP_OK, "");
}

int run_tf_broken_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_wire_types),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_long_chain),
    };
    return cmocka_run_group_tests_name("tf broken", tests, NULL, NULL);
}
