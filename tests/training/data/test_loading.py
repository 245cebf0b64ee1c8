from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import ArraysConfig, TableConfig, TextConfig
from training.data import Dataset, load_data
from zoo.errors import ConfigError


def write(path: Path, rows: int, *, classes: str = "ab") -> str:
    lines = [f"{i},{classes[i % len(classes)]}" for i in range(rows)]
    path.write_text("\n".join(["x,y", *lines]))
    return str(path)


def load(files: Any, **fields: Any) -> Dataset:
    return load_data(TableConfig.parse({"kind": "table", "files": files, "label": "y", **fields}))


def sizes(data: Dataset) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


def test_one_file_gives_three_splits_always_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 100)

    data = load(path, licence="CC0-1.0")

    assert sizes(data) == {"train": 80, "validation": 10, "test": 10}
    assert data.name == "t"
    assert data.class_names == ("a", "b")
    assert data.facts()["licence"] == "CC0-1.0"
    assert np.bincount(data.split("test").named_labels()[""]).tolist() == [5, 5]
    assert load(path).fingerprint == data.fingerprint
    assert load(path, split_seed=1).fingerprint != data.fingerprint


def test_of_rows_in_time_the_end_is_held_out(tmp_path: Path) -> None:
    path, shares = write(tmp_path / "t.csv", 100), {"validation": 0.1, "calibration": 0.2, "test": 0.1}

    data = load(path, in_time=True, hold_out=shares)
    assert data.in_time
    assert {name: split.named_inputs()["inputs"].ravel().tolist() for name, split in data.splits.items()} == {
        "train": [*range(60)],
        "validation": [*range(60, 70)],
        "calibration": [*range(70, 90)],
        "test": [*range(90, 100)],
    }
    np.savez(tmp_path / "a.npz", x=np.arange(10.0)[:, None], y=np.arange(10.0))
    config = {"kind": "arrays", "files": str(tmp_path / "a.npz"), "inputs": "x", "labels": "y", "in_time": True}
    arrays = load_data(ArraysConfig.parse(config))
    assert (arrays.in_time, arrays.split("test").named_labels()[""].tolist()) == (True, [9.0])
    assert not load(path).in_time
    with pytest.raises(ConfigError, match="group: of rows in the order of time the end is held out"):
        load(path, in_time=True, group="x")


def test_files_for_each_split_are_taken_as_they_are(tmp_path: Path) -> None:
    files = {"test": write(tmp_path / "test.csv", 6), "train": write(tmp_path / "train.csv", 40)}

    data = load(files)

    assert sizes(data) == {"train": 36, "test": 6, "validation": 4}
    assert data.split("test").named_inputs()["inputs"].ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_a_class_that_training_does_not_have_is_refused(tmp_path: Path) -> None:
    files = {"train": write(tmp_path / "train.csv", 40), "test": write(tmp_path / "test.csv", 6, classes="abc")}

    with pytest.raises(ConfigError, match=r"test.csv, row 3, column 'y': the class 'c' is not one to learn"):
        load(files)


def test_fewer_rows_are_from_all_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{'a' if i < 50 else 'b'}\ttext {i}\n" for i in range(100)))

    data = load_data(TextConfig.parse({"kind": "text", "files": str(path), "rows": 20}))

    assert sizes(data) == {"train": 20, "validation": 10, "test": 10}
    assert set(data.split("train").named_labels()[""].tolist()) == {0, 1}
