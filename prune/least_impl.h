/* prune/least_impl.h - least squares for the weights of one linear node; only for prune/.
 *
 * From rows of features Z that the cut network feeds the node, find W and b such that
 * slope * (Z W + b) + rest comes nearest to the original's value at the node's target, as
 * seen through the bend behind it. */
#ifndef COP_PRUNE_LEAST_IMPL_H
#define COP_PRUNE_LEAST_IMPL_H

#include "prune/rows_impl.h"
#include "prune/target_impl.h"

#include <stdbool.h>

/** One convolution group. */
struct cop_least {
    struct cop_rows z;    /* [features]; centred in place */
    struct cop_rows want; /* [outputs]: the original's value at the target */
    struct cop_rows
        rest; /* [outputs]: elements NULL if the target is the result itself */
    struct cop_rows room; /* [outputs]: scratch */
    const double *slope;  /* [outputs] */
    double low;
    double high;
    bool has_intercept;
    const char *name; /* of the node, for errors */
};

/** weights [features][outputs]: the present ones on entry, towards which the ridge pulls;
 *  the new ones on return.  bias [outputs].
 *  COP_ENOMEM; COP_EINVAL if the moments are not positive definite. */
COP_NODISCARD enum cop_status cop_least__solve(
    struct cop_least *least, double *weights, double *bias, struct cop_err *err);

#endif
