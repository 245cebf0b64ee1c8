import numpy as np
import pytest

from training import Split
from training.data import statistics
from training.data.statistics import statistics_of


def test_features_are_told_apart_whatever_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).normal(loc=[1e6, -3.0, 0.0], scale=[0.01, 2.0, 1e-6], size=(1000, 3))
    expected = [rows.min(0), rows.max(0), rows.mean(0), rows.std(0)]
    for chunk in (3, 100, 10**6):
        monkeypatch.setattr(statistics, "_CHUNK", chunk)
        found = statistics_of(Split(rows, np.zeros(1000)))["inputs"]
        for got, wanted in zip((found.minimum, found.maximum, found.mean, found.deviation), expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9)
        assert (found.rows, found.distinct) == (1000, None)


def test_steps_have_their_features_and_images_one_set_of_numbers() -> None:
    random = np.random.default_rng(2)
    images = random.integers(256, size=(20, 4, 4, 3), dtype=np.uint8)
    steps = random.normal(size=(20, 7, 2)).astype("float32")
    found = statistics_of(Split({"image": images, "steps": steps}, np.zeros(20)))
    assert found["image"].mean == pytest.approx((images.mean(),))
    assert found["image"].deviation == pytest.approx((images.std(),))
    assert (found["image"].minimum, found["image"].maximum) == ((images.min(),), (images.max(),))
    assert found["steps"].mean == pytest.approx(tuple(steps.reshape(-1, 2).mean(axis=0)), rel=1e-4)
    assert len(statistics_of(Split(np.zeros((2, 65)), np.zeros(2)))["inputs"].mean) == 1


def test_strings_and_ids_are_counted_once_each() -> None:
    words = np.array([[b"a"], [b"b"], [b"a"]], object)
    ids = np.array([[1, 2], [2, 2], [9, 1]], np.int32)
    found = statistics_of(Split({"words": words, "ids": ids}, np.zeros(3)))
    assert (found["words"].distinct, found["words"].mean, found["words"].rows) == (2, (), 3)
    assert (found["ids"].distinct, found["ids"].maximum) == (3, (9, 2))


def test_what_is_not_finite_is_left_out() -> None:
    rows = np.array([[1.0, np.nan], [np.inf, np.nan], [3.0, np.nan]])
    found = statistics_of(Split(rows, np.zeros(3)))["inputs"]
    assert found.mean == (2, 0)
    assert found.deviation == (1, 0)
