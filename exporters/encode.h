/* exporters/encode.h - protobuf's wire format, written as a stream.
 *
 * Private to exporters/.  A nested message is a function that writes its fields; it runs
 * once to count its bytes, because the length comes first, and once to write them.  So
 * nothing is ever assembled in memory.  The first failure sticks and is asked for once at
 * the end. */
#ifndef COP_EXPORTERS_ENCODE_H
#define COP_EXPORTERS_ENCODE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COP_EXPORTERS_PENDING = 4096 };

/** Where bytes go: to a sink through a small buffer, or nowhere but into a count. */
struct cop_exporters__out {
    enum cop_status (*sink)(
        void *context, const void *bytes, size_t n, struct cop_err *err);
    void *context;
    struct cop_err *err;
    enum cop_status status;
    uint64_t n;       /* bytes so far */
    uint8_t *pending; /* COP_EXPORTERS_PENDING bytes; NULL: only count */
    size_t n_pending;
};

typedef void cop_exporters__body_fn(struct cop_exporters__out *out, const void *what);

void cop_exporters__put_int(
    struct cop_exporters__out *out, uint32_t field, int64_t number);
void cop_exporters__put_float(
    struct cop_exporters__out *out, uint32_t field, float number);
void cop_exporters__put_bytes(
    struct cop_exporters__out *out, uint32_t field, const void *bytes, size_t n);
/** @p text NULL writes an empty string. */
void cop_exporters__put_text(
    struct cop_exporters__out *out, uint32_t field, const char *text);
void cop_exporters__put_message(
    struct cop_exporters__out *out,
    uint32_t field,
    cop_exporters__body_fn *body,
    const void *what);
/** Bytes of the message that @p body writes. */
uint64_t cop_exporters__count(cop_exporters__body_fn *body, const void *what);
/** Gives what is pending to the sink; the status of the whole. */
COP_NODISCARD enum cop_status cop_exporters__finish(struct cop_exporters__out *out);

#endif
