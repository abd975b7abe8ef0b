/* tests/fuzz/onnx_fuzz.h - what is done with every fuzzed model file. */
#ifndef COP_TESTS_ONNX_FUZZ_H
#define COP_TESTS_ONNX_FUZZ_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** Reads the bytes with the standard operators, simplifies, counts, writes, reads back.
 *  The status of the reading.  Ends the process when a promise is broken: a status that
 *  importers/onnx_read.h does not document, a text that is not one line, an accepted
 *  model that cannot be read back. */
enum cop_status onnx_fuzz_one(const uint8_t *bytes, size_t n, struct cop_err *err);

/** libFuzzer's entry. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif
