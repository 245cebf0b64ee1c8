from collections.abc import Callable
from pathlib import Path

import pytest

from training.runs.catalogue import find_runs, in_order
from zoo.errors import UnknownNameError

WriteRun = Callable[..., Path]


def test_runs_are_found_below_the_folder_of_all_or_of_one_recipe(write_run: WriteRun, tmp_path: Path) -> None:
    first, second = write_run("digits_cnn"), write_run("wine")
    assert {entry.folder for entry in find_runs(tmp_path / "runs")} == {first, second}
    assert {entry.folder for entry in find_runs(tmp_path / "runs", recipe="digits*")} == {first}
    assert {entry.folder for entry in find_runs(tmp_path / "runs" / "wine")} == {second}


def test_a_folder_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="there is no folder"):
        find_runs(tmp_path / "runs")


def test_a_damaged_run_does_not_hide_the_others(write_run: WriteRun, tmp_path: Path) -> None:
    write_run("digits")
    (write_run("wine") / "config.yaml").unlink()
    assert sorted(entry.status for entry in find_runs(tmp_path / "runs")) == ["damaged", "finished"]


@pytest.mark.parametrize(
    ("key", "backwards", "order"),
    [
        ("started", False, ["c", "b", "a"]),
        ("started", True, ["a", "b", "c"]),
        ("recipe", False, ["a", "b", "c"]),
        ("seconds", False, ["b", "c", "a"]),
        ("validation.loss", False, ["c", "a", "b"]),
        ("validation.loss", True, ["b", "a", "c"]),
        ("test.accuracy", False, ["b", "a", "c"]),
    ],
)
def test_the_best_comes_first_and_what_is_unknown_last(
    key: str,
    backwards: bool,  # noqa: FBT001
    order: list[str],
    write_run: WriteRun,
    tmp_path: Path,
) -> None:
    write_run("a", hour=1, losses=(3.0, 2.0), test=0.5, seed=9)
    write_run("b", hour=2, losses=(5.0, 4.0), test=0.9, seed=1)
    write_run("c", hour=3, losses=(1.0,), seed=2)
    assert [entry.recipe for entry in in_order(find_runs(tmp_path / "runs"), key, backwards=backwards)] == order


def test_a_key_that_no_run_has_is_refused_with_the_nearest(write_run: WriteRun, tmp_path: Path) -> None:
    write_run("a", test=0.5)
    with pytest.raises(UnknownNameError, match=r"did you mean 'test.accuracy'\?"):
        in_order(find_runs(tmp_path / "runs"), "test.acuracy")
