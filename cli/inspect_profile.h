/* cli/inspect_profile.h - `inspect --profile`: what every step of the plan costs, held
 * against what the machine can do. */
#ifndef COP_CLI_INSPECT_PROFILE_H
#define COP_CLI_INSPECT_PROFILE_H

#include "cli/cli.h"
#include "engine/engine.h"
#include "graph/graph.h"

/** Makes a plan, runs it once and then times it @p runs times.  On success the caller
 *  destroys *plan, on failure it is NULL.  What making and running a plan returns. */
COP_NODISCARD enum cop_status cop_cli_profile_plan(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    int64_t runs,
    struct cop_plan **plan,
    struct cop_plan_times *times,
    struct cop_err *err);

/** Measures the machine's peaks and the network's steps, and prints both as text or as one
 *  JSON document.  @param name the model's. */
COP_NODISCARD enum cop_status cop_cli_inspect_profile(
    struct cop_cli *cli,
    const char *name,
    const struct cop_graph *graph,
    int64_t batch,
    int64_t runs,
    struct cop_err *err);

#endif
