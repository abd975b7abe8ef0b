/* tests/fuzz/fuzz_graph.c - what is done with every model that was read; see fuzz.h. */
#include "fuzz.h"

#include "exporters/onnx_write.h"
#include "importers/onnx_read.h"
#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_broken_promise(const char *what, const struct cop_err *err)
{
    (void)fprintf(
        stderr,
        "fuzz: %s: %s: '%s' (%s:%d)\n",
        what,
        cop_status_text(err->status),
        err->text,
        err->file != NULL ? err->file : "?",
        err->line);
    abort();
}

/* COP_ENOMEM is documented but means here that a small file asked for a lot. */
void fuzz_check_refusal(const struct cop_err *err)
{
    bool is_documented = err->status == COP_EFORMAT ||
                         err->status == COP_EUNSUPPORTED || err->status == COP_ESHAPE;
    if (!is_documented) fuzz_broken_promise("undocumented status", err);
    bool is_line = err->text[0] != '\0' && strchr(err->text, '\n') == NULL;
    if (!is_line || strncmp(err->text, "fuzz: ", 6) != 0)
        fuzz_broken_promise("text is not one line with the file's name", err);
}

struct cop_buf *fuzz_copy(const void *bytes, size_t n)
{
    struct cop_buf *buf = NULL;
    if (cop_buf_create(n, &buf, NULL) != COP_OK) abort();
    if (n > 0) memcpy(cop_buf_mutable(buf), bytes, n);
    return buf;
}

struct written {
    char *bytes;
    size_t n;
};

static enum cop_status collect(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    struct written *written = context;
    char *grown = realloc(written->bytes, written->n + n);
    if (grown == NULL) return COP_FAIL_NOMEM(err);
    memcpy(grown + written->n, bytes, n);
    written->bytes = grown;
    written->n += n;
    return COP_OK;
}

/* A graph that was accepted can be written, and what was written is accepted. */
static void write_and_read(const struct cop_graph *graph)
{
    struct cop_err err;
    struct written written = {0};
    struct cop_onnx_write_options options = {.sink = collect, .context = &written};
    enum cop_status status = cop_onnx_write(graph, &options, &err);
    if (status == COP_OK) {
        struct cop_graph *again = NULL;
        struct cop_buf *file = fuzz_copy(written.bytes, written.n);
        if (cop_onnx_read_bytes(file, &cop_ops_standard, NULL, &again, &err) != COP_OK)
            fuzz_broken_promise("not read back", &err);
        cop_graph_destroy(again);
        cop_buf_release(file);
    } else if (status != COP_EUNSUPPORTED) {
        fuzz_broken_promise("not written", &err);
    }
    free(written.bytes);
}

void fuzz_use_graph(struct cop_graph *graph)
{
    struct cop_err err;
    int64_t macs;
    enum cop_status status = cop_ops_simplify(graph, &err);
    if (status != COP_OK) {
        if (status != COP_ESHAPE && status != COP_EUNSUPPORTED)
            fuzz_broken_promise("not simplified", &err);
        return;
    }
    if (cop_graph_check(graph, &err) != COP_OK)
        fuzz_broken_promise("inconsistent after simplifying", &err);
    status = cop_graph_macs(graph, &macs, &err);
    if (status == COP_OK && macs < 0) fuzz_broken_promise("negative cost", &err);
    write_and_read(graph);
}
