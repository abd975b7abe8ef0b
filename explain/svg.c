/* explain/svg.c - see svg.h. */
#include "explain/svg.h"

#include "explain/html.h"

#include <math.h>

/* The frame of a scatter plot in user units. */
enum {
    WIDTH = 720,
    HEIGHT = 400,
    LEFT = 72,
    RIGHT = 700,
    TOP = 44,
    BOTTOM = 344,
};

/* One axis: data from low to high onto pixels from first to last. */
struct axis {
    double low;
    double high;
    double step;
    double first;
    double last;
};

double cop_svg_tick_step(double span, int n)
{
    if (!(span > 0) || !isfinite(span)) return 1;
    const double rough = span / n;
    const double power = pow(10, floor(log10(rough)));
    const double share = rough / power;
    if (share <= 1.0) return power;
    if (share <= 2.0) return 2 * power;
    return share <= 5.0 ? 5 * power : 10 * power;
}

/* Decimals that tell ticks apart. */
static int decimals_of(double step)
{
    const int decimals = (int)ceil(-log10(step) - 1e-9);
    if (decimals < 0) return 0;
    return decimals > 6 ? 6 : decimals;
}

static struct axis make_axis(
    double low, double high, double least_span, double first, double last)
{
    if (high - low < least_span) {
        const double middle = (low + high) / 2;
        low = middle - least_span / 2;
        high = middle + least_span / 2;
    }
    const double margin = (high - low) * 0.08;
    const double step = cop_svg_tick_step(high - low + 2 * margin, 8);
    return (struct axis){
        .low = low - margin,
        .high = high + margin,
        .step = step,
        .first = first,
        .last = last};
}

static double place(const struct axis *axis, double value)
{
    const double share = (value - axis->low) / (axis->high - axis->low);
    return axis->first + share * (axis->last - axis->first);
}

static double tick_at(const struct axis *axis, int i)
{
    return (ceil(axis->low / axis->step) + i) * axis->step;
}

static int count_ticks(const struct axis *axis)
{
    int n = 0;
    while (n < 100 && tick_at(axis, n) <= axis->high)
        n++;
    return n;
}

static void draw_axes(
    struct cop_text *svg,
    const struct axis *x,
    const struct axis *y,
    const struct cop_svg_scatter *scatter)
{
    char number[COP_HTML_NUMBER];
    cop_text_puts(svg, "<g font-size=\"12\" fill=\"" COP_SVG_MUTED "\">\n");
    for (int i = 0; i < count_ticks(x); i++) {
        const double value = tick_at(x, i);
        const double at = place(x, value);
        cop_text_printf(
            svg,
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"" COP_SVG_RULE
            "\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
            at,
            at,
            TOP,
            BOTTOM,
            at,
            BOTTOM + 18,
            cop_html_fixed(value, decimals_of(x->step), number));
    }
    for (int i = 0; i < count_ticks(y); i++) {
        const double value = tick_at(y, i);
        const double at = place(y, value);
        cop_text_printf(
            svg,
            "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"" COP_SVG_RULE
            "\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
            LEFT,
            RIGHT,
            at,
            at,
            LEFT - 8,
            at + 4,
            cop_html_fixed(value, decimals_of(y->step), number));
    }
    cop_text_printf(
        svg,
        "</g>\n<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"" COP_SVG_INK "\"/>\n",
        LEFT,
        TOP,
        BOTTOM,
        RIGHT);
    cop_text_printf(
        svg,
        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" font-size=\"13\">",
        (LEFT + RIGHT) / 2,
        BOTTOM + 42);
    cop_html_text(svg, scatter->x_label);
    cop_text_printf(
        svg,
        "</text>\n<text transform=\"translate(18 %d) rotate(-90)\" "
        "text-anchor=\"middle\" "
        "font-size=\"13\">",
        (TOP + BOTTOM) / 2);
    cop_html_text(svg, scatter->y_label);
    cop_text_puts(svg, "</text>\n");
}

static void draw_mark(struct cop_text *svg, enum cop_svg_mark mark, double x, double y)
{
    switch (mark) {
    case COP_SVG_REJECTED:
        cop_text_printf(
            svg,
            "<path d=\"M%.1f %.1fl8 8m0 -8l-8 8\" stroke=\"" COP_SVG_ORANGE
            "\" stroke-width=\"2\" fill=\"none\"/>\n",
            x - 4,
            y - 4);
        return;
    case COP_SVG_ACCEPTED:
        cop_text_printf(
            svg,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"" COP_SVG_BLUE
            "\" stroke=\"#fff\"/>\n",
            x,
            y);
        return;
    case COP_SVG_CHOSEN:
        cop_text_printf(
            svg,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"10\" fill=\"#fff\" "
            "stroke=\"" COP_SVG_BLUE
            "\" stroke-width=\"2.5\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" "
            "fill=\"" COP_SVG_BLUE "\"/>\n",
            x,
            y,
            x,
            y);
        return;
    case COP_SVG_ORIGINAL:
        cop_text_printf(
            svg,
            "<path d=\"M%.1f %.1fl7 7l-7 7l-7 -7z\" fill=\"" COP_SVG_INK
            "\" stroke=\"#fff\"/>\n",
            x,
            y - 7);
        return;
    }
}

static void draw_legend(struct cop_text *svg, const struct cop_svg_scatter *scatter)
{
    static const struct {
        enum cop_svg_mark mark;
        const char *text;
        double width;
    } entries[] = {
        {COP_SVG_ORIGINAL, "original", 96},
        {COP_SVG_CHOSEN, "this variant", 122},
        {COP_SVG_ACCEPTED, "met the limits", 132},
        {COP_SVG_REJECTED, "did not", 84},
    };
    double x = LEFT + 8;
    for (size_t e = 0; e < sizeof entries / sizeof *entries; e++) {
        bool is_there = false;
        for (int32_t i = 0; i < scatter->n; i++)
            is_there |= scatter->points[i].mark == entries[e].mark;
        if (!is_there) continue;
        draw_mark(svg, entries[e].mark, x + 6, 18);
        cop_text_printf(
            svg,
            "<text x=\"%.1f\" y=\"22\" font-size=\"12.5\">%s</text>\n",
            x + 20,
            entries[e].text);
        x += entries[e].width;
    }
    if (scatter->n_front > 1)
        cop_text_printf(
            svg,
            "<path d=\"M%.1f 18h22\" stroke=\"" COP_SVG_BLUE
            "\" stroke-width=\"1.5\" stroke-dasharray=\"5 3\"/><text x=\"%.1f\" "
            "y=\"22\" "
            "font-size=\"12.5\">best trade-offs</text>\n",
            x,
            x + 28);
}

static void draw_points(
    struct cop_text *svg,
    const struct axis *x,
    const struct axis *y,
    const struct cop_svg_scatter *scatter)
{
    for (int32_t i = 0; i < scatter->n_front; i++) {
        const struct cop_svg_point *point = &scatter->points[scatter->front[i]];
        cop_text_printf(
            svg,
            "%s%.1f %.1f",
            i == 0 ? "<path d=\"M" : "L",
            place(x, point->x),
            place(y, point->y));
    }
    if (scatter->n_front > 0)
        cop_text_puts(
            svg,
            "\" fill=\"none\" stroke=\"" COP_SVG_BLUE
            "\" stroke-width=\"1.5\" stroke-dasharray=\"5 3\"/>\n");
    for (int32_t i = 0; i < scatter->n; i++) {
        const struct cop_svg_point *point = &scatter->points[i];
        const double at[2] = {place(x, point->x), place(y, point->y)};
        draw_mark(svg, point->mark, at[0], at[1]);
        if (!point->label) continue;
        const bool is_right = at[0] > (LEFT + RIGHT) * 0.62;
        cop_text_printf(
            svg,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"13\" "
            "font-weight=\"600\" stroke=\"#fff\" stroke-width=\"4\" "
            "paint-order=\"stroke\">",
            at[0] + (is_right ? -14 : 14),
            at[1] + (point->mark == COP_SVG_CHOSEN ? 20 : -8),
            is_right ? "end" : "start");
        cop_html_text(svg, point->label);
        cop_text_puts(svg, "</text>\n");
    }
}

void cop_svg_scatter(struct cop_text *svg, const struct cop_svg_scatter *scatter)
{
    if (scatter->n < 1) return;
    double low[2] = {scatter->points[0].x, scatter->points[0].y};
    double high[2] = {low[0], low[1]};
    for (int32_t i = 1; i < scatter->n; i++) {
        low[0] = fmin(low[0], scatter->points[i].x);
        low[1] = fmin(low[1], scatter->points[i].y);
        high[0] = fmax(high[0], scatter->points[i].x);
        high[1] = fmax(high[1], scatter->points[i].y);
    }
    const struct axis x = make_axis(low[0], high[0], high[0] * 0.1 + 1e-9, LEFT, RIGHT);
    const struct axis y = make_axis(low[1], high[1], 1.0, BOTTOM, TOP);
    cop_text_printf(
        svg,
        "<svg viewBox=\"0 0 %d %d\" role=\"img\" fill=\"" COP_SVG_INK
        "\" aria-label=\"",
        WIDTH,
        HEIGHT);
    cop_html_text(svg, scatter->meaning);
    cop_text_puts(svg, "\">\n");
    draw_axes(svg, &x, &y, scatter);
    draw_points(svg, &x, &y, scatter);
    draw_legend(svg, scatter);
    cop_text_puts(svg, "</svg>\n");
}

/* ---- small drawings inside tables; their numbers stand beside them -------------- */

static double clamp(double x, double low, double high)
{
    return x < low ? low : (x > high ? high : x);
}

void cop_svg_change(struct cop_text *svg, double value, double scale)
{
    const double share = scale > 0 && isfinite(value) ? clamp(value / scale, -1, 1) : 0;
    const double length = fabs(share) * 78;
    cop_text_printf(
        svg,
        "<svg class=\"cell\" viewBox=\"0 0 160 14\" width=\"160\" height=\"14\" "
        "aria-hidden=\"true\"><rect x=\"%.1f\" y=\"2\" width=\"%.1f\" height=\"10\" "
        "fill=\"%s\"/><path d=\"M80 0v14\" stroke=\"" COP_SVG_INK "\"/></svg>",
        share < 0 ? 80 - length : 80.0,
        length,
        share < 0 ? COP_SVG_PURPLE : COP_SVG_GREEN);
}

void cop_svg_width(struct cop_text *svg, int64_t before, int64_t after, int64_t most)
{
    const double unit = most > 0 ? 158.0 / (double)most : 0;
    cop_text_printf(
        svg,
        "<svg class=\"cell\" viewBox=\"0 0 160 14\" width=\"160\" height=\"14\" "
        "aria-hidden=\"true\"><rect x=\"1\" y=\"2\" width=\"%.1f\" height=\"10\" "
        "fill=\"#fff\" stroke=\"" COP_SVG_MUTED "\" stroke-dasharray=\"2 2\"/>"
        "<rect x=\"1\" y=\"2\" width=\"%.1f\" height=\"10\" fill=\"" COP_SVG_BLUE
        "\"/></svg>",
        clamp((double)before * unit, 0, 158),
        clamp((double)after * unit, 0, 158));
}

void cop_svg_interval(struct cop_text *svg, double low, double value, double high)
{
    cop_text_printf(
        svg,
        "<svg class=\"cell\" viewBox=\"0 0 120 14\" width=\"120\" height=\"14\" "
        "aria-hidden=\"true\"><path d=\"M4 7h112\" stroke=\"" COP_SVG_RULE
        "\"/><path d=\"M%.1f 7H%.1f\" stroke=\"" COP_SVG_BLUE
        "\" stroke-width=\"3\"/><circle cx=\"%.1f\" cy=\"7\" r=\"4\" "
        "fill=\"" COP_SVG_BLUE "\"/></svg>",
        4 + clamp(low, 0, 100) * 1.12,
        4 + clamp(high, 0, 100) * 1.12,
        4 + clamp(value, 0, 100) * 1.12);
}

/* Columns of one kind as one path. */
static void draw_columns(
    struct cop_text *svg,
    const float *values,
    const uint8_t *is_removed,
    int64_t n,
    double most,
    bool removed)
{
    const double pitch = 420.0 / (double)n;
    const double width = pitch > 4 ? pitch - 1 : pitch * 0.9;
    cop_text_puts(svg, "<path d=\"");
    for (int64_t i = 0; i < n; i++) {
        if ((is_removed && is_removed[i]) != removed) continue;
        const double height = clamp((double)values[i] / most, 0, 1) * 34;
        cop_text_printf(
            svg,
            "M%.2f 40h%.2fv%.2fh%.2fz",
            (double)i * pitch,
            width,
            (removed ? 1 : -1) * fmax(height, 0.6),
            -width);
    }
    cop_text_printf(svg, "\" fill=\"%s\"/>", removed ? COP_SVG_ORANGE : COP_SVG_BLUE);
}

void cop_svg_strip(
    struct cop_text *svg,
    const float *values,
    const uint8_t *is_removed,
    int64_t n,
    double most,
    const char *meaning)
{
    if (n < 1 || !(most > 0)) return;
    cop_text_puts(
        svg,
        "<svg class=\"strip\" viewBox=\"0 0 420 78\" width=\"420\" height=\"78\" "
        "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
    cop_html_text(svg, meaning);
    cop_text_puts(svg, "\">");
    draw_columns(svg, values, is_removed, n, most, false);
    draw_columns(svg, values, is_removed, n, most, true);
    cop_text_puts(svg, "<path d=\"M0 40h420\" stroke=\"" COP_SVG_INK "\"/></svg>");
}
