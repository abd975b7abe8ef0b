/* cli/tuning.h - the file in which measured choices of kernels are kept between runs.
 *
 * $COPPICE_TUNING names it; "off" keeps none.  Else it is coppice/tuning below
 * $XDG_CACHE_HOME or ~/.cache.  It is a cache: losing it costs a measurement. */
#ifndef COP_CLI_TUNING_H
#define COP_CLI_TUNING_H

#include "cli/cli.h"
#include "engine/engine.h"
#include "graph/graph.h"

/** Gives the engine what earlier runs measured.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_cli_load_tuning(
    struct cop_cli *cli, struct cop_err *err);

/** Measures what is not known of the network's convolutions and keeps it; says so on
 *  standard error.  A file that cannot be written is told there and is no failure. */
COP_NODISCARD enum cop_status cop_cli_tune(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_err *err);

#endif
