/* engine/product.c - see product.h. */
#include "engine/product.h"

#include "engine/dnnl_shim.h"

enum cop_status cop_product_nt(
    int64_t m,
    int64_t n,
    int64_t k,
    const float *a,
    const float *b,
    float *c,
    struct cop_err *err)
{
    const struct cop_sgemm gemm = {.transpose_b = true, .m = m, .n = n, .k = k};
    return cop_dnnl_sgemm(&gemm, a, b, c, err);
}

enum cop_status cop_product_nn(
    int64_t m,
    int64_t n,
    int64_t k,
    const float *a,
    const float *b,
    float *c,
    struct cop_err *err)
{
    const struct cop_sgemm gemm = {.m = m, .n = n, .k = k};
    return cop_dnnl_sgemm(&gemm, a, b, c, err);
}
