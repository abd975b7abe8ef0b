/* explain/svg.h - the few drawings of the report, as inline SVG.
 *
 * Every drawing carries its meaning as text (aria-label), uses shape or place besides
 * colour, and is readable in greyscale.  Labels are escaped here.  Private to explain/. */
#ifndef COP_EXPLAIN_SVG_H
#define COP_EXPLAIN_SVG_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Ink on white, at least 4.5:1; chosen to stay apart for colour-blind readers. */
#define COP_SVG_INK "#1b1f24"
#define COP_SVG_MUTED "#57606a"
#define COP_SVG_RULE "#d0d7de"
#define COP_SVG_BLUE "#1f5fa8"
#define COP_SVG_ORANGE "#a8480c"
#define COP_SVG_PURPLE "#762a83"
#define COP_SVG_GREEN "#1b7837"

enum cop_svg_mark {
    COP_SVG_REJECTED, /* cross */
    COP_SVG_ACCEPTED, /* dot */
    COP_SVG_CHOSEN,   /* dot in a ring */
    COP_SVG_ORIGINAL, /* diamond */
};

struct cop_svg_point {
    double x;
    double y;
    enum cop_svg_mark mark;
    const char *label; /* NULL: none */
};

struct cop_svg_scatter {
    const struct cop_svg_point *points; /* drawn in this order */
    int32_t n;
    const int32_t *front; /* points joined by a line, by ascending x */
    int32_t n_front;
    const char *x_label; /* with units */
    const char *y_label;
    const char *meaning; /* what a reader who sees nothing should know */
};
/** Axes, grid, points, front and legend; nothing when there is no point. */
void cop_svg_scatter(struct cop_text *svg, const struct cop_svg_scatter *scatter);

/** A small bar from a zero in the middle: green to the right for more, purple to the left
 *  for less; @p scale is the value at either end. */
void cop_svg_change(struct cop_text *svg, double value, double scale);

/** A small bar of @p after within @p before, as shares of @p most. */
void cop_svg_width(struct cop_text *svg, int64_t before, int64_t after, int64_t most);

/** A small interval: a line from low to high with a dot, on an axis from 0 to 100. */
void cop_svg_interval(struct cop_text *svg, double low, double value, double high);

/** Columns of @p values in the given order, heights as shares of @p most: kept ones stand
 *  up in blue, removed ones hang down in orange. */
void cop_svg_strip(
    struct cop_text *svg,
    const float *values,
    const uint8_t *is_removed,
    int64_t n,
    double most,
    const char *meaning);

/** A step for axis ticks, 1, 2 or 5 times a power of ten, so that about @p n fit into
 *  @p span. */
double cop_svg_tick_step(double span, int n);

#endif
