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

NAMES = [
    *zoo.list_architectures(),
    *(pytest.param(name, marks=pytest.mark.exhaustive) for name in zoo.list_models("*_tiny")),
]
ROWS = 12


def toy_data(config: zoo.ModelConfig) -> Dataset:
    """The same few rows in every split: what can be learnt by heart must be."""
    inputs = sample_inputs(config, ROWS)
    found = sample_labels(config, ROWS)
    labels = {name: found[output_name(name, head.kind)] for name, head in config.named_heads().items()}
    split = Split(inputs if len(inputs) > 1 else inputs["inputs"], labels if config.heads else labels[""])
    return Dataset("toy", {"train": split, "validation": split})


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """One architecture or named size after the other; all tests of one before those of the next."""
    return str(request.param)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repository")


@pytest.fixture(scope="module")
def run(name: str, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    model = zoo.example_config(name)
    recipe: dict[str, Any] = {
        "name": name,
        "data": {"name": "toy"},
        "model": model.to_dict(),
        "optimizer": {"name": "adam", "learning_rate": 3e-3},
        "train": {"epochs": 12, "batch_size": 4},
        "export": {"repository": str(repository)},
    }
    return training.train(TrainConfig.parse(recipe), data=toy_data(model), runs=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[serving.Client]:
    """A client of a server that finds the models as they are exported."""
    arguments = ["serve", str(repository), "--host=127.0.0.1", "--port=0", "--file_system_poll_wait_seconds=0.2"]
    arguments.append("--engine=saved_model")  # what others run is their tests' subject
    with subprocess.Popen([sys.executable, "-m", "zoo", *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"on port (\d+)", process.stdout.readline())
        assert found is not None
        with serving.Client(f"localhost:{found[1]}") as client:
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_it_learns_by_heart_in_our_loop(run: Run) -> None:
    losses = [epoch["metrics"]["validation"]["loss"] for epoch in run.history]

    assert min(losses[1:]) < 0.9 * losses[0]


def test_its_artifact_is_whole(run: Run) -> None:
    assert run.artifact is not None
    assert zoo.verify(run.artifact).ok


def test_it_answers_over_grpc_as_the_trained_model_does(run: Run, client: serving.Client, name: str) -> None:
    rows = sample_inputs(zoo.example_config(name), 3)
    expected = run.model()(rows if len(rows) > 1 else rows["inputs"], training=False)

    client.wait_until_serving(name, timeout=60)
    answers = client.predict(name, rows, timeout=60)

    for output, value in expected.items():
        np.testing.assert_allclose(answers[output], value.numpy(), atol=1e-5, err_msg=output)
