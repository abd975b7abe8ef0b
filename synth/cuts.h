/* synth/cuts.h - what became of every group of a variant, as rows; only for synth/. */
#ifndef COP_SYNTH_CUTS_H
#define COP_SYNTH_CUTS_H

#include "base/text.h"
#include "store/store.h"
#include "synth/generate.h"

struct cop_cuts {
    struct cop_store *store;
    const struct cop_groups *groups;
    const struct cop_tables *tables;
    const int32_t *choice; /* by option of the tables */
    const char *method;    /* of the scores: cop_score_method_name */
    int64_t model_id;
};

/** One row per group: cut, kept whole or frozen; with every channel's score and rank, the
 *  tensors that go together, and what cutting it alone saves.  COP_ESTORE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_cuts_store(
    const struct cop_cuts *cuts, struct cop_err *err);

/** A JSON string: quotes, backslashes and control bytes are escaped. */
void cop_synth__json_string(struct cop_text *text, const char *string);

#endif
