/* engine/depthwise_avx2.c - depthwise convolution for AVX2 and FMA. */
#include "engine/depthwise_kernels.h"

#include <stddef.h>

#if defined __AVX2__ && defined __FMA__
#define BLOCK 8
#define MAX_VECTORS 1
#include "engine/depthwise_body.inc"

const struct cop_depthwise__kernels *const cop_depthwise__avx2 = &kernels;
#else
const struct cop_depthwise__kernels *const cop_depthwise__avx2 = NULL;
#endif
