"""The peers, each a process that compare.py talks to as it talks to time_network.

usage: peers.py NAME MODEL.onnx BATCH THREADS PREFIX

NAME is onnxruntime, openvino or torch.  Reads the inputs from PREFIX.in0, ..., loads the model,
runs it once, prints "ready LOAD_MS FIRST_MS VERSION" and then obeys the lines "run K" and
"write PREFIX" of standard input.  Importing the library is not timed, loading is.

Every peer computes in float32 with THREADS threads on one request at a time, knows the
batch size when it loads (nothing is left dynamic), and gets and leaves its tensors in
memory of its own, so that no run pays for copies into Python."""

import gc
import operator
import sys
import time

import numpy as np
import onnx


def free_shape(dims, batch):
    """The shape at this batch size; the only free axis of these models is the batch."""
    return [d if isinstance(d, int) and d > 0 else batch for d in dims]


class OnnxRuntime:
    def __init__(self):
        import onnxruntime

        self.ort = onnxruntime
        self.version = f"ONNX Runtime {onnxruntime.__version__}"

    def load(self, path, batch, threads):
        ort = self.ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        options.add_free_dimension_override_by_name("N", batch)
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return [free_shape(i.shape, batch) for i in self.session.get_inputs()]

    def bind(self, inputs):
        self.binding = self.session.io_binding()
        self.values = [self.ort.OrtValue.ortvalue_from_numpy(x) for x in inputs]
        for given, value in zip(self.session.get_inputs(), self.values):
            self.binding.bind_ortvalue_input(given.name, value)
        for made in self.session.get_outputs():
            self.binding.bind_output(made.name, "cpu")

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.binding.copy_outputs_to_cpu()


class OpenVino:
    def __init__(self):
        import openvino

        self.ov = openvino
        self.version = f"OpenVINO {openvino.__version__.split('-')[0]}"

    def load(self, path, batch, threads):
        core = self.ov.Core()
        model = core.read_model(path)
        shapes = [
            free_shape([d.get_length() if d.is_static else 0 for d in i.partial_shape], batch)
            for i in model.inputs
        ]
        model.reshape({given: shape for given, shape in zip(model.inputs, shapes)})
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": "1",
                "INFERENCE_NUM_THREADS": str(threads),
                "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it
            },
        )
        self.request = compiled.create_infer_request()
        self.n_outputs = len(compiled.outputs)
        return shapes

    def bind(self, inputs):
        for i, x in enumerate(inputs):
            self.request.set_input_tensor(i, self.ov.Tensor(x, shared_memory=True))
        self.inputs = inputs

    def run(self):
        self.request.start_async()
        self.request.wait()

    def outputs(self):
        return [np.array(self.request.get_output_tensor(i).data) for i in range(self.n_outputs)]


def fix_slices(module):
    """Puts plain indexing in place of onnx2torch's slices, which ask tensors for their bounds
    at each run and so cannot be compiled."""
    for node in module.graph.find_nodes(op="call_module"):
        if type(module.get_submodule(node.target)).__name__ != "OnnxSlice":
            continue
        source, *bounds = node.args
        bounds = [operator.attrgetter(given.target)(module).tolist() for given in bounds]
        starts, ends, axes, *steps = bounds
        steps = steps[0] if steps else [1] * len(axes)
        index = [slice(None)] * 4
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            index[axis] = slice(start, end, step)
        with module.graph.inserting_before(node):
            plain = module.graph.call_function(operator.getitem, (source, tuple(index)))
        node.replace_all_uses_with(plain)
        module.graph.erase_node(node)
    module.recompile()


class Torch:
    """onnx2torch makes a module of the file, make_fx one flat graph of the module, and
    torch.compile code of the graph: with frozen weights and channels last, the fastest of
    what PyTorch offers."""

    def __init__(self):
        import onnx2torch
        import torch
        import torch._inductor.config
        from torch.fx.experimental.proxy_tensor import make_fx

        torch._inductor.config.freezing = True
        self.torch, self.convert, self.flatten = torch, onnx2torch.convert, make_fx
        self.version = f"PyTorch {torch.__version__}"

    def load(self, path, batch, threads):
        torch = self.torch
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        model = onnx.load(path)
        weights = {w.name for w in model.graph.initializer}
        shapes = [
            free_shape([d.dim_value for d in i.type.tensor_type.shape.dim], batch)
            for i in model.graph.input
            if i.name not in weights
        ]
        module = self.convert(model).eval().to(memory_format=torch.channels_last)
        fix_slices(module)
        zeros = [self.channels_last(torch.zeros(shape)) for shape in shapes]
        with torch.no_grad():
            flat = self.flatten(module)(*zeros)
        self.module = torch.compile(flat, fullgraph=True)
        return shapes

    def channels_last(self, x):
        return x.contiguous(memory_format=self.torch.channels_last) if x.ndim == 4 else x

    def bind(self, inputs):
        self.inputs = [self.channels_last(self.torch.from_numpy(x)) for x in inputs]

    def run(self):
        with self.torch.inference_mode():
            self.made = self.module(*self.inputs)

    def outputs(self):
        made = self.made if isinstance(self.made, (list, tuple)) else [self.made]
        return [y.contiguous().numpy() for y in made]


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "torch": Torch}


def timed_ms(call, *words):
    before = time.perf_counter()
    result = call(*words)
    return 1000.0 * (time.perf_counter() - before), result


def serve(peer, path, batch, threads, prefix):
    load_ms, shapes = timed_ms(peer.load, path, batch, threads)
    inputs = [
        np.fromfile(f"{prefix}.in{i}", np.float32).reshape(shape) for i, shape in enumerate(shapes)
    ]
    peer.bind(inputs)
    first_ms, _ = timed_ms(peer.run)
    print(f"ready {load_ms:.4f} {first_ms:.4f} {peer.version}", flush=True)
    gc.collect()
    gc.disable()
    for line in sys.stdin:
        verb, word = line.split()
        if verb == "run":
            times = [timed_ms(peer.run)[0] for _ in range(int(word))]
            print(" ".join(f"{t:.4f}" for t in times), flush=True)
        elif verb == "write":
            for i, y in enumerate(peer.outputs()):
                y.astype(np.float32).tofile(f"{word}.out{i}")
            print("written", flush=True)
        else:
            sys.exit(f"peers.py: '{verb}' is neither run nor write")


if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[1] not in PEERS:
        sys.exit(__doc__)
    serve(PEERS[sys.argv[1]](), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
