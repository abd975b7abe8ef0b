/* engine/build_own_conv.c - steps of convolutions that our own loops compute: Winograd's
 * algorithm (winograd.h) and the direct form with any strides (direct.h). */
#include "base/par.h"
#include "engine/conv_method.h"
#include "engine/depthwise.h"
#include "engine/direct.h"
#include "engine/winograd.h"

#include <math.h>
#include <string.h>

/* ---- layouts ------------------------------------------------------------------------------- */

/* The instruction set that oneDNN may use, so that one switch holds for both. */
static enum cop_simd simd(void)
{
    const char *name = cop_dnnl_isa();
    if (strncmp(name, "avx512", 6) == 0 && cop_simd_has(COP_SIMD_AVX512))
        return COP_SIMD_AVX512;
    if (strncmp(name, "avx2", 4) == 0 && cop_simd_has(COP_SIMD_AVX2))
        return COP_SIMD_AVX2;
    return COP_SIMD_GENERIC;
}

static enum cop_winograd_isa winograd_isa(void)
{
    static const enum cop_winograd_isa isas[] = {
        [COP_SIMD_GENERIC] = COP_WINOGRAD_GENERIC,
        [COP_SIMD_AVX2] = COP_WINOGRAD_AVX2,
        [COP_SIMD_AVX512] = COP_WINOGRAD_AVX512,
    };
    return isas[simd()];
}

bool cop_plan__winograd_strides(
    const struct cop_md *md, struct cop_winograd_strides *strides)
{
    int32_t block = cop_winograd_block(winograd_isa());
    if (!cop_md_is_channels_last(md) && cop_md_channel_block(md) != block) return false;
    *strides = (struct cop_winograd_strides){
        .image = cop_md_stride(md, 0),
        .channel_block = cop_md_is_channels_last(md) ? block : cop_md_stride(md, 1),
        .row = cop_md_stride(md, 2),
        .pixel = cop_md_stride(md, 3),
    };
    return true;
}

static struct cop_direct_strides direct_strides(const struct cop_md *md)
{
    return (struct cop_direct_strides){
        .image = cop_md_stride(md, 0),
        .row = cop_md_stride(md, 2),
        .pixel = cop_md_stride(md, 3),
    };
}

/* ---- activation ---------------------------------------------------------------------------- */

static struct cop_activation activation_of(const struct cop_prim *prim)
{
    struct cop_activation none = {.kind = COP_ACTIVATION_LINEAR};
    if (prim->n_posts == 0) return none;
    const struct cop_post *post = &prim->posts[prim->n_posts - 1];
    if (post->kind != COP_POST_ELTWISE) return none;
    if (post->alg == COP_ELTWISE_CLIP)
        return (struct cop_activation){
            .kind = COP_ACTIVATION_CLIP, .low = post->alpha, .high = post->beta};
    if (post->alpha == 0.0f)
        return (struct cop_activation){
            .kind = COP_ACTIVATION_CLIP, .low = 0.0f, .high = INFINITY};
    return (struct cop_activation){.kind = COP_ACTIVATION_LEAKY, .slope = post->alpha};
}

static struct cop_winograd_activation winograd_activation(const struct cop_prim *prim)
{
    const struct cop_activation own = activation_of(prim);
    struct cop_winograd_activation same = {
        .kind = COP_WINOGRAD_LINEAR,
        .low = own.low,
        .high = own.high,
        .slope = own.slope};
    if (own.kind == COP_ACTIVATION_CLIP) same.kind = COP_WINOGRAD_CLIP;
    if (own.kind == COP_ACTIVATION_LEAKY) same.kind = COP_WINOGRAD_LEAKY;
    return same;
}

/* ---- running ------------------------------------------------------------------------------- */

struct own_step {
    struct cop_winograd *winograd; /* or */
    struct cop_direct *direct;
    struct cop_depthwise *depthwise;
    int32_t bias; /* among the arguments; -1: none */
    int32_t add;
};

static const float *data_of(
    const struct cop_plan *plan, const struct cop_step *step, int32_t arg)
{
    return arg >= 0 ? plan->arrays[step->args[arg].array].data : NULL;
}

static enum cop_status run_winograd(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    const struct own_step *own = step->loop_data;
    const struct cop_winograd_args run = {
        .src = data_of(plan, step, 0),
        .packed = data_of(plan, step, 1),
        .bias = data_of(plan, step, own->bias),
        .add = data_of(plan, step, own->add),
        .dst = plan->arrays[step->args[step->n_args - 1].array].data,
        .workspace = plan->scratchpad,
    };
    return cop_winograd_run(own->winograd, &run, err);
}

static enum cop_status run_direct(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    const struct own_step *own = step->loop_data;
    const struct cop_direct_args run = {
        .src = data_of(plan, step, 0),
        .packed = data_of(plan, step, 1),
        .bias = data_of(plan, step, own->bias),
        .add = data_of(plan, step, own->add),
        .dst = plan->arrays[step->args[step->n_args - 1].array].data,
    };
    return cop_direct_run(own->direct, &run, err);
}

static enum cop_status run_depthwise(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    const struct own_step *own = step->loop_data;
    const struct cop_depthwise_args run = {
        .src = data_of(plan, step, 0),
        .packed = data_of(plan, step, 1),
        .bias = data_of(plan, step, own->bias),
        .dst = plan->arrays[step->args[step->n_args - 1].array].data,
    };
    return cop_depthwise_run(own->depthwise, &run, err);
}

/* ---- kernels ------------------------------------------------------------------------------- */

static enum cop_status create_winograd(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    int32_t m,
    const struct cop_md *dst_md,
    struct cop_winograd **winograd,
    struct cop_err *err)
{
    const struct cop_window *window = &conv->prim->as.conv.window;
    struct cop_winograd_desc desc = {
        .isa = winograd_isa(),
        .m = m,
        .threads = plan->threads,
        .mb = conv->src->dim[0],
        .ic = conv->src->dim[1],
        .oc = conv->dst->dim[1],
        .ih = conv->src->dim[2],
        .iw = conv->src->dim[3],
        .pads_l = {window->pads_l[0], window->pads_l[1]},
        .pads_r = {window->pads_r[0], window->pads_r[1]},
        .pads_channels = cop_md_is_padded(conv->dst_md),
        .activation = winograd_activation(conv->prim),
    };
    (void)cop_plan__winograd_strides(conv->src_md, &desc.src);
    (void)cop_plan__winograd_strides(dst_md, &desc.dst);
    return cop_winograd_create(plan->arena, &desc, winograd, err);
}

static enum cop_status create_direct(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    const struct cop_md *dst_md,
    const struct cop_md *add_md,
    struct cop_direct **direct,
    struct cop_err *err)
{
    const struct cop_window *window = &conv->prim->as.conv.window;
    struct cop_direct_desc desc = {
        .simd = simd(),
        .threads = plan->threads,
        .mb = conv->src->dim[0],
        .ic = conv->src->dim[1],
        .oc = conv->dst->dim[1],
        .ih = conv->src->dim[2],
        .iw = conv->src->dim[3],
        .kernel = {window->kernel[0], window->kernel[1]},
        .strides = {window->strides[0], window->strides[1]},
        .dilations = {window->dilates[0], window->dilates[1]},
        .src = direct_strides(conv->src_md),
        .dst = direct_strides(dst_md),
        .activation = activation_of(conv->prim),
    };
    if (add_md != NULL) desc.add = direct_strides(add_md);
    return cop_direct_create(plan->arena, &desc, direct, err);
}

static enum cop_status create_depthwise(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    const struct cop_md *dst_md,
    struct cop_depthwise **depthwise,
    struct cop_err *err)
{
    const struct cop_window *window = &conv->prim->as.conv.window;
    const struct cop_depthwise_desc desc = {
        .simd = simd(),
        .threads = plan->threads,
        .mb = conv->src->dim[0],
        .c = conv->src->dim[1],
        .ih = conv->src->dim[2],
        .iw = conv->src->dim[3],
        .kernel = {window->kernel[0], window->kernel[1]},
        .strides = {window->strides[0], window->strides[1]},
        .pads_l = {window->pads_l[0], window->pads_l[1]},
        .pads_r = {window->pads_r[0], window->pads_r[1]},
        .src = direct_strides(conv->src_md),
        .dst = direct_strides(dst_md),
        .has_relu = conv->prim->as.conv.has_relu,
        .activation = activation_of(conv->prim),
    };
    return cop_depthwise_create(plan->arena, &desc, depthwise, err);
}

static enum cop_status pack_depthwise(
    const void *context,
    const struct cop_tensor *source,
    const double *scale,
    float *packed,
    struct cop_err *err)
{
    (void)err;
    cop_depthwise_pack(context, source->data, scale, packed);
    return COP_OK;
}

static enum cop_status pack_winograd(
    const void *context,
    const struct cop_tensor *source,
    const double *scale,
    float *packed,
    struct cop_err *err)
{
    return cop_winograd_pack(context, source->data, scale, packed, err);
}

struct direct_packing {
    const struct cop_direct *direct;
    const struct cop_tensor *source;
    const double *scale;
    float *packed;
};

/* A panel's lines follow one another in the source, and nobody else reads them. */
static enum cop_status pack_panel(void *context, int64_t panel, struct cop_err *err)
{
    (void)err;
    const struct direct_packing *p = context;
    const int64_t oc = p->source->shape.dim[0];
    const int64_t line = cop_shape_n(&p->source->shape) / oc;
    const int64_t first = cop_direct_panel_channel(p->direct, panel);
    const int64_t end = cop_direct_panel_channel(p->direct, panel + 1);
    cop_direct_pack_panel(p->direct, panel, p->source->data, p->scale, p->packed);
    cop_weights_forget(p->source, first * line, ((end < oc ? end : oc) - first) * line);
    return COP_OK;
}

static enum cop_status pack_direct(
    const void *context,
    const struct cop_tensor *source,
    const double *scale,
    float *packed,
    struct cop_err *err)
{
    struct direct_packing packing = {
        .direct = context, .source = source, .scale = scale, .packed = packed};
    return cop_par_for(cop_direct_weights_form(context), pack_panel, &packing, err);
}

static enum cop_status packed_array(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_pack_form *form,
    int32_t *array,
    struct cop_err *err)
{
    struct cop_pack_request request = {
        .source = &plan->program->tensors[prim->srcs[1]],
        .affine = prim->affine,
        .form = form,
    };
    const struct cop_shape floats = {
        .rank = 1, .dim = {(int64_t)(form->bytes / sizeof(float))}};
    COP_TRY(cop_md_create(plan->arena, &floats, NULL, &request.md, err));
    return cop_plan__packed(plan, &request, array, err);
}

/* ---- building ------------------------------------------------------------------------------ */

/* The result's array, and the summand's (-1: none).  A summand that dies gives its place.
 * Winograd wants both in one layout: a summand is copied first to where its sum belongs
 * in a concat. */
static enum cop_status result_and_summand(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    bool one_layout,
    int32_t position,
    int32_t *dst,
    int32_t *add,
    struct cop_err *err)
{
    const struct cop_prim *prim = conv->prim;
    *add = -1;
    if (prim->n_posts > 0 && prim->posts[0].kind == COP_POST_SUM)
        COP_TRY(
            cop_plan__array_as(plan, prim->posts[0].tensor, conv->dst_md, add, err));
    if (cop_md_is_channels_last(conv->dst_md) && cop_plan__has_slot(plan, prim->dst)) {
        COP_TRY(cop_plan__channels_last_array(plan, prim->dst, dst, err));
        if (*add < 0 || !one_layout) return COP_OK;
        COP_TRY(cop_plan__build_reorder(plan, *add, *dst, err));
        *add = *dst;
        return COP_OK;
    }
    bool in_place = *add >= 0 && cop_plan__dies(plan, *add, position);
    return cop_plan__new_array(
        plan,
        prim->dst,
        conv->dst_md,
        in_place ? plan->arrays[*add].storage : -1,
        dst,
        err);
}

/* The kernel and its packed weights. */
static enum cop_status build_kernel(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    enum cop_conv_method method,
    const struct cop_md *dst_md,
    const struct cop_md *add_md,
    struct own_step *own,
    int32_t *packed,
    struct cop_err *err)
{
    if (method == COP_CONV_DIRECT) {
        COP_TRY(create_direct(plan, conv, dst_md, add_md, &own->direct, err));
        const struct cop_pack_form form = {
            .kind = "direct",
            .parameter = cop_direct_weights_form(own->direct),
            .bytes = cop_direct_weights_bytes(own->direct),
            .pack = pack_direct,
            .context = own->direct,
        };
        return packed_array(plan, conv->prim, &form, packed, err);
    }
    if (method == COP_CONV_DEPTHWISE) {
        COP_TRY(create_depthwise(plan, conv, dst_md, &own->depthwise, err));
        const struct cop_pack_form form = {
            .kind = "depthwise",
            .bytes = cop_depthwise_weights_bytes(own->depthwise),
            .pack = pack_depthwise,
            .context = own->depthwise,
        };
        return packed_array(plan, conv->prim, &form, packed, err);
    }
    int32_t m = method == COP_CONV_WINOGRAD_2 ? 2 : 4;
    COP_TRY(create_winograd(plan, conv, m, dst_md, &own->winograd, err));
    const struct cop_pack_form form = {
        .kind = "winograd",
        .parameter = m,
        .bytes = cop_winograd_weights_bytes(own->winograd),
        .pack = pack_winograd,
        .context = own->winograd,
    };
    return packed_array(plan, conv->prim, &form, packed, err);
}

static enum cop_status build_step(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    enum cop_conv_method method,
    const struct own_step *own,
    const struct cop_step_arg *args,
    int32_t n,
    struct cop_err *err)
{
    static const char *const impls[COP_CONV_N_METHODS] = {
        [COP_CONV_WINOGRAD_2] = "winograd 2x2",
        [COP_CONV_WINOGRAD_4] = "winograd 4x4",
        [COP_CONV_DIRECT] = "direct",
        [COP_CONV_DEPTHWISE] = "depthwise",
    };
    static cop_loop_fn *const loops[COP_CONV_N_METHODS] = {
        [COP_CONV_WINOGRAD_2] = run_winograd,
        [COP_CONV_WINOGRAD_4] = run_winograd,
        [COP_CONV_DIRECT] = run_direct,
        [COP_CONV_DEPTHWISE] = run_depthwise,
    };
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, conv->prim, args, n, &step, err));
    step->loop = loops[method];
    step->loop_data = own;
    step->impl = impls[method];
    if (own->winograd != NULL)
        step->scratchpad_bytes = cop_winograd_workspace_bytes(own->winograd);
    return COP_OK;
}

enum cop_status cop_plan__build_own_conv(
    struct cop_plan *plan,
    const struct cop_conv_case *given,
    enum cop_conv_method method,
    int32_t position,
    struct cop_err *err)
{
    struct own_step *own = COP_ARENA_NEW(plan->arena, struct own_step);
    if (own == NULL) return COP_FAIL_NOMEM(err);
    struct cop_step_arg args[5] = {{COP_ROLE_SRC, -1}, {COP_ROLE_WEIGHTS, -1}};
    int32_t n = 2;
    int32_t dst;
    int32_t add;
    struct cop_conv_case channels_last = *given;
    const struct cop_conv_case *conv = given;
    if (method == COP_CONV_DEPTHWISE) { /* with has_relu whatever oneDNN would like */
        conv = &channels_last;
        COP_TRY(
            cop_md_channels_last(plan->arena, given->src, &channels_last.src_md, err));
        COP_TRY(
            cop_md_channels_last(plan->arena, given->dst, &channels_last.dst_md, err));
    }
    COP_TRY(cop_plan__array_as(
        plan, conv->prim->srcs[0], conv->src_md, &args[0].array, err));
    COP_TRY(result_and_summand(
        plan, conv, method != COP_CONV_DIRECT, position, &dst, &add, err));
    COP_TRY(build_kernel(
        plan,
        conv,
        method,
        cop_plan__md(plan, dst),
        add >= 0 ? cop_plan__md(plan, add) : NULL,
        own,
        &args[1].array,
        err));
    own->bias = cop_plan__has_bias(conv->prim) ? n : -1;
    if (own->bias >= 0) {
        const struct cop_md *md;
        args[n].role = COP_ROLE_BIAS;
        COP_TRY(cop_plan__bias_md(plan, conv->dst->dim[1], &md, err));
        COP_TRY(cop_plan__bias_array(plan, conv->prim, md, &args[n++].array, err));
    }
    own->add = add >= 0 ? n : -1;
    if (add >= 0) args[n++] = (struct cop_step_arg){COP_ROLE_SRC_1, add};
    args[n++] = (struct cop_step_arg){COP_ROLE_DST, dst};
    return build_step(plan, conv, method, own, args, n, err);
}

/* ---- products of few rows ------------------------------------------------------------------ */

enum { FEW_ROWS = 2 };

bool cop_plan__prefers_few_rows(
    const struct cop_plan *plan, const struct cop_prim *prim, int64_t m)
{
    return !plan->is_plain && m <= FEW_ROWS && prim->as.matmul.transpose_weights &&
           simd() != COP_SIMD_GENERIC && cop_conv_has_simple_posts(prim);
}

enum cop_status cop_plan__build_few_rows(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_shape *rows, /* [m][k] */
    int32_t src,
    int32_t dst,
    struct cop_err *err)
{
    int64_t n = cop_plan__shape(plan, prim->srcs[1])->dim[0];
    const struct cop_direct_desc desc = {
        .simd = simd(),
        .threads = plan->threads,
        .mb = rows->dim[0],
        .ic = rows->dim[1],
        .oc = n,
        .ih = 1,
        .iw = 1,
        .kernel = {1, 1},
        .strides = {1, 1},
        .dilations = {1, 1},
        .src = cop_direct_nhwc(rows->dim[1], 1, 1),
        .dst = cop_direct_nhwc(n, 1, 1),
        .activation = activation_of(prim),
    };
    struct own_step *own = COP_ARENA_NEW(plan->arena, struct own_step);
    if (own == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_direct_create(plan->arena, &desc, &own->direct, err));
    const struct cop_pack_form form = {
        .kind = "direct",
        .parameter = cop_direct_weights_form(own->direct),
        .bytes = cop_direct_weights_bytes(own->direct),
        .pack = pack_direct,
        .context = own->direct,
    };
    struct cop_step_arg args[4] = {{COP_ROLE_SRC, src}, {COP_ROLE_WEIGHTS, -1}};
    int32_t n_args = 2;
    COP_TRY(packed_array(plan, prim, &form, &args[1].array, err));
    own->add = -1;
    own->bias = cop_plan__has_bias(prim) ? n_args : -1;
    if (own->bias >= 0) {
        const struct cop_md *md;
        args[n_args].role = COP_ROLE_BIAS;
        COP_TRY(cop_plan__bias_md(plan, n, &md, err));
        COP_TRY(cop_plan__bias_array(plan, prim, md, &args[n_args++].array, err));
    }
    args[n_args++] = (struct cop_step_arg){COP_ROLE_DST, dst};
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, n_args, &step, err));
    step->kind = "inner product";
    step->impl = "direct";
    step->loop = run_direct;
    step->loop_data = own;
    return COP_OK;
}
