/* engine/depthwise_generic.c - depthwise convolution for whatever the compiler assumes. */
#define BLOCK 4
#define MAX_VECTORS 1
#include "engine/depthwise_body.inc"

const struct cop_depthwise__kernels *const cop_depthwise__generic = &kernels;
