/* engine/peak_generic.c - peaks with whatever the compiler assumes: on x86-64 SSE2. */
#define BLOCK 4
#include "engine/peak_body.inc"

const struct cop_peak__kernels *const cop_peak__generic = &kernels;
