/* engine/peak.c - see peak.h. */
#include "engine/peak.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/peak_kernels.h"
#include "engine/simd.h"
#include "engine/streams.h"

#include <unistd.h>

/* Many short trials: on a machine with other work some of them are left in peace. */
enum { TRIALS = 40, ROUNDS = 20000, FLOATS_AT_ONCE = 1 << 18 };
static const double TRIAL_MS = 5.0;
static const int64_t LEAST_BYTES = (int64_t)64 << 20;
static const int64_t MOST_BYTES = (int64_t)1 << 30;

/* What one thread has. */
struct part {
    float *buffer;       /* [n] */
    int64_t at;          /* where the next trial begins to read */
    double rate;         /* of one trial, per millisecond */
    volatile float sink; /* what a compiler must not leave out */
};

struct measuring {
    const struct cop_peak__kernels *kernels;
    int64_t n;          /* floats per thread, a multiple of FLOATS_AT_ONCE */
    struct part *parts; /* [threads] */
};

static const struct cop_peak__kernels *choose_kernels(void)
{
    if (cop_simd_has(COP_SIMD_AVX512) && cop_peak__avx512 != NULL)
        return cop_peak__avx512;
    if (cop_simd_has(COP_SIMD_AVX2) && cop_peak__avx2 != NULL) return cop_peak__avx2;
    return cop_peak__generic;
}

/* Twice the last cache: what a pass leaves there is gone before the next comes by.  Half
 * of memory is left alone. */
static int64_t choose_bytes(int64_t cache_bytes)
{
    int64_t bytes = 2 * cache_bytes;
    int64_t memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    if (bytes < LEAST_BYTES) bytes = LEAST_BYTES;
    if (bytes > MOST_BYTES) bytes = MOST_BYTES;
    if (memory > 0 && bytes > memory / 2) bytes = memory / 2;
    return bytes;
}

/* Each thread its own part, near its processor. */
static enum cop_status make_buffer(void *context, int thread, struct cop_err *err)
{
    struct measuring *measuring = context;
    float *buffer = cop_mem_aligned((size_t)measuring->n * sizeof *buffer);
    measuring->parts[thread].buffer = buffer;
    return buffer != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status calculate(void *context, int thread, struct cop_err *err)
{
    (void)err;
    const struct measuring *measuring = context;
    const struct cop_peak__kernels *kernels = measuring->kernels;
    double begun = cop_clock_ms();
    double elapsed = 0.0;
    int64_t n = 0;
    for (; elapsed < TRIAL_MS; n++) {
        measuring->parts[thread].sink = kernels->multiply_add(ROUNDS, 0.999f, 0.001f);
        elapsed = cop_clock_ms() - begun;
    }
    measuring->parts[thread].rate = (double)(n * ROUNDS * kernels->flops) / elapsed;
    return COP_OK;
}

static enum cop_status read_buffer(void *context, int thread, struct cop_err *err)
{
    (void)err;
    struct measuring *measuring = context;
    struct part *part = &measuring->parts[thread];
    double begun = cop_clock_ms();
    double elapsed = 0.0;
    int64_t n = 0;
    /* From trial to trial through the whole buffer, so that no part is still in a cache
     * when its turn comes again. */
    for (; elapsed < TRIAL_MS; n += FLOATS_AT_ONCE) {
        part->sink = measuring->kernels->read(part->buffer + part->at, FLOATS_AT_ONCE);
        part->at = (part->at + FLOATS_AT_ONCE) % measuring->n;
        elapsed = cop_clock_ms() - begun;
    }
    part->rate = (double)(n * (int64_t)sizeof(float)) / elapsed;
    return COP_OK;
}

/* The best trial, in 1e9 per second. */
static enum cop_status best_of(
    struct cop_streams *streams,
    enum cop_status (*work)(void *context, int thread, struct cop_err *err),
    struct measuring *measuring,
    double *best,
    struct cop_err *err)
{
    for (int i = 0; i < TRIALS; i++) {
        double rate = 0.0;
        COP_TRY(cop_streams_run(streams, work, measuring, err));
        for (int k = 0; k < cop_streams_n(streams); k++)
            rate += measuring->parts[k].rate;
        if (rate / 1e6 > *best) *best = rate / 1e6;
    }
    return COP_OK;
}

enum cop_status cop_peak_measure(
    int threads, struct cop_peak *peak, struct cop_err *err)
{
    *peak = (struct cop_peak){.threads = threads};
    struct cop_streams *streams = NULL;
    const struct cop_streams_options options = {.n = threads, .threads = 1};
    COP_TRY(cop_streams_create(&options, &streams, err));
    struct measuring measuring = {
        .kernels = choose_kernels(),
        .parts = cop_mem_array((size_t)threads, sizeof *measuring.parts),
    };
    enum cop_status status = COP_OK;
    if (measuring.parts == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    long cache_bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
    peak->cache_bytes = cache_bytes > 0 ? cache_bytes : 0;
    const int64_t at_once = FLOATS_AT_ONCE * (int64_t)sizeof(float);
    int64_t n_parts = choose_bytes(peak->cache_bytes) / threads / at_once;
    measuring.n = FLOATS_AT_ONCE * (n_parts > 0 ? n_parts : 1);
    peak->buffer_bytes = measuring.n * (int64_t)sizeof(float) * threads;
    status = cop_streams_run(streams, make_buffer, &measuring, err);
    if (status == COP_OK)
        status = best_of(streams, calculate, &measuring, &peak->gflops, err);
    if (status == COP_OK)
        status = best_of(streams, read_buffer, &measuring, &peak->gb_per_s, err);
done:
    for (int i = 0; measuring.parts != NULL && i < threads; i++)
        cop_mem_free(measuring.parts[i].buffer);
    cop_mem_free(measuring.parts);
    cop_streams_destroy(streams);
    return status;
}

double cop_peak_least_ms(
    const struct cop_peak *peak, int64_t flops, int64_t bytes, bool *is_memory)
{
    double flops_ms = (double)flops / (1e6 * peak->gflops);
    double bytes_ms = (double)bytes / (1e6 * peak->gb_per_s);
    *is_memory = bytes_ms > flops_ms;
    return *is_memory ? bytes_ms : flops_ms;
}
