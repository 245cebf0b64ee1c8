from typing import Any

import numpy as np
import pytest

from zoo.errors import ExportError
from zoo.variants.rows import choose_rows

GOLDEN = {"x": np.arange(8, dtype="float32")}


def test_the_compared_rows_come_in_batches_of_several_sizes_and_none_is_lost() -> None:
    rows = choose_rows(GOLDEN, np.arange(400.0))
    parts = [batch["x"] for batch in rows.batches()]
    assert [len(part) for part in parts] == [1, 2, 7, *[32] * 7, 22]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(256, dtype="float32"))


def test_calibration_takes_other_rows_where_there_are_enough() -> None:
    calibrating = choose_rows(GOLDEN, {"x": np.arange(400.0)}).calibrating
    assert calibrating is not None
    np.testing.assert_array_equal(calibrating["x"], np.arange(256, 384, dtype="float32"))
    few = choose_rows(GOLDEN, np.arange(10.0)).calibrating
    assert few is not None
    assert len(few["x"]) == 10


def test_rows_to_calibrate_on_are_taken_from_all_over_what_is_given() -> None:
    calibrating = choose_rows(GOLDEN, np.arange(400.0), np.arange(1000.0)).calibrating
    assert calibrating is not None
    assert (calibrating["x"][0], calibrating["x"][-1], len(calibrating["x"])) == (0, 999, 128)
    assert set(np.diff(calibrating["x"])) == {7, 8}
    few = choose_rows(GOLDEN, None, {"x": np.arange(3.0)}).calibrating
    assert few is not None
    np.testing.assert_array_equal(few["x"], [0, 1, 2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 2)), r"rows of 'x': expected shape \(rows\) .*, got \(5, 2\)"),
        ({"y": np.zeros(5)}, "rows of 'x': .* got none"),
        (np.zeros(0), r"with a row at least, got \(0,\)"),
    ],
)
def test_rows_to_calibrate_on_that_do_not_fit_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        choose_rows(GOLDEN, None, given)


def test_rows_that_were_made_up_calibrate_nothing() -> None:
    rows = choose_rows(GOLDEN, None)
    assert rows.calibrating is None
    assert [len(batch["x"]) for batch in rows.batches()] == [1, 2, 5]
