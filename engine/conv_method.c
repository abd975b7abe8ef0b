/* engine/conv_method.c - what each kernel is able to do and how long it may take. */
#include "engine/conv_method.h"

#include "engine/depthwise.h"
#include "engine/winograd.h"

const char *cop_conv_method_name(enum cop_conv_method method)
{
    static const char *const names[COP_CONV_N_METHODS] = {
        [COP_CONV_ONEDNN] = "onednn",
        [COP_CONV_WINOGRAD_2] = "winograd-2",
        [COP_CONV_WINOGRAD_4] = "winograd-4",
        [COP_CONV_DIRECT] = "direct",
        [COP_CONV_DEPTHWISE] = "depthwise",
    };
    return names[method];
}

/* ---- ability ------------------------------------------------------------------------------ */

bool cop_conv_has_simple_posts(const struct cop_prim *prim)
{
    int32_t first = prim->n_posts > 0 && prim->posts[0].kind == COP_POST_SUM ? 1 : 0;
    if (prim->n_posts - first > 1) return false;
    if (prim->n_posts == first) return true;
    const struct cop_post *post = &prim->posts[first];
    return post->kind == COP_POST_ELTWISE &&
           (post->alg == COP_ELTWISE_RELU || post->alg == COP_ELTWISE_CLIP);
}

static bool is_winograd_window(const struct cop_window *window)
{
    for (int i = 0; i < 2; i++) {
        if (window->kernel[i] != 3 || window->strides[i] != 1 ||
            window->dilates[i] != 1 || window->pads_l[i] > 2 || window->pads_r[i] > 2)
            return false;
    }
    return true;
}

bool cop_conv_is_depthwise(
    const struct cop_program *program, const struct cop_prim *prim)
{
    if (prim->kind != COP_PRIM_CONV ||
        program->tensors[prim->srcs[1]].role != COP_TENSOR_CONST)
        return false;
    const struct cop_window *window = &prim->as.conv.window;
    int64_t g = prim->as.conv.g;
    for (int i = 0; i < 2; i++) {
        if (window->dilates[i] != 1 || window->pads_l[i] >= window->kernel[i] ||
            window->pads_r[i] >= window->kernel[i])
            return false;
    }
    return program->tensors[prim->srcs[0]].shape.dim[1] == g &&
           program->tensors[prim->dst].shape.dim[1] == g &&
           cop_depthwise_has(window->kernel[1], window->strides[1]);
}

static bool has_sum(const struct cop_prim *prim)
{
    return prim->n_posts > 0 && prim->posts[0].kind == COP_POST_SUM;
}

static bool is_padded(const struct cop_window *window)
{
    return window->pads_l[0] != 0 || window->pads_l[1] != 0 || window->pads_r[0] != 0 ||
           window->pads_r[1] != 0;
}

bool cop_conv_is_able(
    const struct cop_plan *plan,
    const struct cop_conv_case *conv,
    enum cop_conv_method method)
{
    if (method == COP_CONV_ONEDNN) return true;
    const struct cop_window *window = &conv->prim->as.conv.window;
    if (method == COP_CONV_DEPTHWISE && conv->prim->as.conv.has_relu) return true;
    if (method == COP_CONV_DEPTHWISE)
        return !plan->is_plain && cop_conv_has_simple_posts(conv->prim) &&
               !has_sum(conv->prim) &&
               cop_conv_is_depthwise(plan->program, conv->prim) &&
               cop_md_is_channels_last(conv->src_md) &&
               cop_md_is_channels_last(conv->dst_md);
    if (plan->is_plain || conv->prim->as.conv.g != 1 ||
        !cop_conv_has_simple_posts(conv->prim) ||
        !cop_plan__is_const(plan, conv->prim->srcs[1]))
        return false;
    if (method == COP_CONV_DIRECT)
        return !is_padded(window) && cop_md_is_channels_last(conv->src_md) &&
               cop_md_is_channels_last(conv->dst_md);
    struct cop_winograd_strides strides;
    return !plan->engine->no_winograd && is_winograd_window(window) &&
           cop_plan__winograd_strides(conv->src_md, &strides) &&
           cop_plan__winograd_strides(conv->dst_md, &strides);
}

/* ---- estimate ------------------------------------------------------------------------------ */

/* Of one AVX-512 core: float operations and bytes from the shared cache per microsecond.
 * Only their relation matters for the ranking. */
#define OPERATIONS_PER_US 150e3
#define BYTES_PER_US 20e3

static double us_of(const struct cop_plan *plan, double operations, double bytes)
{
    return (operations / OPERATIONS_PER_US + bytes / BYTES_PER_US) / plan->threads;
}

static double winograd_us(
    const struct cop_plan *plan, const struct cop_conv_case *conv, double m)
{
    double ic = (double)conv->src->dim[1];
    double oc = (double)conv->dst->dim[1];
    double tiles_h = (double)((conv->dst->dim[2] + (int64_t)m - 1) / (int64_t)m);
    double tiles_w = (double)((conv->dst->dim[3] + (int64_t)m - 1) / (int64_t)m);
    double tiles = (double)conv->dst->dim[0] * tiles_h * tiles_w;
    double frequencies = (m + 2) * (m + 2);
    /* Products run a little slower than those of the direct form; transformed tiles are
     * written and read once each, near the core. */
    double operations = 2.0 * frequencies * ic * oc * tiles * 1.15;
    double tile_bytes = frequencies * (ic + oc) * tiles * sizeof(float);
    double weights_bytes = frequencies * ic * oc * sizeof(float);
    return us_of(plan, operations, tile_bytes + weights_bytes);
}

static double direct_us(const struct cop_plan *plan, const struct cop_conv_case *conv)
{
    double taps = (double)(conv->weights->dim[2] * conv->weights->dim[3]);
    double ic = (double)conv->weights->dim[1];
    double oc = (double)conv->dst->dim[1];
    double pixels = (double)(conv->dst->dim[0] * conv->dst->dim[2] * conv->dst->dim[3]);
    return us_of(
        plan, 2.0 * taps * ic * oc * pixels, taps * ic * oc * (double)sizeof(float));
}

enum { FEW_PIXELS = 64 };

/* Our loops win where weights stream by and few pixels use them, and where a result can go
 * straight into a concat. */
static bool prefers_direct(
    const struct cop_plan *plan, const struct cop_conv_case *conv)
{
    int64_t pixels = conv->dst->dim[0] * conv->dst->dim[2] * conv->dst->dim[3];
    return cop_conv_is_able(plan, conv, COP_CONV_DIRECT) &&
           (pixels <= FEW_PIXELS || cop_plan__has_slot(plan, conv->prim->dst));
}

enum cop_conv_method cop_conv_estimate(
    const struct cop_plan *plan, const struct cop_conv_case *conv)
{
    if (cop_conv_is_able(plan, conv, COP_CONV_DEPTHWISE)) return COP_CONV_DEPTHWISE;
    enum cop_conv_method best =
        prefers_direct(plan, conv) ? COP_CONV_DIRECT : COP_CONV_ONEDNN;
    double least = direct_us(plan, conv);
    for (int m = 2; m <= 4; m += 2) {
        enum cop_conv_method method =
            m == 2 ? COP_CONV_WINOGRAD_2 : COP_CONV_WINOGRAD_4;
        double us = winograd_us(plan, conv, m);
        if (us >= least || !cop_conv_is_able(plan, conv, method)) continue;
        best = method;
        least = us;
    }
    return best;
}
