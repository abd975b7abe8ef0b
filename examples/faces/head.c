/* examples/faces/head.c - see head.h. */
#include "faces/head.h"

#include <math.h>

enum { OUTLINE_STEPS = 48 };

static const float skins[][3] = {
    {.99f, .87f, .77f},
    {.97f, .80f, .66f},
    {.93f, .72f, .55f},
    {.84f, .62f, .45f},
    {.72f, .50f, .34f},
    {.58f, .38f, .26f},
    {.44f, .28f, .20f}};
static const float hairs[][3] = {
    {.10f, .08f, .08f},
    {.22f, .14f, .10f},
    {.38f, .22f, .12f},
    {.58f, .36f, .16f},
    {.85f, .68f, .34f},
    {.72f, .28f, .12f},
    {.62f, .62f, .64f},
    {.30f, .36f, .66f},
    {.78f, .34f, .56f}};
static const float irises[][3] = {
    {.36f, .22f, .12f}, {.20f, .40f, .62f}, {.24f, .48f, .30f}, {.42f, .44f, .46f}};

static struct faces_colour pick(struct cop_rng *rng, const float (*table)[3], int64_t n)
{
    const float *row = table[cop_rng_below(rng, n)];
    return (struct faces_colour){row[0], row[1], row[2]};
}

static struct faces_colour scaled(struct faces_colour colour, float by)
{
    return (struct faces_colour){colour.r * by, colour.g * by, colour.b * by};
}

static struct faces_colour bright(struct cop_rng *rng)
{
    return faces_rgb(
        cop_rng_range(rng, .15, .95),
        cop_rng_range(rng, .15, .95),
        cop_rng_range(rng, .15, .95));
}

static struct faces_traits draw_traits(
    struct cop_rng *rng, struct faces_colour skin, struct faces_colour hair)
{
    const struct faces_colour ink = faces_rgb(.16, .07, .06);
    return (struct faces_traits){
        .iris = pick(rng, irises, 4),
        .brow = faces_mix(scaled(hair, 0.6f), ink, 0.35),
        .line = faces_mix(scaled(skin, 0.3f), ink, 0.7),
        .eye_size = cop_rng_range(rng, 0.88, 1.12),
        .eye_apart = cop_rng_range(rng, 0.29, 0.37),
        .brow_thick = cop_rng_range(rng, 0.07, 0.12),
        .mouth_low = cop_rng_range(rng, 0.46, 0.54),
        .gaze_x = cop_rng_range(rng, -1, 1),
        .gaze_y = cop_rng_range(rng, -1, 1)};
}

struct faces_person faces_person_draw(struct cop_rng *rng)
{
    const struct faces_colour a = pick(rng, skins, 7);
    const struct faces_colour skin = faces_mix(a, pick(rng, skins, 7), 0.25);
    const struct faces_colour hair = pick(rng, hairs, 9);
    struct faces_person person = {
        .skin = skin,
        .shade = faces_mix(skin, faces_rgb(.35, .10, .08), 0.35),
        .hair = hair,
        .shirt = bright(rng),
        .cap = bright(rng),
        .style = (enum faces_hair)cop_rng_below(rng, FACES_N_HAIRS),
        .width = cop_rng_range(rng, 0.72, 0.86),
        .jaw = cop_rng_unit(rng),
        .blush = cop_rng_range(rng, 0.0, 0.4),
        .nose = (int)cop_rng_below(rng, 3),
        .freckles = cop_rng_unit(rng) < 0.15,
        .glasses = cop_rng_unit(rng) < 0.15,
        .earrings = cop_rng_unit(rng) < 0.15};
    person.traits = draw_traits(rng, skin, hair);
    return person;
}

/* The head's edge at an angle; 0 points right, growing angles go down. */
static void head_edge(
    const struct faces_person *person, double angle, double grow, double *x, double *y)
{
    const double c = cos(angle);
    const double s = sin(angle);
    const double narrow = s > 0.0 ? 1.0 - (0.30 - 0.16 * person->jaw) * s * s * s : 1.0;
    *x = (person->width * narrow + grow) * c;
    *y = (0.98 + grow) * (s > 0.0 ? s : s * 0.95);
}

static void head_path(struct faces_brush *brush, const struct faces_person *person)
{
    const double turn = 2.0 * acos(-1.0);
    faces_begin(brush, 0.0);
    for (int i = 0; i < OUTLINE_STEPS; i++) {
        double x;
        double y;
        head_edge(person, turn * i / OUTLINE_STEPS, 0.0, &x, &y);
        faces_to(brush, x, y);
    }
}

static void draw_shoulders(struct faces_brush *brush, const struct faces_person *person)
{
    faces_ellipse(brush, -0.6, 0.0, 1.95, 1.15, 0.85);
    faces_fill(brush, person->shirt, 1.0);
    faces_ellipse(brush, -0.6, 0.0, 1.12, 0.44, 0.26);
    faces_fill(brush, scaled(person->shirt, 0.75f), 1.0);
    faces_begin(brush, -0.4);
    faces_to(brush, -0.28, 0.5);
    faces_to(brush, -0.30, 1.20);
    faces_to(brush, 0.0, 1.34);
    faces_to(brush, 0.30, 1.20);
    faces_to(brush, 0.28, 0.5);
    faces_fill(brush, person->shade, 1.0);
}

static void draw_hair_behind(
    struct faces_brush *brush, const struct faces_person *person)
{
    const double w = person->width;
    const struct faces_colour dark = scaled(person->hair, 0.8f);
    if (person->style == FACES_LONG) {
        faces_ellipse(brush, -0.4, 0.0, 0.05, w + 0.22, 1.10);
        faces_fill(brush, dark, 1.0);
        faces_begin(brush, -0.4);
        faces_to(brush, -w - 0.22, 0.0);
        faces_to(brush, -w - 0.12, 1.25);
        faces_to(brush, w + 0.12, 1.25);
        faces_to(brush, w + 0.22, 0.0);
        faces_fill(brush, dark, 1.0);
    } else if (person->style == FACES_BUN) {
        faces_ellipse(brush, -0.3, 0.0, -1.08, 0.30, 0.28);
        faces_fill(brush, dark, 1.0);
    } else if (person->style == FACES_CURLS) {
        for (int i = 0; i < 11; i++) {
            const double angle = acos(-1.0) * (0.95 + 1.1 * i / 10.0);
            double x;
            double y;
            head_edge(person, angle, 0.04, &x, &y);
            faces_ellipse(brush, -0.1, x, y - 0.05, 0.24, 0.24);
            faces_fill(brush, dark, 1.0);
        }
    }
}

static void draw_ears(struct faces_brush *brush, const struct faces_person *person)
{
    for (int side = -1; side <= 1; side += 2) {
        const double x = side * (person->width + 0.02);
        faces_ellipse(brush, -0.1, x, 0.05, 0.14, 0.21);
        faces_fill(brush, person->skin, 1.0);
        faces_ellipse(brush, -0.1, x, 0.06, 0.07, 0.12);
        faces_fill(brush, person->shade, 0.6);
        if (!person->earrings) continue;
        faces_ellipse(brush, -0.1, x, 0.29, 0.05, 0.05);
        faces_fill(brush, faces_rgb(.95, .80, .25), 1.0);
    }
}

static void draw_nose(struct faces_brush *brush, const struct faces_person *person)
{
    faces_begin(brush, 1.2);
    if (person->nose == 0) {
        faces_ellipse(brush, 1.2, 0.0, 0.19, 0.085, 0.065);
        faces_fill(brush, person->shade, 0.8);
    } else if (person->nose == 1) {
        for (int i = 0; i <= 8; i++) {
            const double angle = acos(-1.0) * (0.05 + 0.9 * i / 8.0);
            faces_to(brush, 0.09 * cos(angle), 0.16 + 0.07 * sin(angle));
        }
        faces_stroke(brush, 0.045, 0.045, person->shade, 0.95);
    } else {
        faces_to(brush, 0.01, 0.03);
        faces_to(brush, 0.07, 0.20);
        faces_to(brush, -0.04, 0.22);
        faces_stroke(brush, 0.03, 0.05, person->shade, 0.95);
    }
}

static void draw_cheeks(struct faces_brush *brush, const struct faces_person *person)
{
    const struct faces_colour pink =
        faces_mix(person->skin, faces_rgb(.95, .25, .30), 0.6);
    for (int side = -1; side <= 1; side += 2) {
        faces_ellipse(brush, 0.6, side * 0.47, 0.27, 0.15, 0.11);
        faces_fill_inside(brush, pink, person->blush);
        for (int i = 0; i < 4 && person->freckles; i++) {
            const double x = side * (0.36 + 0.08 * i);
            faces_ellipse(brush, 0.7, x, 0.21 + 0.06 * (i % 2), 0.018, 0.018);
            faces_fill_inside(brush, person->shade, 0.9);
        }
    }
}

void faces_draw_head(struct faces_brush *brush, const struct faces_person *person)
{
    draw_hair_behind(brush, person);
    draw_shoulders(brush, person);
    draw_ears(brush, person);
    head_path(brush, person);
    faces_clip_here(brush);
    faces_fill(brush, person->skin, 1.0);
    /* A shadow on the side that turns away, and under the chin. */
    const double side = brush->pose.turn > 0.0 ? -1.0 : 1.0;
    faces_ellipse(brush, 0.0, side * 1.25, 0.2, 0.72, 1.5);
    faces_fill_inside(brush, person->shade, 0.28);
    head_path(brush, person);
    faces_to(brush, person->width, 0.0);
    faces_stroke(brush, 0.035, 0.035, person->shade, 0.9);
    draw_cheeks(brush, person);
    draw_nose(brush, person);
}

/* The cap of hair over the head: along its edge, back along the hairline. */
static void hair_cap(
    struct faces_brush *brush,
    const struct faces_person *person,
    double low,
    double grow,
    double spikes)
{
    const double pi = acos(-1.0);
    faces_begin(brush, 0.1);
    for (int i = 0; i <= 24; i++) {
        double x;
        double y;
        const double out = grow + (i % 3 == 1 ? spikes : 0.0);
        head_edge(person, pi + low + (pi - 2.0 * low) * i / 24.0, out, &x, &y);
        faces_to(brush, x, y);
    }
}

/* Hairline points from right to left: (x as a share of the half width, y). */
static void hair_line(
    struct faces_brush *brush,
    const struct faces_person *person,
    const double (*line)[2],
    int n)
{
    for (int i = 0; i < n; i++) {
        faces_to(brush, line[i][0] * person->width, line[i][1]);
    }
    faces_fill(brush, person->hair, 1.0);
}

static void draw_beanie(struct faces_brush *brush, const struct faces_person *person)
{
    static const double brim[][2] = {
        {1.0, -.55}, {.6, -.62}, {.2, -.66}, {-.2, -.66}, {-.6, -.62}, {-1.0, -.55}};
    struct faces_person capped = *person;
    capped.hair = person->cap;
    faces_ellipse(brush, 0.0, 0.0, -1.14, 0.17, 0.16);
    faces_fill(brush, faces_mix(person->cap, faces_rgb(1, 1, 1), 0.5), 1.0);
    hair_cap(brush, person, 0.42, 0.10, 0.0);
    hair_line(brush, &capped, brim, 6);
    faces_begin(brush, 0.15);
    for (int i = 0; i < 6; i++)
        faces_to(brush, brim[i][0] * (person->width + .02), brim[i][1]);
    faces_stroke(brush, 0.14, 0.14, scaled(person->cap, 0.8f), 1.0);
}

void faces_draw_hair(struct faces_brush *brush, const struct faces_person *person)
{
    static const double even[][2] = {
        {.88, -.30},
        {.80, -.56},
        {.45, -.68},
        {0, -.72},
        {-.45, -.68},
        {-.80, -.56},
        {-.88, -.30}};
    static const double parted[][2] = {
        {.90, -.20},
        {.84, -.48},
        {.55, -.60},
        {.30, -.84},
        {-.10, -.64},
        {-.80, -.52},
        {-.90, -.20}};
    static const double fringe[][2] = {
        {.92, -.15},
        {.85, -.50},
        {.62, -.56},
        {.45, -.62},
        {.25, -.55},
        {.05, -.62},
        {-.15, -.55},
        {-.38, -.62},
        {-.60, -.55},
        {-.85, -.50},
        {-.92, -.15}};
    switch (person->style) {
    case FACES_BALD:
    case FACES_N_HAIRS: break;
    case FACES_SHORT:
        hair_cap(brush, person, 0.25, 0.06, 0.0);
        hair_line(brush, person, even, 7);
        break;
    case FACES_SPIKES:
        hair_cap(brush, person, 0.25, 0.04, 0.22);
        hair_line(brush, person, even, 7);
        break;
    case FACES_FRINGE:
    case FACES_BUN:
        hair_cap(brush, person, 0.10, 0.08, 0.0);
        hair_line(brush, person, fringe, 11);
        break;
    case FACES_PARTED:
    case FACES_LONG:
    case FACES_CURLS:
        hair_cap(brush, person, 0.12, 0.08, 0.0);
        hair_line(brush, person, parted, 7);
        break;
    case FACES_BEANIE: draw_beanie(brush, person); break;
    }
}

void faces_draw_glasses(struct faces_brush *brush, const struct faces_person *person)
{
    if (!person->glasses) return;
    const double apart = person->traits.eye_apart;
    const struct faces_colour frame = scaled(person->cap, 0.5f);
    for (int side = -1; side <= 1; side += 2) {
        faces_ellipse(brush, 0.95, side * apart, -0.06, 0.27, 0.25);
        faces_fill(brush, faces_rgb(.8, .9, 1.0), 0.12);
        faces_to(brush, side * apart + 0.27, -0.06);
        faces_stroke(brush, 0.035, 0.035, frame, 1.0);
        faces_begin(brush, 0.5);
        faces_to(brush, side * (apart + 0.27), -0.08);
        faces_to(brush, side * person->width, -0.04);
        faces_stroke(brush, 0.03, 0.03, frame, 1.0);
    }
    faces_begin(brush, 1.0);
    faces_to(brush, -apart + 0.27, -0.08);
    faces_to(brush, 0.0, -0.11);
    faces_to(brush, apart - 0.27, -0.08);
    faces_stroke(brush, 0.03, 0.03, frame, 1.0);
}
