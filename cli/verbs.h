/* cli/verbs.h - the row of every verb, one per cli/verb_*.c, listed in verbs.def. */
#ifndef COP_CLI_VERBS_H
#define COP_CLI_VERBS_H

#include "cli/cli.h"

#define VERB(name) extern const struct cop_verb cop_verb_##name;
#include "cli/verbs.def"
#undef VERB

#endif
