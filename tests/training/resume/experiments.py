"""Small experiments that between them have all that a run's state is made of."""

from typing import Any

import numpy as np

from training import Dataset, Split, TrainConfig

SOFTMAX = {"kind": "softmax", "units": 3}

EXPERIMENTS: dict[str, dict[str, Any]] = {
    "averaged mlp": {
        "model": {"architecture": "mlp", "input_shape": [6], "units": [8], "regularization": {"dropout": 0.3}},
        "optimizer": {"name": "adam", "ema": 0.9, "schedule": {"kind": "cosine", "warmup_epochs": 1}},
        "train": {"early_stopping": {"patience": 2, "min_delta": 0.005}},
    },
    "cnn": {
        "model": {
            "architecture": "cnn", "input_shape": [6, 6, 1], "filters": [4],
            "regularization": {"normalization": "batch", "dropout": 0.2},
        },
        "optimizer": {"name": "sgd", "momentum": 0.9, "learning_rate": 0.02, "schedule": "exponential"},
        "data": {"augmentation": {"flip": "horizontal", "shift": 0.2}},
    },
    "gru": {
        "model": {
            "architecture": "gru", "input_shape": [5, 4], "units": [6],
            "regularization": {"dropout": 0.2, "recurrent_dropout": 0.2},
        },
        "optimizer": {"name": "rmsprop", "clipnorm": 0.1},
    },
    "float16 mlp": {
        "model": {"architecture": "mlp", "input_shape": [6], "units": [8], "regularization": {"gaussian_noise": 0.1}},
        "optimizer": {"name": "adamw", "weight_decay": 0.01},
        "train": {"precision": "mixed_float16"},
    },
    "mirrored mlp": {
        "model": {"architecture": "mlp", "input_shape": [6], "units": [8], "regularization": {"dropout": 0.3}},
        "optimizer": {"name": "adam"},
        "train": {"accumulation": 2},
        "strategy": "mirrored",
    },
}  # fmt: skip


def make_config(name: str) -> TrainConfig:
    """Return an experiment: six epochs of four steps, a checkpoint after every second step."""
    chosen = EXPERIMENTS[name]
    return TrainConfig.parse(
        {
            **chosen,
            "name": "resumed",
            "seed": 4,
            "data": {"name": "made_up", **chosen.get("data", {})},
            "model": {**chosen["model"], "head": SOFTMAX},
            "train": {
                "epochs": 6,
                "batch_size": 16,
                "steps_per_call": 2,
                "checkpoint_seconds": 1e-9,
                "deterministic": True,
                **chosen.get("train", {}),
            },
        }
    )


def make_data(name: str) -> Dataset:
    """Return 55 rows, four steps: the last is of seven rows."""
    random = np.random.default_rng(1)
    shape = EXPERIMENTS[name]["model"]["input_shape"]

    def split(rows: int) -> Split:
        x = random.normal(size=(rows, *shape)).astype("float32")
        return Split(x, x.reshape(rows, -1)[:, :3].argmax(axis=1))

    return Dataset("made up", {"train": split(55), "validation": split(30)})
