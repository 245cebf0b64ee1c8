from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from zoo.errors import ConfigError, NotAdaptedError
from zoo.layers.feature_normalization import FeatureNormalization

RANDOM = np.random.default_rng(17)
TABLE = (RANDOM.normal(size=(50, 4)) * [1, 1e3, 1e-3, 0] + [0, 1e4, 0.01, 0.1]).astype("float32")


def fitted(rows: np.ndarray, per: str = "feature", pieces: int = 1) -> FeatureNormalization:
    layer = FeatureNormalization(per)
    layer.build((None, *rows.shape[1:]))
    layer.fit(np.array_split(rows, pieces))
    return layer


def test_a_table_is_scaled_as_scikit_learn_scales_it() -> None:
    expected = StandardScaler().fit_transform(TABLE.astype("float64"))

    np.testing.assert_allclose(fitted(TABLE)(TABLE), expected, atol=2e-5)


def test_a_feature_that_never_changes_becomes_0_and_keeps_its_scale() -> None:
    layer = fitted(TABLE)

    answers = np.asarray(layer(np.array([[0, 0, 0, 0.1], [0, 0, 0, 0.35]], "float32")))[:, 3]
    np.testing.assert_allclose(answers, [0, 0.25], atol=1e-7)


def test_a_deviation_that_float32_has_no_room_for_is_taken_for_none() -> None:
    adapted = fitted(np.array([[1.0], [1.0], [1.0]]) + np.array([[0.0], [1e-40], [0.0]]))
    adapted_around_0 = fitted(np.array([[0.0], [1e-40], [0.0]], "float32"))
    given = FeatureNormalization(mean=[1.0], variance=[1e-100])

    np.testing.assert_array_equal(adapted(np.array([[3.0]], "float32")), [[2.0]])
    np.testing.assert_array_equal(adapted_around_0(np.array([[3.0]], "float32")), [[3.0]])
    np.testing.assert_array_equal(given(np.array([[3.0]], "float32")), [[2.0]])


def test_a_far_mean_does_not_cost_precision() -> None:
    """The mean of squares less the square of the mean would be noise here, in float64 even."""
    rows = (1e9 + np.arange(4096) % 2 * 128)[:, None].astype("float32")

    layer = fitted(rows, pieces=5)

    assert float(layer.deviation[0]) == pytest.approx(64, rel=1e-6)
    assert float(layer.mean[0]) == np.float32(1e9 + 64)


@pytest.mark.parametrize("pieces", [1, 2, 7, 50])
def test_statistics_do_not_depend_on_how_rows_are_cut(pieces: int) -> None:
    layer = fitted(TABLE, pieces=pieces)

    np.testing.assert_allclose(layer.mean, TABLE.astype("float64").mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(layer.deviation[:3], TABLE.astype("float64").std(axis=0)[:3], rtol=1e-6)


@pytest.mark.parametrize(("per", "axes"), [("feature", (0, 1, 2)), ("element", (0,)), ("all", (0, 1, 2, 3))])
def test_each_choice_averages_over_its_axes(per: str, axes: tuple[int, ...]) -> None:
    images = RANDOM.normal(3, 2, size=(9, 2, 3, 2)).astype("float32")
    wide = images.astype("float64")
    expected = (wide - wide.mean(axis=axes, keepdims=True)) / wide.std(axis=axes, keepdims=True)

    np.testing.assert_allclose(fitted(images, per, pieces=3)(images), expected, atol=1e-5)


def test_given_statistics_are_used_as_they_are() -> None:
    layer = FeatureNormalization("feature", [1.0, 10.0], [4.0, 0.0])

    np.testing.assert_array_equal(layer(np.array([[5.0, 13.0]], "float32")), [[2.0, 3.0]])
    assert layer.adapted
    assert not layer.from_data


def test_inputs_beyond_half_precision_are_normalized_under_a_mixed_policy() -> None:
    layer = FeatureNormalization("feature", [1e6], [1e10], dtype="mixed_float16")
    raw = FeatureNormalization("feature", [1e6], [1e10])

    assert raw.compute_dtype == "float32"
    assert layer.compute_dtype == "float16", "a policy that is asked for by name is kept"
    np.testing.assert_allclose(raw(np.array([[1.1e6]], "float32")), [[1]], rtol=1e-5)


def test_before_it_saw_data_it_refuses_to_answer() -> None:
    with pytest.raises(NotAdaptedError, match=r"'table' has not seen the training data: call zoo\.adapt"):
        FeatureNormalization(name="table")(TABLE)


def test_rows_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ConfigError, match="NaN or infinity"):
        fitted(np.array([[1.0], [np.nan]]))


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_what_was_learnt_is_saved(file: str, tmp_path: Path) -> None:
    def make() -> keras.Model:
        return keras.Sequential([keras.Input((4,)), FeatureNormalization()])

    model = make()
    model.layers[0].fit([TABLE])
    if file.endswith(".keras"):
        model.save(tmp_path / file)
        loaded = keras.models.load_model(tmp_path / file)
    else:
        model.save_weights(tmp_path / file)
        loaded = make()
        loaded.load_weights(tmp_path / file)

    assert loaded.layers[0].adapted
    np.testing.assert_array_equal(loaded(TABLE), model(TABLE))


def test_that_nothing_was_learnt_is_saved_too(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((4,)), FeatureNormalization()]).save(tmp_path / "model.keras")

    assert not keras.models.load_model(tmp_path / "model.keras").layers[0].adapted
