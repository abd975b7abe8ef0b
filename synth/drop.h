/* synth/drop.h - leaves out whole blocks, one after the other.
 *
 * Each time the block goes that costs least recoverable error per share of the time
 * (prune/blocks.h); then every linear node is refitted to the original's values
 * (prune/repair.h), so that the layers before the gap aim at what came after it, and the
 * next block is judged in the network as it then is. */
#ifndef COP_SYNTH_DROP_H
#define COP_SYNTH_DROP_H

#include "base/arena.h"
#include "prune/blocks.h"
#include "prune/repair.h"

struct cop_drop_input {
    struct cop_engine *engine;
    const struct cop_groups *groups; /* of the original */
    const struct cop_sample_source *samples;
    const struct cop_plan_options *plan; /* the batch and threads whose time counts */
    const struct cop_progress *progress;
    bool is_unrepaired;
};

struct cop_dropped_block {
    const char *name;  /* of the node that ended it */
    double error;      /* what a linear map could not recover, when it was chosen */
    double time_share; /* of the network it was dropped from */
    int64_t macs;
};

struct cop_dropped_blocks {
    struct cop_dropped_block *at;
    int32_t n;
};

/** The original without @p n blocks.  *dropped lives in @p arena.  COP_ELIMIT, and nothing
 *  made, if there are not as many; COP_EINTR; what prune and engine return. */
COP_NODISCARD enum cop_status cop_drop_blocks(
    const struct cop_drop_input *input,
    int32_t n,
    struct cop_arena *arena,
    struct cop_graph **small,
    struct cop_dropped_blocks *dropped,
    struct cop_err *err);

#endif
