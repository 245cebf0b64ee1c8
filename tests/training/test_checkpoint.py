from pathlib import Path

import keras
import numpy as np
import pytest

from training.checkpoint import BestWeights


@pytest.fixture
def model() -> keras.Model:
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="only")])


def kernel(model: keras.Model) -> float:
    return float(model.get_layer("only").kernel.numpy()[0, 0])


def set_kernel(model: keras.Model, value: float) -> None:
    model.get_layer("only").kernel.assign(np.array([[value]]))


def test_the_best_weights_come_back(model: keras.Model, tmp_path: Path) -> None:
    best = BestWeights(tmp_path / "best.weights.h5", "accuracy")
    accepted = []
    for epoch, accuracy in enumerate([0.5, 0.9, 0.7, float("nan"), 0.9], start=1):
        set_kernel(model, float(epoch))
        accepted.append(best.offer(model, epoch, accuracy))
    assert accepted == [True, True, False, False, False]
    best.restore(model)
    assert (kernel(model), best.epoch, best.value) == (2.0, 2, 0.9)


def test_nothing_but_the_whole_file_is_left(model: keras.Model, tmp_path: Path) -> None:
    best = BestWeights(tmp_path / "best.weights.h5", "loss")
    best.offer(model, 1, 2.0)
    best.offer(model, 2, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["best.weights.h5"]


def test_a_failed_write_leaves_the_former_weights(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = BestWeights(tmp_path / "best.weights.h5", "loss")
    set_kernel(model, 1.0)
    best.offer(model, 1, 2.0)

    def write_half(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save_weights", write_half)
    with pytest.raises(OSError, match="disk full"):
        best.offer(model, 2, 1.0)
    best.restore(model)
    assert (kernel(model), best.epoch) == (1.0, 1)


def test_keep_saves_only_where_nothing_is(model: keras.Model, tmp_path: Path) -> None:
    best = BestWeights(tmp_path / "best.weights.h5", "loss")
    set_kernel(model, 1.0)
    best.keep(model, epoch=0)
    set_kernel(model, 2.0)
    best.keep(model, epoch=1)
    best.restore(model)
    assert kernel(model) == 1.0
