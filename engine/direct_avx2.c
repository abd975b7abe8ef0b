/* engine/direct_avx2.c - direct convolution for AVX2 and FMA: 12 of 16 registers add up. */
#include "engine/direct_kernels.h"

#include <stddef.h>

#if defined __AVX2__ && defined __FMA__
#define BLOCK 8
#define ROWS_1 9
#define ROWS_2 6
#define ROWS_3 4
#define ROWS_4 2
#include "engine/direct_body.inc"

const struct cop_direct__kernels *const cop_direct__avx2 = &kernels;
#else
const struct cop_direct__kernels *const cop_direct__avx2 = NULL;
#endif
