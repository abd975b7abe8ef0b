/* data/picture.h - a decoded picture and what is done to it; private to data/.
 *
 * Decoding copies torchvision's loader over Pillow: EXIF orientation is ignored, alpha is
 * dropped, palettes are expanded, 16 bits become 8 by their high byte.  Resizing is
 * Pillow's two-pass 8-bit algorithm bit for bit.  Pure functions, safe from any thread. */
#ifndef COP_DATA_PICTURE_H
#define COP_DATA_PICTURE_H

#include "base/err.h"
#include "data/preprocess.h"

#include <stddef.h>
#include <stdint.h>

/* What a file may ask for before memory is given to it. */
enum {
    COP_DATA__MAX_SIDE = 65500,
    COP_DATA__MAX_PIXELS = 1 << 26,
    COP_DATA__MAX_FILE_BYTES = 1 << 28
};

struct cop_data__picture {
    int64_t width;
    int64_t height;
    int64_t channels; /* 1: grey, 3: RGB */
    uint8_t *pixels;  /* [height][width][channels] */
};

/** Zeroed pixels.  COP_EFORMAT beyond the limits above, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_data__picture_create(
    struct cop_data__picture *picture,
    int64_t width,
    int64_t height,
    int64_t channels,
    struct cop_err *err);
/** Frees the pixels; a zeroed picture is allowed. */
void cop_data__picture_clear(struct cop_data__picture *picture);

/** JPEG or PNG, told apart by their first bytes.  The caller clears the picture, also
 *  after failure.  COP_EFORMAT, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_data__decode(
    const uint8_t *bytes,
    size_t n,
    struct cop_data__picture *picture,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_data__decode_jpeg(
    const uint8_t *bytes,
    size_t n,
    struct cop_data__picture *picture,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_data__decode_png(
    const uint8_t *bytes,
    size_t n,
    struct cop_data__picture *picture,
    struct cop_err *err);

/** To 1 channel (luma of ITU-R 601, as Pillow's "L") or to 3 (copies).  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_data__picture_convert(
    struct cop_data__picture *picture, int64_t channels, struct cop_err *err);

/** As Pillow's Image.resize.  COP_EFORMAT (limits), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_data__resize(
    struct cop_data__picture *picture,
    int64_t width,
    int64_t height,
    enum cop_resize_filter filter,
    struct cop_err *err);

/** Converts, resizes and crops as @p preprocess says: the picture that a person would
 *  see.  COP_EFORMAT (limits), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_data__frame(
    struct cop_data__picture *picture,
    const struct cop_preprocess *preprocess,
    struct cop_err *err);

/** Scales and normalises a framed picture into dst [channels][height][width]. */
void cop_data__normalise(
    const struct cop_data__picture *picture,
    const struct cop_preprocess *preprocess,
    float *dst);

#endif
