/* tests/importers/external_test.c - tensors in other files: what is shipped beside the
 * model is read, whatever lies elsewhere is not. */
#include "importers_tests.h"
#include "support/onnx_bytes.h"
#include "support/test.h"
#include "support/toy_ops.h"

#include "importers/onnx_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const float weights[6] = {1, 2, 3, 4, 5, 6};

static void put_entry(struct pb *tensor, const char *key, const char *text)
{
    struct pb entry = {0};
    if (text == NULL) return;
    pb_text(&entry, 1, key);
    pb_text(&entry, 2, text);
    pb_message(tensor, 13, &entry);
}

/* A model whose weights [2][3] lie at a location; NULL leaves an entry away. */
static struct cop_buf *model_with(
    const char *location, const char *offset, const char *length)
{
    struct onnx_file file;
    onnx_begin(&file);
    onnx_input(&file, "x", 1, "N,3");
    struct pb tensor = onnx_tensor("w", 1, "2,3");
    put_entry(&tensor, "location", location);
    put_entry(&tensor, "offset", offset);
    put_entry(&tensor, "length", length);
    pb_int(&tensor, 14, 1);
    onnx_constant(&file, &tensor);
    onnx_node(&file, "ToyLin", "lin", "x w", "y", NULL);
    onnx_output(&file, "y");
    return onnx_finish(&file);
}

static void write_file(
    const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Reads folder/model/net.onnx made by model_with. */
static enum cop_status read_from(
    const char *folder,
    struct cop_buf *model,
    struct cop_graph **graph,
    struct cop_err *err)
{
    char path[512];
    write_file(folder, "model/net.onnx", cop_buf_data(model), cop_buf_bytes(model));
    cop_buf_release(model);
    (void)snprintf(path, sizeof path, "%s/model/net.onnx", folder);
    return cop_onnx_read_file(path, &toy_set, graph, err);
}

/* folder/secret.bin and folder/model/ with w.bin, sub/w.bin and links to the secret. */
static void make_tree(char folder[256])
{
    char path[512];
    char padded[8 + sizeof weights];
    test_make_dir(folder);
    memset(padded, 0, 8);
    memcpy(padded + 8, weights, sizeof weights);
    (void)snprintf(path, sizeof path, "%s/model", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/model/sub", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(folder, "secret.bin", weights, sizeof weights);
    write_file(folder, "model/w.bin", weights, sizeof weights);
    write_file(folder, "model/sub/w.bin", padded, sizeof padded);
    (void)snprintf(path, sizeof path, "%s/model/link.bin", folder);
    assert_int_equal(symlink("../secret.bin", path), 0);
    (void)snprintf(path, sizeof path, "%s/model/up", folder);
    assert_int_equal(symlink("..", path), 0);
    (void)snprintf(path, sizeof path, "%s/model/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void test_read(void **state)
{
    (void)state;
    static const struct {
        const char *location;
        const char *offset;
        const char *length;
    } cases[] = {
        {"w.bin", NULL, NULL},
        {"w.bin", "0", "24"},
        {"sub/w.bin", "8", NULL},
        {"sub/w.bin", "8", "24"},
        {"./w.bin", NULL, NULL},
    };
    char folder[256];
    make_tree(folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cop_err err;
        struct cop_graph *graph = NULL;
        struct cop_buf *model =
            model_with(cases[i].location, cases[i].offset, cases[i].length);
        assert_ok(read_from(folder, model, &graph, &err));
        const struct cop_value *w = cop_graph_find_value(graph, "w");
        assert_memory_equal(cop_buf_data(w->data), weights, sizeof weights);
        cop_graph_destroy(graph);
    }
    test_remove_dir(folder);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *location;
        const char *offset;
        const char *length;
        enum cop_status status;
        const char *text;
    } cases[] = {
        {"../secret.bin", NULL, NULL, COP_EUNSUPPORTED, "not below the model's folder"},
        {"sub/../../secret.bin", NULL, NULL, COP_EUNSUPPORTED, "not below"},
        {"/etc/hostname", NULL, NULL, COP_EUNSUPPORTED, "not below"},
        {"", NULL, NULL, COP_EUNSUPPORTED, "not below"},
        {"sub//w.bin", NULL, NULL, COP_EUNSUPPORTED, "not below"},
        {"sub/", NULL, NULL, COP_EUNSUPPORTED, "not below"},
        {"link.bin", NULL, NULL, COP_EUNSUPPORTED, "behind a link"},
        {"up/secret.bin", NULL, NULL, COP_EUNSUPPORTED, "behind a link"},
        {"missing.bin", NULL, NULL, COP_ENOTFOUND, "missing.bin"},
        {"sub", NULL, NULL, COP_EIO, "not a regular file"},
        {"pipe", NULL, NULL, COP_EIO, "not a regular file"},
        {"w.bin", "4", NULL, COP_EFORMAT, "has 24 bytes, the tensor wants 24 at 4"},
        {"w.bin", "9223372036854775807", NULL, COP_EFORMAT, "has 24 bytes"},
        {"w.bin", "99999999999999999999", NULL, COP_EFORMAT, "is not a size"},
        {"w.bin", "-4", NULL, COP_EFORMAT, "is not a size"},
        {"w.bin", "4x", NULL, COP_EFORMAT, "is not a size"},
        {"w.bin", "0", "20", COP_EFORMAT, "external length is 20"},
        {NULL, NULL, NULL, COP_EFORMAT, "no location"},
    };
    char folder[256];
    make_tree(folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cop_err err;
        struct cop_graph *graph = NULL;
        struct cop_buf *model =
            model_with(cases[i].location, cases[i].offset, cases[i].length);
        assert_fails(read_from(folder, model, &graph, &err), cases[i].status);
        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("'%s' does not tell '%s'", err.text, cases[i].text);
        assert_non_null(strstr(err.text, "net.onnx: tensor 'w': "));
    }
    test_remove_dir(folder);
}

/* ---- the callback -------------------------------------------------------------------------- */

struct asked {
    const char *location;
    int64_t offset;
    int64_t length;
    size_t give;
};

static enum cop_status give(
    void *context,
    const char *location,
    int64_t offset,
    int64_t length,
    struct cop_buf **data,
    struct cop_err *err)
{
    struct asked *asked = context;
    if (asked->give == 0) return COP_FAIL(err, COP_ESTORE, "no chunk '%s'", location);
    assert_string_equal(location, asked->location);
    asked->offset = offset;
    asked->length = length;
    COP_TRY(cop_buf_create(asked->give, data, err));
    memcpy(cop_buf_mutable(*data), weights, asked->give);
    return COP_OK;
}

static void test_callback(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct asked asked = {.location = "blob:7", .give = sizeof weights};
    struct cop_onnx_read_options options = {
        .external = give,
        .external_context = &asked,
    };
    struct cop_buf *model = model_with("blob:7", "64", NULL);
    assert_ok(cop_onnx_read_bytes(model, &toy_set, &options, &graph, &err));
    assert_int_equal(asked.offset, 64);
    assert_int_equal(asked.length, 24);
    const struct cop_value *w = cop_graph_find_value(graph, "w");
    assert_memory_equal(cop_buf_data(w->data), weights, sizeof weights);
    cop_graph_destroy(graph);
    graph = NULL;
    asked.give = 20; /* one element short */
    assert_fails(
        cop_onnx_read_bytes(model, &toy_set, &options, &graph, &err), COP_EFORMAT);
    asked.give = 0;
    assert_fails(
        cop_onnx_read_bytes(model, &toy_set, &options, &graph, &err), COP_ESTORE);
    assert_string_equal(err.text, "model: tensor 'w': no chunk 'blob:7'");
    cop_buf_release(model);
}

int run_external_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_callback),
    };
    return cmocka_run_group_tests_name("external", tests, NULL, NULL);
}
