/* engine/depthwise_avx512.c - depthwise convolution for AVX-512. */
#include "engine/depthwise_kernels.h"

#include <stddef.h>

#if defined __AVX512F__
#define BLOCK 16
#define MAX_VECTORS 2
#include "engine/depthwise_body.inc"

const struct cop_depthwise__kernels *const cop_depthwise__avx512 = &kernels;
#else
const struct cop_depthwise__kernels *const cop_depthwise__avx512 = NULL;
#endif
