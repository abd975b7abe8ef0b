/* explain/report_search.c - the limits, what was reachable, and all that was tried. */
#include "explain/report_parts.h"

#include "explain/html.h"
#include "explain/svg.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_CANDIDATE_ROWS = 60 };

/* ---- limits -------------------------------------------------------------------- */

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/* "time per run at most 60 % of the original's" as a list item; nothing without limit. */
static void write_limit(
    struct cop_text *html,
    const cJSON *config,
    const char *const keys[2], /* value, whether it is a share */
    const char *what,
    const char *unit)
{
    char number[COP_HTML_NUMBER];
    const double value = number_of(config, keys[0]);
    const bool is_share =
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, keys[1]));
    if (!(value > 0)) return;
    if (is_share)
        cop_text_printf(
            html,
            "<li>%s: at most <b>%s %%</b> of the original\xe2\x80\x99s</li>\n",
            what,
            cop_html_fixed(100 * value, 0, number));
    else
        cop_text_printf(
            html,
            "<li>%s: at most <b>%s %s</b></li>\n",
            what,
            value < 1000 ? cop_html_ms(value, number)
                         : cop_html_count((int64_t)value, number),
            unit);
}

static void write_limits(struct cop_text *html, const char *config_json)
{
    static const char *const keys[3][2] = {
        {"max_latency", "latency_is_share"},
        {"max_macs", "macs_is_share"},
        {"max_params", "params_is_share"}};
    char number[COP_HTML_NUMBER];
    cJSON *config = config_json ? cJSON_Parse(config_json) : NULL;
    if (!cJSON_IsObject(config)) {
        cJSON_Delete(config);
        return;
    }
    cop_text_puts(html, "<p>The limits were:</p>\n<ul class=\"plain\">\n");
    write_limit(html, config, keys[0], "time per run", "ms");
    write_limit(html, config, keys[1], "work per picture", "multiply-accumulates");
    write_limit(html, config, keys[2], "parameters", "numbers");
    const double drop = number_of(config, "max_drop");
    if (drop >= 0)
        cop_text_printf(
            html,
            "<li>accuracy: at most <b>%s points</b> of top-1 lost</li>\n",
            cop_html_fixed(drop, 2, number));
    else
        cop_text_puts(html, "<li>accuracy: no limit</li>\n");
    cop_text_puts(html, "</ul>\n");
    cJSON_Delete(config);
}

/* What was reachable at all, and what stands in the way. */
static void write_reach(struct cop_text *html, const char *feasibility_json)
{
    char number[2][COP_HTML_NUMBER];
    cJSON *all = feasibility_json ? cJSON_Parse(feasibility_json) : NULL;
    const cJSON *time = cJSON_GetObjectItemCaseSensitive(all, "latency_ms");
    const cJSON *by = cJSON_GetObjectItemCaseSensitive(all, "limited_by");
    const double ends[2] = {number_of(time, "original"), number_of(time, "least")};
    if (ends[0] > 0 && ends[1] > 0) {
        cop_text_printf(
            html,
            "<p>Reachable at most, at the smallest widths that may be chosen: %s ms "
            "instead "
            "of %s ms",
            cop_html_ms(ends[1], number[0]),
            cop_html_ms(ends[0], number[1]));
        if (cJSON_IsString(by) && *by->valuestring) {
            cop_text_puts(html, "; the largest part of what remains is ");
            cop_html_short(html, by->valuestring, 160);
        }
        cop_text_puts(html, ".</p>\n");
    }
    cJSON_Delete(all);
}

/* ---- the plot ------------------------------------------------------------------ */

static bool is_plotted(const struct cop_candidate_row *row)
{
    return row->median_ms > 0 && row->base_ms > 0 && row->top1 >= 0;
}

/* Time is drawn against the original's, with which each candidate was timed in turn: a
 * machine that slows down between two candidates then moves neither. */
static struct cop_svg_point place_candidate(
    const struct cop_candidate_row *row, enum cop_svg_mark mark, const char *label)
{
    return (struct cop_svg_point){
        100 * row->median_ms / row->base_ms, row->top1, mark, label};
}

static const char *model_name(const struct cop_report *report, int64_t id)
{
    return id != 0 && id == report->models[1]->id ? report->models[1]->name : NULL;
}

/* The points in drawing order: rejected, accepted, the original, the chosen one. */
static int32_t collect_points(
    const struct cop_report *report, struct cop_svg_point *points)
{
    int32_t n = 0;
    double base_top1 = -1;
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < report->n_candidates; i++) {
            const struct cop_candidate_row *row = &report->candidates[i];
            base_top1 = row->base_top1;
            if (row == report->chosen || !is_plotted(row) ||
                row->is_accepted != (pass == 1))
                continue;
            points[n++] = place_candidate(
                row, pass == 1 ? COP_SVG_ACCEPTED : COP_SVG_REJECTED, NULL);
        }
    if (base_top1 >= 0)
        points[n++] = (struct cop_svg_point){
            100, base_top1, COP_SVG_ORIGINAL, report->models[0]->name};
    if (report->chosen && is_plotted(report->chosen))
        points[n++] =
            place_candidate(report->chosen, COP_SVG_CHOSEN, report->models[1]->name);
    return n;
}

struct placed {
    double x;
    double y;
    int32_t index;
};

static int by_time(const void *a, const void *b)
{
    const struct placed *p = a;
    const struct placed *q = b;
    if (p->x < q->x) return -1;
    if (p->x > q->x) return 1;
    if (p->y > q->y) return -1;
    return p->y < q->y;
}

/* Points that no faster one matches in accuracy; rejected ones do not count. */
static int32_t find_front(
    struct cop_arena *arena,
    const struct cop_svg_point *points,
    int32_t n,
    int32_t **front)
{
    struct placed *order = COP_ARENA_NEW_N(arena, n + 1, struct placed);
    *front = COP_ARENA_NEW_N(arena, n + 1, int32_t);
    if (!order || !*front) return -1;
    int32_t n_order = 0;
    for (int32_t i = 0; i < n; i++)
        if (points[i].mark != COP_SVG_REJECTED)
            order[n_order++] = (struct placed){points[i].x, points[i].y, i};
    qsort(order, (size_t)n_order, sizeof *order, by_time);
    int32_t n_front = 0;
    double best = -1;
    for (int32_t i = 0; i < n_order; i++) {
        if (order[i].y <= best) continue;
        best = order[i].y;
        (*front)[n_front++] = order[i].index;
    }
    return n_front;
}

static enum cop_status write_plot(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    struct cop_svg_point *points =
        COP_ARENA_NEW_N(report->arena, report->n_candidates + 2, struct cop_svg_point);
    if (!points) return COP_FAIL_NOMEM(err);
    const int32_t n = collect_points(report, points);
    int32_t *front = NULL;
    const int32_t n_front = find_front(report->arena, points, n, &front);
    if (n_front < 0) return COP_FAIL_NOMEM(err);
    if (n == 0) return COP_OK;
    int32_t n_unplotted = 0;
    for (int32_t i = 0; i < report->n_candidates; i++)
        n_unplotted += !is_plotted(&report->candidates[i]);
    const struct cop_svg_scatter scatter = {
        .points = points,
        .n = n,
        .front = front,
        .n_front = n_front,
        .x_label =
            "time per run in % of the original\xe2\x80\x99s (further left is faster)",
        .y_label = "right answers (top-1) in %",
        .meaning = "Scatter plot of time against accuracy for the original and every "
                   "measured candidate; the same numbers are in the table below.",
    };
    cop_text_puts(html, "<figure>\n");
    cop_svg_scatter(html, &scatter);
    cop_text_printf(
        html,
        "<figcaption>Every candidate that was timed and tested, %d in all. The best "
        "corner "
        "is the upper left; the dashed line joins the best trade-offs: nothing that "
        "met the "
        "limits is both faster and more accurate.",
        (int)n - 1);
    if (n_unplotted > 0)
        cop_text_printf(
            html,
            " Not timed or not tested, and therefore only in the table: %d.",
            (int)n_unplotted);
    cop_text_puts(html, "</figcaption></figure>\n");
    return COP_OK;
}

/* ---- the table of candidates ------------------------------------------------------ */

static void write_candidate(
    struct cop_report *report, const struct cop_candidate_row *row)
{
    struct cop_text *html = &report->html;
    char number[5][COP_HTML_NUMBER];
    const char *name = model_name(report, row->model_id);
    cop_text_printf(
        html,
        "<tr%s><th scope=\"row\" class=\"word\">%lld",
        row == report->chosen ? " class=\"chosen\"" : "",
        (long long)row->seq);
    if (name) {
        cop_text_puts(html, " (");
        cop_html_text(html, name);
        cop_text_puts(html, ")");
    }
    cop_text_printf(
        html,
        "</th><td class=\"num\">%s</td><td class=\"num\">%s</td>",
        row->median_ms > 0 ? cop_html_ms(row->median_ms, number[0]) : "not timed",
        row->median_ms > 0 && row->base_ms > 0
            ? cop_html_fixed(100 * row->median_ms / row->base_ms, 0, number[1])
            : "\xe2\x80\x93");
    cop_text_printf(
        html,
        "<td class=\"num\">%s</td><td class=\"num\">%s</td>",
        row->top1 >= 0 ? cop_html_fixed(row->top1, 2, number[0]) : "not tested",
        row->top1 >= 0 && row->base_top1 >= 0
            ? cop_html_signed(row->top1 - row->base_top1, 2, number[1])
            : "\xe2\x80\x93");
    cop_text_printf(
        html,
        "<td class=\"num\">%s</td><td class=\"word\">%s</td><td>",
        cop_html_large(row->params, number[0]),
        row->is_accepted ? "\xe2\x9c\x93 met" : "\xc3\x97 not met");
    cop_html_text(html, row->reason);
    cop_text_puts(html, "</td></tr>\n");
}

static void write_candidates(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    cop_text_puts(
        html,
        "<div class=\"table\"><table><caption>All candidates, in the order they were "
        "tried</caption>\n<thead><tr><th scope=\"col\">No.</th><th scope=\"col\" "
        "class=\"num\">Time, ms</th><th scope=\"col\" class=\"num\">of original, %</th>"
        "<th scope=\"col\" class=\"num\">Top-1, %</th><th scope=\"col\" class=\"num\">"
        "change, points</th><th scope=\"col\" class=\"num\">Parameters</th>"
        "<th scope=\"col\">Limits</th><th scope=\"col\">Reason on "
        "record</th></tr></thead>"
        "\n<tbody>\n");
    for (int32_t i = 0; i < report->n_candidates && i < MAX_CANDIDATE_ROWS; i++)
        write_candidate(report, &report->candidates[i]);
    cop_text_puts(html, "</tbody></table></div>\n");
    if (report->n_candidates > MAX_CANDIDATE_ROWS)
        cop_text_printf(
            html,
            "<p class=\"muted\">%d more are in the project file.</p>\n",
            (int)(report->n_candidates - MAX_CANDIDATE_ROWS));
}

enum cop_status cop_report__search(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    cop_text_puts(
        html,
        "<section><h2><span class=\"number\">3</span>What else was tried?</h2>\n");
    if (!report->run || report->n_candidates == 0) {
        cop_text_puts(
            html,
            "<p>Nothing is on record: no search over this network is stored in the "
            "project, "
            "so this variant cannot be compared with others.</p></section>\n");
        return cop_text_status(html, err);
    }
    cop_text_puts(
        html,
        "<p>The search generates smaller networks, repairs each one, then times it and "
        "tests it. A candidate counts only if its <em>measured</em> numbers meet the "
        "limits "
        "that the user set.</p>\n");
    write_limits(html, report->run->config_json);
    write_reach(html, report->run->feasibility_json);
    COP_TRY(write_plot(report, err));
    write_candidates(report);
    cop_text_puts(html, "</section>\n");
    return cop_text_status(html, err);
}
