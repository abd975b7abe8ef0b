"""Keras models through coppice and through Keras.

usage: keras_peer.py COPPICE [--large] [--real FOLDER] [--table FILE] [NAME...]

For each network of keras_networks.py, written by Keras 2 and by Keras 3: what coppice makes
of the .h5 file against what Keras does, for 1 and 3 samples; the prunable share; and the
ONNX file that coppice exports, run by ONNX Runtime.  --real: the models of a folder too.
One line per check, a count at the end.  --table writes them as docs/imports.md has them."""

import json
import sys
import tempfile
from pathlib import Path

import keras_networks as networks  # first: it sets how TensorFlow starts
import numpy as np
import onnxruntime as ort

from compare_onnx import Results, coppice_run, difference, guarded, run


def to_memory(array):
    """Images as coppice holds them: channels before places."""
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array)


def as_list(results):
    results = results if isinstance(results, (list, tuple)) else [results]
    return [to_memory(np.asarray(r)) for r in results]


def sample(model, batch, scale, rng):
    shapes = [i.shape for i in model.inputs]
    return [rng.uniform(0, scale, (batch, *s[1:])).astype(np.float32) for s in shapes]


def note_error(row, key, want, got):
    """The largest difference so far, relative to the largest element of its output."""
    found = [np.abs(w - g).max() / max(np.abs(w).max(), 1e-20) for w, g in zip(want, got)]
    row[key] = max(row.get(key, 0.0), float(max(found)))


def compare_run(coppice, model, path, batch, scale, folder, row):
    inputs = sample(model, batch, scale, np.random.default_rng(batch))
    want = as_list(model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0]))
    ours = {str(i): to_memory(x) for i, x in enumerate(inputs)}
    got = coppice_run(coppice, path, ours, len(want), folder)
    problem = difference([f"{i}" for i in range(len(want))], want, got)
    if problem is None:
        note_error(row, "run", want, got)
    return problem


def session(path):
    """ONNX Runtime without one rewrite: it takes a Pad with zeros into a MaxPool behind it, whose
    own padding does not count (1.31.1; ResNet50V2 has the two)."""
    return ort.InferenceSession(
        str(path), providers=["CPUExecutionProvider"], disabled_optimizers=["Pad_Fusion"]
    )


def import_and_export(coppice, path, folder):
    project, exported = folder / "p.coppice", folder / "exported.onnx"
    for old in folder.glob("p.coppice*"):
        old.unlink()
    exported.unlink(missing_ok=True)
    run(coppice, "init", project)
    verdict = json.loads(run(coppice, "import", path, "--name", "net", "-p", project, "--json"))
    run(coppice, "export", "net", "-p", project, "-o", exported)
    return verdict, exported


def compare_export(coppice, model, path, scale, folder, row):
    found, exported = import_and_export(coppice, path, folder)
    row.update(found)
    inputs = sample(model, 2, scale, np.random.default_rng(9))
    want = as_list(model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0]))
    theirs = session(exported)
    names = [o.name for o in theirs.get_outputs()]
    feed = {i.name: to_memory(x) for i, x in zip(theirs.get_inputs(), inputs)}
    got = theirs.run(None, feed)
    problem = difference(names, want, got)
    if problem is None:
        note_error(row, "exported", want, got)
    return problem


def compare_model(results, coppice, title, model, path, scale, folder):
    """A row of the table."""
    row = {}
    for batch in (1, 3):
        name = f"{title} batch {batch}"
        results.check(name, guarded(compare_run, coppice, model, path, batch, scale, folder, row))
    problem = guarded(compare_export, coppice, model, path, scale, folder, row)
    results.check(f"{title} exported", problem)
    if "prunable_macs" in row:
        row["Transposes"] = {o["op"]: o["n"] for o in row["operators"]}.get("Transpose", 0)
        print(
            f"        prunable {row['prunable_macs']:.1f} % of {row['macs'] / 1e6:.1f} M"
            f" MACs, {row['params']} parameters, {row['Transposes']} Transposes"
        )
    return row


def compare_networks(results, coppice, wanted, with_large, folder):
    rows = []
    for title, make in networks.networks(with_large):
        if wanted and title not in wanted:
            continue
        for flavour, keras in networks.FLAVOURS.items():
            keras.utils.set_random_seed(5)
            model = make(keras)
            networks.randomise(model, np.random.default_rng(3))
            path = folder / f"{title}.h5"
            model.save(path)
            row = compare_model(results, coppice, f"{title} {flavour}", model, path, 1.0, folder)
            rows.append((title, flavour, row))
            keras.backend.clear_session()
    return rows


def compare_real(results, coppice, models, folder):
    files = sorted([*models.glob("*.h5"), *models.glob("*.hdf5")])
    results.check(f"folder {models.name}", None if files else "holds no Keras file")
    for path in files:
        model = networks.keras2.models.load_model(path, compile=False)
        scale = 255.0 if "cifar10" in path.name else 1.0
        compare_model(results, coppice, path.stem, model, path, scale, folder)


def write_table(path, rows):
    lines = ["network | written by | nodes | Transposes | prunable | run | exported",
             " | ".join(["---"] * 7)]
    for title, flavour, row in rows:
        lines.append(
            f"{title} | Keras {flavour[-1]} | {row.get('nodes', '-')} | {row.get('Transposes', '-')}"
            f" | {row.get('prunable_macs', float('nan')):.1f} % | {row.get('run', float('nan')):.1e}"
            f" | {row.get('exported', float('nan')):.1e}")
    Path(path).write_text("".join(f"| {line} |\n" for line in lines))


def take_option(words, name):
    """The word behind an option, and both leave the list; None when it is not there."""
    if name not in words:
        return None
    at = words.index(name)
    value = words[at + 1]
    del words[at : at + 2]
    return value


def main():
    words = sys.argv[1:]
    if not words:
        print(__doc__)
        return 2
    coppice, words = Path(words[0]).resolve(), words[1:]
    real, table = take_option(words, "--real"), take_option(words, "--table")
    with_large = "--large" in words
    wanted = [w for w in words if w != "--large"]
    results = Results()
    with tempfile.TemporaryDirectory(prefix="coppice-keras-") as name:
        if real is not None:
            compare_real(results, coppice, Path(real), Path(name))
        rows = compare_networks(results, coppice, wanted, with_large, Path(name))
    if table is not None:
        write_table(table, rows)
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
