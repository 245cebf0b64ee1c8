import numpy as np

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


def test_rows_that_were_made_up_calibrate_nothing() -> None:
    rows = choose_rows(GOLDEN, None)
    assert rows.calibrating is None
    assert [len(batch["x"]) for batch in rows.batches()] == [1, 2, 5]
