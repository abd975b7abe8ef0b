/* examples/faces/canvas.c - see canvas.h.  Each pixel row is cut into ROWS lines; along a
 * line coverage is exact. */
#include "faces/canvas.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { ROWS = 5, MAX_CROSSINGS = 128 };

struct crossing {
    double x;
    int direction;
};

void faces_path_add(struct faces_path *path, double x, double y)
{
    if (path->n < FACES_MAX_POINTS) path->point[path->n++] = (struct faces_point){x, y};
}

/* Half a circle around @p centre from angle @p from, in the sense of growing angles. */
static void add_cap(
    struct faces_path *path, struct faces_point centre, double radius, double from)
{
    const double pi = acos(-1.0);
    for (int i = 0; i <= 6; i++) {
        const double angle = from + pi * i / 6.0;
        faces_path_add(
            path, centre.x + radius * cos(angle), centre.y + radius * sin(angle));
    }
}

static double direction_at(const struct faces_point *line, int n, int i)
{
    const struct faces_point a = line[i > 0 ? i - 1 : 0];
    const struct faces_point b = line[i < n - 1 ? i + 1 : n - 1];
    return atan2(b.y - a.y, b.x - a.x);
}

void faces_path_stroke(
    struct faces_path *path,
    const struct faces_point *line,
    const double *widths,
    int n)
{
    const double quarter = acos(-1.0) / 2.0;
    path->n = 0;
    for (int i = 0; i < n; i++) {
        const double side = direction_at(line, n, i) - quarter;
        const double radius = widths[i] / 2.0;
        faces_path_add(
            path, line[i].x + radius * cos(side), line[i].y + radius * sin(side));
    }
    add_cap(
        path, line[n - 1], widths[n - 1] / 2.0, direction_at(line, n, n - 1) - quarter);
    for (int i = n - 1; i >= 0; i--) {
        const double side = direction_at(line, n, i) + quarter;
        const double radius = widths[i] / 2.0;
        faces_path_add(
            path, line[i].x + radius * cos(side), line[i].y + radius * sin(side));
    }
    add_cap(path, line[0], widths[0] / 2.0, direction_at(line, n, 0) + quarter);
}

/* Where the path crosses the horizontal line at @p y, from left to right. */
static int cross(const struct faces_path *path, double y, struct crossing *crossings)
{
    int n = 0;
    for (int i = 0; i < path->n && n < MAX_CROSSINGS; i++) {
        const struct faces_point a = path->point[i];
        const struct faces_point b = path->point[i + 1 < path->n ? i + 1 : 0];
        if ((a.y <= y) == (b.y <= y)) continue;
        struct crossing found = {a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x), 1};
        if (a.y > y) found.direction = -1;
        int at = n++;
        for (; at > 0 && crossings[at - 1].x > found.x; at--)
            crossings[at] = crossings[at - 1];
        crossings[at] = found;
    }
    return n;
}

static void add_span(float *row, int size, double from, double to)
{
    if (from < 0) from = 0;
    if (to > size) to = size;
    for (int x = (int)from; x < size && x < to; x++) {
        const double left = from > x ? from : x;
        const double right = to < x + 1 ? to : x + 1;
        if (right > left) row[x] += (float)((right - left) / ROWS);
    }
}

void faces_mask_fill(struct faces_mask *mask, int size, const struct faces_path *path)
{
    mask->size = size;
    memset(mask->cover, 0, (size_t)size * (size_t)size * sizeof *mask->cover);
    double top = size;
    double bottom = 0.0;
    for (int i = 0; i < path->n; i++) {
        top = fmin(top, path->point[i].y);
        bottom = fmax(bottom, path->point[i].y);
    }
    const int first = top > 0.0 ? (int)(top * ROWS) : 0;
    for (int line = first; line < size * ROWS && line < bottom * ROWS; line++) {
        struct crossing crossings[MAX_CROSSINGS];
        const int n = cross(path, (line + 0.5) / ROWS, crossings);
        int winding = 0;
        for (int i = 0; i + 1 < n; i++) {
            winding += crossings[i].direction;
            if (winding == 0) continue;
            add_span(
                mask->cover + (ptrdiff_t)(line / ROWS) * size,
                size,
                crossings[i].x,
                crossings[i + 1].x);
        }
    }
}

void faces_mask_and(struct faces_mask *mask, const struct faces_mask *other)
{
    for (int i = 0; i < mask->size * mask->size; i++)
        mask->cover[i] *= other->cover[i];
}

void faces_paint(
    struct faces_canvas *canvas,
    const struct faces_mask *mask,
    struct faces_colour colour,
    double opacity)
{
    for (int i = 0; i < canvas->size * canvas->size; i++) {
        const float a = mask->cover[i] * (float)opacity;
        if (a <= 0.0f) continue;
        float *pixel = canvas->pixels[i];
        pixel[0] += a * (colour.r - pixel[0]);
        pixel[1] += a * (colour.g - pixel[1]);
        pixel[2] += a * (colour.b - pixel[2]);
    }
}

struct faces_colour faces_rgb(double r, double g, double b)
{
    return (struct faces_colour){(float)r, (float)g, (float)b};
}

struct faces_colour faces_mix(struct faces_colour a, struct faces_colour b, double t)
{
    const float part = (float)t;
    return (struct faces_colour){
        a.r + part * (b.r - a.r), a.g + part * (b.g - a.g), a.b + part * (b.b - a.b)};
}
