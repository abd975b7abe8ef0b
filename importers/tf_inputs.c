/* importers/tf_inputs.c - where a graph begins: placeholders and cuts; see tf_import.h.
 *
 * Images come channels last or not: what first works on an input tells, a convolution or
 * pool by its data_format, a Transpose to NCHW by its order.  Where nothing tells, the input
 * stays as it is in the file. */
#include "importers/tf_import.h"

#include <stdlib.h>
#include <string.h>

/* ---- options as text ----------------------------------------------------------------------- */

static bool parse_shape(const char *text, struct cop_shape *shape)
{
    *shape = (struct cop_shape){.rank = 0};
    for (char *end = NULL;; text = end + 1) {
        if (*text < '0' || *text > '9' || shape->rank == COP_MAX_RANK) return false;
        const long long extent = strtoll(text, &end, 10);
        if (extent < 1 || extent > INT32_MAX) return false;
        shape->dim[shape->rank++] = extent;
        if (*end == '\0') return true;
        if (*end != 'x' && *end != ',') return false;
    }
}

enum cop_status cop_tf_parse_input(
    char *text, struct cop_tf_input *input, struct cop_err *err)
{
    *input = (struct cop_tf_input){.name = text};
    char *const equals = strchr(text, '=');
    if (equals == NULL) return COP_OK;
    *equals = '\0';
    const char *const value = equals + 1;
    input->is_true = strcmp(value, "true") == 0;
    input->is_switch = input->is_true || strcmp(value, "false") == 0;
    input->has_shape = !input->is_switch && parse_shape(value, &input->shape);
    if (input->is_switch || input->has_shape) return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "input '%.60s': '%.60s' is neither a shape (1x49x10) nor true or false",
        text,
        value);
}

/* ---- order of axes ---------------------------------------------------------------------------- */

enum order { ORDER_OPEN, ORDER_LAST, ORDER_FIRST };

/* What a node that reads an image says of it. */
static enum order order_said(
    const struct cop_tf__import *import, const struct cop_tf__node *node)
{
    static const char *const with_format[] = {
        "Conv2D",
        "DepthwiseConv2dNative",
        "MaxPool",
        "AvgPool",
        "BiasAdd",
        "FusedBatchNorm",
        "FusedBatchNormV2",
        "FusedBatchNormV3",
        "DepthToSpace",
        "SpaceToDepth"};
    static const char *const channels_last[] = {
        "ResizeBilinear", "ResizeNearestNeighbor", "SpaceToBatchND", "LRN"};
    for (size_t i = 0; i < sizeof with_format / sizeof *with_format; i++) {
        const char *format = "NHWC";
        if (strcmp(node->op, with_format[i]) != 0) continue;
        if (cop_tf__attr_text(&import->tf, node, "data_format", &format, NULL) !=
            COP_OK)
            return ORDER_OPEN;
        return strcmp(format, "NHWC") == 0 ? ORDER_LAST : ORDER_FIRST;
    }
    for (size_t i = 0; i < sizeof channels_last / sizeof *channels_last; i++)
        if (strcmp(node->op, channels_last[i]) == 0) return ORDER_LAST;
    return ORDER_OPEN;
}

static bool turns_to_first(
    struct cop_tf__import *import, const struct cop_tf__node *node)
{
    static const int64_t perm[4] = {0, 3, 1, 2};
    struct cop_tf__tensor tensor;
    if (strcmp(node->op, "Transpose") != 0 || node->n_inputs < 2) return false;
    const struct cop_tf__node *const from = cop_tf__const_of(import, node, 1);
    if (from == NULL ||
        cop_tf__read_tensor(
            &import->tf, from, import->file, &import->room, &tensor, NULL) != COP_OK)
        return false;
    bool is_turn = tensor.dtype == COP_I64 && cop_shape_n(&tensor.shape) == 4;
    for (int i = 0; is_turn && i < 4; i++)
        is_turn = cop_i64_at(cop_buf_data(tensor.data), i) == perm[i];
    cop_buf_release(tensor.data);
    return is_turn;
}

/* Nodes behind which axes are in another order, or not there. */
static bool ends_search(const struct cop_tf__node *node)
{
    static const char *const ops[] = {
        "Transpose", "Reshape", "Shape", "Squeeze", "ExpandDims", "MatMul"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(node->op, ops[i]) == 0) return true;
    return false;
}

/* Nodes in the order of translation: whoever comes first and says something decides. */
static enum cop_status find_layout(
    struct cop_tf__import *import,
    struct cop_tf__ref input,
    enum order *order,
    struct cop_err *err)
{
    bool *const carries = COP_ARENA_NEW_N(import->scratch, import->tf.n_nodes, bool);
    if (carries == NULL) return COP_FAIL_NOMEM(err);
    *order = ORDER_OPEN;
    for (int32_t k = 0; k < import->n_order && *order == ORDER_OPEN; k++) {
        const struct cop_tf__node *const node = &import->tf.nodes[import->order[k]];
        bool reads = false;
        for (int32_t i = 0; i < node->n_inputs; i++) {
            const struct cop_tf__ref ref = node->inputs[i].ref;
            if (ref.node < 0) continue;
            const bool is_input = ref.node == input.node && ref.port == input.port;
            const bool is_cut = cop_tf__cut_at(import, ref) >= 0;
            reads = reads || is_input || (!is_cut && carries[ref.node]);
        }
        if (!reads) continue;
        *order = turns_to_first(import, node) ? ORDER_LAST : order_said(import, node);
        carries[import->order[k]] = !ends_search(node);
    }
    return COP_OK;
}

/* ---- shapes ------------------------------------------------------------------------------------- */

/* Mfcc coefficients of a fixed stretch of sound: their number is told by three nodes. */
static enum cop_status sound_shape(
    const struct cop_tf__import *import,
    const struct cop_tf__node *mfcc,
    struct cop_tf__shape *shape,
    struct cop_err *err)
{
    const struct cop_tf__graph *const tf = &import->tf;
    int64_t n_samples = -1;
    int64_t window = 0;
    int64_t stride = 0;
    int64_t n_coefficients = 13; /* TensorFlow's default */
    if (strcmp(mfcc->op, "Mfcc") != 0 || mfcc->n_inputs < 1 ||
        mfcc->inputs[0].ref.node < 0)
        return COP_OK;
    const struct cop_tf__node *const spectrogram =
        cop_tf__node_of(import, mfcc->inputs[0].ref);
    if (strcmp(spectrogram->op, "AudioSpectrogram") != 0 || spectrogram->n_inputs < 1 ||
        spectrogram->inputs[0].ref.node < 0)
        return COP_OK;
    const struct cop_tf__node *const wave =
        cop_tf__node_of(import, spectrogram->inputs[0].ref);
    if (strcmp(wave->op, "DecodeWav") != 0) return COP_OK;
    COP_TRY(cop_tf__attr_int(tf, wave, "desired_samples", &n_samples, err));
    COP_TRY(cop_tf__attr_int(tf, spectrogram, "window_size", &window, err));
    COP_TRY(cop_tf__attr_int(tf, spectrogram, "stride", &stride, err));
    COP_TRY(cop_tf__attr_int(tf, mfcc, "dct_coefficient_count", &n_coefficients, err));
    if (n_samples < window || window < 1 || stride < 1) return COP_OK;
    *shape = (struct cop_tf__shape){
        3, {1, 1 + (n_samples - window) / stride, n_coefficients}};
    return COP_OK;
}

/* rank -1 when nothing tells. */
static enum cop_status find_shape(
    const struct cop_tf__import *import,
    struct cop_tf__ref ref,
    struct cop_tf__shape *shape,
    struct cop_err *err)
{
    const struct cop_tf__node *const node = cop_tf__node_of(import, ref);
    *shape = (struct cop_tf__shape){.rank = -1};
    if (ref.port != 0) return COP_OK;
    if (strncmp(node->op, "Placeholder", strlen("Placeholder")) == 0)
        COP_TRY(cop_tf__attr_shape(&import->tf, node, "shape", shape, err));
    /* Some writers leave an empty shape where they mean none. */
    if (shape->rank <= 0) {
        *shape = (struct cop_tf__shape){.rank = -1};
        COP_TRY(cop_tf__attr_shape(&import->tf, node, "_output_shapes", shape, err));
    }
    return shape->rank > 0 ? COP_OK : sound_shape(import, node, shape, err);
}

static enum cop_status close_shape(
    const struct cop_tf__shape *said,
    const char *name,
    struct cop_shape *shape,
    bool *is_free,
    struct cop_err *err)
{
    if (said->rank <= 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "its shape is not known; say --input %.60s=1x224x224x3, or whatever it is",
            name);
    *shape = cop_shape_make(said->rank, said->dim);
    *is_free = said->dim[0] < 0;
    shape->dim[0] = 1;
    for (int32_t i = 1; i < said->rank; i++)
        if (said->dim[i] < 1)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "axis %d is open; say the shape: --input %.60s=1x224x224x3",
                i,
                name);
    return COP_OK;
}

/* ---- inputs --------------------------------------------------------------------------------------- */

static enum cop_status find_type(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    enum cop_dtype *dtype,
    struct cop_err *err)
{
    int64_t number = 1; /* what operators that name no type give */
    COP_TRY(cop_tf__attr_type(&import->tf, node, "T", &number, err));
    COP_TRY(cop_tf__attr_type(&import->tf, node, "DstT", &number, err));
    COP_TRY(cop_tf__attr_type(&import->tf, node, "dtype", &number, err));
    *dtype = cop_tf__dtype(number);
    if (*dtype != COP_DTYPE_NONE && *dtype != COP_BOOL) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "is %s, which no network computes; name by --input where it begins",
        cop_tf__dtype_name(number));
}

static enum cop_status list_transposed(
    struct cop_tf__import *import, const char *name, struct cop_err *err)
{
    static const char key[] = "tf.transposed_inputs";
    const char *const others = cop_graph_meta(import->graph, key);
    const char *const all = cop_arena_printf(
        import->scratch,
        "%s%s%s",
        others != NULL ? others : "",
        others != NULL ? " " : "",
        name);
    if (all == NULL) return COP_FAIL_NOMEM(err);
    return cop_graph_set_meta(import->graph, key, all, err);
}

/* The batch that the file was made for, if it was made for one. */
static enum cop_status note_batch(
    struct cop_tf__import *import, int64_t batch, struct cop_err *err)
{
    if (batch <= 1) return COP_OK;
    const char *const text =
        cop_arena_printf(import->scratch, "%lld", (long long)batch);
    if (text == NULL) return COP_FAIL_NOMEM(err);
    return cop_graph_set_meta(import->graph, "tf.fixed_batch", text, err);
}

static enum cop_status add_input(
    struct cop_tf__import *import,
    struct cop_tf__ref ref,
    const char *name,
    const struct cop_tf_input *option,
    struct cop_value **value,
    struct cop_err *err)
{
    enum cop_dtype dtype = COP_DTYPE_NONE;
    struct cop_tf__shape said;
    struct cop_shape shape = {.rank = 0};
    enum order order = ORDER_OPEN;
    bool is_free = false;
    COP_TRY(find_type(import, cop_tf__node_of(import, ref), &dtype, err));
    COP_TRY(find_shape(import, ref, &said, err));
    const int64_t batch = said.rank > 0 ? said.dim[0] : 1;
    if (option != NULL && option->has_shape) {
        said.rank = option->shape.rank;
        memcpy(said.dim, option->shape.dim, sizeof said.dim);
        said.dim[0] = batch;
    }
    COP_TRY(close_shape(&said, name, &shape, &is_free, err));
    if (shape.rank == 4) COP_TRY(find_layout(import, ref, &order, err));
    const struct cop_shape given = shape;
    if (order == ORDER_LAST) {
        shape.dim[1] = given.dim[3];
        shape.dim[2] = given.dim[1];
        shape.dim[3] = given.dim[2];
    }
    COP_TRY(cop_graph_add_input(import->graph, name, dtype, &shape, value, err));
    (*value)->is_batch_free = is_free;
    COP_TRY(cop_tf__note(import, *value, err));
    COP_TRY(note_batch(import, batch, err));
    if (order != ORDER_LAST) return COP_OK;
    static const int64_t to_last[4] = {0, 2, 3, 1};
    const char *const beside =
        cop_arena_printf(import->scratch, "%s/channels_last", name);
    if (beside == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_tf__add_transpose(import, beside, *value, to_last, value, err));
    return list_transposed(import, name, err);
}

static enum cop_status add_switch(
    struct cop_tf__import *import,
    const struct cop_tf_input *option,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_shape shape = {.rank = 0};
    struct cop_buf *data = NULL;
    COP_TRY(cop_buf_create(sizeof(bool), &data, err));
    memcpy(cop_buf_mutable(data), &option->is_true, sizeof(bool));
    const enum cop_status status =
        cop_tf__add_const(import, option->name, COP_BOOL, &shape, data, value, err);
    cop_buf_release(data);
    return status;
}

static enum cop_status add_cut(
    struct cop_tf__import *import, int32_t i, struct cop_err *err)
{
    const struct cop_tf_input *const option = &import->options->inputs[i];
    struct cop_value **const value = &import->cut_values[i];
    for (int32_t k = 0; k < i; k++)
        if (import->cuts[k].node == import->cuts[i].node &&
            import->cuts[k].port == import->cuts[i].port)
            return COP_FAIL(err, COP_EINVAL, "is named twice");
    if (option->is_switch) return add_switch(import, option, value, err);
    return add_input(import, import->cuts[i], option->name, option, value, err);
}

static enum cop_status add_placeholder(
    struct cop_tf__import *import, const struct cop_tf__node *node, struct cop_err *err)
{
    const struct cop_tf__ref ref = {(int32_t)(node - import->tf.nodes), 0};
    struct cop_value *value = NULL;
    if (cop_tf__cut_at(import, ref) >= 0) return COP_OK;
    COP_TRY(add_input(import, ref, node->name, NULL, &value, err));
    return cop_tf__give(import, node, value, err);
}

/* An input that the outputs do not need is an error of whoever named it. */
static enum cop_status check_cut_is_read(
    const struct cop_tf__import *import, int32_t i, struct cop_err *err)
{
    for (int32_t k = 0; k < import->n_order; k++) {
        const struct cop_tf__node *const node = &import->tf.nodes[import->order[k]];
        for (int32_t n = 0; n < node->n_inputs; n++)
            if (node->inputs[n].ref.node >= 0 &&
                cop_tf__cut_at(import, node->inputs[n].ref) == i)
                return COP_OK;
    }
    if (import->options->inputs[i].is_switch) return COP_OK;
    return COP_FAIL(err, COP_EINVAL, "no output needs it");
}

enum cop_status cop_tf__add_inputs(struct cop_tf__import *import, struct cop_err *err)
{
    const int32_t n = import->options->n_inputs;
    import->cut_values = COP_ARENA_NEW_N(import->scratch, n, struct cop_value *);
    if (import->cut_values == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        enum cop_status status = check_cut_is_read(import, i, err);
        if (status == COP_OK) status = add_cut(import, i, err);
        if (status == COP_OK) continue;
        cop_err_in(err, "input '%s'", import->options->inputs[i].name);
        return status;
    }
    for (int32_t i = 0; i < import->tf.n_nodes; i++) {
        const struct cop_tf__node *const node = &import->tf.nodes[i];
        const struct cop_tf__made *const made = &import->made[i];
        if (!made->is_needed || made->same_as.node >= 0 ||
            strncmp(node->op, "Placeholder", strlen("Placeholder")) != 0)
            continue;
        const enum cop_status status = add_placeholder(import, node, err);
        if (status == COP_OK) continue;
        cop_err_in(err, "input '%s'", node->name);
        return status;
    }
    if (cop_graph_n_inputs(import->graph) > 0) return COP_OK;
    return COP_FAIL(err, COP_EUNSUPPORTED, "the graph has no inputs");
}
