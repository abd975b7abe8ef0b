"""Small networks for the operators that classifiers use rarely; see networks.py."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from networks import F, Net


def concat_flat(n, outs):
    return n.op("Concat", *[n.op("Flatten", y) for y in outs], axis=1)


def activations():
    n = Net(101, 20)
    x = n.input("x", 4, 5, 5)
    y = n.conv(x, 4, 6, 3)
    outs = [n.op(o, y) for o in ("Softplus", "Softsign", "Erf", "Mish", "Selu", "Celu", "Gelu")]
    outs += [n.op("Gelu", y, approximate="tanh"), n.op("ThresholdedRelu", y, alpha=0.3)]
    # Right behind a convolution it is two lines of different slopes.
    outs += [n.op("Celu", n.conv(x, 4, 6, 3), alpha=0.6)]
    outs += [n.op("PRelu", y, n.normal(6, 1, 1))]
    # What rounds is given exact numbers: the last bit would decide.
    outs += [n.op(o, x) for o in ("Floor", "Ceil", "Round", "Sign")]
    return n.done(concat_flat(n, outs))


def comparisons():
    n = Net(102, 16)
    x, z = n.input("x", 4, 3, 3), n.input("z", 4, 3, 3)
    tests = [n.op(o, x, z) for o in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal")]
    a, b, c, d, e = tests
    tests = [n.op("And", a, c), n.op("Or", b, e), n.op("Xor", a, d), n.op("Not", b)]
    outs = [n.op("Cast", t, to=TensorProto.FLOAT) for t in tests]
    outs += [n.op("Where", tests[0], x, z), n.op("Where", tests[3], x, n.const(F(-5)))]
    return n.done(concat_flat(n, outs))


def variadic():
    n = Net(103, 13)
    x, z = n.input("x", 4, 3, 3), n.input("z", 4, 3, 3)
    k = n.normal(4, 1, 1)
    outs = [n.op(o, x, z, k) for o in ("Max", "Min", "Sum", "Mean")]
    outs += [n.op("Max", x), n.op("Sum", x, z)]
    outs += [n.op("Pow", n.op("Abs", x), n.op("Abs", z))]
    return n.done(concat_flat(n, outs))


def resizes():
    n = Net(104, 13)
    x = n.op("Relu", n.conv(n.input("x", 3, 7, 6), 3, 4, 3))
    scales = n.const(np.array([1, 1, 2, 2], F))
    sizes = n.op("Concat", n.op("Slice", n.op("Shape", x), n.ints(0), n.ints(2)), n.ints(9, 5), axis=0)
    near = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    outs = [n.op("Resize", x, "", scales, **near)]
    for how in ("half_pixel", "align_corners", "pytorch_half_pixel", "asymmetric"):
        outs.append(n.op("Resize", x, "", scales, mode="linear", coordinate_transformation_mode=how))
        outs.append(n.op("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode=how))
    outs.append(n.op("Resize", x, "", scales, mode="cubic", coordinate_transformation_mode="half_pixel"))
    return n.done(concat_flat(n, outs))


def upsample():
    n = Net(105, 9, ir=4)
    x = n.conv(n.input("x", 3, 5, 4), 3, 4, 3)
    scales = n.const(np.array([1, 1, 2, 3], F))
    a = n.op("Upsample", x, scales, mode="nearest")
    b = n.op("Upsample", x, scales, mode="linear")
    return n.done(n.op("Concat", a, b, axis=1), ranks=[4])


def decoder():
    n = Net(106, 13)
    x = n.op("Relu", n.conv(n.input("x", 3, 8, 8), 3, 8, 3, 2))
    y = n.op("ConvTranspose", x, n.normal(8, 6, 4, 4, scale=0.2), n.normal(6), kernel_shape=[4, 4],
             strides=[2, 2], pads=[1, 1, 1, 1])
    z = n.op("ConvTranspose", y, n.normal(6, 2, 3, 3, scale=0.2), kernel_shape=[3, 3], group=2,
             strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    s = n.op("SpaceToDepth", z, blocksize=2)
    d = n.op("DepthToSpace", s, blocksize=2, mode="CRD")
    e = n.op("DepthToSpace", s, blocksize=4, mode="DCR")
    return n.done(concat_flat(n, [z, d, e]))


def standardised():
    n = Net(107, 17)
    x = n.conv(n.input("x", 3, 6, 6), 3, 8, 3)
    a = n.op("InstanceNormalization", x, n.normal(8), n.normal(8))
    b = n.op("LayerNormalization", x, n.normal(6), n.normal(6))
    c = n.op("LRN", x, size=5, alpha=0.01, beta=0.75, bias=2.0)
    d = n.op("LpNormalization", x, axis=1)
    return n.done(concat_flat(n, [a, b, c, d]))


def groups():
    n = Net(108, 21, ir=10)
    x = n.conv(n.input("x", 3, 6, 6), 3, 8, 3)
    return n.done(n.op("GroupNormalization", x, n.normal(8), n.normal(8), num_groups=4), ranks=[4])


def pads():
    n = Net(109, 19, ir=9)
    x = n.conv(n.input("x", 3, 6, 5), 3, 4, 3)
    amounts, spatial = n.ints(0, 0, 1, 2, 0, 0, 3, 1), n.ints(2, 3)
    outs = [n.op("Pad", x, amounts, mode=m) for m in ("reflect", "edge", "wrap")]
    outs += [n.op("Pad", x, n.ints(1, 0, 2, 1), n.const(F(0.5)), spatial)]
    return n.done(concat_flat(n, outs))


def more_reductions():
    n = Net(110, 13)
    x = n.op("Abs", n.input("x", 4, 5, 6))
    kinds = ("Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
    outs = [n.op(f"Reduce{k}", x, axes=[2, 3], keepdims=0) for k in kinds]
    outs += [n.op("Cast", n.op(o, x, axis=1), to=TensorProto.FLOAT) for o in ("ArgMax", "ArgMin")]
    return n.done(concat_flat(n, outs))


def one_axis():
    n = Net(111, 13)
    x = n.input("x", 6, 20)
    y = n.op("Conv", x, n.normal(8, 6, 3, scale=0.3), n.normal(8), kernel_shape=[3], pads=[1, 1])
    y = n.op("Relu", n.bn(y, 8))
    y = n.op("Conv", y, n.normal(8, 1, 5, scale=0.3), kernel_shape=[5], group=8, strides=[2])
    a = n.op("MaxPool", y, kernel_shape=[2], strides=[2])
    b = n.op("AveragePool", y, kernel_shape=[3], strides=[2], pads=[1, 1])
    c = n.op("ConvTranspose", a, n.normal(8, 4, 4, scale=0.3), kernel_shape=[4], strides=[2])
    d = n.op("GlobalAveragePool", c)
    e = n.op("LpPool", n.op("Unsqueeze", y, n.ints(2)), kernel_shape=[1, 2], p=2)
    f = n.op("GlobalLpPool", n.op("Unsqueeze", y, n.ints(2)))
    return n.done(concat_flat(n, [a, b, c, d, e, f]))


def picks():
    n = Net(112, 13)
    x = n.conv(n.input("x", 3, 6, 5), 3, 4, 3)
    a = n.op("Gather", x, n.ints(3, 0, 0, 2), axis=1)
    b = n.op("Tile", n.op("GlobalAveragePool", x), n.ints(1, 1, 2, 3))
    c = n.op("Expand", n.op("GlobalMaxPool", x), n.ints(1, 4, 3, 2))
    return n.done(concat_flat(n, [a, b, c]))


def quantised():
    """Weights as int8 per channel, activations as uint8, as quantisers leave them."""
    n = Net(113, 13)
    x = n.input("x", 3, 8, 8)
    step, zero = n.const(F(0.05)), n.const(np.uint8(128))
    x = n.op("DequantizeLinear", n.op("QuantizeLinear", x, step, zero), step, zero)
    w = n.const(n.rng.integers(-128, 128, (6, 3, 3, 3), dtype=np.int8))
    scales = n.const((0.002 + 0.003 * n.rng.random(6)).astype(F))
    w = n.op("DequantizeLinear", w, scales, n.const(np.zeros(6, np.int8)), axis=0)
    y = n.op("Relu", n.op("Conv", x, w, n.normal(6), pads=[1] * 4))
    step = n.const(F(0.03))
    y = n.op("DequantizeLinear", n.op("QuantizeLinear", y, step), step)
    y = n.op("Flatten", n.op("GlobalAveragePool", y))
    return n.done(n.linear(y, 6, 4))


def late():
    """Operators of opset 18 beside reductions, whose axes became an operand then, and Split."""
    n = Net(114, 18)
    x = n.conv(n.input("x", 3, 6, 5), 3, 4, 3)
    kinds = ("Max", "Mean", "Sum", "L2")
    outs = [n.op(f"Reduce{k}", x, n.ints(2, 3), keepdims=0) for k in kinds]
    a, b = n.op("Split", x, n=2, axis=1, num_outputs=2)
    return n.done(concat_flat(n, [n.op("Mish", x), n.op("Sub", a, b), *outs]))


ALL = {f.__name__: f for f in (
    activations, comparisons, variadic, resizes, upsample, decoder, standardised, groups, pads,
    more_reductions, one_axis, picks, quantised, late)}
