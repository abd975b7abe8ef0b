/* data/picture.c - pictures in memory: limits, kinds of file, grey and colour. */
#include "data/picture.h"

#include "base/mem.h"

#include <string.h>

enum cop_status cop_data__picture_create(
    struct cop_data__picture *picture,
    int64_t width,
    int64_t height,
    int64_t channels,
    struct cop_err *err)
{
    if (width < 1 || height < 1 || width > COP_DATA__MAX_SIDE ||
        height > COP_DATA__MAX_SIDE || width * height > COP_DATA__MAX_PIXELS) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "picture of %lldx%lld pixels; the limits are %d a side and %d in all",
            (long long)width,
            (long long)height,
            COP_DATA__MAX_SIDE,
            COP_DATA__MAX_PIXELS);
    }
    uint8_t *pixels = cop_mem_array((size_t)(width * height), (size_t)channels);
    if (pixels == NULL) return COP_FAIL_NOMEM(err);
    *picture = (struct cop_data__picture){width, height, channels, pixels};
    return COP_OK;
}

void cop_data__picture_clear(struct cop_data__picture *picture)
{
    cop_mem_free(picture->pixels);
    *picture = (struct cop_data__picture){0};
}

enum cop_status cop_data__decode(
    const uint8_t *bytes,
    size_t n,
    struct cop_data__picture *picture,
    struct cop_err *err)
{
    static const uint8_t jpeg_magic[] = {0xff, 0xd8, 0xff};
    static const uint8_t png_magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (n >= sizeof jpeg_magic && memcmp(bytes, jpeg_magic, sizeof jpeg_magic) == 0) {
        return cop_data__decode_jpeg(bytes, n, picture, err);
    }
    if (n >= sizeof png_magic && memcmp(bytes, png_magic, sizeof png_magic) == 0) {
        return cop_data__decode_png(bytes, n, picture, err);
    }
    return COP_FAIL(err, COP_EFORMAT, "neither a JPEG nor a PNG (%zu bytes)", n);
}

/* Pillow's L: ITU-R 601 luma with 16 fraction bits, rounded. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

enum cop_status cop_data__picture_convert(
    struct cop_data__picture *picture, int64_t channels, struct cop_err *err)
{
    if (picture->channels == channels) return COP_OK;
    struct cop_data__picture converted = {0};
    const enum cop_status status = cop_data__picture_create(
        &converted, picture->width, picture->height, channels, err);
    if (status != COP_OK || converted.pixels == NULL) return status;
    const int64_t n = picture->width * picture->height;
    for (int64_t i = 0; i < n; i++) {
        if (channels == 1) {
            converted.pixels[i] = luma(picture->pixels + 3 * i);
        } else {
            memset(converted.pixels + 3 * i, picture->pixels[i], 3);
        }
    }
    cop_data__picture_clear(picture);
    *picture = converted;
    return COP_OK;
}
