"""The series of statsmodels: sunspots, elnino, co2."""

import csv

import numpy as np
import pytest

from training.config import DataConfig
from training.data import Dataset, load_data
from training.datasets.co2 import fill_gaps
from training.sources import CATALOGUE, data_files


def read_csv(name: str) -> list[list[str]]:
    with data_files(CATALOGUE[name])[f"{name}.csv"].open() as file:
        return list(csv.reader(file))[1:]


def joined(data: Dataset, part: str) -> np.ndarray:
    """Return what all splits have of inputs or labels, one after the other."""
    splits = [data.split(name) for name in ("train", "validation", "calibration", "test")]
    return np.concatenate([getattr(split, part) for split in splits])


@pytest.mark.data
@pytest.mark.parametrize(("name", "steps"), [("sunspots", 22), ("elnino", 24), ("co2", 104)])
def test_splits_have_their_sizes_and_windows_their_steps(name: str, steps: int) -> None:
    data = load_data(DataConfig(name=name))
    assert {split: len(rows) for split, rows in data.splits.items()} == CATALOGUE[name].splits
    assert joined(data, "inputs").shape[1:] == (steps, 1)
    assert data.in_time
    assert data.licence.startswith("public domain")


@pytest.mark.data
def test_sunspots_are_told_in_the_order_of_years() -> None:
    numbers = [float(row[1]) for row in read_csv("sunspots")]
    data = load_data(DataConfig(name="sunspots"))
    np.testing.assert_allclose(joined(data, "labels"), numbers[22:], rtol=1e-6)
    np.testing.assert_allclose(data.split("train").named_inputs()["inputs"][0, :3, 0], [5, 11, 16])
    assert len(data.split("test")) == round(309 * 0.2)


@pytest.mark.data
def test_months_of_elnino_follow_each_other_over_the_turn_of_the_year() -> None:
    months = [float(value) for row in read_csv("elnino") for value in row[1:]]
    data = load_data(DataConfig(name="elnino"))
    np.testing.assert_allclose(joined(data, "labels"), months[24:], rtol=1e-6)
    np.testing.assert_allclose(joined(data, "inputs")[-1, :, 0], months[-25:-1], rtol=1e-6)


@pytest.mark.data
def test_changes_of_co2_lead_from_level_to_level() -> None:
    levels = [float(row[1]) if row[1] else None for row in read_csv("co2")]
    # By hand: every week from the 106th on that was measured, as was the week before it.
    wanted = [
        levels[week] - levels[week - 1]  # type: ignore[operator]
        for week in range(105, len(levels))
        if levels[week] is not None and levels[week - 1] is not None
    ]
    data = load_data(DataConfig(name="co2"))
    np.testing.assert_allclose(joined(data, "labels"), wanted, atol=1e-5)


@pytest.mark.data
def test_rows_of_a_series_come_in_the_order_of_time() -> None:
    import tensorflow_datasets as tfds

    load_data(DataConfig(name="co2"))
    times = [row["time"].decode() for row in tfds.as_numpy(tfds.load("co2", split="test"))]
    assert times == sorted(times)
    assert times[-1] == "2001-12-29"


def test_gaps_are_filled_in_a_straight_line_and_known() -> None:
    levels, measured = fill_gaps(np.array([1, np.nan, np.nan, 4, 6]))
    assert levels.tolist() == [1, 2, 3, 4, 6]
    assert measured.tolist() == [True, False, False, True, True]
