/* synth/bench_impl.h - what the files that time networks share; only for synth/. */
#ifndef COP_SYNTH_BENCH_IMPL_H
#define COP_SYNTH_BENCH_IMPL_H

#include "base/err.h"
#include "engine/engine.h"

#include <stdint.h>

enum { COP_BENCH_WARM_UPS = 3 };

/** Numbers for the starts of a plan.  Zeroed: none yet. */
struct cop_bench_inputs {
    int32_t n;
    float **starts; /* [n], on the heap */
};

/** Uniform in [-1, 1), the same for every plan of one shape.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_bench__inputs(
    const struct cop_plan *plan, struct cop_bench_inputs *inputs, struct cop_err *err);
void cop_bench__inputs_clear(struct cop_bench_inputs *inputs);

/** One timed forward pass; outputs stay in the plan. */
COP_NODISCARD enum cop_status cop_bench__time_run(
    struct cop_plan *plan,
    const struct cop_bench_inputs *inputs,
    double *ms,
    struct cop_err *err);

#endif
