/* engine/winograd_avx2.c - Winograd's loops for AVX2 and FMA: 12 of 16 registers add up. */
#include "engine/winograd_kernels.h"

#if defined __AVX2__ && defined __FMA__
#define BLOCK 8
#define ROWS 6
#include "engine/winograd_body.inc"

const struct cop_winograd__kernels *const cop_winograd__avx2 = &kernels;
#else
const struct cop_winograd__kernels *const cop_winograd__avx2 = NULL;
#endif
