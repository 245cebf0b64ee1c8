"""Runs of every kind of head, trained for a moment."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import training
from training import Dataset, Run, Split, TrainConfig

ATTACK = "<script>alert(1)</script>"
MakeRun = Callable[..., tuple[Run, Dataset]]


@dataclass(frozen=True)
class Kind:
    model: dict[str, Any]
    split: Callable[[int], Split]
    names: tuple[str, ...] = ()


def _rows(rows: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, *shape)).astype("float32")


def _mlp(head: dict[str, Any], inputs: int = 4) -> dict[str, Any]:
    return {"architecture": "mlp", "input_shape": [inputs], "units": [4], "head": head}


def _text(rows: int) -> Split:
    words = [f"good {ATTACK}", "bad & <b>", "the $film$"]
    return Split(np.array([words[i % 3] for i in range(rows)], object), np.arange(rows) % 2)


def _tokens(rows: int) -> Split:
    ids = np.random.default_rng(rows).integers(0, 6, (rows, 8))
    return Split(ids[:, :-1], ids[:, 1:])


KINDS = {
    "classes": Kind(
        _mlp({"kind": "softmax", "units": 3}), lambda n: Split(_rows(n, 4), np.arange(n) % 3), (ATTACK, "b & c", "$d$")
    ),
    "binary": Kind(
        _mlp({"kind": "sigmoid", "units": 1}), lambda n: Split(_rows(n, 4), np.arange(n) % 2), (ATTACK, "no")
    ),
    "labels": Kind(_mlp({"kind": "sigmoid", "units": 3}), lambda n: Split(_rows(n, 4), (_rows(n, 3) > 0).astype(int))),
    "values": Kind(_mlp({"kind": "linear", "units": 2}), lambda n: Split(_rows(n, 4), _rows(n, 2))),
    "images": Kind(
        {"architecture": "cnn", "input_shape": [6, 6, 3], "filters": [2], "head": {"kind": "softmax", "units": 2}},
        lambda n: Split(_rows(n, 6, 6, 3), np.arange(n) % 2),
    ),
    "waves": Kind(_mlp({"kind": "softmax", "units": 2}, inputs=200), lambda n: Split(_rows(n, 200), np.arange(n) % 2)),
    "text": Kind(
        {
            "architecture": "gru",
            "input_shape": [],
            "preprocessing": [{"kind": "tokens", "length": 4, "vocabulary_size": 9}],
            "vocabulary_size": 9,
            "units": [3],
            "head": {"kind": "softmax", "units": 2},
        },
        _text,
    ),
    "tokens": Kind(
        {
            "architecture": "transformer",
            "variant": "causal",
            "input_shape": [7],
            "vocabulary_size": 6,
            "hidden_dim": 8,
            "num_heads": 1,
            "num_layers": 1,
            "head": {"kind": "token", "units": 6},
        },
        _tokens,
    ),
    "heads": Kind(
        {
            "architecture": "mlp",
            "input_shape": [4],
            "units": [4],
            "heads": {"kind": {"kind": "softmax", "units": 2}, "age": {"kind": "linear", "units": 1}},
        },
        lambda n: Split(_rows(n, 4), {"kind": np.arange(n) % 2, "age": _rows(n)}),
    ),
}


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """Train a run of a kind, once."""
    made: dict[str, tuple[Run, Dataset]] = {}

    def make(name: str) -> tuple[Run, Dataset]:
        if name not in made:
            kind = KINDS[name]
            splits = {"train": kind.split(24), "validation": kind.split(18), "test": kind.split(15)}
            data = Dataset(name, splits, licence="CC BY 4.0", citation=ATTACK, class_names=kind.names)
            config = TrainConfig.parse(
                {"name": name, "data": {"name": name}, "model": kind.model, "train": {"epochs": 2, "batch_size": 8}}
            )
            runs: Path = tmp_path_factory.mktemp("runs")
            made[name] = training.train(config, data=data, runs=runs), data
        return made[name]

    return make
