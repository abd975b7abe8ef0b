/* engine/simd.c - which instruction sets this processor and build have. */
#include "engine/simd.h"

bool cop_simd_has(enum cop_simd simd)
{
    switch (simd) {
    case COP_SIMD_GENERIC: return true;
#if defined __x86_64__
    case COP_SIMD_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case COP_SIMD_AVX512: return __builtin_cpu_supports("avx512f");
#else
    case COP_SIMD_AVX2:
    case COP_SIMD_AVX512: return false;
#endif
    }
    return false;
}

enum cop_simd cop_simd_best(void)
{
    return cop_simd_has(COP_SIMD_AVX512) ? COP_SIMD_AVX512
           : cop_simd_has(COP_SIMD_AVX2) ? COP_SIMD_AVX2
                                         : COP_SIMD_GENERIC;
}
