/* tests/importers/broken.c - see broken.h. */
#include "broken.h"

#include "support/test.h"
#include "support/toy_ops.h"

#include "importers/onnx_read.h"

#include <string.h>

static const float weights[6] = {1, 2, 3, 4, 5, 6};

void broken_sound(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", 1, "N,3");
    onnx_floats(file, "w", "2,3", weights, 6);
    onnx_node(file, "ToyLin", "lin", "x w", "y", NULL);
    onnx_output(file, "y");
}

void broken_check(const struct broken *table, size_t n)
{
    int n_wrong = 0;
    for (size_t i = 0; i < n; i++) {
        struct onnx_file file;
        struct cop_err err = {.text = ""};
        struct cop_graph *graph = NULL;
        table[i].make(&file);
        struct cop_buf *bytes = onnx_finish(&file);
        struct cop_onnx_read_options options = {.file_name = "net.onnx"};
        enum cop_status status =
            cop_onnx_read_bytes(bytes, &toy_set, &options, &graph, &err);
        cop_buf_release(bytes);
        bool is_right = status == table[i].status &&
                        strncmp(err.text, "net.onnx: ", 10) == 0 &&
                        strstr(err.text, table[i].text) != NULL && graph == NULL;
        if (is_right) continue;
        n_wrong++;
        print_error(
            "%s: got '%s' (%s), wanted '%s' with '%s'\n",
            table[i].title,
            cop_status_text(status),
            err.text,
            cop_status_text(table[i].status),
            table[i].text);
        if (status == COP_OK) cop_graph_destroy(graph);
    }
    assert_int_equal(n_wrong, 0);
}
