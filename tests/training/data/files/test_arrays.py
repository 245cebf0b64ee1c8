from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import ArraysConfig
from training.data import Split, load_data
from training.data.files.arrays import read_arrays
from zoo.errors import ConfigError, UnknownNameError

X, Y, W = np.arange(12, dtype="float32").reshape(6, 2), np.arange(6) % 2, np.arange(6) / 2


def read(path: Path, **fields: Any) -> Split:
    config = ArraysConfig.parse({"kind": "arrays", "files": str(path), "inputs": "x", "labels": "y", **fields})
    return read_arrays(config, str(path), None).split


def test_a_file_and_a_folder_give_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y, w=W)
    for name, array in {"x": X, "y": Y, "w": W}.items():
        np.save(tmp_path / name, array)

    for path in (tmp_path / "a.npz", tmp_path):
        split = read(path, inputs={"one": "x", "two": "w"}, weights="w")
        np.testing.assert_array_equal(split.named_inputs()["one"], X)
        np.testing.assert_array_equal(split.named_inputs()["two"], W)
        np.testing.assert_array_equal(split.named_labels()[""], Y)
        assert split.weights is not None
        np.testing.assert_array_equal(split.weights, W)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_has_its_place_in_the_file(tmp_path: Path, value: float) -> None:
    x = X.copy()
    x[4, 1] = value
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    config = {"kind": "arrays", "files": str(tmp_path / "a.npz"), "inputs": "x", "labels": "y"}
    with pytest.raises(
        ConfigError, match=r"a\.npz: the array 'x' holds NaN or infinity in 1 of 6 rows, first in x\[4\]"
    ):
        load_data(ArraysConfig.parse({**config, "hold_out": {"validation": 0.5}}))


def test_one_file_may_hold_several_splits(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2])
    config = {"kind": "arrays", "files": str(tmp_path / "a.npz"), "inputs": "x_{split}", "labels": "y_{split}"}

    data = load_data(ArraysConfig.parse({**config, "hold_out": {"validation": 0.34}}))

    assert {name: len(split) for name, split in data.splits.items()} == {"train": 4, "test": 2, "validation": 2}


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y, short=Y[:3], one=np.float32(1))
    with pytest.raises(UnknownNameError, match=r"a.npz has no array 'z'; did.* known: one, short, x, y|known: one"):
        read(path, labels="z")
    with pytest.raises(ConfigError, match=r"a.npz: 6 rows of inputs, but 3 labels"):
        read(path, labels="short")
    with pytest.raises(ConfigError, match=r"the array 'one' is the one value"):
        read(path, labels="one")
    np.savez(tmp_path / "objects.npz", x=X, y=np.array([{}] * 6, object))
    with pytest.raises(ConfigError, match=r"objects.npz holds Python objects, which may run code"):
        read(tmp_path / "objects.npz")
    np.save(tmp_path / "alone.npy", X)
    with pytest.raises(ConfigError, match=r"alone.npy holds one array alone"):
        read(tmp_path / "alone.npy")
    with pytest.raises(UnknownNameError, match=r"has no array 'x' \(x.npy\); .*known: alone"):
        read(tmp_path)


@pytest.mark.parametrize("kept", [0, 10, 300, -30])
def test_a_cut_off_file_is_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ConfigError, match=r"a\.npz"):
        read(path)


def test_a_damaged_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    at = content.index(X.tobytes())
    content[at + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"a.npz is damaged \(Bad CRC-32"):
        read(path)
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-4])
    with pytest.raises(ConfigError, match=r"x\.npy is damaged"):
        read(tmp_path)
