/* examples/faces/portrait.c - see portrait.h. */
#include "faces/portrait.h"

#include "base/mem.h"
#include "base/rng.h"
#include "faces/brush.h"
#include "faces/expression.h"
#include "faces/features.h"
#include "faces/head.h"

#include <math.h>
#include <stdbool.h>

/* Everything needed while one picture is drawn. */
struct studio {
    struct faces_canvas canvas;
    struct faces_mask mask;
    struct faces_mask clip;
    struct faces_brush brush;
    struct cop_rng rng;
};

static struct faces_colour any_colour(struct cop_rng *rng)
{
    return faces_rgb(cop_rng_unit(rng), cop_rng_unit(rng), cop_rng_unit(rng));
}

static void paint_backdrop(struct studio *studio)
{
    struct cop_rng *rng = &studio->rng;
    const struct faces_colour wall = faces_rgb(.62, .62, .62);
    const struct faces_colour a = faces_mix(any_colour(rng), wall, 0.35);
    const struct faces_colour b = faces_mix(any_colour(rng), wall, 0.35);
    const double angle = cop_rng_range(rng, 0.0, 6.283);
    const int size = studio->canvas.size;
    for (int i = 0; i < size * size; i++) {
        const int column = i % size;
        const int row = i / size;
        const double x = (column + 0.5) / size - 0.5;
        const double y = (row + 0.5) / size - 0.5;
        const double t = 0.5 + 0.7 * (x * cos(angle) + y * sin(angle));
        const struct faces_colour mixed = faces_mix(a, b, t < 0 ? 0 : t > 1 ? 1 : t);
        studio->canvas.pixels[i][0] = mixed.r;
        studio->canvas.pixels[i][1] = mixed.g;
        studio->canvas.pixels[i][2] = mixed.b;
    }
}

/* A disc, a bar, a triangle or a ring somewhere on the canvas. */
static void paint_shape(struct studio *studio, double x, double y, double reach)
{
    struct cop_rng *rng = &studio->rng;
    struct faces_brush *brush = &studio->brush;
    const struct faces_colour colour = any_colour(rng);
    const double opacity = cop_rng_range(rng, 0.35, 1.0);
    brush->pose = (struct faces_pose){
        .x = x,
        .y = y,
        .scale = reach,
        .tilt = cop_rng_range(rng, 0.0, 6.283),
        .stretch = cop_rng_range(rng, 0.4, 1.0)};
    switch (cop_rng_below(rng, 4)) {
    case 0:
        faces_ellipse(brush, 0.0, 0.0, 0.0, 1.0, 1.0);
        faces_fill(brush, colour, opacity);
        break;
    case 1:
        faces_begin(brush, 0.0);
        faces_to(brush, -2.0, 0.0);
        faces_to(brush, 2.0, 0.0);
        faces_stroke(brush, 0.4, 0.4, colour, opacity);
        break;
    case 2:
        faces_begin(brush, 0.0);
        for (int i = 0; i < 3; i++)
            faces_to(brush, cos(2.094 * i), sin(2.094 * i));
        faces_fill(brush, colour, opacity);
        break;
    default:
        faces_ellipse(brush, 0.0, 0.0, 0.0, 0.9, 0.9);
        faces_to(brush, 0.9, 0.0);
        faces_stroke(brush, 0.25, 0.25, colour, opacity);
        break;
    }
}

static void paint_clutter(struct studio *studio, double amount)
{
    struct cop_rng *rng = &studio->rng;
    const double size = studio->canvas.size;
    const int64_t n = cop_rng_below(rng, 1 + (int64_t)(9.0 * amount));
    for (int64_t i = 0; i < n; i++) {
        const double x = cop_rng_range(rng, 0.0, size);
        const double y = cop_rng_range(rng, 0.0, size);
        paint_shape(studio, x, y, size * cop_rng_range(rng, 0.04, 0.16));
    }
}

static struct faces_pose draw_pose(struct cop_rng *rng, double size)
{
    return (struct faces_pose){
        .x = size * cop_rng_range(rng, 0.42, 0.58),
        .y = size * cop_rng_range(rng, 0.44, 0.56),
        .scale = size * cop_rng_range(rng, 0.32, 0.44),
        .tilt = 0.16 * cop_rng_normal(rng),
        .stretch = cop_rng_range(rng, 0.92, 1.10),
        .turn = cop_rng_range(rng, -1.0, 1.0),
        .nod = cop_rng_range(rng, -1.0, 1.0)};
}

/* Something in front: at most a small shape near the rim of the face. */
static void paint_obstacle(
    struct studio *studio, const struct faces_pose *pose, double amount)
{
    struct cop_rng *rng = &studio->rng;
    const bool there = cop_rng_unit(rng) < 0.25 * amount;
    const double angle = cop_rng_range(rng, 0.0, 6.283);
    const double far = pose->scale * cop_rng_range(rng, 0.55, 1.1);
    const double reach = pose->scale * cop_rng_range(rng, 0.10, 0.24);
    if (!there) return;
    paint_shape(studio, pose->x + far * cos(angle), pose->y + far * sin(angle), reach);
}

static double clamp01(double value)
{
    return value < 0.0 ? 0.0 : value > 1.0 ? 1.0 : value;
}

/* Light from one side, of some colour; grain; then 8 bits. */
static void expose(struct studio *studio, double noise, uint8_t *rgb)
{
    struct cop_rng *rng = &studio->rng;
    const int size = studio->canvas.size;
    const double angle = cop_rng_range(rng, 0.0, 6.283);
    const double slope = cop_rng_range(rng, 0.0, 0.7);
    const double gain = cop_rng_range(rng, 0.60, 1.10);
    const double lift = cop_rng_range(rng, -0.04, 0.10);
    const double grain = noise * cop_rng_range(rng, 0.01, 0.08);
    double tint[3];
    for (int c = 0; c < 3; c++)
        tint[c] = gain * cop_rng_range(rng, 0.88, 1.10);
    for (int i = 0; i < size * size; i++) {
        const int column = i % size;
        const int row = i / size;
        const double x = (column + 0.5) / size - 0.5;
        const double y = (row + 0.5) / size - 0.5;
        const double light = 1.0 + slope * (x * cos(angle) + y * sin(angle));
        for (int c = 0; c < 3; c++) {
            const double lit =
                (double)studio->canvas.pixels[i][c] * light * tint[c] + lift;
            const double value = clamp01(lit + grain * cop_rng_normal(rng));
            rgb[3 * i + c] = (uint8_t)(value * 255.0 + 0.5);
        }
    }
}

/* One generator per matter, so that a change of one leaves the others as they were. */
enum { STREAMS = 4 };
static void start_stream(
    struct studio *studio, uint64_t seed, int64_t index, int stream)
{
    cop_rng_init_stream(
        &studio->rng, seed, (uint64_t)index * STREAMS + (uint64_t)stream);
}

enum cop_status faces_portrait(
    uint64_t seed,
    int64_t index,
    int label,
    int size,
    const struct faces_style *style,
    uint8_t *rgb,
    struct cop_err *err)
{
    struct studio *studio = cop_mem_array(1, sizeof *studio);
    if (studio == NULL) return COP_FAIL_NOMEM(err);
    struct faces_brush *brush = &studio->brush;
    studio->canvas.size = size;
    brush->canvas = &studio->canvas;
    brush->mask = &studio->mask;
    brush->clip = &studio->clip;

    start_stream(studio, seed, index, 0);
    paint_backdrop(studio);
    paint_clutter(studio, style->clutter);
    start_stream(studio, seed, index, 1);
    const struct faces_person person = faces_person_draw(&studio->rng);
    const struct faces_pose pose = draw_pose(&studio->rng, size);
    start_stream(studio, seed, index, 2);
    const struct faces_expression expression =
        faces_expression_draw(&studio->rng, label, style->weakest);

    brush->pose = pose;
    faces_draw_head(brush, &person);
    faces_draw_hair(brush, &person);
    faces_draw_eyes(brush, &person.traits, &expression);
    faces_draw_brows(brush, &person.traits, &expression);
    faces_draw_mouth(brush, &person.traits, &expression);
    faces_draw_glasses(brush, &person);

    start_stream(studio, seed, index, 3);
    paint_obstacle(studio, &pose, style->clutter);
    expose(studio, style->noise, rgb);
    cop_mem_free(studio);
    return COP_OK;
}
