/* cli/verb_why.c - why a channel went, stayed, or could not go. */
#include "cli/facts.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_BYTES = 9, MOST_SIBLINGS = 6 };

/* Elements of one tensor that go together with the channel. */
struct sibling {
    const char *tensor;
    const char *layer;
    int64_t axis;
    int64_t first; /* element of the channel; -1: several places, or the row is old */
    int64_t n;     /* elements */
    bool reads;
};

/* What is known of the question. */
struct answer {
    const struct cop_facts *facts;
    const struct cop_cut_row *row;
    cJSON *members;    /* of the row */
    const char *layer; /* asked for */
    int64_t asked;     /* element of the layer's result; -1: the layer as a whole */
    int64_t channel;   /* of the group; -1: no channel, or not known */
    int64_t rank;      /* 1: first to go; 0: unknown */
    double score;      /* NaN: unknown */
    bool is_removed;   /* the channel */
    struct sibling *siblings;
    int32_t n_siblings;
    cJSON *effect; /* of the row; NULL: unknown */
};

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/* ---- finding the group ------------------------------------------------------------------ */

/* "layer4.2.conv2:137": node names may hold colons, so only digits behind the last one
 * count. */
static enum cop_status split_question(
    struct cop_arena *arena,
    const char *word,
    const char **layer,
    int64_t *channel,
    struct cop_err *err)
{
    const char *colon = strrchr(word, ':');
    *layer = word;
    *channel = -1;
    if (colon == NULL || colon == word || colon[1] == 0 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 9)
        return COP_OK;
    *layer = cop_arena_strndup(arena, word, (size_t)(colon - word));
    *channel = strtoll(colon + 1, NULL, 10);
    return *layer != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* The group's channel that owns an element of that member; -1: none. */
static int64_t channel_at(const cJSON *member, int64_t element)
{
    const cJSON *range = NULL;
    cJSON_ArrayForEach(range, cJSON_GetObjectItemCaseSensitive(member, "ranges"))
    {
        int64_t at[4];
        for (int i = 0; i < 4; ++i) {
            const cJSON *item = cJSON_GetArrayItem(range, i);
            if (!cJSON_IsNumber(item)) return -1;
            at[i] = (int64_t)item->valuedouble;
        }
        if (element >= at[2] && element < at[2] + at[1] * at[3] && at[3] > 0)
            return at[0] + (element - at[2]) / at[3];
    }
    return -1;
}

/* True if the layer makes (or follows) channels of that group; with a channel asked for,
 * that one.  Rows of old projects name only tensors: the group's own name counts. */
static bool is_group_of(
    const cJSON *members,
    const struct cop_cut_row *row,
    const char *layer,
    int64_t asked,
    int64_t *channel)
{
    const cJSON *member = NULL;
    *channel = -1;
    cJSON_ArrayForEach(member, members)
    {
        const cJSON *reads = cJSON_GetObjectItemCaseSensitive(member, "reads");
        if (cJSON_IsTrue(reads) || strcmp(text_of(member, "layer"), layer) != 0)
            continue;
        if (asked < 0) return true;
        *channel = channel_at(member, asked);
        if (*channel >= 0) return true;
    }
    const bool is_old = members != NULL && cJSON_GetArraySize(members) > 0 &&
                        text_of(cJSON_GetArrayItem(members, 0), "layer")[0] == 0;
    const bool has_makers = !is_old && row->channels_bytes > 0;
    if (strcmp(row->layer, layer) != 0 || (has_makers && asked >= 0)) return false;
    *channel = asked < row->width_before ? asked : -1;
    return asked < row->width_before;
}

static enum cop_status no_such_layer(
    struct cop_cli *cli,
    const struct answer *answer,
    const struct cop_cut_row *rows,
    int32_t n,
    struct cop_err *err)
{
    enum { MOST_NAMED = 5 };
    const char *names = "";
    for (int32_t i = 0; i < n && i < MOST_NAMED && names != NULL; ++i)
        names = cop_arena_printf(
            cli->arena, "%s%s%s", names, i > 0 ? ", " : "", rows[i].layer);
    if (names == NULL) return COP_FAIL_NOMEM(err);
    if (n == 0)
        return COP_FAIL(
            err,
            COP_ENOTFOUND,
            "nothing was cut to make '%.60s': it was imported",
            answer->facts->row.name);
    if (answer->asked >= 0)
        return COP_FAIL(
            err,
            COP_ENOTFOUND,
            "no channel %lld of a layer '%.60s' in a group of '%.40s'; groups: %.80s%s",
            (long long)answer->asked,
            answer->layer,
            answer->facts->row.name,
            names,
            n > MOST_NAMED ? ", ..." : "");
    return COP_FAIL(
        err,
        COP_ENOTFOUND,
        "no layer '%.60s' in a group of '%.40s'; groups: %.100s%s",
        answer->layer,
        answer->facts->row.name,
        names,
        n > MOST_NAMED ? ", ..." : "");
}

static enum cop_status find_group(
    struct cop_cli *cli, struct answer *answer, struct cop_err *err)
{
    struct cop_cut_row *rows;
    int32_t n;
    COP_TRY(cop_store_list_groups(
        cli->store, answer->facts->row.id, cli->arena, &rows, &n, err));
    for (int32_t i = 0; i < n; ++i) {
        cJSON *members = cJSON_Parse(rows[i].members_json);
        if (is_group_of(
                members, &rows[i], answer->layer, answer->asked, &answer->channel)) {
            answer->row = &rows[i];
            answer->members = members;
            answer->effect = cJSON_Parse(rows[i].effect_json);
            return COP_OK;
        }
        cJSON_Delete(members);
    }
    return no_such_layer(cli, answer, rows, n, err);
}

/* ---- what is stored of the channel -------------------------------------------------------- */

static void find_rank(struct answer *answer)
{
    const uint8_t *records = answer->row->channels;
    const int64_t n = (int64_t)(answer->row->channels_bytes / RECORD_BYTES);
    answer->score = (double)NAN;
    for (int64_t i = 0; i < n && answer->channel >= 0; ++i) {
        int32_t channel;
        float score;
        memcpy(&channel, records + i * RECORD_BYTES, 4);
        if (channel != answer->channel) continue;
        memcpy(&score, records + i * RECORD_BYTES + 4, 4);
        answer->rank = i + 1;
        answer->score = (double)score;
        answer->is_removed = records[i * RECORD_BYTES + 8] == 0;
    }
}

/* Where the channel lies in one member. */
static void locate(const cJSON *member, int64_t channel, struct sibling *sibling)
{
    const cJSON *range = NULL;
    sibling->first = -1;
    cJSON_ArrayForEach(range, cJSON_GetObjectItemCaseSensitive(member, "ranges"))
    {
        int64_t at[4] = {0};
        for (int i = 0; i < 4; ++i) {
            const cJSON *item = cJSON_GetArrayItem(range, i);
            if (cJSON_IsNumber(item)) at[i] = (int64_t)item->valuedouble;
        }
        if (channel < at[0] || channel >= at[0] + at[1]) continue;
        sibling->first = sibling->n == 0 ? at[2] + (channel - at[0]) * at[3] : -1;
        sibling->n += at[3];
    }
}

static enum cop_status list_siblings(
    struct cop_cli *cli, struct answer *answer, struct cop_err *err)
{
    const cJSON *member = NULL;
    const int n = cJSON_GetArraySize(answer->members);
    answer->siblings = COP_ARENA_NEW_N(cli->arena, n + 1, struct sibling);
    if (answer->siblings == NULL) return COP_FAIL_NOMEM(err);
    cJSON_ArrayForEach(member, answer->members)
    {
        struct sibling *sibling = &answer->siblings[answer->n_siblings++];
        *sibling = (struct sibling){
            .tensor = text_of(member, "tensor"),
            .layer = text_of(member, "layer"),
            .axis = (int64_t)number_of(member, "axis"),
            .first = -1,
            .reads =
                cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(member, "reads")) != 0,
        };
        if (answer->channel >= 0) locate(member, answer->channel, sibling);
    }
    return COP_OK;
}

/* ---- text ----------------------------------------------------------------------------------- */

static bool is_frozen(const struct answer *answer)
{
    return answer->row->channels_bytes == 0 &&
           answer->row->width_after == answer->row->width_before;
}

static void print_fate(const struct answer *answer)
{
    const struct cop_cut_row *row = answer->row;
    const bool is_cut = row->width_after < row->width_before;
    if (answer->asked < 0) {
        printf("%s: ", answer->layer);
        if (is_cut || is_frozen(answer))
            printf("%s", row->reason);
        else
            printf("whole: %s", row->reason);
    } else {
        printf("channel %lld of %s ", (long long)answer->asked, answer->layer);
        if (is_frozen(answer))
            printf("stayed: the layer is %s", row->reason);
        else if (answer->is_removed)
            printf("was removed: ");
        else
            printf("stayed: ");
    }
    if (answer->rank > 0)
        printf(
            "rank %lld of %lld in the order of removal (1 goes first) by a score of "
            "%.3g, and %lld went",
            (long long)answer->rank,
            (long long)row->width_before,
            answer->score,
            (long long)(row->width_before - row->width_after));
}

static void print_siblings(const struct answer *answer)
{
    int32_t n_told = 0;
    printf("; together with it %s", answer->is_removed ? "went" : "go");
    for (int32_t i = 0; i < answer->n_siblings && n_told < MOST_SIBLINGS; ++i) {
        const struct sibling *sibling = &answer->siblings[i];
        if (sibling->first >= 0)
            printf(
                "%s %s[axis %lld: %lld",
                n_told > 0 ? "," : "",
                sibling->tensor,
                (long long)sibling->axis,
                (long long)sibling->first);
        else
            printf(
                "%s %s[axis %lld",
                n_told > 0 ? "," : "",
                sibling->tensor,
                (long long)sibling->axis);
        if (sibling->n > 1) printf(", %lld elements", (long long)sibling->n);
        printf("]");
        n_told++;
    }
    if (answer->n_siblings > n_told)
        printf(" and %d more", answer->n_siblings - n_told);
}

static void print_effect(const struct answer *answer)
{
    char text[COP_NUMBER_TEXT];
    const struct cop_cut_row *row = answer->row;
    const double macs = number_of(answer->effect, "macs");
    const double params = number_of(answer->effect, "params");
    const double ms = number_of(answer->effect, "ms");
    const bool is_cut = row->width_after < row->width_before;
    if (isnan(macs)) return;
    if (is_cut)
        printf(
            "; cutting the %lld channels of group '%s' saved %s MACs",
            (long long)(row->width_before - row->width_after),
            row->layer,
            cop_text_si(text, macs));
    else
        printf(
            "; group '%s' at its least width would save %s MACs",
            row->layer,
            cop_text_si(text, macs));
    printf(", %s parameters", cop_text_si(text, params));
    if (ms > 0)
        printf(" and about %s ms", cop_text_ms(text, ms));
    else if (!isnan(ms))
        printf(" and no time");
}

static void print_text(const struct answer *answer)
{
    print_fate(answer);
    if (!is_frozen(answer) && answer->asked >= 0) print_siblings(answer);
    print_effect(answer);
    puts(".");
}

/* ---- JSON ------------------------------------------------------------------------------------- */

static enum cop_status print_json(
    struct cop_cli *cli, const struct answer *answer, struct cop_err *err)
{
    const struct cop_cut_row *row = answer->row;
    const bool is_cut = row->width_after < row->width_before;
    const char *fate = is_frozen(answer) ? "frozen" : is_cut ? "cut" : "kept";
    if (answer->asked >= 0 && !is_frozen(answer))
        fate = answer->is_removed ? "removed" : "kept";
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", answer->facts->row.name);
    cop_json_text(cli, document, "layer", answer->layer);
    cop_json_number(
        cli,
        document,
        "channel",
        answer->asked >= 0 ? (double)answer->asked : (double)NAN);
    cop_json_text(cli, document, "fate", fate);
    cop_json_text(cli, document, "group", row->layer);
    cop_json_count(cli, document, "width_before", row->width_before);
    cop_json_count(cli, document, "width_after", row->width_after);
    cop_json_number(
        cli, document, "rank", answer->rank > 0 ? (double)answer->rank : (double)NAN);
    cop_json_number(cli, document, "score", answer->score);
    const char *by = text_of(answer->effect, "score");
    cop_json_text(cli, document, "score_by", by[0] != 0 ? by : NULL);
    cop_json_text(cli, document, "reason", row->reason);
    cJSON *saves = cop_json_object(cli, document, "saves");
    cop_json_number(cli, saves, "macs", number_of(answer->effect, "macs"));
    cop_json_number(cli, saves, "params", number_of(answer->effect, "params"));
    cop_json_number(cli, saves, "ms", number_of(answer->effect, "ms"));
    cJSON *siblings = cop_json_array(cli, document, "siblings");
    for (int32_t i = 0; i < answer->n_siblings; ++i) {
        const struct sibling *sibling = &answer->siblings[i];
        cJSON *element = cop_json_element(cli, siblings);
        cop_json_text(cli, element, "tensor", sibling->tensor);
        cop_json_text(
            cli, element, "layer", sibling->layer[0] != 0 ? sibling->layer : NULL);
        cop_json_count(cli, element, "axis", sibling->axis);
        cop_json_number(
            cli,
            element,
            "first",
            sibling->first >= 0 ? (double)sibling->first : (double)NAN);
        cop_json_count(cli, element, "elements", sibling->n);
        cop_json_bool(cli, element, "reads", sibling->reads);
    }
    return cop_json_print(cli, document, err);
}

/* ---- the verb ---------------------------------------------------------------------------------- */

static enum cop_status answer_it(
    struct cop_cli *cli, struct answer *answer, struct cop_err *err)
{
    COP_TRY(find_group(cli, answer, err));
    find_rank(answer);
    COP_TRY(list_siblings(cli, answer, err));
    if (cli->is_json) return print_json(cli, answer, err);
    print_text(answer);
    return COP_OK;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    (void)given;
    struct cop_facts *facts;
    int32_t n;
    struct answer answer = {.channel = -1, .score = (double)NAN};
    COP_TRY(cop_facts_list(cli, &facts, &n, err));
    COP_TRY(cop_facts_find(facts, n, cli->words[0], &answer.facts, err));
    COP_TRY(
        split_question(cli->arena, cli->words[1], &answer.layer, &answer.asked, err));
    const enum cop_status status = answer_it(cli, &answer, err);
    cJSON_Delete(answer.members);
    cJSON_Delete(answer.effect);
    return status;
}

const struct cop_verb cop_verb_why = {
    .name = "why",
    .summary = "why a channel went, stayed, or could not go",
    .operands = "MODEL LAYER[:CHANNEL]",
    .examples = "coppice why V3 layer4.2.conv2:137\ncoppice why V3 conv1 --json",
    .about =
        "One sentence from what was stored when the variant was made: the rank and "
        "score\n"
        "of the channel in its group, what went together with it, what cutting the "
        "group\n"
        "saved; or which layer froze it.  Layers and channels are those of the "
        "original.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 2,
    .max_words = 2,
    .run = run};
