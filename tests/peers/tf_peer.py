"""Networks of keras.applications as frozen graphs of TensorFlow, through coppice and TensorFlow.

usage: tf_peer.py COPPICE [--large] [--table FILE] [NAME...]

Each network has random weights and statistics and is frozen in two ways: as TensorFlow 2
does it (a function of Keras 3, variables made constants), and as TensorFlow 1 did (a graph of
Keras 2 with its learning phase as a placeholder, so with Switch and Merge around dropout and
normalisation, and with the statistics of both branches).  What is checked of each: outputs
for 1 and 2 samples against TensorFlow, the same of the ONNX file that coppice exports, in
ONNX Runtime, and of the ONNX file that tf2onnx makes of the same graph.  All within 1e-4 of
the largest element of an output; outputs are the scores and what they are the softmax of.
One line per network, a count at the end.  --table writes them as docs/imports.md has them."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras as keras3
import numpy as np
import onnx
import onnxruntime as ort
import tensorflow as tf
import tf_keras as keras2
import tf_keras.src.backend
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2 as freeze_variables,
)

from compare_onnx import run

tf1 = tf.compat.v1
tf1.logging.set_verbosity(tf1.logging.ERROR)
TOLERANCE = 1e-4
CLASSES = 100
# Of keras.applications, with the side of the input.
NETWORKS = {
    "ResNet50": 96,
    "VGG16": 64,
    "InceptionV3": 139,
    "MobileNet": 96,
    "MobileNetV2": 96,
    "NASNetMobile": 96,
    "DenseNet121": 96,
    "EfficientNetB0": 96,
}
LARGE = {"NASNetLarge": 96}


# ---- networks ------------------------------------------------------------------------------


def randomise(model):
    """Kernels keep what their initialiser gives them; everything else is made to matter."""
    rng = np.random.default_rng(5)
    values = []
    for weight, value in zip(model.weights, model.get_weights()):
        name = getattr(weight, "path", weight.name).split(":")[0].rsplit("/", 1)[-1]
        if value.ndim <= 1 and value.size > 0 and value.dtype == np.float32:
            is_scale = name in ("gamma", "moving_variance", "variance")
            value = rng.uniform(0.7, 1.3, value.shape) if is_scale else rng.normal(0, 0.1, value.shape)
        values.append(value)
    model.set_weights(values)


def make(keras, name, side):
    keras.utils.set_random_seed(5)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=CLASSES
    )
    randomise(model)
    return model


def freeze_as_2(name, side):
    keras3.backend.clear_session()
    model = make(keras3, name, side)
    function = tf.function(lambda x: model(x, training=False))
    spec = tf.TensorSpec([None, side, side, 3], tf.float32, name="image")
    return freeze_variables(function.get_concrete_function(spec)).graph.as_graph_def()


def freeze_as_1(name, side):
    with tf.Graph().as_default():
        tf1.disable_control_flow_v2()
        with tf1.Session() as session:
            tf_keras.src.backend.set_session(session)
            model = make(keras2, name, side)
            graph = tf1.graph_util.convert_variables_to_constants(
                session, session.graph.as_graph_def(), [model.output.op.name]
            )
    keras2.backend.clear_session()
    tf1.enable_control_flow_v2()
    return graph


FREEZERS = {"TF2": freeze_as_2, "TF1": freeze_as_1}


def ends(graph):
    """The input, and the scores with what they are the softmax of."""
    image = [n.name for n in graph.node if n.op == "Placeholder"][0]
    softmax = [n for n in graph.node if n.op == "Softmax"][-1]
    return image, [softmax.name, softmax.input[0].split(":")[0]]


# ---- what they compute -----------------------------------------------------------------------


def run_tf(graph, image, x, outputs):
    with tf.Graph().as_default() as g:
        tf.import_graph_def(graph, name="")
        with tf1.Session(graph=g) as session:
            return session.run([o + ":0" for o in outputs], {image + ":0": x})


def run_coppice(coppice, model, x, project, folder):
    np.save(folder / "x.npy", x)
    run(coppice, "run", model, "-p", project, "--input", folder / "x.npy",
        "--output", folder / "y0.npy", "--output", folder / "y1.npy")
    return [np.load(folder / f"y{k}.npy") for k in range(2)]


def run_onnx(path, x):
    session = ort.InferenceSession(
        str(path), providers=["CPUExecutionProvider"], disabled_optimizers=["Pad_Fusion"]
    )  # that rewrite is wrong in 1.31.1: see keras_peer.py
    return session.run(None, {session.get_inputs()[0].name: x})


def worst(got, want):
    return max(float(np.abs(g - w).max() / np.abs(w).max()) for g, w in zip(got, want))


def by_tf2onnx(graph, image, outputs, path):
    import tf2onnx

    tf2onnx.convert.from_graph_def(
        graph, input_names=[image + ":0"], output_names=[o + ":0" for o in outputs],
        inputs_as_nchw=[], opset=15, output_path=str(path))


def check(coppice, folder, name, side, style):
    graph = FREEZERS[style](name, side)
    image, outputs = ends(graph)
    path, project = folder / "net.pb", folder / "p.coppice"
    path.write_bytes(graph.SerializeToString(deterministic=True))
    for old in folder.glob("p.coppice*"):
        old.unlink()
    run(coppice, "init", project)
    words = ["--output", outputs[0], "--output", outputs[1], "-p", project, "--json"]
    start = time.monotonic()
    verdict = json.loads(run(coppice, "import", path, *words))
    seconds = time.monotonic() - start
    run(coppice, "export", "net", "-p", project, "-o", folder / "export.onnx")
    onnx.checker.check_model(str(folder / "export.onnx"))
    by_tf2onnx(graph, image, outputs, folder / "other.onnx")
    run(coppice, "import", folder / "other.onnx", "--name", "other", "-p", project)
    errors = {"run": 0.0, "exported": 0.0, "tf2onnx": 0.0}
    for batch in (1, 2):
        x = np.random.default_rng(batch).uniform(-1, 1, (batch, side, side, 3)).astype(np.float32)
        first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        want = run_tf(graph, image, x, outputs)
        for what, got in (
            ("run", run_coppice(coppice, "net", first, project, folder)),
            ("exported", run_onnx(folder / "export.onnx", first)),
            ("tf2onnx", run_coppice(coppice, "other", x, project, folder)),
        ):
            errors[what] = max(errors[what], worst(got, want))
    counts = {o["op"]: o["n"] for o in verdict["operators"]}
    return {
        "network": name, "style": style, "nodes of the file": len(graph.node),
        "nodes": verdict["nodes"], "Transposes": counts.get("Transpose", 0),
        "prunable": f"{verdict['prunable_macs']:.1f} %",
        **{k: f"{v:.1e}" for k, v in errors.items()},
        "import": f"{seconds:.1f} s",
        "good": max(errors.values()) <= TOLERANCE,
    }


def write_table(path, rows):
    keys = [k for k in rows[0] if k not in ("import", "good")]
    lines = [" | ".join(keys), " | ".join("---" for _ in keys)]
    lines += [" | ".join(str(row[k]) for k in keys) for row in rows]
    Path(path).write_text("".join(f"| {line} |\n" for line in lines))


def main():
    words = sys.argv[1:]
    if not words:
        print(__doc__)
        return 2
    coppice, words = Path(words[0]).resolve(), words[1:]
    table = None
    if "--table" in words:
        at = words.index("--table")
        table = words[at + 1]
        del words[at : at + 2]
    known = {**NETWORKS, **LARGE}
    wanted = [w for w in words if w != "--large"]
    wanted = wanted or [*NETWORKS, *(LARGE if "--large" in words else [])]
    rows, n_failed = [], 0
    with tempfile.TemporaryDirectory(prefix="coppice-tf-") as folder:
        for name in wanted:
            for style in FREEZERS:
                try:
                    row = check(coppice, Path(folder), name, known[name], style)
                    rows.append(row)
                    good, told = row["good"], " ".join(f"{k} {v}" for k, v in row.items())
                except Exception as error:  # whatever it is, it is that network's
                    good, told = False, f"{name} {style}: {error}"
                n_failed += not good
                print(f"{'ok    ' if good else 'FAILED'}  {told}", flush=True)
    if table is not None and rows:
        write_table(table, rows)
    print(f"{len(wanted) * len(FREEZERS) - n_failed} passed, {n_failed} failed")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
