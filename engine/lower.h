/* engine/lower.h - what an emitter is, for the two files that lower graphs. */
#ifndef COP_ENGINE_LOWER_H
#define COP_ENGINE_LOWER_H

#include "engine/program.h"

/** Lives while one node's `lower` runs. */
struct cop_emitter {
    struct cop_program *program;
    const struct cop_node *node;
    const struct cop_fact *facts; /* by value id */
};

#endif
