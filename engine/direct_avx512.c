/* engine/direct_avx512.c - direct convolution for AVX-512: 28 of 32 registers add up. */
#include "engine/direct_kernels.h"

#include <stddef.h>

#if defined __AVX512F__
#define BLOCK 16
#define ROWS_1 14
#define ROWS_2 14
#define ROWS_3 9
#define ROWS_4 6
#include "engine/direct_body.inc"

const struct cop_direct__kernels *const cop_direct__avx512 = &kernels;
#else
const struct cop_direct__kernels *const cop_direct__avx512 = NULL;
#endif
