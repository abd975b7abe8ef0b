#!/usr/bin/env python3
"""Case lines of tests/ops against ONNX Runtime.

    ops_peer.py [BUILD/tests/peers/run_model]

Builds a one-node model of every line that has an activation, in the line's own opset, and
compares ONNX Runtime's results with those of run_model.  Needs numpy, onnx, onnxruntime.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIRECTIONS = {"opset", "dst", "prune", "via", "grad"}
FLOATS = {"alpha", "beta", "bias", "cubic_coeff_a", "epsilon", "extrapolation_value", "gamma", "momentum",
          "value", "min", "max", "ratio"}
STRINGS = {"approximate", "auto_pad", "coordinate_transformation_mode", "keep_aspect_ratio_policy", "mode",
           "nearest_mode"}
LISTS = {"kernel_shape", "strides", "pads", "dilations", "axes", "starts", "ends", "output_padding",
         "output_shape", "perm", "split"}


def parse(text, rng):
    """Operator, list of (kind, array or None), attributes, opset, number of results."""
    words = text.split()
    sources, attrs, told = [], {}, {"opset": "13", "dst": "1"}
    for word in words[1:]:
        if "=" in word:
            name, value = word.split("=", 1)
            (told if name in DIRECTIONS else attrs)[name] = value
            continue
        if word == "-":
            sources.append(("absent", None))
            continue
        for prefix, dtype in (("is:", np.int64), ("i:", np.int64), ("fs:", np.float32),
                              ("f:", np.float32), ("b:", np.bool_), ("u8:", np.uint8),
                              ("s8:", np.int8), ("s32:", np.int32)):
            if word.startswith(prefix):
                items = [x for x in word[len(prefix):].split(",") if x]
                if dtype == np.bool_:
                    items = [int(x) for x in items]
                elif np.issubdtype(dtype, np.integer):
                    items = [int(x) for x in items]
                array = np.array(items, dtype=dtype)
                sources.append(("given", array[0] if prefix in ("is:", "fs:") else array))
                break
        else:
            kind = "constant" if word.startswith("c:") else "activation"
            shape, _, bounds = word.removeprefix("c:").removeprefix("u:").partition("@")
            usual = (0.0, 256.0) if word.startswith("u:") else (-2.0, 2.0)
            low, high = map(float, bounds.split(":")) if bounds else usual
            dims = [] if shape == "s" else [int(d) for d in shape.split("x")]
            dtype = np.uint8 if word.startswith("u:") else np.float32
            sources.append((kind, rng.uniform(low, high, dims).astype(dtype)))
    return words[0], sources, attrs, int(told["opset"]), int(told["dst"])


def attribute(name, text):
    if name in STRINGS:
        return text
    if name == "scales":
        return [float(x) for x in text.split(",")]
    if name in LISTS:
        return [int(x) for x in text.split(",")]
    return float(text) if name in FLOATS else int(text)


def build(op, sources, attrs, opset, n_dst):
    names, inputs, constants = [], [], []
    for i, (kind, array) in enumerate(sources):
        names.append("" if kind == "absent" else f"s{i}")
        if kind == "activation":
            dims = ["N"] + list(array.shape[1:])
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            inputs.append(helper.make_tensor_value_info(f"s{i}", kind, dims))
        elif kind != "absent":
            constants.append(numpy_helper.from_array(np.asarray(array), f"s{i}"))
    results = [f"y{i}" for i in range(n_dst)]
    node = helper.make_node(op, names, results, name="node",
                            **{k: attribute(k, v) for k, v in attrs.items()})
    graph = helper.make_graph(
        [node], "case", inputs,
        [helper.make_empty_tensor_value_info(r) for r in results], constants)
    return helper.make_model(graph, ir_version=10,
                             opset_imports=[helper.make_opsetid("", opset)])


def compare(line, runner, folder, rng):
    op, sources, attrs, opset, n_dst = parse(line, rng)
    live = [array for kind, array in sources if kind == "activation"]
    if not live or op == "Shape":
        return None
    model = build(op, sources, attrs, opset, n_dst)
    path = folder / "case.onnx"
    onnx.save(model, path)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {i.name: a for i, a in zip(session.get_inputs(), live)}
    want = session.run(None, feed)
    for i, array in enumerate(live):
        array.astype(np.float32).tofile(folder / f"io.in{i}")
    done = subprocess.run([runner, path, str(live[0].shape[0]), folder / "io"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        return done.stderr.strip()
    for i, array in enumerate(want):
        got = np.fromfile(folder / f"io.out{i}", np.float32)
        if got.size != array.size:
            return f"result {i} has {got.size} elements, wanted {array.shape}"
        array = np.asarray(array, np.float64)
        scale = max(np.abs(array).max(), 1e-6)
        error = np.abs(got - array.ravel()).max() / scale
        if not error <= 1e-5:
            return f"result {i}: relative error {error:.3g}"
    return ""


def main():
    runner = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/tests/peers/run_model"
    rng = np.random.default_rng(1)
    n_same = n_bad = n_refused = 0
    with tempfile.TemporaryDirectory() as name:
        for cases in sorted((ROOT / "tests/ops").glob("*.cases")):
            for number, line in enumerate(cases.read_text().splitlines(), 1):
                if not line or line.startswith("#") or " => " in line:
                    continue
                try:
                    verdict = compare(line, runner, pathlib.Path(name), rng)
                except Exception as error:  # ONNX Runtime refuses the model
                    n_refused += 1
                    print(f"{cases.name}:{number}: {line}\n    refused: {str(error)[:160]}")
                    continue
                if verdict is None:
                    continue
                n_same += verdict == ""
                if verdict:
                    n_bad += 1
                    print(f"{cases.name}:{number}: {line}\n    {verdict}")
    print(f"{n_same} lines agree, {n_bad} differ, {n_refused} are refused by ONNX Runtime")
    return n_bad > 0


if __name__ == "__main__":
    sys.exit(main())
