"""Every network of the zoo through coppice and ONNX Runtime.

usage: zoo.py COPPICE [--native] [NETWORK...]

Each network of `coppice new`, with ten classes at a small input of odd sizes, or as published
with --native, at batch 1 and 2.  The largest difference of an output, in parts of its largest
element, must be at most 1e-4 with convolutions in their direct form (--no-winograd) and 1e-3
as they are by default.  One line per network, a count at the end."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from compare_onnx import Results, guarded, random_inputs, run, session

LIMITS = {"direct": (1e-4, ["--no-winograd"]), "default": (1e-3, [])}


def write_network(coppice, net, is_native, path):
    words = [coppice, "new", net["name"], "-o", path]
    if not is_native:
        size = f"3x{net['least_size'] + 5}x{net['least_size'] + 18}"
        words += ["--input", size, "--classes", "10"]
    run(*words)


def differences(coppice, path, batch, folder):
    """The worst of each way, relative to the largest element."""
    peer = session(path)
    inputs = random_inputs(peer, batch, seed=batch)
    (want,) = peer.run(None, inputs)
    del peer
    (x,) = inputs.values()
    np.save(folder / "x.npy", x)
    worst = {}
    for way, (_, flags) in LIMITS.items():
        run(coppice, "run", path, "--input", folder / "x.npy", "--output", folder / "y.npy", *flags)
        got = np.load(folder / "y.npy")
        if got.shape != want.shape or not np.isfinite(want).all():
            raise RuntimeError(f"output is {got.shape}, wanted {want.shape} of finite numbers")
        scale = float(np.abs(want).max())
        worst[way] = float(np.abs(want.astype(np.float64) - got).max()) / scale
    return worst


def compare(coppice, net, is_native, folder):
    """(the worst of both batches in words, what is wrong or None)"""
    path = folder / "net.onnx"
    write_network(coppice, net, is_native, path)
    worst = {way: 0.0 for way in LIMITS}
    for batch in (1, 2):
        for way, found in differences(coppice, path, batch, folder).items():
            worst[way] = max(worst[way], found)
    bad = [way for way in worst if not worst[way] <= LIMITS[way][0]]
    words = ", ".join(f"{way} {found:.1e}" for way, found in worst.items())
    return words, f"too far from ONNX Runtime: {', '.join(bad)}" if bad else None


def main():
    parser = argparse.ArgumentParser(description="Compares the zoo with ONNX Runtime.")
    parser.add_argument("coppice", type=Path)
    parser.add_argument("networks", nargs="*", help="all, if none is named")
    parser.add_argument("--native", action="store_true", help="inputs and classes as published")
    options = parser.parse_intermixed_args()
    coppice = options.coppice.resolve()
    # Choices measured on this machine would make the comparison depend on it.
    os.environ["COPPICE_TUNING"] = "off"
    results = Results()
    nets = json.loads(run(coppice, "new", "--list", "--json"))["networks"]
    unknown = set(options.networks) - {net["name"] for net in nets}
    results.check("networks", f"unknown: {sorted(unknown)}" if unknown or not nets else None)
    with tempfile.TemporaryDirectory(prefix="coppice-zoo-") as folder:
        for net in nets:
            if options.networks and net["name"] not in options.networks:
                continue
            found = guarded(compare, coppice, net, options.native, Path(folder))
            words, problem = found if isinstance(found, tuple) else ("", found)
            results.check(f"{net['name']:16} {words}", problem)
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
