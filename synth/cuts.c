/* synth/cuts.c - what became of every group of a variant, as rows; see cuts.h. */
#include "synth/cuts.h"

#include <stdio.h>
#include <string.h>

enum { MAX_JSON_BYTES = 16 << 20, CHANNEL_RECORD_BYTES = 9 };

void cop_synth__json_string(struct cop_text *text, const char *string)
{
    cop_text_puts(text, "\"");
    for (const char *c = string; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            cop_text_printf(text, "\\%c", byte);
        else if (byte < 0x20)
            cop_text_printf(text, "\\u%04x", byte);
        else
            cop_text_add(text, c, 1);
    }
    cop_text_puts(text, "\"");
}

/* ---- members ------------------------------------------------------------------------- */

static const struct cop_node *owner_of(const struct cop_value *value)
{
    if (value->data == NULL) return value->producer;
    return value->n_uses > 0 ? value->uses[0].node : NULL;
}

static enum cop_status print_member(
    struct cop_text *text,
    const struct cop_cuts *cuts,
    const struct cop_group *group,
    int32_t m,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_member *member = &group->members[m];
    const struct cop_node *owner = owner_of(member->value);
    struct cop_range *ranges;
    int32_t n;
    COP_TRY(cop_group_ranges(cuts->groups, group, m, arena, &ranges, &n, err));
    cop_text_puts(text, text->n > 1 ? ",{\"tensor\":" : "{\"tensor\":");
    cop_synth__json_string(text, member->value->name);
    cop_text_printf(
        text,
        ",\"axis\":%d,\"reads\":%s,\"layer\":",
        member->axis,
        member->is_consumer ? "true" : "false");
    cop_synth__json_string(text, owner != NULL ? owner->name : "");
    cop_text_puts(text, ",\"ranges\":[");
    for (int32_t i = 0; i < n; i++)
        cop_text_printf(
            text,
            "%s[%lld,%lld,%lld,%lld]",
            i > 0 ? "," : "",
            (long long)ranges[i].channel,
            (long long)ranges[i].n,
            (long long)ranges[i].first,
            (long long)ranges[i].each);
    cop_text_puts(text, "]}");
    return COP_OK;
}

/* Constants, and the results of the layers that make the channels: those are what people
 * ask for by name. */
static enum cop_status print_members(
    struct cop_text *text,
    const struct cop_cuts *cuts,
    const struct cop_group *group,
    struct cop_arena *arena,
    struct cop_err *err)
{
    cop_text_puts(text, "[");
    for (int32_t m = 0; m < group->n_members; m++) {
        struct cop_arena_mark mark = cop_arena_mark(arena);
        if (group->members[m].value->data != NULL)
            COP_TRY(print_member(text, cuts, group, m, arena, err));
        cop_arena_reset(arena, mark);
    }
    cop_text_puts(text, "]");
    return COP_OK;
}

/* ---- channels, effect, reason ---------------------------------------------------------- */

/* Packed: int32 channel, float32 score, uint8 kept; in the order of removal. */
static uint8_t *pack_channels(
    const struct cop_cut_option *option, int64_t n_removed, struct cop_arena *arena)
{
    int64_t n = option->widths[0];
    uint8_t *bytes = COP_ARENA_NEW_N(arena, n * CHANNEL_RECORD_BYTES, uint8_t);
    for (int64_t i = 0; bytes != NULL && i < n; i++) {
        int32_t channel = (int32_t)option->order[i].channel;
        float score = (float)option->order[i].score;
        uint8_t *at = bytes + i * CHANNEL_RECORD_BYTES;
        memcpy(at, &channel, 4);
        memcpy(at + 4, &score, 4);
        at[8] = i >= n_removed;
    }
    return bytes;
}

/* What the cut saves alone; of a group left whole, what its least width would. */
static const char *print_effect(
    const struct cop_cuts *cuts,
    const struct cop_cut_option *option,
    int32_t choice,
    struct cop_arena *arena)
{
    int32_t width = choice > 0 ? choice : option->n_widths - 1;
    struct cop_prediction saved;
    cop_tables_save(
        cuts->tables,
        option->group->id,
        option->widths[0] - option->widths[width],
        &saved);
    return cop_arena_printf(
        arena,
        "{\"score\":\"%s\",\"macs\":%.0f,\"params\":%.0f,\"ms\":%.6g,\"error\":%.6g}",
        cuts->method,
        saved.macs,
        saved.params,
        saved.ms,
        option->errors[width]);
}

static const char *print_reason(
    const struct cop_cuts *cuts,
    const struct cop_cut_option *option,
    int32_t choice,
    struct cop_arena *arena)
{
    int64_t before = option->widths[0];
    if (choice == 0)
        return cop_arena_printf(
            arena,
            "all %lld channels kept: cutting other groups saved more for what it cost",
            (long long)before);
    bool is_rebuilt = strcmp(cuts->method, "reconstruction") == 0;
    return cop_arena_printf(
        arena,
        "%lld of %lld channels removed: %s; predicted relative error %.3g",
        (long long)(before - option->widths[choice]),
        (long long)before,
        is_rebuilt ? "those whose loss the following layers can best make up for"
                   : cop_arena_printf(arena, "those with the least %s", cuts->method),
        option->errors[choice]);
}

static enum cop_status store_group(
    const struct cop_cuts *cuts,
    const struct cop_group *group,
    const struct cop_cut_option *option, /* NULL: frozen, or too few channels */
    int32_t choice,
    struct cop_arena *arena,
    struct cop_err *err)
{
    struct cop_cut_row row = {
        .model_id = cuts->model_id,
        .layer = group->name,
        .width_before = group->n_channels,
        .width_after = group->n_channels,
        .effect_json = "{}",
    };
    if (option != NULL) {
        row.width_after = option->widths[choice];
        row.channels = pack_channels(option, row.width_before - row.width_after, arena);
        row.channels_bytes = (size_t)(row.width_before * CHANNEL_RECORD_BYTES);
        row.effect_json = print_effect(cuts, option, choice, arena);
        row.reason = print_reason(cuts, option, choice, arena);
        if (row.channels == NULL) return COP_FAIL_NOMEM(err);
    } else if (group->frozen_because != NULL) {
        row.reason =
            cop_arena_printf(arena, "frozen because %s", group->frozen_because);
    } else {
        row.reason = "too few channels to cut";
    }
    if (row.reason == NULL || row.effect_json == NULL) return COP_FAIL_NOMEM(err);
    struct cop_text members;
    cop_text_init(&members, MAX_JSON_BYTES);
    enum cop_status status = print_members(&members, cuts, group, arena, err);
    if (status == COP_OK) status = cop_text_status(&members, err);
    row.members_json = members.bytes;
    if (status == COP_OK) status = cop_store_put_cut(cuts->store, &row, err);
    cop_text_clear(&members);
    return status;
}

enum cop_status cop_cuts_store(const struct cop_cuts *cuts, struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = COP_OK;
    int32_t o = 0; /* options are in the order of groups */
    for (int32_t g = 0; g < cop_groups_n(cuts->groups) && status == COP_OK; g++) {
        const struct cop_group *group = cop_groups_at(cuts->groups, g);
        struct cop_arena_mark mark = cop_arena_mark(arena);
        const struct cop_cut_option *option = NULL;
        if (o < cop_tables_n_options(cuts->tables))
            option = cop_tables_option(cuts->tables, o);
        bool is_own = option != NULL && option->group == group;
        status = store_group(
            cuts,
            group,
            is_own ? option : NULL,
            is_own ? cuts->choice[o] : 0,
            arena,
            err);
        o += is_own;
        cop_arena_reset(arena, mark);
    }
    cop_arena_destroy(arena);
    return status;
}
