/* cli/option.c - from the words of the command line to a verb and its options.
 *
 * The option rows drive everything: where a value goes, how it is read, what its limits
 * are.  "--name value" and "--name=value" are alike; "--" ends the options. */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD = 32, MAX_OPTIONS = 32 };

static int32_t min3(int32_t a, int32_t b, int32_t c)
{
    const int32_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

int32_t cop_edit_distance(const char *a, const char *b)
{
    const int32_t m = (int32_t)strnlen(a, MAX_WORD);
    const int32_t n = (int32_t)strnlen(b, MAX_WORD);
    int32_t d[MAX_WORD + 1][MAX_WORD + 1];
    for (int32_t i = 0; i <= m; ++i)
        d[i][0] = i;
    for (int32_t j = 0; j <= n; ++j)
        d[0][j] = j;
    for (int32_t i = 1; i <= m; ++i) {
        for (int32_t j = 1; j <= n; ++j) {
            const int32_t differ = a[i - 1] != b[j - 1];
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + differ);
            const bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                                 a[i - 2] == b[j - 1] && differ != 0;
            if (is_swap && d[i - 2][j - 2] + 1 < d[i][j]) d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[m][n];
}

/* ---- values ------------------------------------------------------------------- */

/* A finite number and what follows it. */
static bool read_number(const char *text, double *number, const char **rest)
{
    char *end;
    errno = 0;
    *number = strtod(text, &end);
    *rest = end;
    return end != text && errno == 0 && isfinite(*number);
}

static enum cop_status bad_value(
    const struct cop_option *option,
    const char *text,
    const char *wanted,
    struct cop_err *err)
{
    return COP_FAIL(
        err, COP_EINVAL, "option --%s: '%.60s' is not %s", option->name, text, wanted);
}

static enum cop_status check_range(
    const struct cop_option *option,
    double number,
    const char *text,
    struct cop_err *err)
{
    if (number < option->min)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "option --%s: %.60s is below %g",
            option->name,
            text,
            option->min);
    if (option->max > 0 && number > option->max)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "option --%s: %.60s is above %g",
            option->name,
            text,
            option->max);
    return COP_OK;
}

static enum cop_status read_int(
    const struct cop_option *option,
    const char *text,
    int64_t *into,
    struct cop_err *err)
{
    char *end;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (end == text || *end != 0 || errno != 0)
        return bad_value(option, text, "a whole number", err);
    *into = number;
    return check_range(option, (double)number, text, err);
}

static enum cop_status read_real(
    const struct cop_option *option,
    const char *text,
    double *into,
    struct cop_err *err)
{
    const char *rest;
    if (!read_number(text, into, &rest) || *rest != 0)
        return bad_value(option, text, "a number", err);
    return check_range(option, *into, text, err);
}

static enum cop_status read_percent(
    const struct cop_option *option,
    const char *text,
    double *into,
    struct cop_err *err)
{
    const char *rest;
    if (!read_number(text, into, &rest) || (*rest != 0 && strcmp(rest, "%") != 0))
        return bad_value(option, text, "a percentage like 60%", err);
    *into /= 100;
    return check_range(option, *into * 100, text, err);
}

static enum cop_status read_time(
    const struct cop_option *option,
    const char *text,
    double *into,
    struct cop_err *err)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    const char *rest;
    if (read_number(text, into, &rest)) {
        for (size_t i = 0; i < sizeof units / sizeof *units; ++i) {
            if (strcmp(rest, units[i].unit) != 0) continue;
            *into *= units[i].seconds;
            return check_range(option, *into, text, err);
        }
    }
    return bad_value(option, text, "a time like 90s, 5m or 1h", err);
}

static enum cop_status read_latency(
    const struct cop_option *option,
    const char *text,
    struct cop_latency *into,
    struct cop_err *err)
{
    const char *rest;
    double number;
    if (read_number(text, &number, &rest) && number > 0) {
        into->ratio = strcmp(rest, "%") == 0 ? number / 100 : (double)NAN;
        into->ms = strcmp(rest, "ms") == 0 ? number : (double)NAN;
        if (!isnan(into->ratio) || !isnan(into->ms)) return COP_OK;
    }
    return bad_value(option, text, "a latency like 60% (of the original) or 12ms", err);
}

static enum cop_status read_amount(
    const struct cop_option *option,
    const char *text,
    struct cop_amount *into,
    struct cop_err *err)
{
    static const struct {
        char prefix;
        double factor;
    } prefixes[] = {{'k', 1e3}, {'K', 1e3}, {'M', 1e6}, {'G', 1e9}, {'T', 1e12}};
    const char *rest;
    double number;
    if (read_number(text, &number, &rest) && number > 0) {
        const bool is_ratio = strcmp(rest, "%") == 0;
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; ++i) {
            if (*rest != prefixes[i].prefix) continue;
            number *= prefixes[i].factor;
            ++rest;
            break;
        }
        if (*rest == 'B') ++rest;
        into->ratio = is_ratio ? number / 100 : (double)NAN;
        into->count = !is_ratio && *rest == 0 ? number : (double)NAN;
        if (!isnan(into->ratio) || !isnan(into->count)) return COP_OK;
    }
    return bad_value(option, text, "an amount like 48% (of the original) or 2.1G", err);
}

static enum cop_status add_text(
    const struct cop_option *option,
    const char *text,
    struct cop_texts *texts,
    struct cop_err *err)
{
    if (texts->n == COP_MAX_TEXTS)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "option --%s: given more than %d times",
            option->name,
            COP_MAX_TEXTS);
    texts->at[texts->n++] = text;
    return COP_OK;
}

/* Puts the value of one option into its struct. */
static enum cop_status set_option(
    const struct cop_option *option, const char *text, void *into, struct cop_err *err)
{
    char *field = (char *)into + option->offset;
    void *place = field;
    switch (option->kind) {
    case COP_OPTION_FLAG: *(bool *)place = true; return COP_OK;
    case COP_OPTION_TEXT: *(const char **)place = text; return COP_OK;
    case COP_OPTION_TEXTS: return add_text(option, text, place, err);
    case COP_OPTION_INT: return read_int(option, text, place, err);
    case COP_OPTION_REAL: return read_real(option, text, place, err);
    case COP_OPTION_PERCENT: return read_percent(option, text, place, err);
    case COP_OPTION_TIME: return read_time(option, text, place, err);
    case COP_OPTION_LATENCY: return read_latency(option, text, place, err);
    case COP_OPTION_AMOUNT: return read_amount(option, text, place, err);
    }
    return COP_FAIL(err, COP_EINVAL, "option --%s: unknown kind", option->name);
}

static enum cop_status set_defaults(
    const struct cop_option *options, void *into, struct cop_err *err)
{
    for (const struct cop_option *option = options; option->name != NULL; ++option) {
        void *place = (char *)into + option->offset;
        if (option->kind == COP_OPTION_REAL || option->kind == COP_OPTION_PERCENT)
            *(double *)place = (double)NAN;
        if (option->kind == COP_OPTION_LATENCY)
            *(struct cop_latency *)place =
                (struct cop_latency){.ratio = (double)NAN, .ms = (double)NAN};
        if (option->kind == COP_OPTION_AMOUNT)
            *(struct cop_amount *)place =
                (struct cop_amount){.ratio = (double)NAN, .count = (double)NAN};
        if (option->initial != NULL)
            COP_TRY(set_option(option, option->initial, into, err));
    }
    return COP_OK;
}

/* ---- words ----------------------------------------------------------------------- */

/* What has been understood so far. */
struct parser {
    struct cop_cli *cli;
    struct cop_command *command;
    int argc;
    char *const *argv;
    int at; /* the next word */
    const char **words;
    bool is_given[MAX_OPTIONS]; /* by index in the verb's options */
};

static const struct cop_option *find_option(
    const struct cop_option *options, const char *name, size_t n, char letter)
{
    for (; options->name != NULL; ++options) {
        if (letter != 0 && options->letter == letter) return options;
        if (letter == 0 && strlen(options->name) == n &&
            strncmp(options->name, name, n) == 0)
            return options;
    }
    return NULL;
}

static void nearest_option(
    const struct cop_option *options, const char *word, const char **best, int32_t *d)
{
    for (; options->name != NULL; ++options) {
        const int32_t distance = cop_edit_distance(word, options->name);
        if (distance >= *d) continue;
        *d = distance;
        *best = options->name;
    }
}

static enum cop_status unknown_option(
    const struct parser *p, const char *word, struct cop_err *err)
{
    const struct cop_verb *verb = p->command->verb;
    char name[MAX_WORD + 1] = "";
    if (strncmp(word, "--", 2) == 0) {
        const size_t n = strcspn(word + 2, "=");
        memcpy(name, word + 2, n < MAX_WORD ? n : MAX_WORD);
    }
    const char *best = NULL;
    int32_t distance = (int32_t)strlen(name) / 3 + 2;
    if (name[0] != 0 && verb != NULL)
        nearest_option(verb->options, name, &best, &distance);
    if (name[0] != 0) nearest_option(cop_options_global, name, &best, &distance);
    const char *where = verb != NULL ? verb->name : "coppice";
    if (best != NULL)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s: unknown option %.60s; did you mean --%s?",
            where,
            word,
            best);
    return COP_FAIL(err, COP_EINVAL, "%s: unknown option %.60s", where, word);
}

/* One option word, with the value behind it if it takes one. */
static enum cop_status take_option(
    struct parser *p, const char *word, struct cop_err *err)
{
    const struct cop_verb *verb = p->command->verb;
    const bool is_long = word[1] == '-';
    const size_t n = is_long ? strcspn(word + 2, "=") : 0;
    char letter = '\0';
    if (!is_long) letter = word[1];
    const struct cop_option *option = NULL;
    void *into = p->command->options;
    if (verb != NULL) option = find_option(verb->options, word + 2, n, letter);
    if (option != NULL) {
        assert(option - verb->options < MAX_OPTIONS);
        p->is_given[option - verb->options] = true;
    } else {
        into = p->cli;
        option = find_option(cop_options_global, word + 2, n, letter);
    }
    if (option == NULL) return unknown_option(p, word, err);
    const char *attached = is_long ? (word[2 + n] == '=' ? word + 3 + n : NULL)
                                   : (word[2] != 0 ? word + 2 : NULL);
    if (option->kind == COP_OPTION_FLAG) {
        if (attached != NULL)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "option --%s takes no value: %.60s",
                option->name,
                word);
        return set_option(option, NULL, into, err);
    }
    if (attached == NULL && p->at == p->argc)
        return COP_FAIL(
            err, COP_EINVAL, "option --%s needs %s", option->name, option->operand);
    return set_option(
        option, attached != NULL ? attached : p->argv[p->at++], into, err);
}

/* The word that says what to do. */
static enum cop_status take_verb(
    struct parser *p, const char *word, struct cop_err *err)
{
    struct cop_command *command = p->command;
    if (strcmp(word, "help") == 0) {
        command->is_help_verb = true;
        return COP_OK;
    }
    const char *second = p->at < p->argc ? p->argv[p->at] : NULL;
    int32_t used = 0;
    command->verb = cop_verb_find(word, second, &used);
    if (command->verb == NULL) {
        /* "data --help" asks for the family's help. */
        if (cop_verb_is_family(word) && second != NULL &&
            (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0)) {
            command->is_help_verb = true;
            p->words[p->cli->n_words++] = word;
            p->at = p->argc;
            return COP_OK;
        }
        return cop_verb_unknown(word, second, err);
    }
    p->at += used - 1;
    command->options =
        cop_arena_array(p->cli->arena, 1, command->verb->options_size + 1);
    if (command->options == NULL) return COP_FAIL_NOMEM(err);
    return set_defaults(command->verb->options, command->options, err);
}

static enum cop_status check_complete(const struct parser *p, struct cop_err *err)
{
    const struct cop_verb *verb = p->command->verb;
    if (verb == NULL) return COP_OK;
    const int32_t n = p->cli->n_words;
    if (n < verb->min_words)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s: too few words; usage: coppice %s %s",
            verb->name,
            verb->name,
            verb->operands);
    if (n > verb->max_words)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s: unexpected word '%.60s'; usage: coppice %s %s",
            verb->name,
            p->words[verb->max_words],
            verb->name,
            verb->operands);
    for (int32_t i = 0; i < MAX_OPTIONS && verb->options[i].name != NULL; ++i) {
        const struct cop_option *option = &verb->options[i];
        if (option->is_required && !p->is_given[i])
            return COP_FAIL(
                err,
                COP_EINVAL,
                "%s: option --%s %s is missing",
                verb->name,
                option->name,
                option->operand);
    }
    return COP_OK;
}

/* One word; *is_options_over after "--". */
static enum cop_status take_word(
    struct parser *p, const char *word, bool *is_options_over, struct cop_err *err)
{
    const bool is_option = !*is_options_over && word[0] == '-' && word[1] != 0;
    if (is_option && strcmp(word, "--") == 0) {
        *is_options_over = true;
        return COP_OK;
    }
    if (is_option) return take_option(p, word, err);
    if (p->command->verb == NULL && !p->command->is_help_verb)
        return take_verb(p, word, err);
    p->words[p->cli->n_words++] = word;
    return COP_OK;
}

enum cop_status cop_command_parse(
    struct cop_cli *cli,
    int argc,
    char *const *argv,
    struct cop_command *command,
    struct cop_err *err)
{
    struct parser p = {
        .cli = cli, .command = command, .argc = argc, .argv = argv, .at = 1};
    p.words = COP_ARENA_NEW_N(cli->arena, argc + 1, const char *);
    if (p.words == NULL) return COP_FAIL_NOMEM(err);
    cli->words = p.words;
    bool is_options_over = false;
    while (p.at < argc) {
        const char *word = argv[p.at++];
        COP_TRY(take_word(&p, word, &is_options_over, err));
        if (cli->is_help || cli->is_version) return COP_OK;
    }
    return check_complete(&p, err);
}
