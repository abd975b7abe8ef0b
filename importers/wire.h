/* importers/wire.h - protobuf's wire format, field by field, bounds checked.
 *
 * Private to importers/.  A cursor walks the fields of one message without knowing its
 * schema; nested messages are spans to be walked by a cursor of their own.  Nothing is
 * copied or allocated. */
#ifndef COP_IMPORTERS_WIRE_H
#define COP_IMPORTERS_WIRE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cop_importers__wire_type {
    COP_WIRE_VARINT = 0,
    COP_WIRE_FIXED64 = 1,
    COP_WIRE_BYTES = 2, /* strings, messages, packed lists */
    COP_WIRE_FIXED32 = 5
};

/** A range of the file. */
struct cop_importers__span {
    const uint8_t *at;
    size_t n;
};

struct cop_importers__wire {
    const uint8_t *file; /* start of all, for offsets in messages */
    const uint8_t *at;
    const uint8_t *end;
};

struct cop_importers__field {
    uint32_t number;
    enum cop_importers__wire_type type;
    uint64_t varint; /* of VARINT */
    struct cop_importers__span
        body; /* of BYTES, FIXED32, FIXED64: without the length */
    struct cop_importers__span whole; /* key, length and body */
};

/** A cursor over a message of the file that starts at @p file. */
struct cop_importers__wire cop_importers__wire_over(
    const uint8_t *file, struct cop_importers__span message);
static inline bool cop_importers__wire_more(const struct cop_importers__wire *wire)
{
    return wire->at < wire->end;
}
/** The next field.  COP_EFORMAT, with the byte offset, when it overruns the message. */
COP_NODISCARD enum cop_status cop_importers__wire_next(
    struct cop_importers__wire *wire,
    struct cop_importers__field *field,
    struct cop_err *err);
/** One bare number of a packed list.  COP_EFORMAT likewise. */
COP_NODISCARD enum cop_status cop_importers__wire_varint(
    struct cop_importers__wire *wire, uint64_t *number, struct cop_err *err);
/** UTF-8 without zeros; surrogates are let pass. */
bool cop_importers__is_text(struct cop_importers__span text);

#endif
