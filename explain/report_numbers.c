/* explain/report_numbers.c - the table of before and after. */
#include "explain/report_parts.h"

#include "explain/html.h"

#include <math.h>
#include <stdio.h>

/* One row: a quantity of both networks, printed; change in percent or points. */
struct line {
    const char *what;
    const char *unit;
    char values[2][COP_HTML_NUMBER]; /* "" : not measured */
    char change[COP_HTML_NUMBER];
};

static void write_line(struct cop_report *report, const struct line *line)
{
    struct cop_text *html = &report->html;
    cop_text_printf(
        html, "<tr><th scope=\"row\">%s</th><td>%s</td>", line->what, line->unit);
    for (int m = report->models[0] ? 0 : 1; m < 2; m++)
        cop_text_printf(
            html,
            "<td class=\"num\">%s</td>",
            line->values[m][0] ? line->values[m] : "not measured");
    if (report->models[0])
        cop_text_printf(
            html,
            "<td class=\"num\">%s</td>",
            line->change[0] ? line->change : "\xe2\x80\x93");
    cop_text_puts(html, "</tr>\n");
}

static void print_percent_change(double before, double after, char *text)
{
    text[0] = '\0';
    if (!(before > 0) || !(after >= 0)) return;
    char number[COP_HTML_NUMBER];
    cop_html_signed((after / before - 1) * 100, 1, number);
    (void)snprintf(text, COP_HTML_NUMBER, "%.32s %%", number);
}

static void print_points(double before, double after, char *text)
{
    text[0] = '\0';
    if (!(before >= 0) || !(after >= 0)) return;
    char number[COP_HTML_NUMBER];
    cop_html_signed(after - before, 2, number);
    (void)snprintf(text, COP_HTML_NUMBER, "%.32s points", number);
}

/* A whole number of both models. */
static void count_line(
    struct cop_report *report, const char *what, const char *unit, int64_t a, int64_t b)
{
    struct line line = {.what = what, .unit = unit};
    cop_html_count(a, line.values[0]);
    cop_html_count(b, line.values[1]);
    print_percent_change((double)a, (double)b, line.change);
    write_line(report, &line);
}

static void size_lines(struct cop_report *report)
{
    const struct cop_model_row none = {0};
    const struct cop_model_row *a = report->models[0] ? report->models[0] : &none;
    const struct cop_model_row *b = report->models[1];
    count_line(report, "Work per picture", "multiply-accumulates", a->macs, b->macs);
    count_line(report, "Parameters", "numbers", a->params, b->params);
    count_line(report, "Size of the parameters", "bytes", a->bytes, b->bytes);
}

enum timing { MEDIAN, P95, PEAK };

static double timing_of(const struct cop_measurement_row *row, enum timing timing)
{
    if (!row) return (double)NAN;
    if (timing == MEDIAN) return row->median_ms;
    return timing == P95 ? row->p95_ms : (double)row->peak_bytes;
}

static void timing_line(
    struct cop_report *report, const char *what, const char *unit, enum timing timing)
{
    struct line line = {.what = what, .unit = unit};
    double x[2];
    for (int m = 0; m < 2; m++) {
        x[m] = timing_of(report->measurements[m], timing);
        if (!(x[m] > 0)) continue;
        if (timing == PEAK)
            cop_html_count((int64_t)x[m], line.values[m]);
        else
            cop_html_ms(x[m], line.values[m]);
    }
    print_percent_change(x[0], x[1], line.change);
    write_line(report, &line);
}

static void time_lines(struct cop_report *report)
{
    if (report->chosen && report->chosen->median_ms > 0) {
        struct line line = {
            .what = "Time per run, timed in turn", .unit = "ms, median"};
        cop_html_ms(report->chosen->base_ms, line.values[0]);
        cop_html_ms(report->chosen->median_ms, line.values[1]);
        print_percent_change(
            report->chosen->base_ms, report->chosen->median_ms, line.change);
        write_line(report, &line);
    }
    timing_line(report, "Time per run, on its own", "ms, median", MEDIAN);
    timing_line(report, "Time that 95 % of runs keep", "ms", P95);
    timing_line(report, "Memory while running", "bytes", PEAK);
}

static void accuracy_lines(struct cop_report *report)
{
    struct line top1 = {.what = "Right answer first (top-1)", .unit = "% of pictures"};
    struct line interval = {.what = "95 % interval of that", .unit = "%"};
    struct line top5 = {
        .what = "Right answer among five (top-5)", .unit = "% of pictures"};
    double x[2] = {NAN, NAN};
    double y[2] = {NAN, NAN};
    for (int m = 0; m < 2; m++) {
        const struct cop_evaluation_row *row = report->evaluations[m];
        char ends[2][COP_HTML_NUMBER];
        double low = 0;
        double high = 0;
        if (!row || !(row->top1 >= 0)) continue;
        x[m] = row->top1;
        y[m] = row->top5;
        cop_html_fixed(row->top1, 2, top1.values[m]);
        if (row->top5 >= 0) cop_html_fixed(row->top5, 2, top5.values[m]);
        cop_report__interval(row, &low, &high);
        cop_html_fixed(low, 1, ends[0]);
        cop_html_fixed(high, 1, ends[1]);
        (void)snprintf(
            interval.values[m], COP_HTML_NUMBER, "%.20s to %.20s", ends[0], ends[1]);
    }
    print_points(x[0], x[1], top1.change);
    print_points(y[0], y[1], top5.change);
    write_line(report, &top1);
    write_line(report, &interval);
    write_line(report, &top5);
}

/* The same accuracy on every data set that both were evaluated on. */
static void write_data_sets(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[4][COP_HTML_NUMBER];
    if (report->n_accuracies < 2) return;
    cop_text_puts(
        html,
        "<div class=\"table\"><table><caption>Accuracy on every data set</caption>\n"
        "<thead><tr><th scope=\"col\">Data set</th><th scope=\"col\">Seen by the search"
        "</th><th scope=\"col\" class=\"num\">Pictures</th><th scope=\"col\" "
        "class=\"num\">Before, %</th><th scope=\"col\" class=\"num\">After, %</th><th "
        "scope=\"col\" class=\"num\">Change, points</th></tr></thead>\n<tbody>\n");
    for (int32_t i = 0; i < report->n_accuracies; i++) {
        const struct cop_report_accuracy *a = &report->accuracies[i];
        cop_text_puts(html, "<tr><th scope=\"row\">");
        cop_html_short(html, a->dataset->name, 60);
        cop_text_printf(
            html,
            "</th><td>%s%s</td><td class=\"num\">%s</td>",
            a->is_searched ? "yes" : "no",
            a->dataset == report->dataset ? "; used on this page" : "",
            cop_html_count(a->rows[1]->n, number[0]));
        cop_text_printf(
            html,
            "<td class=\"num\">%s</td><td class=\"num\">%s</td><td "
            "class=\"num\">%s</td>"
            "</tr>\n",
            cop_html_fixed(a->rows[0]->top1, 2, number[1]),
            cop_html_fixed(a->rows[1]->top1, 2, number[2]),
            cop_html_signed(a->rows[1]->top1 - a->rows[0]->top1, 2, number[3]));
    }
    cop_text_puts(html, "</tbody></table></div>\n");
}

static void write_notes(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    const struct cop_measurement_row *time = report->measurements[1];
    char number[2][COP_HTML_NUMBER];
    cop_text_puts(html, "<p class=\"muted\">");
    if (time)
        cop_text_printf(
            html,
            "A run is a batch of %lld with %lld threads, on the machine named in "
            "section "
            "9; median of %s runs. ",
            (long long)time->mb,
            (long long)time->threads,
            cop_html_count(time->runs, number[0]));
    if (report->chosen)
        cop_text_puts(
            html,
            "\xe2\x80\x9cTimed in turn\xe2\x80\x9d: the two networks ran alternately, "
            "so "
            "that a machine that warms up or slows down treats both alike; the speed "
            "on "
            "page one uses these times. ");
    if (report->evaluations[1] && report->dataset) {
        cop_text_puts(html, "Accuracy on the data set <b>");
        cop_html_text(html, report->dataset->name);
        cop_text_printf(
            html,
            "</b>, %s pictures; the interval is Wilson\xe2\x80\x99s.",
            cop_html_count(report->evaluations[1]->n, number[0]));
    }
    cop_text_puts(html, "</p>\n");
}

enum cop_status cop_report__numbers(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    cop_text_puts(
        html,
        "<section><h2><span class=\"number\">2</span>What changed, in numbers</h2>\n"
        "<div class=\"table\"><table><caption>Before and after</caption>\n"
        "<thead><tr><th scope=\"col\">Quantity</th><th scope=\"col\">Unit</th>");
    for (int m = report->models[0] ? 0 : 1; m < 2; m++) {
        cop_text_puts(html, "<th scope=\"col\" class=\"num\">");
        cop_html_text(html, report->models[m]->name);
        cop_text_puts(html, m == 0 ? "<br>(original)</th>" : "</th>");
    }
    if (report->models[0])
        cop_text_puts(html, "<th scope=\"col\" class=\"num\">Change</th>");
    cop_text_puts(html, "</tr></thead>\n<tbody>\n");
    size_lines(report);
    time_lines(report);
    accuracy_lines(report);
    cop_text_puts(html, "</tbody></table></div>\n");
    write_notes(report);
    write_data_sets(report);
    cop_text_puts(html, "</section>\n");
    return cop_text_status(html, err);
}
