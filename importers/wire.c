/* importers/wire.c - see wire.h. */
#include "importers/wire.h"

struct cop_importers__wire cop_importers__wire_over(
    const uint8_t *file, struct cop_importers__span message)
{
    return (struct cop_importers__wire){
        .file = file,
        .at = message.at,
        .end = message.n > 0 ? message.at + message.n : message.at,
    };
}

static enum cop_status damaged(
    const struct cop_importers__wire *wire, const char *what, struct cop_err *err)
{
    return COP_FAIL(err, COP_EFORMAT, "%s at byte %td", what, wire->at - wire->file);
}

enum cop_status cop_importers__wire_varint(
    struct cop_importers__wire *wire, uint64_t *number, struct cop_err *err)
{
    uint64_t bits = 0;
    const uint8_t *at = wire->at;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (at == wire->end) return damaged(wire, "cut off", err);
        uint8_t byte = *at++;
        if (shift < 63)
            bits |= (uint64_t)(byte & 0x7fU) << shift;
        else
            bits |= (uint64_t)(byte & 1U) << 63;
        if ((byte & 0x80U) != 0) continue;
        wire->at = at;
        *number = bits;
        return COP_OK;
    }
    return damaged(wire, "damaged number", err);
}

static enum cop_status take(
    struct cop_importers__wire *wire,
    uint64_t n,
    struct cop_importers__span *span,
    struct cop_err *err)
{
    size_t left = (size_t)(wire->end - wire->at);
    if (n > left) return damaged(wire, "field overruns its message", err);
    *span = (struct cop_importers__span){.at = wire->at, .n = (size_t)n};
    wire->at += n;
    return COP_OK;
}

/* Bytes of a field's body, for BYTES behind the length that comes first. */
static enum cop_status body_bytes(
    struct cop_importers__wire *wire,
    enum cop_importers__wire_type type,
    uint64_t *n,
    struct cop_err *err)
{
    *n = 0;
    switch (type) {
    case COP_WIRE_VARINT: return COP_OK;
    case COP_WIRE_FIXED64: *n = 8; return COP_OK;
    case COP_WIRE_FIXED32: *n = 4; return COP_OK;
    case COP_WIRE_BYTES: return cop_importers__wire_varint(wire, n, err);
    }
    return damaged(wire, "damaged field type", err);
}

enum cop_status cop_importers__wire_next(
    struct cop_importers__wire *wire,
    struct cop_importers__field *field,
    struct cop_err *err)
{
    const uint8_t *first = wire->at;
    uint64_t key = 0;
    uint64_t n = 0;
    COP_TRY(cop_importers__wire_varint(wire, &key, err));
    uint64_t number = key >> 3;
    if (number == 0 || number > UINT32_MAX >> 3)
        return damaged(wire, "damaged field number", err);
    *field = (struct cop_importers__field){.number = (uint32_t)number};
    field->type = (enum cop_importers__wire_type)(key & 7);
    COP_TRY(body_bytes(wire, field->type, &n, err));
    if (field->type == COP_WIRE_VARINT)
        COP_TRY(cop_importers__wire_varint(wire, &field->varint, err));
    else
        COP_TRY(take(wire, n, &field->body, err));
    field->whole.at = first;
    field->whole.n = (size_t)(wire->at - first);
    return COP_OK;
}

static bool is_continuation(struct cop_importers__span text, size_t first, size_t n)
{
    if (n > text.n - first) return false;
    for (size_t i = first; i < first + n; i++) {
        if ((text.at[i] & 0xc0U) != 0x80U) return false;
    }
    return true;
}

bool cop_importers__is_text(struct cop_importers__span text)
{
    for (size_t i = 0; i < text.n;) {
        uint8_t byte = text.at[i++];
        size_t more = 0;
        if (byte == 0) return false;
        if (byte >= 0x80U) {
            if (byte >= 0xc2U && byte <= 0xdfU)
                more = 1;
            else if (byte >= 0xe0U && byte <= 0xefU)
                more = 2;
            else if (byte >= 0xf0U && byte <= 0xf4U)
                more = 3;
            else
                return false;
        }
        if (!is_continuation(text, i, more)) return false;
        i += more;
    }
    return true;
}
