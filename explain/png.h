/* explain/png.h - small pictures for one self-contained page: PNG in memory, as a data URI.
 * The same pixels give the same bytes. */
#ifndef COP_EXPLAIN_PNG_H
#define COP_EXPLAIN_PNG_H

#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

/** Appends PNG bytes of 8-bit pixels [height][width][channels]; channels 1: grey, 3: RGB,
 *  4: RGBA.  COP_EINVAL for other counts or sides outside 1 .. 8192, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_png_write(
    struct cop_text *png,
    const uint8_t *pixels,
    int64_t width,
    int64_t height,
    int channels,
    struct cop_err *err);

/** Appends "data:image/png;base64,..." of the same. */
COP_NODISCARD enum cop_status cop_png_data_uri(
    struct cop_text *text,
    const uint8_t *pixels,
    int64_t width,
    int64_t height,
    int channels,
    struct cop_err *err);

#endif
