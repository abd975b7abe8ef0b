/* cli/help.c - the help, printed from the rows: examples first. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char overview_head[] =
    "coppice - smaller, faster networks from a trained one, measured and explained\n"
    "\n"
    "Examples\n"
    "  coppice init faces.coppice\n"
    "  coppice import model.onnx\n"
    "  coppice data add photos/val --name val\n"
    "  coppice synth model --data calib --val val --max-latency 60% --max-drop 1.0\n"
    "  coppice report V1 -o report.html\n"
    "  coppice export V1 -o v1.onnx\n"
    "\n"
    "Usage\n"
    "  coppice VERB [WORDS] [OPTIONS]\n"
    "\n"
    "Verbs\n";

static const char exit_text[] =
    "\n"
    "Exit status\n"
    "  0 done, 1 failure, 2 wrong usage, 3 bad model or data, 4 limits not reachable\n"
    "  (the results are stored nevertheless), 5 project file, 130 or 143 interrupted\n";

static void print_option(FILE *to, const struct cop_option *option)
{
    char left[64];
    const char *operand = option->operand != NULL ? option->operand : "";
    const char *space = option->operand != NULL ? " " : "";
    if (option->letter != 0)
        snprintf(
            left,
            sizeof left,
            "-%c, --%s%s%s",
            option->letter,
            option->name,
            space,
            operand);
    else
        snprintf(left, sizeof left, "    --%s%s%s", option->name, space, operand);
    fprintf(to, "  %-26s  %s", left, option->help);
    if (option->initial != NULL) fprintf(to, " [%s]", option->initial);
    if (option->is_required) fputs(" (required)", to);
    fputc('\n', to);
}

static void print_options(FILE *to, const char *title, const struct cop_option *options)
{
    if (options->name == NULL) return;
    fprintf(to, "\n%s\n", title);
    for (; options->name != NULL; ++options)
        print_option(to, options);
}

/* Text with every line set in by two columns. */
static void print_indented(FILE *to, const char *text)
{
    while (*text != 0) {
        const size_t n = strcspn(text, "\n");
        if (n != 0)
            fprintf(to, "  %.*s\n", (int)n, text);
        else
            fputc('\n', to);
        text += n + (text[n] == '\n');
    }
}

void cop_help_overview(bool to_stderr)
{
    FILE *to = to_stderr ? stderr : stdout;
    fputs(overview_head, to);
    for (int32_t i = 0; cop_verbs[i] != NULL; ++i)
        fprintf(to, "  %-12s %s\n", cop_verbs[i]->name, cop_verbs[i]->summary);
    fprintf(to, "  %-12s %s\n", "help", "this text, or 'help VERB' for one verb");
    fputs(
        "\n"
        "MODEL is a name in the project; for inspect, run, eval and bench it may be "
        "the\n"
        "path of a model file too.\n",
        to);
    print_options(to, "Options of every verb", cop_options_global);
    fputs(exit_text, to);
}

void cop_help_verb(const struct cop_verb *verb)
{
    printf("coppice %s - %s\n\nExamples\n", verb->name, verb->summary);
    print_indented(stdout, verb->examples);
    printf(
        "\nUsage\n  coppice %s %s%s\n\n",
        verb->name,
        verb->operands,
        verb->options->name != NULL ? " [OPTIONS]" : "");
    print_indented(stdout, verb->about);
    print_options(stdout, "Options", verb->options);
    print_options(stdout, "Options of every verb", cop_options_global);
    fputs(exit_text, stdout);
}

/* "data": the verbs of one family. */
static void help_family(const char *word)
{
    const size_t n = strlen(word);
    printf("coppice %s - one of\n\n", word);
    for (int32_t i = 0; cop_verbs[i] != NULL; ++i) {
        const char *name = cop_verbs[i]->name;
        if (strncmp(name, word, n) == 0 && name[n] == ' ')
            printf("  coppice %-12s %s\n", name, cop_verbs[i]->summary);
    }
    printf("\n'coppice help %s add', for example, tells more.\n", word);
}

enum cop_status cop_help_words(
    const char *const *words, int32_t n_words, struct cop_err *err)
{
    if (n_words == 0) {
        cop_help_overview(false);
        return COP_OK;
    }
    int32_t used;
    const char *second = n_words > 1 ? words[1] : NULL;
    const struct cop_verb *verb = cop_verb_find(words[0], second, &used);
    if (verb != NULL)
        cop_help_verb(verb);
    else if (second == NULL && cop_verb_is_family(words[0]))
        help_family(words[0]);
    else
        return cop_verb_unknown(words[0], second, err);
    return COP_OK;
}

/* The verb nearest to @p word, or NULL when none is near. */
static const char *nearest_verb(const char *word)
{
    const char *best = NULL;
    int32_t nearest = (int32_t)strlen(word) / 3 + 2;
    for (int32_t i = 0; cop_verbs[i] != NULL; ++i) {
        const int32_t distance = cop_edit_distance(word, cop_verbs[i]->name);
        if (distance >= nearest) continue;
        nearest = distance;
        best = cop_verbs[i]->name;
    }
    return best;
}

enum cop_status cop_verb_unknown(
    const char *first, const char *second, struct cop_err *err)
{
    char words[64];
    if (cop_verb_is_family(first)) {
        if (second == NULL)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "'%.20s' needs one more word; 'coppice help %.20s' lists them",
                first,
                first);
        snprintf(words, sizeof words, "%.20s %.40s", first, second);
    } else {
        snprintf(words, sizeof words, "%.60s", first);
    }
    const char *best = nearest_verb(words);
    if (best != NULL)
        return COP_FAIL(
            err, COP_EINVAL, "unknown verb '%s'; did you mean '%s'?", words, best);
    return COP_FAIL(
        err, COP_EINVAL, "unknown verb '%s'; 'coppice help' lists the verbs", words);
}
