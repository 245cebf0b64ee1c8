import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from training.config import DataConfig
from training.data import load_data
from zoo.errors import DataError


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def truncate_between_rows(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)  # rows of this data set are of one length


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    load_data(DataConfig(name="sklearn_wine", directory=str(folder)))
    return folder


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (truncate, "is truncated"),
        (truncate_between_rows, "is truncated: 20 of 40 rows"),
        (flip_a_byte, "is corrupt"),
        (Path.unlink, "is missing"),
    ],
)
def test_a_damaged_file_of_records_is_named_with_its_remedy(
    prepared: Path, tmp_path: Path, damage: Callable[[Path], None], fault: str
) -> None:
    folder = tmp_path / "tfds"
    shutil.copytree(prepared, folder)
    (path,) = folder.rglob("sklearn_wine-test.tfrecord*")
    damage(path)
    config = DataConfig(name="sklearn_wine", directory=str(folder))
    with pytest.raises(DataError) as raised:
        load_data(config)
    assert str(raised.value) == (f"{path} {fault}; delete the folder {path.parent}, and the data set is prepared anew")
    shutil.rmtree(path.parent)
    assert len(load_data(config).split("test")) == 40


def test_damaged_facts_of_a_data_set_are_named(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tfds"
    shutil.copytree(prepared, folder)
    (path,) = folder.rglob("dataset_info.json")
    truncate(path)
    with pytest.raises(DataError, match=r"dataset_info\.json of the prepared data set 'sklearn_wine' is corrupt"):
        load_data(DataConfig(name="sklearn_wine", directory=str(folder)))
