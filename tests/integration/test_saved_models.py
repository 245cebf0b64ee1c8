"""The models that come with the repository: whole, and as good as their passports say."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from training import TrainConfig
from training.data import load_data
from zoo.artifact import list_models, list_versions, read_passport

ROOT = Path(__file__).parents[2] / "saved_models"
VERSIONS = [version for model in list_models(ROOT).values() for version in list_versions(model).values()]


def test_there_is_one() -> None:
    assert (ROOT / "digits_cnn" / "1") in VERSIONS


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_shipped_model_is_whole_and_as_good_as_it_says(version: Path) -> None:
    assert zoo.verify(version).ok
    passport = read_passport(version)
    config = TrainConfig.parse(passport.config or {})
    assert config.content_hash() == passport.config_hash
    data = load_data(config.data)
    assert passport.data is not None
    assert data.fingerprint == passport.data["fingerprint"]
    test = data.split("test")
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    answers = served(inputs=tf.constant(test.inputs.astype(np.float32)))
    accuracy = float((answers["class_id"].numpy() == test.named_labels()[""]).mean())
    assert accuracy == pytest.approx(passport.metrics["test"]["accuracy"])
    assert accuracy >= 0.98
