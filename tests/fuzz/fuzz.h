/* tests/fuzz/fuzz.h - what the fuzzers of all readers share.
 *
 * A target is a reader with a way to break its files.  Its one() reads the bytes with the
 * standard operators and uses what was read; it ends the process when a promise is broken:
 * a status that the reader does not document, a text that is not one line with the file's
 * name, an accepted model that is inconsistent or cannot be written and read back. */
#ifndef COP_TESTS_FUZZ_H
#define COP_TESTS_FUZZ_H

#include "base/buf.h"
#include "base/rng.h"
#include "graph/graph.h"
#include "support/onnx_bytes.h"

struct fuzz_target {
    const char *name;
    const char *suffix; /* of its seeds */
    /** The status of the reading. */
    enum cop_status (*one)(const uint8_t *bytes, size_t n, struct cop_err *err);
    /** Fills the empty @p out from @p a; @p b is another seed to take parts from. */
    void (*mutate)(
        struct cop_rng *rng, const struct pb *a, const struct pb *b, struct pb *out);
};

extern const struct fuzz_target fuzz_onnx;
extern const struct fuzz_target fuzz_tf;
extern const struct fuzz_target fuzz_keras;        /* HDF5 bytes */
extern const struct fuzz_target fuzz_keras_config; /* JSON; see keras_config_fuzz.c */

/** Ends the process. */
_Noreturn void fuzz_broken_promise(const char *what, const struct cop_err *err);
/** The refusal is one line that starts with "fuzz: ", of a status that readers document. */
void fuzz_check_refusal(const struct cop_err *err);
/** Simplifies, checks, counts, writes as ONNX and reads back. */
void fuzz_use_graph(struct cop_graph *graph);
/** A buffer of exactly these bytes, so that an overrun is seen. */
struct cop_buf *fuzz_copy(const void *bytes, size_t n);

#endif
