/* examples/faces/brush.c - see brush.h. */
#include "faces/brush.h"

#include <math.h>

struct faces_point faces_place(const struct faces_brush *brush, double x, double y)
{
    const struct faces_pose *pose = &brush->pose;
    const double across = x * pose->stretch + pose->turn * 0.16 * brush->depth;
    const double down = y + pose->nod * 0.10 * brush->depth;
    const double c = cos(pose->tilt);
    const double s = sin(pose->tilt);
    return (struct faces_point){
        pose->x + pose->scale * (across * c - down * s),
        pose->y + pose->scale * (across * s + down * c)};
}

void faces_begin(struct faces_brush *brush, double depth)
{
    brush->path.n = 0;
    brush->depth = depth;
}

void faces_to(struct faces_brush *brush, double x, double y)
{
    const struct faces_point at = faces_place(brush, x, y);
    faces_path_add(&brush->path, at.x, at.y);
}

void faces_fill(struct faces_brush *brush, struct faces_colour colour, double opacity)
{
    faces_mask_fill(brush->mask, brush->canvas->size, &brush->path);
    faces_paint(brush->canvas, brush->mask, colour, opacity);
}

void faces_fill_inside(
    struct faces_brush *brush, struct faces_colour colour, double opacity)
{
    faces_mask_fill(brush->mask, brush->canvas->size, &brush->path);
    faces_mask_and(brush->mask, brush->clip);
    faces_paint(brush->canvas, brush->mask, colour, opacity);
}

void faces_clip_here(struct faces_brush *brush)
{
    faces_mask_fill(brush->clip, brush->canvas->size, &brush->path);
}

void faces_stroke(
    struct faces_brush *brush,
    double from,
    double to,
    struct faces_colour colour,
    double opacity)
{
    double widths[FACES_MAX_POINTS];
    const int n = brush->path.n;
    for (int i = 0; i < n; i++) {
        const double along = n > 1 ? (double)i / (n - 1) : 0.0;
        widths[i] = brush->pose.scale * (from + (to - from) * along);
    }
    faces_path_stroke(&brush->outline, brush->path.point, widths, n);
    faces_mask_fill(brush->mask, brush->canvas->size, &brush->outline);
    faces_paint(brush->canvas, brush->mask, colour, opacity);
}

void faces_ellipse(
    struct faces_brush *brush, double depth, double x, double y, double rx, double ry)
{
    const double turn = 2.0 * acos(-1.0);
    faces_begin(brush, depth);
    for (int i = 0; i < 36; i++) {
        const double angle = turn * i / 36.0;
        faces_to(brush, x + rx * cos(angle), y + ry * sin(angle));
    }
}
