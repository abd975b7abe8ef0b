"""Times Coppice and its peers in turn on the same networks; see README.md for the method.

compare.sh calls this from an environment that has the peers."""

import argparse
import math
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx

import performance

HERE = Path(__file__).resolve().parent
NETWORKS = ["resnet50", "vgg16", "inceptionv3", "mobilenetv2", "nasnet-mobile", "squeezenet"]
PEERS = ["onnxruntime", "openvino"]
SLICE_MS = 200.0  # a turn lasts about this long
LEAST_RUNS = 2  # and has at least so many runs
LEAST_ROUNDS = 2  # for each set of fresh processes
MOST_RUNS = 200
SETTLE_S = 0.02  # after a stop, until the next begins
FOREIGN = 0.1  # a turn in which others took more of the processors is taken again,
MOST_TRIES = 20  # so often, after a pause, before we give up
PAUSE_S = 0.5
AGREE = 1e-3  # of the largest element of an output: what Winograd's method may cost


def busy_s(pid=None):
    """Seconds of processor time used by a process; by the whole machine without one,
    including what other machines on the same host took from it."""
    if pid is None:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        ticks = sum(map(int, fields)) - int(fields[3]) - int(fields[4])  # idle, waiting
    else:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Runner:
    """A process with one network loaded.  Stopped (SIGSTOP) whenever it is not its turn, so
    that no idle thread of it can spin beside another."""

    def __init__(self, name, command, environment):
        self.name, self.disturbed = name, 0
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            # A group of its own can be stopped whole; should this program be killed, the
            # kernel wakes the stopped group and hangs it up.
            process_group=0,
            env=os.environ | environment,
        )
        word, load_ms, first_ms, self.version = self.answer().split(maxsplit=3)
        if word != "ready":
            raise RuntimeError(f"{name} said '{word}', not ready")
        self.load_ms, self.first_ms = float(load_ms), float(first_ms)
        self.stop()

    def answer(self):
        line = self.process.stdout.readline()
        if line:
            return line.strip()
        self.process.wait()
        self.errors.seek(0)
        raise RuntimeError(f"{self.name} ended: {self.errors.read().strip()[-500:]}")

    def stop(self):
        os.killpg(self.process.pid, signal.SIGSTOP)
        time.sleep(SETTLE_S)

    def ask(self, line):
        """What the process answers to one line; it runs only meanwhile."""
        os.killpg(self.process.pid, signal.SIGCONT)
        print(line, file=self.process.stdin, flush=True)
        answer = self.answer()
        self.stop()
        return answer

    def times(self, n):
        """Milliseconds of n runs after one that is not counted."""
        for _ in range(MOST_TRIES):
            start, foreign = time.monotonic(), busy_s() - busy_s(self.process.pid)
            times = [float(ms) for ms in self.ask(f"run {n + 1}").split()][1:]
            foreign = busy_s() - busy_s(self.process.pid) - foreign
            if foreign < FOREIGN * (time.monotonic() - start) * os.cpu_count():
                return times
            self.disturbed += 1
            time.sleep(PAUSE_S)
        raise RuntimeError("other processes keep the processors busy, nothing can be timed")

    def outputs(self, prefix, n):
        self.ask(f"write {prefix}")
        return [np.fromfile(f"{prefix}.out{i}", np.float32) for i in range(n)]

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def environment_of(name, options):
    """Where torch.compile keeps its code from one start to the next, and no helpers of it,
    which would go on while it is stopped; and the kernels that were measured for Coppice."""
    return {
        "TORCHINDUCTOR_CACHE_DIR": str(options.models.resolve() / "inductor"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "COPPICE_TUNING": "off" if name == "untuned" else str(tuning_of(options)),
    }


def tuning_of(options):
    return options.models.resolve() / "tuning"


def tune(model, batch, options):
    """Measures kernels as a user's first `coppice bench` does."""
    words = [options.build / "coppice", "bench", model.resolve(), "--batch", str(batch)]
    words += ["--threads", str(options.threads), "--runs", "1", "--json"]
    environment = os.environ | {"COPPICE_TUNING": str(tuning_of(options))}
    subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)


def command_of(name, options, model, batch, prefix):
    words = [model, batch, options.threads, prefix]
    if name in options.programs:
        return [options.programs[name], *words]
    return [sys.executable, HERE / "peers.py", name, *words]


def write_inputs(model_path, batch, prefix):
    """Random inputs beside each other in files; returns how many outputs there are."""
    graph = onnx.load(model_path, load_external_data=False).graph
    weights = {w.name for w in graph.initializer}
    rng = np.random.default_rng(1)
    inputs = [i for i in graph.input if i.name not in weights]
    for n, given in enumerate(inputs):
        dims = [d.dim_value or batch for d in given.type.tensor_type.shape.dim]
        rng.standard_normal(dims).astype(np.float32).tofile(f"{prefix}.in{n}")
    return len(graph.output)


def difference(want, got):
    """The largest difference between two lists of outputs, in parts of the largest element."""
    return max(
        float(np.abs(a.astype(np.float64) - b).max()) / max(float(np.abs(a).max()), 1e-30)
        for a, b in zip(want, got, strict=True)
    )


def check_agreement(runners, prefix, n_outputs):
    """Differences of all from the last, a peer; an error if anybody times something else."""
    want = runners[-1].outputs(prefix, n_outputs)
    if not all(np.isfinite(y).all() and np.ptp(y) > 0 for y in want):
        raise RuntimeError(f"{runners[-1].name}: outputs are constant or not finite")
    found = {r.name: difference(want, r.outputs(prefix, n_outputs)) for r in runners[:-1]}
    for name, worst in found.items():
        if not worst <= AGREE:
            raise RuntimeError(f"{name} differs from {runners[-1].name} by {worst:.1e}")
    return found


def time_in_turn(runners, end, times):
    """Appends a median per round to times[name].  Each round begins with another runner."""
    n_runs = {}
    for r in runners:
        ms = statistics.median(r.times(LEAST_RUNS))
        n_runs[r.name] = min(MOST_RUNS, max(LEAST_RUNS, math.ceil(SLICE_MS / ms)))
    rounds = 0
    while rounds < LEAST_ROUNDS or time.monotonic() < end:
        rounds += 1
        first = len(times[runners[0].name]) % len(runners)
        for r in runners[first:] + runners[:first]:
            times[r.name].append(statistics.median(r.times(n_runs[r.name])))


def speedups(times, peers):
    """How many times as long as Coppice each of the others took, pair by pair; "best" is
    whichever peer was the fastest of a round."""
    times = dict(times)
    if len(peers) > 1:
        times["best"] = [min(each) for each in zip(*(times[name] for name in peers))]
    own = times.pop("coppice")
    found = {}
    for name, theirs in times.items():
        pairs = [their / our for their, our in zip(theirs, own, strict=True)]
        low, middle, high = np.quantile(pairs, [0.25, 0.5, 0.75])
        found[name] = {"median": float(middle), "low": float(low), "high": float(high)}
    return found


def measure(network, batch, options, seconds, folder):
    """A row of the results, in about so many seconds.  Fresh processes come every few rounds,
    because how fast one is depends by some percent on the memory that it happened to get."""
    begin = time.monotonic()
    model = model_of(network, options)
    tune(model, batch, options)
    prefix = folder / "tensors"
    n_outputs = write_inputs(model, batch, prefix)
    names = list(options.programs) + options.peers
    times, first = ({name: [] for name in names} for _ in range(2))
    disturbed = 0
    for start in range(options.starts):
        runners = []
        try:
            for name in names:
                command = command_of(name, options, model, batch, prefix)
                runners.append(Runner(name, command, environment_of(name, options)))
                first[name].append(runners[-1].load_ms + runners[-1].first_ms)
            differences = check_agreement(runners, prefix, n_outputs)
            time_in_turn(runners, begin + seconds * (start + 1) / options.starts, times)
        finally:
            for r in runners:
                disturbed += r.disturbed
                r.close()
    return {
        "network": network,
        "batch": batch,
        "threads": options.threads,
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": {r.name: r.version for r in runners},
        "median_ms": {name: statistics.median(ms) for name, ms in times.items()},
        "first_ms": {name: statistics.median(ms) for name, ms in first.items()},
        "differences": differences,
        "speedup": speedups(times, options.peers),
        "disturbed": disturbed,
        "rounds_ms": times,
    }


def model_of(network, options):
    """The network's ONNX file, which the program writes where there is none yet."""
    path = options.models / f"{network}.onnx"
    if not path.exists():
        options.models.mkdir(parents=True, exist_ok=True)
        program = options.build / "coppice"
        subprocess.run([program, "new", network, "-o", path], check=True, stdout=sys.stderr)
    return path


def commit():
    words = ["git", "-C", HERE, "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def parse(words):
    def names(text):
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser(prog="compare.sh", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--build", type=Path, default=HERE.parent / "build", help="build folder")
    add("--models", type=Path, help="folder of ONNX files; default BUILD/bench-models")
    add("--networks", type=names, default=NETWORKS, help="names of files there, with commas")
    add("--batches", type=names, default=["1", "16"])
    add("--threads", type=int, default=min(2, os.cpu_count() or 1))
    add("--peers", type=names, default=PEERS, help="also torch, if it was asked for")
    add("--program", action="append", default=[], metavar="NAME=PATH",
        help="another time_network to compare with, e.g. of an older build")
    add("--minutes", type=float, default=11.0, help="for all rows, which share what is left")
    add("--starts", type=int, default=2, help="how many fresh processes share a row's time")
    add("--json", type=Path, help="results; rows of earlier runs stay unless measured again")
    add("--resume", action="store_true", help="measure only what the JSON file lacks")
    add("--markdown", type=Path, help="file whose table to renew, e.g. docs/performance.md")
    options = parser.parse_args(words)
    program = options.build / "bench" / "time_network"
    options.programs = {"coppice": program, "untuned": program}
    options.programs |= dict(pair.split("=", 1) for pair in options.program)
    options.models = options.models or options.build / "bench-models"
    if options.starts < 1:
        parser.error("--starts is at least 1")
    return options


def main():
    # Ended from outside, still close the runners: a stopped process would stay for ever.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("compare.sh: ended by a signal"))
    options = parse(sys.argv[1:])
    results = performance.load(options.json)
    results["machine"] = performance.machine()
    results["command"] = "bench/compare.sh " + shlex.join(sys.argv[1:])
    rows = [(network, batch) for batch in map(int, options.batches) for network in options.networks]
    if not options.resume:
        tuning_of(options).unlink(missing_ok=True)  # of another build, perhaps
    else:
        rows = [row for row in rows if performance.find(results, *row) is None]
    end = time.monotonic() + 60.0 * options.minutes
    failed = False
    with tempfile.TemporaryDirectory(prefix="coppice-bench-") as folder:
        for n, (network, batch) in enumerate(rows):
            seconds = (end - time.monotonic()) / (len(rows) - n)
            try:
                row = measure(network, batch, options, seconds, Path(folder))
            except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                print(f"{network}, batch {batch}: {error}", file=sys.stderr)
                failed = True
                continue
            performance.put(results, row)
            print(performance.one_line(row), flush=True)
            if options.json:
                performance.save(results, options.json)
    print()
    print(performance.text_table(results))
    if options.markdown:
        performance.renew(options.markdown, results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
