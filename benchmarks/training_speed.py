"""How fast our loop trains, against `Model.fit` as it is by default: same model, data, batch and optimizer, interleaved.

Run it from the root of the repository: `python benchmarks/training_speed.py`. It writes benchmarks/results/training_speed.md
and .json.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.tensorflow_noise import silence_tensorflow

silence_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from environment import RESULTS, describe  # noqa: E402

import zoo  # noqa: E402
from training.batches import distribute_batches  # noqa: E402
from training.config import DataConfig, OptimizerConfig, TrainConfig  # noqa: E402
from training.data import Split, load_data  # noqa: E402
from training.loop import Loop  # noqa: E402
from training.objectives import Totals, make_objectives  # noqa: E402
from training.optimizers import make_optimizer  # noqa: E402
from training.strategy import BatchPlan  # noqa: E402

ROUNDS = 7
EPOCHS = 4
BATCH_SIZE = 128
STEPS_PER_CALL = 32
COPIES = 16
DIGITS = {
    "input_shape": [8, 8, 1],
    "preprocessing": [{"kind": "rescaling", "scale": 1 / 255}],
    "head": {"kind": "softmax", "units": 10},
}
ROWS_AS_STEPS = {"input_shape": [8, 8], "head": {"kind": "softmax", "units": 10}}
MODELS: dict[str, dict[str, Any]] = {
    "mlp (64, 64)": {"architecture": "mlp", "units": [64, 64], **DIGITS},
    "cnn (32, 64) + dense 64": {"architecture": "cnn", "filters": [32, 64], "units": [64], **DIGITS},
    "the same with batch norm": {
        "architecture": "cnn", "filters": [32, 64], "units": [64], "regularization": {"normalization": "batch"}, **DIGITS
    },
    "gru (32), 8 steps": {"architecture": "gru", "units": [32], **ROWS_AS_STEPS},
    "lstm (32), 8 steps": {"architecture": "lstm", "units": [32], **ROWS_AS_STEPS},
    "transformer, 2 layers of 32, 8 steps": {
        "architecture": "transformer", "num_layers": 2, "num_heads": 2, "hidden_dim": 32, **ROWS_AS_STEPS
    },
}  # fmt: skip


def make_ours(config: zoo.ModelConfig, rows: Split) -> Callable[[], None]:
    """Return a function that trains EPOCHS epochs with our loop."""
    strategy = tf.distribute.get_strategy()
    plan = BatchPlan(len(rows), BATCH_SIZE)
    recipe = TrainConfig(name="bench", data=DataConfig(name="digits"), model=config)
    optimizer = make_optimizer(OptimizerConfig(), steps=plan.steps * EPOCHS, steps_per_epoch=plan.steps)
    loop = Loop(strategy, zoo.build(config), make_objectives(recipe), optimizer)
    batches = distribute_batches(strategy, rows, plan, seed=0)

    def train() -> None:
        for _ in range(EPOCHS):
            totals = Totals(loop.ledger)
            for done in range(0, plan.steps, STEPS_PER_CALL):
                sums, _ = loop.train(batches, min(STEPS_PER_CALL, plan.steps - done))
                totals.add(sums)
            totals.values()

    return train


def make_peer(config: zoo.ModelConfig, rows: Split) -> Callable[[], None]:
    """Return a function that trains EPOCHS epochs with `fit`, every option but the batch size left alone."""
    model = zoo.build(config)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    labels = rows.named_labels()[""]
    return lambda: model.fit(rows.inputs, labels, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0)


MAKERS = {"ours": make_ours, "fit": make_peer}


def load_rows(fields: dict[str, Any]) -> Split:
    """Return the digits as often as COPIES says, in the model's shape."""
    digits = load_data(DataConfig(name="sklearn_digits")).split("train")
    images = np.tile(digits.named_inputs()["inputs"], (COPIES, 1, 1, 1))
    if fields["input_shape"] == [8, 8]:
        images = images[..., 0].astype(np.float32) / 255
    return Split(images, np.tile(digits.named_labels()[""], COPIES))


def measure(fields: dict[str, Any]) -> dict[str, Any]:
    """Return examples per second of both, by round; each round runs both, in alternating order."""
    config, rows = zoo.ModelConfig.parse(fields), load_rows(fields)
    sides = {name: make(config, rows) for name, make in MAKERS.items()}
    for train in sides.values():
        train()  # traces the functions
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(ROUNDS):
        for name in sorted(sides, reverse=bool(turn % 2)):
            gc.collect()
            started = time.perf_counter()
            sides[name]()
            speeds[name].append(EPOCHS * len(rows) / (time.perf_counter() - started))
    ratios = [ours / fit for ours, fit in zip(speeds["ours"], speeds["fit"], strict=True)]
    return {"examples_per_second": speeds, "ratio": ratios}


def peak_memory(side: str, model: str) -> float:
    """Return the peak resident memory in MB of a process that trains one model on one side."""
    done = subprocess.run([sys.executable, __file__, side, model], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def print_memory(side: str, model: str) -> None:
    """Train, then print this process's peak resident memory in MB."""
    fields = MODELS[model]
    train = MAKERS[side](zoo.ModelConfig.parse(fields), load_rows(fields))
    train()
    train()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)  # getrusage's would be that of the process that started this one


def report(machine: dict[str, str], rows: int, results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    how = (
        f"Same model, data ({rows:,} rows of 8x8 digits), batch ({BATCH_SIZE}) and optimizer (Adam); `fit` as by default, "
        f"ours with {STEPS_PER_CALL} steps per call. {ROUNDS} rounds of {EPOCHS} epochs each, both sides in every round, in "
        "alternating order, after one untimed round. Median [lowest to highest]; the ratio is taken round by round. Neither "
        "side evaluates; `fit` is called once per round, and its set-up is part of its time. Memory: peak of a process that "
        "trains two rounds on one side alone."
    )
    lines = ["# Training speed: our loop against `Model.fit`", "", how, ""]
    lines += [
        "| model | ours, examples/s | `fit`, examples/s | ratio | peak memory, ours / `fit`, MB |",
        "|---|---|---|---|---|",
    ]
    for name, result in results.items():
        ours, fit = (_spread(result["examples_per_second"][side], ",.0f") for side in ("ours", "fit"))
        peaks = result["peak_memory_mb"]
        memory = f"{peaks['ours']:.0f} / {peaks['fit']:.0f} = {peaks['ours'] / peaks['fit']:.2f}"
        lines.append(f"| {name} | {ours} | {fit} | **{_spread(result['ratio'], '.2f')}** | {memory} |")
    facts = [f"- {key}: {value}" for key, value in machine.items()]
    return "\n".join([*lines, "", *facts, "", "Made by `python benchmarks/training_speed.py`.", ""])


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} [{min(values):{form}} to {max(values):{form}}]"


def main() -> int:
    """Measure, print and write."""
    machine = describe(("keras", "tensorflow", "numpy")) | {"load average before": f"{os.getloadavg()[0]:.2f}"}
    keras.utils.set_random_seed(0)
    results = {name: measure(fields) for name, fields in MODELS.items()}
    for name, result in results.items():
        result["peak_memory_mb"] = {side: peak_memory(side, name) for side in MAKERS}
    rows = len(load_rows(next(iter(MODELS.values()))))
    text = report(machine, rows, results)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "training_speed.md").write_text(text, encoding="utf-8")
    record = {"machine": machine, "rows": rows, "batch_size": BATCH_SIZE, "results": results}
    (RESULTS / "training_speed.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(print_memory(*sys.argv[1:]) if len(sys.argv) == 3 else main())
