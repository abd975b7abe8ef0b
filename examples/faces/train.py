"""How faces.onnx, the trained network of the demo, was made.

    python train.py BUILD_DIR [--minutes 10]

Not needed to build, test or run anything: Coppice reads the committed faces.onnx.  Needs
PyTorch, NumPy and onnx.  All pictures come from the generator (BUILD_DIR/examples/faces);
training, selection and the figure printed at the end use different seeds.  Normalisation
stays as nodes of its own, as exporters of other tools leave it."""
import argparse
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

CLASSES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
SIZE, MEAN, STD = 48, 0.5, 0.25
PREPROCESS = f"{3}x{SIZE}x{SIZE} filter=bilinear order=rgb scale=1/255 mean={MEAN},{MEAN},{MEAN} std={STD},{STD},{STD}"


def draw(program, folder, n, seed):
    """Pictures [n][3][48][48] in bytes, and labels."""
    path = pathlib.Path(folder) / f"{seed}.rec"
    subprocess.run([program, path, "--n", str(n), "--seed", str(seed), "--format", "records"], check=True)
    raw = np.fromfile(path, np.uint8).reshape(n, -1)
    path.unlink()
    return torch.from_numpy(raw[:, 1:].reshape(n, 3, SIZE, SIZE).copy()), torch.from_numpy(raw[:, 0].astype(np.int64))


def prepare(pictures):
    return ((pictures.float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)


class Block(nn.Module):
    """Two convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.short = None
        if stride != 1 or n_in != n_out:
            self.short = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.short_bn = nn.BatchNorm2d(n_out)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.short is None else self.short_bn(self.short(x))))


class Net(nn.Module):
    """Stem, then stages of (width, blocks) that halve the picture, then a linear layer."""

    STAGES = [(32, 1, 1), (64, 2, 2), (64, 1, 2)]

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(32)
        width, blocks = 32, []
        for n_out, n_blocks, stride in self.STAGES:
            for i in range(n_blocks):
                blocks.append(Block(width, n_out, stride if i == 0 else 1))
                width = n_out
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(width, len(CLASSES))

    def forward(self, x):
        x = F.relu(self.stem_bn(self.stem(x)))
        return self.fc(self.blocks(x).mean((2, 3)))


class Writer:
    """Builds the ONNX graph node by node, so that nothing is folded."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, tensor):
        self.constants.append(numpy_helper.from_array(tensor.detach().contiguous().numpy(), name))
        return name

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def conv_bn(self, x, conv, bn, name):
        k, s, p = conv.kernel_size[0], conv.stride[0], conv.padding[0]
        x = self.node(
            "Conv", [x, self.constant(f"{name}.weight", conv.weight)], name, dilations=[1, 1], group=1,
            kernel_shape=[k, k], pads=[p] * 4, strides=[s, s])
        fields = {"scale": bn.weight, "shift": bn.bias, "mean": bn.running_mean, "var": bn.running_var}
        inputs = [x] + [self.constant(f"{name}.bn.{field}", tensor) for field, tensor in fields.items()]
        return self.node("BatchNormalization", inputs, f"{name}.bn", epsilon=bn.eps)

    def relu(self, x):
        return self.node("Relu", [x], f"{x}.relu")

    def block(self, x, block, name):
        y = self.relu(self.conv_bn(x, block.conv1, block.bn1, f"{name}.conv1"))
        y = self.conv_bn(y, block.conv2, block.bn2, f"{name}.conv2")
        if block.short is not None:
            x = self.conv_bn(x, block.short, block.short_bn, f"{name}.short")
        return self.relu(self.node("Add", [y, x], f"{name}.add"))


def export(net, path):
    w = Writer()
    x = w.relu(w.conv_bn("input", net.stem, net.stem_bn, "stem"))
    at = 0
    for stage, (_, n_blocks, _) in enumerate(net.STAGES, 1):
        for i in range(n_blocks):
            x = w.block(x, net.blocks[at], f"stage{stage}.{i}")
            at += 1
    x = w.node("Flatten", [w.node("GlobalAveragePool", [x], "pool")], "flat", axis=1)
    fc = [w.constant("fc.weight", net.fc.weight), w.constant("fc.bias", net.fc.bias)]
    w.node("Gemm", [x] + fc, "logits", alpha=1.0, beta=1.0, transB=1)
    graph = helper.make_graph(
        w.nodes, "faces",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(CLASSES)])], w.constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="coppice examples")
    helper.set_model_props(model, {"coppice.preprocess": PREPROCESS, "coppice.classes": ",".join(CLASSES)})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def accuracy(net, pictures, labels):
    net.eval()
    with torch.no_grad():
        right = sum((net(prepare(p)).argmax(1) == l).sum().item() for p, l in zip(pictures.split(250), labels.split(250)))
    return 100.0 * right / len(labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=28000)
    parser.add_argument("--out", default=pathlib.Path(__file__).parent / "faces.onnx")
    options = parser.parse_args()
    program = str(pathlib.Path(options.build) / "examples" / "faces")
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        pictures, labels = draw(program, folder, options.pictures, 1001)
        held, held_labels = draw(program, folder, 1050, 1002)
        last, last_labels = draw(program, folder, 7000, 1003)
    net = Net().to(memory_format=torch.channels_last)
    print(f"{sum(p.numel() for p in net.parameters())} parameters", flush=True)
    for block in net.blocks:
        nn.init.zeros_(block.bn2.weight)
    optimiser = torch.optim.AdamW(net.parameters(), 0.004, weight_decay=0.02)
    start, seconds, step, batch = time.monotonic(), options.minutes * 60, 0, 64
    order = torch.randperm(len(labels))
    while (share := (time.monotonic() - start) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 0.004 * min(1, share / 0.1) * 0.5 * (1 + np.cos(np.pi * share))
        if (step + 1) * batch > len(order) * (step * batch // len(order) + 1):
            order = torch.randperm(len(labels))
        at = step * batch % (len(order) - batch)
        chosen = order[at : at + batch]
        x = prepare(pictures[chosen])
        net.train()
        loss = F.cross_entropy(net(torch.flip(x, [3]) if step % 2 else x), labels[chosen], label_smoothing=0.02)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step} {100 * share:.0f}% loss {loss.item():.3f}", flush=True)
        if step % 400 == 0:
            print(f"held out: {accuracy(net, held, held_labels):.2f}%", flush=True)
    net.eval()
    export(net.to(memory_format=torch.contiguous_format), pathlib.Path(options.out))
    print(f"{step} steps; seed 1003: {accuracy(net, last, last_labels):.2f}% of {len(last_labels)}")


if __name__ == "__main__":
    main()
