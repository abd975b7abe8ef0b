/* exporters/encode.c - see encode.h. */
#include "exporters/encode.h"

#include <string.h>

enum { VARINT = 0, LENGTH = 2, FIXED32 = 5 };

static void flush(struct cop_exporters__out *out)
{
    if (out->status == COP_OK && out->n_pending > 0)
        out->status = out->sink(out->context, out->pending, out->n_pending, out->err);
    out->n_pending = 0;
}

static void put_raw(struct cop_exporters__out *out, const void *bytes, size_t n)
{
    out->n += n;
    if (out->pending == NULL || n == 0) return;
    if (n > COP_EXPORTERS_PENDING - out->n_pending) flush(out);
    if (n > COP_EXPORTERS_PENDING) { /* tensors go straight from their buffers */
        if (out->status == COP_OK)
            out->status = out->sink(out->context, bytes, n, out->err);
        return;
    }
    memcpy(out->pending + out->n_pending, bytes, n);
    out->n_pending += n;
}

static void put_varint(struct cop_exporters__out *out, uint64_t number)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; number > 0x7f; number >>= 7)
        bytes[n++] = (uint8_t)(0x80U | (number & 0x7fU));
    bytes[n++] = (uint8_t)number;
    put_raw(out, bytes, n);
}

static void put_key(struct cop_exporters__out *out, uint32_t field, uint32_t type)
{
    put_varint(out, (uint64_t)field << 3 | type);
}

void cop_exporters__put_int(
    struct cop_exporters__out *out, uint32_t field, int64_t number)
{
    put_key(out, field, VARINT);
    put_varint(out, (uint64_t)number);
}

void cop_exporters__put_float(
    struct cop_exporters__out *out, uint32_t field, float number)
{
    put_key(out, field, FIXED32);
    put_raw(out, &number, sizeof number); /* little-endian, as every CPU we run on */
}

void cop_exporters__put_bytes(
    struct cop_exporters__out *out, uint32_t field, const void *bytes, size_t n)
{
    put_key(out, field, LENGTH);
    put_varint(out, n);
    put_raw(out, bytes, n);
}

void cop_exporters__put_text(
    struct cop_exporters__out *out, uint32_t field, const char *text)
{
    cop_exporters__put_bytes(out, field, text, text != NULL ? strlen(text) : 0);
}

uint64_t cop_exporters__count(cop_exporters__body_fn *body, const void *what)
{
    struct cop_exporters__out counter = {.pending = NULL};
    body(&counter, what);
    return counter.n;
}

void cop_exporters__put_message(
    struct cop_exporters__out *out,
    uint32_t field,
    cop_exporters__body_fn *body,
    const void *what)
{
    put_key(out, field, LENGTH);
    if (out->pending == NULL) { /* one run of the body tells both */
        uint64_t before = out->n;
        body(out, what);
        put_varint(out, out->n - before);
        return;
    }
    put_varint(out, cop_exporters__count(body, what));
    body(out, what);
}

enum cop_status cop_exporters__finish(struct cop_exporters__out *out)
{
    flush(out);
    return out->status;
}
