/* tests/fuzz/make_corpus.c - writes the seed files of corpus/, byte for byte the same each
 * time.  A test compares what it writes with what is committed.
 *
 * usage: make_corpus FOLDER */
#include "support/onnx_bytes.h"
#include "support/tf_bytes.h"
#include "tf_corpus.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { FLOAT = 1, INT32 = 6, INT64 = 7, HALF = 10, DOUBLE = 11 };

/* ---- small helpers ----------------------------------------------------------------------------- */

static float small_number(size_t i)
{
    return (float)((int)(i * 7 % 11) - 5) / 4.0F;
}

static void put_weights(
    struct onnx_file *file, const char *name, const char *dims, size_t n)
{
    float numbers[512];
    for (size_t i = 0; i < n; i++)
        numbers[i] = small_number(i);
    onnx_floats(file, name, dims, numbers, n);
}

static void put_positive(
    struct onnx_file *file, const char *name, const char *dims, size_t n)
{
    float numbers[64];
    for (size_t i = 0; i < n; i++)
        numbers[i] = 0.5F + (float)i;
    onnx_floats(file, name, dims, numbers, n);
}

static void put_ints(
    struct onnx_file *file,
    const char *name,
    const char *dims,
    const int64_t *at,
    size_t n)
{
    struct pb tensor = onnx_tensor(name, INT64, dims);
    pb_bytes(&tensor, 9, at, n * sizeof *at);
    onnx_constant(file, &tensor);
}

static void int_node(
    struct onnx_file *file,
    const char *op,
    const char *inputs,
    const char *output,
    const char *attr,
    int64_t number)
{
    struct pb attrs = {0};
    onnx_attr_int(&attrs, attr, number);
    onnx_node(file, op, output, inputs, output, &attrs);
}

static void plain_node(
    struct onnx_file *file, const char *op, const char *inputs, const char *output)
{
    onnx_node(file, op, output, inputs, output, NULL);
}

static void conv_node(
    struct onnx_file *file,
    const char *inputs,
    const char *output,
    int64_t k,
    int64_t stride,
    int64_t group)
{
    struct pb attrs = {0};
    onnx_attr_ints(&attrs, "kernel_shape", (const int64_t[]){k, k}, 2);
    onnx_attr_ints(&attrs, "pads", (const int64_t[]){k / 2, k / 2, k / 2, k / 2}, 4);
    onnx_attr_ints(&attrs, "strides", (const int64_t[]){stride, stride}, 2);
    if (group != 1) onnx_attr_int(&attrs, "group", group);
    onnx_node(file, "Conv", output, inputs, output, &attrs);
}

/* ---- seeds --------------------------------------------------------------------------------------- */

/* As PyTorch exports a small residual network. */
static void residual(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,2,6,6");
    put_weights(file, "w1", "4,2,3,3", 72);
    put_weights(file, "w2", "4,4,1,1", 16);
    put_weights(file, "fc", "3,4", 12);
    put_weights(file, "b", "3", 3);
    put_positive(file, "s", "4", 4);
    conv_node(file, "x w1", "c1", 3, 1, 1);
    plain_node(file, "BatchNormalization", "c1 s s s s", "n1");
    plain_node(file, "Relu", "n1", "r1");
    conv_node(file, "r1 w2 s", "c2", 1, 1, 1);
    plain_node(file, "Add", "c2 r1", "a1");
    plain_node(file, "GlobalAveragePool", "a1", "p1");
    int_node(file, "Flatten", "p1", "f1", "axis", 1);
    struct pb attrs = {0};
    onnx_attr_float(&attrs, "alpha", 1.0F);
    onnx_attr_int(&attrs, "transB", 1);
    onnx_node(file, "Gemm", "g1", "f1 fc b", "g1", &attrs);
    int_node(file, "Softmax", "g1", "y", "axis", 1);
    onnx_output(file, "y");
}

static void mobile(struct onnx_file *file)
{
    onnx_begin(file);
    file->opset = 11;
    onnx_input(file, "x", FLOAT, "N,4,5,5");
    put_weights(file, "wd", "4,1,3,3", 36);
    put_weights(file, "wp", "6,4,1,1", 24);
    put_weights(file, "m", "6,3", 18);
    onnx_floats(file, "low", NULL, (const float[]){0}, 1);
    onnx_floats(file, "high", NULL, (const float[]){6}, 1);
    conv_node(file, "x wd", "d", 3, 2, 4);
    plain_node(file, "Clip", "d low high", "c");
    conv_node(file, "c wp", "p", 1, 1, 1);
    struct pb attrs = {0};
    onnx_attr_ints(&attrs, "axes", (const int64_t[]){2, 3}, 2);
    onnx_attr_int(&attrs, "keepdims", 0);
    onnx_node(file, "ReduceMean", "r", "p", "r", &attrs);
    plain_node(file, "MatMul", "r m", "y");
    onnx_output(file, "y");
}

/* IR 3, opset 9: attributes that became operands, constants listed as inputs. */
static void old_file(struct onnx_file *file)
{
    onnx_begin(file);
    file->opset = 9;
    file->ir_version = 3;
    onnx_input(file, "x", FLOAT, "1,2,4,4");
    onnx_input(file, "w", FLOAT, "3,2,3,3");
    put_weights(file, "w", "3,2,3,3", 54);
    struct pb attrs = {0};
    onnx_attr_text(&attrs, "mode", "constant");
    onnx_attr_ints(&attrs, "pads", (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1}, 8);
    onnx_attr_float(&attrs, "value", 0);
    onnx_node(file, "Pad", "pad", "x", "pad", &attrs);
    conv_node(file, "pad w", "c", 3, 1, 1);
    onnx_attr_float(&attrs, "min", 0);
    onnx_attr_float(&attrs, "max", 6);
    onnx_node(file, "Clip", "clip", "c", "clip", &attrs);
    onnx_attr_ints(&attrs, "axes", (const int64_t[]){1, 2}, 2);
    onnx_attr_ints(&attrs, "starts", (const int64_t[]){0, 1}, 2);
    onnx_attr_ints(&attrs, "ends", (const int64_t[]){2, 9223372036854775807LL}, 2);
    onnx_node(file, "Slice", "slice", "clip", "slice", &attrs);
    onnx_attr_float(&attrs, "ratio", 0.5F);
    onnx_node(file, "Dropout", "drop", "slice", "drop", &attrs);
    onnx_attr_ints(&attrs, "axes", (const int64_t[]){4}, 1);
    onnx_node(file, "Unsqueeze", "un", "drop", "un", &attrs);
    onnx_attr_ints(&attrs, "axes", (const int64_t[]){4}, 1);
    onnx_node(file, "Squeeze", "sq", "un", "sq", &attrs);
    int_node(file, "Softmax", "sq", "y", "axis", 1);
    onnx_output(file, "y");
}

/* view(x.size(0), -1) as tracing writes it. */
static void shape_chain(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,2,3,3");
    put_ints(file, "zero", NULL, (const int64_t[]){0}, 1);
    put_ints(file, "axes", "1", (const int64_t[]){0}, 1);
    put_ints(file, "rest", "1", (const int64_t[]){-1}, 1);
    plain_node(file, "Shape", "x", "shape");
    int_node(file, "Gather", "shape zero", "n", "axis", 0);
    plain_node(file, "Unsqueeze", "n axes", "n1");
    int_node(file, "Concat", "n1 rest", "target", "axis", 0);
    plain_node(file, "Reshape", "x target", "y");
    onnx_output(file, "y");
}

static void constants(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    struct pb tensor = onnx_tensor(NULL, DOUBLE, "3");
    pb_bytes(&tensor, 10, (const double[]){0.5, 1, 2}, 24);
    onnx_attr_tensor(&attrs, "value", &tensor);
    onnx_node(file, "Constant", "k1", "", "k1", &attrs);
    onnx_attr_float(&attrs, "value_float", 2.5F);
    onnx_node(file, "Constant", "k2", "", "k2", &attrs);
    onnx_attr_ints(&attrs, "value_ints", (const int64_t[]){1, 3}, 2);
    onnx_node(file, "Constant", "k3", "", "k3", &attrs);
    tensor = onnx_tensor(NULL, FLOAT, "1");
    pb_float(&tensor, 4, 1.5F);
    onnx_attr_tensor(&attrs, "value", &tensor);
    onnx_node(file, "ConstantOfShape", "k4", "k3", "k4", &attrs);
    tensor = onnx_tensor(NULL, INT64, NULL);
    pb_int(&tensor, 7, 3);
    onnx_attr_tensor(&attrs, "value", &tensor);
    onnx_node(file, "Constant", "k5", "", "k5", &attrs);
    int_node(file, "Cast", "k5", "k6", "to", FLOAT);
    plain_node(file, "Mul", "x k1", "m1");
    plain_node(file, "Add", "m1 k2", "m2");
    plain_node(file, "Sub", "m2 k4", "m3");
    plain_node(file, "Div", "m3 k6", "y");
    onnx_output(file, "y");
}

static void moves(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,4,3,5");
    put_ints(file, "pads", "8", (const int64_t[]){0, 0, 1, 0, 0, 0, 1, 2}, 8);
    put_ints(file, "starts", "2", (const int64_t[]){0, -1}, 2);
    put_ints(file, "ends", "2", (const int64_t[]){4, -100}, 2);
    put_ints(file, "axes", "2", (const int64_t[]){2, 3}, 2);
    put_ints(file, "steps", "2", (const int64_t[]){2, -1}, 2);
    put_ints(file, "halves", "2", (const int64_t[]){1, 3}, 2);
    put_ints(file, "last", "1", (const int64_t[]){2}, 1);
    onnx_floats(file, "fill", NULL, (const float[]){0.5F}, 1);
    plain_node(file, "Pad", "x pads fill", "p");
    plain_node(file, "Slice", "p starts ends axes steps", "s");
    onnx_attr_int(&attrs, "axis", 1);
    onnx_node(file, "Split", "split", "s halves", "a b", &attrs);
    int_node(file, "Concat", "b a b", "c", "axis", 1);
    onnx_attr_ints(&attrs, "perm", (const int64_t[]){0, 2, 3, 1}, 4);
    onnx_node(file, "Transpose", "t", "c", "t", &attrs);
    plain_node(file, "Unsqueeze", "t last", "u");
    plain_node(file, "Squeeze", "u last", "y");
    onnx_output(file, "y");
}

static void elementwise(struct onnx_file *file)
{
    static const char *const ops[] = {
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Elu",
        "Tanh",
        "Abs",
        "Exp",
        "Sqrt",
        "Log",
        "Identity",
        "Neg",
    };
    char name[2][8] = {"x", ""};
    onnx_begin(file);
    file->opset = 14;
    onnx_input(file, "x", FLOAT, "N,2,2,2");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        const char *from = name[i % 2];
        char *to = name[(i + 1) % 2];
        (void)snprintf(to, sizeof name[0], "v%zu", i);
        plain_node(file, ops[i], from, to);
    }
    plain_node(file, "Max", "v3 v5", "a");
    plain_node(file, "Min", "a v1", "b");
    onnx_floats(file, "two", NULL, (const float[]){2}, 1);
    plain_node(file, "Pow", "b two", "c");
    plain_node(file, "Add", "c v11", "y");
    onnx_output(file, "y");
}

/* Every way to write elements, nodes back to front, names missing. */
static void encodings(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_output(file, "y");
    plain_node(file, "Add", "e d", "y");
    plain_node(file, "Mul", "c k4", "d");
    plain_node(file, "Sub", "c k3", "e");
    onnx_node(file, "Mul", "", "b k2", "c", NULL);
    onnx_node(file, "Add", "", "x k1", "b", NULL);
    struct pb tensor = onnx_tensor("k1", FLOAT, "2");
    pb_float(&tensor, 4, 1);
    pb_float(&tensor, 4, 2);
    onnx_constant(file, &tensor);
    tensor = onnx_tensor("k2", FLOAT, "1,2");
    pb_bytes(&tensor, 4, (const float[]){3, 4}, 8);
    onnx_constant(file, &tensor);
    tensor = onnx_tensor("k3", HALF, "2");
    pb_int(&tensor, 5, 0x3c00);
    pb_int(&tensor, 5, 0x4000);
    onnx_constant(file, &tensor);
    tensor = onnx_tensor("k4", DOUBLE, NULL);
    pb_bytes(&tensor, 9, (const double[]){0.25}, 8);
    onnx_constant(file, &tensor);
    onnx_input(file, "x", FLOAT, "N,2");
    struct pb entry = {0};
    pb_text(&entry, 1, "mean");
    pb_text(&entry, 2, "0.5");
    pb_message(&file->trailer, 14, &entry);
    pb_text(&file->trailer, 2, "maker");
}

static void pools(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "16,2,9,9");
    onnx_attr_ints(&attrs, "kernel_shape", (const int64_t[]){3, 3}, 2);
    onnx_attr_ints(&attrs, "strides", (const int64_t[]){2, 2}, 2);
    onnx_attr_int(&attrs, "ceil_mode", 1);
    onnx_node(file, "MaxPool", "p1", "x", "p1", &attrs);
    onnx_attr_ints(&attrs, "kernel_shape", (const int64_t[]){2, 2}, 2);
    onnx_attr_text(&attrs, "auto_pad", "SAME_UPPER");
    onnx_attr_int(&attrs, "count_include_pad", 1);
    onnx_node(file, "AveragePool", "p2", "p1", "p2", &attrs);
    plain_node(file, "GlobalMaxPool", "p2", "p3");
    onnx_attr_ints(&attrs, "axes", (const int64_t[]){-1}, 1);
    onnx_node(file, "ReduceMax", "r", "p3", "r", &attrs);
    int_node(file, "LogSoftmax", "r", "y", "axis", 1);
    onnx_output(file, "y");
}

/* Windows over three axes, lines and volumes. */
static void volumes(struct onnx_file *file)
{
    struct pb conv = {0};
    struct pb pool = {0};
    struct pb deconv = {0};
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,2,4,3,5");
    put_weights(file, "w", "4,1,2,3,2", 48);
    put_weights(file, "v", "4,2,2,1,3", 48);
    put_weights(file, "b", "2", 2);
    onnx_attr_ints(&conv, "pads", (const int64_t[]){1, 1, 0, 0, 1, 1}, 6);
    onnx_attr_int(&conv, "group", 2);
    onnx_node(file, "Conv", "c", "x w", "c", &conv);
    onnx_attr_ints(&pool, "kernel_shape", (const int64_t[]){2, 2, 2}, 3);
    onnx_attr_ints(&pool, "strides", (const int64_t[]){2, 1, 2}, 3);
    onnx_attr_int(&pool, "ceil_mode", 1);
    onnx_node(file, "MaxPool", "p", "c", "p", &pool);
    onnx_attr_ints(&deconv, "strides", (const int64_t[]){2, 1, 2}, 3);
    onnx_attr_ints(&deconv, "output_padding", (const int64_t[]){1, 0, 0}, 3);
    onnx_node(file, "ConvTranspose", "d", "p v b", "d", &deconv);
    plain_node(file, "GlobalAveragePool", "d", "y");
    onnx_output(file, "y");
}

/* Scales in blocks, a mask, what only folds. */
static void blocks(struct onnx_file *file)
{
    struct pb quant = {0};
    struct pb dequant = {0};
    onnx_begin(file);
    file->opset = 21;
    onnx_input(file, "x", FLOAT, "1,4");
    put_positive(file, "s", "1,2", 2);
    put_positive(file, "t", "2,4", 8);
    put_ints(file, "five", "1", (const int64_t[]){-5}, 1);
    put_ints(file, "three", "1", (const int64_t[]){3}, 1);
    struct pb weights = onnx_tensor("w", 3, "4,4");
    pb_bytes(
        &weights,
        9,
        "\x00\x01\x02\x03\xff\x80\x7f\x10\x00\x01\x02\x03\x04\x05\x06\x07",
        16);
    onnx_constant(file, &weights);
    onnx_attr_int(&quant, "block_size", 2);
    onnx_attr_int(&quant, "output_dtype", 3);
    onnx_node(file, "QuantizeLinear", "q", "x s", "q", &quant);
    onnx_attr_int(&dequant, "block_size", 2);
    onnx_node(file, "DequantizeLinear", "d", "q s", "d", &dequant);
    onnx_attr_int(&dequant, "block_size", 2);
    onnx_attr_int(&dequant, "axis", 0);
    onnx_node(file, "DequantizeLinear", "dw", "w t", "f", &dequant);
    onnx_node(file, "Dropout", "drop", "d", "kept mask", NULL);
    plain_node(file, "MatMul", "kept f", "m");
    int_node(file, "Cast", "mask", "ones", "to", 10);
    int_node(file, "Mod", "five three", "one", "fmod", 0);
    plain_node(file, "Clip", "one three", "clipped");
    int_node(file, "Cast", "clipped", "number", "to", 1);
    plain_node(file, "Sum", "m ones number", "y");
    onnx_output(file, "y");
}

/* Opset 18: axes and split counts as operands. */
static void late_opset(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_begin(file);
    file->opset = 18;
    onnx_input(file, "x", FLOAT, "N,4,3");
    put_ints(file, "axes", "1", (const int64_t[]){2}, 1);
    onnx_attr_int(&attrs, "axis", 1);
    onnx_attr_int(&attrs, "num_outputs", 2);
    onnx_node(file, "Split", "split", "x", "a b", &attrs);
    plain_node(file, "Add", "a b", "c");
    onnx_attr_int(&attrs, "keepdims", 0);
    onnx_node(file, "ReduceMean", "m", "c axes", "y", &attrs);
    onnx_output(file, "y");
}

static void integers(struct onnx_file *file)
{
    struct pb attrs = {0};
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,6");
    put_ints(file, "start", NULL, (const int64_t[]){0}, 1);
    put_ints(file, "limit", NULL, (const int64_t[]){6}, 1);
    put_ints(file, "delta", NULL, (const int64_t[]){2}, 1);
    put_ints(file, "sixes", "3", (const int64_t[]){0, 2, 6}, 3);
    put_ints(file, "ones", "3", (const int64_t[]){1, 1, 1}, 3);
    plain_node(file, "Range", "start limit delta", "r");
    plain_node(file, "Equal", "r sixes", "e");
    plain_node(file, "Where", "e r ones", "w");
    onnx_attr_int(&attrs, "axis", 1);
    onnx_node(file, "Gather", "g", "x w", "g", &attrs);
    plain_node(file, "Relu", "g", "y");
    onnx_output(file, "y");
}

/* More than one line of a message holds. */
static void bad_operators(struct onnx_file *file)
{
    static const char *const ops[] = {
        "LSTM",
        "GRU",
        "RNN",
        "RoiAlign",
        "StringNormalizer",
        "TfIdfVectorizer",
        "Bernoulli",
        "RandomNormalLike",
        "Multinomial",
        "LSTM"};
    enum { N = sizeof ops / sizeof *ops };
    char names[N + 1][16] = {"x"};
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    for (int i = 0; i < N; i++) {
        (void)snprintf(names[i + 1], sizeof names[i], "middle%d", i);
        plain_node(file, ops[i], names[i], names[i + 1]);
    }
    plain_node(file, "NonMaxSuppression", names[N], "y");
    onnx_output(file, "y");
}

static void bad_external(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    struct pb tensor = onnx_tensor("w", FLOAT, "3");
    struct pb entry = {0};
    pb_text(&entry, 1, "location");
    pb_text(&entry, 2, "../../etc/passwd");
    pb_message(&tensor, 13, &entry);
    pb_int(&tensor, 14, 1);
    onnx_constant(file, &tensor);
    plain_node(file, "Add", "x w", "y");
    onnx_output(file, "y");
}

static void bad_cycle(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    plain_node(file, "Add", "x b", "a");
    plain_node(file, "Relu", "a", "b");
    onnx_output(file, "b");
}

/* Asks for 4 TiB by three small numbers. */
static void bad_huge(struct onnx_file *file)
{
    onnx_begin(file);
    onnx_input(file, "x", FLOAT, "N,3");
    put_ints(file, "shape", "2", (const int64_t[]){1 << 20, 1 << 20}, 2);
    plain_node(file, "ConstantOfShape", "shape", "k");
    plain_node(file, "Add", "x k", "y");
    onnx_output(file, "y");
}

static const struct {
    const char *name;
    void (*make)(struct onnx_file *file);
} corpus[] = {
    {"residual.onnx", residual},
    {"mobile.onnx", mobile},
    {"old_file.onnx", old_file},
    {"shape_chain.onnx", shape_chain},
    {"constants.onnx", constants},
    {"moves.onnx", moves},
    {"elementwise.onnx", elementwise},
    {"encodings.onnx", encodings},
    {"pools.onnx", pools},
    {"volumes.onnx", volumes},
    {"blocks.onnx", blocks},
    {"late_opset.onnx", late_opset},
    {"integers.onnx", integers},
    {"bad_operators.onnx", bad_operators},
    {"bad_external.onnx", bad_external},
    {"bad_cycle.onnx", bad_cycle},
    {"bad_huge.onnx", bad_huge},
};

static int write_seed(const char *folder, const char *name, struct cop_buf *bytes)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) return 1;
    size_t n = cop_buf_bytes(bytes);
    int failed = fwrite(cop_buf_data(bytes), 1, n, file) != n;
    return fclose(file) != 0 || failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) {
        struct onnx_file file;
        corpus[i].make(&file);
        struct cop_buf *bytes = onnx_finish(&file);
        failed += write_seed(argv[1], corpus[i].name, bytes);
        cop_buf_release(bytes);
    }
    for (const struct tf_seed *seed = tf_corpus; seed->name != NULL; seed++) {
        struct pb graph = tf_graph(seed->text);
        struct cop_buf *bytes = pb_buf(&graph);
        failed += write_seed(argv[1], seed->name, bytes);
        cop_buf_release(bytes);
    }
    return failed != 0;
}
