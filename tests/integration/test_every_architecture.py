"""Being registered is enough: every architecture is trained, exported, verified, served and asked over gRPC."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import serving
import training
import zoo
from training import Dataset, Run, Split, TrainConfig
from zoo.contract import sample_inputs, sample_labels
from zoo.heads import output_name

pytestmark = pytest.mark.slow

NAMES = [*zoo.list_architectures(), *zoo.list_models("*_tiny")]
ROWS = 12


def toy_data(config: zoo.ModelConfig) -> Dataset:
    """The same few rows in every split: what can be learnt by heart must be."""
    inputs = sample_inputs(config, ROWS)
    found = sample_labels(config, ROWS)
    labels = {name: found[output_name(name, head.kind)] for name, head in config.named_heads().items()}
    split = Split(inputs if len(inputs) > 1 else inputs["inputs"], labels if config.heads else labels[""])
    return Dataset("toy", {"train": split, "validation": split})


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repository")


@pytest.fixture(scope="module")
def runs(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")

    def train(name: str) -> Run:
        model = zoo.example_config(name)
        recipe: dict[str, Any] = {
            "name": name,
            "data": {"name": "toy"},
            "model": model.to_dict(),
            "optimizer": {"name": "adam", "learning_rate": 3e-3},
            "train": {"epochs": 12, "batch_size": 4},
            "export": {"repository": str(repository)},
        }
        return training.train(TrainConfig.parse(recipe), data=toy_data(model), runs=folder)

    return {name: train(name) for name in NAMES}


@pytest.fixture(scope="module")
def client(runs: dict[str, Run], repository: Path) -> Iterator[serving.Client]:
    arguments = ["serve", str(repository), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen([sys.executable, "-m", "zoo", *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"on port (\d+)", process.stdout.readline())
        assert found is not None
        with serving.Client(f"localhost:{found[1]}") as client:
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_by_heart_in_our_loop(runs: dict[str, Run], name: str) -> None:
    losses = [epoch["metrics"]["validation"]["loss"] for epoch in runs[name].history]

    assert min(losses[1:]) < 0.9 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_its_artifact_is_whole(runs: dict[str, Run], name: str) -> None:
    artifact = runs[name].artifact
    assert artifact is not None
    assert zoo.verify(artifact).ok


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_over_grpc_as_the_trained_model_does(
    runs: dict[str, Run], client: serving.Client, name: str
) -> None:
    rows = sample_inputs(zoo.example_config(name), 3)
    model = runs[name].model()
    expected = model(rows if len(rows) > 1 else rows["inputs"], training=False)

    answers = client.predict(name, rows, timeout=60)

    for output, value in expected.items():
        np.testing.assert_allclose(answers[output], value.numpy(), atol=1e-5, err_msg=output)
