"""How much a model's load disturbs the others: the latency of a small model while a model of 50 MB is loaded and unloaded.

    python benchmarks/load_latency.py [--rounds 5] [--seconds 6]

Five servers in processes of their own, in turns in every round: `idle` loads nothing; `auto` loads as `zoo serve` does, what
runs the models having been found out before, the large one in a process of its own; `saved_model` so too, by TensorFlow
alone, and `saved_model, idle` as that without a load; `one process` as `auto`, but all in the server itself. One client asks
the small model without pause; another has the large one loaded and unloaded, also without a pause. Then two servers that
load nothing are asked the large model in turns: what a process of its own costs a call.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from environment import RESULTS, describe
from zoo_serve import Served, served

from serving.client import Client
from serving.remote_control import RemoteControl

_TENSORFLOW = ("--engine=saved_model",)
SIDES: Mapping[str, Sequence[str]] = {
    "idle": (),
    "auto": (),
    "saved_model, idle": _TENSORFLOW,
    "saved_model": _TENSORFLOW,
    "one process": ("--isolate_models_over_mb=-1",),
}
"""With the flags of their servers."""
IDLE = {"saved_model, idle": "saved_model, idle", "saved_model": "saved_model, idle"}
"""What a side is held against: what runs the small model the same way and loads nothing; the others against `idle`."""
WIDTH = {"small": 32, "large": 790}
BATCHES = (1, 32)
CALLS = 300


def write_models(root: Path) -> None:
    """Export a small network, and one of 12.5 million weights in 20 layers, which no passport checks."""
    import tensorflow as tf

    for name, width, depth in (("small", WIDTH["small"], 2), ("large", WIDTH["large"], 20)):
        module = tf.Module()
        module.weights = [tf.Variable(tf.random.normal([width, width])) for _ in range(depth)]

        @tf.function(input_signature=[tf.TensorSpec([None, width], tf.float32, name="x")])
        def answer(x: tf.Tensor, module: tf.Module = module) -> dict[str, tf.Tensor]:
            for matrix in module.weights:
                x = tf.nn.relu(x @ matrix)
            return {"y": x}

        tf.saved_model.save(module, str(root / name / "1"), signatures=answer)


def serve(root: Path, side: str) -> contextlib.AbstractContextManager[Served]:
    """Run the server of a side, which looks for no new versions by itself."""
    return served(root, *SIDES[side], "--file_system_poll_wait_seconds=0")


def ask(client: Client, model: str, rows: int) -> float:
    """Return the milliseconds of a call."""
    x = np.zeros((rows, WIDTH[model]), np.float32)
    started = time.perf_counter()
    client.predict(model, {"x": x}, timeout=30)
    return 1000 * (time.perf_counter() - started)


@dataclass(frozen=True)
class Measured:
    """Milliseconds of calls to the small model."""

    while_loading: list[float]
    """Of those that ran at the same time as a load; where there was none, of all."""
    every: list[float]
    """Of all, those at the time of an unload too."""
    loads: int
    """How often the large one was loaded."""


def measure(side: str, root: Path, seconds: float) -> Measured:
    """Ask the small model while the large one is loaded and unloaded."""
    with serve(root, side) as server, Client(server.target) as client, Client(server.target) as second:
        for _ in range(200):
            ask(client, "small", 1)
        loads: list[tuple[float, float]] = []
        over = threading.Event()

        def load() -> None:
            control = RemoteControl(second)
            while not over.is_set():
                control.unload("large", timeout=60)
                begun = time.perf_counter()
                control.load("large", timeout=60)
                loads.append((begun, time.perf_counter()))

        thread = threading.Thread(target=load)
        if not side.endswith("idle"):
            thread.start()
        calls, end = [], time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            calls.append((begun, ask(client, "small", 1)))
        over.set()
        if not side.endswith("idle"):
            thread.join()
    every = [spent for _, spent in calls]
    return Measured(
        [spent for at, spent in calls if any(begun < at + spent / 1000 and at < ended for begun, ended in loads)]
        or every,
        every,
        len(loads),
    )


def measure_calls(root: Path, rounds: int) -> dict[int, list[dict[str, float]]]:
    """Return the median milliseconds of calls to the large model, by rows: of each round, of both servers."""
    sides = ("auto", "one process")
    found: dict[int, list[dict[str, float]]] = {rows: [] for rows in BATCHES}
    with contextlib.ExitStack() as stack:
        servers = {side: stack.enter_context(serve(root, side)) for side in sides}
        clients = {side: stack.enter_context(Client(server.target)) for side, server in servers.items()}
        for number in range(rounds + 1):
            for rows in BATCHES:
                spent: dict[str, list[float]] = {side: [] for side in sides}
                for call in range(CALLS):
                    for side in sides if call % 2 else reversed(sides):
                        spent[side].append(ask(clients[side], "large", rows))
                if number:  # the first one warms up
                    found[rows].append({side: statistics.median(each) for side, each in spent.items()})
    return found


def main() -> None:
    """Measure, print, and write benchmarks/results/load_latency.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        for number in range(options.rounds):
            for side in SIDES if number % 2 else reversed(SIDES):
                got = measure(side, Path(folder), options.seconds)
                median, high = np.percentile(got.while_loading, [50, 99])
                found[side].append(
                    {
                        "median": float(median),
                        "p99": float(high),
                        "max": max(got.while_loading),
                        "p99 of all": float(np.percentile(got.every, 99)),
                        "loads": got.loads,
                    }
                )
                print(f"round {number + 1}, {side}: p99 {high:.2f} ms, {got.loads} loads", flush=True)
        calls = measure_calls(Path(folder), options.rounds)
    text = f"{table(found, options.seconds)}\n\n{call_table(calls)}"
    facts = {**describe(("tensorflow", "grpcio", "numpy")), "load average before": f"{load_before:.2f}"}
    told = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    page = f"# What a load costs the other models\n\n{text}\n\n{told}\n\nMade by `python benchmarks/load_latency.py`.\n"
    print(page)
    (RESULTS / "load_latency.md").write_text(page, encoding="utf-8")
    (RESULTS / "load_latency.json").write_text(
        json.dumps({**facts, **found, "calls": calls}, indent=1) + "\n", encoding="utf-8"
    )


def table(found: dict[str, list[dict[str, float]]], seconds: float) -> str:
    """Return the figures as Markdown; ratios are taken round by round."""
    lines = [
        (
            "Milliseconds of a call to a network of 2,048 weights, one call in flight, while a model of 50 MB is loaded and "
            f"unloaded without a pause: {len(found['idle'])} rounds of {seconds:g} s, all sides in every round. "
            "The figures are of calls at the time of a load; the last column is of all, those at the time of an unload too. "
            "Median [lowest to highest]."
        ),
        "",
        "| the server | median | 99th percentile | longest | loads | 99th percentile / the same idle | with unloads |",
        "|---|---|---|---|---|---|---|",
    ]
    for side in SIDES:
        rounds = found[side]
        cells = [spread([each[key] for each in rounds]) for key in ("median", "p99", "max")]
        loads = statistics.median(each["loads"] for each in rounds)
        ratio, with_unloads = (
            spread([each[key] / idle["p99"] for each, idle in zip(rounds, found[IDLE.get(side, "idle")], strict=True)])
            for key in ("p99", "p99 of all")
        )
        lines.append(f"| {side} | {' | '.join(cells)} | {loads:g} | **{ratio}** | {with_unloads} |")
    return "\n".join(lines)


def call_table(calls: dict[int, list[dict[str, float]]]) -> str:
    """Return what a process of its own costs a call, as Markdown; ratios are taken round by round."""
    lines = [
        (
            "Milliseconds of a call to the model of 50 MB itself, one call in flight, nothing loaded: the median of "
            f"{CALLS} calls a round, both servers in turns. Median of the rounds [lowest to highest]."
        ),
        "",
        "| rows | in a process of its own | in the server | ratio |",
        "|---|---|---|---|",
    ]
    for rows, rounds in calls.items():
        own, one = ([each[side] for each in rounds] for side in ("auto", "one process"))
        ratio = spread([a / b for a, b in zip(own, one, strict=True)])
        lines.append(f"| {rows} | {spread(own)} | {spread(one)} | **{ratio}** |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return median [lowest to highest]."""
    return f"{statistics.median(values):.2f} [{min(values):.2f} to {max(values):.2f}]"


if __name__ == "__main__":
    main()
