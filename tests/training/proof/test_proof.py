"""The command as a person runs it, on what is right and on what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo.cli import main
from zoo.yaml_text import to_yaml

WRONG = '''
import keras
from keras import ops
from zoo.registry import register
from zoo.config import ModelConfig
from typing import Literal


class BatchMean(keras.layers.Layer):
    """Takes the mean over the rows it sees, which on a replica are not all of a batch's."""

    def call(self, x):
        return x - ops.mean(x, axis=0, keepdims=True)


class Config(ModelConfig):
    architecture: Literal["centred"]


@register("centred", Config, example={"input_shape": (4, 4), "head": {"kind": "linear"}})
def backbone(x, config):
    """Rows (N, width) -> (N, 8), less their mean."""
    return BatchMean()(keras.layers.Dense(8, activation="relu", name="dense")(keras.layers.Flatten()(x)))
'''


def run(recipe: dict[str, Any], folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "recipe.yaml").write_text(to_yaml(recipe))
    return subprocess.run(
        [sys.executable, "-m", "zoo", "prove", "recipe.yaml", "--json", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.fixture
def recipe() -> dict[str, Any]:
    return {
        "name": "digits",
        "data": {"name": "sklearn_digits", "rows": 100},
        "model": {
            "architecture": "mlp", "input_shape": [8, 8, 1], "units": [8], "head": {"kind": "softmax", "units": 10},
            "preprocessing": [{"kind": "rescaling", "scale": 0.0039}], "regularization": {"dropout": 0.3},
        },
        "train": {"batch_size": 16},
    }  # fmt: skip


@pytest.mark.slow
def test_mirrored_trains_what_one_device_trains(recipe: dict[str, Any], tmp_path: Path) -> None:
    done = run(recipe, tmp_path, "--strategy", "mirrored", "--replicas", "3", "--set", "optimizer.clipnorm=0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"]
    assert found["steps"] == 21  # 100 rows of 16 are seven steps
    assert "dropout turned off" in found["notes"][1]
    names = {difference["name"] for difference in found["differences"]}
    assert {"dense_1/kernel", "logits/bias", "validation accuracy, epoch 3", "epoch 3, step 7"} <= names
    assert done.stderr == ""


@pytest.mark.slow
def test_a_model_that_is_not_the_same_on_replicas_is_found_out(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "site" / "centred-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: centred\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[zoo.architectures]\ncentred = centred\n")
    (tmp_path / "site" / "centred.py").write_text(WRONG)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    recipe["model"] = {"architecture": "centred", "input_shape": [8, 8, 1], "head": {"kind": "softmax", "units": 10}}
    done = run(recipe, tmp_path, "--strategy", "mirrored")
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert not next(d for d in found["differences"] if d["name"] == "logits/kernel")["ok"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["digits_cnn", "--strategy", "parameter_server"],
            "parameter_server cannot be proved: its workers do not wait",
        ),
        (["digits_cnn", "--strategy", "tpu"], "tpu cannot be proved: there are no logical TPUs"),
        (["digits_cnn", "--strategy", "mirored"], "did you mean 'mirrored'?"),
        (["digits_cnn", "--strategy", "one_device", "--replicas", "2"], "replicas belongs to kind 'mirrored'"),
        (["digits_cnn", "--strategy", "mirrored", "--steps", "0"], "--steps 0: expected at least 1"),
        (["digits_cnn", "--strategy", "multi_worker", "--processes", "1"], "--processes 1: expected 2 or more"),
        (["digit_cnn"], "unknown recipe 'digit_cnn'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prove", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
