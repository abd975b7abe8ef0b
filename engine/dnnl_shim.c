/* engine/dnnl_shim.c - library, memory descriptors and kernels; see dnnl_shim.h.  The
 * lock is process-wide because what it guards, oneDNN's caches, is. */
#include "engine/dnnl_shim_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { PRIMITIVE_CACHE = 256 };

static pthread_mutex_t creation = PTHREAD_MUTEX_INITIALIZER;

void cop_dnnl__lock(void)
{
    (void)pthread_mutex_lock(&creation);
}

void cop_dnnl__unlock(void)
{
    (void)pthread_mutex_unlock(&creation);
}

enum cop_status cop_err_dnnl(
    struct cop_err *err, dnnl_status_t status, const char *what)
{
    switch (status) {
    case dnnl_success: return COP_OK;
    case dnnl_out_of_memory:
        return COP_FAIL(err, COP_ENOMEM, "out of memory in oneDNN %s", what);
    case dnnl_unimplemented:
        return COP_FAIL(err, COP_EUNSUPPORTED, "oneDNN has no kernel for %s", what);
    case dnnl_invalid_arguments:
        return COP_FAIL(err, COP_EENGINE, "oneDNN rejects the arguments of %s", what);
    default:
        return COP_FAIL(
            err, COP_EENGINE, "oneDNN %s failed with status %d", what, (int)status);
    }
}

/* ---- library ------------------------------------------------------------------------ */

enum cop_status cop_dnnl_create(struct cop_dnnl **dnnl, struct cop_err *err)
{
    struct cop_dnnl *fresh = cop_mem_array(1, sizeof *fresh);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    cop_dnnl__lock();
    dnnl_status_t status = dnnl_set_primitive_cache_capacity(PRIMITIVE_CACHE);
    if (status == dnnl_success)
        status = dnnl_engine_create(&fresh->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(
            &fresh->stream, fresh->engine, dnnl_stream_default_flags);
    cop_dnnl__unlock();
    *dnnl = fresh;
    if (status == dnnl_success) return COP_OK;
    cop_dnnl_destroy(fresh);
    *dnnl = NULL;
    return cop_err_dnnl(err, status, "engine");
}

void cop_dnnl_destroy(struct cop_dnnl *dnnl)
{
    if (dnnl == NULL) return;
    if (dnnl->stream != NULL) (void)dnnl_stream_destroy(dnnl->stream);
    if (dnnl->engine != NULL) (void)dnnl_engine_destroy(dnnl->engine);
    cop_mem_free(dnnl);
}

const char *cop_dnnl_isa(void)
{
    switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41: return "sse41";
    case dnnl_cpu_isa_avx: return "avx";
    case dnnl_cpu_isa_avx2: return "avx2";
    case dnnl_cpu_isa_avx2_vnni: return "avx2_vnni";
    case dnnl_cpu_isa_avx512_mic: return "avx512_mic";
    case dnnl_cpu_isa_avx512_mic_4ops: return "avx512_mic_4ops";
    case dnnl_cpu_isa_avx512_core: return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni: return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16: return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx: return "avx512_core_amx";
    case dnnl_cpu_isa_all: break;
    }
    return "unknown";
}

void cop_dnnl_version(char *text, size_t text_bytes)
{
    const dnnl_version_t *version = dnnl_version();
    (void)snprintf(
        text, text_bytes, "%d.%d.%d", version->major, version->minor, version->patch);
}

enum cop_status cop_dnnl_sgemm(
    const struct cop_sgemm *gemm,
    const float *a,
    const float *b,
    float *c,
    struct cop_err *err)
{
    dnnl_status_t status = dnnl_sgemm(
        gemm->transpose_a ? 'T' : 'N',
        gemm->transpose_b ? 'T' : 'N',
        gemm->m,
        gemm->n,
        gemm->k,
        1.0f,
        a,
        gemm->transpose_a ? gemm->m : gemm->k,
        b,
        gemm->transpose_b ? gemm->k : gemm->n,
        gemm->beta,
        c,
        gemm->n);
    return cop_err_dnnl(err, status, "sgemm");
}

/* ---- descriptors -------------------------------------------------------------------- */

/* oneDNN has no scalars: they become one axis of one element. */
static int lift(const struct cop_shape *shape, dnnl_dims_t dims)
{
    if (shape->rank == 0) {
        dims[0] = 1;
        return 1;
    }
    for (int32_t i = 0; i < shape->rank; i++)
        dims[i] = shape->dim[i];
    return shape->rank;
}

enum cop_status cop_md_create(
    struct cop_arena *arena,
    const struct cop_shape *shape,
    const int64_t *strides,
    const struct cop_md **md,
    struct cop_err *err)
{
    struct cop_md *fresh = COP_ARENA_NEW(arena, struct cop_md);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    dnnl_dims_t dims = {0};
    dnnl_dims_t steps = {0};
    int rank = lift(shape, dims);
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        steps[i] = strides != NULL && shape->rank > 0 ? strides[i] : step;
        step *= dims[i];
    }
    *md = fresh;
    return cop_err_dnnl(
        err,
        dnnl_memory_desc_init_by_strides(&fresh->v2, rank, dims, dnnl_f32, steps),
        "memory descriptor");
}

enum cop_status cop_md_channels_last(
    struct cop_arena *arena,
    const struct cop_shape *shape,
    const struct cop_md **md,
    struct cop_err *err)
{
    const int64_t *dim = shape->dim;
    const int64_t strides[4] = {dim[1] * dim[2] * dim[3], 1, dim[1] * dim[3], dim[1]};
    return cop_md_create(arena, shape, strides, md, err);
}

enum cop_status cop_md_part(
    struct cop_arena *arena,
    const struct cop_md *whole,
    int32_t axis,
    int64_t first,
    int64_t n,
    const struct cop_md **part,
    int64_t *offset,
    struct cop_err *err)
{
    struct cop_md *fresh = COP_ARENA_NEW(arena, struct cop_md);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    dnnl_dims_t dims;
    dnnl_dims_t offsets = {0};
    memcpy(dims, whole->v2.dims, sizeof dims);
    dims[axis] = n;
    offsets[axis] = first;
    dnnl_status_t status =
        dnnl_memory_desc_init_submemory(&fresh->v2, &whole->v2, dims, offsets);
    *offset = fresh->v2.offset0;
    fresh->v2.offset0 = 0;
    *part = fresh;
    return cop_err_dnnl(err, status, "memory descriptor of a part");
}

enum cop_status cop_md_any(
    struct cop_arena *arena,
    const struct cop_shape *shape,
    const struct cop_md **md,
    struct cop_err *err)
{
    struct cop_md *fresh = COP_ARENA_NEW(arena, struct cop_md);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    dnnl_dims_t dims = {0};
    int rank = lift(shape, dims);
    *md = fresh;
    return cop_err_dnnl(
        err,
        dnnl_memory_desc_init_by_tag(
            &fresh->v2, rank, dims, dnnl_f32, dnnl_format_tag_any),
        "memory descriptor");
}

enum cop_status cop_md_like(
    struct cop_arena *arena,
    const struct cop_md *like,
    const struct cop_shape *shape,
    const struct cop_md **md,
    struct cop_err *err)
{
    const dnnl_blocking_desc_t *blocking = &like->v2.format_desc.blocking;
    if (like->v2.format_kind != dnnl_blocked || blocking->inner_nblks != 0 ||
        like->v2.ndims != shape->rank)
        return cop_md_create(arena, shape, NULL, md, err);
    int64_t strides[COP_MAX_RANK] = {0};
    bool placed[COP_MAX_RANK] = {false};
    int64_t step = 1;
    /* The axis with the shortest stride first; of equal ones the last. */
    for (int32_t n = 0; n < shape->rank; n++) {
        int32_t next = -1;
        for (int32_t i = shape->rank - 1; i >= 0; i--) {
            if (placed[i]) continue;
            if (next < 0 || blocking->strides[i] < blocking->strides[next]) next = i;
        }
        placed[next] = true;
        strides[next] = step;
        step *= shape->dim[next];
    }
    return cop_md_create(arena, shape, strides, md, err);
}

struct cop_md *cop_md_copy(const struct cop_md *md)
{
    struct cop_md *copy = cop_mem_array(1, sizeof *copy);
    if (copy != NULL) *copy = *md;
    return copy;
}

void cop_md_free(struct cop_md *md)
{
    cop_mem_free(md);
}

bool cop_md_equal(const struct cop_md *a, const struct cop_md *b)
{
    return dnnl_memory_desc_equal(&a->v2, &b->v2) != 0;
}

bool cop_md_is_channels_last(const struct cop_md *md)
{
    const dnnl_blocking_desc_t *blocking = &md->v2.format_desc.blocking;
    return md->v2.ndims == 4 && md->v2.format_kind == dnnl_blocked &&
           blocking->inner_nblks == 0 &&
           (blocking->strides[1] == 1 || md->v2.dims[1] == 1);
}

int32_t cop_md_channel_block(const struct cop_md *md)
{
    const dnnl_blocking_desc_t *blocking = &md->v2.format_desc.blocking;
    bool is_blocked = md->v2.ndims == 4 && md->v2.format_kind == dnnl_blocked &&
                      blocking->inner_nblks == 1 && blocking->inner_idxs[0] == 1;
    return is_blocked ? (int32_t)blocking->inner_blks[0] : 0;
}

int64_t cop_md_stride(const struct cop_md *md, int32_t axis)
{
    return md->v2.format_desc.blocking.strides[axis];
}

bool cop_md_is_padded(const struct cop_md *md)
{
    for (int i = 0; i < md->v2.ndims; i++) {
        if (md->v2.padded_dims[i] != md->v2.dims[i]) return true;
    }
    return false;
}

bool cop_md_is_plain(const struct cop_md *md)
{
    const dnnl_memory_desc_t *v2 = &md->v2;
    if (v2->format_kind != dnnl_blocked || v2->offset0 != 0 || cop_md_is_padded(md))
        return false;
    const dnnl_blocking_desc_t *blocking = &v2->format_desc.blocking;
    if (blocking->inner_nblks > 1) return false;
    int64_t step = 1;
    for (int i = v2->ndims - 1; i >= 0; i--) {
        bool blocked = blocking->inner_nblks == 1 && blocking->inner_idxs[0] == i;
        int64_t block = blocked ? blocking->inner_blks[0] : 1;
        /* A block is dense only where all later axes have one element. */
        if (blocked && step != 1) return false;
        int64_t blocks = v2->dims[i] / block;
        if (blocks != 1 && blocking->strides[i] != step * block) return false;
        step *= v2->dims[i];
    }
    return true;
}

size_t cop_md_bytes(const struct cop_md *md)
{
    return dnnl_memory_desc_get_size(&md->v2);
}

int32_t cop_md_rank(const struct cop_md *md)
{
    return md->v2.ndims;
}

int64_t cop_md_dim(const struct cop_md *md, int32_t axis)
{
    return md->v2.dims[axis];
}

char *cop_md_layout(const struct cop_md *md, char *text, size_t text_bytes)
{
    const dnnl_blocking_desc_t *blocking = &md->v2.format_desc.blocking;
    const char *names = md->v2.ndims == 4 ? "nchw" : "abcdefghijkl";
    bool is_placed[DNNL_MAX_NDIMS] = {false};
    size_t n = 0;
    text[0] = '\0';
    if (md->v2.format_kind != dnnl_blocked) return text;
    for (int i = 0; i < md->v2.ndims && n + 1 < text_bytes; i++) {
        int next = -1; /* of equal strides the first axis */
        for (int k = 0; k < md->v2.ndims; k++) {
            if (is_placed[k]) continue;
            if (next < 0 || blocking->strides[k] > blocking->strides[next]) next = k;
        }
        bool is_blocked = false;
        for (int k = 0; k < blocking->inner_nblks; k++)
            is_blocked = is_blocked || blocking->inner_idxs[k] == next;
        is_placed[next] = true;
        text[n++] = (char)(is_blocked ? toupper(names[next]) : names[next]);
        text[n] = '\0';
    }
    for (int k = 0; k < blocking->inner_nblks && n < text_bytes; k++)
        n += (size_t)snprintf(
            text + n,
            text_bytes - n,
            "%d%c",
            (int)blocking->inner_blks[k],
            names[blocking->inner_idxs[k]]);
    return text;
}

void cop_md_offsets(const struct cop_md *md, int32_t axis, int64_t *offset)
{
    const dnnl_blocking_desc_t *blocking = &md->v2.format_desc.blocking;
    assert(md->v2.format_kind == dnnl_blocked);
    for (int64_t i = 0; i < md->v2.dims[axis]; i++) {
        int64_t rest = i;
        int64_t inner_step = 1;
        offset[i] = axis == 0 ? md->v2.offset0 : 0;
        /* The innermost block comes last. */
        for (int k = blocking->inner_nblks - 1; k >= 0; k--) {
            if (blocking->inner_idxs[k] == axis) {
                offset[i] += rest % blocking->inner_blks[k] * inner_step;
                rest /= blocking->inner_blks[k];
            }
            inner_step *= blocking->inner_blks[k];
        }
        offset[i] += rest * blocking->strides[axis];
    }
}

/* ---- kernels ------------------------------------------------------------------------- */

struct cop_kernel {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    int n_args;
    dnnl_exec_arg_t *args;
};

static void release_kernel(void *thing)
{
    struct cop_kernel *kernel = thing;
    for (int i = 0; i < kernel->n_args; i++) {
        if (kernel->args[i].memory != NULL)
            (void)dnnl_memory_destroy(kernel->args[i].memory);
    }
    if (kernel->primitive != NULL) (void)dnnl_primitive_destroy(kernel->primitive);
}

static int arg_of(int role)
{
    static const int args[] = {
        [COP_ROLE_SRC] = DNNL_ARG_SRC_0,
        [COP_ROLE_SRC_1] = DNNL_ARG_SRC_1,
        [COP_ROLE_WEIGHTS] = DNNL_ARG_WEIGHTS,
        [COP_ROLE_BIAS] = DNNL_ARG_BIAS,
        [COP_ROLE_DST] = DNNL_ARG_DST,
        [COP_ROLE_MEAN] = DNNL_ARG_MEAN,
        [COP_ROLE_VARIANCE] = DNNL_ARG_VARIANCE,
        [COP_ROLE_SCALE] = DNNL_ARG_SCALE,
        [COP_ROLE_SHIFT] = DNNL_ARG_SHIFT,
        [COP_ROLE_DIFF_SRC] = DNNL_ARG_DIFF_SRC,
        [COP_ROLE_DIFF_WEIGHTS] = DNNL_ARG_DIFF_WEIGHTS,
        [COP_ROLE_DIFF_BIAS] = DNNL_ARG_DIFF_BIAS,
        [COP_ROLE_DIFF_DST] = DNNL_ARG_DIFF_DST,
        [COP_ROLE_SCRATCHPAD] = DNNL_ARG_SCRATCHPAD,
    };
    if (role >= COP_ROLE_MANY_SRC)
        return DNNL_ARG_MULTIPLE_SRC + role - COP_ROLE_MANY_SRC;
    return args[role];
}

static dnnl_status_t bind(
    struct cop_kernel *kernel,
    const struct cop_pd_request *request,
    const struct cop_pd *pd,
    const struct cop_arg *args,
    int32_t n_args)
{
    for (int32_t i = 0; i < n_args; i++) {
        kernel->args[i].arg = arg_of(args[i].role);
        dnnl_status_t status = dnnl_memory_create(
            &kernel->args[i].memory,
            &args[i].md->v2,
            request->dnnl->engine,
            args[i].data);
        if (status != dnnl_success) return status;
        kernel->n_args = i + 1;
    }
    return dnnl_primitive_create(&kernel->primitive, pd->v2);
}

enum cop_status cop_kernel_create(
    const struct cop_pd_request *request,
    const struct cop_pd *pd,
    const struct cop_arg *args,
    int32_t n_args,
    struct cop_kernel **kernel,
    struct cop_err *err)
{
    struct cop_kernel *fresh = COP_ARENA_NEW(request->arena, struct cop_kernel);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    fresh->args = COP_ARENA_NEW_N(request->arena, n_args, dnnl_exec_arg_t);
    if (fresh->args == NULL) return COP_FAIL_NOMEM(err);
    fresh->stream = request->dnnl->stream;
    if (cop_arena_defer(request->arena, release_kernel, fresh) != COP_OK)
        return COP_FAIL_NOMEM(err);
    cop_dnnl__lock();
    dnnl_status_t status = bind(fresh, request, pd, args, n_args);
    cop_dnnl__unlock();
    *kernel = fresh;
    return cop_err_dnnl(err, status, "kernel");
}

enum cop_status cop_kernel_run(const struct cop_kernel *kernel, struct cop_err *err)
{
    dnnl_status_t status = dnnl_primitive_execute(
        kernel->primitive, kernel->stream, kernel->n_args, kernel->args);
    if (status == dnnl_success) status = dnnl_stream_wait(kernel->stream);
    return cop_err_dnnl(err, status, "execution");
}
