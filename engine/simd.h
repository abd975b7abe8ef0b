/* engine/simd.h - what the loops of our own have in common: instruction sets and what is
 * done to each result.  Each family of loops is written once and compiled once per set. */
#ifndef COP_ENGINE_SIMD_H
#define COP_ENGINE_SIMD_H

#include <stdbool.h>
#include <stdint.h>

/** Instruction sets in rising order. */
enum cop_simd {
    COP_SIMD_GENERIC, /* what the compiler was told to assume; 4 floats per vector */
    COP_SIMD_AVX2,    /* with FMA; 8 floats per vector */
    COP_SIMD_AVX512,  /* 16 floats per vector */
};

/** This machine and build have it. */
bool cop_simd_has(enum cop_simd simd);
/** The highest that this machine and build have. */
enum cop_simd cop_simd_best(void);

/** What is done to each result. */
struct cop_activation {
    enum {
        COP_ACTIVATION_LINEAR, /* y = x */
        COP_ACTIVATION_CLIP,   /* y = min(max(x, low), high) */
        COP_ACTIVATION_LEAKY,  /* y = x > 0 ? x : slope * x */
    } kind;
    float low;
    float high;
    float slope;
};

#endif
