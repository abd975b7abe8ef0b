/* engine/peak_avx512.c - peaks with AVX-512. */
#include "engine/peak_kernels.h"

#include <stddef.h>

#if defined __AVX512F__
#define BLOCK 16
#include "engine/peak_body.inc"

const struct cop_peak__kernels *const cop_peak__avx512 = &kernels;
#else
const struct cop_peak__kernels *const cop_peak__avx512 = NULL;
#endif
