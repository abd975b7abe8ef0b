/* engine/conv_method.h - which kernel computes a convolution.
 *
 * Several can; which is fastest depends on sizes, threads and machine.  The choice is made
 * by an estimate that depends on nothing but sizes, or by what was measured before on this
 * machine (tuner.h). */
#ifndef COP_ENGINE_CONV_METHOD_H
#define COP_ENGINE_CONV_METHOD_H

#include "engine/plan_impl.h"
#include "engine/winograd.h"

/** In the order in which they are tried; names are kept in tuning files. */
enum cop_conv_method {
    COP_CONV_ONEDNN,     /* whatever oneDNN thinks best */
    COP_CONV_WINOGRAD_2, /* winograd.h, m = 2 */
    COP_CONV_WINOGRAD_4, /* m = 4 */
    COP_CONV_DIRECT,     /* direct.h */
    COP_CONV_DEPTHWISE,  /* depthwise.h */
    COP_CONV_N_METHODS,
};
const char *cop_conv_method_name(enum cop_conv_method method);

/** A convolution and the layouts that oneDNN would like for it. */
struct cop_conv_case {
    const struct cop_prim *prim;
    const struct cop_shape *src;
    const struct cop_shape *weights; /* [oc][ic / g][kh][kw] */
    const struct cop_shape *dst;
    const struct cop_md *src_md;
    const struct cop_md *dst_md;
};

/** A sum, then one activation that our loops know; either may be missing. */
bool cop_conv_has_simple_posts(const struct cop_prim *prim);

/** A window over each channel alone that the loops of depthwise.h know. */
bool cop_conv_is_depthwise(
    const struct cop_program *program, const struct cop_prim *prim);

/** True when the method computes this convolution, posts included, in these layouts. */
bool cop_conv_is_able(
    const struct cop_plan *plan,
    const struct cop_conv_case *conv,
    enum cop_conv_method method);

/** The method by estimate: operations over the machine's rate plus bytes over its
 *  bandwidth, with round numbers that hold for any machine well enough to rank. */
enum cop_conv_method cop_conv_estimate(
    const struct cop_plan *plan, const struct cop_conv_case *conv);

/** The method of plan->method if that is able; else the one that the tuner knows to be
 *  fastest; else the estimate's.  @param key COP_TUNER_KEY bytes: the case in the tuner's
 *  table; empty where only oneDNN is able */
enum cop_conv_method cop_conv_choose(
    const struct cop_plan *plan, const struct cop_conv_case *conv, char *key);

/** False for a layout that our loops do not read. */
bool cop_plan__winograd_strides(
    const struct cop_md *md, struct cop_winograd_strides *strides);
/** The step of a method of ours; @p method is able. */
COP_NODISCARD enum cop_status cop_plan__build_own_conv(
    struct cop_plan *plan,
    const struct cop_conv_case *conv,
    enum cop_conv_method method,
    int32_t position,
    struct cop_err *err);

#endif
