"""The proof: a few steps on a strategy and on one device, each in a process of its own, compared."""

import json
import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.config import StrategyConfig, TrainConfig
from training.proof.comparison import Comparison, compare
from training.proof.processes import Task, run_all
from training.proof.trial import Trial
from training.proof.worker import CONFIG, DATA, ROUNDED
from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from training.data import Dataset

PROVABLE = ("mirrored", "multi_worker", "default", "one_device")
DEFAULT_STEPS = 20
_FOUND, _EXPECTED = "found", "expected"


@dataclass(frozen=True)
class Proof:
    """What a strategy was found to train, against one device."""

    config: TrainConfig
    strategy: StrategyConfig
    processes: int
    steps: int
    notes: tuple[str, ...]
    """What was changed of the recipe for the proof."""
    comparison: Comparison

    @property
    def ok(self) -> bool:
        """Whether both trained the same."""
        return self.comparison.ok


def prove(
    config: TrainConfig,
    strategy: StrategyConfig,
    *,
    steps: int = DEFAULT_STEPS,
    processes: int = 2,
    data: "Dataset | None" = None,
) -> Proof:
    """Train a few steps on a strategy and on one device, and compare losses, metrics and weights.

    Runs on CPUs: `mirrored` on logical ones, `multi_worker` in processes of this machine.

    Args:
        config: the experiment; its own strategy does not matter.
        strategy: what to prove.
        steps: how many to take, about.
        processes: of `multi_worker`.
        data: rows, in place of the data set that the config names.

    Raises:
        ConfigError: the strategy cannot be proved here, or the experiment does not go with it.
        TrialFailedError: a process died.
    """
    _check(strategy, steps, processes)
    from training.data import load_data
    from training.proof.shortened import shorten

    short = shorten(config, data or load_data(config.data), steps=steps)
    with tempfile.TemporaryDirectory(prefix="zoo-prove-") as name:
        folder = Path(name)
        (folder / CONFIG).write_text(short.config.to_yaml(), encoding="utf-8")
        with (folder / DATA).open("wb") as file:
            pickle.dump(short.data, file)
        one_device = json.dumps({"kind": "one_device"})
        reference = Task("one_device", [name, one_device, _EXPECTED, ROUNDED])
        run_all([*_tasks(strategy, name, processes), reference])
        found, expected, rounded = (Trial.load(folder / f"{t}.npz") for t in (_FOUND, _EXPECTED, ROUNDED))
    rows = {split: len(kept) for split, kept in short.data.splits.items()}
    comparison = compare(found, expected, rounded, rows=rows)
    taken = sum(1 for name in expected.metrics if name.startswith("train loss, "))
    steps = taken * max(int(name.rpartition(" ")[2]) for name in expected.losses)
    of_workers = processes if strategy.kind == "multi_worker" else 1
    return Proof(config, strategy, of_workers, steps, short.notes, comparison)


def _tasks(strategy: StrategyConfig, folder: str, processes: int) -> list[Task]:
    arguments = [folder, strategy.model_dump_json(), _FOUND]
    if strategy.kind != "multi_worker":
        return [Task(strategy.kind, arguments)]
    from training.cluster.addresses import TF_CONFIG, Cluster, free_addresses

    workers = free_addresses(processes)
    return [
        Task(f"multi_worker {number}", arguments, {TF_CONFIG: Cluster(workers=workers, task=number).to_tf_config()})
        for number in range(processes)
    ]


def _check(strategy: StrategyConfig, steps: int, processes: int) -> None:
    if strategy.kind not in PROVABLE:
        why = {
            "parameter_server": "its workers do not wait for each other, so that no two runs of it are the same",
            "tpu": "there are no logical TPUs to try it on; mirrored takes the same steps on CPUs",
        }.get(strategy.kind, did_you_mean(strategy.kind, PROVABLE))
        raise ConfigError(f"strategy {strategy.kind} cannot be proved: {why}")
    if steps < 1:
        raise ConfigError(f"--steps {steps}: expected at least 1")
    if strategy.kind == "multi_worker" and not 2 <= processes <= 16 * (os.cpu_count() or 1):
        raise ConfigError(f"--processes {processes}: expected 2 or more, and not more than this machine can run")
