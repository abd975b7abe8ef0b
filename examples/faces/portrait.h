/* examples/faces/portrait.h - a whole picture: person, pose, background, light, noise. */
#ifndef FACES_PORTRAIT_H
#define FACES_PORTRAIT_H

#include "faces/canvas.h"

#include "base/err.h"

#include <stdint.h>

/** What makes a set hard: 0 is a studio, 1 the default. */
struct faces_style {
    double weakest; /* strength of the weakest expression, 0..1 */
    double clutter; /* shapes behind and before the face */
    double noise;
};

/** Draws sample @p index of the set with that seed, showing feeling @p label, as 8-bit RGB
 *  [size][size][3].  A sample depends on nothing but these.  COP_ENOMEM. */
COP_NODISCARD enum cop_status faces_portrait(
    uint64_t seed,
    int64_t index,
    int label,
    int size,
    const struct faces_style *style,
    uint8_t *rgb,
    struct cop_err *err);

#endif
