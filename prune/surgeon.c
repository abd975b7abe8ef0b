/* prune/surgeon.c - see surgeon_impl.h.
 *
 * Only the diagonal blocks are needed to choose, and one row of both matrices to remove: so
 * the matrices themselves are brought up to date once for many rows, by products that run
 * from cache, and lose the rows that went. */
#include "prune/surgeon_impl.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

enum { MOST_PUT_OFF = 64 };

static int64_t n_rows(const struct cop_surgeon *s)
{
    return s->n_places * s->per_channel;
}

enum cop_status cop_surgeon__create(
    int64_t n_channels,
    int64_t per_channel,
    struct cop_arena *arena,
    struct cop_surgeon *surgeon,
    struct cop_err *err)
{
    int64_t n = n_channels * per_channel;
    int64_t own = per_channel * per_channel;
    *surgeon = (struct cop_surgeon){
        .per_channel = per_channel,
        .n_places = n_channels,
        .channel = COP_ARENA_NEW_N(arena, n_channels, int64_t),
        .place = COP_ARENA_NEW_N(arena, n_channels, int64_t),
        .h = COP_ARENA_NEW_N(arena, n * n, double),
        .m = COP_ARENA_NEW_N(arena, n * n, double),
        .own_h = COP_ARENA_NEW_N(arena, n_channels * own, double),
        .own_m = COP_ARENA_NEW_N(arena, n_channels * own, double),
        .scaled = COP_ARENA_NEW_N(arena, MOST_PUT_OFF * n, double),
        .b = COP_ARENA_NEW_N(arena, MOST_PUT_OFF * n, double),
        .v = COP_ARENA_NEW_N(arena, MOST_PUT_OFF * n, double),
        .row = COP_ARENA_NEW_N(arena, 2 * n, double),
        .scratch = COP_ARENA_NEW_N(arena, 2 * own, double),
    };
    if (surgeon->channel == NULL || surgeon->place == NULL || surgeon->h == NULL ||
        surgeon->m == NULL || surgeon->own_h == NULL || surgeon->own_m == NULL ||
        surgeon->scaled == NULL || surgeon->b == NULL || surgeon->v == NULL ||
        surgeon->row == NULL || surgeon->scratch == NULL)
        return COP_FAIL_NOMEM(err);
    for (int64_t c = 0; c < n_channels; c++)
        surgeon->channel[c] = surgeon->place[c] = c;
    return COP_OK;
}

void cop_surgeon__begin(struct cop_surgeon *s)
{
    int64_t p = s->per_channel;
    int64_t n = n_rows(s);
    for (int64_t i = 0; i < n; i++) {
        int64_t first = i / p * p;
        memcpy(s->own_h + i * p, s->h + i * n + first, (size_t)p * sizeof *s->h);
        memcpy(s->own_m + i * p, s->m + i * n + first, (size_t)p * sizeof *s->m);
    }
}

double cop_surgeon__cost(const struct cop_surgeon *s, int64_t channel)
{
    int64_t p = s->per_channel;
    const double *own_h = s->own_h + s->place[channel] * p * p;
    const double *own_m = s->own_m + s->place[channel] * p * p;
    if (p == 1) return *own_h > 0.0 ? *own_m / *own_h : 0.0;
    double *h = s->scratch;
    double *m = s->scratch + p * p;
    memcpy(h, own_h, (size_t)(p * p) * sizeof *h);
    memcpy(m, own_m, (size_t)(p * p) * sizeof *m);
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (int)p, h, (int)p) != 0) return 0.0;
    if (LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'U', (int)p, (int)p, h, (int)p, m, (int)p) !=
        0)
        return 0.0;
    double cost = 0.0;
    for (int64_t k = 0; k < p; k++)
        cost += m[k * (p + 1)];
    return cost;
}

/* to [n] += factor * sum over what is put off of rows[j][at] * others[j] */
static void add_put_off(
    const struct cop_surgeon *s,
    double factor,
    const double *rows,
    int64_t at,
    const double *others,
    double *to)
{
    int n = (int)n_rows(s);
    cblas_dgemv(
        CblasRowMajor,
        CblasTrans,
        (int)s->n_put_off,
        n,
        factor,
        others,
        n,
        rows + at,
        n,
        1.0,
        to,
        1);
}

/* The diagonal blocks after one more row, the last that was put off. */
static void update_own(struct cop_surgeon *s)
{
    int64_t p = s->per_channel;
    int64_t n = n_rows(s);
    const double *scaled = s->scaled + s->n_put_off * n;
    const double *b = s->b + s->n_put_off * n;
    const double *v = s->v + s->n_put_off * n;
    for (int64_t i = 0; i < n; i++) {
        int64_t first = i / p * p;
        for (int64_t k = 0; k < p; k++) {
            s->own_h[i * p + k] -= scaled[i] * scaled[first + k];
            s->own_m[i * p + k] += b[i] * v[first + k] + v[i] * b[first + k];
        }
    }
}

/* Brings both matrices up to date. */
static void catch_up(struct cop_surgeon *s)
{
    int n = (int)n_rows(s);
    const double *const left[] = {s->scaled, s->b, s->v};
    const double *const right[] = {s->scaled, s->v, s->b};
    for (int i = 0; i < 3; i++)
        cblas_dgemm(
            CblasRowMajor,
            CblasTrans,
            CblasNoTrans,
            n,
            n,
            (int)s->n_put_off,
            i == 0 ? -1.0 : 1.0,
            left[i],
            n,
            right[i],
            n,
            1.0,
            i == 0 ? s->h : s->m,
            n);
    s->n_put_off = 0;
}

static void remove_row(struct cop_surgeon *s, int64_t at)
{
    int64_t n = n_rows(s);
    double *h = s->row;
    double *m = s->row + n;
    if (s->n_put_off == MOST_PUT_OFF) catch_up(s);
    memcpy(h, s->h + at * n, (size_t)n * sizeof *h);
    memcpy(m, s->m + at * n, (size_t)n * sizeof *m);
    if (s->n_put_off > 0) {
        add_put_off(s, -1.0, s->scaled, at, s->scaled, h);
        add_put_off(s, 1.0, s->b, at, s->v, m);
        add_put_off(s, 1.0, s->v, at, s->b, m);
    }
    double pivot = h[at];
    double own = m[at];
    if (pivot <= 0.0) return;
    for (int64_t i = 0; i < n; i++) {
        double b = -h[i] / pivot;
        s->scaled[s->n_put_off * n + i] = h[i] / sqrt(pivot);
        s->b[s->n_put_off * n + i] = b;
        s->v[s->n_put_off * n + i] = m[i] + 0.5 * own * b;
    }
    update_own(s);
    s->n_put_off++;
}

/* Copies the blocks of channels that are still there; where the next would go. */
static double *keep(
    const struct cop_surgeon *s, const double *from, int64_t block, double *to)
{
    for (int64_t i = 0; i < s->n_places; i++) {
        if (s->place[s->channel[i]] < 0) continue;
        memmove(to, from + i * block, (size_t)block * sizeof *to);
        to += block;
    }
    return to;
}

static void keep_matrix(const struct cop_surgeon *s, double *matrix)
{
    int64_t p = s->per_channel;
    int64_t n = n_rows(s);
    double *to = matrix;
    for (int64_t r = 0; r < n; r++) {
        if (s->place[s->channel[r / p]] >= 0) to = keep(s, matrix + r * n, p, to);
    }
}

static void forget_gone(struct cop_surgeon *s)
{
    int64_t p = s->per_channel;
    keep_matrix(s, s->h);
    keep_matrix(s, s->m);
    keep(s, s->own_h, p * p, s->own_h);
    keep(s, s->own_m, p * p, s->own_m);
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n_places; i++) {
        int64_t c = s->channel[i];
        if (s->place[c] < 0) continue;
        s->place[c] = kept;
        s->channel[kept++] = c;
    }
    s->n_places = kept;
}

void cop_surgeon__remove(struct cop_surgeon *s, int64_t channel)
{
    int64_t first = s->place[channel] * s->per_channel;
    for (int64_t k = 0; k < s->per_channel; k++)
        remove_row(s, first + k);
    s->place[channel] = -1;
    if (s->n_put_off + s->per_channel <= MOST_PUT_OFF) return;
    catch_up(s);
    forget_gone(s);
}
