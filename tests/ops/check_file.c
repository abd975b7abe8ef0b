/* tests/ops/check_file.c - (6) write then read gives the same nodes. */
#include "check.h"

#include "exporters/onnx_write.h"
#include "importers/onnx_read.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

struct sink {
    char bytes[1 << 20];
    size_t n;
};

static enum cop_status take(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    struct sink *const sink = context;
    if (n > sizeof sink->bytes - sink->n) return COP_FAIL(err, COP_EIO, "sink is full");
    memcpy(sink->bytes + sink->n, bytes, n);
    sink->n += n;
    return COP_OK;
}

static enum cop_status write_and_read(
    struct check *check, struct sink *sink, struct cop_graph **back)
{
    const struct cop_onnx_write_options options = {.sink = take, .context = sink};
    COP_TRY(cop_onnx_write(check->built.graph, &options, &check->err));
    struct cop_buf *buf = NULL;
    COP_TRY(cop_buf_create(sink->n, &buf, &check->err));
    memcpy(cop_buf_mutable(buf), sink->bytes, sink->n);
    const enum cop_status status =
        cop_onnx_read_bytes(buf, &cop_ops_standard, NULL, back, &check->err);
    cop_buf_release(buf);
    return status;
}

static bool same_fact(const struct cop_fact *a, const struct cop_fact *b)
{
    if (a->dtype != b->dtype || !cop_shape_equal(&a->shape, &b->shape)) return false;
    const size_t bytes = (size_t)cop_shape_n(&a->shape) * cop_dtype_bytes(a->dtype);
    if ((a->data == NULL) != (b->data == NULL)) return false;
    return a->data == NULL || memcmp(a->data, b->data, bytes) == 0;
}

static bool same_attr(
    const struct cop_attr_spec *spec, const void *attrs_a, const void *attrs_b)
{
    const void *const a = (const char *)attrs_a + spec->offset;
    const void *const b = (const char *)attrs_b + spec->offset;
    if (spec->type == COP_ATTR_INT) return *(const int64_t *)a == *(const int64_t *)b;
    if (spec->type == COP_ATTR_FLOAT) return memcmp(a, b, sizeof(float)) == 0;
    if (spec->type == COP_ATTR_STRING) {
        const char *const x = *(const char *const *)a;
        const char *const y = *(const char *const *)b;
        return x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
    }
    if (spec->type == COP_ATTR_INTS) {
        const struct cop_ints *const x = a;
        const struct cop_ints *const y = b;
        return x->n == y->n &&
               (x->n == 0 || memcmp(x->at, y->at, (size_t)x->n * sizeof *x->at) == 0);
    }
    if (spec->type == COP_ATTR_FLOATS) {
        const struct cop_floats *const x = a;
        const struct cop_floats *const y = b;
        return x->n == y->n &&
               (x->n == 0 || memcmp(x->at, y->at, (size_t)x->n * sizeof *x->at) == 0);
    }
    return same_fact(a, b);
}

static struct cop_fact fact_of(const struct cop_value *value)
{
    return (struct cop_fact){
        value->dtype, value->shape, value->data ? cop_buf_data(value->data) : NULL};
}

/* Absent operands at the end are the same as none. */
static int32_t n_given(const struct cop_node *node)
{
    int32_t n = node->n_src;
    while (n > 0 && node->src[n - 1] == NULL)
        n--;
    return n;
}

static bool same_node(
    struct check *check, const struct cop_node *a, const struct cop_node *b)
{
    if (a->op != b->op)
        return check_fail(check, "%s is read back as %s", a->op->name, b->op->name);
    for (const struct cop_attr_spec *spec = a->op->attrs; spec->type != COP_ATTR_END;
         spec++)
        if (!same_attr(spec, a->attrs, b->attrs))
            return check_fail(
                check, "attribute '%s' is read back differently", spec->name);
    if (n_given(a) != n_given(b))
        return check_fail(
            check, "%d sources are read back as %d", n_given(a), n_given(b));
    for (int32_t s = 0; s < n_given(a); s++) {
        if ((a->src[s] == NULL) != (b->src[s] == NULL))
            return check_fail(check, "source %d is read back differently", s);
        if (a->src[s] == NULL) continue;
        const struct cop_fact x = fact_of(a->src[s]);
        const struct cop_fact y = fact_of(b->src[s]);
        if (!same_fact(&x, &y))
            return check_fail(check, "source %d is read back differently", s);
    }
    for (int32_t d = 0; d < a->n_dst && d < b->n_dst; d++) {
        const struct cop_fact x = fact_of(a->dst[d]);
        const struct cop_fact y = fact_of(b->dst[d]);
        if (!same_fact(&x, &y))
            return check_fail(check, "result %d is read back differently", d);
    }
    return true;
}

static bool same_graph(struct check *check, const struct cop_graph *back)
{
    const int32_t n = cop_graph_n_nodes(check->built.graph);
    if (cop_graph_n_nodes(back) != n)
        return check_fail(
            check, "%d nodes are read back as %d", n, cop_graph_n_nodes(back));
    for (int32_t i = 0; i < n; i++) {
        const struct cop_node *const node = cop_graph_node(check->built.graph, i);
        if (!same_node(check, node, cop_graph_node(back, i))) return false;
        check->n_read++;
    }
    return true;
}

/* What folds away is not written: nothing is left to compare then. */
bool check_file(struct check *check)
{
    if (!check_status(
            check,
            cop_graph_fold(check->built.graph, &check->err),
            "fold before writing"))
        return false;
    if (cop_graph_n_nodes(check->built.graph) == 0) return true;
    struct sink *const sink = calloc(1, sizeof *sink);
    struct cop_graph *back = NULL;
    if (sink == NULL) return check_fail(check, "out of memory");
    const bool is_good =
        check_status(check, write_and_read(check, sink, &back), "write and read") &&
        same_graph(check, back);
    cop_graph_destroy(back);
    free(sink);
    return is_good;
}
