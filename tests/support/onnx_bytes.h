/* tests/support/onnx_bytes.h - ONNX files made byte by byte, sound and broken ones.
 *
 * Field numbers are spelled out here once more, on purpose: tests that share the tables of
 * the code they test find nothing. */
#ifndef COP_TESTS_ONNX_BYTES_H
#define COP_TESTS_ONNX_BYTES_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/** A message being written; starts as {0}. */
struct pb {
    uint8_t *at;
    size_t n;
    size_t cap;
};

void pb_raw(struct pb *pb, const void *bytes, size_t n);
void pb_varint(struct pb *pb, uint64_t number);
void pb_key(struct pb *pb, uint32_t field, uint32_t wire_type);
void pb_int(struct pb *pb, uint32_t field, int64_t number);
void pb_float(struct pb *pb, uint32_t field, float number);
void pb_bytes(struct pb *pb, uint32_t field, const void *bytes, size_t n);
void pb_text(struct pb *pb, uint32_t field, const char *text);
/** Appends @p message as a field and empties it. */
void pb_message(struct pb *pb, uint32_t field, struct pb *message);
void pb_free(struct pb *pb);
/** The bytes as a buffer; empties @p pb. */
struct cop_buf *pb_buf(struct pb *pb);

/** A model being written.  Change members before onnx_finish to break it. */
struct onnx_file {
    int64_t ir_version;
    int64_t opset;     /* 0: no opset at all */
    struct pb graph;   /* fields of GraphProto */
    struct pb trailer; /* fields of ModelProto behind the rest */
};

/** IR 8, opset 13, nothing in the graph. */
void onnx_begin(struct onnx_file *file);
struct cop_buf *onnx_finish(struct onnx_file *file);

/** ONNX element type and dims like "N,3,?,-1": letters are names, ? is nothing at all. */
void onnx_input(
    struct onnx_file *file, const char *name, int elem_type, const char *dims);
void onnx_output(struct onnx_file *file, const char *name);
/** Operand names separated by spaces, "-" for an absent one; @p attrs (AttributeProtos as
 *  fields 5) is emptied, NULL for none. */
void onnx_node(
    struct onnx_file *file,
    const char *op_type,
    const char *name,
    const char *inputs,
    const char *outputs,
    struct pb *attrs);

/** The head of a TensorProto: dims like "2,3" (NULL: scalar), type, name. */
struct pb onnx_tensor(const char *name, int elem_type, const char *dims);
/** Adds the tensor to the initialisers and empties it. */
void onnx_constant(struct onnx_file *file, struct pb *tensor);
/** A float constant of raw bytes. */
void onnx_floats(
    struct onnx_file *file,
    const char *name,
    const char *dims,
    const float *from,
    size_t n);

/** Appends an AttributeProto to @p attrs as field 5. */
void onnx_attr_int(struct pb *attrs, const char *name, int64_t number);
void onnx_attr_float(struct pb *attrs, const char *name, float number);
void onnx_attr_text(struct pb *attrs, const char *name, const char *text);
void onnx_attr_ints(struct pb *attrs, const char *name, const int64_t *from, size_t n);
void onnx_attr_floats(struct pb *attrs, const char *name, const float *from, size_t n);
void onnx_attr_tensor(struct pb *attrs, const char *name, struct pb *tensor);

#endif
