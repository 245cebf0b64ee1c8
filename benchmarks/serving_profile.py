"""Where the microseconds of a served call go: from the engine alone to a call over loopback.

    python -m benchmarks.serving_profile [--rounds 7]

Each line holds what the one above it does, and more: the engine; its answer, checked; the handler with all that stands
around it, in the server's own event loop, one call after the other (and a call's share of several that come together);
and a call over loopback to `zoo serve`, its processor time, as many in flight as is said. Beside that, what our transport
takes for a handler that only looks answers up. The least of all rounds counts for what runs in this process, the median
for what is asked over loopback.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import RESULTS, describe
from benchmarks.load import Load, describe_generator, put_load
from benchmarks.serving_speed.measurement import answer_file
from benchmarks.serving_speed.models import BY_NAME as MODELS
from benchmarks.serving_speed.models import REPOSITORY, Rows, models_folder, read_rows
from benchmarks.serving_speed.requests import Requests, write_requests
from benchmarks.serving_speed.servers import BY_NAME as SERVERS
from benchmarks.serving_speed.servers import LIMIT, OURS
from benchmarks.serving_speed.workload import Workload
from serving.asking import answer
from serving.call_record import CallRecord
from serving.engines.options import EngineOptions
from serving.server import Server
from serving.signature import DEFAULT_SIGNATURE, to_signatures
from serving.transports.transport import Stream, Transport, Unary
from serving.wire import PREDICT

NAMES = ("m1", "m2", "lstm", "m3")
CALLS = 2000
SECONDS = 1.0
IN_FLIGHT = (1, 64)
TOGETHER = 32


class OpenServer(Server):
    """A server that shows the methods that its transport has, and its event loop."""

    def _grpc_transport(self, methods: Sequence[Unary | Stream], *arguments: Any, **named: Any) -> Transport:
        self.methods = {method.path: method for method in methods}
        return super()._grpc_transport(list(methods), *arguments, **named)

    def run(self, work: Coroutine[Any, Any, float]) -> float:
        """Do work in the event loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class StillCall:
    """A call that comes from nowhere."""

    metadata: Mapping[str, str | bytes] = {"content-type": "application/grpc"}
    peer = "ipv4:127.0.0.1:1"
    identities: Sequence[str] = ()

    def __init__(self) -> None:
        self.record = CallRecord(PREDICT)
        self.trailing: dict[str, str | bytes] = {}

    def time_remaining(self) -> float | None:
        """See Call."""
        return 10.0


def time_engine(version: Path, rows: Rows, rounds: int) -> tuple[float, float]:
    """Return the microseconds of an engine's answer to one row, and of that with its checks."""
    load = EngineOptions(engine="auto").loader()
    engine, signature = load(version), to_signatures(load.read_signature_defs(version))[DEFAULT_SIGNATURE]
    (batch,) = rows.batches(1, 1)
    inputs = dict(batch.inputs)
    bare = least(lambda: engine.run(DEFAULT_SIGNATURE, inputs), rounds)
    checked = least(lambda: answer(engine, signature, inputs), rounds)
    engine.close()
    return bare, checked


def least(call: Callable[[], object], rounds: int) -> float:
    """Return the microseconds of a call, in the quickest round."""
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(CALLS):
            call()
        found.append(time.perf_counter() - started)
    return 1e6 * min(found) / CALLS


def time_handlers(folder: Path, requests: Mapping[str, Requests], rounds: int, together: int) -> dict[str, float]:
    """Return the microseconds of Predict a call, asked as a transport asks for so many that come in one read, by model."""

    async def ask(method: Unary, bodies: Sequence[bytes]) -> float:
        assert method.at_once is not None
        started = time.perf_counter()
        for first in range(0, CALLS, together):
            numbers = range(first, min(first + together, CALLS))
            asked = [(bodies[number % len(bodies)], StillCall()) for number in numbers]
            answers = method.at_once(asked)
            left = [each for each, ended in zip(asked, answers, strict=True) if ended is None]
            await asyncio.gather(*[method.handler(*each) for each in left])
        return 1e6 * (time.perf_counter() - started) / CALLS

    with OpenServer(folder / REPOSITORY, port=0, engine="auto", poll_seconds=0) as server:
        method = server.methods[PREDICT]
        assert isinstance(method, Unary)
        return {
            model: min(
                server.run(ask(method, each.bodies))
                for _ in range(rounds + 1)  # in the first one it learns
            )
            for model, each in requests.items()
        }


def time_calls(
    name: str, folder: Path, asked: Mapping[Workload, Requests], rounds: int
) -> dict[tuple[str, int], dict[str, float]]:
    """Return microseconds of a server's processor time, and calls a second, by model and calls in flight."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    with answer_file(asked) as answers, SERVERS[name].start(folder, answers) as running:
        for workload, requests in asked.items():
            running.wait_for_answer(requests.method, requests.bodies[0], lambda _: "")
            cpu, speed = [], []
            for _ in range(rounds + 1):
                before = running.cpu_seconds()
                load = Load("closed", workload.pace, SECONDS)
                measured, got = put_load(running.target, requests.method, requests.bodies, load)
                assert requests.wrong(got)[0] == 0
                cpu.append(1e6 * (running.cpu_seconds() - before) / measured.calls)
                speed.append(measured.per_second)
            found[workload.model, workload.pace] = {
                "cpu_us": statistics.median(cpu[1:]),
                "per_second": statistics.median(speed[1:]),
            }
    return found


def main() -> None:
    """Measure, print, and write benchmarks/results/serving_profile.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    load_before = os.getloadavg()[0]
    folder = models_folder()
    rows = read_rows(folder)
    asked = {
        workload: write_requests(workload, rows[workload.model])
        for name in NAMES
        for workload in (Workload(name, 1, "predict", "closed", pace) for pace in IN_FLIGHT)
    }
    engines = {name: time_engine(folder / REPOSITORY / name / "1", rows[name], rounds) for name in NAMES}
    first = {name: asked[Workload(name, 1, "predict", "closed", IN_FLIGHT[0])] for name in NAMES}
    handlers, shares = (time_handlers(folder, first, rounds, together) for together in (1, TOGETHER))
    ours, limit = (time_calls(name, folder, asked, rounds) for name in (OURS, LIMIT))
    lines = ["| | " + " | ".join(MODELS[name].title for name in NAMES) + " |", "|---|" + "---|" * len(NAMES)]
    table = {
        "the engine, one row": [engines[name][0] for name in NAMES],
        "and what it answered, checked": [engines[name][1] for name in NAMES],
        "the handler, all that stands around it included": [handlers[name] for name in NAMES],
        f"the same, a call's share of {TOGETHER} that come in one read": [shares[name] for name in NAMES],
    }
    for pace in IN_FLIGHT:
        table[f"a call over loopback, {pace} in flight: processor time"] = [
            ours[name, pace]["cpu_us"] for name in NAMES
        ]
        table[f"the same of a handler that looks the answer up, {pace} in flight"] = [
            limit[name, pace]["cpu_us"] for name in NAMES
        ]
    lines += [f"| {what} | {' | '.join(f'{value:,.1f}' for value in values)} |" for what, values in table.items()]
    facts = {
        **describe(("ai-edge-litert", "numpy")),
        "load": describe_generator(),
        "load average before": f"{load_before:.2f}",
    }
    told = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    page = (
        "# Where the time of a served call goes\n\n"
        f"{told}\n- {rounds} rounds\n\nMicroseconds of a call of one row:\n\n" + "\n".join(lines) + "\n\n"
        "In the first four lines one call, or one read, follows the other, so that all of it lies in the processor's "
        "caches; over loopback the kernel and the client come between.\n\nMade by `python -m benchmarks.serving_profile`.\n"
    )
    print(page)
    (RESULTS / "serving_profile.md").write_text(page, encoding="utf-8")
    speeds = {f"{name}/{pace}": each for (name, pace), each in ours.items()}
    (RESULTS / "serving_profile.json").write_text(
        json.dumps({**facts, "microseconds": table, "models": NAMES, "ours": speeds}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
