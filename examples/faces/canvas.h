/* examples/faces/canvas.h - a small anti-aliased rasteriser: filled paths, on masks.
 *
 * A path is closed and filled by the non-zero rule; strokes are paths around a line.  A path
 * is rasterised into a mask of coverage, a mask is painted onto the canvas, and masks can be
 * intersected, which is how an iris stays inside its eye.  Coordinates are pixels, y down,
 * pixel (0, 0) covers [0, 1) x [0, 1). */
#ifndef FACES_CANVAS_H
#define FACES_CANVAS_H

#include <stdint.h>

enum { FACES_MAX_SIZE = 256, FACES_MAX_POINTS = 512 };

struct faces_point {
    double x;
    double y;
};

struct faces_colour {
    float r; /* each 0..1 */
    float g;
    float b;
};

struct faces_canvas {
    int size;
    float pixels[FACES_MAX_SIZE * FACES_MAX_SIZE][3];
};

struct faces_mask {
    int size;
    float cover[FACES_MAX_SIZE * FACES_MAX_SIZE]; /* 0..1 */
};

struct faces_path {
    int n;
    struct faces_point point[FACES_MAX_POINTS];
};

/** Points beyond FACES_MAX_POINTS are left out. */
void faces_path_add(struct faces_path *path, double x, double y);
/** Makes @p path the outline of a line of @p n points with a width at each, round ends. */
void faces_path_stroke(
    struct faces_path *path,
    const struct faces_point *line,
    const double *widths,
    int n);

/** Coverage of the inside of @p path on a mask of @p size x @p size. */
void faces_mask_fill(struct faces_mask *mask, int size, const struct faces_path *path);
/** mask *= other */
void faces_mask_and(struct faces_mask *mask, const struct faces_mask *other);

void faces_paint(
    struct faces_canvas *canvas,
    const struct faces_mask *mask,
    struct faces_colour colour,
    double opacity);

struct faces_colour faces_rgb(double r, double g, double b);
/** a at t = 0, b at t = 1 */
struct faces_colour faces_mix(struct faces_colour a, struct faces_colour b, double t);

#endif
