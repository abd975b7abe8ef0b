/* cli/cli.h - what every verb of the command line shares.
 *
 * A verb is one constant row: words, help, options and a function.  The rows drive the
 * parser, the help and the suggestions.  A verb is thin: it reads its options, calls
 * library functions and prints a result as a table or as one JSON document on stdout;
 * messages and progress go to stderr.  struct cop_cli lives as long as the command. */
#ifndef COP_CLI_CLI_H
#define COP_CLI_CLI_H

#include "base/arena.h"
#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_bar; /* cli/bar.h */

/** The command in hand: global options, words, and what was opened on the way. */
struct cop_cli {
    /* global options, filled by the parser */
    const char *project; /* -p; NULL: the one project file of the current folder */
    int64_t threads;     /* 0: all processors */
    bool is_no_winograd; /* convolutions in their direct form only */
    bool is_json;
    bool is_quiet;
    bool is_no_color;
    bool is_help;
    bool is_version;
    /* words after the verb; the strings are argv's */
    const char *const *words;
    int32_t n_words;
    /* everything below is made by main.c or on demand by cli/inputs.h */
    struct cop_arena *arena;
    struct cop_progress progress;
    struct cop_store *store;
    const char *store_path;
    const struct cop_cli_part *part; /* of model files; NULL: all */
    struct cop_engine *engine;
    bool is_json_failed; /* a key could not be added: out of memory */
};

/* ---- options ------------------------------------------------------------------ */

enum cop_option_kind {
    COP_OPTION_FLAG,    /* bool */
    COP_OPTION_TEXT,    /* const char * */
    COP_OPTION_TEXTS,   /* struct cop_texts; may be repeated */
    COP_OPTION_INT,     /* int64_t */
    COP_OPTION_REAL,    /* double; NaN when not given */
    COP_OPTION_PERCENT, /* double, a ratio: "60%" and "60" are 0.6; NaN when not given */
    COP_OPTION_TIME,    /* double, seconds: "90", "90s", "5m", "1h" */
    COP_OPTION_LATENCY, /* struct cop_latency: "60%" or "12ms" */
    COP_OPTION_AMOUNT,  /* struct cop_amount: "48%", "2.1G", "850k", "10MB" */
};

enum { COP_MAX_TEXTS = 16 };
struct cop_texts {
    int32_t n;
    const char *at[COP_MAX_TEXTS];
};

/** Which part of a TensorFlow graph is meant (cli/inputs.h). */
struct cop_cli_part {
    struct cop_texts inputs;  /* NAME, NAME=1x49x10, NAME=true */
    struct cop_texts outputs; /* NAME */
};

/** Both NaN when not given. */
struct cop_latency {
    double ratio; /* of the original's */
    double ms;
};

/** Both NaN when not given. */
struct cop_amount {
    double ratio; /* of the original's */
    double count;
};

/** One option; a table ends with name NULL. */
struct cop_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    bool is_required;
    enum cop_option_kind kind;
    size_t offset;       /* in the verb's options struct */
    const char *operand; /* "FILE"; NULL for flags */
    const char *initial; /* parsed like the user's text, shown in the help; or NULL */
    double min, max;     /* numbers only; max 0: no upper limit */
    const char *help;
};

/* ---- verbs ----------------------------------------------------------------------- */

typedef enum cop_status cop_verb_fn(
    struct cop_cli *cli, const void *options, struct cop_err *err);

struct cop_verb {
    const char *name;     /* "eval", "data add" */
    const char *summary;  /* half a line */
    const char *operands; /* "MODEL --data NAME" */
    const char *examples; /* one a line */
    const char *about;    /* paragraphs; lines of at most 78 columns */
    const struct cop_option *options;
    size_t options_size;
    int32_t min_words, max_words;
    cop_verb_fn *run;
};

/** All verbs in the order of the help; ends with NULL. */
extern const struct cop_verb *const cop_verbs[];
extern const struct cop_option cop_options_none[];
/** Options that every verb takes; their offsets are in struct cop_cli. */
extern const struct cop_option cop_options_global[];

/** A verb by its words: @p second may be NULL.  *used is 1 or 2.  NULL if unknown. */
const struct cop_verb *cop_verb_find(
    const char *first, const char *second, int32_t *used);
/** True when some verb's name starts with that word and a space ("data"). */
bool cop_verb_is_family(const char *word);

/* ---- parsing ------------------------------------------------------------------------ */

/** What the words of the command line ask for. */
struct cop_command {
    const struct cop_verb *verb; /* NULL: none was given */
    bool is_help_verb;           /* "help ..."; the words are cli->words */
    void *options;               /* verb->options_size bytes in the arena */
};

/** Fills the command and the global options of @p cli.  Stops early at --help and
 *  --version.  COP_EINVAL names the word and the nearest known one. */
COP_NODISCARD enum cop_status cop_command_parse(
    struct cop_cli *cli,
    int argc,
    char *const *argv,
    struct cop_command *command,
    struct cop_err *err);

/** Damerau-Levenshtein distance of two short words (optimal string alignment). */
int32_t cop_edit_distance(const char *a, const char *b);

/* ---- help ------------------------------------------------------------------------------ */

void cop_help_overview(bool to_stderr);
void cop_help_verb(const struct cop_verb *verb);
/** "help", "help VERB", "help VERB VERB".  COP_EINVAL for an unknown verb. */
COP_NODISCARD enum cop_status cop_help_words(
    const char *const *words, int32_t n_words, struct cop_err *err);
/** COP_EINVAL "unknown verb ...": with a suggestion when one is near. */
enum cop_status cop_verb_unknown(
    const char *first, const char *second, struct cop_err *err);

#endif
