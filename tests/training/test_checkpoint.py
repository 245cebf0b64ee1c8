import resource
from pathlib import Path

import keras
import numpy as np
import pytest

from training.checkpoint import BestWeights, Checkpoints, read_checkpoints
from training.position import Position
from zoo.errors import ConfigError


@pytest.fixture
def model() -> keras.Model:
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="only")])


def kernel(model: keras.Model) -> float:
    return float(model.get_layer("only").kernel.numpy()[0, 0])


def set_kernel(model: keras.Model, value: float) -> None:
    model.get_layer("only").kernel.assign(np.array([[value]]))


def test_the_best_weights_come_back(model: keras.Model, tmp_path: Path) -> None:
    best = BestWeights(tmp_path / "best.weights.h5")
    set_kernel(model, 2.0)
    best.save(model)
    set_kernel(model, 3.0)
    best.restore(model)
    assert kernel(model) == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["best.weights.h5"]


def test_a_failed_write_leaves_the_former_weights(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = BestWeights(tmp_path / "best.weights.h5")
    set_kernel(model, 1.0)
    best.save(model)

    def write_half(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save_weights", write_half)
    with pytest.raises(OSError, match="disk full"):
        best.save(model)
    best.restore(model)
    assert kernel(model) == 1.0


def checkpoints(folder: Path, model: keras.Model, keep: int = 2) -> Checkpoints:
    return Checkpoints(folder, {"model": model.variables}, keep=keep)


def test_the_newest_state_comes_back(model: keras.Model, tmp_path: Path) -> None:
    kept = checkpoints(tmp_path, model)
    for step in (3, 20, 100):
        set_kernel(model, float(step))
        kept.save(Position(step=step, sums=[0.1, 1e300], best_value=1 / 3))
    set_kernel(model, -1.0)

    position = kept.restore()

    assert position == Position(step=100, sums=[0.1, 1e300], best_value=1 / 3)
    assert kernel(model) == 100.0
    assert len(list(tmp_path.iterdir())) == 2, "older ones are removed"


def test_where_nothing_was_saved_there_is_nothing(model: keras.Model, tmp_path: Path) -> None:
    assert checkpoints(tmp_path / "none", model).restore() is None


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "other"])
def test_a_damaged_state_is_passed_over_with_a_warning(
    model: keras.Model, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    kept = checkpoints(tmp_path, model)
    set_kernel(model, 1.0)
    kept.save(Position(step=1))
    set_kernel(model, 2.0)
    path = kept.save(Position(step=2))
    whole = path.read_bytes()
    at = whole.index(np.float32(2.0).tobytes())
    path.write_bytes(
        {
            "truncated": whole[:-40],
            "flipped": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
            "empty": b"",
            "other": b"PK\x03\x04 not really",
        }[damage]
    )

    position = kept.restore()

    assert position is not None
    assert (position.step, kernel(model)) == (1, 1.0)
    assert "step-000000002.npz is damaged" in caplog.text


def test_no_bit_can_change_unseen(model: keras.Model, tmp_path: Path) -> None:
    kept = checkpoints(tmp_path, model)
    path = kept.save(Position(step=1))
    assert path is not None
    whole = path.read_bytes()
    bits = np.random.default_rng(0).choice(8 * len(whole), size=200, replace=False)
    for at, bit in (divmod(int(number), 8) for number in bits):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        assert kept.restore() is None, f"bit {bit} of byte {at}"
    path.write_bytes(whole)
    assert kept.restore() == Position(step=1)


def test_a_state_is_a_numpy_archive(model: keras.Model, tmp_path: Path) -> None:
    set_kernel(model, 2.5)
    path = checkpoints(tmp_path, model).save(Position(step=1))
    with np.load(path) as arrays:
        assert arrays["model/0000"] == [[2.5]]


def test_a_damaged_state_is_not_kept_in_place_of_a_whole_one(model: keras.Model, tmp_path: Path) -> None:
    kept = checkpoints(tmp_path, model, keep=1)
    whole = kept.save(Position(step=1))
    (tmp_path / "step-000000009.npz").write_bytes(b"half")
    kept.restore()
    newer = kept.save(Position(step=2))
    assert list(tmp_path.iterdir()) == [newer] != [whole]
    assert kept.restore() == Position(step=2)


def test_a_write_that_stops_half_way_leaves_the_former_states(
    model: keras.Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = checkpoints(tmp_path, model)
    kept.save(Position(step=1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))  # the system lets no file grow further
    try:
        written = kept.save(Position(step=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert written is None
    assert "no checkpoint was written at step 2 ([Errno 27] File too large)" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.npz"]
    assert kept.restore() == Position(step=1)


def test_states_can_be_read_without_a_model(model: keras.Model, tmp_path: Path) -> None:
    kept = checkpoints(tmp_path, model)
    for step in (1, 2):
        set_kernel(model, float(step))
        kept.save(Position(step=step))
    (tmp_path / "step-000000009.npz").write_bytes(b"half")
    assert [float(state["model/0000"][0, 0]) for state in read_checkpoints(tmp_path)] == [1.0, 2.0]


def test_a_state_of_another_model_is_refused_by_name(model: keras.Model, tmp_path: Path) -> None:
    checkpoints(tmp_path, model).save(Position(step=1))
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ConfigError, match=r"another model or optimizer: model/0000 is \(1, 1\), expected \(2, 1\)"):
        checkpoints(tmp_path, other).restore()


def test_a_failed_write_leaves_the_former_states(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = checkpoints(tmp_path, model)
    set_kernel(model, 1.0)
    kept.save(Position(step=1))

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    assert kept.save(Position(step=2)) is None
    assert "no checkpoint was written at step 2 (disk full): the newest is still step-000000001.npz" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.npz"]
    position = kept.restore()
    assert position is not None
    assert position.step == 1
