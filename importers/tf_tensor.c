/* importers/tf_tensor.c - the elements of TensorProto of TensorFlow; see tf_graph.h.
 *
 * Elements come as raw bytes, or as a list of numbers in a field of their type.  A list
 * that is too short goes on with its last number, an empty one stands for zeros. */
#include "importers/tf_graph.h"

#include <string.h>

/* DataType */
enum {
    TF_FLOAT = 1,
    TF_DOUBLE = 2,
    TF_INT32 = 3,
    TF_UINT8 = 4,
    TF_INT16 = 5,
    TF_INT8 = 6,
    TF_INT64 = 9,
    TF_BOOL = 10,
    TF_UINT16 = 17,
    TF_HALF = 19
};

/* TensorProto */
enum { DTYPE = 1, SHAPE = 2, CONTENT = 4 };

/** A type of the file: how elements lie there, and how we hold them. */
struct form {
    int64_t number;
    const char *name;
    enum cop_dtype held;
    uint32_t field; /* of listed elements */
    enum cop_importers__wire_type wire;
    uint32_t bytes; /* of a raw element */
    bool is_signed;
};

static const struct form forms[] = {
    {TF_FLOAT, "float32", COP_F32, 5, COP_WIRE_FIXED32, 4, true},
    {TF_DOUBLE, "float64", COP_F32, 6, COP_WIRE_FIXED64, 8, true},
    {TF_INT32, "int32", COP_I64, 7, COP_WIRE_VARINT, 4, true},
    {TF_UINT8, "uint8", COP_U8, 7, COP_WIRE_VARINT, 1, false},
    {TF_INT16, "int16", COP_I64, 7, COP_WIRE_VARINT, 2, true},
    {TF_INT8, "int8", COP_I8, 7, COP_WIRE_VARINT, 1, true},
    {TF_INT64, "int64", COP_I64, 10, COP_WIRE_VARINT, 8, true},
    {TF_BOOL, "bool", COP_BOOL, 11, COP_WIRE_VARINT, 1, false},
    {TF_UINT16, "uint16", COP_I64, 7, COP_WIRE_VARINT, 2, false},
    {TF_HALF, "float16", COP_F32, 13, COP_WIRE_VARINT, 2, false},
};

static const struct form *find_form(int64_t number)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].number == number) return &forms[i];
    return NULL;
}

enum cop_dtype cop_tf__dtype(int64_t number)
{
    const struct form *const form = find_form(number);
    return form != NULL ? form->held : COP_DTYPE_NONE;
}

const char *cop_tf__dtype_name(int64_t number)
{
    static const char *const others[] = {
        [7] = "string",
        [8] = "complex64",
        [11] = "qint8",
        [12] = "quint8",
        [13] = "qint32",
        [14] = "bfloat16",
        [20] = "resource",
        [21] = "variant"};
    const struct form *const form = find_form(number);
    const int64_t n = sizeof others / sizeof *others;
    if (form != NULL) return form->name;
    if (number < 0 || number >= n || others[number] == NULL) return "unknown";
    return others[number];
}

/** What a walk over the message finds. */
struct found {
    int64_t dtype;
    struct cop_tf__shape shape;
    bool has_content;
    struct cop_importers__span content;
    int64_t n_listed;
    struct cop_importers__span run; /* the last packed list of fixed-width numbers */
};

/* ---- listed elements -------------------------------------------------------------------- */

/* One number of any wire form as an element we hold. */
static void store(const struct form *form, uint64_t bits, char *to, int64_t i)
{
    const size_t size = cop_dtype_bytes(form->held);
    char *const at = to + (size_t)i * size;
    if (form->number == TF_HALF || form->number == TF_DOUBLE) {
        const enum cop_dtype from = form->number == TF_HALF ? COP_F16 : COP_F64;
        const float wide = (float)cop_element_at(from, &bits, 0);
        memcpy(at, &wide, sizeof wide);
        return;
    }
    if (form->held == COP_BOOL) bits = bits != 0;
    memcpy(at, &bits, size); /* the low bytes come first on every CPU we run on */
}

/* Takes the numbers of one occurrence of the list; only counts them when to is NULL, and
 * stores no more than @p most. */
static enum cop_status take_numbers(
    const struct cop_tf__graph *graph,
    const struct form *form,
    const struct cop_importers__field *field,
    char *to,
    int64_t most,
    int64_t *n,
    struct cop_err *err)
{
    uint64_t bits = field->varint;
    if (field->type == form->wire) {
        if (form->wire != COP_WIRE_VARINT) {
            bits = 0;
            memcpy(&bits, field->body.at, field->body.n);
        }
        if (to != NULL && *n < most) store(form, bits, to, *n);
        ++*n;
        return COP_OK;
    }
    if (field->type != COP_WIRE_BYTES)
        return COP_FAIL(err, COP_EFORMAT, "elements are damaged");
    const size_t size = form->wire == COP_WIRE_FIXED32 ? 4 : 8;
    if (form->wire != COP_WIRE_VARINT && field->body.n % size != 0)
        return COP_FAIL(err, COP_EFORMAT, "elements are cut off");
    struct cop_importers__wire list =
        cop_importers__wire_over(graph->file, field->body);
    while (cop_importers__wire_more(&list)) {
        bits = 0;
        if (form->wire == COP_WIRE_VARINT) {
            COP_TRY(cop_importers__wire_varint(&list, &bits, err));
        } else {
            memcpy(&bits, list.at, size);
            list.at += size;
        }
        if (to != NULL && *n < most) store(form, bits, to, *n);
        ++*n;
    }
    return COP_OK;
}

static enum cop_status look(
    const struct cop_tf__graph *graph,
    struct cop_importers__span message,
    struct found *found,
    struct cop_err *err)
{
    struct cop_importers__wire wire = cop_importers__wire_over(graph->file, message);
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number == DTYPE) found->dtype = (int64_t)field.varint;
        if (field.number == SHAPE)
            COP_TRY(cop_tf__read_shape(graph, field.body, &found->shape, err));
        if (field.number == CONTENT && field.type == COP_WIRE_BYTES) {
            found->has_content = field.body.n > 0;
            found->content = field.body;
        }
    }
    return COP_OK;
}

/* All occurrences of the list; see take_numbers. */
static enum cop_status walk_list(
    const struct cop_tf__graph *graph,
    struct cop_importers__span message,
    const struct form *form,
    char *to,
    int64_t most,
    struct found *found,
    struct cop_err *err)
{
    struct cop_importers__wire wire = cop_importers__wire_over(graph->file, message);
    found->n_listed = 0;
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number != form->field) continue;
        COP_TRY(take_numbers(graph, form, &field, to, most, &found->n_listed, err));
        found->run = field.body;
    }
    return COP_OK;
}

/* ---- raw elements ----------------------------------------------------------------------- */

static bool is_as_held(const struct form *form)
{
    return form->bytes == cop_dtype_bytes(form->held) && form->number != TF_HALF;
}

static enum cop_status view(
    const struct cop_tf__graph *graph,
    struct cop_buf *file,
    struct cop_importers__span span,
    struct cop_buf **data,
    struct cop_err *err)
{
    return cop_buf_view(file, (size_t)(span.at - graph->file), span.n, data, err);
}

static void widen(
    const struct form *form, struct cop_importers__span raw, int64_t n, char *to)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        memcpy(&bits, raw.at + (size_t)i * form->bytes, form->bytes);
        const unsigned sign = 8 * form->bytes - 1;
        if (form->is_signed && form->held == COP_I64 && (bits >> sign & 1U) != 0)
            bits |= ~(uint64_t)0 << sign;
        store(form, bits, to, i);
    }
}

static enum cop_status take_content(
    const struct cop_tf__graph *graph,
    const struct form *form,
    struct cop_buf *file,
    struct cop_importers__span raw,
    int64_t n,
    struct cop_buf **data,
    struct cop_err *err)
{
    if (raw.n != (size_t)n * form->bytes)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "%lld elements need %lld bytes, the file has %zu",
            (long long)n,
            (long long)n * form->bytes,
            raw.n);
    if (is_as_held(form)) return view(graph, file, raw, data, err);
    COP_TRY(cop_buf_create((size_t)n * cop_dtype_bytes(form->held), data, err));
    widen(form, raw, n, cop_buf_mutable(*data));
    return COP_OK;
}

/* ---- tensors ------------------------------------------------------------------------------ */

static enum cop_status take_list(
    const struct cop_tf__graph *graph,
    struct cop_importers__span message,
    const struct form *form,
    struct cop_buf *file,
    int64_t n,
    int64_t *room,
    struct cop_buf **data,
    struct cop_err *err)
{
    struct found found = {0};
    const size_t size = cop_dtype_bytes(form->held);
    COP_TRY(walk_list(graph, message, form, NULL, 0, &found, err));
    if (found.n_listed > n)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "shape asks for %lld elements, the file has %lld",
            (long long)n,
            (long long)found.n_listed);
    if (is_as_held(form) && form->wire != COP_WIRE_VARINT && n > 0 &&
        found.run.n == (size_t)n * size)
        return view(graph, file, found.run, data, err);
    *room -= n - found.n_listed;
    if (*room < 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "repeated elements of all tensors are %lld more than allowed",
            (long long)-*room);
    COP_TRY(cop_buf_create((size_t)n * size, data, err));
    char *const to = cop_buf_mutable(*data);
    COP_TRY(walk_list(graph, message, form, to, n, &found, err));
    for (int64_t i = found.n_listed; found.n_listed > 0 && i < n; i++)
        memcpy(to + (size_t)i * size, to + (size_t)(found.n_listed - 1) * size, size);
    return COP_OK;
}

static enum cop_status read_value(
    const struct cop_tf__graph *graph,
    struct cop_importers__span message,
    struct cop_buf *file,
    int64_t *room,
    struct cop_tf__tensor *tensor,
    struct cop_err *err)
{
    struct found found = {0};
    int64_t n = 0;
    COP_TRY(look(graph, message, &found, err));
    const struct form *const form = find_form(found.dtype);
    if (form == NULL)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "element type %lld (%s) is not supported",
            (long long)found.dtype,
            cop_tf__dtype_name(found.dtype));
    if (found.shape.rank < 0)
        return COP_FAIL(err, COP_EFORMAT, "its tensor has no known shape");
    tensor->dtype = form->held;
    if (form->number == TF_HALF) tensor->widened = COP_F16;
    if (form->number == TF_DOUBLE) tensor->widened = COP_F64;
    tensor->shape = cop_shape_make(found.shape.rank, found.shape.dim);
    COP_TRY(cop_shape_count(&tensor->shape, &n, err));
    if (found.has_content)
        return take_content(graph, form, file, found.content, n, &tensor->data, err);
    return take_list(graph, message, form, file, n, room, &tensor->data, err);
}

enum cop_status cop_tf__read_tensor(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    struct cop_buf *file,
    int64_t *room,
    struct cop_tf__tensor *tensor,
    struct cop_err *err)
{
    struct cop_importers__span message = {NULL, 0};
    *tensor = (struct cop_tf__tensor){.widened = COP_DTYPE_NONE};
    COP_TRY(cop_tf__attr_tensor(graph, node, "value", &message, err));
    const enum cop_status status = read_value(graph, message, file, room, tensor, err);
    if (status == COP_OK) return COP_OK;
    cop_buf_release(tensor->data);
    tensor->data = NULL;
    return status;
}
