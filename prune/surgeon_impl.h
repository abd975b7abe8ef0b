/* prune/surgeon_impl.h - optimal brain surgeon over the channels of one source; only for
 * prune/.
 *
 * With H the inverse of the Gram of the rows, and M = W W' of the weight rows that read them:
 * giving up row r and refitting the others costs M_rr / H_rr, and then
 *   H <- H - h h' / H_rr,  M <- M + b m' + m b' + M_rr b b',  b = -h / H_rr,
 * with h and m row r of both (Hassibi and Stork 1993; OSSCAR, arXiv 2403.12983).  A channel
 * is one or several rows that go one after the other. */
#ifndef COP_PRUNE_SURGEON_IMPL_H
#define COP_PRUNE_SURGEON_IMPL_H

#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>

struct cop_surgeon {
    int64_t per_channel; /* rows */
    int64_t n_places;    /* channels that the matrices hold */
    int64_t *channel;    /* [n_places] */
    int64_t *place;      /* by channel; -1: gone */
    double *h;           /* [n][n], n = n_places * per_channel: less what is put off */
    double *m;
    double *own_h; /* [n_places][per_channel][per_channel] on the diagonal, as of now */
    double *own_m;
    /* Row updates that are put off, to be made as one product of matrices. */
    int64_t n_put_off;
    double *scaled; /* [n_put_off][n]: h / sqrt(H_rr) */
    double *b;      /* likewise */
    double *v;      /* m + b M_rr / 2 */
    double *row;    /* [2][n] */
    double *scratch;
};

/** Room for all, in @p arena; the caller fills h and m: row c * per_channel + k is row k of
 *  channel c.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_surgeon__create(
    int64_t n_channels,
    int64_t per_channel,
    struct cop_arena *arena,
    struct cop_surgeon *surgeon,
    struct cop_err *err);
/** Once h and m are filled. */
void cop_surgeon__begin(struct cop_surgeon *surgeon);
/** What giving up a channel that is still there would cost now: tr(M_SS H_SS^-1). */
double cop_surgeon__cost(const struct cop_surgeon *surgeon, int64_t channel);
void cop_surgeon__remove(struct cop_surgeon *surgeon, int64_t channel);

#endif
