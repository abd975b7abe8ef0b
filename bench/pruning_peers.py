"""Torch-Pruning on the models and images that Coppice is measured with, without fine-tuning.

usage: pruning_peers.py MODEL.onnx --train DIR --val DIR --macs 47.6,80 [--help]

DIR holds a folder per class, in the order of the model's outputs.  For every criterion and
every share of multiply-accumulates the network is cut by global pruning in small steps until
the share is reached, then evaluated as it is and once more with its batch normalisation
re-estimated on the calibration images (where it has any).  Criteria that need gradients get
the labels of the calibration images.  Prints a table; --json writes the same numbers."""

import argparse
import copy
import json
import os
import random
import sys
import time
import warnings

import numpy as np
import onnx
import onnx2torch
import torch
import torch_pruning as tp
from PIL import Image

warnings.filterwarnings("ignore")

CRITERIA = {
    "magnitude L1": lambda: tp.importance.GroupMagnitudeImportance(p=1),
    "magnitude L2": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "LAMP": lambda: tp.importance.LAMPImportance(p=2),
    "FPGM": lambda: tp.importance.FPGMImportance(),
    "batch norm scale": lambda: tp.importance.BNScaleImportance(),
    "Taylor": lambda: tp.importance.GroupTaylorImportance(),
    "Hessian": lambda: tp.importance.GroupHessianImportance(),
    "random": lambda: tp.importance.RandomImportance(),
}


def list_images(folder):
    """(path, class) of every image, classes in the order of their folders' names."""
    found = []
    for label, name in enumerate(sorted(os.listdir(folder))):
        inside = os.path.join(folder, name)
        found += [(os.path.join(inside, f), label) for f in sorted(os.listdir(inside))]
    return found


def read_images(listed, size, short, mean, std):
    """Float32 [n][3][size][size] and labels; shorter side to `short`, centre crop, normalise."""
    pixels = np.empty((len(listed), 3, size, size), np.float32)
    for i, (path, _) in enumerate(listed):
        image = Image.open(path).convert("RGB")
        if short:
            scale = short / min(image.size)
            wide, high = round(image.size[0] * scale), round(image.size[1] * scale)
            image = image.resize((wide, high), Image.BILINEAR)
            left, top = (wide - size) // 2, (high - size) // 2
            image = image.crop((left, top, left + size, top + size))
        elif image.size != (size, size):
            image = image.resize((size, size), Image.BILINEAR)
        chw = np.asarray(image, np.float32).transpose(2, 0, 1) / 255
        pixels[i] = (chw - mean[:, None, None]) / std[:, None, None]
    return torch.from_numpy(pixels), torch.tensor([label for _, label in listed])


@torch.no_grad()
def answers(model, images, batch=128):
    model.eval()
    parts = [model(images[i : i + batch]).flatten(1).argmax(1) for i in range(0, len(images), batch)]
    return torch.cat(parts)


@torch.no_grad()
def reestimate(model, images, batch=64):
    """Means and variances of the normalisations as averages over the images; false if none."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for i in range(0, len(images), batch):
        model(images[i : i + batch])
    model.eval()
    return bool(norms)


def fixed_width(model):
    """Layers whose results meet in an addition, and the last one: Torch-Pruning cannot follow
    zero-padded shortcuts, so that only layers inside a block are cut."""
    kept, layers = [], {}
    for node in model.graph.nodes:
        if node.op == "call_module":
            layers[node] = model.get_submodule(node.target)
    weighted = (torch.nn.Conv2d, torch.nn.Linear)

    def producers(node, seen):
        if node in seen:
            return
        seen.add(node)
        if isinstance(layers.get(node), weighted):
            kept.append(layers[node])
            return
        for before in node.all_input_nodes:
            producers(before, seen)

    for node in model.graph.nodes:
        if type(layers.get(node)).__name__ == "OnnxBinaryMathOperation":
            producers(node, set())
    kept.append([m for m in model.modules() if isinstance(m, weighted)][-1])
    return kept


def prune(dense, name, example, target, images, labels, steps):
    """A copy of `dense` with at most `target` of its multiply-accumulates."""
    model = copy.deepcopy(dense)
    importance = CRITERIA[name]()
    full, _ = tp.utils.count_ops_and_params(model, example)
    pruner = tp.pruner.BasePruner(
        model,
        example,
        importance=importance,
        global_pruning=True,
        pruning_ratio=0.95,
        max_pruning_ratio=0.95,
        iterative_steps=steps,
        ignored_layers=fixed_width(model),
    )
    share = 1.0
    while share > target and pruner.current_step < steps:
        if name in ("Taylor", "Hessian"):
            gather_gradients(model, importance, images, labels)
        pruner.step()
        share = tp.utils.count_ops_and_params(model, example)[0] / full
    return model, share


def gather_gradients(model, importance, images, labels, n=128):
    model.zero_grad()
    loss = torch.nn.functional.cross_entropy
    if isinstance(importance, tp.importance.GroupHessianImportance):
        importance.zero_grad()
        for one in loss(model(images[:n]).flatten(1), labels[:n], reduction="none"):
            model.zero_grad()
            one.backward(retain_graph=True)
            importance.accumulate_grad(model)
    else:
        loss(model(images[:n]).flatten(1), labels[:n]).backward()


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--train", required=True, help="calibration images are drawn from here")
    p.add_argument("--val", required=True, help="accuracy is counted here")
    p.add_argument("--macs", default="47.6", help="percent that remains, several with commas")
    p.add_argument("--samples", type=int, default=512)
    p.add_argument("--criteria", default=",".join(CRITERIA))
    p.add_argument("--steps", type=int, default=200, help="of the way to 95 %% of the channels")
    p.add_argument("--size", type=int, default=32)
    p.add_argument("--short", type=int, default=0, help="length of the shorter side before the crop")
    p.add_argument("--mean", default=".485,.456,.406")
    p.add_argument("--std", default=".229,.224,.225")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--json")
    return p.parse_args()


def main():
    options = parse()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    mean = np.array([float(x) for x in options.mean.split(",")], np.float32)
    std = np.array([float(x) for x in options.std.split(",")], np.float32)
    listed = list_images(options.train)
    random.Random(options.seed).shuffle(listed)
    images, labels = read_images(listed[: options.samples], options.size, options.short, mean, std)
    val, truth = read_images(list_images(options.val), options.size, options.short, mean, std)
    dense = onnx2torch.convert(onnx.load(options.model)).eval()
    example = images[:1]
    original = answers(dense, val)
    rows = [{"criterion": "original", "macs": 100.0, "top1": 100 * (original == truth).float().mean().item()}]
    print(f"original: {rows[0]['top1']:.2f} % of {len(val)} images", flush=True)
    for share in [float(x) / 100 for x in options.macs.split(",")]:
        for name in options.criteria.split(","):
            start = time.time()
            try:
                model, reached = prune(dense, name, example, share, images, labels, options.steps)
            except Exception as error:  # a criterion that cannot take this network is a row as well
                print(f"{name}: {type(error).__name__}: {error}", flush=True)
                rows.append({"criterion": name, "target": 100 * share, "error": str(error)})
                continue
            got = answers(model, val)
            row = {
                "criterion": name,
                "target": 100 * share,
                "macs": 100 * reached,
                "top1": 100 * (got == truth).float().mean().item(),
                "agreement": 100 * (got == original).float().mean().item(),
            }
            if reestimate(model, images):
                got = answers(model, val)
                row["top1_reestimated"] = 100 * (got == truth).float().mean().item()
            row["seconds"] = time.time() - start
            rows.append(row)
            print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else str(v) for k, v in row.items()), flush=True)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"model": os.path.basename(options.model), "samples": options.samples, "rows": rows}, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    sys.exit(main())
