/* prune/blas.h - which kernels the BLAS runs. */
#ifndef COP_PRUNE_BLAS_H
#define COP_PRUNE_BLAS_H

/** What OpenBLAS says of itself: version, how it was built, kernels ("SkylakeX"). */
const char *cop_blas_config(void);

/** OpenBLAS knows processors by their model, and takes its oldest kernels for one that came
 *  after it.  The name, for OPENBLAS_CORETYPE, of those that serve this processor's
 *  instructions, if it was so; else NULL.  The variable is read when the library is loaded. */
const char *cop_blas_better_core(void);

#endif
