import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from training import Dataset, Run
from zoo.cli import main

MakeRun = Callable[[str], tuple[Run, Dataset]]


def test_it_writes_both_files_again_and_says_where(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = make_run("classes")
    folder = tmp_path / "classes" / "1"
    shutil.copytree(run.folder, folder)
    assert main(["report", str(tmp_path / "classes")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [f"report     {folder / 'report.html'}", f"picture    {folder / 'report.png'}"]
    assert (folder / "report.png").stat().st_size > 10_000


def test_a_run_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.startswith("zoo: error: there is no run in")


def test_a_run_without_weights_says_what_is_missing(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = make_run("classes")
    folder = tmp_path / "classes" / "1"
    shutil.copytree(run.folder, folder)
    (folder / "best.weights.h5").unlink()
    assert main(["report", str(folder)]) == 0
    assert f"note       There are no predictions in this report: {folder} has no best" in capsys.readouterr().out
    (folder / "metrics.jsonl").unlink()
    assert main(["report", str(folder)]) == 2
    assert "there is nothing to report" in capsys.readouterr().err
