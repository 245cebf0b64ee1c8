"""The models that come with the repository: whole, and as good as their passports say."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from training import TrainConfig
from training.data import load_data
from zoo.artifact import read_passport
from zoo.errors import DeprecatedNameWarning

ROOT = Path(__file__).parents[2] / "saved_models"
SHIPPED = ["digits_cnn/1"]  # what else lies there is somebody's own


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_whole_and_as_good_as_it_says(name: str) -> None:
    version = ROOT / name
    assert zoo.verify(version).ok
    passport = read_passport(version)
    with warnings.catch_warnings():  # an artifact keeps the names that fields had when it was made
        warnings.simplefilter("ignore", DeprecatedNameWarning)
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
