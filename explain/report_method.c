/* explain/report_method.c - how the numbers were made, what is missing, how to verify. */
#include "explain/report_parts.h"

#include "explain/html.h"

#include <cjson/cJSON.h>
#include <string.h>

static void open_facts(struct cop_text *html, const char *caption)
{
    cop_text_printf(
        html, "<table class=\"facts\"><caption>%s</caption><tbody>\n", caption);
}

static void close_facts(struct cop_text *html)
{
    cop_text_puts(html, "</tbody></table>\n");
}

static void hash_row(struct cop_text *html, const char *key, const char *hash)
{
    cop_text_printf(html, "<tr><th scope=\"row\">%s</th><td class=\"hash\">", key);
    cop_html_text(html, hash);
    cop_text_puts(html, "</td></tr>\n");
}

static void write_models(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[COP_HTML_NUMBER];
    for (int m = report->models[0] ? 0 : 1; m < 2; m++) {
        const struct cop_model_row *model = report->models[m];
        open_facts(html, m == 0 ? "The original" : "The reported network");
        cop_html_row(html, "name", model->name);
        cop_html_row(html, "source", model->source);
        cop_html_row(html, "stored", cop_html_time(model->created_us, number));
        hash_row(html, "SHA-256 of the graph", model->graph_sha);
        if (m == 1) cop_html_json_rows(html, model->origin_json, 12);
        close_facts(html);
    }
}

static void write_dataset(
    struct cop_report *report, const char *caption, const struct cop_dataset_row *row)
{
    struct cop_text *html = &report->html;
    char number[COP_HTML_NUMBER];
    if (!row) return;
    open_facts(html, caption);
    cop_html_row(html, "name", row->name);
    cop_html_row(html, "pictures", cop_html_count(row->n, number));
    cop_html_row(html, "format", row->format);
    cop_html_row(html, "preparation", row->preprocess);
    hash_row(html, "SHA-256 of the contents", row->sha256);
    close_facts(html);
}

/* The data set that the search's config names by hash under @p key. */
static void searched_row(
    struct cop_report *report, const cJSON *config, const char *key, const char *what)
{
    struct cop_dataset_row *all = NULL;
    int32_t n = 0;
    const cJSON *hash = cJSON_GetObjectItemCaseSensitive(config, key);
    if (!hash || !cJSON_IsString(hash) ||
        cop_store_list_datasets(report->store, report->arena, &all, &n, NULL) != COP_OK)
        return;
    for (int32_t i = 0; i < n; i++) {
        if (!all[i].sha256 || strcmp(all[i].sha256, hash->valuestring) != 0) continue;
        cop_html_row(&report->html, what, all[i].name);
        return;
    }
}

static void write_search(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[COP_HTML_NUMBER];
    if (!report->run) return;
    open_facts(html, "The search");
    cop_html_row(html, "started", cop_html_time(report->run->created_us, number));
    cop_html_row(
        html,
        "status",
        report->run->status && strcmp(report->run->status, "done") == 0
            ? "finished"
            : "not finished when this page was written");
    cJSON *config =
        report->run->config_json ? cJSON_Parse(report->run->config_json) : NULL;
    searched_row(report, config, "data", "calibrated and repaired on");
    searched_row(report, config, "val", "accepted by accuracy on");
    cJSON_Delete(config);
    cop_html_json_rows(html, report->run->config_json, 12);
    close_facts(html);
    if (!report->run->feasibility_json || !*report->run->feasibility_json) return;
    open_facts(html, "What was reachable, computed before the search");
    cop_html_json_rows(html, report->run->feasibility_json, 12);
    close_facts(html);
}

static void write_machine(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[COP_HTML_NUMBER];
    const struct cop_measurement_row *time = report->measurements[1];
    const struct cop_evaluation_row *accuracy = report->evaluations[1];
    if (time) {
        open_facts(html, "Timing and its machine");
        cop_html_row(html, "measured", cop_html_time(time->created_us, number));
        cop_html_row(html, "batch", cop_html_count(time->mb, number));
        cop_html_row(html, "threads", cop_html_count(time->threads, number));
        cop_html_row(html, "runs", cop_html_count(time->runs, number));
        cop_html_json_rows(html, time->machine_json, 12);
        close_facts(html);
    }
    if (accuracy) {
        open_facts(html, "Accuracy and its machine");
        cop_html_row(html, "measured", cop_html_time(accuracy->created_us, number));
        cop_html_row(html, "pictures", cop_html_count(accuracy->n, number));
        cop_html_json_rows(html, accuracy->machine_json, 12);
        close_facts(html);
    }
}

static void write_explanations(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    const int m = report->models[0] ? 0 : 1;
    if (report->n_pairs > 0) {
        open_facts(html, "Occlusion maps");
        cop_html_json_rows(
            html, report->pairs[report->n_pairs - 1].maps[1]->config_json, 12);
        close_facts(html);
    }
    if (report->n_channels[m] > 0) {
        open_facts(html, "Channel ablation");
        cop_html_json_rows(html, report->channels[m][0].config_json, 12);
        close_facts(html);
    }
}

/* ---- not measured -------------------------------------------------------------- */

static void missing(struct cop_text *html, const char *what, const char *why)
{
    cop_text_printf(html, "<tr><th scope=\"row\">%s</th><td>%s</td></tr>\n", what, why);
}

static void write_missing(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    open_facts(html, "Not measured, and why");
    if (!report->evaluations[1]) missing(html, "Accuracy", "no evaluation is stored");
    if (!report->measurements[1])
        missing(html, "Time on its own, memory", "no measurement is stored");
    if (report->models[0] && !report->has_behaviour)
        missing(
            html,
            "Changed answers",
            "answers of both networks to the same pictures are not stored");
    if (report->models[0] && report->n_pairs == 0)
        missing(
            html, "Evidence in the picture", "no occlusion maps of both are stored");
    missing(
        html,
        "Groups of persons",
        "the data has class labels only; whether a group is treated worse cannot be "
        "seen "
        "from them");
    missing(
        html,
        "Noise, blur, other cameras, attacks",
        "only the pictures of the named data set were shown, as they are");
    missing(
        html,
        "Trust in percentages",
        "whether \xe2\x80\x9c"
        "90 % sure\xe2\x80\x9d is right in 90 of 100 cases was not tested");
    missing(
        html,
        "Repeated training",
        "one original and one variant were compared; how much two trainings of the "
        "same "
        "network differ is unknown here");
    missing(html, "Other machines, energy", "times hold for the machine named below");
    close_facts(html);
}

static void write_words(struct cop_text *html)
{
    open_facts(html, "Words used");
    missing(
        html,
        "score of a class",
        "the network\xe2\x80\x99s output for the class before it is turned into a "
        "percentage (logit); if the network only gives percentages, their logarithm");
    missing(html, "median", "half of the values are smaller, half are larger");
    missing(
        html,
        "95 % interval",
        "the range in which the true value lies with high confidence, given how many "
        "pictures were tested");
    missing(
        html,
        "repair",
        "the layers behind a cut are adjusted, by least squares on example pictures, "
        "to "
        "answer as before");
    missing(
        html,
        "kind of network",
        "both networks sort pictures into classes; neither generates text or pictures");
    close_facts(html);
}

static void write_verification(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    char number[COP_HTML_NUMBER];
    cop_text_puts(
        html,
        "<section><h2><span class=\"number\">10</span>How to verify this page</h2>\n"
        "<div class=\"box\"><p>Every measurement, candidate, cut and map is a record "
        "in the "
        "project file. The records form a chain: each one is sealed with SHA-256 "
        "together "
        "with the seal before it, so that a later change, removal or reordering breaks "
        "all "
        "seals behind it.</p>\n<p>Audit root: <b class=\"hash\">");
    cop_html_text(html, report->audit_root);
    cop_text_printf(
        html,
        "</b><br>Records in the chain: <b>%s</b></p>\n",
        cop_html_count(report->audit_length, number));
    cop_text_puts(
        html,
        "<p>To check: run <code>coppice verify -p PROJECT.coppice</code>. It seals all "
        "records anew and names the first that does not hold; then compare its root "
        "and "
        "its number of records with those above (records added since then move both). "
        "To "
        "write this page again, byte for byte: <code>coppice report ");
    cop_html_text(html, report->models[1]->name);
    cop_text_puts(
        html,
        " -p PROJECT.coppice -o report.html</code>.</p>\n<p>What this cannot show: "
        "someone who owns the project file could replace all of it, seals included. "
        "Keep this "
        "page, "
        "or its audit root, where that person cannot change it.</p></div></section>\n");
}

enum cop_status cop_report__method(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    cop_text_puts(
        html,
        "<section><h2><span class=\"number\">9</span>How sure can we be?</h2>\n"
        "<p>How the numbers were made, from the records themselves, and what is "
        "missing.</p>\n");
    write_missing(report);
    write_words(html);
    write_models(report);
    write_dataset(report, "Data for accuracy", report->dataset);
    if (report->map_dataset && report->dataset &&
        report->map_dataset->id != report->dataset->id)
        write_dataset(report, "Data for the maps", report->map_dataset);
    write_search(report);
    write_machine(report);
    write_explanations(report);
    cop_text_puts(html, "</section>\n");
    write_verification(report);
    return cop_text_status(html, err);
}
