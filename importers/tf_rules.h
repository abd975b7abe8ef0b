/* importers/tf_rules.h - the translators of TensorFlow's operators, by the rows of
 * tf_table.c.
 *
 * Private to importers/.  Each adds the nodes that compute what one node of TensorFlow does
 * and gives its results (cop_tf__give).  All return COP_EFORMAT (attributes or inputs that
 * make no sense), COP_EUNSUPPORTED, COP_ESHAPE or COP_ENOMEM; the caller names the node. */
#ifndef COP_IMPORTERS_TF_RULES_H
#define COP_IMPORTERS_TF_RULES_H

#include "importers/tf_import.h"

typedef enum cop_status cop_tf__translate(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err);

/* ---- images, tf_window.c ------------------------------------------------------------ */

/** Whether data_format says that channels come last. */
COP_NODISCARD enum cop_status cop_tf__is_last(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool *is_last,
    struct cop_err *err);
/** Input 0 as NCHW. */
COP_NODISCARD enum cop_status cop_tf__image(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool is_last,
    struct cop_value **image,
    struct cop_err *err);
/** What the NCHW result is to be called, so that its final form can bear the node's name. */
const char *cop_tf__image_name(
    const struct cop_tf__import *import, const struct cop_tf__node *node, bool is_last);
/** An NCHW result, back in the file's order of axes. */
COP_NODISCARD enum cop_status cop_tf__give_image(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool is_last,
    struct cop_value *image,
    struct cop_err *err);

cop_tf__translate cop_tf__translate_conv;           /* arg: "depthwise" or "" */
cop_tf__translate cop_tf__translate_conv_back;      /* Conv2DBackpropInput */
cop_tf__translate cop_tf__translate_pool;           /* arg: ONNX name */
cop_tf__translate cop_tf__translate_space_to_batch; /* around a convolution */
cop_tf__translate cop_tf__translate_batch_to_space;

/* ---- tf_layers.c ----------------------------------------------------------------------- */

cop_tf__translate cop_tf__translate_bias;
cop_tf__translate cop_tf__translate_norm;
cop_tf__translate cop_tf__translate_old_norm;    /* before FusedBatchNorm */
cop_tf__translate cop_tf__translate_depth_space; /* arg: ONNX name */
cop_tf__translate cop_tf__translate_lrn;
cop_tf__translate cop_tf__translate_matmul; /* arg: "batch" or "" */

cop_tf__translate cop_tf__translate_resize; /* arg: ONNX mode; tf_resize.c */
cop_tf__translate
    cop_tf__translate_fake_quant; /* arg: where its range is; tf_quant.c */

/** Add(x * inv, offset - mean * inv) of tf.nn.batch_normalization as BatchNormalization;
 *  *done is false when @p node, an addition, is not that.  tf_norm.c */
COP_NODISCARD enum cop_status cop_tf__join_norm(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool *done,
    struct cop_err *err);

/* ---- tf_math.c --------------------------------------------------------------------------- */

cop_tf__translate cop_tf__translate_unary;  /* arg: ONNX name */
cop_tf__translate cop_tf__translate_binary; /* arg: ONNX name */
cop_tf__translate cop_tf__translate_add;
cop_tf__translate
    cop_tf__translate_alpha; /* arg: ONNX name; number: default of alpha */
cop_tf__translate cop_tf__translate_relu6;
cop_tf__translate cop_tf__translate_clip;
cop_tf__translate cop_tf__translate_rsqrt;
cop_tf__translate cop_tf__translate_square;
cop_tf__translate cop_tf__translate_squared_difference;
cop_tf__translate cop_tf__translate_add_n;
cop_tf__translate cop_tf__translate_not_equal;
cop_tf__translate cop_tf__translate_select;
cop_tf__translate cop_tf__translate_erfc;
cop_tf__translate cop_tf__translate_floor_div;
cop_tf__translate cop_tf__translate_softmax; /* arg: ONNX name */
cop_tf__translate cop_tf__translate_reduce;  /* arg: ONNX name */
cop_tf__translate cop_tf__translate_prod;
cop_tf__translate cop_tf__translate_arg_max; /* arg: ONNX name */
cop_tf__translate cop_tf__translate_cast;

/* ---- tf_shapes.c ----------------------------------------------------------------------------- */

cop_tf__translate cop_tf__translate_reshape;
cop_tf__translate cop_tf__translate_squeeze;
cop_tf__translate cop_tf__translate_expand_dims;
cop_tf__translate cop_tf__translate_transpose;
cop_tf__translate
    cop_tf__translate_concat; /* arg: "first" or "last": where the axis is */
cop_tf__translate cop_tf__translate_pack;
cop_tf__translate cop_tf__translate_unpack;
cop_tf__translate cop_tf__translate_split; /* arg: "sizes" or "" */
cop_tf__translate cop_tf__translate_slice;
cop_tf__translate cop_tf__translate_strided_slice;
cop_tf__translate cop_tf__translate_pad; /* arg: "mirror" or "" */
cop_tf__translate cop_tf__translate_gather;
cop_tf__translate cop_tf__translate_identity_n;

/* ---- tf_fill.c ------------------------------------------------------------------------------- */

cop_tf__translate cop_tf__translate_fill;
cop_tf__translate cop_tf__translate_like; /* number: of every element */
cop_tf__translate cop_tf__translate_rank;
cop_tf__translate cop_tf__translate_size;
cop_tf__translate cop_tf__translate_range;

#endif
