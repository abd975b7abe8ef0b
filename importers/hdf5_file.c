/* importers/hdf5_file.c - the parent of the process that reads HDF5; see hdf5_file.h. */
#include "importers/hdf5_file.h"

#include "base/child.h"
#include "importers/hdf5_tape.h"
#include "importers/wire.h"

/* Time and memory of the child grow with the file.  A thousand small tensors take a tenth of
 * a second and more than a quarter of a MiB; what the library decodes is at most eight times
 * what is there. */
enum { LEAST_BYTES = 64 << 20, MAX_GROWTH = 8 };

static int max_ms(size_t bytes)
{
    enum { LEAST = 250, MOST_FOR_SMALL = 10000 };
    const size_t small = bytes >> 10; /* 1 s each MiB */
    const size_t large = bytes >> 14; /* 1 s each 16 MiB */
    return LEAST + (int)(small < MOST_FOR_SMALL ? small : MOST_FOR_SMALL + large);
}

bool cop_importers__h5_is(const void *bytes, size_t n)
{
    return n >= 8 && memcmp(bytes, "\211HDF\r\n\032\n", 8) == 0;
}

/* ---- the tape ------------------------------------------------------------------------------- */

struct cursor {
    struct cop_buf *tape;
    struct cop_buf *file;
    struct cop_arena *arena;
    size_t at;
};

static enum cop_status bad_tape(struct cop_err *err)
{
    return COP_FAIL(err, COP_EFORMAT, "the HDF5 library told nonsense");
}

static const char *tape_bytes(struct cursor *cursor, size_t n)
{
    const char *bytes = cop_buf_data(cursor->tape);
    if (n > cop_buf_bytes(cursor->tape) - cursor->at) return NULL;
    cursor->at += n;
    return bytes + cursor->at - n;
}

static enum cop_status take_number(
    struct cursor *cursor, uint64_t most, uint64_t *number, struct cop_err *err)
{
    const char *bytes = tape_bytes(cursor, sizeof *number);
    if (bytes == NULL) return bad_tape(err);
    memcpy(number, bytes, sizeof *number);
    return *number <= most ? COP_OK : bad_tape(err);
}

static enum cop_status take_text(
    struct cursor *cursor, const char **text, struct cop_err *err)
{
    uint64_t n = 0;
    COP_TRY(take_number(cursor, SIZE_MAX / 2, &n, err));
    *text = tape_bytes(cursor, (size_t)n + 1);
    if (*text == NULL || (*text)[n] != '\0') return bad_tape(err);
    const struct cop_importers__span span = {
        .at = (const uint8_t *)*text, .n = (size_t)n};
    if (!cop_importers__is_text(span))
        return COP_FAIL(
            err, COP_EFORMAT, "a text of %zu bytes is not UTF-8", (size_t)n);
    *text = cop_arena_strdup(cursor->arena, *text);
    return *text != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* ---- tensors -------------------------------------------------------------------------------- */

static enum cop_status take_shape(
    struct cursor *cursor, struct cop_shape *shape, struct cop_err *err)
{
    uint64_t rank = 0;
    COP_TRY(take_number(cursor, 32, &rank, err));
    if (rank > COP_MAX_RANK)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "has %d axes, at most %d are supported",
            (int)rank,
            COP_MAX_RANK);
    shape->rank = (int32_t)rank;
    for (int32_t i = 0; i < shape->rank; i++) {
        uint64_t dim = 0;
        COP_TRY(take_number(cursor, INT64_MAX, &dim, err));
        shape->dim[i] = (int64_t)dim;
    }
    return COP_OK;
}

static enum cop_status take_data(
    struct cursor *cursor,
    enum cop_importers__tape_kind kind,
    struct cop_importers__h5_tensor *tensor,
    struct cop_err *err)
{
    int64_t n = 0;
    uint64_t where = 0;
    COP_TRY(cop_shape_count(&tensor->shape, &n, err));
    const size_t bytes = (size_t)n * sizeof(float);
    COP_TRY(take_number(cursor, SIZE_MAX / 2, &where, err));
    struct cop_buf *whole = cursor->file;
    if (kind == COP_TAPE_HERE) {
        if (where != bytes) return bad_tape(err);
        whole = cursor->tape;
        where = cursor->at;
        if (tape_bytes(cursor, bytes) == NULL) return bad_tape(err);
    }
    if (cop_buf_view(whole, (size_t)where, bytes, &tensor->data, err) != COP_OK)
        return bad_tape(err);
    if (cop_arena_defer(cursor->arena, cop_buf_release_any, tensor->data) == COP_OK)
        return COP_OK;
    return COP_FAIL_NOMEM(err);
}

static enum cop_status take_tensor(
    struct cursor *cursor, struct cop_importers__h5_tensor *tensor, struct cop_err *err)
{
    uint64_t kind = 0;
    COP_TRY(take_text(cursor, &tensor->name, err));
    COP_TRY(take_number(cursor, COP_TAPE_HERE, &kind, err));
    enum cop_status status = take_shape(cursor, &tensor->shape, err);
    if (status == COP_OK && kind != COP_TAPE_OTHER)
        status = take_data(cursor, (enum cop_importers__tape_kind)kind, tensor, err);
    if (status != COP_OK) cop_err_in(err, "tensor '%s'", tensor->name);
    return status;
}

static enum cop_status take_layer(
    struct cursor *cursor, struct cop_importers__h5_layer *layer, struct cop_err *err)
{
    uint64_t n = 0;
    COP_TRY(take_text(cursor, &layer->name, err));
    COP_TRY(take_number(cursor, COP_TAPE_TENSORS, &n, err));
    layer->n = (int32_t)n;
    layer->tensors = COP_ARENA_NEW_N(cursor->arena, n, struct cop_importers__h5_tensor);
    if (layer->tensors == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < layer->n; i++) {
        enum cop_status status = take_tensor(cursor, &layer->tensors[i], err);
        if (status == COP_OK) continue;
        cop_err_in(err, "layer '%s'", layer->name);
        return status;
    }
    return COP_OK;
}

static enum cop_status take_all(
    struct cursor *cursor, struct cop_importers__h5 *h5, struct cop_err *err)
{
    uint64_t n = 0;
    COP_TRY(take_text(cursor, &h5->config, err));
    COP_TRY(take_text(cursor, &h5->version, err));
    COP_TRY(take_text(cursor, &h5->backend, err));
    COP_TRY(take_number(cursor, COP_TAPE_LAYERS, &n, err));
    h5->n = (int32_t)n;
    h5->layers = COP_ARENA_NEW_N(cursor->arena, n, struct cop_importers__h5_layer);
    if (h5->layers == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < h5->n; i++)
        COP_TRY(take_layer(cursor, &h5->layers[i], err));
    COP_TRY(take_number(cursor, COP_TAPE_TENSORS, &n, err));
    h5->n_half = (int64_t)n;
    COP_TRY(take_number(cursor, COP_TAPE_TENSORS, &n, err));
    h5->n_double = (int64_t)n;
    return COP_OK;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum cop_status scan(
    void *context, void *result, size_t cap, size_t *n, struct cop_err *err)
{
    struct cop_importers__tape tape = {.at = result, .cap = cap};
    COP_TRY(cop_importers__h5_scan(context, &tape, err));
    *n = tape.n;
    return COP_OK;
}

enum cop_status cop_importers__h5_read(
    struct cop_buf *file,
    struct cop_arena *arena,
    struct cop_importers__h5 *h5,
    struct cop_err *err)
{
    const size_t bytes = cop_buf_bytes(file);
    const size_t most = LEAST_BYTES + MAX_GROWTH * bytes;
    const struct cop_child_job job = {
        .name = "the HDF5 library",
        .body = scan,
        .context = file,
        .max_result_bytes = most,
        .max_memory_bytes = most,
        .max_ms = max_ms(bytes),
    };
    struct cop_buf *tape = NULL;
    COP_TRY(cop_child_run(&job, &tape, err));
    h5->bytes = bytes;
    struct cursor cursor = {.tape = tape, .file = file, .arena = arena};
    const enum cop_status status = take_all(&cursor, h5, err);
    cop_buf_release(tape);
    return status;
}
