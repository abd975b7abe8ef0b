/* explain/report_evidence.c - occlusion maps of original and variant, side by side. */
#include "explain/report_parts.h"

#include "base/mem.h"
#include "base/stats.h"
#include "explain/html.h"
#include "explain/overlay.h"

#include <math.h>

/* ---- one case ------------------------------------------------------------------ */

/* The pictures of one case; pixels NULL: no photograph. */
struct scene {
    struct cop_overlay_photo photo;
    uint8_t *pixels;
    const char *name; /* of the sample */
    int64_t label;    /* -1: unknown */
};

static enum cop_status open_scene(
    struct cop_report *report, int64_t sample, struct scene *scene, struct cop_err *err)
{
    const struct cop_dataset *dataset = report->options.dataset;
    *scene = (struct scene){.label = -1};
    scene->name = cop_arena_printf(report->arena, "picture %lld", (long long)sample);
    if (!scene->name) return COP_FAIL_NOMEM(err);
    if (!dataset) return COP_OK;
    if (sample < 0 || sample >= cop_dataset_n(dataset))
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "map of sample %lld, the data has %lld",
            (long long)sample,
            (long long)cop_dataset_n(dataset));
    int64_t shape[3];
    char name[256];
    cop_dataset_sample_shape(dataset, shape);
    scene->name = cop_arena_strdup(
        report->arena, cop_dataset_sample_name(dataset, sample, name, sizeof name));
    scene->label = cop_dataset_label(dataset, sample);
    scene->pixels = cop_mem_array((size_t)(shape[1] * shape[2]), 3);
    if (!scene->name || !scene->pixels) {
        cop_mem_free(scene->pixels);
        return COP_FAIL_NOMEM(err);
    }
    const enum cop_status status =
        cop_dataset_read_rgb(dataset, sample, scene->pixels, err);
    if (status != COP_OK) {
        cop_mem_free(scene->pixels);
        return status;
    }
    scene->photo = (struct cop_overlay_photo){scene->pixels, shape[1], shape[2]};
    return COP_OK;
}

/* The stored answer of model @p m to @p sample; false if there is none. */
static bool find_answer(
    const struct cop_report *report,
    int m,
    int64_t sample,
    struct cop_stored_answer *answer)
{
    const struct cop_evaluation_row *row = report->map_answers[m];
    if (!row) return false;
    int64_t low = 0;
    int64_t high = cop_stored_answers_n(row);
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        *answer = cop_stored_answer_at(row, middle);
        if (answer->sample == sample) return true;
        if (answer->sample < sample)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* What model @p m answered, as a caption. */
static void write_answer(
    struct cop_report *report, int m, const struct cop_report_pair *pair)
{
    struct cop_text *html = &report->html;
    struct cop_stored_answer answer;
    char number[COP_HTML_NUMBER];
    cop_text_puts(html, "<b>");
    cop_html_short(html, report->models[m]->name, 40);
    cop_text_puts(html, "</b>: ");
    if (!find_answer(report, m, pair->maps[m]->sample, &answer)) {
        cop_text_puts(html, "answer not on record");
        return;
    }
    cop_html_short(html, cop_report__class_name(report, answer.answer), 40);
    cop_text_printf(
        html,
        ", %s %% sure%s",
        cop_html_fixed(100 * (double)answer.p_answer, 0, number),
        cop_stored_answer_is_right(&answer) ? "\xc2\xa0\xe2\x9c\x93" : "");
}

/* "Half of what speaks for happy lies in 12 % of the picture, in the lower middle." */
static const char *describe(
    struct cop_report *report,
    const struct cop_map_focus *focus,
    int m,
    const char *class_name)
{
    char number[COP_HTML_NUMBER];
    if (!(focus->mass > 0))
        return cop_arena_printf(
            report->arena,
            "%s: hiding any place does not hurt the class %s.",
            report->models[m]->name,
            class_name);
    return cop_arena_printf(
        report->arena,
        "%s: half of what speaks for %s lies in %s %% of the picture, around %s.",
        report->models[m]->name,
        class_name,
        cop_html_fixed(100 * focus->area50, 0, number),
        focus->where);
}

static double largest(const float *map, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)map[i]));
    return most;
}

static void write_likeness(
    struct cop_report *report, const struct cop_report_pair *pair, double scale)
{
    struct cop_text *html = &report->html;
    const struct cop_map_likeness *l = &pair->likeness;
    char number[4][COP_HTML_NUMBER];
    cop_text_printf(
        html,
        "<p>Alike: rank correlation <b>%s</b>, cosine %s, overlap of the top tenth %s "
        "%%, ",
        cop_html_fixed(l->spearman, 2, number[0]),
        cop_html_fixed(l->cosine, 2, number[1]),
        cop_html_fixed(100 * l->top10, 0, number[2]));
    cop_text_printf(
        html,
        "centre moved by %s %% of the diagonal. Full colour: a change of %s in the "
        "score of "
        "the class.</p>\n",
        cop_html_fixed(100 * l->shift, 1, number[0]),
        cop_html_fixed(scale, 2, number[1]));
}

static void write_case_title(
    struct cop_report *report, const struct scene *scene, bool is_lost)
{
    struct cop_text *html = &report->html;
    cop_text_puts(html, "<article class=\"case\"><h3>");
    cop_html_short(html, scene->name, 80);
    if (scene->label >= 0) {
        cop_text_puts(html, " \xc2\xb7 labelled ");
        cop_html_short(html, cop_report__class_name(report, scene->label), 40);
    }
    if (is_lost)
        cop_text_puts(
            html,
            " \xc2\xb7 <span class=\"mark look\">\xe2\x96\xb2 lost by the "
            "variant</span>");
    cop_text_puts(html, "</h3>\n");
}

static enum cop_status write_maps(
    struct cop_report *report,
    const struct cop_report_pair *pair,
    const struct scene *scene,
    struct cop_err *err)
{
    struct cop_text *html = &report->html;
    const int64_t size[2] = {pair->maps[0]->rows, pair->maps[0]->cols};
    const char *class_name = cop_report__class_name(report, pair->maps[0]->target);
    const char *texts[2] = {NULL, NULL};
    const float *values[2];
    double scale = 0;
    for (int m = 0; m < 2; m++) {
        struct cop_map_focus focus;
        values[m] = cop_arena_copy(
            report->arena, pair->maps[m]->values, pair->maps[m]->values_bytes);
        if (!values[m]) return COP_FAIL_NOMEM(err);
        COP_TRY(cop_map_focus(values[m], size[0], size[1], &focus, err));
        texts[m] = describe(report, &focus, m, class_name);
        if (!texts[m]) return COP_FAIL_NOMEM(err);
        scale = fmax(scale, largest(values[m], size[0] * size[1]));
    }
    cop_text_puts(html, "<figure>");
    COP_TRY(cop_overlay_photo(html, &scene->photo, scene->name, err));
    cop_text_puts(
        html, "<figcaption>the picture as the networks get it</figcaption></figure>\n");
    for (int m = 0; m < 2; m++) {
        cop_text_puts(html, "<figure>");
        COP_TRY(cop_overlay_map(
            html, &scene->photo, values[m], size, scale, texts[m], err));
        cop_text_puts(html, "<figcaption>");
        write_answer(report, m, pair);
        cop_text_puts(html, "</figcaption></figure>\n");
    }
    cop_text_puts(html, "<div>");
    for (int m = 0; m < 2; m++) {
        cop_text_puts(html, "<p>");
        cop_html_text(html, texts[m]);
        cop_text_puts(html, "</p>\n");
    }
    write_likeness(report, pair, scale);
    cop_text_puts(html, "</div></article>\n");
    return cop_text_status(html, err);
}

static enum cop_status write_case(
    struct cop_report *report, const struct cop_report_pair *pair, struct cop_err *err)
{
    struct scene scene;
    COP_TRY(open_scene(report, pair->maps[0]->sample, &scene, err));
    write_case_title(report, &scene, pair->is_lost);
    const enum cop_status status = write_maps(report, pair, &scene, err);
    cop_mem_free(scene.pixels);
    return status;
}

/* ---- the section --------------------------------------------------------------- */

enum likeness_field { SPEARMAN, COSINE, TOP10, SHIFT, CONTROL };

static double field_of(const struct cop_report_pair *pair, enum likeness_field field)
{
    switch (field) {
    case SPEARMAN: return pair->likeness.spearman;
    case COSINE: return pair->likeness.cosine;
    case TOP10: return 100 * pair->likeness.top10;
    case SHIFT: return 100 * pair->likeness.shift;
    case CONTROL: return pair->control;
    }
    return (double)NAN;
}

static void likeness_row(
    struct cop_report *report,
    const char *what,
    enum likeness_field field,
    int decimals)
{
    struct cop_text *html = &report->html;
    char number[3][COP_HTML_NUMBER];
    double *x = COP_ARENA_NEW_N(report->arena, report->n_pairs, double);
    int64_t n = 0;
    for (int32_t i = 0; x && i < report->n_pairs; i++)
        if (!isnan(field_of(&report->pairs[i], field)))
            x[n++] = field_of(&report->pairs[i], field);
    if (n == 0) return;
    const double median = cop_stats_quantile(x, n, 0.5); /* sorts */
    cop_text_printf(
        html,
        "<tr><th scope=\"row\">%s</th><td class=\"num\">%s</td><td class=\"num\">%s to "
        "%s</td>",
        what,
        cop_html_fixed(median, decimals, number[0]),
        cop_html_fixed(x[0], decimals, number[1]),
        cop_html_fixed(x[n - 1], decimals, number[2]));
    cop_text_printf(html, "<td class=\"num\">%d</td></tr>\n", (int)n);
}

static void write_likeness_table(struct cop_report *report)
{
    struct cop_text *html = &report->html;
    cop_text_puts(
        html,
        "<div class=\"table\"><table><caption>How alike the maps of the two networks "
        "are"
        "</caption>\n<thead><tr><th scope=\"col\">Measure</th><th scope=\"col\" "
        "class=\"num\">Median</th><th scope=\"col\" class=\"num\">Least to "
        "most</th><th "
        "scope=\"col\" class=\"num\">Pictures</th></tr></thead>\n<tbody>\n");
    likeness_row(
        report, "Rank correlation of the maps (Spearman; 1 = same order)", SPEARMAN, 2);
    likeness_row(report, "Cosine of the maps (1 = same shape)", COSINE, 2);
    likeness_row(
        report, "Overlap of the most important tenth, % (100 = same places)", TOP10, 0);
    likeness_row(
        report, "Distance between the centres, % of the diagonal (0 = same)", SHIFT, 1);
    likeness_row(
        report,
        "For comparison: rank correlation of maps of two <em>different</em> pictures",
        CONTROL,
        2);
    cop_text_puts(html, "</tbody></table></div>\n");
}

static int32_t count_lost(const struct cop_report *report)
{
    int32_t n = 0;
    for (int32_t i = 0; i < report->n_pairs; i++)
        n += report->pairs[i].is_lost;
    return n;
}

/* Shows lost pictures in up to a third of the cases (more if there are few others), then
 * drawn ones, evenly spread over the list, which is that of the classes. */
static enum cop_status write_cases(struct cop_report *report, struct cop_err *err)
{
    const int32_t most = report->options.max_samples;
    const int32_t n_lost = count_lost(report);
    const int32_t n_drawn = report->n_pairs - n_lost;
    int32_t room = (most + 2) / 3;
    if (room < most - n_drawn) room = most - n_drawn;
    const int32_t lost = n_lost < room ? n_lost : room;
    const int32_t drawn = n_drawn < most - lost ? n_drawn : most - lost;
    for (int32_t i = 0; i < lost; i++)
        COP_TRY(write_case(report, &report->pairs[i], err));
    for (int32_t i = 0; i < drawn; i++) {
        const int64_t at = (int64_t)i * n_drawn / drawn;
        COP_TRY(write_case(report, &report->pairs[n_lost + at], err));
    }
    return COP_OK;
}

enum cop_status cop_report__evidence(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    cop_text_puts(
        html,
        "<section><h2><span class=\"number\">7</span>Does it still look at the same "
        "places?</h2>\n");
    if (report->n_pairs == 0) {
        cop_text_puts(
            html,
            "<p>Not measured: no occlusion maps of both networks, made in the same "
            "way, are "
            "stored (verb <code>explain</code>).</p></section>\n");
        return cop_text_status(html, err);
    }
    cop_text_printf(
        html,
        "<p>A small window slides over a picture and hides what is under it. Where "
        "hiding "
        "lowers the score of the class, that place spoke <em>for</em> the class; where "
        "it "
        "raises the score, the place spoke against it. Both networks are asked about "
        "the "
        "same class, the one that the original answers, with the same windows. %d "
        "pictures "
        "were examined: %d that the variant lost, the others drawn at random, evenly "
        "over "
        "the classes.</p>\n",
        (int)report->n_pairs,
        (int)count_lost(report));
    write_likeness_table(report);
    cop_text_puts(
        html,
        "<p class=\"muted\">A map shows what the answer depends on in this picture, "
        "not "
        "whether the answer is right or the reason a good one; people tend to trust an "
        "answer more once they see a map, also a wrong one.</p>\n");
    cop_overlay_legend(html);
    if (!report->options.dataset)
        cop_text_puts(
            html,
            "<p>The pictures themselves could not be opened when this report was "
            "written; "
            "the maps are shown on plain grey.</p>\n");
    COP_TRY(write_cases(report, err));
    cop_text_puts(html, "</section>\n");
    return cop_text_status(html, err);
}
