"""A small trained-looking model and its artifact, shared by the tests that only read them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def model() -> Any:
    """An MLP 4-5-3 with a softmax, weights and biases drawn from a fixed seed."""
    import zoo

    model = zoo.build("mlp", input_shape=(4,), units=[5], head={"kind": "softmax", "units": 3})
    random = np.random.default_rng(26)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture(scope="session")
def examples() -> np.ndarray:
    return np.random.default_rng(8).normal(size=(20, 4)).astype("float32")


@pytest.fixture(scope="session")
def artifact(model: Any, examples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported model; tests must not change it."""
    import zoo

    return zoo.export(
        model,
        tmp_path_factory.mktemp("repository") / "iris",
        examples=examples,
        class_names=["setosa", "versicolor", "virginica"],
        facts=zoo.ExportFacts(
            data={"name": "iris", "splits": {"train": 120, "test": 30}},
            metrics={"test": {"accuracy": 0.5}},
            input_ranges={"inputs": (-4.0, 4.0)},
        ),
        variants=(),
    )


@pytest.fixture
def copied(artifact: Path, tmp_path: Path) -> Path:
    """A copy of the artifact that a test may damage."""
    return Path(shutil.copytree(artifact, tmp_path / "iris" / "1"))


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., str]:
    """Write a distribution with one module and its entry points; returns the folder for PYTHONPATH."""

    def write(name: str, *, source: str, entry_points: str) -> str:
        site = tmp_path / "site"
        facts = site / f"{name}-1.0.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(entry_points)
        (site / f"{name}.py").write_text(source)
        return str(site)

    return write
