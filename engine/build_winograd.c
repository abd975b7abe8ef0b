/* engine/build_winograd.c - the step of a convolution that Winograd's algorithm computes. */
#include "engine/conv_method.h"
#include "engine/winograd.h"

#include <math.h>
#include <string.h>

/* ---- layouts ------------------------------------------------------------------------------- */

static enum cop_winograd_isa isa(void)
{
    const char *name = cop_dnnl_isa();
    if (strncmp(name, "avx512", 6) == 0 && cop_winograd_has(COP_WINOGRAD_AVX512))
        return COP_WINOGRAD_AVX512;
    if (strncmp(name, "avx2", 4) == 0 && cop_winograd_has(COP_WINOGRAD_AVX2))
        return COP_WINOGRAD_AVX2;
    return COP_WINOGRAD_GENERIC;
}

bool cop_plan__winograd_strides(
    const struct cop_md *md, struct cop_winograd_strides *strides)
{
    int32_t block = cop_winograd_block(isa());
    if (!cop_md_is_channels_last(md) && cop_md_channel_block(md) != block) return false;
    *strides = (struct cop_winograd_strides){
        .image = cop_md_stride(md, 0),
        .channel_block = cop_md_is_channels_last(md) ? block : cop_md_stride(md, 1),
        .row = cop_md_stride(md, 2),
        .pixel = cop_md_stride(md, 3),
    };
    return true;
}

static struct cop_winograd_activation activation_of(const struct cop_prim *prim)
{
    struct cop_winograd_activation none = {.kind = COP_WINOGRAD_LINEAR};
    if (prim->n_posts == 0) return none;
    const struct cop_post *post = &prim->posts[prim->n_posts - 1];
    if (post->kind != COP_POST_ELTWISE) return none;
    if (post->alg == COP_ELTWISE_CLIP)
        return (struct cop_winograd_activation){
            .kind = COP_WINOGRAD_CLIP, .low = post->alpha, .high = post->beta};
    if (post->alpha == 0.0f)
        return (struct cop_winograd_activation){
            .kind = COP_WINOGRAD_CLIP, .low = 0.0f, .high = INFINITY};
    return (struct cop_winograd_activation){
        .kind = COP_WINOGRAD_LEAKY, .slope = post->alpha};
}

/* ---- running ------------------------------------------------------------------------------- */

struct winograd_step {
    const struct cop_winograd *winograd;
    int32_t bias; /* among the arguments; -1: none */
    int32_t add;
};

static enum cop_status run_winograd(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    const struct winograd_step *own = step->loop_data;
    const struct cop_array *arrays = plan->arrays;
    const struct cop_step_arg *args = step->args;
    const struct cop_winograd_args run = {
        .src = arrays[args[0].array].data,
        .packed = arrays[args[1].array].data,
        .bias = own->bias >= 0 ? arrays[args[own->bias].array].data : NULL,
        .add = own->add >= 0 ? arrays[args[own->add].array].data : NULL,
        .dst = arrays[args[step->n_args - 1].array].data,
        .workspace = plan->scratchpad,
    };
    return cop_winograd_run(own->winograd, &run, err);
}

/* ---- building ------------------------------------------------------------------------------ */

static enum cop_status pack(
    const void *context,
    const void *elements,
    const double *scale,
    float *packed,
    struct cop_err *err)
{
    return cop_winograd_pack(context, elements, scale, packed, err);
}

static enum cop_status packed_array(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_winograd *winograd,
    int32_t m,
    int32_t *array,
    struct cop_err *err)
{
    const struct cop_pack_form form = {
        .kind = "winograd",
        .parameter = m,
        .bytes = cop_winograd_weights_bytes(winograd),
        .pack = pack,
        .context = winograd,
    };
    struct cop_pack_request request = {
        .source = &plan->program->tensors[prim->srcs[1]],
        .affine = prim->affine,
        .form = &form,
    };
    const struct cop_shape floats = {
        .rank = 1, .dim = {(int64_t)(form.bytes / sizeof(float))}};
    COP_TRY(cop_md_create(plan->arena, &floats, NULL, &request.md, err));
    return cop_plan__packed(plan, &request, array, err);
}

/* The result's array, and the summand's in the same layout (-1: none).  A summand that
 * dies gives its place; one whose sum belongs into a concat is copied there first. */
static enum cop_status result_and_summand(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    int32_t position,
    int32_t *dst,
    int32_t *add,
    struct cop_err *err)
{
    const struct cop_prim *prim = conv->prim;
    bool has_slot =
        cop_md_is_channels_last(conv->dst_md) && cop_plan__has_slot(plan, prim->dst);
    *add = -1;
    if (prim->n_posts > 0 && prim->posts[0].kind == COP_POST_SUM)
        COP_TRY(
            cop_plan__array_as(plan, prim->posts[0].tensor, conv->dst_md, add, err));
    if (has_slot) {
        COP_TRY(cop_plan__channels_last_array(plan, prim->dst, dst, err));
        if (*add < 0) return COP_OK;
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

static enum cop_status create_winograd(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    int32_t m,
    int32_t dst,
    struct cop_winograd **winograd,
    struct cop_err *err)
{
    const struct cop_window *window = &conv->prim->as.conv.window;
    struct cop_winograd_desc desc = {
        .isa = isa(),
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
        .activation = activation_of(conv->prim),
    };
    (void)cop_plan__winograd_strides(conv->src_md, &desc.src);
    (void)cop_plan__winograd_strides(cop_plan__md(plan, dst), &desc.dst);
    return cop_winograd_create(plan->arena, &desc, winograd, err);
}

enum cop_status cop_plan__build_winograd(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    enum cop_conv_method method,
    int32_t position,
    struct cop_err *err)
{
    int32_t m = method == COP_CONV_WINOGRAD_2 ? 2 : 4;
    struct winograd_step *own = COP_ARENA_NEW(plan->arena, struct winograd_step);
    if (own == NULL) return COP_FAIL_NOMEM(err);
    struct cop_step_arg args[5] = {{COP_ROLE_SRC, -1}, {COP_ROLE_WEIGHTS, -1}};
    int32_t n = 2;
    int32_t dst;
    int32_t add;
    struct cop_winograd *winograd;
    COP_TRY(cop_plan__array_as(
        plan, conv->prim->srcs[0], conv->src_md, &args[0].array, err));
    COP_TRY(result_and_summand(plan, conv, position, &dst, &add, err));
    COP_TRY(create_winograd(plan, conv, m, dst, &winograd, err));
    own->winograd = winograd;
    COP_TRY(packed_array(plan, conv->prim, winograd, m, &args[1].array, err));
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
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, conv->prim, args, n, &step, err));
    step->loop = run_winograd;
    step->loop_data = own;
    step->scratchpad_bytes = cop_winograd_workspace_bytes(winograd);
    step->impl = m == 2 ? "winograd 2x2" : "winograd 4x4";
    return COP_OK;
}
