"""Trains small models on one strategy and prints what came of it as JSON; started by test_parity.py, once per strategy."""

import json
import sys
from typing import Any

import numpy as np


def cases(which: str) -> dict[str, dict[str, Any]]:
    """Model and optimizer of each case. 51 rows in batches of 16 leave a last batch of 3: 1 + 2 over two replicas."""
    mlp = {"architecture": "mlp", "input_shape": [6], "units": [8], "head": {"kind": "softmax", "units": 3}}
    mlp_two = {k: v for k, v in mlp.items() if k != "head"} | {
        "heads": {"kind": {"kind": "softmax", "units": 3}, "size": {"kind": "linear", "units": 1}}
    }
    cnn = {"architecture": "cnn", "input_shape": [6, 6, 1], "filters": [4, 4], "head": {"kind": "softmax", "units": 3}}
    sgd = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}
    adam = {"name": "adam", "learning_rate": 0.01}
    batch_norm = cnn | {"regularization": {"normalization": "batch"}}
    few = {
        "mlp, sgd with momentum, one row left": {"model": mlp, "optimizer": sgd, "rows": 49},
        "mlp, adam, clipped": {"model": mlp, "optimizer": adam | {"global_clipnorm": 0.05}},
        "mlp, sgd, clipped, l2": {
            "model": mlp | {"regularization": {"l2": 0.01}},
            "optimizer": sgd | {"global_clipnorm": 0.05},
        },
        "mlp, two heads": {"model": mlp_two, "optimizer": sgd},
        "cnn, batch norm, sgd": {"model": batch_norm, "optimizer": sgd | {"learning_rate": 0.02}},
        "cnn, batch norm, adam": {"model": batch_norm, "optimizer": adam},
    }
    more = {
        "mlp, sgd with momentum": {"model": mlp, "optimizer": sgd},
        "mlp, adam": {"model": mlp, "optimizer": adam},
        "mlp, adamw, cosine": {
            "model": mlp,
            "optimizer": {"name": "adamw", "weight_decay": 0.01, "schedule": "cosine"},
        },
        "mlp, rmsprop": {"model": mlp, "optimizer": {"name": "rmsprop", "learning_rate": 0.001, "momentum": 0.5}},
        "cnn, adam, l2": {"model": cnn | {"regularization": {"l2": 0.01}}, "optimizer": adam},
        "cnn, batch norm, one row left": {  # needs TF_ENABLE_ONEDNN_OPTS=0
            "model": batch_norm,
            "optimizer": sgd | {"learning_rate": 0.02},
            "rows": 49,
        },
    }
    return {"few": few, "more": more}[which]


def data(model: dict[str, Any], rows: int) -> Any:
    """Rows that are learnable but not easily."""
    from training.data import Dataset, Split

    random = np.random.default_rng(7)

    def split(rows: int) -> Split:
        x = random.normal(size=(rows, *model["input_shape"])).astype("float32")
        flat = x.reshape(rows, -1)
        kind = flat[:, :3].argmax(axis=1).astype("int64")
        labels = kind if "head" in model else {"kind": kind, "size": flat[:, :1].sum(axis=1)}
        return Split(x, labels)

    return Dataset("made up", {"train": split(rows), "validation": split(21), "test": split(5)})


def main(strategy: str, which: str, runs: str) -> None:
    import training

    found = {}
    for name, case in cases(which).items():
        config = training.TrainConfig.parse(
            {
                "name": name.replace(", ", "-").replace(" ", "_"),
                "seed": 11,
                "data": {"name": "made_up"},
                "model": case["model"],
                "optimizer": case["optimizer"],
                "train": {"epochs": 3, "batch_size": 16, "eval_batch_size": 8, "steps_per_call": 3},
                "strategy": strategy,
            }
        )
        run = training.train(config, runs=runs, data=data(case["model"], case.get("rows", 51)))
        found[name] = {
            "history": [epoch["metrics"] for epoch in run.history],
            "test": run.metrics["test"],
            "weights": {v.path: v.numpy().ravel().tolist() for v in run.model().variables},
        }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
