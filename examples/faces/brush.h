/* examples/faces/brush.h - drawing in the coordinates of a face.
 *
 * A face is about 2 units high around (0, 0), y down; the pose says where it lies on the
 * canvas.  Turning moves what is on the front of the head sideways: every call says by its
 * depth (0: silhouette, 1: nose) how much. */
#ifndef FACES_BRUSH_H
#define FACES_BRUSH_H

#include "faces/canvas.h"

struct faces_pose {
    double x; /* of the face's centre, pixels */
    double y;
    double scale;   /* pixels per unit */
    double tilt;    /* radians */
    double stretch; /* width over height */
    double turn;    /* -1: looks left, 1: right */
    double nod;     /* -1: up, 1: down */
};

struct faces_brush {
    struct faces_canvas *canvas;
    struct faces_mask *mask;
    struct faces_mask *clip; /* used by the _inside calls */
    struct faces_path path;
    struct faces_path outline;
    struct faces_pose pose;
    double depth;
};

struct faces_point faces_place(const struct faces_brush *brush, double x, double y);

/** A path is begun, points are added in face coordinates, then it is filled. */
void faces_begin(struct faces_brush *brush, double depth);
void faces_to(struct faces_brush *brush, double x, double y);
void faces_fill(struct faces_brush *brush, struct faces_colour colour, double opacity);
/** Fills only where faces_clip_here has left coverage. */
void faces_fill_inside(
    struct faces_brush *brush, struct faces_colour colour, double opacity);
/** Makes the path just built the clip. */
void faces_clip_here(struct faces_brush *brush);
/** Strokes the path as an open line; the width, in face units, goes from @p from to
 *  @p to along it. */
void faces_stroke(
    struct faces_brush *brush,
    double from,
    double to,
    struct faces_colour colour,
    double opacity);

/** Begins an ellipse; fill or clip follows. */
void faces_ellipse(
    struct faces_brush *brush, double depth, double x, double y, double rx, double ry);

#endif
