/* tests/fuzz/mutate.h - broken files out of sound ones, repeatably.
 *
 * A quarter of the mutations are blind (bits, cuts, splices, lengths).  The others take the
 * file apart as protobuf, change, drop, double or swap fields anywhere in the tree and put
 * it together again with right lengths, so that they reach what lies behind the parser. */
#ifndef COP_TESTS_MUTATE_H
#define COP_TESTS_MUTATE_H

#include "base/rng.h"
#include "support/onnx_bytes.h"

/** Fills the empty @p out from @p a; @p b is another seed to take parts from. */
void mutate(
    struct cop_rng *rng, const struct pb *a, const struct pb *b, struct pb *out);

#endif
