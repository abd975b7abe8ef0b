/* tests/support/onnx_bytes.c - see onnx_bytes.h. */
#include "support/onnx_bytes.h"

#include "support/test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- protobuf ---------------------------------------------------------------------------- */

void pb_raw(struct pb *pb, const void *bytes, size_t n)
{
    if (pb->n + n > pb->cap) {
        pb->cap = 2 * (pb->n + n) + 64;
        pb->at = realloc(pb->at, pb->cap);
        if (pb->at == NULL) fail_msg("out of memory");
    }
    if (n > 0) memcpy(pb->at + pb->n, bytes, n);
    pb->n += n;
}

void pb_varint(struct pb *pb, uint64_t number)
{
    uint8_t byte;
    for (; number > 0x7f; number >>= 7) {
        byte = (uint8_t)(0x80U | (number & 0x7fU));
        pb_raw(pb, &byte, 1);
    }
    byte = (uint8_t)number;
    pb_raw(pb, &byte, 1);
}

void pb_key(struct pb *pb, uint32_t field, uint32_t wire_type)
{
    pb_varint(pb, (uint64_t)field << 3 | wire_type);
}

void pb_int(struct pb *pb, uint32_t field, int64_t number)
{
    pb_key(pb, field, 0);
    pb_varint(pb, (uint64_t)number);
}

void pb_float(struct pb *pb, uint32_t field, float number)
{
    pb_key(pb, field, 5);
    pb_raw(pb, &number, sizeof number);
}

void pb_bytes(struct pb *pb, uint32_t field, const void *bytes, size_t n)
{
    pb_key(pb, field, 2);
    pb_varint(pb, n);
    pb_raw(pb, bytes, n);
}

void pb_text(struct pb *pb, uint32_t field, const char *text)
{
    pb_bytes(pb, field, text, strlen(text));
}

void pb_message(struct pb *pb, uint32_t field, struct pb *message)
{
    pb_bytes(pb, field, message->at, message->n);
    pb_free(message);
}

void pb_free(struct pb *pb)
{
    free(pb->at);
    *pb = (struct pb){0};
}

struct cop_buf *pb_buf(struct pb *pb)
{
    struct cop_buf *buf = NULL;
    if (cop_buf_create(pb->n, &buf, NULL) != COP_OK) fail_msg("out of memory");
    if (pb->n > 0) memcpy(cop_buf_mutable(buf), pb->at, pb->n);
    pb_free(pb);
    return buf;
}

/* ---- models ------------------------------------------------------------------------------- */

void onnx_begin(struct onnx_file *file)
{
    *file = (struct onnx_file){.ir_version = 8, .opset = 13};
}

struct cop_buf *onnx_finish(struct onnx_file *file)
{
    struct pb model = {0};
    if (file->ir_version != 0) pb_int(&model, 1, file->ir_version);
    if (file->opset != 0) {
        struct pb opset = {0};
        pb_text(&opset, 1, "");
        pb_int(&opset, 2, file->opset);
        pb_message(&model, 8, &opset);
    }
    pb_message(&model, 7, &file->graph);
    pb_raw(&model, file->trailer.at, file->trailer.n);
    pb_free(&file->trailer);
    return pb_buf(&model);
}

/* Calls for each part of a list. */
static void each_part(
    const char *list,
    char separator,
    void (*visit)(struct pb *pb, const char *part),
    struct pb *pb)
{
    char part[128];
    if (list == NULL || list[0] == '\0') return;
    for (const char *at = list;;) {
        const char *end = strchr(at, separator);
        size_t n = end != NULL ? (size_t)(end - at) : strlen(at);
        assert_true(n < sizeof part);
        (void)snprintf(part, sizeof part, "%.*s", (int)n, at);
        visit(pb, part);
        if (end == NULL) return;
        at = end + 1;
    }
}

static void put_dimension(struct pb *shape, const char *part)
{
    struct pb dim = {0};
    if (isalpha((unsigned char)part[0]))
        pb_text(&dim, 2, part);
    else if (part[0] != '?')
        pb_int(&dim, 1, strtoll(part, NULL, 10));
    pb_message(shape, 1, &dim);
}

void onnx_input(
    struct onnx_file *file, const char *name, int elem_type, const char *dims)
{
    struct pb shape = {0};
    struct pb tensor = {0};
    struct pb type = {0};
    struct pb info = {0};
    each_part(dims, ',', put_dimension, &shape);
    pb_int(&tensor, 1, elem_type);
    pb_message(&tensor, 2, &shape);
    pb_message(&type, 1, &tensor);
    pb_text(&info, 1, name);
    pb_message(&info, 2, &type);
    pb_message(&file->graph, 11, &info);
}

void onnx_output(struct onnx_file *file, const char *name)
{
    struct pb info = {0};
    pb_text(&info, 1, name);
    pb_message(&file->graph, 12, &info);
}

static void put_source(struct pb *node, const char *part)
{
    pb_text(node, 1, strcmp(part, "-") == 0 ? "" : part);
}

static void put_result(struct pb *node, const char *part)
{
    pb_text(node, 2, strcmp(part, "-") == 0 ? "" : part);
}

void onnx_node(
    struct onnx_file *file,
    const char *op_type,
    const char *name,
    const char *inputs,
    const char *outputs,
    struct pb *attrs)
{
    struct pb node = {0};
    each_part(inputs, ' ', put_source, &node);
    each_part(outputs, ' ', put_result, &node);
    pb_text(&node, 3, name);
    pb_text(&node, 4, op_type);
    if (attrs != NULL) {
        pb_raw(&node, attrs->at, attrs->n);
        pb_free(attrs);
    }
    pb_message(&file->graph, 1, &node);
}

static void put_extent(struct pb *tensor, const char *part)
{
    pb_int(tensor, 1, strtoll(part, NULL, 10));
}

struct pb onnx_tensor(const char *name, int elem_type, const char *dims)
{
    struct pb tensor = {0};
    each_part(dims, ',', put_extent, &tensor);
    pb_int(&tensor, 2, elem_type);
    if (name != NULL) pb_text(&tensor, 8, name);
    return tensor;
}

void onnx_constant(struct onnx_file *file, struct pb *tensor)
{
    pb_message(&file->graph, 5, tensor);
}

void onnx_floats(
    struct onnx_file *file,
    const char *name,
    const char *dims,
    const float *from,
    size_t n)
{
    struct pb tensor = onnx_tensor(name, 1, dims);
    pb_bytes(&tensor, 9, from, n * sizeof *from);
    onnx_constant(file, &tensor);
}

/* ---- attributes ---------------------------------------------------------------------------- */

static void finish_attr(struct pb *attrs, const char *name, int type, struct pb *attr)
{
    pb_text(attr, 1, name);
    pb_int(attr, 20, type);
    pb_message(attrs, 5, attr);
}

void onnx_attr_int(struct pb *attrs, const char *name, int64_t number)
{
    struct pb attr = {0};
    pb_int(&attr, 3, number);
    finish_attr(attrs, name, 2, &attr);
}

void onnx_attr_float(struct pb *attrs, const char *name, float number)
{
    struct pb attr = {0};
    pb_float(&attr, 2, number);
    finish_attr(attrs, name, 1, &attr);
}

void onnx_attr_text(struct pb *attrs, const char *name, const char *text)
{
    struct pb attr = {0};
    pb_text(&attr, 4, text);
    finish_attr(attrs, name, 3, &attr);
}

void onnx_attr_ints(struct pb *attrs, const char *name, const int64_t *from, size_t n)
{
    struct pb attr = {0};
    for (size_t i = 0; i < n; i++)
        pb_int(&attr, 8, from[i]);
    finish_attr(attrs, name, 7, &attr);
}

void onnx_attr_floats(struct pb *attrs, const char *name, const float *from, size_t n)
{
    struct pb attr = {0};
    for (size_t i = 0; i < n; i++)
        pb_float(&attr, 7, from[i]);
    finish_attr(attrs, name, 6, &attr);
}

void onnx_attr_tensor(struct pb *attrs, const char *name, struct pb *tensor)
{
    struct pb attr = {0};
    pb_message(&attr, 5, tensor);
    finish_attr(attrs, name, 4, &attr);
}
