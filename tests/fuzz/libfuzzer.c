/* tests/fuzz/libfuzzer.c - libFuzzer's entry for one target, FUZZ_TARGET. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct cop_err err;
    (void)FUZZ_TARGET.one(bytes, n, &err);
    return 0;
}
