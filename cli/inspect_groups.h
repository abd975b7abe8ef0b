/* cli/inspect_groups.h - `inspect --groups`: what is cut together, and what that saves. */
#ifndef COP_CLI_INSPECT_GROUPS_H
#define COP_CLI_INSPECT_GROUPS_H

#include "cli/inputs.h"

/** Prints every channel group of the model as text or JSON.
 *  @param mb the batch that is timed; 0: nothing is run, no milliseconds
 *  What finding groups, plans and printing return. */
COP_NODISCARD enum cop_status cop_cli_inspect_groups(
    struct cop_cli *cli,
    const struct cop_cli_model *model,
    int64_t mb,
    struct cop_err *err);

#endif
