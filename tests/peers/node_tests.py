#!/usr/bin/env python3
"""ONNX's own node tests (package onnx) for every operator of docs/operators.md.

    node_tests.py [--write] [--all] RUN_NODE

Each test is one small model with inputs and outputs.  It is run in up to three ways: with
all of its float32 and boolean inputs computed, with the first one computed and the others
as initialisers, and with nothing but initialisers, which folds it.  A way that gives another
result than the test says fails it, whatever the others do; a test that every way refuses is
not covered, and the reason is told.  The counts are a section of docs/operators.md: it is
compared, or with --write written.
"""
import argparse
import collections
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import load_node_model_tests

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operators.md"
MARK = "<!-- from here on: tests/peers/node_tests.py -->\n"
LAST_OPSET = 21
OURS = {np.dtype(t) for t in ("float32", "int64", "bool", "int32", "uint8", "int8")}
LIVE = {np.dtype(np.float32), np.dtype(np.bool_), np.dtype(np.uint8), np.dtype(np.int8)}


def known_operators():
    return set(re.findall(r"^\| (\w+) \| \d", PAGE.read_text(), re.MULTILINE))


WHY = """
Why these stay out:

- **Types.** Numbers are held as float32, int64, int32, int8, uint8 and bool. float16 and float64 are
  read as float32, so a test that asks for a result of that type has none of it. Networks quantised to
  16 bits, or to fewer than 8, are not read.
- **Dropout in training** asks for the very random numbers of another program; **BatchNormalization in
  training** makes one sample's answer depend on the others of its batch, which a network in service
  never does. Both are refused by name.
- **Indices of MaxPool** are read by MaxUnpool alone, which is not in the table.
- **Sequences and optional values** hold no tensor; **SpaceToDepth** with a mode is of an opset after 21.
- **Mod** folds in shape arithmetic but is not computed: a rounded quotient would be a whole divisor off.
"""


class Refused(Exception):
    pass


def reads_alike(node, opset):
    """Does the node mean the same in that opset and in the last one we know?"""
    late = onnx.defs.get_schema(node.op_type, max_inclusive_version=opset)
    ours = onnx.defs.get_schema(node.op_type, max_inclusive_version=LAST_OPSET)
    return ({a.name for a in node.attribute} <= set(ours.attributes)
            and late.max_input == ours.max_input and late.min_input == ours.min_input
            and late.max_output == ours.max_output)


def find_opset(model):
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            opset = entry.version
    if opset <= LAST_OPSET:
        return opset
    for node in model.graph.node:
        if not reads_alike(node, opset):
            raise Refused(f"{node.op_type} has changed since opset {LAST_OPSET}")
    return LAST_OPSET


def plain(tensors):
    """Arrays of types that we compute with; Refused for others."""
    arrays = []
    for tensor in tensors:
        if isinstance(tensor, TensorProto):
            tensor = numpy_helper.to_array(tensor)
        if not isinstance(tensor, (np.ndarray, np.generic)):
            raise Refused("sequences and optional values are not supported")
        array = np.asarray(tensor)
        if array.dtype not in OURS:
            raise Refused(f"type {array.dtype.name} is not computed")
        arrays.append(array)
    return arrays


def rebuild(model, inputs, live):
    """The test's nodes; live inputs come as one row each and are shaped, others are given."""
    constants, graph_inputs, nodes, fed = list(model.graph.initializer), [], [], []
    for info, array in zip(model.graph.input, inputs):
        if info.name not in live:
            constants.append(numpy_helper.from_array(array, info.name))
            continue
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        row, shape = f"{info.name}.row", f"{info.name}.shape"
        graph_inputs.append(helper.make_tensor_value_info(row, kind, [1, array.size]))
        constants.append(numpy_helper.from_array(np.array(array.shape, np.int64), shape))
        nodes.append(helper.make_node("Reshape", [row, shape], [info.name], name=row))
        fed.append(array.astype(np.float32))
    if not graph_inputs:  # a graph must have one
        graph_inputs.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, [1]))
        fed.append(np.zeros(1, np.float32))
    for i, node in enumerate(model.graph.node):
        node = onnx.NodeProto.FromString(node.SerializeToString())
        node.name = node.name or f"node{i}"
        nodes.append(node)
    graph = helper.make_graph(nodes, "test", graph_inputs, list(model.graph.output), constants)
    opset = helper.make_opsetid("", find_opset(model))
    return helper.make_model(graph, ir_version=8, opset_imports=[opset]), fed


class Runner:
    def __init__(self, program, folder):
        self.folder = folder
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def run(self, model, fed):
        """Arrays of the outputs; Refused with the program's reason."""
        prefix = self.folder / "test"
        onnx.save(model, f"{prefix}.onnx")
        for i, array in enumerate(fed):
            array.tofile(f"{prefix}.in{i}")
        self.process.stdin.write(f"{prefix}.onnx {prefix}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the program ended")
        if line.startswith("refused"):
            raise Refused(line.removeprefix("refused "))
        outputs = []
        for i, told in enumerate(line.split()[1:]):
            kind, _, shape = told.partition(":")
            dims = [] if shape == "scalar" else [int(d) for d in shape.split("x")]
            outputs.append((kind, np.fromfile(f"{prefix}.out{i}", np.float64).reshape(dims)))
        return outputs


def difference(test, want, got):
    """None, or what differs."""
    if len(want) != len(got):
        return f"{len(got)} outputs, wanted {len(want)}"
    for i, (a, (kind, b)) in enumerate(zip(want, got)):
        if a.shape != b.shape:
            return f"output {i} is {b.shape}, wanted {a.shape}"
        if a.dtype.name != kind:
            return f"output {i} is {kind}, wanted {a.dtype.name}"
        try:
            np.testing.assert_allclose(b, a.astype(np.float64), rtol=test.rtol, atol=test.atol)
        except AssertionError as error:
            return f"output {i}: " + " ".join(str(error).split())[:160]
    return None


def ways(model, inputs):
    """Names of inputs that are computed, most first."""
    pairs = list(zip(model.graph.input, inputs))
    pairs = [(info, array) for info, array in pairs if array.size > 0]  # else nothing to feed
    able = [info.name for info, array in pairs if array.dtype in LIVE]
    floats = [info.name for info, array in pairs if array.dtype == np.float32]
    each = [set(able), set(floats), set(floats[:1]), set()]
    return [way for i, way in enumerate(each) if way not in each[:i]]


def judge(runner, test):
    """"passed", "failed" or "not covered", with what there is to say."""
    reasons, n_agree = [], 0
    try:
        inputs, outputs = map(plain, test.data_sets[0])
    except Refused as reason:
        return "not covered", str(reason)
    for live in ways(test.model, inputs):
        try:
            built, fed = rebuild(test.model, inputs, live)
            problem = difference(test, outputs, runner.run(built, fed))
        except Refused as reason:
            if ": " in str(reason) and not str(reason).startswith("not supported: "):
                return "failed", f"with {sorted(live) or 'nothing'} computed: {reason}"
            reasons.append(str(reason))
            continue
        if problem:
            return "failed", f"with {sorted(live) or 'nothing'} computed: {problem}"
        n_agree += 1
    return ("passed", "") if n_agree > 0 else ("not covered", reasons[0])


def short(reason):
    """A reason without the names and numbers of one test."""
    reason = re.sub(r"^not supported: (\S*\.onnx: )?", "", reason)
    reason = re.sub(r"node '[^']*' \((\w+)\)", r"\1", reason)
    reason = re.sub(r"(value|input|output|result|tensor) '[^']*'", r"an \1", reason)
    reason = re.sub(r"\((scalar|\d+(x\d+)*)\) ", "", reason)
    return reason


def section(verdicts, n_tests):
    counts = collections.Counter(kind for kind, _ in verdicts.values())
    reasons = collections.defaultdict(list)
    for name, (kind, reason) in verdicts.items():
        if kind == "not covered":
            reasons[short(reason)].append(name.removeprefix("test_"))
    lines = [
        MARK,
        "\n# ONNX's node tests\n\n",
        f"Of the {n_tests} node tests of onnx {onnx.__version__}, {len(verdicts)} use operators of this "
        "table alone:\n",
        f"**{counts['passed']} passed, {counts['failed']} failed, {counts['not covered']} not covered**, "
        "which are:\n\n",
        "| reason | tests |\n|---|---|\n",
    ]
    for reason, names in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        which = "" if reason.startswith("type ") else f": {', '.join(sorted(names))}"
        lines.append(f"| {reason} | {len(names)}{which} |\n")
    lines.append(WHY)
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--all", action="store_true", help="print every verdict")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    known = known_operators()
    tests = load_node_model_tests()
    verdicts = {}
    with tempfile.TemporaryDirectory(prefix="coppice-nodes-") as name:
        runner = Runner(args.program, pathlib.Path(name))
        for test in tests:
            nodes = test.model.graph.node
            if any(n.op_type not in known or n.domain not in ("", "ai.onnx") for n in nodes):
                continue
            kind, reason = judge(runner, test)
            verdicts[test.name] = kind, reason
            if args.all or kind == "failed":
                print(f"{kind}: {test.name}: {reason}", flush=True)
    text = section(verdicts, len(tests))
    page = PAGE.read_text()
    before, _, _ = page.partition(MARK)
    if args.write:
        PAGE.write_text(before + text)
    is_current = args.write or page == before + text
    counts = collections.Counter(kind for kind, _ in verdicts.values())
    print(f"{counts['passed']} passed, {counts['failed']} failed, "
          f"{counts['not covered']} not covered")
    if not is_current:
        print("docs/operators.md tells other counts or reasons; run with --write")
    return 0 if is_current and counts["failed"] == 0 and counts["passed"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
