/* engine/weights.h - constants packed for kernels, shared by all plans of an engine.
 *
 * A pack is a constant in the layout a kernel asked for, with a per-channel line folded in.
 * Packs are found again by the constant's buffer, the line's numbers and the layout, so
 * several plans of one network pack once.  Our own loop packs; oneDNN 2.6's reorders are
 * not trusted with weights (wrong results for shapes with tails). */
#ifndef COP_ENGINE_WEIGHTS_H
#define COP_ENGINE_WEIGHTS_H

#include "base/err.h"
#include "engine/dnnl_shim.h"
#include "engine/program.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_weights; /* the cache; safe from any thread */
struct cop_pack;

COP_NODISCARD enum cop_status cop_weights_create(
    struct cop_weights **weights, struct cop_err *err);
/** After all packs are released.  Accepts NULL. */
void cop_weights_destroy(struct cop_weights *weights);

/** A form of our own: what a loop reads instead of a oneDNN layout.  Two forms are the same
 *  when kind, parameter and size are. */
struct cop_pack_form {
    const char *kind; /* "winograd"; compared by text */
    int64_t parameter;
    size_t bytes;
    /** Fills @p packed from @p source, row-major and maybe unaligned, the lines of the
     *  first axis times scale[i]; scale NULL: as they are. */
    enum cop_status (*pack)(
        const void *context,
        const struct cop_tensor *source,
        const double *scale,
        float *packed,
        struct cop_err *err);
    const void *context; /* of pack; only used during the call */
};

/** What to pack.  The elements of @c source, visited in the order of @c md's axes with
 *  @c strides (NULL: row-major), times scale[i]; or, for @c is_bias, scale[i] * x + shift[i]
 *  where no source means x = 0.  i counts the first @c n_scale_axes axes of md. */
struct cop_pack_request {
    const struct cop_tensor *source; /* NULL only for a bias */
    const struct cop_md *md;
    const int64_t *strides;
    const struct cop_affine *affine; /* NULL: as it is */
    int32_t n_scale_axes;
    bool is_bias;
    const struct cop_pack_form *form; /* instead of the layout; md then counts floats */
};

/** One more user of a pack, made if it is not there.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_weights_pack(
    struct cop_weights *weights,
    const struct cop_pack_request *request,
    struct cop_pack **pack,
    struct cop_err *err);
/** Lets the memory behind elements [first, first + n) of a constant of a mapped file go:
 *  for those that pack, so that a source and what is packed from it are not both there. */
void cop_weights_forget(const struct cop_tensor *source, int64_t first, int64_t n);
/** One user less; for cop_arena_defer. */
void cop_pack_release(void *thing);

float *cop_pack_data(const struct cop_pack *pack);
size_t cop_pack_bytes(const struct cop_pack *pack);
/** Packs alive in the cache, for tests. */
int32_t cop_weights_n(struct cop_weights *weights);
/** Bytes of all packs alive, each counted once. */
size_t cop_weights_bytes(struct cop_weights *weights);

#endif
