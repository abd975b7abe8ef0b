/* engine/conv_choice.c - picks the method of a convolution: the one asked for, the one
 * known to be fastest on this machine, or the one that the estimate prefers. */
#include "engine/conv_method.h"
#include "engine/tuner.h"

#include <stdio.h>
#include <string.h>

/* ---- keys ---------------------------------------------------------------------------------- */

static void print_key(
    const struct cop_plan *plan, const struct cop_conv_case *conv, char *key)
{
    const struct cop_window *window = &conv->prim->as.conv.window;
    const int64_t *src = conv->src->dim;
    (void)snprintf(
        key,
        COP_TUNER_KEY,
        "conv mb%lld ic%lld ih%lld iw%lld oc%lld k%lldx%lld s%lldx%lld d%lldx%lld "
        "pl%lld,%lld pr%lld,%lld g%lld threads%d",
        (long long)src[0],
        (long long)src[1],
        (long long)src[2],
        (long long)src[3],
        (long long)conv->dst->dim[1],
        (long long)window->kernel[0],
        (long long)window->kernel[1],
        (long long)window->strides[0],
        (long long)window->strides[1],
        (long long)window->dilates[0],
        (long long)window->dilates[1],
        (long long)window->pads_l[0],
        (long long)window->pads_l[1],
        (long long)window->pads_r[0],
        (long long)window->pads_r[1],
        (long long)conv->prim->as.conv.g,
        plan->threads);
}

static bool find_method(
    const struct cop_plan *plan,
    const struct cop_conv_case *conv,
    const char *key,
    enum cop_conv_method *method)
{
    char name[COP_TUNER_METHOD];
    if (!cop_tuner_find(plan->engine->tuner, key, name)) return false;
    for (int i = 0; i < COP_CONV_N_METHODS; i++) {
        if (strcmp(name, cop_conv_method_name((enum cop_conv_method)i)) != 0) continue;
        *method = (enum cop_conv_method)i;
        return cop_conv_is_able(plan, conv, *method);
    }
    return false; /* of another version of Coppice */
}

/* ---- choosing ------------------------------------------------------------------------------ */

static bool has_choice(const struct cop_plan *plan, const struct cop_conv_case *conv)
{
    for (int i = COP_CONV_ONEDNN + 1; i < COP_CONV_N_METHODS; i++) {
        if (cop_conv_is_able(plan, conv, (enum cop_conv_method)i)) return true;
    }
    return false;
}

enum cop_conv_method cop_conv_choose(
    const struct cop_plan *plan, const struct cop_conv_case *conv, char *key)
{
    enum cop_conv_method method = COP_CONV_ONEDNN;
    key[0] = '\0';
    if (conv->prim->as.conv.has_relu) return COP_CONV_DEPTHWISE; /* nobody else can */
    if (!has_choice(plan, conv)) return method;
    print_key(plan, conv, key);
    if (plan->method >= 0) {
        method = (enum cop_conv_method)plan->method;
        return cop_conv_is_able(plan, conv, method) ? method : COP_CONV_ONEDNN;
    }
    if (find_method(plan, conv, key, &method)) return method;
    return cop_conv_estimate(plan, conv);
}
