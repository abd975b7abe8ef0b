/* examples/faces/features.c - see features.h.  u runs along a lid, brow or lip from -1 to
 * 1; for eyes and brows 1 is the end away from the nose. */
#include "faces/features.h"

#include <math.h>
#include <stdbool.h>

enum { STEPS = 16 };
static const double eye_y = -0.08;
static const double eye_rx = 0.20;
static const double eye_ry = 0.20;

static double along(int i)
{
    return 2.0 * i / STEPS - 1.0;
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double upper_lid(const struct faces_expression *e, double u)
{
    const double open = clamp(e->eye_open, 0.1, 1.6);
    const double round = -open * sqrt(1.0 - u * u);
    const double fall = e->lid_slant > 0.0 ? e->lid_slant * (0.62 - 0.45 * u)
                                           : -e->lid_slant * (0.62 + 0.45 * u);
    return fmax(round, -open + fall);
}

static double lower_lid(const struct faces_expression *e, double u)
{
    const double open = 0.55 + 0.35 * clamp(e->eye_open, 0.1, 1.6);
    const double round = open * sqrt(1.0 - u * u);
    const double lid =
        open - 1.35 * clamp(e->lid_lower, 0.0, 1.0) * (1.0 - 0.35 * u * u);
    return fmax(fmin(round, lid), upper_lid(e, u));
}

static void draw_eye(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *e,
    double side)
{
    const double rx = eye_rx * traits->eye_size;
    const double ry = eye_ry * traits->eye_size;
    const double x = side * traits->eye_apart;
    faces_begin(brush, 0.8);
    for (int i = 0; i <= STEPS; i++) {
        faces_to(brush, x + side * rx * along(i), eye_y + ry * upper_lid(e, along(i)));
    }
    for (int i = STEPS; i >= 0; i--) {
        faces_to(brush, x + side * rx * along(i), eye_y + ry * lower_lid(e, along(i)));
    }
    faces_clip_here(brush);
    faces_fill(brush, faces_rgb(.98, .98, .97), 1.0);
    const double iris_x = x + 0.05 * traits->gaze_x;
    const double iris_y = eye_y + 0.03 * traits->gaze_y;
    const double iris = 0.115 * traits->eye_size;
    const double pupil = 0.07 * traits->eye_size * clamp(e->pupil, 0.4, 1.3);
    faces_ellipse(
        brush, 0.8, iris_x, iris_y, iris * sqrt(e->pupil), iris * sqrt(e->pupil));
    faces_fill_inside(brush, traits->iris, 1.0);
    faces_ellipse(brush, 0.8, iris_x, iris_y, pupil, pupil);
    faces_fill_inside(brush, faces_rgb(.06, .05, .07), 1.0);
    faces_ellipse(brush, 0.8, iris_x - 0.035, iris_y - 0.045, 0.03, 0.03);
    faces_fill_inside(brush, faces_rgb(1, 1, 1), 0.95);
    faces_begin(brush, 0.8);
    for (int i = 0; i <= STEPS; i++) {
        faces_to(brush, x + side * rx * along(i), eye_y + ry * upper_lid(e, along(i)));
    }
    faces_stroke(brush, 0.045, 0.06, traits->line, 1.0);
    faces_begin(brush, 0.8);
    for (int i = 0; i <= STEPS; i++) {
        faces_to(brush, x + side * rx * along(i), eye_y + ry * lower_lid(e, along(i)));
    }
    faces_stroke(brush, 0.02, 0.02, traits->line, 0.7);
}

void faces_draw_eyes(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *expression)
{
    draw_eye(brush, traits, expression, -1.0);
    draw_eye(brush, traits, expression, 1.0);
}

void faces_draw_brows(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *e)
{
    for (int side = -1; side <= 1; side += 2) {
        faces_begin(brush, 0.75);
        for (int i = 0; i <= STEPS; i++) {
            const double u = along(i);
            const double inward = u < 0.0 ? 0.05 * e->brow_frown * u : 0.0;
            const double x = traits->eye_apart + 0.22 * u + inward;
            const double y = -0.43 - 0.13 * e->brow_raise -
                             0.07 * e->brow_arch * (1 - u * u) -
                             0.12 * e->brow_frown * u + 0.10 * e->brow_skew * side;
            faces_to(brush, side * x, y);
        }
        faces_stroke(
            brush, traits->brow_thick, traits->brow_thick * 0.6, traits->brow, 1.0);
    }
}

/* Lips at u: the line between them, and how far they are apart there. */
struct lips {
    double y;
    double gap;
};

static struct lips lips_at(
    const struct faces_traits *traits, const struct faces_expression *e, double u)
{
    const double wave = 0.035 * e->mouth_wave * sin(9.0 * u);
    const double round = clamp(e->mouth_round, 0.0, 1.0);
    const double slot = sqrt(1.0 - u * u * u * u);
    const double ellipse = sqrt(1.0 - u * u);
    return (struct lips){
        traits->mouth_low + 0.20 * e->mouth_smile * (0.45 - u * u) -
            0.07 * e->mouth_skew * u + wave,
        fmax(e->mouth_open, 0.0) * (slot + round * (ellipse - slot))};
}

/* Adds the curve at @p share of the gap (0: upper lip, 1: lower lip). */
static void lip_curve(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *e,
    double share,
    int direction)
{
    const double above = 0.5 - 0.3 * clamp(e->mouth_smile, 0.0, 1.0);
    for (int i = 0; i <= STEPS; i++) {
        const double u = direction * along(i);
        const struct lips lips = lips_at(traits, e, u);
        faces_to(brush, e->mouth_width * u, lips.y + lips.gap * (share - above));
    }
}

static void mouth_inside(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *e)
{
    faces_begin(brush, 0.85);
    lip_curve(brush, traits, e, 0.0, 1);
    lip_curve(brush, traits, e, 1.0, -1);
    faces_clip_here(brush);
    faces_fill(brush, faces_rgb(.36, .07, .10), 1.0);
    if (e->tongue > 0.0) {
        const struct lips lips = lips_at(traits, e, 0.0);
        const double above = 0.5 - 0.3 * clamp(e->mouth_smile, 0.0, 1.0);
        const double bottom = lips.y + lips.gap * (1.0 - above);
        faces_ellipse(
            brush,
            0.85,
            0.0,
            bottom,
            e->mouth_width * 0.6,
            e->mouth_open * 0.6 * e->tongue);
        faces_fill_inside(brush, faces_rgb(.90, .42, .45), 1.0);
    }
    if (e->teeth > 0.0) {
        faces_begin(brush, 0.85);
        lip_curve(brush, traits, e, 0.0, 1);
        lip_curve(brush, traits, e, e->teeth > 0.9 ? 1.0 : 0.5 * e->teeth, -1);
        faces_fill_inside(brush, faces_rgb(.98, .97, .93), 1.0);
    }
    if (e->teeth > 0.9) {
        faces_begin(brush, 0.85);
        lip_curve(brush, traits, e, 0.5, 1);
        faces_stroke(brush, 0.02, 0.02, traits->line, 0.6);
    }
}

void faces_draw_mouth(
    struct faces_brush *brush,
    const struct faces_traits *traits,
    const struct faces_expression *expression)
{
    const bool open = expression->mouth_open > 0.03;
    if (open) mouth_inside(brush, traits, expression);
    for (int lip = 0; lip <= (open ? 1 : 0); lip++) {
        faces_begin(brush, 0.85);
        lip_curve(brush, traits, expression, open ? lip : 0.5, 1);
        faces_stroke(brush, 0.05, 0.05, traits->line, 1.0);
    }
}
