/* data/preprocess.h - from a decoded picture to a network's input, exactly as Pillow and
 * torchvision do it.  A plain value; its text form travels in model metadata and in the
 * project file. */
#ifndef COP_DATA_PREPROCESS_H
#define COP_DATA_PREPROCESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cop_resize_filter { COP_RESIZE_BILINEAR, COP_RESIZE_BICUBIC, COP_RESIZE_NEAREST };

/** sample = (pixel * scale - mean[c]) / std[c], pixel in 0..255. */
struct cop_preprocess {
    int64_t channels; /* 3: RGB, 1: grey (luma as Pillow's "L") */
    int64_t height;   /* of the result */
    int64_t width;
    int64_t short_side; /* resize so that the short side is this; 0: resize to
                           height x width directly if the picture differs */
    enum cop_resize_filter filter;
    bool bgr; /* channel order of the network's input */
    float scale;
    float mean[4];
    float std[4];
};

/** "3x224x224 short=256 filter=bilinear order=rgb scale=1/255 mean=.485,.456,.406
 *  std=.229,.224,.225": c x h x w first, the rest optional (scale 1/255, mean 0, std 1).
 *  COP_EINVAL names the word that is wrong. */
COP_NODISCARD enum cop_status cop_preprocess_parse(
    const char *text, struct cop_preprocess *preprocess, struct cop_err *err);
/** The inverse; parse(print(p)) == p bit for bit.  Returns @p text. */
char *cop_preprocess_print(
    const struct cop_preprocess *preprocess, char *text, size_t text_bytes);
enum { COP_PREPROCESS_TEXT = 320 };

/** The key of the text form in model metadata. */
#define COP_PREPROCESS_META "coppice.preprocess"

#endif
