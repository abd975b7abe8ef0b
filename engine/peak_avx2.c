/* engine/peak_avx2.c - peaks with AVX2 and FMA. */
#include "engine/peak_kernels.h"

#include <stddef.h>

#if defined __AVX2__ && defined __FMA__
#define BLOCK 8
#include "engine/peak_body.inc"

const struct cop_peak__kernels *const cop_peak__avx2 = &kernels;
#else
const struct cop_peak__kernels *const cop_peak__avx2 = NULL;
#endif
