/* explain/overlay.c - see overlay.h. */
#include "explain/overlay.h"

#include "base/mem.h"
#include "explain/html.h"
#include "explain/png.h"
#include "explain/svg.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NO_PHOTO_GREY = 208 };

/* Size of the picture on the page: the photograph's proportions. */
static void page_size(const struct cop_overlay_photo *photo, int64_t size[2])
{
    const int64_t side = COP_OVERLAY_SIDE;
    size[0] = side;
    size[1] = side;
    if (photo->h < 1 || photo->w < 1) return;
    if (photo->h > photo->w) size[1] = side * photo->w / photo->h;
    if (photo->w > photo->h) size[0] = side * photo->h / photo->w;
    for (int a = 0; a < 2; a++)
        if (size[a] < 8) size[a] = 8;
}

/* Where pixel i of n lies among m samples: between first and first + 1, at share. */
static void locate(int64_t i, int64_t n, int64_t m, int64_t *first, double *share)
{
    double at = ((double)i + 0.5) * (double)m / (double)n - 0.5;
    if (at < 0) at = 0;
    if (at > (double)(m - 1)) at = (double)(m - 1);
    *first = (int64_t)at;
    if (*first > m - 2) *first = m > 1 ? m - 2 : 0;
    *share = m > 1 ? at - (double)*first : 0;
}

/* Bilinear value of photo channel c at a page pixel; shrinking reads single points, which
 * is good enough for a thumbnail beside the exact numbers. */
static double photo_at(
    const struct cop_overlay_photo *photo,
    const int64_t size[2],
    int64_t y,
    int64_t x,
    int c)
{
    if (!photo->pixels) return NO_PHOTO_GREY;
    int64_t at[2];
    double share[2];
    locate(y, size[0], photo->h, &at[0], &share[0]);
    locate(x, size[1], photo->w, &at[1], &share[1]);
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        const int64_t row = at[0] + (photo->h > 1 ? k / 2 : 0);
        const int64_t col = at[1] + (photo->w > 1 ? k % 2 : 0);
        const double weight =
            (k / 2 ? share[0] : 1 - share[0]) * (k % 2 ? share[1] : 1 - share[1]);
        sum += weight * photo->pixels[(row * photo->w + col) * 3 + c];
    }
    return sum;
}

static double map_at(
    const float *map, const int64_t rc[2], const int64_t size[2], int64_t y, int64_t x)
{
    int64_t at[2];
    double share[2];
    locate(y, size[0], rc[0], &at[0], &share[0]);
    locate(x, size[1], rc[1], &at[1], &share[1]);
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        const int64_t row = at[0] + (rc[0] > 1 ? k / 2 : 0);
        const int64_t col = at[1] + (rc[1] > 1 ? k % 2 : 0);
        const double weight =
            (k / 2 ? share[0] : 1 - share[0]) * (k % 2 ? share[1] : 1 - share[1]);
        sum += weight * (double)map[row * rc[1] + col];
    }
    return sum;
}

static uint8_t to_byte(double x)
{
    if (!(x > 0)) return 0;
    return x > 255 ? 255 : (uint8_t)lround(x);
}

/* Grey, lightened so that the veil shows on dark pictures too. */
static double grey_at(
    const struct cop_overlay_photo *photo, const int64_t size[2], int64_t y, int64_t x)
{
    const double luma = 0.299 * photo_at(photo, size, y, x, 0) +
                        0.587 * photo_at(photo, size, y, x, 1) +
                        0.114 * photo_at(photo, size, y, x, 2);
    return 80 + luma * 0.66;
}

/* v from -1 to 1: colour and how much of it. */
static void veil(double v, double grey, uint8_t rgb[3])
{
    static const double purple[3] = {118, 42, 131};
    static const double green[3] = {27, 120, 55};
    if (!(v > -1)) v = v <= -1 ? -1 : 0;
    if (v > 1) v = 1;
    const double alpha = 0.82 * fabs(v);
    for (int c = 0; c < 3; c++)
        rgb[c] = to_byte(grey * (1 - alpha) + alpha * (v < 0 ? green[c] : purple[c]));
}

enum cop_status cop_overlay_photo(
    struct cop_text *html,
    const struct cop_overlay_photo *photo,
    const char *alt,
    struct cop_err *err)
{
    int64_t size[2];
    page_size(photo, size);
    uint8_t *pixels = cop_mem_array((size_t)(size[0] * size[1]), 3);
    if (!pixels) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < size[0] * size[1]; i++)
        for (int c = 0; c < 3; c++)
            pixels[i * 3 + c] =
                to_byte(photo_at(photo, size, i / size[1], i % size[1], c));
    cop_text_printf(
        html, "<img width=\"%d\" height=\"%d\" alt=\"", (int)size[1], (int)size[0]);
    cop_html_text(html, alt);
    cop_text_puts(html, "\" src=\"");
    const enum cop_status status =
        cop_png_data_uri(html, pixels, size[1], size[0], 3, err);
    cop_text_puts(html, "\">");
    cop_mem_free(pixels);
    return status;
}

/* ---- contours ------------------------------------------------------------------ */

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The value that the cells holding half of the positive mass reach; NaN if none. */
static double half_mass_level(const float *map, int64_t n, float *sorted)
{
    double mass = 0;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sorted[i] = map[i];
        if (map[i] > 0) mass += (double)map[i];
    }
    if (!(mass > 0)) return (double)NAN;
    qsort(sorted, (size_t)n, sizeof *sorted, descending);
    for (int64_t i = 0; i < n; i++) {
        sum += (double)sorted[i];
        if (sum >= mass / 2) return (double)sorted[i] * 0.999;
    }
    return (double)NAN;
}

/* The map with a border one cell wide that lies below every level. */
struct field {
    const float *map;
    int64_t rows;
    int64_t cols;
    double sign;
    double level;
    double cell[2]; /* height and width of a cell on the page */
};

static double field_at(const struct field *field, int64_t i, int64_t j)
{
    if (i < 0 || j < 0 || i >= field->rows || j >= field->cols) return 0;
    return field->sign * (double)field->map[i * field->cols + j];
}

/* Where the level crosses the edge from corner a to corner b of the square at (i, j). */
static void crossing(
    const struct field *field, int64_t i, int64_t j, int a, int b, double at[2])
{
    static const int corner[4][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}};
    const double va = field_at(field, i + corner[a][0], j + corner[a][1]);
    const double vb = field_at(field, i + corner[b][0], j + corner[b][1]);
    const double span = vb - va;
    const double share = fabs(span) > 0 ? (field->level - va) / span : 0.5;
    const int64_t size[2] = {field->rows, field->cols};
    const int64_t base[2] = {i, j};
    for (int d = 0; d < 2; d++) {
        double pixel = (double)base[d] + corner[a][d] +
                       share * (corner[b][d] - corner[a][d]) + 0.5;
        pixel = fmin(fmax(pixel, 0.12), (double)size[d] - 0.12);
        at[d] = pixel * field->cell[d];
    }
}

/* Marching squares (Lorensen and Cline 1987 in two dimensions): the pieces of the line
 * through one square of four neighbouring cells. */
static void march(
    struct cop_text *path, const struct field *field, int64_t i, int64_t j)
{
    static const int corner[4][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}};
    double ends[4][2];
    int n = 0;
    for (int a = 0; a < 4; a++) {
        const int b = (a + 1) % 4;
        const bool is_in[2] = {
            field_at(field, i + corner[a][0], j + corner[a][1]) >= field->level,
            field_at(field, i + corner[b][0], j + corner[b][1]) >= field->level};
        if (is_in[0] != is_in[1]) crossing(field, i, j, a, b, ends[n++]);
    }
    for (int k = 0; k + 1 < n; k += 2)
        cop_text_printf(
            path,
            "M%.1f %.1fL%.1f %.1f",
            ends[k][1],
            ends[k][0],
            ends[k + 1][1],
            ends[k + 1][0]);
}

static void draw_contour(
    struct cop_text *svg,
    const struct field *field,
    const char *colour,
    const char *dashes)
{
    struct cop_text path;
    cop_text_init(&path, (size_t)4 << 20);
    for (int64_t i = -1; i < field->rows; i++)
        for (int64_t j = -1; j < field->cols; j++)
            march(&path, field, i, j);
    if (path.n > 0)
        cop_text_printf(
            svg,
            "<path d=\"%s\" fill=\"none\" stroke=\"#fff\" stroke-width=\"3.6\" "
            "stroke-linecap=\"round\"/><path d=\"%s\" fill=\"none\" stroke=\"%s\" "
            "stroke-width=\"1.6\" stroke-linecap=\"round\"%s/>",
            path.bytes,
            path.bytes,
            colour,
            dashes);
    if (path.status != COP_OK) svg->status = path.status;
    cop_text_clear(&path);
}

static enum cop_status draw_contours(
    struct cop_text *svg,
    const float *map,
    const int64_t rc[2],
    const int64_t size[2],
    double scale,
    struct cop_err *err)
{
    float *sorted = cop_mem_array((size_t)(rc[0] * rc[1]), sizeof *sorted);
    if (!sorted) return COP_FAIL_NOMEM(err);
    struct field field = {
        .map = map,
        .rows = rc[0],
        .cols = rc[1],
        .sign = 1,
        .level = half_mass_level(map, rc[0] * rc[1], sorted),
        .cell = {(double)size[0] / (double)rc[0], (double)size[1] / (double)rc[1]},
    };
    if (field.level > 0) draw_contour(svg, &field, "#3b0f47", "");
    field.sign = -1;
    field.level = 0.3 * scale;
    if (field.level > 0)
        draw_contour(svg, &field, "#0b3d1a", " stroke-dasharray=\"1 4\"");
    cop_mem_free(sorted);
    return COP_OK;
}

enum cop_status cop_overlay_map(
    struct cop_text *html,
    const struct cop_overlay_photo *photo,
    const float *map,
    const int64_t rows_cols[2],
    double scale,
    const char *alt,
    struct cop_err *err)
{
    int64_t size[2];
    page_size(photo, size);
    uint8_t *pixels = cop_mem_array((size_t)(size[0] * size[1]), 3);
    if (!pixels) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < size[0] * size[1]; i++) {
        const int64_t y = i / size[1];
        const int64_t x = i % size[1];
        const double value = map_at(map, rows_cols, size, y, x);
        veil(scale > 0 ? value / scale : 0, grey_at(photo, size, y, x), pixels + i * 3);
    }
    cop_text_printf(
        html,
        "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
        "aria-label=\"",
        (int)size[1],
        (int)size[0],
        (int)size[1],
        (int)size[0]);
    cop_html_text(html, alt);
    cop_text_printf(
        html,
        "\"><image width=\"%d\" height=\"%d\" href=\"",
        (int)size[1],
        (int)size[0]);
    enum cop_status status = cop_png_data_uri(html, pixels, size[1], size[0], 3, err);
    cop_text_puts(html, "\"/>");
    if (status == COP_OK)
        status = draw_contours(html, map, rows_cols, size, scale, err);
    cop_text_puts(html, "</svg>");
    cop_mem_free(pixels);
    return status;
}

void cop_overlay_legend(struct cop_text *html)
{
    enum { HALF = 20, STEPS = 2 * HALF + 1 };
    cop_text_puts(
        html,
        "<svg class=\"legend\" viewBox=\"0 0 660 46\" role=\"img\" aria-label=\"Colour "
        "scale: green, hiding the place helps the class; grey, no effect; purple, "
        "hiding "
        "it hurts the class.\">");
    for (int i = 0; i < STEPS; i++) {
        uint8_t rgb[3];
        veil((double)(i - HALF) / HALF, 190, rgb);
        cop_text_printf(
            html,
            "<rect x=\"%d\" y=\"2\" width=\"5\" height=\"14\" fill=\"#%02x%02x%02x\"/>",
            i * 5,
            rgb[0],
            rgb[1],
            rgb[2]);
    }
    cop_text_puts(
        html,
        "<g font-size=\"12\" fill=\"" COP_SVG_INK "\"><text x=\"0\" y=\"32\">hiding it "
        "helps</text><text x=\"102\" y=\"32\" text-anchor=\"middle\">0</text>"
        "<text x=\"205\" y=\"32\" text-anchor=\"end\">hiding it hurts</text>"
        "<path d=\"M240 10h34\" stroke=\"#3b0f47\" stroke-width=\"2\"/>"
        "<text x=\"282\" y=\"14\">encloses half of what speaks for the class</text>"
        "<path d=\"M240 28h34\" stroke=\"#0b3d1a\" stroke-width=\"2\" "
        "stroke-dasharray=\"1 4\" stroke-linecap=\"round\"/>"
        "<text x=\"282\" y=\"32\">encloses what clearly speaks against it</text></g>"
        "</svg>\n");
}
