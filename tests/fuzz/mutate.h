/* tests/fuzz/mutate.h - broken files out of sound ones, repeatably. */
#ifndef COP_TESTS_MUTATE_H
#define COP_TESTS_MUTATE_H

#include "base/rng.h"
#include "support/onnx_bytes.h"

/** Changes @p out itself: bits, cuts, splices with @p b, lengths. */
void mutate_blindly(struct cop_rng *rng, const struct pb *b, struct pb *out);

/** Fills the empty @p out from @p a; @p b is another seed to take parts from.  A quarter of
 *  the mutations are blind.  The others take the file apart as protobuf, change, drop,
 *  double or swap fields anywhere in the tree and put it together again with right lengths,
 *  so that they reach what lies behind the parser. */
void mutate_protobuf(
    struct cop_rng *rng, const struct pb *a, const struct pb *b, struct pb *out);

/** The same for JSON: elements are changed, dropped, doubled, moved, emptied. */
void mutate_json(
    struct cop_rng *rng, const struct pb *a, const struct pb *b, struct pb *out);

#endif
