/* importers/tf_table.c - TensorFlow's operators, and those of ONNX that say the same; see
 * tf_import.h.  A row counts only where the operator set has what it needs. */
#include "importers/tf_rules.h"

#include "importers/unknown.h"

#include <stdlib.h>
#include <string.h>

/* Sorted by name. */
static const struct cop_tf__rule rules[] = {
    {"Abs", "Abs", cop_tf__translate_unary, 1, "Abs", 0},
    {"Add", "Add Transpose", cop_tf__translate_add, 2, "Add", 0},
    {"AddN", "Add", cop_tf__translate_add_n, 1, "", 0},
    {"AddV2", "Add Transpose", cop_tf__translate_add, 2, "Add", 0},
    {"ArgMax", "ArgMax", cop_tf__translate_arg_max, 2, "ArgMax", 0},
    {"ArgMin", "ArgMin", cop_tf__translate_arg_max, 2, "ArgMin", 0},
    {"AvgPool", "AveragePool Transpose", cop_tf__translate_pool, 1, "AveragePool", 0},
    {"BatchMatMul", "MatMul Transpose", cop_tf__translate_matmul, 2, "batch", 0},
    {"BatchMatMulV2", "MatMul Transpose", cop_tf__translate_matmul, 2, "batch", 0},
    {"BatchNormWithGlobalNormalization",
     "BatchNormalization Transpose",
     cop_tf__translate_old_norm,
     5,
     "",
     0},
    {"BatchToSpaceND", "Conv", cop_tf__translate_batch_to_space, 3, "", 0},
    {"BiasAdd", "Add Reshape", cop_tf__translate_bias, 2, "", 0},
    {"BiasAddV1", "Add Reshape", cop_tf__translate_bias, 2, "", 0},
    {"BroadcastTo", "Expand", cop_tf__translate_binary, 2, "Expand", 0},
    {"Cast", "Cast", cop_tf__translate_cast, 1, "", 0},
    {"Ceil", "Ceil", cop_tf__translate_unary, 1, "Ceil", 0},
    {"ClipByValue", "Clip", cop_tf__translate_clip, 3, "", 0},
    {"Concat", "Concat", cop_tf__translate_concat, 2, "first", 0},
    {"ConcatV2", "Concat", cop_tf__translate_concat, 2, "last", 0},
    {"Conv2D", "Conv Transpose", cop_tf__translate_conv, 2, "", 0},
    {"Conv2DBackpropInput",
     "ConvTranspose Transpose",
     cop_tf__translate_conv_back,
     3,
     "",
     0},
    {"DepthToSpace",
     "DepthToSpace Transpose",
     cop_tf__translate_depth_space,
     1,
     "DepthToSpace",
     0},
    {"DepthwiseConv2dNative",
     "Conv Transpose Reshape",
     cop_tf__translate_conv,
     2,
     "depthwise",
     0},
    {"Div", "Div", cop_tf__translate_binary, 2, "Div", 0},
    {"Elu", "Elu", cop_tf__translate_unary, 1, "Elu", 0},
    {"Equal", "Equal", cop_tf__translate_binary, 2, "Equal", 0},
    {"Erf", "Erf", cop_tf__translate_unary, 1, "Erf", 0},
    {"Erfc", "Erf Sub", cop_tf__translate_erfc, 1, "", 0},
    {"Exp", "Exp", cop_tf__translate_unary, 1, "Exp", 0},
    {"ExpandDims", "Unsqueeze", cop_tf__translate_expand_dims, 2, "", 0},
    {"FakeQuantWithMinMaxArgs",
     "Max Min Sub Mul Add Floor",
     cop_tf__translate_fake_quant,
     1,
     "args",
     0},
    {"FakeQuantWithMinMaxVars",
     "Max Min Sub Mul Add Floor",
     cop_tf__translate_fake_quant,
     3,
     "vars",
     0},
    {"FakeQuantWithMinMaxVarsPerChannel",
     "Max Min Sub Mul Add Floor",
     cop_tf__translate_fake_quant,
     3,
     "channels",
     0},
    {"Fill", "Expand", cop_tf__translate_fill, 2, "", 0},
    {"Floor", "Floor", cop_tf__translate_unary, 1, "Floor", 0},
    {"FloorDiv", "Div Floor", cop_tf__translate_floor_div, 2, "", 0},
    {"FusedBatchNorm",
     "BatchNormalization Transpose",
     cop_tf__translate_norm,
     5,
     "",
     0},
    {"FusedBatchNormV2",
     "BatchNormalization Transpose",
     cop_tf__translate_norm,
     5,
     "",
     0},
    {"FusedBatchNormV3",
     "BatchNormalization Transpose",
     cop_tf__translate_norm,
     5,
     "",
     0},
    {"Gather", "Gather", cop_tf__translate_gather, 2, "", 0},
    {"GatherV2", "Gather", cop_tf__translate_gather, 3, "", 0},
    {"Greater", "Greater", cop_tf__translate_binary, 2, "Greater", 0},
    {"GreaterEqual",
     "GreaterOrEqual",
     cop_tf__translate_binary,
     2,
     "GreaterOrEqual",
     0},
    {"IdentityN", "Identity", cop_tf__translate_identity_n, 0, "", 0},
    {"Inv", "Reciprocal", cop_tf__translate_unary, 1, "Reciprocal", 0},
    {"LRN", "LRN Transpose", cop_tf__translate_lrn, 1, "", 0},
    {"LeakyRelu", "LeakyRelu", cop_tf__translate_alpha, 1, "LeakyRelu", 0.2F},
    {"Less", "Less", cop_tf__translate_binary, 2, "Less", 0},
    {"LessEqual", "LessOrEqual", cop_tf__translate_binary, 2, "LessOrEqual", 0},
    {"Log", "Log", cop_tf__translate_unary, 1, "Log", 0},
    {"LogSoftmax", "LogSoftmax", cop_tf__translate_softmax, 1, "LogSoftmax", 0},
    {"LogicalAnd", "And", cop_tf__translate_binary, 2, "And", 0},
    {"LogicalNot", "Not", cop_tf__translate_unary, 1, "Not", 0},
    {"LogicalOr", "Or", cop_tf__translate_binary, 2, "Or", 0},
    {"MatMul", "MatMul Gemm Transpose", cop_tf__translate_matmul, 2, "", 0},
    {"Max", "ReduceMax", cop_tf__translate_reduce, 2, "ReduceMax", 0},
    {"MaxPool", "MaxPool Transpose", cop_tf__translate_pool, 1, "MaxPool", 0},
    {"Maximum", "Max", cop_tf__translate_binary, 2, "Max", 0},
    {"Mean", "ReduceMean", cop_tf__translate_reduce, 2, "ReduceMean", 0},
    {"Min", "ReduceMin", cop_tf__translate_reduce, 2, "ReduceMin", 0},
    {"Minimum", "Min", cop_tf__translate_binary, 2, "Min", 0},
    {"MirrorPad", "Pad Slice Concat", cop_tf__translate_pad, 2, "mirror", 0},
    {"Mul", "Mul", cop_tf__translate_binary, 2, "Mul", 0},
    {"Neg", "Neg", cop_tf__translate_unary, 1, "Neg", 0},
    {"NotEqual", "Equal Not", cop_tf__translate_not_equal, 2, "", 0},
    {"OnesLike", "Expand Shape", cop_tf__translate_like, 1, "", 1},
    {"Pack", "Concat Unsqueeze", cop_tf__translate_pack, 1, "", 0},
    {"Pad", "Pad", cop_tf__translate_pad, 2, "", 0},
    {"PadV2", "Pad", cop_tf__translate_pad, 3, "", 0},
    {"Pow", "Pow", cop_tf__translate_binary, 2, "Pow", 0},
    {"Prod", "Gather Mul Reshape", cop_tf__translate_prod, 2, "", 0},
    {"Range", "Identity", cop_tf__translate_range, 3, "", 0},
    {"Rank", "Reshape", cop_tf__translate_rank, 1, "", 0},
    {"RealDiv", "Div", cop_tf__translate_binary, 2, "Div", 0},
    {"Reciprocal", "Reciprocal", cop_tf__translate_unary, 1, "Reciprocal", 0},
    {"Relu", "Relu", cop_tf__translate_unary, 1, "Relu", 0},
    {"Relu6", "Clip", cop_tf__translate_relu6, 1, "", 0},
    {"Reshape", "Reshape", cop_tf__translate_reshape, 2, "", 0},
    {"ResizeBilinear",
     "Resize Gather Transpose",
     cop_tf__translate_resize,
     2,
     "linear",
     0},
    {"ResizeNearestNeighbor",
     "Resize Gather Transpose",
     cop_tf__translate_resize,
     2,
     "nearest",
     0},
    {"Round", "Round", cop_tf__translate_unary, 1, "Round", 0},
    {"Rsqrt", "Sqrt Reciprocal", cop_tf__translate_rsqrt, 1, "", 0},
    {"Select", "Where", cop_tf__translate_select, 3, "rows", 0},
    {"SelectV2", "Where", cop_tf__translate_select, 3, "", 0},
    {"Selu", "Selu", cop_tf__translate_unary, 1, "Selu", 0},
    {"Shape", "Shape", cop_tf__translate_unary, 1, "Shape", 0},
    {"Sigmoid", "Sigmoid", cop_tf__translate_unary, 1, "Sigmoid", 0},
    {"Sign", "Sign", cop_tf__translate_unary, 1, "Sign", 0},
    {"Size", "Shape Gather Mul Reshape", cop_tf__translate_size, 1, "", 0},
    {"Slice", "Slice", cop_tf__translate_slice, 3, "", 0},
    {"Softmax", "Softmax", cop_tf__translate_softmax, 1, "Softmax", 0},
    {"Softplus", "Softplus", cop_tf__translate_unary, 1, "Softplus", 0},
    {"Softsign", "Softsign", cop_tf__translate_unary, 1, "Softsign", 0},
    {"SpaceToBatchND", "Conv", cop_tf__translate_space_to_batch, 3, "", 0},
    {"SpaceToDepth",
     "SpaceToDepth Transpose",
     cop_tf__translate_depth_space,
     1,
     "SpaceToDepth",
     0},
    {"Split", "Split", cop_tf__translate_split, 2, "", 0},
    {"SplitV", "Split", cop_tf__translate_split, 3, "sizes", 0},
    {"Sqrt", "Sqrt", cop_tf__translate_unary, 1, "Sqrt", 0},
    {"Square", "Mul", cop_tf__translate_square, 1, "", 0},
    {"SquaredDifference", "Sub Mul", cop_tf__translate_squared_difference, 2, "", 0},
    {"Squeeze", "Squeeze", cop_tf__translate_squeeze, 1, "", 0},
    {"StridedSlice",
     "Slice Squeeze Unsqueeze",
     cop_tf__translate_strided_slice,
     4,
     "",
     0},
    {"Sub", "Sub", cop_tf__translate_binary, 2, "Sub", 0},
    {"Sum", "ReduceSum", cop_tf__translate_reduce, 2, "ReduceSum", 0},
    {"Tanh", "Tanh", cop_tf__translate_unary, 1, "Tanh", 0},
    {"Tile", "Tile", cop_tf__translate_binary, 2, "Tile", 0},
    {"Transpose", "Transpose", cop_tf__translate_transpose, 2, "", 0},
    {"Unpack", "Split Squeeze", cop_tf__translate_unpack, 1, "", 0},
    {"ZerosLike", "Expand Shape", cop_tf__translate_like, 1, "", 0},
};

static int compare_rule(const void *key, const void *rule)
{
    return strcmp(key, ((const struct cop_tf__rule *)rule)->op);
}

/* Every operator that the row is made of is in the set. */
static bool has_needs(const struct cop_op_set *ops, const char *needs)
{
    char name[64];
    while (*needs != '\0') {
        const size_t n = strcspn(needs, " ");
        memcpy(name, needs, n);
        name[n] = '\0';
        if (cop_op_find(ops, name) == NULL) return false;
        needs += n + (needs[n] == ' ');
    }
    return true;
}

/* Nodes that are no computation: inputs, constants, what is handed on. */
static bool is_settled(
    const struct cop_tf__import *import, const struct cop_tf__node *node)
{
    return cop_tf__made_of(import, node)->same_as.node >= 0 ||
           strcmp(node->op, "Const") == 0 ||
           strncmp(node->op, "Placeholder", strlen("Placeholder")) == 0;
}

/* What a graph holds that was not frozen. */
static bool is_variable(const struct cop_tf__node *node)
{
    static const char *const ops[] = {
        "Variable",
        "VariableV2",
        "VarHandleOp",
        "ReadVariableOp",
        "AutoReloadVariable"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(node->op, ops[i]) == 0) return true;
    return false;
}

enum cop_status cop_tf__find_rules(struct cop_tf__import *import, struct cop_err *err)
{
    const size_t n_rules = sizeof rules / sizeof *rules;
    struct cop_importers__unknown *const unknown = COP_ARENA_NEW_N(
        import->scratch, import->n_order, struct cop_importers__unknown);
    if (unknown == NULL) return COP_FAIL_NOMEM(err);
    size_t n = 0;
    for (int32_t i = 0; i < import->n_order; i++) {
        const struct cop_tf__node *const node = &import->tf.nodes[import->order[i]];
        if (is_settled(import, node)) continue;
        if (is_variable(node))
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "the graph is not frozen: node '%s' (%s) is a variable, whose numbers "
                "lie "
                "elsewhere",
                node->name,
                node->op);
        const struct cop_tf__rule *const rule =
            bsearch(node->op, rules, n_rules, sizeof *rules, compare_rule);
        if (rule != NULL && has_needs(import->ops, rule->needs))
            cop_tf__made_of(import, node)->rule = rule;
        else
            unknown[n++] = (struct cop_importers__unknown){
                .domain = "",
                .op_type = node->op,
                .node = node->name,
                .position = (size_t)i};
    }
    if (n == 0) return COP_OK;
    return cop_importers__list_unknown(
        unknown, n, cop_importers__operators, import->options->unsupported, err);
}
