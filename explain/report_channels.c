/* explain/report_channels.c - what single channels are worth, and whether the cut ones
 * were the unimportant ones. */
#include "explain/report_parts.h"

#include "base/mem.h"
#include "explain/html.h"
#include "explain/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One layer ready to be drawn: effects sorted, largest first. */
struct layer {
    const struct cop_attribution_row *row; /* of model 0, or of the only one */
    const struct cop_attribution_row *variant;
    const struct cop_cut_row *cut;
    struct cop_reliance reliance;
    float *sorted;
    uint8_t *is_removed;
    int64_t n;
    double sum;
    int64_t n_half; /* channels that hold half of the sum */
};

struct effect {
    float value;
    uint8_t is_removed;
    int32_t channel;
};

static int by_effect(const void *a, const void *b)
{
    const struct effect *x = a;
    const struct effect *y = b;
    if (x->value > y->value) return -1;
    if (x->value < y->value) return 1;
    return (x->channel > y->channel) - (x->channel < y->channel);
}

static int32_t little_i32(const unsigned char *bytes)
{
    const uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                          (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return (int32_t)bits;
}

/* Records of 9 bytes: int32 channel, float32 score, uint8 kept. */
static void mark_removed(const struct cop_cut_row *cut, struct effect *effects)
{
    const unsigned char *bytes = cut->channels;
    for (size_t i = 0; i + 9 <= cut->channels_bytes; i += 9)
        effects[little_i32(bytes + i)].is_removed = !bytes[i + 8];
}

/* Sorts the effects and sums them up; the cut's channels were checked before. */
static enum cop_status sort_effects(
    struct cop_report *report, struct layer *layer, struct cop_err *err)
{
    struct effect *effects = COP_ARENA_NEW_N(report->arena, layer->n, struct effect);
    layer->sorted = COP_ARENA_NEW_N(report->arena, layer->n, float);
    layer->is_removed = COP_ARENA_NEW_N(report->arena, layer->n, uint8_t);
    if (!effects || !layer->sorted || !layer->is_removed) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < layer->n; i++) {
        memcpy(&effects[i].value, (const char *)layer->row->values + i * 4, 4);
        effects[i].channel = (int32_t)i;
        layer->sorted[i] = effects[i].value;
        layer->sum += (double)effects[i].value;
    }
    if (layer->cut) {
        COP_TRY(cop_compare_reliance(
            layer->sorted, layer->n, layer->cut, &layer->reliance, err));
        mark_removed(layer->cut, effects);
    }
    qsort(effects, (size_t)layer->n, sizeof *effects, by_effect);
    double held = 0;
    for (int64_t i = 0; i < layer->n; i++) {
        layer->sorted[i] = effects[i].value;
        layer->is_removed[i] = effects[i].is_removed;
        if (held < layer->sum / 2) layer->n_half++;
        held += (double)effects[i].value;
    }
    return COP_OK;
}

static bool is_vector(const struct cop_attribution_row *row)
{
    return row->values && row->cols > 0 && row->cols < INT32_MAX &&
           row->values_bytes == (size_t)row->cols * sizeof(float);
}

/* The newest row of a layer comes last; older ones of the same layer are skipped. */
static bool is_newest(const struct cop_report *report, int m, int32_t i)
{
    for (int32_t k = i + 1; k < report->n_channels[m]; k++)
        if (strcmp(report->channels[m][k].layer, report->channels[m][i].layer) == 0)
            return false;
    return true;
}

static void find_companions(const struct cop_report *report, struct layer *layer)
{
    for (int32_t i = 0; i < report->n_channels[1] && report->models[0]; i++)
        if (is_vector(&report->channels[1][i]) &&
            strcmp(report->channels[1][i].layer, layer->row->layer) == 0)
            layer->variant = &report->channels[1][i];
    for (int32_t i = 0; i < report->n_cuts; i++)
        if (report->cuts[i].width_before == layer->n &&
            strcmp(report->cuts[i].layer, layer->row->layer) == 0)
            layer->cut = &report->cuts[i];
}

static void write_variant(struct cop_report *report, const struct layer *layer)
{
    struct cop_text *html = &report->html;
    char number[2][COP_HTML_NUMBER];
    double sum = 0;
    if (!layer->variant) return;
    for (int64_t i = 0; i < layer->variant->cols; i++) {
        float value;
        memcpy(&value, (const char *)layer->variant->values + i * 4, 4);
        sum += (double)value;
    }
    cop_text_printf(
        html,
        "<p>%s channels in the variant; mean effect of one: %s",
        cop_html_count(layer->variant->cols, number[0]),
        cop_html_fixed(sum / (double)layer->variant->cols, 3, number[1]));
    cop_text_printf(
        html,
        ", before: %s</p>\n",
        cop_html_fixed(layer->sum / (double)layer->n, 3, number[0]));
}

static void write_layer(struct cop_report *report, const struct layer *layer)
{
    struct cop_text *html = &report->html;
    char number[3][COP_HTML_NUMBER];
    cop_text_puts(html, "<div class=\"layer\"><div><p><b>");
    cop_html_short(html, layer->row->layer, 60);
    cop_text_printf(
        html,
        "</b></p>\n<p>Half of the effect of all %s channels comes from %s of "
        "them.</p>\n",
        cop_html_count(layer->n, number[0]),
        cop_html_count(layer->n_half, number[1]));
    if (layer->cut)
        cop_text_printf(
            html,
            "<p><b>%s removed</b>; together they had %s %% of the effect (%s %% of the "
            "channels).</p>\n",
            cop_html_count(layer->reliance.removed, number[0]),
            cop_html_fixed(100 * layer->reliance.share, 1, number[1]),
            cop_html_fixed(
                100 * (double)layer->reliance.removed / (double)layer->n,
                0,
                number[2]));
    else if (layer->variant && layer->variant->cols == layer->n)
        cop_text_puts(html, "<p>Not cut.</p>\n");
    else if (layer->variant)
        cop_text_puts(
            html, "<p>Cut together with a layer of another name in section 4.</p>\n");
    write_variant(report, layer);
    cop_text_puts(html, "</div><div>");
    const char *meaning = cop_arena_printf(
        report->arena,
        "Effects of the %lld channels of layer %s, largest first; %lld removed ones "
        "hang "
        "below the line.",
        (long long)layer->n,
        layer->row->layer,
        (long long)layer->reliance.removed);
    cop_svg_strip(
        html,
        layer->sorted,
        layer->is_removed,
        layer->n,
        (double)layer->sorted[0],
        meaning ? meaning : "");
    cop_text_printf(
        html,
        "<p class=\"muted\">Left end: %s, the largest mean change of the score when "
        "one "
        "channel is silenced</p></div></div>\n",
        cop_html_fixed((double)layer->sorted[0], 3, number[0]));
}

enum cop_status cop_report__channels(struct cop_report *report, struct cop_err *err)
{
    struct cop_text *html = &report->html;
    const int m = report->models[0] ? 0 : 1;
    cop_text_puts(
        html,
        "<section><h2><span class=\"number\">8</span>What are single channels "
        "worth?</h2>\n");
    if (report->n_channels[m] == 0) {
        cop_text_puts(
            html,
            "<p>Not measured: no channel ablation is stored (verb "
            "<code>explain</code>)."
            "</p></section>\n");
        return cop_text_status(html, err);
    }
    cop_text_puts(
        html,
        "<p>Each channel of the layers below was silenced in turn, and the change of "
        "the "
        "class score was noted (mean of absolute changes over the pictures). This is "
        "done "
        "<em>without</em> repair, so it shows what the original relied on. Channels "
        "are "
        "sorted by that effect; kept ones stand up (blue), removed ones hang down "
        "(orange)."
        " A good cut removes channels from the right end, or such as the layers behind "
        "them can do without after repair.</p>\n");
    for (int32_t i = 0; i < report->n_channels[m]; i++) {
        struct layer layer = {.row = &report->channels[m][i]};
        if (!is_vector(layer.row) || !is_newest(report, m, i)) continue;
        layer.n = layer.row->cols;
        find_companions(report, &layer);
        COP_TRY(sort_effects(report, &layer, err));
        write_layer(report, &layer);
    }
    cop_text_puts(html, "</section>\n");
    return cop_text_status(html, err);
}
