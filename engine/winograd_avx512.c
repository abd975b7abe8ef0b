/* engine/winograd_avx512.c - Winograd's loops for AVX-512: 28 of 32 registers add up. */
#include "engine/winograd_kernels.h"

#if defined __AVX512F__
#define BLOCK 16
#define ROWS 14
#include "engine/winograd_body.inc"

const struct cop_winograd__kernels *const cop_winograd__avx512 = &kernels;
#else
const struct cop_winograd__kernels *const cop_winograd__avx512 = NULL;
#endif
