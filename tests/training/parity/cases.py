"""What is trained on every strategy: each feature's values, and the config and rows of a combination of them."""

from typing import Any

import numpy as np

from tests.training.parity.covering import Case, cover_pairs
from training.data import Dataset, Split

VOCABULARY = 7
STEPS = 5
CLASSES = 3
SEQUENCES = {"lstm", "gru", "transformer"}

FACTORS: dict[str, list[str]] = {
    "strategy": ["mirrored", "multi_worker"],
    "family": ["mlp", "cnn", "lstm", "gru", "transformer"],
    "batches": ["whole", "odd last", "odd first", "fewer rows than replicas"],
    "clip": ["none", "clipvalue", "clipnorm", "global_clipnorm"],
    "optimizer": ["sgd", "adam", "adamw", "rmsprop"],
    "weights": ["none", "sample", "class"],
    "answers": ["one", "two heads", "every step"],
    "inputs": ["numbers", "padded numbers", "ids", "padded ids"],
    "accumulation": ["1", "3"],
    "steps_per_call": ["1", "4"],
    "ema": ["off", "on"],
    "l2": ["off", "on"],
}
PLAIN = {factor: values[0] for factor, values in FACTORS.items()}

_BATCHES = {
    "whole": (48, 16),
    "odd last": (51, 16),
    "odd first": (48, 15),
    "fewer rows than replicas": (1, 16),
    "overflowing": (16, 16),
}
"""Rows and batch size: 51 leave three rows, 1 + 2 over two replicas; 15 are 7 + 8; 1 leaves a replica without any."""
_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    # A larger epsilon than Keras' own 1e-7: next to it, a gradient of 0 that rounding made 1e-9 is a step.
    "adam": {"name": "adam", "learning_rate": 0.01, "epsilon": 1e-3},
    "adamw": {
        "name": "adamw",
        "learning_rate": 0.01,
        "epsilon": 1e-3,
        "weight_decay": 0.01,
        "schedule": {"kind": "cosine", "warmup_epochs": 1},
    },
    "rmsprop": {"name": "rmsprop", "learning_rate": 0.003, "epsilon": 1e-3, "momentum": 0.5},
    # Moves nothing, so that what was measured on the way tells which rows were seen.
    "still": {"name": "sgd", "learning_rate": 1e-30},
}
_CLIPS = {"clipvalue": 0.02, "clipnorm": 0.05, "global_clipnorm": 0.05}


def is_valid(case: Case) -> bool:
    """Tell whether a case, maybe not complete, can be."""
    sequence = case.get("family") in SEQUENCES
    if "family" in case and not sequence and case.get("inputs", "numbers") != "numbers":
        return False
    if "family" in case and not sequence and case.get("answers") == "every step":
        return False
    if case.get("family") == "cnn" and case.get("accumulation") == "3" and case.get("batches", "").startswith("fewer"):
        return False  # refused: there are no statistics of a piece without rows
    return not (case.get("answers") == "two heads" and case.get("weights") == "class")


def pairwise_cases() -> list[Case]:
    """Return cases that hold every pair of values there can be."""
    return cover_pairs(FACTORS, is_valid)


def single_cases(strategy: str, family: str) -> list[Case]:
    """Return the plain case of a family and those that differ from it in one feature."""
    plain = {**PLAIN, "strategy": strategy, "family": family}
    changed = [
        {**plain, factor: value}
        for factor, values in FACTORS.items()
        if factor not in {"strategy", "family"}
        for value in values[1:]
    ]
    return [case for case in (plain, *changed) if is_valid(case)]


def precision_cases() -> list[Case]:
    """Return cases in float32, bfloat16 and float16."""
    return [
        {**PLAIN, "family": family, "precision": precision}
        for family in ("mlp", "cnn")
        for precision in ("float32", "mixed_bfloat16", "mixed_float16")
    ]


def overflow_cases() -> list[Case]:
    """Return one step of float16 for every strategy, in which one row is too large for gradients in float16."""
    return [
        {**PLAIN, "strategy": strategy, "ema": "on", "precision": "mixed_float16", "batches": "overflowing"}
        for strategy in FACTORS["strategy"]
    ]


def plain_config(case: Case) -> dict[str, Any]:
    """Return the recipe of a case, without its strategy. `precision`, `seed` and `dropout` may be added."""
    optimizer = {**_OPTIMIZERS[case["optimizer"]], "ema": 0.9 if case["ema"] == "on" else None}
    if case["optimizer"] == "sgd" and case["family"] == "cnn":
        optimizer["learning_rate"] = 0.02  # at 0.1, batch normalization makes of one rounding 1.2e-6 in three epochs
    if case["clip"] != "none":
        optimizer[case["clip"]] = _CLIPS[case["clip"]]
    train = {
        "epochs": 1 if case["batches"] == "overflowing" else 3,
        "batch_size": _BATCHES[case["batches"]][1],
        "eval_batch_size": 8,
        "accumulation": int(case["accumulation"]),
        "steps_per_call": int(case["steps_per_call"]),
        "class_weights": [0.5, 1.0, 2.0] if case["weights"] == "class" else None,
        "precision": case.get("precision", "float32"),
    }
    return {
        "name": "parity",
        "seed": int(case.get("seed", 11)),
        "data": {"name": "made_up"},
        "model": _model(case),
        "optimizer": optimizer,
        "train": train,
    }


def _model(case: Case) -> dict[str, Any]:
    family, inputs = case["family"], case["inputs"]
    model: dict[str, Any] = {"architecture": family, "regularization": {"l2": 0.01 if case["l2"] == "on" else 0.0}}
    model["regularization"]["dropout"] = float(case.get("dropout", 0))
    if family == "mlp":
        model |= {"input_shape": [6], "units": [8, 8]}
    elif family == "cnn":
        model |= {"input_shape": [6, 6, 1], "filters": [4, 4]}
        model["regularization"]["normalization"] = "batch"
    else:
        ids = inputs.endswith("ids")
        model |= {"input_shape": [STEPS] if ids else [STEPS, 4], "mask_zero": inputs.startswith("padded")}
        model |= {"vocabulary_size": VOCABULARY} if ids else {}
        if family == "transformer":
            model |= {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8}
        else:
            model |= {"units": [6]} | ({"embedding_dim": 6} if ids else {})
        if case["answers"] == "every step":
            model["pooling"] = "none"
    classes = {"kind": "softmax", "units": CLASSES}
    if case["answers"] == "two heads":
        return {**model, "heads": {"kind": classes, "size": {"kind": "linear", "units": 1, "loss_weight": 0.5}}}
    return {**model, "head": classes}


def make_data(case: Case) -> Dataset:
    """Return rows that can be learnt, but not easily."""
    random = np.random.default_rng(7)
    rows = _BATCHES[case["batches"]][0]
    return Dataset("made up", {"train": _split(case, rows, random), "validation": _split(case, 21, random)})


def _split(case: Case, rows: int, random: np.random.Generator) -> Split:
    x = _inputs(case, rows, random)
    if case["batches"] == "overflowing":
        x[0] = 1000.0  # a loss of 1/16 per row, times a scale of 32768, times this is more than 65504
    each_step = case["answers"] == "every step"
    numbers = x.reshape(rows, STEPS, -1).sum(axis=2) if each_step else x.reshape(rows, -1)[:, :4].sum(axis=1)
    kind = (np.floor(np.abs(numbers) * 2) % CLASSES).astype("int64")
    weights = None
    if case["weights"] == "sample":
        weights = random.integers(0, 4, size=kind.shape).astype("float32") / 2
        weights.flat[0] = 1.5  # whatever is drawn, something counts
    labels = {"kind": kind, "size": numbers.astype("float32")} if case["answers"] == "two heads" else kind
    return Split(x, labels, weights)


def _inputs(case: Case, rows: int, random: np.random.Generator) -> np.ndarray:
    shape: tuple[int, ...] = tuple(_model(case)["input_shape"])
    if case["inputs"].endswith("ids"):
        x: np.ndarray = random.integers(1, VOCABULARY, size=(rows, *shape))  # six ids for five steps: many occur twice
    else:
        x = random.normal(size=(rows, *shape)).astype("float32")
    if case["inputs"].startswith("padded"):
        x[np.arange(STEPS) >= random.integers(1, STEPS + 1, size=rows)[:, np.newaxis]] = 0
    return x
