/* importers/onnx_tensor.c - the elements of TensorProto; see onnx_model.h.
 *
 * Elements come as raw bytes, as a list of numbers in one of four fields, or from another
 * file.  How many there must be follows from the shape and is compared before memory is
 * asked for. */
#include "importers/onnx_model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Field numbers of TensorProto that hold elements. */
enum { FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, RAW_DATA = 9, DOUBLE_DATA = 10 };

enum { LOCATION_EXTERNAL = 1 };

/* Which list holds the elements of which type, and how they lie there. */
struct list_form {
    enum cop_dtype dtype;
    uint32_t field;
    enum cop_importers__wire_type wire;
};

static const struct list_form list_forms[] = {
    {COP_F32, FLOAT_DATA, COP_WIRE_FIXED32},
    {COP_F64, DOUBLE_DATA, COP_WIRE_FIXED64},
    {COP_I64, INT64_DATA, COP_WIRE_VARINT},
    {COP_I32, INT32_DATA, COP_WIRE_VARINT},
    {COP_U8, INT32_DATA, COP_WIRE_VARINT},
    {COP_I8, INT32_DATA, COP_WIRE_VARINT},
    {COP_BOOL, INT32_DATA, COP_WIRE_VARINT},
    {COP_F16, INT32_DATA, COP_WIRE_VARINT},
};

/* What a walk over the payload finds. */
struct elements {
    bool has_raw;
    struct cop_importers__span raw;
    size_t n_listed;
    struct cop_importers__span run; /* the last packed run of the list */
    size_t n_run;                   /* its elements */
};

static const struct list_form *find_form(enum cop_dtype dtype)
{
    for (size_t i = 0; i < sizeof list_forms / sizeof *list_forms; i++) {
        if (list_forms[i].dtype == dtype) return &list_forms[i];
    }
    return NULL;
}

/* ---- lists of numbers ------------------------------------------------------------------ */

static size_t fixed_bytes(enum cop_importers__wire_type wire)
{
    return wire == COP_WIRE_FIXED32 ? 4 : 8;
}

static void store_integer(enum cop_dtype dtype, uint64_t bits, char *to, size_t i)
{
    size_t size = cop_dtype_bytes(dtype);
    if (dtype == COP_BOOL) bits = bits != 0;
    memcpy(
        to + i * size,
        &bits,
        size); /* the low bytes come first on every CPU we run on */
}

/* Copies the elements of one field occurrence behind the *n of before; only counts them
 * when to is NULL.  Beyond most it counts on without storing. */
static enum cop_status take_occurrence(
    const struct list_form *form,
    const struct cop_importers__model *model,
    const struct cop_importers__field *field,
    char *to,
    size_t *n,
    struct cop_err *err)
{
    if (field->type == COP_WIRE_VARINT && form->wire == COP_WIRE_VARINT) {
        if (to != NULL) store_integer(form->dtype, field->varint, to, *n);
        ++*n;
        return COP_OK;
    }
    if (field->type != COP_WIRE_BYTES && field->type != form->wire)
        return COP_FAIL(err, COP_EFORMAT, "elements are damaged");
    if (form->wire != COP_WIRE_VARINT) {
        size_t size = fixed_bytes(form->wire);
        if (field->body.n % size != 0)
            return COP_FAIL(err, COP_EFORMAT, "elements are cut off");
        if (to != NULL && field->body.n > 0)
            memcpy(to + *n * size, field->body.at, field->body.n);
        *n += field->body.n / size;
        return COP_OK;
    }
    struct cop_importers__wire list =
        cop_importers__wire_over(model->scan.file, field->body);
    while (cop_importers__wire_more(&list)) {
        uint64_t bits;
        COP_TRY(cop_importers__wire_varint(&list, &bits, err));
        if (to != NULL) store_integer(form->dtype, bits, to, *n);
        ++*n;
    }
    return COP_OK;
}

/* Looks through the payload; with @p to also copies the list's elements there. */
static enum cop_status walk_payload(
    const struct cop_importers__model *model,
    const struct list_form *form,
    struct cop_importers__span payload,
    struct elements *found,
    char *to,
    struct cop_err *err)
{
    *found = (struct elements){0};
    struct cop_importers__wire wire =
        cop_importers__wire_over(model->scan.file, payload);
    while (cop_importers__wire_more(&wire)) {
        struct cop_importers__field field;
        COP_TRY(cop_importers__wire_next(&wire, &field, err));
        if (field.number == RAW_DATA) {
            if (field.type != COP_WIRE_BYTES)
                return COP_FAIL(err, COP_EFORMAT, "raw elements are damaged");
            found->has_raw = true;
            found->raw = field.body;
        } else if (field.number == form->field) {
            size_t before = found->n_listed;
            COP_TRY(take_occurrence(form, model, &field, to, &found->n_listed, err));
            found->run = field.body;
            found->n_run = found->n_listed - before;
        }
    }
    if (found->has_raw && found->raw.n == 0 && found->n_listed > 0)
        found->has_raw = false; /* some writers leave the empty field behind */
    if (found->has_raw && found->n_listed > 0)
        return COP_FAIL(err, COP_EFORMAT, "holds both raw and listed elements");
    return COP_OK;
}

static enum cop_status view_file(
    const struct cop_importers__model *model,
    struct cop_importers__span span,
    struct cop_buf **data,
    struct cop_err *err)
{
    size_t first = span.n > 0 ? (size_t)(span.at - model->scan.file) : 0;
    return cop_buf_view(model->file, first, span.n, data, err);
}

static enum cop_status read_inner(
    const struct cop_importers__model *model,
    const Onnx__TensorProto *proto,
    struct cop_importers__tensor *tensor,
    size_t n,
    struct cop_err *err)
{
    const struct list_form *form = find_form(tensor->dtype);
    if (form == NULL || proto->payload >= model->scan.n_payloads)
        return COP_FAIL(err, COP_EFORMAT, "elements are damaged");
    struct cop_importers__span payload = model->scan.payloads[proto->payload];
    struct elements found;
    COP_TRY(walk_payload(model, form, payload, &found, NULL, err));
    size_t bytes = n * cop_dtype_bytes(tensor->dtype);
    if (found.has_raw) {
        if (found.raw.n != bytes)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "%zu elements need %zu bytes, the file has %zu",
                n,
                bytes,
                found.raw.n);
        return view_file(model, found.raw, &tensor->data, err);
    }
    if (found.n_listed != n)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "shape asks for %zu elements, the file has %zu",
            n,
            found.n_listed);
    if (form->wire != COP_WIRE_VARINT && found.n_run == n) /* already as we hold them */
        return view_file(model, found.run, &tensor->data, err);
    COP_TRY(cop_buf_create(bytes, &tensor->data, err));
    return walk_payload(
        model, form, payload, &found, cop_buf_mutable(tensor->data), err);
}

/* ---- external elements ----------------------------------------------------------------- */

/* A non-negative decimal number and nothing else. */
static enum cop_status parse_size(
    const char *key, const char *text, int64_t *number, struct cop_err *err)
{
    char *end = NULL;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return COP_FAIL(err, COP_EFORMAT, "external %s '%s' is not a size", key, text);
    *number = parsed;
    return COP_OK;
}

static enum cop_status read_external(
    const struct cop_importers__model *model,
    const Onnx__TensorProto *proto,
    struct cop_importers__tensor *tensor,
    size_t bytes,
    struct cop_err *err)
{
    const char *location = NULL;
    int64_t offset = 0;
    int64_t length = -1;
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const char *key = cop_importers__text(proto->external_data[i]->key);
        const char *text = cop_importers__text(proto->external_data[i]->value);
        if (strcmp(key, "location") == 0) location = text;
        if (strcmp(key, "offset") == 0) COP_TRY(parse_size(key, text, &offset, err));
        if (strcmp(key, "length") == 0) COP_TRY(parse_size(key, text, &length, err));
    }
    if (location == NULL)
        return COP_FAIL(err, COP_EFORMAT, "external elements have no location");
    if (length >= 0 && (uint64_t)length != bytes)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "shape asks for %zu bytes, external length is %" PRId64,
            bytes,
            length);
    if (model->options->external == NULL)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "elements are in another file ('%s'), which is not at hand",
            location);
    COP_TRY(model->options->external(
        model->options->external_context,
        location,
        offset,
        (int64_t)bytes,
        &tensor->data,
        err));
    if (cop_buf_bytes(tensor->data) == bytes) return COP_OK;
    return COP_FAIL(
        err,
        COP_EFORMAT,
        "shape asks for %zu bytes, '%s' gives %zu",
        bytes,
        location,
        cop_buf_bytes(tensor->data));
}

/* ---- tensors ----------------------------------------------------------------------------- */

static enum cop_status read_shape(
    const Onnx__TensorProto *proto,
    struct cop_importers__tensor *tensor,
    int64_t *n,
    struct cop_err *err)
{
    if (!proto->has_data_type || proto->data_type == 0)
        return COP_FAIL(err, COP_EFORMAT, "has no element type");
    tensor->dtype = cop_dtype_from_onnx(proto->data_type);
    if (tensor->dtype == COP_DTYPE_NONE)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "element type %" PRId32 " of the ONNX list is not supported",
            proto->data_type);
    if (proto->n_dims > COP_MAX_RANK)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "has %zu axes, at most %d are supported",
            proto->n_dims,
            COP_MAX_RANK);
    tensor->shape = cop_shape_make((int32_t)proto->n_dims, proto->dims);
    return cop_shape_count(&tensor->shape, n, err);
}

/* float16 and float64 are held as float32, the one floating type that we compute in. */
static enum cop_status widen(
    struct cop_importers__tensor *tensor, size_t n, struct cop_err *err)
{
    if (tensor->dtype != COP_F16 && tensor->dtype != COP_F64) return COP_OK;
    struct cop_buf *wide = NULL;
    COP_TRY(cop_buf_create(n * sizeof(float), &wide, err));
    float *to = cop_buf_mutable(wide);
    const void *from = cop_buf_data(tensor->data);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)cop_element_at(tensor->dtype, from, (int64_t)i);
    cop_buf_release(tensor->data);
    tensor->data = wide;
    tensor->dtype = COP_F32;
    return COP_OK;
}

static enum cop_status read_parts(
    const struct cop_importers__model *model,
    const Onnx__TensorProto *proto,
    struct cop_importers__tensor *tensor,
    struct cop_err *err)
{
    int64_t n = 0;
    COP_TRY(read_shape(proto, tensor, &n, err));
    size_t bytes = (size_t)n * cop_dtype_bytes(tensor->dtype);
    if (proto->data_location == LOCATION_EXTERNAL)
        COP_TRY(read_external(model, proto, tensor, bytes, err));
    else
        COP_TRY(read_inner(model, proto, tensor, (size_t)n, err));
    return widen(tensor, (size_t)n, err);
}

enum cop_status cop_importers__read_tensor(
    const struct cop_importers__model *model,
    const Onnx__TensorProto *proto,
    struct cop_importers__tensor *tensor,
    struct cop_err *err)
{
    *tensor = (struct cop_importers__tensor){0};
    enum cop_status status = read_parts(model, proto, tensor, err);
    if (status == COP_OK) return COP_OK;
    cop_buf_release(tensor->data);
    tensor->data = NULL;
    cop_err_in(err, "tensor '%s'", cop_importers__text(proto->name));
    return status;
}
