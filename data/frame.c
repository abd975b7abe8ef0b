/* data/frame.c - from a decoded picture to a network's input: torchvision's Resize,
 * CenterCrop, ToTensor and Normalize. */
#include "data/picture.h"

#include <math.h>
#include <string.h>

/* Resize(short): the short side becomes @p short_side, the long one in proportion,
 * rounded down. */
static enum cop_status resize_short(
    struct cop_data__picture *picture,
    int64_t short_side,
    enum cop_resize_filter filter,
    struct cop_err *err)
{
    const bool upright = picture->width <= picture->height;
    const int64_t near = upright ? picture->width : picture->height;
    const int64_t far = upright ? picture->height : picture->width;
    const double exact = (double)(short_side * far) / (double)near;
    if (exact > COP_DATA__MAX_SIDE) {
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "picture of %lldx%lld pixels is too long to resize to a short side of %lld",
            (long long)picture->width,
            (long long)picture->height,
            (long long)short_side);
    }
    const int64_t long_side = (int64_t)exact;
    return cop_data__resize(
        picture,
        upright ? short_side : long_side,
        upright ? long_side : short_side,
        filter,
        err);
}

/* CenterCrop along one axis: where the window starts in the picture.  Negative when the
 * picture is smaller and gets a black border; halves round to even, as in Python. */
static int64_t window_start(int64_t extent, int64_t window)
{
    if (extent < window) return -((window - extent) / 2);
    return (int64_t)nearbyint((double)(extent - window) / 2.0);
}

static enum cop_status crop(
    struct cop_data__picture *picture,
    int64_t width,
    int64_t height,
    struct cop_err *err)
{
    if (picture->width == width && picture->height == height) return COP_OK;
    struct cop_data__picture window;
    const int64_t c_n = picture->channels;
    COP_TRY(cop_data__picture_create(&window, width, height, c_n, err));
    const int64_t left = window_start(picture->width, width);
    const int64_t top = window_start(picture->height, height);
    const int64_t to_x = left < 0 ? -left : 0;
    const int64_t from_x = left < 0 ? 0 : left;
    const int64_t n_x = picture->width < width ? picture->width : width;
    for (int64_t y = 0; y < height; y++) {
        const int64_t from_y = y + top;
        if (from_y < 0 || from_y >= picture->height) continue;
        memcpy(
            window.pixels + (y * width + to_x) * c_n,
            picture->pixels + (from_y * picture->width + from_x) * c_n,
            (size_t)(n_x * c_n));
    }
    cop_data__picture_clear(picture);
    *picture = window;
    return COP_OK;
}

enum cop_status cop_data__frame(
    struct cop_data__picture *picture,
    const struct cop_preprocess *preprocess,
    struct cop_err *err)
{
    const int64_t width = preprocess->width;
    const int64_t height = preprocess->height;
    COP_TRY(cop_data__picture_convert(picture, preprocess->channels, err));
    if (preprocess->short_side == 0) {
        return cop_data__resize(picture, width, height, preprocess->filter, err);
    }
    COP_TRY(resize_short(picture, preprocess->short_side, preprocess->filter, err));
    return crop(picture, width, height, err);
}

void cop_data__normalise(
    const struct cop_data__picture *picture,
    const struct cop_preprocess *preprocess,
    float *dst)
{
    const int64_t n_c = picture->channels;
    const int64_t n = picture->width * picture->height;
    for (int64_t c = 0; c < n_c; c++) {
        const int64_t from = preprocess->bgr ? n_c - 1 - c : c;
        float values[256];
        for (int v = 0; v < 256; v++) {
            values[v] = ((float)v * preprocess->scale - preprocess->mean[c]) /
                        preprocess->std[c];
        }
        for (int64_t i = 0; i < n; i++) {
            dst[c * n + i] = values[picture->pixels[i * n_c + from]];
        }
    }
}
