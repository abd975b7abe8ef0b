/* explain/explain.h - explains an original and its variant side by side, into the store.
 *
 * One call does what the verb `explain` does: chooses samples (drawn evenly over classes;
 * a quarter of them, where evaluations are stored, are samples that only the original got
 * right), maps them by occlusion and ablates channels, always for the class the original
 * answers, and stores every map as evidence.  Rows are appended: running it again adds
 * newer ones.
 *
 * Methods stored: "occlusion" per sample (config_json.chosen: "drawn" or "lost"), and per
 * layer, as means over the drawn samples, "channel-ablation" (signed) and
 * "channel-ablation-abs" (of absolute values). */
#ifndef COP_EXPLAIN_EXPLAIN_H
#define COP_EXPLAIN_EXPLAIN_H

#include "base/err.h"
#include "base/progress.h"
#include "data/dataset.h"
#include "engine/engine.h"
#include "explain/ablation.h"
#include "explain/occlusion.h"
#include "store/store.h"

#include <stdint.h>

/** One model to explain. */
struct cop_explain_subject {
    const struct cop_graph *graph;
    int64_t model_id;
    /* Values whose channels are ablated; n 0: up to max_layers results of nodes with
     * weights (a constant operand of rank 4): those the variant's cuts are named after
     * first, then others, evenly spread over the depth.  Layers are matched between models
     * by the name of the node that produces them. */
    const struct cop_value *const *layers;
    int32_t n_layers;
};

struct cop_explain_inputs {
    struct cop_store *store;
    const struct cop_dataset *dataset;
    int64_t dataset_id;
    const struct cop_explain_subject *subjects; /* the original first */
    int32_t n_subjects;                         /* 1 or 2 */
};

/** All zero is the default. */
struct cop_explain_options {
    int64_t n_samples;        /* occlusion; 0: 20 */
    int64_t ablation_samples; /* the first of those; 0: 8; < 0: no ablation */
    int32_t max_layers;       /* of the default choice; 0: 8 */
    uint64_t seed;            /* of the draw of samples */
    struct cop_occlusion_options occlusion;
    enum cop_ablation_fill ablation_fill;
    int threads; /* 0: all */
};

/** What was stored. */
struct cop_explain_result {
    int64_t n_samples;
    int64_t n_flips; /* of them only the original was right */
    int64_t n_maps;
    int64_t n_layers;
};

/** COP_EINVAL (no samples, no subject), what the parts return, COP_EINTR: what is stored
 *  by then stays. */
COP_NODISCARD enum cop_status cop_explain(
    struct cop_engine *engine,
    const struct cop_explain_inputs *inputs,
    const struct cop_explain_options *options, /* NULL: the defaults */
    const struct cop_progress *progress,
    struct cop_explain_result *result,
    struct cop_err *err);

#endif
