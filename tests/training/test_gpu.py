"""What only a machine with GPUs can show: `make test-gpu` there. Every test trains in processes of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.gpu

TRAIN = """
import json, sys
import numpy as np
import tensorflow as tf
import training

strategy, precision, folder = sys.argv[1:]
random = np.random.default_rng(7)

def split(rows):
    x = random.normal(size=(rows, 8, 8, 1)).astype("float32")
    return training.Split(x, x.reshape(rows, -1)[:, :3].argmax(axis=1))

data = training.Dataset("made up", {"train": split(120), "validation": split(21)})
config = training.TrainConfig.parse({
    "name": "made_up", "data": {"name": "made_up"}, "strategy": strategy,
    "model": {"architecture": "cnn", "input_shape": [8, 8, 1], "filters": [4, 4], "head": {"kind": "softmax", "units": 3},
              "regularization": {"normalization": "batch"}},
    "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    "train": {"epochs": 3, "batch_size": 48, "steps_per_call": 2, "precision": precision},
})
run = training.train(config, data=data, runs=folder)
gpus = tf.config.list_physical_devices("GPU")
print(json.dumps({
    "losses": [epoch["metrics"]["train"]["loss"] for epoch in run.history],
    "weights": {v.path: v.numpy().ravel().tolist() for v in run.model().weights},
    "grows": [tf.config.experimental.get_memory_growth(gpu) for gpu in gpus],
}))
"""


def train(strategy: str, folder: Path, precision: str = "float32") -> dict[str, Any]:
    command = [sys.executable, "-c", TRAIN, strategy, precision, str(folder / strategy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["grows"], "TensorFlow sees no GPU on this machine"
    return found


def test_a_gpu_gives_memory_as_it_is_needed(tmp_path: Path) -> None:
    assert all(train("default", tmp_path)["grows"])


def test_all_gpus_together_train_what_one_trains(tmp_path: Path) -> None:
    one, all_of_them = train("one_device", tmp_path), train("mirrored", tmp_path)
    np.testing.assert_allclose(all_of_them["losses"], one["losses"], rtol=1e-4)
    for path, weights in one["weights"].items():
        np.testing.assert_allclose(all_of_them["weights"][path], weights, rtol=1e-3, atol=1e-4, err_msg=path)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_what_float32_learns(tmp_path: Path, precision: str) -> None:
    full, mixed = train("default", tmp_path), train("default", tmp_path / "mixed", precision)
    np.testing.assert_allclose(mixed["losses"], full["losses"], rtol=0.05)
