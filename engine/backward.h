/* engine/backward.h - gradients of primitives over row-major tensors; private.
 *
 * The forward run leaves every tensor readable; here each is seen row-major, with a
 * gradient of the same shape.  Every function adds to the gradients of its sources. */
#ifndef COP_ENGINE_BACKWARD_H
#define COP_ENGINE_BACKWARD_H

#include "engine/plan_impl.h"

/** A tensor and its gradient, row-major. */
struct cop_grad {
    const float *value;
    float *diff; /* NULL: not part of the run */
    int64_t n;
    float *unpacked;      /* where value points if the run's layout is another */
    struct cop_copy copy; /* from the run's layout */
};

struct cop_backward {
    float *block;   /* heap: diffs and unpacked values */
    float *columns; /* heap: image columns of the widest convolution */
    size_t diff_bytes;
    struct cop_grad *grad; /* by tensor */
    bool has_run;
};

typedef enum cop_status cop_grad_fn(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err);
cop_grad_fn cop_plan__grad_conv;
cop_grad_fn cop_plan__grad_matmul;
cop_grad_fn cop_plan__grad_pool;
cop_grad_fn cop_plan__grad_eltwise;
cop_grad_fn cop_plan__grad_binary;
cop_grad_fn cop_plan__grad_normalise;
cop_grad_fn cop_plan__grad_softmax;
cop_grad_fn cop_plan__grad_reduce;
cop_grad_fn cop_plan__grad_resample;
cop_grad_fn cop_plan__grad_select;
cop_grad_fn cop_plan__grad_deconv;

/** Floats that the columns of one image and group of this convolution need. */
size_t cop_plan__n_columns(const struct cop_plan *plan, const struct cop_prim *prim);

static inline const struct cop_grad *cop_plan__grad(
    const struct cop_plan *plan, int32_t tensor)
{
    return &plan->backward->grad[tensor];
}

#endif
