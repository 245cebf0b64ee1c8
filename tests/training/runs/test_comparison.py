import math
from collections.abc import Callable
from pathlib import Path

from training.runs.comparison import best_of, compare_metrics, differing_fields, flatten
from training.runs.entry import read_entry

WriteRun = Callable[..., Path]


def test_only_fields_that_differ_are_told_of(write_run: WriteRun) -> None:
    entries = [read_entry(write_run("a", hour=h, seed=h, units=u)) for h, u in ((1, "[4]"), (2, "[4, 8]"))]
    assert differing_fields(entries) == {"seed": ["1", "2"], "model.units": ["[4]", "[4, 8]"]}


def test_a_field_that_one_config_lacks_is_a_dash() -> None:
    assert flatten({"a": {"b": 1, "c": None}, "d": {}, "e": [1]}) == {"a.b": "1", "a.c": "null", "d": "{}", "e": "[1]"}


def test_metrics_stand_side_by_side(write_run: WriteRun) -> None:
    entries = [read_entry(write_run("a", hour=1, test=0.5)), read_entry(write_run("a", hour=2))]
    found = compare_metrics(entries)
    assert found["validation.loss"] == [2.0, 2.0]
    assert found["test.accuracy"][0] == 0.5
    assert math.isnan(found["test.accuracy"][1])


def test_the_best_is_the_lowest_loss_and_the_highest_accuracy() -> None:
    assert best_of("test.loss", [3.0, math.nan, 2.0]) == 2
    assert best_of("test.kind_accuracy", [0.3, 0.4, math.nan]) == 1
    assert best_of("test.age_mae", [0.3, 0.4]) == 0
    assert best_of("test.loss", [1.0, 1.0]) is None
    assert best_of("test.loss", [math.nan, math.nan]) is None
