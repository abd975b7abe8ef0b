/* base/text.h - text that grows: JSON, HTML, SVG, canonical rows.
 *
 * A cop_text remembers its first failure; callers append freely and ask once at the end.
 * It has a cap, so that nothing grows without bound. */
#ifndef COP_BASE_TEXT_H
#define COP_BASE_TEXT_H

#include "base/err.h"

#include <stddef.h>

struct cop_text {
    char *bytes; /* terminated */
    size_t n;
    size_t cap;
    size_t max; /* refuse to grow beyond */
    enum cop_status status;
};

/** After it bytes is "" unless memory gave out, and then cop_text_status tells. */
void cop_text_init(struct cop_text *text, size_t max_bytes);
void cop_text_clear(struct cop_text *text);
void cop_text_add(struct cop_text *text, const char *bytes, size_t n);
void cop_text_puts(struct cop_text *text, const char *string);
void cop_text_printf(struct cop_text *text, const char *format, ...) COP_PRINTF(2, 3);
/** Appends standard base64. */
void cop_text_base64(struct cop_text *text, const void *bytes, size_t n);
/** COP_OK, COP_ENOMEM or COP_EINVAL (too long). */
COP_NODISCARD enum cop_status cop_text_status(
    const struct cop_text *text, struct cop_err *err);

#endif
