/* tests/support/net.c - see net.h. */
#include "support/net.h"

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SOURCES = 16, MAX_LIST = 16 };

struct test_net test_net_begin(
    const struct cop_op_set *ops, int64_t c, int64_t h, int64_t w, uint64_t seed)
{
    struct cop_err err;
    struct test_net net = {0};
    cop_rng_init(&net.rng, seed);
    assert_ok(cop_graph_create(ops, &net.graph, &err));
    const struct cop_shape shape = {.rank = 4, .dim = {1, c, h, w}};
    assert_ok(cop_graph_add_input(net.graph, "x", COP_F32, &shape, &net.x, &err));
    net.x->is_batch_free = true;
    return net;
}

void test_net_end(struct test_net *net, struct cop_value *output)
{
    struct cop_err err;
    assert_ok(cop_graph_mark_output(net->graph, output, &err));
    assert_ok(cop_graph_infer(net->graph, &err));
    assert_ok(cop_graph_check(net->graph, &err));
}

struct cop_value *test_net_absent(void)
{
    static struct cop_value absent;
    return &absent;
}

/* ---- attributes from text -------------------------------------------------------------- */

static void set_attr(
    struct test_net *net, const struct cop_op *op, void *attrs, char *name, char *text)
{
    const struct cop_attr_spec *spec = cop_attrs_find(op->attrs, name);
    if (spec == NULL) fail_msg("%s has no attribute '%s'", op->name, name);
    struct cop_arena *arena = cop_graph_arena(net->graph);
    char *field = (char *)attrs + spec->offset;
    if (spec->type == COP_ATTR_STRING) {
        const char *copy = cop_arena_strdup(arena, text);
        memcpy(field, &copy, sizeof copy);
        return;
    }
    int64_t ints[MAX_LIST];
    float floats[MAX_LIST];
    int64_t n = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, ",", &rest); word != NULL && n < MAX_LIST;
         word = strtok_r(NULL, ",", &rest), n++) {
        ints[n] = strtoll(word, NULL, 10);
        floats[n] = strtof(word, NULL);
    }
    const struct cop_ints int_list = {
        n, cop_arena_copy(arena, ints, (size_t)n * sizeof *ints)};
    const struct cop_floats float_list = {
        n, cop_arena_copy(arena, floats, (size_t)n * sizeof *floats)};
    switch (spec->type) {
    case COP_ATTR_INT: memcpy(field, &ints[0], sizeof ints[0]); break;
    case COP_ATTR_FLOAT: memcpy(field, &floats[0], sizeof floats[0]); break;
    case COP_ATTR_INTS: memcpy(field, &int_list, sizeof int_list); break;
    case COP_ATTR_FLOATS: memcpy(field, &float_list, sizeof float_list); break;
    default: fail_msg("attribute '%s' cannot be given as text", name);
    }
}

static void *parse_attrs(
    struct test_net *net, const struct cop_op *op, const char *text)
{
    size_t bytes = op->attrs_size != 0 ? op->attrs_size : 1;
    void *attrs = cop_arena_array(cop_graph_arena(net->graph), 1, bytes);
    char *copy = cop_arena_strdup(cop_graph_arena(net->graph), text);
    assert_non_null(attrs);
    assert_non_null(copy);
    cop_attrs_default(op->attrs, attrs);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        if (equals == NULL) fail_msg("attribute '%s' has no value", word);
        *equals = '\0';
        set_attr(net, op, attrs, word, equals + 1);
    }
    return attrs;
}

struct cop_value *test_net_op(
    struct test_net *net, const char *op_name, const char *name, const char *attrs, ...)
{
    struct cop_err err;
    const struct cop_op *op = cop_op_find(cop_graph_ops(net->graph), op_name);
    if (op == NULL) fail_msg("no operator %s", op_name);
    struct cop_value *src[MAX_SOURCES];
    struct cop_node_spec spec = {.op = op, .name = name, .src = src, .n_dst = 1};
    va_list list;
    va_start(list, attrs);
    struct cop_value *next = va_arg(list, struct cop_value *);
    while (next != NULL && spec.n_src < MAX_SOURCES) {
        src[spec.n_src++] = next == test_net_absent() ? NULL : next;
        next = va_arg(list, struct cop_value *);
    }
    va_end(list);
    spec.attrs = parse_attrs(net, op, attrs);
    struct cop_node *node = NULL;
    assert_ok(cop_graph_add_node(net->graph, &spec, &node, &err));
    assert_ok(cop_graph_infer(net->graph, &err));
    return node->dst[0];
}

/* ---- constants ----------------------------------------------------------------------------- */

static struct cop_value *add_const(
    struct test_net *net,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    const void *elements)
{
    struct cop_err err;
    struct cop_buf *buf = NULL;
    size_t bytes = (size_t)cop_shape_n(shape) * cop_dtype_bytes(dtype);
    assert_ok(cop_buf_create(bytes, &buf, &err));
    memcpy(cop_buf_mutable(buf), elements, bytes);
    struct cop_value *value = NULL;
    assert_ok(cop_graph_add_const(net->graph, NULL, dtype, shape, buf, &value, &err));
    cop_buf_release(buf);
    return value;
}

struct cop_value *test_net_weights(
    struct test_net *net, double scale, int32_t rank, const int64_t *dims)
{
    const struct cop_shape shape = cop_shape_make(rank, dims);
    int64_t n = cop_shape_n(&shape);
    float *elements =
        cop_arena_array(cop_graph_arena(net->graph), (size_t)n, sizeof(float));
    assert_non_null(elements);
    for (int64_t i = 0; i < n; i++)
        elements[i] = (float)(scale * cop_rng_normal(&net->rng));
    return add_const(net, COP_F32, &shape, elements);
}

struct cop_value *test_net_ints(struct test_net *net, int32_t n, const int64_t *ints)
{
    const struct cop_shape shape = {.rank = 1, .dim = {n}};
    return add_const(net, COP_I64, &shape, ints);
}

struct cop_value *test_net_conv(
    struct test_net *net,
    const char *name,
    struct cop_value *src,
    int64_t oc,
    int64_t kernel,
    int64_t group)
{
    int64_t icg = src->shape.dim[1] / group;
    double scale = sqrt(2.0 / (double)(icg * kernel * kernel));
    struct cop_value *weights =
        test_net_weights(net, scale, 4, (const int64_t[]){oc, icg, kernel, kernel});
    struct cop_value *bias = test_net_weights(net, 0.1, 1, &oc);
    int pad = (int)(kernel / 2);
    const char *attrs = cop_arena_printf(
        cop_graph_arena(net->graph),
        "kernel_shape=%d,%d pads=%d,%d,%d,%d group=%d",
        (int)kernel,
        (int)kernel,
        pad,
        pad,
        pad,
        pad,
        (int)group);
    assert_non_null(attrs);
    return test_net_op(net, "Conv", name, attrs, src, weights, bias, NULL);
}

struct cop_value *test_net_bn(
    struct test_net *net, const char *name, struct cop_value *src)
{
    int64_t c = src->shape.dim[1];
    const struct cop_shape shape = {.rank = 1, .dim = {c}};
    struct cop_value *params[4];
    float *elements =
        cop_arena_array(cop_graph_arena(net->graph), (size_t)c, sizeof(float));
    assert_non_null(elements);
    const double low[4] = {0.5, -0.3, -0.3, 0.5};
    const double high[4] = {1.5, 0.3, 0.3, 1.5};
    for (int p = 0; p < 4; p++) {
        for (int64_t i = 0; i < c; i++)
            elements[i] = (float)cop_rng_range(&net->rng, low[p], high[p]);
        params[p] = add_const(net, COP_F32, &shape, elements);
    }
    return test_net_op(
        net,
        "BatchNormalization",
        name,
        "",
        src,
        params[0],
        params[1],
        params[2],
        params[3],
        NULL);
}

struct cop_value *test_net_head(struct test_net *net, struct cop_value *src, int64_t n)
{
    int64_t c = src->shape.dim[1];
    struct cop_value *x = test_net_op(net, "GlobalAveragePool", "gap", "", src, NULL);
    x = test_net_op(net, "Flatten", "flatten", "", x, NULL);
    struct cop_value *weights =
        test_net_weights(net, sqrt(1.0 / (double)c), 2, (const int64_t[]){n, c});
    struct cop_value *bias = test_net_weights(net, 0.1, 1, &n);
    return test_net_op(net, "Gemm", "fc", "transB=1", x, weights, bias, NULL);
}
