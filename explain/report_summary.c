/* explain/report_summary.c - the first page: what a decision needs, in plain words. */
#include "explain/report_parts.h"

#include "explain/html.h"

#include <math.h>

/* What the statements on this page hold against; printed with them. */
#define RETENTION_POLICY 0.5
#define CHANCE_POLICY 0.05

static void name_in_bold(struct cop_text *html, const char *name)
{
    cop_text_puts(html, "<b>");
    cop_html_text(html, name);
    cop_text_puts(html, "</b>");
}

static int64_t removed_channels(const struct cop_report *report)
{
    int64_t n = 0;
    for (int32_t i = 0; i < report->n_cuts; i++)
        n += report->cuts[i].width_before - report->cuts[i].width_after;
    return n;
}

static void write_header(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[2][COP_HTML_NUMBER];
    cop_text_puts(
        html, "<header><p class=\"kicker\">Coppice compression report</p>\n<h1>");
    cop_html_text(html, report->models[1]->name);
    if (!report->models[0]) {
        cop_text_puts(html, "</h1>\n<p class=\"lede\">");
        name_in_bold(html, report->models[1]->name);
        cop_text_puts(
            html,
            " is an original: nothing was removed from it, so there is nothing to "
            "compare "
            "it with. This page states what was measured.</p></header>\n");
        return;
    }
    cop_text_puts(html, ", a smaller copy of ");
    cop_html_text(html, report->models[0]->name);
    cop_text_puts(html, "</h1>\n<p class=\"lede\">");
    name_in_bold(html, report->models[1]->name);
    cop_text_puts(html, " was grown from ");
    name_in_bold(html, report->models[0]->name);
    if (report->n_cuts > 0)
        cop_text_printf(
            html,
            " by removing %s channels from %s %s of layers and repairing what was left",
            cop_html_count(removed_channels(report), number[0]),
            cop_html_count(report->n_cuts, number[1]),
            report->n_cuts == 1 ? "group" : "groups");
    cop_text_puts(
        html,
        ". This page says what was gained, what was lost and for whom, and whether the "
        "smaller network still looks at the same places in a picture.</p></header>\n");
}

/* ---- cards --------------------------------------------------------------------- */

static void open_card(struct cop_text *html, const char *what)
{
    cop_text_printf(
        html, "<li><span class=\"what\">%s</span><span class=\"big\">", what);
}

static void speed_card(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[3][COP_HTML_NUMBER];
    double ms[2];
    const double speedup = cop_report__speedup(report);
    cop_report__times(report, ms);
    open_card(html, "Speed");
    if (speedup > 0) {
        cop_text_printf(
            html,
            "%s\xc3\x97 %s</span><span class=\"how\">%s ms before, %s ms after "
            "(median)",
            cop_html_fixed(speedup >= 1 ? speedup : 1 / speedup, 2, number[0]),
            speedup >= 1 ? "faster" : "slower",
            cop_html_ms(ms[0], number[2]),
            cop_html_ms(ms[1], number[1]));
    } else if (ms[1] > 0) {
        cop_text_printf(
            html,
            "%s ms</span><span class=\"how\">per run (median)",
            cop_html_ms(ms[1], number[0]));
    } else {
        cop_text_puts(
            html, "not measured</span><span class=\"how\">no timing is stored");
    }
    cop_text_puts(html, "</span></li>\n");
}

static void size_card(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[2][COP_HTML_NUMBER];
    const struct cop_model_row *const *models = report->models;
    open_card(html, "Size");
    if (models[0] && models[0]->bytes > 0) {
        const double left = (double)models[1]->bytes / (double)models[0]->bytes;
        cop_text_printf(
            html,
            "%s %% %s</span>",
            cop_html_fixed(fabs(1 - left) * 100, 0, number[0]),
            left <= 1 ? "smaller" : "larger");
        cop_text_printf(
            html,
            "<span class=\"how\">%s of weights before, %s after",
            cop_html_bytes(models[0]->bytes, number[0]),
            cop_html_bytes(models[1]->bytes, number[1]));
    } else {
        cop_text_printf(
            html,
            "%s</span><span class=\"how\">of weights",
            cop_html_bytes(models[1]->bytes, number[0]));
    }
    cop_text_puts(html, "</span></li>\n");
}

static void accuracy_card(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[4][COP_HTML_NUMBER];
    const struct cop_evaluation_row *const *rows = report->evaluations;
    double low = 0;
    double high = 0;
    open_card(html, "Accuracy (top-1)");
    if (!rows[1] || !(rows[1]->top1 >= 0)) {
        cop_text_puts(
            html,
            "not measured</span><span class=\"how\">no labelled evaluation is stored");
    } else {
        cop_report__interval(rows[1], &low, &high);
        cop_text_printf(
            html,
            "%s %%</span><span class=\"how\">",
            cop_html_fixed(rows[1]->top1, 1, number[0]));
        if (rows[0] && rows[0]->top1 >= 0)
            cop_text_printf(
                html,
                "was %s %% (%s points); ",
                cop_html_fixed(rows[0]->top1, 1, number[0]),
                cop_html_signed(rows[1]->top1 - rows[0]->top1, 1, number[1]));
        cop_text_printf(
            html,
            "95 %% interval %s to %s %%, n = %s",
            cop_html_fixed(low, 1, number[0]),
            cop_html_fixed(high, 1, number[1]),
            cop_html_count(rows[1]->n, number[2]));
        if (report->dataset) {
            cop_text_puts(html, ", data set ");
            cop_html_short(html, report->dataset->name, 40);
        }
    }
    cop_text_puts(html, "</span></li>\n");
}

static void agreement_card(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[4][COP_HTML_NUMBER];
    const struct cop_behaviour *b = &report->behaviour;
    open_card(html, "Same answer");
    if (report->has_behaviour)
        cop_text_printf(
            html,
            "%s %%</span><span class=\"how\">of %s pictures; %s became wrong, %s "
            "became "
            "right",
            cop_html_fixed(100.0 * (double)b->same / (double)b->n, 1, number[0]),
            cop_html_count(b->n, number[1]),
            cop_html_count(b->lost, number[2]),
            cop_html_count(b->won, number[3]));
    else
        cop_text_puts(
            html,
            "not measured</span><span class=\"how\">the two were not evaluated on the "
            "same data");
    cop_text_puts(html, "</span></li>\n");
}

/* ---- statements ---------------------------------------------------------------- */

enum verdict { HOLDS, LOOK_CLOSER, NOT_MEASURED };

static void open_statement(struct cop_text *html, enum verdict verdict)
{
    static const char *const marks[] = {
        "<li><span class=\"mark ok\">\xe2\x9c\x93 Holds</span><span>",
        "<li><span class=\"mark look\">\xe2\x96\xb2 Look closer</span><span>",
        "<li><span class=\"mark none\">\xe2\x97\x8b Not measured</span><span>"};
    cop_text_puts(html, marks[verdict]);
}

static void limits_statement(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    if (!report->chosen) {
        open_statement(html, NOT_MEASURED);
        cop_text_puts(
            html,
            "<b>Limits.</b> This variant is no candidate of a search, so no limits "
            "were "
            "set for it.</span></li>\n");
        return;
    }
    open_statement(html, report->chosen->is_accepted ? HOLDS : LOOK_CLOSER);
    cop_text_puts(html, "<b>Limits set for the search.</b> The record says: ");
    cop_html_text(html, report->chosen->reason);
    cop_text_puts(html, ".</span></li>\n");
}

static void accuracy_statement(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[3][COP_HTML_NUMBER];
    const struct cop_behaviour *b = &report->behaviour;
    if (!report->has_behaviour) {
        open_statement(html, NOT_MEASURED);
        cop_text_puts(
            html,
            "<b>Accuracy overall.</b> The two networks were not evaluated on the same "
            "pictures.</span></li>\n");
        return;
    }
    const bool is_chance = b->mcnemar_p >= CHANCE_POLICY;
    const bool is_worse = b->lost > b->won;
    open_statement(html, is_worse && !is_chance ? LOOK_CLOSER : HOLDS);
    cop_text_printf(
        html,
        "<b>Accuracy overall.</b> Of %s pictures, %s were right before and wrong now, ",
        cop_html_count(b->n, number[0]),
        cop_html_count(b->lost, number[1]));
    cop_text_printf(
        html,
        "%s the other way round. %s (exact McNemar test: p %s%s).</span></li>\n",
        cop_html_count(b->won, number[0]),
        is_chance  ? "Chance alone would often do this"
        : is_worse ? "This loss is more than chance explains"
                   : "This gain is more than chance explains",
        b->mcnemar_p < 0.001 ? "" : "= ",
        cop_html_p(b->mcnemar_p, number[1]));
}

static void class_statement(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[4][COP_HTML_NUMBER];
    if (!report->has_behaviour || report->n_classes == 0) {
        open_statement(html, NOT_MEASURED);
        cop_text_puts(
            html,
            "<b>Who is affected.</b> Results per class are not stored for both "
            "networks.</span></li>\n");
        return;
    }
    const struct cop_class_change *worst = cop_report__worst(report);
    const struct cop_class_change *most = &report->classes[0];
    for (int32_t c = 1; c < report->n_classes; c++)
        if (report->classes[c].change < most->change || isnan(most->change))
            most = &report->classes[c];
    if (worst) most = worst;
    open_statement(html, worst ? LOOK_CLOSER : HOLDS);
    cop_text_puts(html, "<b>Who is affected most.</b> Pictures of ");
    name_in_bold(html, most->name);
    cop_text_printf(
        html,
        ": %s %% right before, %s %% now (%s points, ",
        cop_html_fixed(most->recall[0], 1, number[0]),
        cop_html_fixed(most->recall[1], 1, number[1]),
        cop_html_signed(most->change, 1, number[2]));
    cop_text_printf(
        html,
        "%s pictures). %s</span></li>\n",
        cop_html_count(most->n, number[0]),
        most->n < COP_REPORT_FEW ? "That is too few pictures to judge."
        : worst
            ? "That is more than chance explains, also when all classes are looked at."
            : "No class lost more than chance explains when all classes are looked "
              "at.");
}

static void evidence_statement(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[3][COP_HTML_NUMBER];
    double alike = 0;
    double control = 0;
    double retention = 0;
    cop_report__retention(report, &alike, &control, &retention);
    if (!(retention == retention)) {
        open_statement(html, NOT_MEASURED);
        cop_text_puts(
            html,
            "<b>Same evidence.</b> No occlusion maps of both networks are stored (verb "
            "<code>explain</code>).</span></li>\n");
        return;
    }
    open_statement(html, retention >= RETENTION_POLICY ? HOLDS : LOOK_CLOSER);
    cop_text_printf(
        html,
        "<b>Same evidence.</b> %s: the places that matter have a median rank "
        "correlation of "
        "%s over %d pictures, ",
        retention >= RETENTION_POLICY ? "The two networks look at much the same places"
                                      : "The two networks look at different places",
        cop_html_fixed(alike, 2, number[0]),
        (int)report->n_pairs);
    cop_text_printf(
        html,
        "where two different pictures reach %s. On a scale from 0 (as different "
        "pictures) "
        "to 1 (identical) that is %s.</span></li>\n",
        cop_html_fixed(control, 2, number[0]),
        cop_html_fixed(retention, 2, number[1]));
}

static void write_sign_off(struct cop_text *html)
{
    cop_text_puts(
        html,
        "<p class=\"muted\">\xe2\x9c\x93, \xe2\x96\xb2 and \xe2\x97\x8b follow fixed "
        "rules "
        "of this report, not of any law: chance means p of at least 0.05; evidence is "
        "the "
        "same from 0.5 upwards. Section 9 lists what was not measured.</p>\n"
        "<div class=\"box\"><p><b>Reviewer\xe2\x80\x99s decision</b> (to be filled in "
        "by a "
        "person): \xe2\x98\x90 accept &nbsp; \xe2\x98\x90 accept with conditions "
        "&nbsp; "
        "\xe2\x98\x90 reject</p><div class=\"sign\"><span>Name and role</span>"
        "<span>Date</span><span>Signature</span></div></div>\n");
}

enum cop_status cop_report__summary(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    write_header(report);
    cop_text_puts(
        html,
        "<section class=\"first\"><h2><span class=\"number\">1</span>Summary for a "
        "decision</h2>\n<ul class=\"cards\">\n");
    speed_card(report);
    size_card(report);
    accuracy_card(report);
    if (report->models[0]) agreement_card(report);
    cop_text_puts(html, "</ul>\n");
    if (report->models[0]) {
        cop_text_puts(html, "<ul class=\"statements\">\n");
        limits_statement(report);
        accuracy_statement(report);
        class_statement(report);
        evidence_statement(report);
        cop_text_puts(html, "</ul>\n");
        write_sign_off(html);
    }
    cop_text_puts(html, "</section>\n");
    return cop_text_status(html, err);
}
