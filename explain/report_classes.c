/* explain/report_classes.c - behaviour picture by picture, and class by class. */
#include "explain/report_parts.h"

#include "explain/html.h"
#include "explain/svg.h"

#include <math.h>
#include <stdlib.h>

/* ---- behaviour ----------------------------------------------------------------- */

static void quadrant_row(
    struct cop_report *report, const char *what, int64_t right, int64_t wrong)
{
    struct cop_text *html = &report->html;
    const double n = (double)report->behaviour.n;
    char number[2][COP_HTML_NUMBER];
    cop_text_printf(
        html,
        "<tr><th scope=\"row\">%s</th><td class=\"num\">%s (%s %%)</td>",
        what,
        cop_html_count(right, number[0]),
        cop_html_fixed(100 * (double)right / n, 1, number[1]));
    cop_text_printf(
        html,
        "<td class=\"num\">%s (%s %%)</td></tr>\n",
        cop_html_count(wrong, number[0]),
        cop_html_fixed(100 * (double)wrong / n, 1, number[1]));
}

static void write_quadrants(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    const struct cop_behaviour *b = &report->behaviour;
    cop_text_puts(
        html,
        "<table class=\"quad\"><caption>Pictures by who was right</caption><thead><tr>"
        "<td></td><th scope=\"col\" class=\"num\">variant right</th><th scope=\"col\" "
        "class=\"num\">variant wrong</th></tr></thead>\n<tbody>\n");
    quadrant_row(report, "original right", b->both_right, b->lost);
    quadrant_row(
        report, "original wrong", b->won, b->both_wrong_same + b->both_wrong_other);
    cop_text_puts(html, "</tbody></table>\n");
}

enum cop_status cop_report__behaviour(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    const struct cop_behaviour *b = &report->behaviour;
    char number[4][COP_HTML_NUMBER];
    cop_text_puts(
        html,
        "<section><h2><span class=\"number\">5</span>Does it still give the same "
        "answers?</h2>\n");
    if (!report->has_behaviour) {
        cop_text_puts(
            html,
            "<p>Not measured: answers of both networks to the same pictures are not "
            "stored. "
            "Evaluate both on one data set (verb <code>eval</code>).</p></section>\n");
        return cop_text_status(html, err);
    }
    cop_text_printf(
        html,
        "<p>Two networks can be right equally often and still disagree. On <b>%s "
        "%%</b> of "
        "%s pictures both give the same answer",
        cop_html_fixed(100 * (double)b->same / (double)b->n, 1, number[0]),
        cop_html_count(b->n, number[1]));
    cop_text_printf(
        html,
        " (95 %% interval %s to %s %%). Among the pictures that both get wrong, %s get "
        "the "
        "same wrong answer and %s a different one.</p>\n",
        cop_html_fixed(100 * b->same_low, 1, number[0]),
        cop_html_fixed(100 * b->same_high, 1, number[1]),
        cop_html_count(b->both_wrong_same, number[2]),
        cop_html_count(b->both_wrong_other, number[3]));
    write_quadrants(report);
    cop_text_printf(
        html,
        "<p>If the two were equally good, pictures would change sides equally often in "
        "both "
        "directions. Here %s were lost and %s won; ",
        cop_html_count(b->lost, number[0]),
        cop_html_count(b->won, number[1]));
    cop_text_printf(
        html,
        "a difference at least this large has a probability of %s if only chance is at "
        "work "
        "(exact McNemar test).</p>\n</section>\n",
        cop_html_p(b->mcnemar_p, number[0]));
    return cop_text_status(html, err);
}

/* ---- classes ------------------------------------------------------------------- */

enum { MAX_CLASSES = 40, SHOWN_WORST = 25, SHOWN_BEST = 10 };

static int by_change(const void *a, const void *b)
{
    const struct cop_class_change *x = *(struct cop_class_change *const *)a;
    const struct cop_class_change *y = *(struct cop_class_change *const *)b;
    const bool is_nan[2] = {isnan(x->change), isnan(y->change)};
    if (is_nan[0] != is_nan[1]) return is_nan[0] ? 1 : -1;
    if (x->change < y->change) return -1;
    if (x->change > y->change) return 1;
    return (x > y) - (x < y);
}

static const char *judge(const struct cop_class_change *change)
{
    if (change->n < COP_REPORT_FEW) return "too few to judge";
    if (change->p_adjusted >= 0.05) return "chance";
    return change->lost > change->won ? "\xe2\x96\xb2 more than chance" : "better";
}

static void write_class(
    struct cop_report *report, const struct cop_class_change *change, double scale)
{
    struct cop_text *html = &report->html;
    char number[4][COP_HTML_NUMBER];
    cop_text_puts(html, "<tr><th scope=\"row\">");
    cop_html_short(html, change->name, 60);
    cop_text_printf(
        html,
        "</th><td class=\"num\">%s</td><td class=\"num\">%s</td>",
        cop_html_count(change->n, number[0]),
        cop_html_fixed(change->recall[0], 1, number[1]));
    cop_text_printf(
        html,
        "<td class=\"num\">%s</td><td class=\"num\">%s to %s</td><td "
        "class=\"num\">%s</td>"
        "<td class=\"bar\">",
        cop_html_fixed(change->recall[1], 1, number[0]),
        cop_html_fixed(change->low[1], 0, number[1]),
        cop_html_fixed(change->high[1], 0, number[2]),
        cop_html_signed(change->change, 1, number[3]));
    cop_svg_change(html, change->change, scale);
    cop_text_printf(
        html,
        "</td><td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"word\">%s"
        "</td></tr>\n",
        report->has_behaviour ? cop_html_count(change->lost, number[0]) : "n/a",
        report->has_behaviour ? cop_html_count(change->won, number[1]) : "n/a",
        report->has_behaviour ? judge(change) : "not measured");
}

static void write_class_table(
    struct cop_report *report, struct cop_class_change *const *order, double scale)
{
    struct cop_text *html = &report->html;
    const int32_t n = report->n_classes;
    char number[COP_HTML_NUMBER];
    cop_text_printf(
        html,
        "<div class=\"table\"><table><caption>Right answers per class, largest loss "
        "first"
        "<small>Bars: purple to the left is a loss, green to the right a gain; the "
        "ends "
        "stand for %s points.</small></caption>\n",
        cop_html_fixed(scale, 0, number));
    cop_text_puts(
        html,
        "<thead><tr><th scope=\"col\">Class</th><th scope=\"col\" "
        "class=\"num\">Pictures"
        "</th><th scope=\"col\" class=\"num\">Before, %</th><th scope=\"col\" "
        "class=\"num\">After, %</th><th scope=\"col\" class=\"num\">95 % interval</th>"
        "<th scope=\"col\" class=\"num\">Points</th><th scope=\"col\" class=\"bar\">"
        "Change</th><th scope=\"col\" class=\"num\">Lost</th><th scope=\"col\" "
        "class=\"num\">Won</th><th scope=\"col\">Verdict</th></tr></thead>\n<tbody>\n");
    for (int32_t i = 0; i < n; i++) {
        if (n > MAX_CLASSES && i == SHOWN_WORST) {
            cop_text_printf(
                html,
                "<tr><td colspan=\"10\" class=\"muted\">%d classes in between are not "
                "shown</td></tr>\n",
                (int)(n - SHOWN_WORST - SHOWN_BEST));
            i = n - SHOWN_BEST;
        }
        write_class(report, order[i], scale);
    }
    cop_text_puts(html, "</tbody></table></div>\n");
}

/* The least of 1, 2, 5, 10, 20, ... that no change exceeds. */
static double find_scale(const struct cop_report *report)
{
    double most = 0;
    for (int32_t c = 0; c < report->n_classes; c++)
        most = fmax(most, fabs(report->classes[c].change));
    return most > 1 ? cop_svg_tick_step(most, 1) : 1;
}

enum cop_status cop_report__classes(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    const int32_t n = report->n_classes;
    cop_text_puts(
        html, "<section><h2><span class=\"number\">6</span>Who is affected?</h2>\n");
    if (n == 0) {
        cop_text_puts(
            html,
            "<p>Not measured: results per class are not stored for both networks, or "
            "the "
            "data has no labels.</p></section>\n");
        return cop_text_status(html, err);
    }
    struct cop_class_change **order =
        COP_ARENA_NEW_N(report->arena, n, struct cop_class_change *);
    if (!order) return COP_FAIL_NOMEM(err);
    for (int32_t c = 0; c < n; c++)
        order[c] = &report->classes[c];
    qsort(order, (size_t)n, sizeof(struct cop_class_change *), by_change);
    cop_text_puts(
        html,
        "<p>An unchanged average can hide a class that pays for all others. For each "
        "class: "
        "how many of its pictures were answered right, before and after. "
        "\xe2\x80\x9cLost"
        "\xe2\x80\x9d pictures were right before and are wrong now, \xe2\x80\x9cwon"
        "\xe2\x80\x9d the other way round.</p>\n");
    write_class_table(report, order, find_scale(report));
    cop_text_printf(
        html,
        "<p class=\"muted\">Verdict: exact McNemar test on lost against won, adjusted "
        "for "
        "looking at %d classes (Benjamini and Hochberg), at 0.05. Classes with fewer "
        "than "
        "%d pictures are not judged. Whether a class stands for a group of persons is "
        "for "
        "a person to say.</p>\n</section>\n",
        (int)n,
        (int)COP_REPORT_FEW);
    return cop_text_status(html, err);
}
