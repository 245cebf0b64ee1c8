"""Data and configs that several tests use."""

from typing import Any

import numpy as np
import pytest

from training import Dataset, Split, TrainConfig
from training.data import load_data


@pytest.fixture(scope="session")
def digits() -> Dataset:
    from training.config import DataConfig

    return load_data(DataConfig(name="sklearn_digits"))


@pytest.fixture
def blobs() -> Dataset:
    """Three well separated clouds in two dimensions, easy to learn: 60 rows to train on."""
    random = np.random.default_rng(3)
    centres = np.array([[0, 4], [4, -4], [-4, -4]])

    def split(rows: int) -> Split:
        labels = np.arange(rows) % 3
        return Split((centres[labels] + random.normal(size=(rows, 2))).astype("float32"), labels.astype("int64"))

    return Dataset(
        "blobs", {"train": split(60), "validation": split(21), "test": split(33)}, class_names=("top", "right", "left")
    )


@pytest.fixture
def blobs_recipe() -> dict[str, Any]:
    return {
        "name": "blobs",
        "seed": 1,
        "data": {"name": "blobs"},
        "model": {"architecture": "mlp", "input_shape": [2], "units": [8], "head": {"kind": "softmax", "units": 3}},
        "optimizer": {"name": "adam", "learning_rate": 0.03},
        "train": {"epochs": 3, "batch_size": 16},
    }


@pytest.fixture
def blobs_config(blobs_recipe: dict[str, Any]) -> TrainConfig:
    return TrainConfig.parse(blobs_recipe)
