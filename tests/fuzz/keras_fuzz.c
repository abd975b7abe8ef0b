/* tests/fuzz/keras_fuzz.c - Keras files, as HDF5.
 *
 * What the HDF5 library does with them happens in child processes; how many crashed there
 * is told at the end by the driver, as "malformed data". */
#include "fuzz.h"

#include "importers/keras_read.h"
#include "mutate.h"
#include "ops/ops.h"

#include <string.h>

static enum cop_status read_one(const uint8_t *bytes, size_t n, struct cop_err *err)
{
    struct cop_graph *graph = NULL;
    struct cop_buf *file = fuzz_copy(bytes, n);
    *err = (struct cop_err){.text = ""};
    enum cop_status status =
        cop_keras_read_bytes(file, "fuzz", &cop_ops_standard, NULL, &graph, err);
    cop_buf_release(file);
    if (status == COP_OK)
        fuzz_use_graph(graph);
    else
        fuzz_check_refusal(err);
    cop_graph_destroy(graph);
    return status;
}

/* One of the ranges that hold more than zeros: most of a small HDF5 file is padding. */
static size_t busy_place(struct cop_rng *rng, const struct pb *file)
{
    size_t at = 0;
    for (int tries = 0; tries < 16; tries++) {
        at = (size_t)cop_rng_below(rng, (int64_t)file->n);
        const size_t last = at + 8 < file->n ? at + 8 : file->n;
        for (size_t i = at; i < last; i++)
            if (file->at[i] != 0) return at;
    }
    return at;
}

/* Bits and small numbers where there is something: lengths stay right, so that the library
 * goes on. */
static void mutate_in_place(struct cop_rng *rng, struct pb *out)
{
    static const uint8_t values[] = {0, 1, 2, 3, 8, 0x10, 0x7f, 0x80, 0xfe, 0xff};
    const int64_t n = 1 + cop_rng_below(rng, 6);
    for (int64_t i = 0; i < n; i++) {
        uint8_t *byte = &out->at[busy_place(rng, out)];
        switch (cop_rng_below(rng, 3)) {
        case 0: *byte ^= (uint8_t)(1U << cop_rng_below(rng, 8)); break;
        case 1: *byte = values[cop_rng_below(rng, sizeof values)]; break;
        default: *byte = (uint8_t)(*byte + cop_rng_below(rng, 5) - 2); break;
        }
    }
}

static void mutate_file(
    struct cop_rng *rng, const struct pb *a, const struct pb *b, struct pb *out)
{
    pb_raw(out, a->at, a->n);
    if (cop_rng_below(rng, 4) == 0)
        mutate_blindly(rng, b, out);
    else
        mutate_in_place(rng, out);
}

const struct fuzz_target fuzz_keras = {
    .name = "keras", .suffix = ".h5", .one = read_one, .mutate = mutate_file};
