"""torchvision's networks through coppice and through ONNX Runtime.

usage: torch_peer.py COPPICE [--write] [NETWORK...]

Each network has random weights and statistics and is exported twice, by PyTorch's old
exporter (TorchScript) and its new one (Dynamo), with an open batch.  What coppice makes of
the file is compared with ONNX Runtime for 1 and 3 samples, and so is the file that coppice
exports.  One line per check, a table and a count at the end; --write puts the table into
docs/imports.md."""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torchvision

from compare_onnx import (
    Results, coppice_run, difference, guarded, is_batch_free, random_inputs, run, session)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "imports.md"
MARKS = "<!-- torch: from here -->\n", "<!-- torch: to here -->\n"
# With the side of the input, as small as each allows.
NETWORKS = {
    "resnet50": 64,
    "vgg16": 224,
    "inception_v3": 96,
    "mobilenet_v2": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
}
EXPORTERS = {"old": False, "new": True}


def network(name):
    """Every normalisation gets statistics of its own, so that none is idle."""
    torch.manual_seed(11)
    options = {"init_weights": True} if name == "inception_v3" else {}
    model = getattr(torchvision.models, name)(weights=None, num_classes=50, **options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.7, 1.3)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def export(model, side, is_new, path):
    x = torch.rand(2, 3, side, side)
    names = {"input_names": ["x"], "output_names": ["y"]}
    if is_new:
        batch = torch.export.Dim("N", min=1, max=64)
        torch.onnx.export(
            model, (x,), str(path), dynamo=True, dynamic_shapes=({0: batch},),
            external_data=False, verbose=False, **names)
    else:
        axes = {"x": {0: "N"}, "y": {0: "N"}}
        torch.onnx.export(model, (x,), str(path), dynamo=False, dynamic_axes=axes, **names)


def error(want, got):
    """Of the largest element."""
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(a))) for a, b in zip(want, got))


def compare_runs(coppice, path, folder, row):
    theirs = session(path)
    if not is_batch_free(theirs):
        return "the batch is fixed in the exported file"
    for batch in (1, 3):
        inputs = random_inputs(theirs, batch, seed=batch)
        want = theirs.run(None, inputs)
        got = coppice_run(coppice, path, inputs, 1, folder)
        problem = difference(["y"], want, got)
        if problem:
            return f"batch {batch}: {problem}"
        row["run"] = max(row.get("run", 0), error(want, got))
    return None


def compare_export(coppice, path, folder, row):
    project, exported = folder / "p.coppice", folder / "exported.onnx"
    for old in folder.glob("p.coppice*"):
        old.unlink()
    run(coppice, "init", project)
    verdict = json.loads(run(coppice, "import", path, "--name", "net", "-p", project, "--json"))
    run(coppice, "export", "net", "-p", project, "-o", exported)
    row.update(prunable=verdict["prunable_macs"], macs=verdict["macs"], opset=verdict["opset"],
               params=verdict["params"])
    onnx.checker.check_model(str(exported))
    before, after = session(path), session(exported)
    inputs = random_inputs(before, 3, seed=13)
    want, got = before.run(None, inputs), after.run(None, inputs)
    row["export"] = error(want, got)
    return difference(["y"], want, got)


def table(rows):
    lines = [
        "| network | exporter | opset | MACs | parameters | prunable | error, run | error, exported |\n",
        "|---|---|---|---|---|---|---|---|\n"]
    for name, kind, row in rows:
        lines.append(
            f"| {name} | {kind} | {row.get('opset', '-')} | {row.get('macs', 0) / 1e6:.0f} M "
            f"| {row.get('params', 0) / 1e6:.2f} M | {row.get('prunable', 0):.1f} % "
            f"| {row.get('run', float('nan')):.1e} | {row.get('export', float('nan')):.1e} |\n")
    versions = (f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, "
                f"onnx {onnx.__version__}.\n\n")
    return versions + "".join(lines)


def write(text):
    page = PAGE.read_text()
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    PAGE.write_text(before + MARKS[0] + "\n" + text + "\n" + MARKS[1] + after)


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    warnings.simplefilter("ignore")
    coppice, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    wanted = [w for w in words if w != "--write"] or list(NETWORKS)
    results, rows = Results(), []
    for name in wanted:
        model = network(name)
        for kind, is_new in EXPORTERS.items():
            with tempfile.TemporaryDirectory(prefix="coppice-torch-") as held:
                folder, row = Path(held), {}
                path = folder / f"{name}.onnx"
                title = f"{name} {kind}"
                problem = guarded(export, model, NETWORKS[name], is_new, path)
                results.check(f"{title} written by PyTorch", problem)
                if problem:
                    continue
                results.check(title, guarded(compare_runs, coppice, path, folder, row))
                results.check(f"{title} exported", guarded(compare_export, coppice, path, folder, row))
                rows.append((name, kind, row))
    text = table(rows)
    print(text)
    if "--write" in words:
        write(text)
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
