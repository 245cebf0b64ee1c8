"""Our server against a hand-rolled grpcio one: the same models, the same bytes, one round each in turn.

    python benchmarks/serving_speed.py [--rounds 5] [--seconds 2]

Closed loop: so many calls in flight at once, each followed by the next. The load generator is Python too and shares the
cores with the server, so absolute figures say little; the ratios are what this measures. Every answer is checked.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
from environment import RESULTS, describe

import zoo
from serving.codec import decode, encode
from serving.protos import prediction_pb2 as pb
from serving.wire import CONTENT_KEY, PREDICT

MODELS = {
    "M1 (MLP 784-16-16-10)": ("mlp", (784,), {"units": [16, 16]}),
    "M2 (CNN 28x28, 16-32)": ("cnn", (28, 28, 1), {"filters": [16, 32]}),
}
CONCURRENCY = (1, 8, 32)


@dataclass(frozen=True)
class Round:
    """What one server did in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the server's processor time, per request."""


class Peer:
    """A server in a process of its own."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.target = "127.0.0.1:" + self.process.stdout.readline().split(" on port ")[1].split(";")[0]
        self._usage = psutil.Process(self.process.pid)

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        times = self._usage.cpu_times()
        return times.user + times.system

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(30)


async def load(peer: Peer, request: bytes, expected: np.ndarray, concurrency: int, seconds: float) -> Round:
    """Keep `concurrency` calls in flight for some seconds; every answer must be the expected one."""
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(peer.target) as channel:
        call = channel.unary_unary(PREDICT)

        async def caller(until: float) -> None:
            while time.perf_counter() < until:
                began = time.perf_counter()
                reply = await call(request, metadata=((CONTENT_KEY, "1"),), timeout=30)
                latencies.append(time.perf_counter() - began)
                outputs = pb.PredictResponse.FromString(reply).outputs
                np.testing.assert_allclose(decode(outputs["probabilities"]), expected, atol=1e-6)

        await asyncio.gather(*(caller(time.perf_counter() + 0.3) for _ in range(concurrency)))  # warm up
        latencies.clear()
        cpu, began = peer.cpu_seconds(), time.perf_counter()
        await asyncio.gather(*(caller(began + seconds) for _ in range(concurrency)))
        elapsed = time.perf_counter() - began
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    count = len(latencies)
    return Round(count / elapsed, float(p50), float(p99), 1e6 * (peer.cpu_seconds() - cpu) / count)


def measure(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return a row per model and concurrency."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for architecture, shape, fields in MODELS.values():
            model = zoo.build(architecture, input_shape=shape, head={"kind": "softmax", "units": 10}, **fields)
            zoo.export(model, Path(folder) / architecture)
        servers = {
            "ours": Peer("-m", "zoo", "serve", folder, "--host", "127.0.0.1", "--port", "0", "--log_level", "error"),
            "naive": Peer(str(Path(__file__).parent / "naive_server.py"), folder),
        }
        try:
            for title, (architecture, shape, _) in MODELS.items():
                x = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
                expected = tf_answer(Path(folder) / architecture / "1", x)
                request = pb.PredictRequest(model_spec=pb.ModelSpec(name=architecture))
                request.inputs["inputs"].CopyFrom(encode(x))
                for concurrency in CONCURRENCY:
                    results: dict[str, list[Round]] = {name: [] for name in servers}
                    for turn in range(rounds):
                        for name in sorted(servers, reverse=bool(turn % 2)):
                            results[name].append(
                                asyncio.run(
                                    load(servers[name], request.SerializeToString(), expected, concurrency, seconds)
                                )
                            )
                    rows.append(
                        {
                            "model": title,
                            "concurrency": concurrency,
                            **{k: list(map(asdict, v)) for k, v in results.items()},
                        }
                    )
                    print(line(rows[-1]), flush=True)
        finally:
            for server in servers.values():
                server.close()
    return rows


def tf_answer(version: Path, x: np.ndarray) -> np.ndarray:
    """Return what the SavedModel itself answers."""
    import tensorflow as tf

    return tf.saved_model.load(str(version)).signatures["serving_default"](tf.constant(x))["probabilities"].numpy()


HEADER = (
    "| model | calls in flight | naive, requests/s | ours, requests/s | ratio (min-max) "
    "| p99 ms, naive / ours | CPU us per request, naive / ours |\n"
    "|---|---|---|---|---|---|---|"
)


def line(row: dict[str, Any]) -> str:
    """Return a row of the table: medians, and the ratio of each pair of neighbouring rounds."""

    def median(name: str, what: str) -> float:
        return statistics.median(one[what] for one in row[name])

    ratios = [a["per_second"] / b["per_second"] for a, b in zip(row["ours"], row["naive"], strict=True)]
    return (
        f"| {row['model']} | {row['concurrency']} "
        f"| {median('naive', 'per_second'):,.0f} | {median('ours', 'per_second'):,.0f} "
        f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) "
        f"| {median('naive', 'p99_ms'):.1f} / {median('ours', 'p99_ms'):.1f} "
        f"| {median('naive', 'cpu_us'):.0f} / {median('ours', 'cpu_us'):.0f} |"
    )


def main() -> None:
    """Measure, print and write benchmarks/results/serving_speed.{md,json}."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round of one server")
    arguments = parser.parse_args()
    facts = describe(("grpcio", "protobuf", "tensorflow", "keras"))
    print(HEADER)
    rows = measure(arguments.rounds, arguments.seconds)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "serving_speed.json").write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(
        [
            "# Serving speed: ours and a hand-rolled grpcio server",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            f"- {arguments.rounds} rounds of {arguments.seconds:g} s each, in turn; medians",
            "- batch 1 over loopback; one Python load generator on the same cores",
            "- ours checks every request against the signature, keeps deadlines and drains; the naive one does not",
            "",
            HEADER,
            *map(line, rows),
            "",
            "`make bench` measures anew.",
        ]
    )
    (RESULTS / "serving_speed.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
