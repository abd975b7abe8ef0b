/* engine/emit_maps.c - the emitter's constants and views, and the primitives that map
 * elements by tables: pick, resample, select, deconvolution; see emit.h. */
#include "engine/emit.h"

#include "engine/lower.h"

#include <string.h>

static struct cop_tensor *tensor_of(
    const struct cop_emitter *emitter, struct cop_ref ref)
{
    return &emitter->program->tensors[ref.id];
}

static enum cop_status check_refs(
    const struct cop_emitter *emitter,
    const struct cop_ref *refs,
    int n,
    struct cop_err *err)
{
    for (int i = 0; i < n; i++)
        if (refs[i].id < 0 || refs[i].id >= emitter->program->n_tensors)
            return COP_FAIL(
                err, COP_EINVAL, "an operand that may not be absent is absent");
    return COP_OK;
}

static enum cop_status check_result(
    const struct cop_shape *got, const struct cop_shape *want, struct cop_err *err)
{
    char text[2][COP_SHAPE_TEXT];
    if (cop_shape_equal(got, want)) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "result is %s, expected %s",
        cop_shape_print(got, text[0], sizeof text[0]),
        cop_shape_print(want, text[1], sizeof text[1]));
}

struct cop_arena *cop_emit_arena(struct cop_emitter *emitter)
{
    return emitter->program->arena;
}

/* ---- constants and views -------------------------------------------------------------- */

static enum cop_status add_constant(
    struct cop_emitter *emitter,
    const char *name,
    const struct cop_shape *shape,
    const float *elements, /* in the program's arena */
    struct cop_ref *constant,
    struct cop_err *err)
{
    const struct cop_tensor tensor = {
        .name = name,
        .role = COP_TENSOR_CONST,
        .dtype = COP_F32,
        .shape = *shape,
        .data = elements,
    };
    return cop_program_add_tensor(emitter->program, &tensor, &constant->id, err);
}

enum cop_status cop_emit_const(
    struct cop_emitter *emitter,
    const struct cop_shape *shape,
    const float *elements,
    struct cop_ref *constant,
    struct cop_err *err)
{
    int64_t n = 0;
    COP_TRY(cop_shape_count(shape, &n, err));
    const float *const copy = cop_arena_copy(
        emitter->program->arena, elements, (size_t)n * sizeof elements[0]);
    if (copy == NULL) return COP_FAIL_NOMEM(err);
    return add_constant(emitter, "constant", shape, copy, constant, err);
}

enum cop_status cop_emit_number(
    struct cop_emitter *emitter,
    int32_t slot,
    struct cop_ref *number,
    struct cop_err *err)
{
    *number = cop_emit_src(emitter, slot);
    COP_TRY(check_refs(emitter, number, 1, err));
    const struct cop_tensor *const src = tensor_of(emitter, *number);
    if (src->role != COP_TENSOR_CONST || src->dtype == COP_F32) return COP_OK;
    const int64_t n = cop_shape_n(&src->shape);
    float *const elements = COP_ARENA_NEW_N(emitter->program->arena, n, float);
    if (elements == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++) {
        const double element = cop_element_at(src->dtype, src->data, i);
        elements[i] = (float)element;
        if ((double)elements[i] < element || (double)elements[i] > element)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "value '%s' (%s) has element %.17g, which no float32 holds",
                src->name,
                cop_dtype_name(src->dtype),
                element);
    }
    const struct cop_shape shape = src->shape;
    return add_constant(emitter, src->name, &shape, elements, number, err);
}

enum cop_status cop_emit_view(
    struct cop_emitter *emitter,
    struct cop_ref src,
    const struct cop_shape *shape,
    struct cop_ref *view,
    struct cop_err *err)
{
    COP_TRY(check_refs(emitter, &src, 1, err));
    const struct cop_tensor *const own = tensor_of(emitter, src);
    if (cop_shape_equal(&own->shape, shape)) {
        *view = src;
        return COP_OK;
    }
    int64_t n = 0;
    COP_TRY(cop_shape_count(shape, &n, err));
    if (n != cop_shape_n(&own->shape)) return check_result(&own->shape, shape, err);
    if (own->role == COP_TENSOR_CONST && !emitter->program->has_gradients) {
        struct cop_tensor constant = *own;
        constant.shape = *shape;
        constant.keep = constant.is_tap = false;
        return cop_program_add_tensor(emitter->program, &constant, &view->id, err);
    }
    COP_TRY(cop_emit_temp(emitter, shape, view, err));
    return cop_emit_reshape(emitter, src, *view, err);
}

/* ---- pick ------------------------------------------------------------------------------ */

enum cop_status cop_emit_pick(
    struct cop_emitter *emitter,
    const int64_t *const *index,
    float fill,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    const struct cop_ref both[2] = {src, dst};
    COP_TRY(check_refs(emitter, both, 2, err));
    const struct cop_shape *const in = &tensor_of(emitter, src)->shape;
    const struct cop_shape *const out = &tensor_of(emitter, dst)->shape;
    struct cop_shape want = *in;
    for (int32_t i = 0; i < in->rank && out->rank == in->rank; i++)
        if (index[i] != NULL) want.dim[i] = out->dim[i];
    COP_TRY(check_result(out, &want, err));
    struct cop_prim *prim = NULL;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_PICK, &src.id, 1, dst.id, &prim, err));
    prim->as.pick.fill = fill;
    for (int32_t i = 0; i < in->rank; i++) {
        if (index[i] == NULL) continue;
        for (int64_t k = 0; k < out->dim[i]; k++)
            if (index[i][k] < -1 || index[i][k] >= in->dim[i])
                return COP_FAIL(
                    err,
                    COP_ESHAPE,
                    "index %lld of axis %d, which has %lld elements",
                    (long long)index[i][k],
                    (int)i,
                    (long long)in->dim[i]);
        prim->as.pick.index[i] = cop_arena_copy(
            emitter->program->arena,
            index[i],
            (size_t)out->dim[i] * sizeof index[i][0]);
        if (prim->as.pick.index[i] == NULL) return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

/* ---- resample -------------------------------------------------------------------------- */

enum cop_status cop_emit_resample(
    struct cop_emitter *emitter,
    const struct cop_resample *resample,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    const struct cop_ref both[2] = {src, dst};
    COP_TRY(check_refs(emitter, both, 2, err));
    const struct cop_shape *const in = &tensor_of(emitter, src)->shape;
    const struct cop_shape *const out = &tensor_of(emitter, dst)->shape;
    const int32_t axis = resample->axis;
    if (axis < 0 || axis >= in->rank)
        return COP_FAIL(
            err, COP_EINVAL, "axis %d of a value with %d axes", axis, in->rank);
    struct cop_shape want = *in;
    want.dim[axis] = out->rank == in->rank ? out->dim[axis] : 0;
    COP_TRY(check_result(out, &want, err));
    const size_t n = (size_t)(out->dim[axis] * resample->n_taps);
    for (size_t i = 0; i < n; i++)
        if (resample->index[i] < 0 || resample->index[i] >= in->dim[axis])
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "index %lld of axis %d, which has %lld elements",
                (long long)resample->index[i],
                (int)axis,
                (long long)in->dim[axis]);
    struct cop_prim *prim = NULL;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_RESAMPLE, &src.id, 1, dst.id, &prim, err));
    struct cop_resample *const own = &prim->as.resample;
    struct cop_arena *const arena = emitter->program->arena;
    *own = *resample;
    own->index = cop_arena_copy(arena, resample->index, n * sizeof own->index[0]);
    own->weight = cop_arena_copy(arena, resample->weight, n * sizeof own->weight[0]);
    if (own->index == NULL || own->weight == NULL) return COP_FAIL_NOMEM(err);
    return COP_OK;
}

/* ---- select ----------------------------------------------------------------------------- */

enum cop_status cop_emit_select(
    struct cop_emitter *emitter,
    struct cop_ref condition,
    struct cop_ref src0,
    struct cop_ref src1,
    struct cop_ref dst,
    struct cop_err *err)
{
    const struct cop_ref all[4] = {condition, src0, src1, dst};
    COP_TRY(check_refs(emitter, all, 4, err));
    struct cop_shape want = tensor_of(emitter, condition)->shape;
    for (int i = 1; i < 3; i++) {
        const struct cop_shape so_far = want;
        COP_TRY(cop_shape_broadcast(
            &so_far, &tensor_of(emitter, all[i])->shape, &want, err));
    }
    COP_TRY(check_result(&tensor_of(emitter, dst)->shape, &want, err));
    const int32_t srcs[3] = {condition.id, src0.id, src1.id};
    struct cop_prim *prim = NULL;
    return cop_program_add_prim(
        emitter->program, COP_PRIM_SELECT, srcs, 3, dst.id, &prim, err);
}

/* ---- deconvolution ------------------------------------------------------------------------ */

static enum cop_status check_deconv(
    const struct cop_emitter *emitter,
    const struct cop_window *window,
    int64_t g,
    const struct cop_ref operands[3],
    struct cop_shape *want,
    struct cop_err *err)
{
    const struct cop_shape *const src = &tensor_of(emitter, operands[0])->shape;
    const struct cop_shape *const weights = &tensor_of(emitter, operands[1])->shape;
    if (src->rank != 4 || weights->rank != 4 || g < 1 || src->dim[1] % g != 0 ||
        weights->dim[0] != src->dim[1])
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "src has %d axes and %lld channels in %lld groups, weights have %d axes "
            "and "
            "axis 0 is %lld",
            src->rank,
            (long long)src->dim[1],
            (long long)g,
            weights->rank,
            (long long)weights->dim[0]);
    *want = (struct cop_shape){.rank = 4, .dim = {src->dim[0], weights->dim[1] * g}};
    for (int i = 0; i < 2; i++) {
        const int64_t reach = (window->kernel[i] - 1) * window->dilates[i] + 1;
        want->dim[2 + i] = (src->dim[2 + i] - 1) * window->strides[i] + reach -
                           window->pads_l[i] - window->pads_r[i];
        if (weights->dim[2 + i] != window->kernel[i] || window->pads_l[i] < 0 ||
            window->pads_r[i] <= -window->strides[i] || want->dim[2 + i] < 1)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "kernel %lld over weights of %lld, pads %lld and %lld, result %lld",
                (long long)window->kernel[i],
                (long long)weights->dim[2 + i],
                (long long)window->pads_l[i],
                (long long)window->pads_r[i],
                (long long)want->dim[2 + i]);
    }
    if (operands[2].id < 0) return COP_OK;
    const struct cop_shape per_channel = {.rank = 1, .dim = {want->dim[1]}};
    return check_result(&tensor_of(emitter, operands[2])->shape, &per_channel, err);
}

enum cop_status cop_emit_deconv(
    struct cop_emitter *emitter,
    const struct cop_window *window,
    int64_t g,
    const struct cop_ref src_weights_bias[3],
    struct cop_ref dst,
    struct cop_err *err)
{
    struct cop_shape want = {.rank = 0};
    COP_TRY(check_refs(emitter, src_weights_bias, 2, err));
    COP_TRY(check_refs(emitter, &dst, 1, err));
    COP_TRY(check_deconv(emitter, window, g, src_weights_bias, &want, err));
    COP_TRY(check_result(&tensor_of(emitter, dst)->shape, &want, err));
    const int32_t srcs[3] = {
        src_weights_bias[0].id, src_weights_bias[1].id, src_weights_bias[2].id};
    struct cop_prim *prim = NULL;
    COP_TRY(cop_program_add_prim(
        emitter->program, COP_PRIM_DECONV, srcs, 3, dst.id, &prim, err));
    prim->as.deconv.window = *window;
    prim->as.deconv.g = g;
    return COP_OK;
}
