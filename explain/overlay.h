/* explain/overlay.h - a map over a photograph: grey picture, coloured veil, contour.
 *
 * The photograph is shown in grey under a veil: purple where hiding the place hurts the
 * class, green where it helps; a line encloses the places that hold half of what speaks
 * for the class, so that the picture still says it in black and white.
 * Private to explain/. */
#ifndef COP_EXPLAIN_OVERLAY_H
#define COP_EXPLAIN_OVERLAY_H

#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

enum { COP_OVERLAY_SIDE = 176 }; /* pixels of the longer side of every picture */

/** A photograph, 8-bit RGB [h][w][3]; pixels NULL: none, shown as plain grey. */
struct cop_overlay_photo {
    const uint8_t *pixels;
    int64_t h;
    int64_t w;
};

/** Appends an <img> of the photograph in its colours.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_overlay_photo(
    struct cop_text *html,
    const struct cop_overlay_photo *photo,
    const char *alt,
    struct cop_err *err);

/** Appends an <svg> of the photograph in grey with the map [rows][cols] over it; @p scale
 *  is the value of full colour.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_overlay_map(
    struct cop_text *html,
    const struct cop_overlay_photo *photo,
    const float *map,
    const int64_t rows_cols[2],
    double scale,
    const char *alt,
    struct cop_err *err);

/** Appends the colour scale from -scale to +scale as an <svg> with its labels. */
void cop_overlay_legend(struct cop_text *html);

#endif
