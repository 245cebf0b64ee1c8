"""The scheduler against computing every request alone and against always gathering batches; one round each in turn.

    python benchmarks/scheduling.py [--rounds 5] [--seconds 2]

Three servers, the same but for how they schedule: `direct` (a plain pool of threads, every request alone), `always`
(TensorFlow Serving's parameters with a timeout, as its guide recommends) and `ours` (the default); with TensorFlow
(`saved_model`), and with what `zoo serve` chooses (`auto`). Closed loop: so many calls in flight at once (`load.py`). The
bar: never below 0.95 times the better of the other two.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from environment import RESULTS, describe
from load import Load, describe_generator, put_load

import serving
import serving.server
from serving.batching_parameters import BatchingParameters
from serving.codec import encode
from serving.job import Job, Ticket
from serving.job_queue import Short
from serving.protos import prediction_pb2 as pb
from serving.status import StatusError
from serving.trial_rows import read_tensor
from serving.wire import CONTENT_KEY, PREDICT
from zoo.artifact import read_passport

SHIPPED = Path(__file__).parents[1] / "saved_models"
MODELS = ("digits_mlp", "mnist_cnn", "co2_transformer")
ENGINES = ("saved_model", "auto")
CONCURRENCY = (1, 8, 32, 64)
MODES = ("direct", "always", "ours")
WARM_UP = 0.2  # seconds


@dataclass(frozen=True)
class Round:
    """What one server did in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the server's processor time, per request, the warm-up counted."""


def _answer(ticket: Ticket) -> None:
    if ticket.set_running_or_notify_cancel():
        ticket.set_result(ticket.job.run(ticket.job.inputs))


class Pool(serving.server.Scheduler):
    """The least that can be done: a thread pool of the standard library, and no order but that of arrival."""

    def __init__(self, *, threads: int, **others: Any) -> None:
        super().__init__(threads=threads, **others)
        self._pool = ThreadPoolExecutor(threads)

    def compute_at_once(self, job: Job, *, seconds: float | None) -> None:
        """See Scheduler: a pool never does."""

    def most_joined(self, job: Job, jobs: int, *, seconds: float) -> int:  # noqa: ARG002 - the shape of Scheduler's
        """See Scheduler: a pool joins nothing."""
        return 0

    def submit_all(
        self,
        tickets: Sequence[Ticket],
        short: Short | None = None,  # noqa: ARG002 - the shape of Scheduler's
    ) -> list[tuple[Ticket, StatusError]]:
        """See Scheduler: a pool computes nothing here."""
        for ticket in tickets:
            self._pool.submit(_answer, ticket)
        return []

    def close(self) -> None:
        """See Scheduler."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()


def serve(mode: str, engine: str) -> None:
    """Serve the shipped models in one mode; print the port, and end with the standard input."""
    fields: dict[str, Any] = {"engine": engine}
    if mode == "direct":
        serving.server.Scheduler = Pool
    if mode == "always":
        parameters = BatchingParameters(max_batch_size=32, batch_timeout_micros=1000)
        fields |= {"enable_batching": True, "batching_parameters": parameters}
    with serving.Server(SHIPPED, port=0, poll_seconds=0, **fields) as server:
        print(server.port, flush=True)
        sys.stdin.read()


class Peer:
    """A server in a process of its own."""

    def __init__(self, mode: str, engine: str) -> None:
        command = [sys.executable, __file__, "--serve", mode, "--engines", engine]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.target = f"127.0.0.1:{int(self.process.stdout.readline())}"
        self._usage = psutil.Process(self.process.pid)

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        times = self._usage.cpu_times()
        return times.user + times.system

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=30)


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row per engine, model and concurrency."""
    return [row for engine in arguments.engines.split(",") for row in measure_engine(engine, arguments)]


def measure_engine(engine: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row per model and concurrency."""
    peers = {mode: Peer(mode, engine) for mode in MODES}
    rows: list[dict[str, Any]] = []
    try:
        for model in arguments.models.split(","):
            request = golden_request(model)
            for concurrency in map(int, arguments.concurrency.split(",")):
                results: dict[str, list[Round]] = {mode: [] for mode in MODES}
                for turn in range(arguments.rounds):
                    for mode in MODES[turn % 3 :] + MODES[: turn % 3]:
                        results[mode].append(one_round(peers[mode], request, concurrency, arguments))
                rows.append(
                    {
                        "engine": engine,
                        "model": model,
                        "concurrency": concurrency,
                        **{k: list(map(asdict, v)) for k, v in results.items()},
                    }
                )
                print(line(rows[-1]), flush=True)
    finally:
        for peer in peers.values():
            peer.close()
    return rows


def one_round(peer: Peer, request: bytes, concurrency: int, arguments: argparse.Namespace) -> Round:
    """Load one server for one round."""
    before = peer.cpu_seconds()
    asking = Load("closed", concurrency, arguments.seconds, WARM_UP, metadata={CONTENT_KEY: "1"})
    found, _ = put_load(peer.target, PREDICT, [request], asking)
    if found.failed:
        raise RuntimeError(f"{found.failed} of {found.calls} calls failed: {found.failure}")
    cpu_us = 1e6 * (peer.cpu_seconds() - before) / found.calls
    return Round(found.per_second, found.p50_us / 1000, found.p99_us / 1000, cpu_us)


def golden_request(model: str) -> bytes:
    """Return a request with the first row of the model's golden inputs."""
    golden = read_passport(SHIPPED / model / "1").golden["serving_default"]
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=model))
    for name, tensor in golden.inputs.items():
        request.inputs[name].CopyFrom(encode(read_tensor(tensor)[:1]))
    return request.SerializeToString()


HEADER = (
    "| engine | model | calls in flight | direct, requests/s | always | ours | ours / the better (min-max) "
    "| p50 ms, direct / always / ours | p99 ms | CPU us per request |\n|---|---|---|---|---|---|---|---|---|---|"
)


def line(row: dict[str, Any]) -> str:
    """Return a row of the table: medians, and the ratio of ours to the better of its neighbours in each round."""

    def medians(what: str, form: str) -> list[str]:
        return [format(statistics.median(one[what] for one in row[mode]), form) for mode in MODES]

    per_second = {mode: [one["per_second"] for one in row[mode]] for mode in MODES}
    better = max(("direct", "always"), key=lambda mode: statistics.median(per_second[mode]))
    ratios = [ours / other for ours, other in zip(per_second["ours"], per_second[better], strict=True)]
    return (
        f"| {row['engine']} | {row['model']} | {row['concurrency']} | {' | '.join(medians('per_second', ',.0f'))} "
        f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) "
        f"| {' / '.join(medians('p50_ms', '.2f'))} | {' / '.join(medians('p99_ms', '.1f'))} "
        f"| {' / '.join(medians('cpu_us', '.0f'))} |"
    )


def main() -> None:
    """Measure, print and write benchmarks/results/scheduling.{md,json}."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round of one server")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--concurrency", default=",".join(map(str, CONCURRENCY)))
    parser.add_argument("--note", default="", help="what to say of the machine")
    parser.add_argument("--serve", choices=MODES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.engines)
        return
    facts = describe(("grpcio", "tensorflow", "numpy"))
    print(HEADER)
    rows = measure(arguments)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scheduling.json").write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(
        [
            "# Scheduling: ours, every request alone, and always in batches",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            f"- {arguments.rounds} rounds of {arguments.seconds:g} s each, in turn; medians",
            "- batch 1 over loopback; calls from a process on the same cores",
            f"- the load: {describe_generator()}",
            "- always: max_batch_size 32, batch_timeout_micros 1000",
            *([f"- {arguments.note}"] if arguments.note else []),
            "",
            HEADER,
            *map(line, rows),
            "",
            "`python benchmarks/scheduling.py` measures anew.",
        ]
    )
    (RESULTS / "scheduling.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
