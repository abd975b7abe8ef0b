"""Small networks with random weights that together use every operator.

Each function returns a ModelProto.  They are written as PyTorch, Keras and older exporters
write them, over several opsets, so that reading and lifting are compared as well."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

F = np.float32


class Net:
    """A graph being written: op() adds a node and returns the name of its result."""

    def __init__(self, seed, opset, ir=8, producer="pytorch"):
        self.rng = np.random.default_rng(seed)
        self.opset, self.ir, self.producer = opset, ir, producer
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def input(self, name, *dims):
        shape = ["N", *dims] if not dims or dims[0] != "fixed" else list(dims[1:])
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def const(self, array, name=None):
        name = name or f"const{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def ints(self, *numbers):
        return self.const(np.array(numbers, np.int64))

    def normal(self, *dims, scale=1.0):
        return self.const((self.rng.standard_normal(dims) * scale).astype(F))

    def op(self, op_type, *sources, n=1, **attrs):
        names = [f"{op_type.lower()}{len(self.nodes)}_{i}" for i in range(n)]
        self.nodes.append(
            helper.make_node(op_type, list(sources), names, f"{op_type}_{len(self.nodes)}", **attrs)
        )
        return names[0] if n == 1 else names

    def conv(self, x, cin, cout, k=3, stride=1, group=1, bias=True, **attrs):
        w = self.normal(cout, cin // group, k, k, scale=(2.0 / (cin // group * k * k)) ** 0.5)
        b = [self.normal(cout, scale=0.1)] if bias else []
        attrs = {"pads": [k // 2] * 4, **attrs}
        return self.op(
            "Conv", x, w, *b, kernel_shape=[k, k], strides=[stride] * 2, group=group, **attrs
        )

    def bn(self, x, c):
        r = self.rng
        scale = self.const((0.5 + r.random(c)).astype(F))
        bias = self.normal(c, scale=0.2)
        mean = self.normal(c, scale=0.2)
        var = self.const((0.5 + r.random(c)).astype(F))
        return self.op("BatchNormalization", x, scale, bias, mean, var, epsilon=1e-5, momentum=0.9)

    def linear(self, x, cin, cout):
        w = self.normal(cout, cin, scale=cin**-0.5)
        return self.op("Gemm", x, w, self.normal(cout, scale=0.1), alpha=1.0, beta=1.0, transB=1)

    def done(self, *outputs, ranks=None):
        for i, name in enumerate(outputs):
            dims = ["N"] + [None] * ((ranks[i] if ranks else 2) - 1)
            self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        if self.ir < 4:  # constants had to be listed as inputs
            for t in self.constants:
                self.inputs.append(helper.make_tensor_value_info(t.name, t.data_type, t.dims))
        graph = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.constants)
        model = helper.make_model(
            graph,
            producer_name=self.producer,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=self.ir,
        )
        return model


def resnet():
    n = Net(1, 13)
    x = n.op("Relu", n.bn(n.conv(n.input("x", 3, 32, 32), 3, 16, 3, bias=False), 16))
    x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    cin = 16
    for cout, stride in ((16, 1), (32, 2), (32, 1)):
        y = n.op("Relu", n.bn(n.conv(x, cin, cout, 3, stride, bias=False), cout))
        y = n.bn(n.conv(y, cout, cout, 3, bias=False), cout)
        if cin != cout or stride != 1:
            x = n.bn(n.conv(x, cin, cout, 1, stride, bias=False), cout)
        x = n.op("Relu", n.op("Add", y, x))
        cin = cout
    x = n.op("Flatten", n.op("GlobalAveragePool", x), axis=1)
    return n.done(n.linear(x, 32, 10))


def mobilenet_v2():
    n = Net(2, 11, ir=6)
    low, high = n.const(F(0)), n.const(F(6))

    def block(x, cin, cout, stride, expand):
        mid = cin * expand
        y = n.op("Clip", n.bn(n.conv(x, cin, mid, 1, bias=False), mid), low, high)
        y = n.conv(y, mid, mid, 3, stride, group=mid, bias=False)
        y = n.op("Clip", n.bn(y, mid), low, high)
        y = n.bn(n.conv(y, mid, cout, 1, bias=False), cout)
        return n.op("Add", x, y) if stride == 1 and cin == cout else y

    x = n.op("Clip", n.bn(n.conv(n.input("x", 3, 32, 32), 3, 8, 3, 2, bias=False), 8), low, high)
    for args in ((8, 8, 1, 2), (8, 16, 2, 6), (16, 16, 1, 6)):
        x = block(x, *args)
    x = n.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    return n.done(n.linear(x, 16, 10))


def squeezenet():
    n = Net(3, 13)

    def fire(x, cin, squeeze, cout):
        s = n.op("Relu", n.conv(x, cin, squeeze, 1))
        a = n.op("Relu", n.conv(s, squeeze, cout, 1))
        b = n.op("Relu", n.conv(s, squeeze, cout, 3))
        return n.op("Concat", a, b, axis=1)

    x = n.op("Relu", n.conv(n.input("x", 3, 35, 35), 3, 16, 3, 2, pads=[0] * 4))
    x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = fire(x, 16, 4, 16)
    x = fire(x, 32, 8, 24)
    x = n.op("Dropout", x)
    x = n.op("Relu", n.conv(x, 48, 10, 1))
    return n.done(n.op("Flatten", n.op("GlobalAveragePool", x), axis=1))


def vgg():
    n = Net(4, 9, ir=4)
    x, cin = n.input("x", 3, 16, 16), 3
    for cout in (8, 16):
        x = n.op("Relu", n.conv(x, cin, cout, 3))
        x = n.op("Relu", n.conv(x, cout, cout, 3))
        x = n.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        cin = cout
    x = n.op("Reshape", x, n.ints(-1, 256))
    x = n.op("Dropout", n.op("Relu", n.linear(x, 256, 32)), ratio=0.5)
    return n.done(n.op("Softmax", n.linear(x, 32, 10), axis=1))


def shape_chain(opset):
    """view(x.size(0), -1) and a pad whose widths are computed, as tracing leaves them."""
    n = Net(5, opset)
    x = n.op("Relu", n.conv(n.input("x", 3, 8, 8), 3, 4, 3))

    def unsqueeze(y):
        return n.op("Unsqueeze", y, axes=[0]) if opset < 13 else n.op("Unsqueeze", y, n.ints(0))

    shape = n.op("Shape", x)
    batch = unsqueeze(n.op("Gather", shape, n.const(np.int64(0)), axis=0))
    channels = unsqueeze(n.op("Gather", shape, n.const(np.int64(1)), axis=0))
    rest = n.op("Constant", value=numpy_helper.from_array(np.array([-1], np.int64)))
    x = n.op("Reshape", x, n.op("Concat", batch, channels, rest, axis=0))
    tail = n.op("Slice", n.op("Shape", x), n.ints(1), n.ints(3), n.ints(0))
    flat = n.op("Concat", batch, n.ints(-1), axis=0)
    x = n.op("Reshape", n.op("Reshape", x, n.op("Concat", batch, tail, axis=0)), flat)
    return n.done(n.linear(x, 256, 5))


def unary():
    n = Net(6, 14)
    x = n.conv(n.input("x", 3, 6, 6), 3, 4, 3)
    outs = [n.op(o, x) for o in ("Sigmoid", "HardSwish", "Tanh", "Abs", "Exp", "Neg", "Identity")]
    outs += [n.op("LeakyRelu", x, alpha=0.2), n.op("Elu", x, alpha=0.7)]
    outs += [n.op("HardSigmoid", x, alpha=0.25, beta=0.4)]
    positive = n.op("Add", n.op("Abs", x), n.const(F(0.5)))
    outs += [n.op(o, positive) for o in ("Sqrt", "Log", "Reciprocal")]
    return n.done(n.op("Concat", *outs, axis=1), ranks=[4])


def old_unary():
    """Opset 9: bounds, paddings and ranges are attributes."""
    n = Net(7, 9, ir=3)
    x = n.op("Clip", n.conv(n.input("x", 3, 9, 9), 3, 4, 3), min=-0.5, max=1.0)
    x = n.op("Pad", x, mode="constant", pads=[0, 0, 1, 2, 0, 0, 2, 1], value=0.25)
    x = n.op("Slice", x, axes=[1, 2], starts=[1, 0], ends=[4, -2])
    x = n.op("Squeeze", n.op("Unsqueeze", x, axes=[2]), axes=[2])
    a, b = n.op("Split", x, n=2, axis=1, split=[1, 2])
    x = n.op("Concat", b, a, axis=1)
    return n.done(n.op("Softmax", x, axis=3), ranks=[4])


def binary():
    n = Net(8, 13)
    x, z = n.input("x", 4, 5, 5), n.input("z", 4, 5, 5)
    a = n.op("Add", x, n.normal(4, 1, 1))
    b = n.op("Mul", z, n.normal(1, 4, 1, 1))
    c = n.op("Sub", a, b)
    d = n.op("Div", c, n.const((1 + n.rng.random((4, 1, 1))).astype(F)))
    e = n.op("Max", d, x)
    f = n.op("Min", e, n.const(F(1.5)))
    g = n.op("Pow", f, n.const(F(2)))
    gate = n.op("Sigmoid", n.conv(n.op("GlobalAveragePool", g), 4, 4, 1))
    return n.done(n.op("Mul", g, gate), d, ranks=[4, 4])


def moves():
    n = Net(9, 13)
    x = n.input("x", 4, 6, 7)
    p = n.op("Pad", x, n.ints(0, 0, 1, 2, 0, 0, 2, 1), n.const(F(0.5)))
    s = n.op("Slice", p, n.ints(0, -1), n.ints(9, -100), n.ints(2, 3), n.ints(2, -2))
    a, b, c = n.op("Split", s, n.ints(1, 2, 1), n=3, axis=1)
    y = n.op("Concat", c, a, b, axis=1)
    y = n.op("Transpose", y, perm=[0, 2, 3, 1])
    y = n.op("Squeeze", n.op("Unsqueeze", y, n.ints(-1)), n.ints(4))
    return n.done(y, n.op("Flatten", s, axis=2), ranks=[4, 2])


def pools():
    n = Net(10, 13)
    x = n.input("x", 3, 13, 11)
    a = n.op("MaxPool", x, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)
    b = n.op("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    c = n.op(
        "AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1, strides=[2, 1]
    )
    d = n.op("AveragePool", x, kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[2, 2])
    e = n.op("MaxPool", x, kernel_shape=[2, 2], auto_pad="SAME_LOWER", strides=[1, 1])
    outs = [n.op("Flatten", y) for y in (a, b, c, d, e)]
    g = n.op("Flatten", n.op("Concat", n.op("GlobalMaxPool", a), n.op("GlobalAveragePool", b), axis=1))
    return n.done(n.op("Concat", *outs, g, axis=1))


def reductions():
    n = Net(11, 13)
    x = n.input("x", 4, 5, 6)
    a = n.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    b = n.op("ReduceSum", x, n.ints(-1, 2), keepdims=0)
    c = n.op("ReduceMax", x, axes=[2, 3], keepdims=0)
    d = n.op("Flatten", n.op("ReduceMean", x, axes=[1], keepdims=1))
    e = n.op("LogSoftmax", x, axis=1)
    f = n.op("Softmax", x)
    return n.done(n.op("Concat", a, b, c, d, axis=1), e, f, ranks=[2, 4, 4])


def softmax_old():
    """Before opset 13 the axes behind the given one were taken together."""
    n = Net(12, 11)
    x = n.input("x", 4, 3, 2)
    return n.done(n.op("Softmax", x, axis=1), n.op("LogSoftmax", x, axis=2), ranks=[4, 4])


def convolutions():
    n = Net(13, 13)
    x = n.input("x", 8, 12, 10)
    a = n.conv(x, 8, 12, 3, group=4)
    b = n.conv(x, 8, 8, 3, group=8, dilations=[2, 2], pads=[2, 2, 2, 2])
    c = n.conv(x, 8, 6, 3, 2, pads=[0, 1, 2, 1])
    d = n.op("Conv", x, n.normal(5, 8, 1, 5, scale=0.2), pads=[0, 2, 0, 2])
    e = n.op("Conv", x, n.normal(5, 8, 3, 3, scale=0.2), auto_pad="SAME_UPPER", strides=[2, 2])
    f = n.conv(x, 8, 16, 3, group=8)
    outs = [n.op("GlobalAveragePool", y) for y in (a, b, d, e, f)]
    return n.done(n.op("Flatten", n.op("Concat", *outs, axis=1)), c, ranks=[2, 4])


def products():
    n = Net(14, 13)
    x = n.input("x", 6, 10)
    y = n.op("Add", n.op("MatMul", x, n.normal(10, 8, scale=0.3)), n.normal(8))
    flat = n.op("Flatten", n.op("Relu", y))
    g = n.op("Gemm", flat, n.normal(48, 7, scale=0.2), alpha=0.5)
    h = n.op("Gemm", flat, n.normal(7, 48, scale=0.2), n.normal(7), alpha=0.5, beta=2.0, transB=1)
    attention = n.op("MatMul", y, n.op("Transpose", y, perm=[0, 2, 1]))
    return n.done(n.op("Concat", g, h, axis=1), n.op("Softmax", attention), ranks=[2, 3])


def constants():
    n = Net(15, 13)
    x = n.input("x", 6)
    k = [
        n.op("Constant", value_float=0.5),
        n.op("Constant", value_floats=[1.0, 2, 3, 4, 5, 6]),
        n.op("Constant", value=numpy_helper.from_array(n.rng.random(6).astype(F))),
        n.op("ConstantOfShape", n.ints(6), value=numpy_helper.from_array(np.array([2], F))),
        n.op("Cast", n.op("Constant", value_int=3), to=TensorProto.FLOAT),
    ]
    for c in k:
        x = n.op("Add", x, c)
    zero, twelve, two = (n.const(np.int64(i)) for i in (0, 12, 2))
    steps = n.op("Range", zero, twelve, two)
    odd = n.op("Where", n.op("Equal", steps, n.ints(0, 2, 5, 6, 7, 10)), steps, n.ints(*[1] * 6))
    odd = n.op("Mod", odd, n.ints(7))
    x = n.op("Mul", x, n.op("Exp", n.op("Constant", value_float=-1.0)))
    return n.done(n.op("Add", x, n.op("Cast", odd, to=TensorProto.FLOAT)))


def late():
    """Opset 18: axes are operands, a split may only count."""
    n = Net(16, 18)
    x = n.input("x", 5, 4)
    a, b = n.op("Split", x, n=2, axis=1, num_outputs=2)
    m = n.op("ReduceMean", a, n.ints(2), keepdims=0)
    s = n.op("ReduceMax", b, n.ints(2), keepdims=0)
    return n.done(n.op("Concat", m, s, axis=1))


def half_weights():
    """Weights stored as float16 and as lists of numbers, nodes out of order."""
    n = Net(17, 13)
    x = n.input("x", 3, 6, 6)
    w = (n.rng.standard_normal((4, 3, 3, 3)) * 0.2).astype(np.float16)
    n.constants.append(numpy_helper.from_array(w, "half"))
    wide = n.op("Cast", "half", to=TensorProto.FLOAT)
    y = n.op("Relu", n.op("Conv", x, wide, pads=[1] * 4))
    bias = n.rng.standard_normal(4).astype(F)
    n.constants.append(helper.make_tensor("listed", TensorProto.FLOAT, [4, 1, 1], bias.tolist()))
    y = n.op("Add", y, "listed")
    return n.done(y, ranks=[4])


def fixed_batch():
    n = Net(18, 11)
    x = n.op("Relu", n.conv(n.input("x", "fixed", 1, 3, 8, 8), 3, 4, 3))
    x = n.op("Reshape", x, n.ints(1, 256))
    model = n.done(n.linear(x, 256, 5))
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    return model


ALL = {
    "resnet": resnet,
    "mobilenet_v2": mobilenet_v2,
    "squeezenet": squeezenet,
    "vgg": vgg,
    "shape_chain_11": lambda: shape_chain(11),
    "shape_chain_13": lambda: shape_chain(13),
    "shape_chain_17": lambda: shape_chain(17),
    "unary": unary,
    "old_unary": old_unary,
    "binary": binary,
    "moves": moves,
    "pools": pools,
    "reductions": reductions,
    "softmax_old": softmax_old,
    "convolutions": convolutions,
    "products": products,
    "constants": constants,
    "late": late,
    "half_weights": half_weights,
    "fixed_batch": fixed_batch,
}
