"""What training in step costs on one machine: the same steps on one device, on mirrored logical CPUs, and in two processes.

Run it from the root of the repository: `python benchmarks/strategy_overhead.py`. It writes
benchmarks/results/strategy_overhead.md and .json.

All share the machine's cores, so that nothing can be won here: what is seen is what a step costs more, which is what several
machines pay for a step too, and the network besides.
"""

import json
import os
import statistics
import subprocess
import sys
import time

from zoo.tensorflow_noise import silence_tensorflow

silence_tensorflow()

from environment import RESULTS, describe  # noqa: E402
from training_speed import DIGITS, load_rows  # noqa: E402

import zoo  # noqa: E402
from training.cluster.addresses import TF_CONFIG, Cluster, free_addresses  # noqa: E402

ROUNDS = 5
BATCH_SIZE = 256
STEPS = 300
STEPS_PER_CALL = 50
MODELS = {
    "mlp (64, 64)": {"architecture": "mlp", "units": [64, 64], **DIGITS},
    "mlp (1024, 1024)": {"architecture": "mlp", "units": [1024, 1024], **DIGITS},
    "cnn (32, 64) + dense 64": {"architecture": "cnn", "filters": [32, 64], "units": [64], **DIGITS},
}
PROCESSES = {"one_device": 1, "mirrored": 1, "multi_worker": 2}
"""By strategy; `mirrored` has two replicas in its one."""


def time_steps(kind: str, model: str) -> float:
    """Return the milliseconds of a step, in this process, after a call that traces."""
    from training.batches import distribute_batches
    from training.config import DataConfig, OptimizerConfig, StrategyConfig, TrainConfig
    from training.loop import Loop
    from training.objectives import make_objectives
    from training.optimizers import make_optimizer
    from training.strategy import BatchPlan, make_strategy

    strategy = make_strategy(StrategyConfig(kind=kind), Cluster.from_environment())
    config = zoo.ModelConfig.parse(MODELS[model])
    rows = load_rows(MODELS[model])
    plan = BatchPlan(len(rows), BATCH_SIZE, strategy.num_replicas_in_sync)
    with strategy.scope():
        built = zoo.build(config)
        optimizer = make_optimizer(OptimizerConfig(), steps=STEPS, steps_per_epoch=plan.steps)
    recipe = TrainConfig(name="bench", data=DataConfig(name="digits"), model=config)
    loop = Loop(strategy, built, make_objectives(recipe), optimizer)
    batches = distribute_batches(strategy, rows, plan, seed=0)
    loop.train(batches, STEPS_PER_CALL)
    started = time.perf_counter()
    for _ in range(STEPS // STEPS_PER_CALL):
        loop.train(batches, STEPS_PER_CALL)
    return 1000 * (time.perf_counter() - started) / STEPS


def start(kind: str, model: str) -> float:
    """Return what the processes of a strategy measured: the chief's milliseconds of a step."""
    count = PROCESSES[kind]
    addresses = free_addresses(count)
    clusters = [Cluster(addresses, task) for task in range(count)] if count > 1 else [None]
    running = [
        subprocess.Popen(
            [sys.executable, __file__, kind, model],
            env={**os.environ, **({TF_CONFIG: cluster.to_tf_config()} if cluster else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for cluster in clusters
    ]
    said = [process.communicate()[0] for process in running]
    return float(said[0].split()[-1])


def report(machine: dict[str, str], results: dict[str, dict[str, list[float]]]) -> str:
    """Return the results as Markdown."""
    how = (
        f"Milliseconds of a step of {BATCH_SIZE} rows (8x8 digits, Adam, {STEPS_PER_CALL} steps a call): on one device, on "
        "two logical CPUs of one process (`mirrored`), in two processes over gRPC on loopback (`multi_worker`). Each is a "
        f"fresh process, or two, per round; {ROUNDS} rounds, interleaved. Median [lowest to highest]. All share the "
        "cores of one machine, so that no strategy can be faster than one device by more than what that leaves idle: this "
        "is the price of a step, not the gain of several machines."
    )
    lines = [
        "# What training in step costs",
        "",
        how,
        "",
        "| model | " + " | ".join(PROCESSES) + " | mirrored / one_device | multi_worker / one_device |",
        "|---|---|---|---|---|---|",
    ]
    for model, times in results.items():
        cells = [_spread(times[kind]) for kind in PROCESSES]
        for kind in ("mirrored", "multi_worker"):
            ratios = [a / b for a, b in zip(times[kind], times["one_device"], strict=True)]
            cells.append(f"**{_spread(ratios)}**")
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    facts = [f"- {key}: {value}" for key, value in machine.items()]
    return "\n".join([*lines, "", *facts, "", "Made by `python benchmarks/strategy_overhead.py`.", ""])


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f} to {max(values):.2f}]"


def main() -> int:
    """Measure, print and write."""
    machine = describe(("keras", "tensorflow", "numpy")) | {"load average before": f"{os.getloadavg()[0]:.2f}"}
    results: dict[str, dict[str, list[float]]] = {model: {kind: [] for kind in PROCESSES} for model in MODELS}
    for turn in range(ROUNDS):
        for model, times in results.items():
            for kind in sorted(PROCESSES, reverse=bool(turn % 2)):
                times[kind].append(start(kind, model))
                print(f"round {turn + 1} of {ROUNDS}, {model}, {kind}: {times[kind][-1]:.2f} ms", flush=True)
    text = report(machine, results)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "strategy_overhead.md").write_text(text, encoding="utf-8")
    record = {"machine": machine, "batch_size": BATCH_SIZE, "milliseconds": results}
    (RESULTS / "strategy_overhead.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(time_steps(*sys.argv[1:]))
    else:
        sys.exit(main())
