/* engine/direct_generic.c - direct convolution for whatever the compiler assumes: on x86-64
 * SSE2, two registers per vector. */
#define BLOCK 8
#define ROWS_1 6
#define ROWS_2 3
#define ROWS_3 2
#define ROWS_4 1
#include "engine/direct_body.inc"

const struct cop_direct__kernels *const cop_direct__generic = &kernels;
