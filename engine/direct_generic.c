/* engine/direct_generic.c - direct convolution for whatever the compiler assumes: on x86-64
 * SSE2. */
#define BLOCK 4
#define ROWS_1 9
#define ROWS_2 6
#define ROWS_3 4
#define ROWS_4 2
#include "engine/direct_body.inc"

const struct cop_direct__kernels *const cop_direct__generic = &kernels;
