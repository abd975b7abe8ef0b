/* tests/support/same_graph.c - see same_graph.h. */
#include "support/same_graph.h"

#include "support/test.h"

#include <string.h>

static void same_bytes(const char *what, const void *a, const void *b, size_t n)
{
    if (n > 0 && memcmp(a, b, n) != 0) fail_msg("%s: elements differ", what);
}

static void same_text(const char *what, const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        if (a != b) fail_msg("%s: one is absent", what);
        return;
    }
    if (strcmp(a, b) != 0) fail_msg("%s: '%s' and '%s'", what, a, b);
}

static void same_number(const char *what, int64_t a, int64_t b)
{
    if (a != b) fail_msg("%s: %lld and %lld", what, (long long)a, (long long)b);
}

static void same_shape(
    const char *what, const struct cop_shape *a, const struct cop_shape *b)
{
    char text_a[COP_SHAPE_TEXT];
    char text_b[COP_SHAPE_TEXT];
    if (!cop_shape_equal(a, b))
        fail_msg(
            "%s: %s and %s",
            what,
            cop_shape_print(a, text_a, sizeof text_a),
            cop_shape_print(b, text_b, sizeof text_b));
}

static void same_value(const struct cop_value *a, const struct cop_value *b)
{
    if (a == NULL || b == NULL) {
        if ((a == NULL) != (b == NULL))
            fail_msg("'%s' is absent in one", a != NULL ? a->name : b->name);
        return;
    }
    same_text("value", a->name, b->name);
    same_number(a->name, a->dtype, b->dtype);
    same_shape(a->name, &a->shape, &b->shape);
    same_number(a->name, a->is_input, b->is_input);
    same_number(a->name, a->is_output, b->is_output);
    same_number(a->name, a->is_batch_free, b->is_batch_free);
    same_number(a->name, a->data != NULL, b->data != NULL);
    if (a->data == NULL) return;
    same_number(
        a->name, (int64_t)cop_buf_bytes(a->data), (int64_t)cop_buf_bytes(b->data));
    same_bytes(
        a->name, cop_buf_data(a->data), cop_buf_data(b->data), cop_buf_bytes(a->data));
}

static void same_tensor(
    const char *what, const struct cop_fact *a, const struct cop_fact *b)
{
    same_number(what, a->dtype, b->dtype);
    same_shape(what, &a->shape, &b->shape);
    if (a->dtype == COP_DTYPE_NONE) return;
    size_t n = (size_t)cop_shape_n(&a->shape) * cop_dtype_bytes(a->dtype);
    same_bytes(what, a->data, b->data, n);
}

static void same_ints(
    const char *what, const struct cop_ints *a, const struct cop_ints *b)
{
    same_number(what, a->at != NULL, b->at != NULL);
    same_number(what, a->n, b->n);
    same_bytes(what, a->at, b->at, (size_t)a->n * sizeof *a->at);
}

static void same_floats(
    const char *what, const struct cop_floats *a, const struct cop_floats *b)
{
    same_number(what, a->at != NULL, b->at != NULL);
    same_number(what, a->n, b->n);
    same_bytes(what, a->at, b->at, (size_t)a->n * sizeof *a->at);
}

static void same_attr(
    const struct cop_attr_spec *spec, const void *attrs_a, const void *attrs_b)
{
    const void *a = (const char *)attrs_a + spec->offset;
    const void *b = (const char *)attrs_b + spec->offset;
    switch (spec->type) {
    case COP_ATTR_INT:
        same_number(spec->name, *(const int64_t *)a, *(const int64_t *)b);
        break;
    case COP_ATTR_FLOAT: same_bytes(spec->name, a, b, sizeof(float)); break;
    case COP_ATTR_STRING:
        same_text(spec->name, *(const char *const *)a, *(const char *const *)b);
        break;
    case COP_ATTR_INTS: same_ints(spec->name, a, b); break;
    case COP_ATTR_FLOATS: same_floats(spec->name, a, b); break;
    case COP_ATTR_TENSOR: same_tensor(spec->name, a, b); break;
    case COP_ATTR_END: break;
    }
}

static void same_node(const struct cop_node *a, const struct cop_node *b)
{
    same_text("node", a->name, b->name);
    same_text(a->name, a->op->name, b->op->name);
    same_number(a->name, a->n_src, b->n_src);
    same_number(a->name, a->n_dst, b->n_dst);
    for (int32_t i = 0; i < a->n_src; i++)
        same_value(a->src[i], b->src[i]);
    for (int32_t i = 0; i < a->n_dst; i++)
        same_value(a->dst[i], b->dst[i]);
    for (const struct cop_attr_spec *spec = a->op->attrs; spec->type != COP_ATTR_END;
         spec++)
        same_attr(spec, a->attrs, b->attrs);
}

static void same_meta(const struct cop_graph *a, const struct cop_graph *b)
{
    for (int32_t i = 0; i < cop_graph_n_meta(a); i++) {
        const char *key;
        const char *text;
        cop_graph_meta_at(a, i, &key, &text);
        if (strncmp(key, "onnx.", 5) != 0) same_text(key, text, cop_graph_meta(b, key));
    }
}

void test_assert_same_graph(const struct cop_graph *a, const struct cop_graph *b)
{
    same_number("nodes", cop_graph_n_nodes(a), cop_graph_n_nodes(b));
    same_number("inputs", cop_graph_n_inputs(a), cop_graph_n_inputs(b));
    same_number("outputs", cop_graph_n_outputs(a), cop_graph_n_outputs(b));
    for (int32_t i = 0; i < cop_graph_n_inputs(a); i++)
        same_value(cop_graph_input(a, i), cop_graph_input(b, i));
    for (int32_t i = 0; i < cop_graph_n_nodes(a); i++)
        same_node(cop_graph_node(a, i), cop_graph_node(b, i));
    for (int32_t i = 0; i < cop_graph_n_outputs(a); i++)
        same_value(cop_graph_output(a, i), cop_graph_output(b, i));
    same_meta(a, b);
    same_meta(b, a);
}
