/* synth/decision.c - decisions as text, so that a search can be resumed and read. */
#include "synth/candidate.h"

#include "base/text.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char *const outcome_names[] = {"accepted", "over limit", "too wrong"};

struct cop_decision cop_synth__decision_new(const struct cop_search_state *state)
{
    int32_t n = cop_tables_n_options(state->tables);
    struct cop_decision decision = {
        .choice = COP_ARENA_NEW_N(state->arena, n, int32_t),
        .coefficients_used = COP_ARENA_NEW_N(state->arena, n, double),
        .coefficients_next = COP_ARENA_NEW_N(state->arena, n, double),
        .observed = COP_ARENA_NEW_N(state->arena, n, double),
    };
    bool is_whole = decision.coefficients_used != NULL &&
                    decision.coefficients_next != NULL && decision.observed != NULL;
    if (!is_whole) decision.choice = NULL;
    return decision;
}

static void print_doubles(
    struct cop_text *text, const char *key, const double *x, int32_t n)
{
    cop_text_printf(text, ",\"%s\":[", key);
    for (int32_t i = 0; i < n; i++)
        cop_text_printf(text, "%s%.17g", i > 0 ? "," : "", x[i]);
    cop_text_puts(text, "]");
}

const char *cop_synth__decision_print(
    const struct cop_search_state *state, const struct cop_decision *decision)
{
    int32_t n = cop_tables_n_options(state->tables);
    struct cop_text text;
    cop_text_init(&text, 4 << 20);
    cop_text_printf(
        &text,
        "{\"outcome\":\"%s\",\"tightness\":%.17g,\"predicted_share\":%.17g,"
        "\"widths\":[",
        outcome_names[decision->outcome],
        decision->tightness,
        decision->predicted_share);
    for (int32_t i = 0; i < n; i++) {
        const struct cop_cut_option *option = cop_tables_option(state->tables, i);
        cop_text_printf(
            &text,
            "%s%lld",
            i > 0 ? "," : "",
            (long long)option->widths[decision->choice[i]]);
    }
    cop_text_puts(&text, "]");
    print_doubles(&text, "observed", decision->observed, n);
    print_doubles(&text, "coefficients", decision->coefficients_used, n);
    print_doubles(&text, "next", decision->coefficients_next, n);
    cop_text_puts(&text, "}");
    const char *copy = cop_text_status(&text, NULL) == COP_OK
                           ? cop_arena_strdup(state->arena, text.bytes)
                           : NULL;
    cop_text_clear(&text);
    return copy;
}

static bool read_doubles(const cJSON *json, const char *key, double *x, int32_t n)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != n) return false;
    const cJSON *item = NULL;
    int32_t i = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item)) return false;
        x[i++] = item->valuedouble;
    }
    return true;
}

static bool read_decision(
    const struct cop_search_state *state, const cJSON *json, struct cop_decision *d)
{
    int32_t n = cop_tables_n_options(state->tables);
    const cJSON *outcome = cJSON_GetObjectItemCaseSensitive(json, "outcome");
    const cJSON *tightness = cJSON_GetObjectItemCaseSensitive(json, "tightness");
    const cJSON *predicted = cJSON_GetObjectItemCaseSensitive(json, "predicted_share");
    if (!cJSON_IsString(outcome) || !cJSON_IsNumber(tightness) ||
        !cJSON_IsNumber(predicted))
        return false;
    d->tightness = tightness->valuedouble;
    d->predicted_share = predicted->valuedouble;
    for (int i = 0; i < 3; i++) {
        if (strcmp(outcome->valuestring, outcome_names[i]) == 0)
            d->outcome = (enum cop_outcome)i;
    }
    /* By width, not by index: which widths are listed has changed and may again. */
    if (!read_doubles(json, "widths", d->observed, n)) return false;
    for (int32_t i = 0; i < n; i++) {
        const struct cop_cut_option *option = cop_tables_option(state->tables, i);
        int32_t w = 0;
        while (w < option->n_widths && (double)option->widths[w] != d->observed[i])
            w++;
        if (w == option->n_widths) return false;
        d->choice[i] = w;
    }
    return read_doubles(json, "observed", d->observed, n) &&
           read_doubles(json, "coefficients", d->coefficients_used, n) &&
           read_doubles(json, "next", d->coefficients_next, n);
}

enum cop_status cop_synth__decision_parse(
    const struct cop_search_state *state,
    const char *text,
    struct cop_decision *decision,
    struct cop_err *err)
{
    *decision = cop_synth__decision_new(state);
    if (decision->choice == NULL) return COP_FAIL_NOMEM(err);
    cJSON *json = cJSON_Parse(text);
    bool is_ours = json != NULL && read_decision(state, json, decision);
    cJSON_Delete(json);
    if (is_ours) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESTORE,
        "a stored decision does not fit this model's %d groups",
        cop_tables_n_options(state->tables));
}
