"""Trains a VGG16-shaped network on the demo's faces: the network whose bytes low rank shrinks.

    python vgg_faces.py BUILD_DIR --out vgg.onnx [--steps 800] [--seconds 100]

Thirteen convolutions (64 64, 128 128, 256 x3, 512 x3, 512 x3, each followed by normalisation),
two fully connected layers of 4096 and one of 7 classes, 33.6 million parameters, half of
them in one layer.  The 3x48x48 pictures are drawn by BUILD_DIR/examples/faces, clear ones
(--weakest 1 --clutter 0); the first steps see them smaller, which costs less.  The state is
kept beside OUT: a run that ends after --seconds goes on where it stopped when it is started
again, also with other --steps and --rate.  Needs PyTorch, NumPy and onnx, and nothing else
needs this."""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples" / "faces"))
from train import CLASSES, PREPROCESS, SIZE, Writer, accuracy, prepare  # noqa: E402

STAGES = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
HIDDEN = 4096
BATCH = 32
SMALL, SMALL_SHARE = 32, 0.7
CLEAR = ["--weakest", "1", "--clutter", "0"]  # what so few steps can learn


def draw(program, folder, n, seed):
    """Pictures [n][3][48][48] in bytes, and labels."""
    path = pathlib.Path(folder) / "drawn.rec"
    subprocess.run(
        [program, path, "--n", str(n), "--seed", str(seed), "--format", "records", *CLEAR], check=True)
    raw = np.fromfile(path, np.uint8).reshape(n, -1)
    return torch.from_numpy(raw[:, 1:].reshape(n, 3, SIZE, SIZE).copy()), torch.from_numpy(raw[:, 0].astype(np.int64))


def network():
    layers, width = [], 3
    for n_out, depth in STAGES:
        for _ in range(depth):
            layers += [nn.Conv2d(width, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
            width = n_out
        layers.append(nn.MaxPool2d(2))
    side = SIZE // 2 ** len(STAGES)
    layers.append(nn.Flatten())
    for n_in, n_out in [(width * side * side, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, len(CLASSES))]:
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    for layer in net:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return net.to(memory_format=torch.channels_last)


def export(net, path):
    w, x, layers = Writer(), "input", list(net)
    n_conv = n_fc = 0
    for layer, following in zip(layers, layers[1:] + [None]):
        if isinstance(layer, nn.Conv2d):
            n_conv += 1
            x = w.conv_bn(x, layer, following, f"conv{n_conv}")
        elif isinstance(layer, nn.ReLU):
            x = w.relu(x)
        elif isinstance(layer, nn.MaxPool2d):
            x = w.node("MaxPool", [x], f"pool_after_conv{n_conv}", kernel_shape=[2, 2], strides=[2, 2])
        elif isinstance(layer, nn.Flatten):
            x = w.node("Flatten", [x], "flat", axis=1)
        elif isinstance(layer, nn.Linear):
            n_fc += 1
            name = f"fc{n_fc}" if following is not None else "logits"
            constants = [w.constant(f"{name}.weight", layer.weight), w.constant(f"{name}.bias", layer.bias)]
            x = w.node("Gemm", [x] + constants, name, alpha=1.0, beta=1.0, transB=1)
    graph = helper.make_graph(
        w.nodes, "vgg16 faces",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["N", len(CLASSES)])], w.constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="coppice bench")
    helper.set_model_props(model, {"coppice.preprocess": PREPROCESS, "coppice.classes": ",".join(CLASSES)})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def train(net, optimiser, pictures, labels, start, options, state):
    began = time.monotonic()
    for step in range(start, options.steps):
        share = step / options.steps
        for group in optimiser.param_groups:
            group["lr"] = float(options.rate * min(1, share / 0.15) * 0.5 * (1 + np.cos(np.pi * share)) + 1e-6)
        chosen = torch.randint(len(labels), (BATCH,), generator=torch.Generator().manual_seed(step))
        x = prepare(pictures[chosen])
        if share < SMALL_SHARE:
            x = F.interpolate(x, SMALL, mode="bilinear", antialias=True).contiguous(memory_format=torch.channels_last)
        net.train()
        loss = F.cross_entropy(net(torch.flip(x, [3]) if step % 2 else x), labels[chosen], label_smoothing=0.02)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 25 == 24:
            print(f"step {step + 1} of {options.steps} loss {loss.item():.3f}", flush=True)
        if time.monotonic() - began > options.seconds:
            torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}, state)
            return step + 1
    return options.steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=14000)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    program = str(pathlib.Path(options.build) / "examples" / "faces")
    drawn = options.out.with_suffix(".pictures")
    if not drawn.exists():
        with tempfile.TemporaryDirectory() as folder:
            torch.save(draw(program, folder, options.pictures, 2001), drawn)
    pictures, labels = torch.load(drawn)
    net, state, start = network(), options.out.with_suffix(".state"), 0
    optimiser = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=0.02, fused=True)
    if state.exists():
        kept = torch.load(state)
        net.load_state_dict(kept["net"])
        optimiser.load_state_dict(kept["optimiser"])
        start = kept["step"]
    reached = train(net, optimiser, pictures, labels, start, options, state)
    if reached < options.steps:
        print(f"stopped after step {reached} of {options.steps}; start again to go on")
        return
    with tempfile.TemporaryDirectory() as folder:
        held, held_labels = draw(program, folder, 700, 2002)
    net.eval()
    export(net.to(memory_format=torch.contiguous_format), options.out)
    print(f"seed 2002: {accuracy(net, held, held_labels):.2f}% of {len(held_labels)}")


if __name__ == "__main__":
    main()
