/* explain/report_cuts.c - what was cut from which layer. */
#include "explain/report_parts.h"

#include "explain/html.h"
#include "explain/svg.h"

#include <cjson/cJSON.h>

static int count_members(const struct cop_cut_row *cut)
{
    cJSON *list = cut->members_json ? cJSON_Parse(cut->members_json) : NULL;
    const int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    cJSON_Delete(list);
    return n;
}

static void write_cut(
    struct cop_report *report, const struct cop_cut_row *cut, int64_t most)
{
    struct cop_text *html = &report->html;
    char number[2][COP_HTML_NUMBER];
    const double left = cut->width_before > 0
                            ? (double)cut->width_after / (double)cut->width_before
                            : 1;
    cop_text_puts(html, "<tr><th scope=\"row\">");
    cop_html_text(html, cut->layer);
    cop_text_printf(
        html,
        "</th><td class=\"num\">%s</td><td class=\"num\">%s</td>",
        cop_html_count(cut->width_before, number[0]),
        cop_html_count(cut->width_after, number[1]));
    cop_text_printf(
        html,
        "<td class=\"num\">%s %%</td><td class=\"bar\">",
        cop_html_signed((left - 1) * 100, 0, number[0]));
    cop_svg_width(html, cut->width_before, cut->width_after, most);
    cop_text_printf(html, "</td><td class=\"num\">%d</td><td>", count_members(cut));
    cop_html_text(html, cut->reason);
    cop_text_puts(html, "</td></tr>\n");
}

enum cop_status cop_report__cuts(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    int64_t most = 0;
    cop_text_puts(
        html, "<section><h2><span class=\"number\">4</span>What was cut?</h2>\n");
    if (report->n_cuts == 0) {
        cop_text_puts(
            html,
            "<p>No cuts are on record for this variant: it was not made by this "
            "program.</p></section>\n");
        return cop_text_status(html, err);
    }
    for (int32_t i = 0; i < report->n_cuts; i++)
        if (report->cuts[i].width_before > most) most = report->cuts[i].width_before;
    cop_text_puts(
        html,
        "<p>A channel is one detector of a layer. Channels that are tied together (by "
        "additions or shared inputs) can only go together; the table names such a "
        "group "
        "after its first layer. What is not listed was left as it was.</p>\n"
        "<div class=\"table\"><table><caption>Groups of layers that lost channels"
        "</caption>\n<thead><tr><th scope=\"col\">Layer</th><th scope=\"col\" "
        "class=\"num\">Before</th><th scope=\"col\" class=\"num\">After</th><th "
        "scope=\"col\" class=\"num\">Change</th><th scope=\"col\" "
        "class=\"bar\">Channels "
        "kept</th><th scope=\"col\" class=\"num\">Tensors cut</th><th scope=\"col\">"
        "Reason on record</th></tr></thead>\n<tbody>\n");
    for (int32_t i = 0; i < report->n_cuts; i++)
        write_cut(report, &report->cuts[i], most);
    cop_text_puts(html, "</tbody></table></div>\n</section>\n");
    return cop_text_status(html, err);
}
