"""What the client costs: arrays to messages and back, its import, a call beside the bare stub, and sharing requests.

    python benchmarks/client_speed.py [--rounds 15] [--seconds 2]

The bare stub sends bytes made beforehand and reads one array of the answer with NumPy at a known place; it and the client
call one server, in a process of its own, in turns: 100 calls each a round, the median of each round, their ratio by round.
Imports are fresh processes: what Python, NumPy, grpcio and protobuf take is measured beside, for no client goes below.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

import grpc
import numpy as np
from environment import RESULTS, describe
from served_mlp import mlp_row, served_mlp

from serving.client import Client
from serving.codec import decode
from serving.payloads import read_tensors
from serving.protos import prediction_pb2 as pb
from serving.tensor_map import write_tensors
from serving.wire import CONTENT_KEY, PREDICT

CALLS = 100
THREADS = 32
IMPORTS = {
    "NumPy, grpcio, protobuf": "import numpy, grpc, google.protobuf.wrappers_pb2",
    "serving.client": "import serving.client",
}
_MEASURE = """
import time
began, cpu = time.perf_counter(), time.process_time()
{}
took, cpu = time.perf_counter() - began, time.process_time() - cpu
print(took, cpu, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, and the lowest and the highest."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def imports(rounds: int) -> dict[str, dict[str, float]]:
    """Return the least seconds, processor seconds and MiB resident of fresh processes, Python itself in the MiB."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        for name, program in IMPORTS.items():
            run = subprocess.run(
                [sys.executable, "-c", _MEASURE.format(program)], capture_output=True, text=True, check=True
            )
            seconds, cpu, memory = map(float, run.stdout.split())
            found[name].append((seconds, cpu, memory / 1024))
    return {
        name: dict(zip(("seconds", "cpu_seconds", "mib"), map(min, *lines), strict=True))
        for name, lines in found.items()
    }


def codec_ms(rounds: int) -> dict[str, dict[str, float]]:
    """Return milliseconds of 4.8 MB of float32, into a request and out of an answer."""
    array = np.random.default_rng(0).random((8, 224, 224, 3), np.float32)
    reply = write_tensors(b"", pb.PredictResponse.OUTPUTS_FIELD_NUMBER, {"y": array})

    def read() -> None:
        response, payloads = read_tensors(pb.PredictResponse, reply, "outputs")
        decode(response.outputs["y"], payloads["y"])

    tasks: dict[str, Callable[[], object]] = {
        "encode": lambda: write_tensors(b"", pb.PredictRequest.INPUTS_FIELD_NUMBER, {"x": array}),
        "decode": read,
    }
    return {name: spread([_seconds(task, 20) * 1e3 for _ in range(rounds)]) for name, task in tasks.items()}


def _seconds(task: Callable[[], object], times: int) -> float:
    """Return the median of some runs."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        task()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def overhead(target: str, rounds: int) -> dict[str, dict[str, float]]:
    """Return milliseconds of a call of one row by the client and the bare stub, and their ratio."""
    row = mlp_row()
    start = pb.PredictRequest(model_spec=pb.ModelSpec(name="m"), output_filter=["probabilities"]).SerializeToString()
    message = write_tensors(start, pb.PredictRequest.INPUTS_FIELD_NUMBER, {"inputs": row})
    with Client(target) as client, grpc.insecure_channel(target) as channel:
        stub = channel.unary_unary(PREDICT)
        wanted = client.predict("m", {"inputs": row}, timeout=30, outputs=["probabilities"])["probabilities"]
        place = stub(message, timeout=30, metadata=((CONTENT_KEY, "1"),)).find(wanted.tobytes())
        assert place > 0

        def bare() -> np.ndarray:
            reply = stub(message, timeout=30, metadata=((CONTENT_KEY, "1"),))
            return np.frombuffer(reply, np.float32, 10, place).reshape(1, 10)

        def ours() -> np.ndarray:
            return client.predict("m", {"inputs": row}, timeout=30, outputs=["probabilities"])["probabilities"]

        np.testing.assert_array_equal(bare(), ours())
        for task in (bare, ours):
            _seconds(task, CALLS)
        pairs = []
        for number in range(rounds):
            order = (bare, ours) if number % 2 else (ours, bare)
            took = {task: _seconds(task, CALLS) * 1e3 for task in order}
            pairs.append((took[bare], took[ours]))
    return {
        "bare stub": spread([bare for bare, _ in pairs]),
        "client": spread([ours for _, ours in pairs]),
        "ratio": spread([ours / bare for bare, ours in pairs]),
    }


def calls_per_second(client: Client, seconds: float) -> float:
    """Return what 32 threads get answered, each one row at a time. Raises where an answer is wrong."""
    rows = np.random.default_rng(1).random((THREADS, 1, 784), np.float32)
    wanted = [client.predict("m", {"inputs": row}, timeout=30)["probabilities"] for row in rows]
    counts, wrong, until = [0] * THREADS, [], time.perf_counter() + seconds

    def call(number: int) -> None:
        while time.perf_counter() < until:
            answer = client.predict("m", {"inputs": rows[number]}, timeout=30)["probabilities"]
            if not np.allclose(answer, wanted[number], atol=1e-5):
                wrong.append(number)
            counts[number] += 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(f"answers to threads {sorted(set(wrong))} were wrong")
    return sum(counts) / (time.perf_counter() - began)


def sharing(target: str, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return calls per second of 32 threads without and with shared requests, and their ratio."""
    with Client(target) as each, Client(target, coalesce_rows=64) as shared:
        pairs = [(calls_per_second(each, seconds), calls_per_second(shared, seconds)) for _ in range(rounds)]
    return {
        "a request each": spread([each for each, _ in pairs]),
        "shared requests": spread([shared for _, shared in pairs]),
        "ratio": spread([shared / each for each, shared in pairs]),
    }


def table(title: str, unit: str, lines: dict[str, dict[str, float]], digits: int) -> list[str]:
    """Return a table of medians with their spread."""
    rows = []
    for name, line in lines.items():
        figures = {key: f"{value:.{2 if name == 'ratio' else digits}f}" for key, value in line.items()}
        rows.append(f"| {name} | {figures['median']} | {figures['least']} to {figures['most']} |")
    return ["", title, "", f"| | {unit} | spread |", "|---|---|---|", *rows]


def main() -> None:
    """Measure, print and write benchmarks/results/client_speed.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=2.0, help="of every turn of 32 threads")
    args = parser.parse_args()
    facts = describe(["grpcio", "protobuf", "numpy"])
    imported, codec = imports(args.rounds), codec_ms(args.rounds)
    with served_mlp() as server:
        call = overhead(server.target, args.rounds)
        shared = sharing(server.target, max(args.rounds // 3, 1), args.seconds)
    lines = ["# What the client costs", "", *(f"- {key}: {value}" for key, value in facts.items())]
    lines += ["", "Importing, in a fresh process; the least of the rounds:", "", "| import | s | processor s | MiB |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {name} | {line['seconds']:.3f} | {line['cpu_seconds']:.3f} | {line['mib']:.1f} |"
        for name, line in imported.items()
    ]
    lines += table("4.8 MB of float32:", "ms", codec, 3)
    lines += table("A call of one row of 784 floats to a small MLP, one at a time:", "ms", call, 3)
    lines += table(f"{THREADS} threads of one process, one row a call:", "calls/s", shared, 0)
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "client_speed.md").write_text(text, encoding="utf-8")
    found = {**facts, "import": imported, "codec_ms": codec, "call_ms": call, "calls_per_second": shared}
    (RESULTS / "client_speed.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
