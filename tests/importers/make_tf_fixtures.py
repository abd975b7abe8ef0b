#!/usr/bin/env python3
"""Writes tests/importers/tf: small frozen graphs and what TensorFlow computes of them.

Not needed to build or test: the files are committed.  Needs tensorflow-cpu 2.21 from PyPI.
usage: make_tf_fixtures.py FOLDER

NAME.pb is the graph, NAME.out the outputs as float32, one behind the other, in the order
of the graph's ends; `cases` lists them with the batch.  Inputs are not stored: element i of
an input is (i * 48271 + 11) mod 65536 / 32768 - 1, in the file's own order of axes.
"""
import os
import sys
import zlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
raw = tf.raw_ops
folder = sys.argv[1]
rng = np.random.default_rng(7)
cases = []


def values(shape):
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((i * 48271 + 11) % 65536) / 32768.0 - 1).astype(np.float32).reshape(shape)


def random(*shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def ends(graph_def):
    """Nodes that nobody reads, in the order of the file."""
    read = {i.split(":")[0].lstrip("^") for n in graph_def.node for i in n.input}
    skip = ("Const", "NoOp", "Assert", "Placeholder", "PlaceholderWithDefault")
    return [n.name for n in graph_def.node if n.name not in read and n.op not in skip]


def evaluate(graph_def, shapes, outputs):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf1.Session(graph=graph) as session:
            feeds = {name + ":0": values(shape) for name, shape in shapes.items()}
            return session.run([o + ":0" for o in outputs], feeds)


def store(name, graph_def, shapes, results=None, options=""):
    graph_def.ClearField("library")
    for node in graph_def.node:
        node.ClearField("experimental_debug_info")
    if results is None:
        results = evaluate(graph_def, shapes, ends(graph_def))
    with open(os.path.join(folder, name + ".pb"), "wb") as file:
        file.write(graph_def.SerializeToString(deterministic=True))
    with open(os.path.join(folder, name + ".out"), "wb") as file:
        for result in results:
            file.write(np.asarray(result).astype(np.float32).tobytes())
    batch = next(iter(shapes.values()))[0]
    cases.append(f"{name} mb{batch}{' ' + options if options else ''}")


def case(name, build, shape=(2, 9, 8, 6), names=("x",), options="", opens=True):
    """build(x) makes nodes; x is a placeholder with an open batch."""
    global rng  # of the case's own: a new one leaves the others as they are
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    with tf.Graph().as_default() as graph:
        open_shape = ([None] if opens else [shape[0]]) + list(shape[1:])
        inputs = [tf1.placeholder(tf.float32, open_shape, n) for n in names]
        build(*inputs)
    store(name, graph.as_graph_def(), {n: shape for n in names}, options=options)


def nchw(name, build, shape=(2, 6, 9, 8)):
    """build(x, format) twice: TensorFlow's CPU kernels compute the NHWC one only."""
    with tf.Graph().as_default() as graph:
        build(tf1.placeholder(tf.float32, [None] + list(shape[1:]), "x"), "NCHW")
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [None] + list(shape[1:]), "x")
        y = build(tf.transpose(x, [0, 2, 3, 1]), "NHWC")
        y = tf.transpose(y, [0, 3, 1, 2])
        with tf1.Session() as session:
            result = session.run(y, {x: values(shape)})
    store(name, graph.as_graph_def(), {"x": shape}, [result])


# ---- windows ------------------------------------------------------------------------------

conv = lambda x, w, s, p, **kw: raw.Conv2D(input=x, filter=w, strides=[1, *s, 1], padding=p, **kw)
deep = lambda x, w, s, p, **kw: raw.DepthwiseConv2dNative(
    input=x, filter=w, strides=[1, *s, 1], padding=p, **kw)


def convolutions(x):
    conv(x, random(3, 3, 6, 4), (1, 1), "SAME")
    conv(x, random(3, 2, 6, 4), (2, 2), "SAME")  # 9x8: one side padded, the other not
    conv(x, random(2, 5, 6, 4), (3, 2), "SAME")
    conv(x, random(3, 3, 6, 4), (2, 1), "VALID")
    conv(x, random(3, 3, 6, 4), (1, 1), "SAME", dilations=[1, 2, 3, 1])
    conv(x, random(3, 3, 6, 4), (1, 2), "EXPLICIT",
         explicit_paddings=[0, 0, 2, 0, 1, 3, 0, 0])
    conv(x, random(1, 1, 6, 4), (2, 2), "SAME")


def depthwise(x):
    deep(x, random(3, 3, 6, 1), (1, 1), "SAME")
    deep(x, random(3, 3, 6, 2), (2, 2), "SAME")
    deep(x, random(2, 3, 6, 1), (1, 1), "VALID", dilations=[1, 2, 2, 1])


def pools(x):
    for op in (raw.MaxPool, raw.AvgPool):
        kw = {"input": x} if op is raw.MaxPool else {"value": x}
        op(ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME", **kw)
        op(ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME", **kw)
        op(ksize=[1, 3, 2, 1], strides=[1, 1, 1, 1], padding="VALID", **kw)
        op(ksize=[1, 9, 8, 1], strides=[1, 9, 8, 1], padding="VALID", **kw)


case("convolutions", convolutions)
case("depthwise", depthwise)
case("pools", pools)


def nchw_net(x, fmt):
    first = fmt == "NCHW"
    order = lambda a, h, w, c: [a, c, h, w] if first else [a, h, w, c]
    x = raw.Conv2D(input=x, filter=tf.constant(w_nchw), strides=order(1, 2, 1, 1),
                   padding="SAME", data_format=fmt, name="conv")
    x = raw.BiasAdd(value=x, bias=b_nchw, data_format=fmt)
    x = raw.FusedBatchNormV3(x=x, scale=s_nchw, offset=b_nchw, mean=b_nchw, variance=s_nchw,
                             epsilon=1e-3, is_training=False, data_format=fmt).y
    x = raw.Relu(features=x)
    return raw.MaxPool(input=x, ksize=order(1, 3, 3, 1), strides=order(1, 2, 2, 1),
                       padding="SAME", data_format=fmt)


w_nchw, b_nchw, s_nchw = random(3, 3, 6, 5), random(5), random(5, low=0.5, high=1.5)
nchw("channels_first", nchw_net)


def turned(x):  # an NHWC image for a network in NCHW, as some converters write it
    x = tf.transpose(x, [0, 3, 1, 2])
    x = tf.nn.relu(tf.transpose(x, [0, 2, 3, 1]))
    conv(x, random(3, 3, 6, 4), (1, 1), "SAME")


case("turned", turned)


def deconvolutions(x):
    def back(x, kernel, strides, padding, size):
        sizes = tf.stack([tf.shape(x)[0], *size, 4])
        return raw.Conv2DBackpropInput(
            input_sizes=sizes, filter=random(*kernel, 4, x.shape[-1]), out_backprop=x,
            strides=[1, *strides, 1], padding=padding)

    back(x, (3, 3), (2, 2), "SAME", (10, 8))
    back(x, (3, 3), (2, 2), "SAME", (9, 7))
    back(x, (4, 2), (2, 2), "SAME", (10, 8))
    back(x, (1, 1), (2, 3), "SAME", (10, 12))
    back(x, (3, 2), (2, 2), "VALID", (11, 8))
    back(x, (3, 2), (2, 2), "VALID", (12, 9))  # what a VALID convolution would leave over
    y = back(x, (5, 5), (1, 1), "SAME", (5, 4))
    shape = tf.shape(y)  # as Keras finds the extents
    y = raw.Conv2DBackpropInput(
        input_sizes=tf.stack([shape[0], shape[1] * 2, shape[2] * 2, 3]),
        filter=random(2, 2, 3, 4), out_backprop=tf.nn.relu(y), strides=[1, 2, 2, 1],
        padding="VALID")


case("deconvolutions", deconvolutions, shape=(2, 5, 4, 6))


def blocks(x):  # dilation as the first TensorFlow wrote it
    y = raw.SpaceToBatchND(input=x, block_shape=[2, 2], paddings=[[2, 3], [2, 2]])
    y = conv(y, random(3, 3, 6, 4), (1, 1), "VALID")
    y = raw.BiasAdd(value=y, bias=random(4))
    y = raw.BatchToSpaceND(input=y, block_shape=[2, 2], crops=[[0, 1], [0, 0]])
    y = raw.SpaceToBatchND(input=y, block_shape=[3, 3], paddings=[[3, 3], [3, 4]])
    y = deep(y, random(3, 3, 4, 1), (1, 1), "VALID")
    raw.BatchToSpaceND(input=y, block_shape=[3, 3], crops=[[0, 0], [0, 1]])


case("blocks", blocks)

# ---- normalisation --------------------------------------------------------------------------


def norms(x):
    args = dict(scale=random(6, low=0.5, high=2), offset=random(6), mean=random(6),
                variance=random(6, low=0.1, high=2), is_training=False)
    raw.FusedBatchNorm(x=x, epsilon=1e-2, **args)
    raw.FusedBatchNormV2(x=x, epsilon=1e-3, **args)
    raw.FusedBatchNormV3(x=x, **args)


def unfused(x):  # tf.nn.batch_normalization, of images and of rows
    y = conv(x, random(3, 3, 6, 5), (1, 1), "SAME")
    y = tf.nn.batch_normalization(y, tf.constant(random(5)), tf.constant(random(5, low=0.1)),
                                  tf.constant(random(5)), tf.constant(random(5)), 1e-3)
    y = tf.reduce_mean(y, [1, 2])
    y = tf.nn.batch_normalization(y, tf.constant(random(5)), tf.constant(random(5, low=0.1)),
                                  tf.constant(random(5)), None, 1e-3)


def by_hand(x):  # orders that people write
    y = conv(x, random(3, 3, 6, 5), (1, 1), "SAME")
    root = tf.sqrt(tf.constant(random(5, low=0.1)) + 1e-3)
    y = tf.nn.relu((y - random(5)) / root * random(5, low=0.5) + random(5))
    y = conv(y, random(1, 1, 5, 4), (1, 1), "SAME")
    y = y * random(4, low=0.5) + random(4)
    y = tf.nn.relu(raw.Add(x=tf.constant(random(1, 1, 1, 4)), y=y))
    tf.nn.softmax(tf.matmul(tf.reduce_mean(y, [1, 2]), random(4, 3)))


def first_norm(x):  # the operator of the first Inception files, which cannot be run any more
    m, v, beta, gamma = (random(6), random(6, low=0.1), random(6), random(6, low=0.5))
    graph = x.graph.as_graph_def()
    node = graph.node.add(name="norm", op="BatchNormWithGlobalNormalization")
    for name, value in (("m", m), ("v", v), ("beta", beta), ("gamma", gamma)):
        const = graph.node.add(name=name, op="Const")
        const.attr["dtype"].type = 1
        const.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    node.input.extend(["x", "m", "v", "beta", "gamma"])
    node.attr["variance_epsilon"].f = 1e-3
    node.attr["scale_after_normalization"].b = True
    y = (values(shape).astype(np.float64) - m) / np.sqrt(v + 1e-3) * gamma + beta
    store("first_norm", graph, {"x": shape}, [y])


case("norms", norms, shape=(2, 3, 4, 6))
with tf.Graph().as_default():
    shape = (2, 3, 4, 6)
    first_norm(tf1.placeholder(tf.float32, [None, 3, 4, 6], "x"))
case("norm_by_hand", by_hand, options="last=0 prunable")
case("unfused_norm", unfused, options="last=0 norms=2")
case("lrn", lambda x: raw.LRN(input=x, depth_radius=2, bias=1.5, alpha=0.7, beta=0.6))

# ---- arithmetic -------------------------------------------------------------------------------


def activations(x):
    for op in (raw.Relu, raw.Relu6, raw.Elu, raw.Selu):
        op(features=x * 8)
    raw.LeakyRelu(features=x)
    raw.LeakyRelu(features=x, alpha=0.3)
    for op in (raw.Sigmoid, raw.Tanh, raw.Neg, raw.Exp, raw.Abs, raw.Square):
        op(x=x)
    raw.Softmax(logits=x * 3)
    raw.LogSoftmax(logits=x)
    raw.Softplus(features=x)
    p = tf.abs(x) + 0.5
    for op in (raw.Rsqrt, raw.Sqrt, raw.Log, raw.Reciprocal):
        op(x=p)
    raw.ClipByValue(t=x, clip_value_min=-0.25, clip_value_max=0.5)


def arithmetic(x, y):
    for op in (raw.Add, raw.AddV2, raw.Mul, raw.Sub, raw.Maximum, raw.Minimum,
               raw.SquaredDifference):
        op(x=x, y=y)
    raw.RealDiv(x=x, y=y + 3)
    raw.Pow(x=tf.abs(x) + 0.1, y=tf.constant(1.5))
    raw.AddN(inputs=[x, y, x])
    raw.Mul(x=tf.constant(random(5)), y=x)
    raw.Add(x=x, y=tf.constant(random(3, 4, 1)))
    raw.Sub(x=tf.constant(2.0), y=x)


case("activations", activations, shape=(2, 3, 4, 5))
case("arithmetic", arithmetic, shape=(2, 3, 4, 5), names=("x", "y"))


def choices(x, y):
    for op in (raw.Greater, raw.GreaterEqual, raw.Less, raw.LessEqual, raw.Equal, raw.NotEqual):
        raw.SelectV2(condition=op(x=x, y=tf.floor(x * 4) / 4), t=x, e=y)
    both = raw.LogicalAnd(x=x > 0, y=raw.LogicalNot(x=y > 0))
    raw.Select(condition=both, x=x, y=y)
    raw.Select(condition=raw.LogicalOr(x=both, y=x < -0.5), x=x, y=raw.ZerosLike(x=y))
    raw.SelectV2(condition=x > 0.25, t=tf.constant(2.0), e=raw.OnesLike(x=x))
    raw.Sign(x=x)
    raw.Erfc(x=x)
    raw.Inv(x=y + 3)
    raw.FloorDiv(x=x, y=tf.constant(0.3))


case("choices", choices, shape=(2, 3, 4, 5), names=("x", "y"))


def reductions(x):
    y = conv(x, random(1, 1, 6, 5), (1, 1), "SAME")
    for keep in (True, False):
        tf.reduce_mean(y, [1, 2], keepdims=keep)
        tf.reduce_max(y, [-1], keepdims=keep)
        tf.reduce_sum(y, [1], keepdims=keep)
        tf.reduce_min(y, [2, 3], keepdims=keep)


def products(x):
    rows = tf.reshape(x, [-1, 9 * 8 * 6])
    raw.MatMul(a=rows, b=random(432, 5))
    raw.MatMul(a=rows, b=random(7, 432), transpose_b=True)
    m = raw.BatchMatMulV2(x=x, y=random(6, 5))
    raw.BatchMatMulV2(x=m, y=random(7, 5), adj_y=True)


case("reductions", reductions)
case("products", products)

# ---- tensors that move --------------------------------------------------------------------------


def moves(x):
    c = conv(x, random(3, 3, 6, 4), (1, 1), "SAME")
    tf.concat([c, x], 3)
    raw.Concat(concat_dim=1, values=[x, x])
    tf.pad(c, [[0, 0], [1, 2], [0, 1], [0, 0]])
    tf.pad(c, [[0, 0], [1, 0], [2, 1], [0, 3]], constant_values=0.75)
    raw.MirrorPad(input=c, paddings=[[0, 0], [1, 2], [3, 0], [0, 0]], mode="REFLECT")
    raw.MirrorPad(input=c, paddings=[[0, 0], [1, 9], [0, 2], [0, 0]], mode="SYMMETRIC")
    a, b, d = tf.split(c, [1, 2, 1], 3)
    tf.concat([d, b, a], 3)
    a, b = tf.split(c, 2, 2)
    tf.add(a, b)
    rows = tf.unstack(c, axis=1)
    tf.stack([rows[0], rows[8]], 2)
    tf.slice(c, [0, 1, 2, 0], [-1, 3, -1, 2])
    tf.gather(c, [3, 0, 0], axis=3)
    tf.tile(c, [1, 2, 1, 3])
    tf.transpose(c, [0, 2, 1, 3])


def strided(x):
    c = conv(x, random(1, 1, 6, 4), (1, 1), "SAME")
    tf.identity(c[:, 1:-1, ::2, :])
    tf.identity(c[:, 3, :, 1])
    tf.identity(c[..., -1])
    tf.identity(c[:, ::-1, -3:, tf.newaxis, 1:3])
    tf.identity(c[:, tf.newaxis, ..., 2:])
    tf.identity(c[:, :, :, ::-2])


def shapes(x):
    c = conv(x, random(3, 3, 6, 4), (2, 2), "SAME")
    n = tf.shape(c)
    flat = tf.reshape(c, tf.stack([n[0], n[1] * n[2] * 4]))
    raw.MatMul(a=flat, b=random(5 * 4 * 4, 3))
    old = tf.reshape(c, tf.stack([-1, tf.reduce_prod(n[1:])]))
    raw.MatMul(a=old, b=random(5 * 4 * 4, 3))
    tf.reshape(c, [-1, 20, 4])
    tf.squeeze(tf.reduce_mean(c, [1, 2], keepdims=True), [1, 2])
    tf.expand_dims(tf.reduce_mean(c, [1, 2]), 1)
    tf.reshape(c, tf.concat([n[:1], [4, 20]], 0))
    tf.reshape(c, tf.stack([n[0], n[1] * n[2] // 4, -1]))
    tf.reshape(c, [-1, raw.Size(input=c) // n[0] // 8, raw.Rank(input=c) * 2])
    tf.reduce_mean(c, raw.Range(start=1, limit=raw.Rank(input=c) - 1, delta=1))
    tf.broadcast_to(tf.reduce_mean(c, [1, 2], keepdims=True), n)
    tf.cast(c, tf.float32)


case("moves", moves, shape=(2, 9, 4, 6))
case("strided", strided)
case("shapes", shapes)


def depth(x):
    y = raw.SpaceToDepth(input=conv(x, random(1, 1, 6, 4), (1, 1), "SAME"), block_size=2)
    raw.DepthToSpace(input=y, block_size=4)


def bilinear(x):
    for size in ((18, 16), (5, 11), (4, 4)):
        raw.ResizeBilinear(images=x, size=size)
        raw.ResizeBilinear(images=x, size=size, align_corners=True)
        raw.ResizeBilinear(images=x, size=size, half_pixel_centers=True)


def nearest(x):
    for size in ((18, 16), (5, 11), (3, 4)):
        raw.ResizeNearestNeighbor(images=x, size=size)
        raw.ResizeNearestNeighbor(images=x, size=size, align_corners=True)
        raw.ResizeNearestNeighbor(images=x, size=size, half_pixel_centers=True)


def upsample(x):  # a Resize, and tables where the nearest elements differ from ONNX's
    y = tf.nn.relu(conv(x, random(3, 3, 6, 5), (2, 2), "SAME"))
    y = raw.ResizeBilinear(images=y, size=(9, 8), half_pixel_centers=True)
    y = tf.nn.relu(conv(y, random(3, 3, 5, 4), (1, 1), "SAME"))
    y = raw.ResizeNearestNeighbor(images=y, size=(18, 16))
    y = raw.ResizeNearestNeighbor(images=y, size=(41, 37), half_pixel_centers=True)
    y = raw.MirrorPad(input=y, paddings=[[0, 0], [2, 1], [0, 3], [0, 0]], mode="SYMMETRIC")
    y = conv(y, random(3, 3, 4, 4), (4, 4), "VALID")
    tf.nn.softmax(tf.matmul(tf.reduce_mean(y, [1, 2]), random(4, 3)))


case("depth", depth, shape=(2, 8, 8, 6))
case("upsample", upsample, options="last=0 prunable")
case("bilinear", bilinear, shape=(2, 9, 8, 1))
case("nearest", nearest, shape=(2, 9, 8, 1))

# ---- switches, quantisation, networks ----------------------------------------------------------------


def dropout(x):  # what tf.cond left behind when learning_phase was a placeholder
    phase = tf1.placeholder_with_default(False, [], "learning_phase")
    y = conv(x, random(1, 1, 6, 4), (1, 1), "SAME")
    off, on = raw.Switch(data=y, pred=phase)
    kept = raw.Mul(x=on, y=raw.Floor(x=raw.RandomUniform(
        shape=raw.Shape(input=on), dtype=tf.float32) + 0.5))
    y = raw.Merge(inputs=[off, kept]).output
    conv(y, random(1, 1, 4, 3), (1, 1), "SAME")


def asked(x):  # the same with a placeholder that has no default
    phase = tf1.placeholder(tf.bool, [], "phase")
    off, on = raw.Switch(data=x, pred=raw.LogicalNot(x=phase))
    raw.Relu(features=raw.Merge(inputs=[raw.Neg(x=off), raw.Exp(x=on)]).output)


case("dropout", dropout)
with tf.Graph().as_default() as graph:
    asked(tf1.placeholder(tf.float32, [None, 4, 4, 3], "x"))
store("asked", graph.as_graph_def(), {"x": (2, 4, 4, 3)},
      [np.maximum(np.exp(values((2, 4, 4, 3))), 0)], "phase=false")


def fake_quant(x):
    raw.FakeQuantWithMinMaxArgs(inputs=x)
    raw.FakeQuantWithMinMaxArgs(inputs=x, min=-0.61, max=0.87, num_bits=4, narrow_range=True)
    y = raw.FakeQuantWithMinMaxVars(inputs=x, min=-0.3, max=1.1)
    w = raw.FakeQuantWithMinMaxVarsPerChannel(
        inputs=random(3, 3, 6, 4), min=random(4, high=-0.1), max=random(4, low=0.1), num_bits=8)
    conv(y, w, (1, 1), "SAME")


case("fake_quant", fake_quant)


def classifier(x):
    y = conv(x, random(3, 3, 6, 8), (2, 2), "SAME")
    y = tf.nn.relu(raw.BiasAdd(value=y, bias=random(8)))
    a = conv(y, random(1, 1, 8, 8), (1, 1), "SAME")
    gate = tf.reduce_mean(a, [1, 2])
    gate = tf.reshape(tf.sigmoid(tf.matmul(gate, random(8, 8))), [-1, 1, 1, 8])
    y = tf.add(y, a * gate)
    y = tf.reshape(y, [-1, 5 * 4 * 8])
    y = tf.nn.relu(tf.matmul(y, random(160, 10)) + random(10))
    tf.nn.softmax(tf.matmul(y, random(10, 4)), name="probabilities")


case("classifier", classifier, options="last=0 prunable")
case("fixed_batch", classifier, shape=(1, 9, 8, 6), opens=False)

from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2 as freeze)

tf.keras.utils.set_random_seed(3)
layers = tf.keras.layers
model = tf.keras.Sequential([
    layers.Input((9, 8, 6)),
    layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
    layers.BatchNormalization(),
    layers.DepthwiseConv2D(3, padding="same"),
    layers.ReLU(6.0),
    layers.SpatialDropout2D(0.2),
    layers.MaxPooling2D(2, padding="same"),
    layers.Flatten(),
    layers.Dropout(0.5),
    layers.Dense(7, activation="elu"),
    layers.Dense(4, activation="softmax"),
])
frozen = freeze(tf.function(model).get_concrete_function(
    tf.TensorSpec([None, 9, 8, 6], tf.float32, name="x")))
store("keras", frozen.graph.as_graph_def(), {"x": (2, 9, 8, 6)},
      options="last=0 norms=1 prunable")

with open(os.path.join(folder, "cases"), "w") as file:
    file.write("\n".join(cases) + "\n")
