/* synth/evidence.h - results of evaluate.h become rows of the project file. */
#ifndef COP_SYNTH_EVIDENCE_H
#define COP_SYNTH_EVIDENCE_H

#include "base/err.h"
#include "data/dataset.h"
#include "engine/engine.h"
#include "store/store.h"
#include "synth/evaluate.h"

#include <stdint.h>

/** Whose result it is and which machine it came from. */
struct cop_evidence {
    struct cop_store *store;
    const struct cop_engine *engine;
    int threads; /* as measured; 0: all */
    int64_t model_id;
};

/** Appends an evaluation row; class names are the data set's.  COP_ESTORE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_evidence_put_evaluation(
    const struct cop_evidence *evidence,
    int64_t dataset_id,
    const struct cop_dataset *dataset,
    const struct cop_evaluation *evaluation,
    struct cop_err *err);

/** Appends a measurement row.  COP_ESTORE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_evidence_put_measurement(
    const struct cop_evidence *evidence,
    const struct cop_bench_result *result,
    struct cop_err *err);

#endif
