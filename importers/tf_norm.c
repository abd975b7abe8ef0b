/* importers/tf_norm.c - normalisation written out becomes one node again; see tf_rules.h.
 *
 * tf.nn.batch_normalization leaves x * inv + (offset - mean * inv) with
 * inv = rsqrt(variance + epsilon) * scale, all but x constant.  As BatchNormalization it can
 * be trained, and its statistics repaired. */
#include "importers/tf_rules.h"

#include <string.h>

/** A constant of the chain, maybe reshaped to stand along one axis of x. */
struct part {
    const struct cop_tf__node *vector; /* the Const; NULL: the chain leaves it out */
    struct cop_tf__ref as_read;
};

/** The chain's ends. */
struct chain {
    struct cop_tf__ref x;
    struct part scale;
    struct part offset;
    struct part mean;
    struct part variance;
    const struct cop_tf__node *sum; /* variance + epsilon */
};

/* The node behind an input, if it is of that operator (or its second form) and whole. */
static const struct cop_tf__node *behind(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    const char *op,
    int32_t n_inputs)
{
    if (i >= node->n_inputs) return NULL;
    const struct cop_tf__ref ref = cop_tf__follow(import, node->inputs[i].ref);
    const struct cop_tf__node *const from = cop_tf__node_of(import, ref);
    const size_t n = strlen(op);
    const bool is_op = strncmp(from->op, op, n) == 0 &&
                       (from->op[n] == '\0' || strcmp(from->op + n, "V2") == 0);
    if (!is_op || ref.port != 0 || cop_tf__cut_at(import, ref) >= 0) return NULL;
    return from->n_inputs == n_inputs ? from : NULL;
}

static bool find_part(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    struct part *part)
{
    const struct cop_tf__node *const reshape = behind(import, node, i, "Reshape", 2);
    part->as_read = node->inputs[i].ref;
    part->vector = reshape != NULL ? cop_tf__const_of(import, reshape, 0)
                                   : cop_tf__const_of(import, node, i);
    return part->vector != NULL;
}

/* inv = Rsqrt(variance + epsilon), or that times scale. */
static bool match_inverse(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    struct chain *chain)
{
    const struct cop_tf__node *root = behind(import, node, i, "Rsqrt", 1);
    const struct cop_tf__node *const scaled = behind(import, node, i, "Mul", 2);
    if (root == NULL && scaled == NULL) return false;
    if (root == NULL) {
        root = behind(import, scaled, 0, "Rsqrt", 1);
        if (root == NULL || !find_part(import, scaled, 1, &chain->scale)) return false;
    }
    chain->sum = behind(import, root, 0, "Add", 2);
    return chain->sum != NULL && find_part(import, chain->sum, 0, &chain->variance) &&
           cop_tf__const_of(import, chain->sum, 1) != NULL;
}

static bool is_same_source(
    const struct cop_tf__import *import,
    const struct cop_tf__node *a,
    int32_t i,
    const struct cop_tf__node *b,
    int32_t k)
{
    const struct cop_tf__ref x = cop_tf__follow(import, a->inputs[i].ref);
    const struct cop_tf__ref y = cop_tf__follow(import, b->inputs[k].ref);
    return x.node == y.node && x.port == y.port;
}

/* Add(Mul(x, inv), Sub(offset, Mul(mean, inv))), or Add(.., Mul(Neg(mean), inv)). */
static bool match(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct chain *chain)
{
    *chain = (struct chain){.sum = NULL};
    const struct cop_tf__node *const product = behind(import, node, 0, "Mul", 2);
    const struct cop_tf__node *const shift = behind(import, node, 1, "Sub", 2);
    const struct cop_tf__node *const moved = shift != NULL
                                                 ? behind(import, shift, 1, "Mul", 2)
                                                 : behind(import, node, 1, "Mul", 2);
    if (product == NULL || moved == NULL || !match_inverse(import, product, 1, chain) ||
        !is_same_source(import, product, 1, moved, 1))
        return false;
    chain->x = product->inputs[0].ref;
    if (shift != NULL)
        return find_part(import, shift, 0, &chain->offset) &&
               find_part(import, moved, 0, &chain->mean);
    const struct cop_tf__node *const negative = behind(import, moved, 0, "Neg", 1);
    return negative != NULL && find_part(import, negative, 0, &chain->mean);
}

/* The axis of x along which a part stands; -1 when that is not one. */
static int32_t axis_of(const struct cop_shape *part, const struct cop_shape *x)
{
    const int64_t n = cop_shape_n(part);
    for (int32_t i = part->rank - 1; i >= 0; i--) {
        const int32_t axis = i + x->rank - part->rank;
        if (part->dim[i] == n) return axis >= 0 && x->dim[axis] == n ? axis : -1;
    }
    return -1;
}

/* The vector of a part; NULL when it does not stand along the channels, which the first
 * part tells.  A part that is left out is a vector of one number. */
static enum cop_status read_part(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct part *part,
    float number,
    const struct cop_shape *x,
    int32_t *axis,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_value *as_read = NULL;
    if (part->vector != NULL) {
        const struct cop_tf__ref ref = {(int32_t)(part->vector - import->tf.nodes), 0};
        COP_TRY(cop_tf__value(import, part->as_read, &as_read, err));
        COP_TRY(cop_tf__value(import, ref, value, err));
        const int32_t found = axis_of(&as_read->shape, x);
        if (*axis < 0) *axis = found;
        if (found < 0 || found != *axis || (*value)->dtype != COP_F32 ||
            (*value)->shape.rank != 1)
            *value = NULL;
        return COP_OK;
    }
    struct cop_buf *data = NULL;
    const struct cop_shape shape = {.rank = 1, .dim = {x->dim[*axis]}};
    COP_TRY(cop_buf_create((size_t)shape.dim[0] * sizeof number, &data, err));
    float *const to = cop_buf_mutable(data);
    for (int64_t i = 0; i < shape.dim[0]; i++)
        to[i] = number;
    const enum cop_status status = cop_tf__add_const(
        import,
        cop_tf__beside(import, node, "filled"),
        COP_F32,
        &shape,
        data,
        value,
        err);
    cop_buf_release(data);
    return status;
}

static enum cop_status add_norm(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *src[5],
    int32_t axis,
    float epsilon,
    struct cop_err *err)
{
    const int32_t rank = src[0]->shape.rank;
    const bool is_turned = axis > 1;
    int64_t to_first[COP_MAX_RANK] = {0, rank - 1};
    int64_t to_last[COP_MAX_RANK] = {0};
    for (int32_t i = 2; i < rank; i++) {
        to_first[i] = i - 1;
        to_last[i - 1] = i;
    }
    to_last[rank - 1] = 1;
    if (is_turned)
        COP_TRY(cop_tf__add_transpose(
            import,
            cop_tf__beside(import, node, "nchw"),
            src[0],
            to_first,
            &src[0],
            err));
    const struct cop_tf__part part = {
        .op = "BatchNormalization",
        .name = node->name,
        .result = cop_tf__image_name(import, node, is_turned),
        .src = src,
        .n_src = 5,
        .attrs = {{.name = "epsilon", .real = epsilon}}};
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    if (is_turned)
        COP_TRY(cop_tf__add_transpose(import, node->name, dst, to_last, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

enum cop_status cop_tf__join_norm(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool *done,
    struct cop_err *err)
{
    struct chain chain;
    struct cop_value *src[5] = {NULL}; /* x, scale, offset, mean, variance */
    struct cop_value *number = NULL;
    *done = false;
    if (cop_op_find(import->ops, "BatchNormalization") == NULL ||
        !match(import, node, &chain))
        return COP_OK;
    COP_TRY(cop_tf__value(import, chain.x, &src[0], err));
    COP_TRY(cop_tf__src(import, chain.sum, 1, &number, err));
    const struct cop_shape x = src[0]->shape;
    if (x.rank < 2 || number->dtype != COP_F32 || number->data == NULL ||
        cop_shape_n(&number->shape) != 1)
        return COP_OK;
    const struct {
        struct part part;
        float number;
        int to;
    } parts[4] = {
        {chain.variance, 1.0F, 4},
        {chain.mean, 0.0F, 3},
        {chain.scale, 1.0F, 1},
        {chain.offset, 0.0F, 2}};
    int32_t axis = -1;
    for (int i = 0; i < 4; i++) {
        struct cop_value **const to = &src[parts[i].to];
        COP_TRY(read_part(
            import, node, &parts[i].part, parts[i].number, &x, &axis, to, err));
        if (*to == NULL) return COP_OK;
    }
    if (axis != 1 && axis != x.rank - 1) return COP_OK;
    *done = true;
    return add_norm(
        import, node, src, axis, cop_f32_at(cop_buf_data(number->data), 0), err);
}
