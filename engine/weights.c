/* engine/weights.c - the cache of packed constants; see weights.h. */
#include "engine/weights.h"

#include "base/buf.h"
#include "base/mem.h"
#include "engine/copy.h"

#include <pthread.h>
#include <string.h>

enum { SLAB_ELEMENTS = 1 << 21 }; /* 8 MiB of a source are read at a time */

struct cop_pack {
    struct cop_weights *weights;
    struct cop_pack *next;
    int64_t users;
    struct cop_buf *source; /* keeps the key alive; NULL: never found again */
    struct cop_md *md;
    bool is_transposed;
    bool is_bias;
    const char *form_kind; /* of constant text; NULL: the layout says all */
    int64_t form_parameter;
    int64_t n_affine; /* 0: none */
    double *affine;   /* [2][n_affine] scale, shift */
    float *data;
    size_t bytes;
};

struct cop_weights {
    pthread_mutex_t lock;
    struct cop_pack *first;
};

enum cop_status cop_weights_create(struct cop_weights **weights, struct cop_err *err)
{
    *weights = cop_mem_array(1, sizeof **weights);
    if (*weights == NULL) return COP_FAIL_NOMEM(err);
    if (pthread_mutex_init(&(*weights)->lock, NULL) == 0) return COP_OK;
    cop_mem_free(*weights);
    *weights = NULL;
    return COP_FAIL(err, COP_EENGINE, "cannot make a lock");
}

void cop_weights_destroy(struct cop_weights *weights)
{
    if (weights == NULL) return;
    (void)pthread_mutex_destroy(&weights->lock);
    cop_mem_free(weights);
}

int32_t cop_weights_n(struct cop_weights *weights)
{
    int32_t n = 0;
    (void)pthread_mutex_lock(&weights->lock);
    for (const struct cop_pack *pack = weights->first; pack != NULL; pack = pack->next)
        n++;
    (void)pthread_mutex_unlock(&weights->lock);
    return n;
}

size_t cop_weights_bytes(struct cop_weights *weights)
{
    size_t bytes = 0;
    (void)pthread_mutex_lock(&weights->lock);
    for (const struct cop_pack *pack = weights->first; pack != NULL; pack = pack->next)
        bytes += pack->bytes;
    (void)pthread_mutex_unlock(&weights->lock);
    return bytes;
}

float *cop_pack_data(const struct cop_pack *pack)
{
    return pack->data;
}

size_t cop_pack_bytes(const struct cop_pack *pack)
{
    return pack->bytes;
}

/* ---- finding -------------------------------------------------------------------------- */

static bool same_affine(const struct cop_pack *pack, const struct cop_affine *affine)
{
    if (affine == NULL) return pack->n_affine == 0;
    size_t bytes = (size_t)affine->n * sizeof affine->scale[0];
    return pack->n_affine == affine->n &&
           memcmp(pack->affine, affine->scale, bytes) == 0 &&
           memcmp(pack->affine + affine->n, affine->shift, bytes) == 0;
}

static bool same_form(const struct cop_pack *pack, const struct cop_pack_form *form)
{
    if (form == NULL || pack->form_kind == NULL)
        return form == NULL && pack->form_kind == NULL;
    return strcmp(pack->form_kind, form->kind) == 0 &&
           pack->form_parameter == form->parameter;
}

static struct cop_pack *find(
    const struct cop_weights *weights, const struct cop_pack_request *request)
{
    if (request->source == NULL || request->source->buf == NULL) return NULL;
    for (struct cop_pack *pack = weights->first; pack != NULL; pack = pack->next) {
        if (pack->source == request->source->buf &&
            pack->is_transposed == (request->strides != NULL) &&
            pack->is_bias == request->is_bias && same_form(pack, request->form) &&
            cop_md_equal(pack->md, request->md) && same_affine(pack, request->affine))
            return pack;
    }
    return NULL;
}

/* ---- packing -------------------------------------------------------------------------- */

static void free_pack(struct cop_pack *pack)
{
    cop_buf_release(pack->source);
    cop_md_free(pack->md);
    cop_mem_free(pack->affine);
    cop_mem_free(pack->data);
    cop_mem_free(pack);
}

static void fill_bias(const struct cop_pack_request *request, float *data)
{
    int64_t n = cop_md_dim(request->md, 0);
    for (int64_t i = 0; i < n; i++) {
        const struct cop_tensor *source = request->source;
        double x = source != NULL ? (double)cop_f32_at(source->data, i) : 0.0;
        if (request->affine != NULL)
            x = request->affine->scale[i] * x + request->affine->shift[i];
        data[i] = (float)x;
    }
}

/* Copies everything, then scales line by line: both in the tables of the layout. */
static void scale_weights(
    const struct cop_pack_request *request, const struct cop_copy *copy, float *data)
{
    int64_t index[COP_MAX_RANK + 1] = {0};
    int64_t n = 1;
    for (int32_t i = 0; i < copy->rank; i++)
        n *= copy->dim[i];
    for (int64_t k = 0; k < n; k++) {
        int64_t offset = 0;
        int64_t channel = 0;
        for (int32_t i = 0; i < copy->rank; i++)
            offset += copy->dst.axis[i][index[i]];
        for (int32_t i = 0; i < request->n_scale_axes; i++)
            channel = channel * copy->dim[i] + index[i];
        data[offset] = (float)((double)data[offset] * request->affine->scale[channel]);
        for (int32_t i = copy->rank - 1; i >= 0; i--) {
            if (++index[i] < copy->dim[i]) break;
            index[i] = 0;
        }
    }
}

static enum cop_status row_major(
    struct cop_arena *arena,
    const struct cop_pack_request *request,
    const struct cop_md **md,
    struct cop_err *err)
{
    struct cop_shape shape = {.rank = cop_md_rank(request->md)};
    for (int32_t i = 0; i < shape.rank; i++)
        shape.dim[i] = cop_md_dim(request->md, i);
    return cop_md_create(arena, &shape, request->strides, md, err);
}

void cop_weights_forget(const struct cop_tensor *source, int64_t first, int64_t n)
{
    if (source->buf == NULL) return;
    const char *begin = cop_buf_data(source->buf);
    const size_t before = (size_t)((const char *)source->data - begin);
    cop_buf_forget_part(
        source->buf, before + (size_t)first * sizeof(float), (size_t)n * sizeof(float));
}

/* The axis along which the source's lines follow one another. */
static int32_t outer_axis(const struct cop_copy *copy)
{
    int32_t outer = 0;
    for (int32_t i = 1; i < copy->rank; i++) {
        const int64_t *own = copy->src.axis[i];
        const int64_t *most = copy->src.axis[outer];
        if (copy->dim[i] > 1 &&
            (copy->dim[outer] == 1 || own[1] - own[0] > most[1] - most[0]))
            outer = i;
    }
    return outer;
}

/* Slab by slab of the source, each given back when it was read: of the largest layers there
 * would not be room for both. */
static enum cop_status copy_in_slabs(
    const struct cop_pack_request *request,
    const struct cop_copy *whole,
    float *data,
    struct cop_err *err)
{
    int32_t axis = outer_axis(whole);
    int64_t line = 1;
    for (int32_t i = 0; i < whole->rank; i++)
        line *= i != axis ? whole->dim[i] : 1;
    int64_t lines = SLAB_ELEMENTS / line + 1;
    for (int64_t first = 0; first < whole->dim[axis]; first += lines) {
        struct cop_copy slab = *whole;
        int64_t left = whole->dim[axis] - first;
        slab.dim[axis] = left < lines ? left : lines;
        slab.src.axis[axis] += first;
        slab.dst.axis[axis] += first;
        COP_TRY(cop_copy_run(&slab, request->source->data, data, err));
        if (left > lines)
            cop_weights_forget(request->source, first * line, slab.dim[axis] * line);
    }
    return COP_OK;
}

static enum cop_status fill_weights(
    const struct cop_pack_request *request, float *data, struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_md *from;
    struct cop_copy copy;
    enum cop_status status = row_major(arena, request, &from, err);
    if (status == COP_OK)
        status = cop_copy_between(arena, from, request->md, &copy, err);
    if (status == COP_OK) status = copy_in_slabs(request, &copy, data, err);
    if (status == COP_OK && request->affine != NULL)
        scale_weights(request, &copy, data);
    cop_arena_destroy(arena);
    return status;
}

static enum cop_status fill(
    const struct cop_pack_request *request, float *data, struct cop_err *err)
{
    if (request->form != NULL)
        return request->form->pack(
            request->form->context,
            request->source,
            request->affine != NULL ? request->affine->scale : NULL,
            data,
            err);
    if (!request->is_bias) return fill_weights(request, data, err);
    fill_bias(request, data);
    return COP_OK;
}

static enum cop_status copy_affine(
    struct cop_pack *pack, const struct cop_affine *affine)
{
    if (affine == NULL) return COP_OK;
    size_t n = (size_t)affine->n;
    pack->affine = cop_mem_array(2 * n, sizeof pack->affine[0]);
    if (pack->affine == NULL) return COP_ENOMEM;
    memcpy(pack->affine, affine->scale, n * sizeof pack->affine[0]);
    memcpy(pack->affine + n, affine->shift, n * sizeof pack->affine[0]);
    pack->n_affine = affine->n;
    return COP_OK;
}

static enum cop_status make(
    struct cop_weights *weights,
    const struct cop_pack_request *request,
    struct cop_pack **made,
    struct cop_err *err)
{
    struct cop_pack *pack = cop_mem_array(1, sizeof *pack);
    if (pack == NULL) return COP_FAIL_NOMEM(err);
    pack->weights = weights;
    pack->is_transposed = request->strides != NULL;
    pack->is_bias = request->is_bias;
    if (request->form != NULL) {
        pack->form_kind = request->form->kind;
        pack->form_parameter = request->form->parameter;
    }
    pack->md = cop_md_copy(request->md);
    pack->bytes = cop_md_bytes(request->md);
    pack->data = cop_mem_aligned(pack->bytes);
    if (request->source != NULL && request->source->buf != NULL)
        pack->source = cop_buf_retain(request->source->buf);
    enum cop_status status = COP_OK;
    if (pack->md == NULL || pack->data == NULL ||
        copy_affine(pack, request->affine) != COP_OK)
        status = COP_FAIL(err, COP_ENOMEM, "out of memory for packed weights");
    else
        status = fill(request, pack->data, err);
    if (status != COP_OK) {
        free_pack(pack);
        return status;
    }
    /* A model file's pages are not needed beside what was packed from them. */
    if (pack->source != NULL) cop_buf_forget(pack->source);
    pack->next = weights->first;
    weights->first = pack;
    *made = pack;
    return COP_OK;
}

enum cop_status cop_weights_pack(
    struct cop_weights *weights,
    const struct cop_pack_request *request,
    struct cop_pack **pack,
    struct cop_err *err)
{
    (void)pthread_mutex_lock(&weights->lock);
    enum cop_status status = COP_OK;
    *pack = find(weights, request);
    if (*pack == NULL) status = make(weights, request, pack, err);
    if (status == COP_OK) (*pack)->users++;
    (void)pthread_mutex_unlock(&weights->lock);
    return status;
}

void cop_pack_release(void *thing)
{
    struct cop_pack *pack = thing;
    struct cop_weights *weights = pack->weights;
    (void)pthread_mutex_lock(&weights->lock);
    bool last = --pack->users == 0;
    if (last) {
        struct cop_pack **link = &weights->first;
        while (*link != pack)
            link = &(*link)->next;
        *link = pack->next;
    }
    (void)pthread_mutex_unlock(&weights->lock);
    if (last) free_pack(pack);
}
