"""Runs models through coppice and ONNX Runtime and compares every output.

usage: compare_onnx.py COPPICE [FOLDER...]

For each model: outputs of `coppice run` at batch 1 and 3, and the file that import and
export make of it, opened by ONNX Runtime.  One line per check, a count at the end."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

import networks
import networks_wide

RELATIVE = 1e-4  # of the largest element of an output
TIMEOUT = 300


class Results:
    def __init__(self):
        self.passed, self.failed = 0, 0

    def check(self, name, problem):
        if problem is None:
            self.passed += 1
            print(f"ok      {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {name}: {problem}", flush=True)


def run(*words):
    """Output of a command; RuntimeError with its message when it fails."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise RuntimeError(f"{words[1]} ended with {done.returncode}: {lines[0]}")
    return done.stdout


def session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if b"QuantizeLinear" in Path(path).read_bytes():
        # It would compute with integers instead, which rounds in other places.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def is_batch_free(ort_session):
    return all(not isinstance(i.shape[0], int) for i in ort_session.get_inputs())


def random_inputs(ort_session, batch, seed):
    rng = np.random.default_rng(seed)
    return {
        i.name: rng.standard_normal([batch, *i.shape[1:]]).astype(np.float32)
        for i in ort_session.get_inputs()
    }


def difference(names, want, got):
    """None, or what differs."""
    if len(want) != len(got):
        return f"{len(want)} outputs wanted, {len(got)} given"
    for name, a, b in zip(names, want, got):
        if a.shape != b.shape:
            return f"output '{name}' is {b.shape}, wanted {a.shape}"
        if not np.isfinite(a).all():
            return f"output '{name}' of ONNX Runtime is not finite"
        scale = max(float(np.abs(a).max(initial=0.0)), 1e-20)
        worst = float(np.abs(a.astype(np.float64) - b).max(initial=0.0)) / scale
        if not worst <= RELATIVE:
            return f"output '{name}' differs by {worst:.2e} of its largest element"
    return None


def coppice_run(coppice, path, inputs, n_outputs, folder):
    words = [coppice, "run", path]
    for k, array in enumerate(inputs.values()):
        np.save(folder / f"in{k}.npy", array)
        words += ["--input", folder / f"in{k}.npy"]
    outputs = [folder / f"out{k}.npy" for k in range(n_outputs)]
    for out in outputs:
        out.unlink(missing_ok=True)
        words += ["--output", out]
    run(*words)
    return [np.load(out) for out in outputs]


def compare_run(coppice, path, batch, folder):
    ours = session(path)
    names = [o.name for o in ours.get_outputs()]
    inputs = random_inputs(ours, batch, seed=batch)
    want = ours.run(None, inputs)
    return difference(names, want, coppice_run(coppice, path, inputs, len(names), folder))


def compare_export(coppice, path, folder):
    project, exported = folder / "p.coppice", folder / "exported.onnx"
    for old in folder.glob("p.coppice*"):
        old.unlink()
    exported.unlink(missing_ok=True)
    run(coppice, "init", project)
    run(coppice, "import", path, "--name", "net", "-p", project)
    run(coppice, "export", "net", "-p", project, "-o", exported)
    onnx.checker.check_model(str(exported), full_check=True)
    before, after = session(path), session(exported)
    names = [o.name for o in before.get_outputs()]
    if names != [o.name for o in after.get_outputs()]:
        return "outputs have other names"
    if is_batch_free(before) != is_batch_free(after):
        return "the batch axis was open in one and fixed in the other"
    for batch in (1, 3) if is_batch_free(before) else (1,):
        inputs = random_inputs(before, batch, seed=10 + batch)
        problem = difference(names, before.run(None, inputs), after.run(None, inputs))
        if problem:
            return f"batch {batch}: {problem}"
    return None


def guarded(function, *args):
    try:
        return function(*args)
    except Exception as error:  # whatever a peer or the program throws is a failed check
        return f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"


def compare_model(results, coppice, name, path, folder):
    free = is_batch_free(session(path))
    for batch in (1, 3) if free else (1,):
        results.check(f"{name} batch {batch}", guarded(compare_run, coppice, path, batch, folder))
    results.check(f"{name} exported", guarded(compare_export, coppice, path, folder))


def uncovered(models):
    """Operators that the program documents and no generated network uses."""
    table = Path(__file__).resolve().parents[2] / "docs" / "operators.md"
    known = set(re.findall(r"^\| (\w+) \| \d", table.read_text(), re.MULTILINE))
    used = {node.op_type for model in models for node in model.graph.node}
    missing = sorted(known - used)
    if not known:
        return "docs/operators.md lists no operator"
    return f"not compared: {', '.join(missing)}" if missing else None


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    coppice, folders = Path(sys.argv[1]).resolve(), [Path(f) for f in sys.argv[2:]]
    results = Results()
    models = {name: make() for name, make in {**networks.ALL, **networks_wide.ALL}.items()}
    with tempfile.TemporaryDirectory(prefix="coppice-peers-") as name:
        folder = Path(name)
        for title, model in models.items():
            path = folder / f"{title}.onnx"
            onnx.checker.check_model(model)
            onnx.save(model, path)
            compare_model(results, coppice, title, path, folder)
        for given in folders:
            files = sorted(given.glob("*.onnx"))
            results.check(f"folder {given.name}", None if files else "holds no .onnx file")
            for path in files:
                compare_model(results, coppice, path.stem, path, folder)
    results.check("every operator is compared", uncovered(models.values()))
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
