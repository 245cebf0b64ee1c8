"""The models that come with the repository: whole, and as good as their passports say."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from training import TrainConfig
from training.data import Split, load_data
from zoo.artifact import read_passport
from zoo.card.index import index_of
from zoo.errors import DeprecatedNameWarning

ROOT = Path(__file__).parents[2] / "saved_models"
INSTALLED = ("cancer_mlp", "diabetes_mlp", "digits_cnn", "digits_mlp", "wine_mlp")
"""Those whose data comes with a package."""
FETCHED = ("co2_transformer", "elnino_gru", "mnist_cnn", "mnist_mlp", "prompts_cnn", "sunspots_lstm")
SHIPPED = sorted(INSTALLED + FETCHED)  # what else lies there is somebody's own
LARGEST = 1_500_000
TOGETHER = 15_000_000


def measured_anew(version: Path, rows: Split) -> dict[str, float]:
    """Return accuracy, or mean absolute error, of the SavedModel's answers to raw rows."""
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    answers = served(inputs=tf.constant(rows.named_inputs()["inputs"].astype(np.float32)))
    labels = rows.named_labels()[""].reshape(-1)
    if "class_id" in answers:
        return {"accuracy": float((answers["class_id"].numpy() == labels).mean())}
    return {"mae": float(np.abs(answers["value"].numpy().reshape(-1) - labels).mean())}


@pytest.mark.parametrize("name", [*INSTALLED, *(pytest.param(each, marks=pytest.mark.data) for each in FETCHED)])
def test_a_shipped_model_is_whole_and_as_good_as_it_says(name: str) -> None:
    version = ROOT / name / "1"
    assert zoo.verify(version).ok
    passport = read_passport(version)
    with warnings.catch_warnings():  # an artifact keeps the names that fields had when it was made
        warnings.simplefilter("ignore", DeprecatedNameWarning)
        config = TrainConfig.parse(passport.config or {})
    assert config.content_hash() == passport.config_hash
    data = load_data(config.data)
    assert passport.data is not None
    assert data.fingerprint == passport.data["fingerprint"]
    for metric, value in measured_anew(version, data.split("test")).items():
        assert value == pytest.approx(passport.metrics["test"][metric], rel=1e-5)
        low, high = passport.intervals["test"][metric]
        assert low <= value <= high


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_runs_without_tensorflow_too_and_says_what_it_is(name: str) -> None:
    passport = read_passport(ROOT / name / "1")
    assert "litert" in passport.variants
    assert passport.uncertainty, "how sure it is"
    assert passport.data is not None
    assert passport.data["licence"]


def test_shipped_models_are_small_and_in_the_index() -> None:
    sizes = {
        name: sum(path.stat().st_size for path in (ROOT / name / "1").rglob("*") if path.is_file()) for name in SHIPPED
    }
    assert max(sizes.values()) <= LARGEST
    assert sum(sizes.values()) <= TOGETHER
    index = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    ours = [line for line in index_of(ROOT).splitlines() if any(f"]({name}/1/" in line for name in SHIPPED)]
    assert len(ours) == len(SHIPPED)
    assert not set(ours) - set(index)
