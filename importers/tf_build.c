/* importers/tf_build.c - values and nodes while a GraphDef is translated; see tf_import.h.
 *
 * Facts are kept for one and for two samples: what is the same for both does not depend on
 * the batch and may be used as a constant. */
#include "importers/tf_import.h"

#include <string.h>

/* ---- facts -------------------------------------------------------------------------------- */

static enum cop_status reserve_facts(
    struct cop_tf__import *import, int32_t id, struct cop_err *err)
{
    if (id < import->n_facts) return COP_OK;
    const int32_t n = id * 2 + 64;
    for (int i = 0; i < 2; i++) {
        struct cop_fact *const grown =
            COP_ARENA_NEW_N(import->scratch, n, struct cop_fact);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        if (import->n_facts > 0)
            memcpy(grown, import->facts[i], (size_t)import->n_facts * sizeof *grown);
        import->facts[i] = grown;
    }
    import->n_facts = n;
    return COP_OK;
}

enum cop_status cop_tf__note(
    struct cop_tf__import *import, const struct cop_value *value, struct cop_err *err)
{
    COP_TRY(reserve_facts(import, value->id, err));
    for (int i = 0; i < 2; i++) {
        struct cop_fact *const fact = &import->facts[i][value->id];
        *fact = (struct cop_fact){.dtype = value->dtype, .shape = value->shape};
        if (value->data != NULL)
            fact->data = cop_buf_data(value->data);
        else
            fact->shape.dim[0] = 1 + i;
    }
    return COP_OK;
}

struct cop_fact cop_tf__fact(
    const struct cop_tf__import *import, const struct cop_value *value)
{
    return import->facts[0][value->id];
}

bool cop_tf__has_batch(
    const struct cop_tf__import *import, const struct cop_value *value)
{
    return !cop_shape_equal(
        &import->facts[0][value->id].shape, &import->facts[1][value->id].shape);
}

enum { MAX_KNOWN = 4096 }; /* elements; more than that is no shape arithmetic */

static enum cop_status find_facts(
    const struct cop_tf__import *import,
    const struct cop_node *node,
    const struct cop_fact *known,
    struct cop_fact *dst,
    struct cop_err *err)
{
    int64_t n = 0;
    struct cop_fact *const src =
        COP_ARENA_NEW_N(import->scratch, node->n_src, struct cop_fact);
    if (src == NULL) return COP_FAIL_NOMEM(err);
    memset(dst, 0, (size_t)node->n_dst * sizeof *dst);
    for (int32_t i = 0; i < node->n_src; i++)
        if (node->src[i] != NULL) src[i] = known[node->src[i]->id];
    COP_TRY(node->op->infer(node, src, dst, err));
    for (int32_t i = 0; i < node->n_dst; i++) {
        int64_t more = 0;
        COP_TRY(cop_shape_count(&dst[i].shape, &more, err));
        n += more;
    }
    return n <= MAX_KNOWN ? node->op->fold(node, src, dst, import->scratch, err)
                          : COP_OK;
}

/* A network made for one sample may be unable to take two: then one counts for both. */
static enum cop_status note_results(
    struct cop_tf__import *import, const struct cop_node *node, struct cop_err *err)
{
    struct cop_fact *const dst =
        COP_ARENA_NEW_N(import->scratch, (int64_t)2 * node->n_dst, struct cop_fact);
    if (dst == NULL) return COP_FAIL_NOMEM(err);
    struct cop_fact *const two = dst + node->n_dst;
    COP_TRY(find_facts(import, node, import->facts[0], dst, err));
    const enum cop_status status =
        find_facts(import, node, import->facts[1], two, NULL);
    if (status == COP_ENOMEM) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < node->n_dst; i++) {
        struct cop_value *const value = node->dst[i];
        COP_TRY(reserve_facts(import, value->id, err));
        import->facts[0][value->id] = dst[i];
        import->facts[1][value->id] = status == COP_OK ? two[i] : dst[i];
        value->dtype = dst[i].dtype;
        value->shape = dst[i].shape;
    }
    return COP_OK;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static enum cop_status add_node(
    struct cop_tf__import *import,
    const struct cop_tf__part *part,
    const struct cop_op *op,
    struct cop_value **dst,
    struct cop_err *err)
{
    const int32_t n_dst = part->n_dst > 0 ? part->n_dst : 1;
    void *attrs = NULL;
    COP_TRY(cop_importers__make_attrs(import->graph, op, part->attrs, &attrs, err));
    const struct cop_node_spec spec = {
        .op = op,
        .name = part->name,
        .attrs = attrs,
        .src = part->src,
        .n_src = part->n_src,
        .dst_names = part->result != NULL ? &part->result : NULL,
        .n_dst = n_dst};
    struct cop_node *node = NULL;
    COP_TRY(cop_graph_add_node(import->graph, &spec, &node, err));
    for (int32_t i = 0; i < n_dst; i++)
        dst[i] = node->dst[i];
    return note_results(import, node, err);
}

enum cop_status cop_tf__add(
    struct cop_tf__import *import,
    const struct cop_tf__part *part,
    struct cop_value **dst,
    struct cop_err *err)
{
    const struct cop_op *const op = cop_op_find(import->ops, part->op);
    const enum cop_status status =
        op != NULL ? add_node(import, part, op, dst, err)
                   : COP_FAIL(err, COP_EUNSUPPORTED, "operator is not supported");
    if (status != COP_OK) cop_err_in(err, "as %s", part->op);
    return status;
}

enum cop_status cop_tf__add_unary(
    struct cop_tf__import *import,
    const char *op,
    const char *name,
    struct cop_value *src,
    struct cop_value **dst,
    struct cop_err *err)
{
    const struct cop_tf__part part = {
        .op = op, .name = name, .result = name, .src = &src, .n_src = 1};
    return cop_tf__add(import, &part, dst, err);
}

enum cop_status cop_tf__add_binary(
    struct cop_tf__import *import,
    const char *op,
    const char *name,
    struct cop_value *a,
    struct cop_value *b,
    struct cop_value **dst,
    struct cop_err *err)
{
    struct cop_value *const src[2] = {a, b};
    const struct cop_tf__part part = {
        .op = op, .name = name, .result = name, .src = src, .n_src = 2};
    return cop_tf__add(import, &part, dst, err);
}

enum cop_status cop_tf__add_transpose(
    struct cop_tf__import *import,
    const char *name,
    struct cop_value *src,
    const int64_t *perm,
    struct cop_value **dst,
    struct cop_err *err)
{
    const struct cop_tf__part part = {
        .op = "Transpose",
        .name = name,
        .result = name,
        .src = &src,
        .n_src = 1,
        .attrs = {{.name = "perm", .ints = perm, .n = src->shape.rank}}};
    return cop_tf__add(import, &part, dst, err);
}

enum cop_status cop_tf__add_reshape(
    struct cop_tf__import *import,
    const char *name,
    struct cop_value *src,
    const int64_t *target,
    int64_t rank,
    struct cop_value **dst,
    struct cop_err *err)
{
    struct cop_value *shape = NULL;
    COP_TRY(cop_tf__add_ints(import, name, target, rank, &shape, err));
    return cop_tf__add_binary(import, "Reshape", name, src, shape, dst, err);
}

/* ---- constants ------------------------------------------------------------------------------ */

enum cop_status cop_tf__add_const(
    struct cop_tf__import *import,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_value **value,
    struct cop_err *err)
{
    COP_TRY(cop_graph_add_const(import->graph, name, dtype, shape, data, value, err));
    return cop_tf__note(import, *value, err);
}

static enum cop_status add_copy(
    struct cop_tf__import *import,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    const void *elements,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_buf *data = NULL;
    const size_t bytes = (size_t)cop_shape_n(shape) * cop_dtype_bytes(dtype);
    COP_TRY(cop_buf_create(bytes, &data, err));
    if (bytes > 0) memcpy(cop_buf_mutable(data), elements, bytes);
    const enum cop_status status =
        cop_tf__add_const(import, name, dtype, shape, data, value, err);
    cop_buf_release(data);
    return status;
}

enum cop_status cop_tf__add_ints(
    struct cop_tf__import *import,
    const char *name,
    const int64_t *ints,
    int64_t n,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_shape shape = cop_shape_make(1, &n);
    const char *const fresh =
        cop_arena_printf(import->scratch, "%s/%s", name, "numbers");
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    return add_copy(import, fresh, COP_I64, &shape, ints, value, err);
}

enum cop_status cop_tf__add_float(
    struct cop_tf__import *import,
    const char *name,
    float number,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_shape shape = {.rank = 0};
    return add_copy(import, name, COP_F32, &shape, &number, value, err);
}

const char *cop_tf__beside(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char *what)
{
    const char *const name =
        cop_arena_printf(import->scratch, "%s/%s", node->name, what);
    return name != NULL ? name : node->name;
}

/* ---- what nodes read --------------------------------------------------------------------------- */

static enum cop_status read_const(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_tf__tensor tensor;
    enum cop_status status = cop_tf__read_tensor(
        &import->tf, node, import->file, &import->room, &tensor, err);
    if (status == COP_OK)
        status = cop_tf__add_const(
            import, node->name, tensor.dtype, &tensor.shape, tensor.data, value, err);
    import->n_half += tensor.widened == COP_F16;
    import->n_double += tensor.widened == COP_F64;
    cop_buf_release(tensor.data);
    if (status != COP_OK) cop_err_in(err, "constant '%s'", node->name);
    return status;
}

enum cop_status cop_tf__give_all(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *const *values,
    int32_t n,
    struct cop_err *err)
{
    struct cop_tf__made *const made = cop_tf__made_of(import, node);
    made->values = cop_arena_copy(import->scratch, values, (size_t)n * sizeof *values);
    if (made->values == NULL) return COP_FAIL_NOMEM(err);
    made->n_values = n;
    return COP_OK;
}

enum cop_status cop_tf__give(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *value,
    struct cop_err *err)
{
    return cop_tf__give_all(import, node, &value, 1, err);
}

enum cop_status cop_tf__value(
    struct cop_tf__import *import,
    struct cop_tf__ref ref,
    struct cop_value **value,
    struct cop_err *err)
{
    ref = cop_tf__follow(import, ref);
    const int32_t cut = cop_tf__cut_at(import, ref);
    if (cut >= 0 && import->cut_values[cut] != NULL) {
        *value = import->cut_values[cut];
        return COP_OK;
    }
    const struct cop_tf__node *const node = cop_tf__node_of(import, ref);
    const struct cop_tf__made *const made = cop_tf__made_of(import, node);
    if (made->values == NULL && strcmp(node->op, "Const") == 0) {
        struct cop_value *constant = NULL;
        COP_TRY(read_const(import, node, &constant, err));
        COP_TRY(cop_tf__give(import, node, constant, err));
    }
    if (ref.port < made->n_values && made->values[ref.port] != NULL) {
        *value = made->values[ref.port];
        return COP_OK;
    }
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "result %d of '%s' (%s) is not supported",
        ref.port,
        node->name,
        node->op);
}

enum cop_status cop_tf__src(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    struct cop_value **value,
    struct cop_err *err)
{
    return cop_tf__value(import, node->inputs[i].ref, value, err);
}

const struct cop_tf__node *cop_tf__const_of(
    const struct cop_tf__import *import, const struct cop_tf__node *node, int32_t i)
{
    const struct cop_tf__ref ref = cop_tf__follow(import, node->inputs[i].ref);
    const struct cop_tf__node *const from = cop_tf__node_of(import, ref);
    if (cop_tf__cut_at(import, ref) >= 0) return NULL;
    return strcmp(from->op, "Const") == 0 ? from : NULL;
}

/* Elements that do not depend on the batch; NULL when there are none. */
static const void *known_elements(
    const struct cop_tf__import *import, const struct cop_value *value)
{
    const struct cop_fact *const one = &import->facts[0][value->id];
    const struct cop_fact *const two = &import->facts[1][value->id];
    if (one->data == NULL || two->data == NULL ||
        !cop_shape_equal(&one->shape, &two->shape))
        return NULL;
    const size_t bytes = (size_t)cop_shape_n(&one->shape) * cop_dtype_bytes(one->dtype);
    return one->data == two->data || memcmp(one->data, two->data, bytes) == 0
               ? one->data
               : NULL;
}

enum cop_status cop_tf__ints(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    const char *what,
    struct cop_tf__ints *ints,
    struct cop_err *err)
{
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, i, &value, err));
    const void *const elements = known_elements(import, value);
    const int64_t n = cop_shape_n(&value->shape);
    if (elements == NULL || value->dtype != COP_I64)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "%s (input %d, '%s') are not constant integers",
            what,
            i,
            node->inputs[i].text);
    if (n > COP_TF_MAX_INTS)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "%s have %lld numbers, at most %d",
            what,
            (long long)n,
            COP_TF_MAX_INTS);
    ints->n = (int32_t)n;
    for (int32_t k = 0; k < ints->n; k++)
        ints->at[k] = cop_i64_at(elements, k);
    return COP_OK;
}

enum cop_status cop_tf__int(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    const char *what,
    int64_t *number,
    struct cop_err *err)
{
    struct cop_tf__ints ints = {.n = 0};
    COP_TRY(cop_tf__ints(import, node, i, what, &ints, err));
    if (ints.n != 1)
        return COP_FAIL(err, COP_EFORMAT, "%s has %d numbers, wanted 1", what, ints.n);
    *number = ints.at[0];
    return COP_OK;
}

enum cop_status cop_tf__float(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    const char *what,
    float *number,
    struct cop_err *err)
{
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, i, &value, err));
    const void *const elements = known_elements(import, value);
    if (elements == NULL || value->dtype != COP_F32 || cop_shape_n(&value->shape) != 1)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "%s (input %d, '%s') is not one constant float",
            what,
            i,
            node->inputs[i].text);
    *number = cop_f32_at(elements, 0);
    return COP_OK;
}
