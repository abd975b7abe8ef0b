/* engine/winograd_generic.c - Winograd's loops for whatever the compiler assumes: on x86-64
 * SSE2, two registers per vector. */
#define BLOCK 8
#define ROWS 3
#include "engine/winograd_body.inc"

const struct cop_winograd__kernels *const cop_winograd__generic = &kernels;
