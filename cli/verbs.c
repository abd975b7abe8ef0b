/* cli/verbs.c - the table of verbs and the options that all of them take. */
#include "cli/verbs.h"

#include "cli/cli.h"

#include <string.h>

const struct cop_option cop_options_none[] = {{.name = NULL}};

const struct cop_option cop_options_global[] = {
    {.name = "project",
     .letter = 'p',
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct cop_cli, project),
     .operand = "FILE",
     .help = "project file; else the one *.coppice file here"},
    {.name = "json",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct cop_cli, is_json),
     .help = "one JSON document on stdout (docs/json.md lists the keys)"},
    {.name = "quiet",
     .letter = 'q',
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct cop_cli, is_quiet),
     .help = "no progress and no messages besides errors"},
    {.name = "threads",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct cop_cli, threads),
     .operand = "N",
     .min = 1,
     .max = 1024,
     .help = "processors to use; all by default"},
    {.name = "no-winograd",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct cop_cli, is_no_winograd),
     .help = "convolutions in their direct form: slower, least rounding error"},
    {.name = "no-color",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct cop_cli, is_no_color),
     .help = "no colours (nor with NO_COLOR set, TERM=dumb, or in a pipe)"},
    {.name = "help",
     .letter = 'h',
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct cop_cli, is_help),
     .help = "examples and options of a verb"},
    {.name = "version",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct cop_cli, is_version),
     .help = "the version of this program"},
    {.name = NULL}};

const struct cop_verb *const cop_verbs[] = {
#define VERB(name) &cop_verb_##name,
#include "cli/verbs.def"
#undef VERB
    NULL};

/* True when @p name is "first second", or just "first" with second NULL. */
static bool is_named(const char *name, const char *first, const char *second)
{
    const size_t n = strlen(first);
    if (strncmp(name, first, n) != 0) return false;
    if (second == NULL) return name[n] == 0;
    return name[n] == ' ' && strcmp(name + n + 1, second) == 0;
}

const struct cop_verb *cop_verb_find(
    const char *first, const char *second, int32_t *used)
{
    for (int32_t i = 0; cop_verbs[i] != NULL; ++i) {
        *used = 1;
        if (is_named(cop_verbs[i]->name, first, NULL)) return cop_verbs[i];
        *used = 2;
        if (second != NULL && is_named(cop_verbs[i]->name, first, second))
            return cop_verbs[i];
    }
    return NULL;
}

bool cop_verb_is_family(const char *word)
{
    const size_t n = strlen(word);
    for (int32_t i = 0; cop_verbs[i] != NULL; ++i)
        if (strncmp(cop_verbs[i]->name, word, n) == 0 && cop_verbs[i]->name[n] == ' ')
            return true;
    return false;
}
