import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from zoo.cli import main

WriteRun = Callable[..., Path]


def test_the_list_has_a_line_per_run(write_run: WriteRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run("digits", hour=9, test=0.975)
    write_run("wine", hour=10, losses=(3.0,), status="interrupted")
    (write_run("broken", hour=11) / "metrics.jsonl").write_text("x\n")
    assert main(["runs", "--runs", str(tmp_path / "runs")]) == 0
    head, *rows, fault = capsys.readouterr().out.splitlines()
    assert head.split() == [
        "RECIPE",
        "STARTED",
        "(UTC)",
        "STATUS",
        "EPOCHS",
        "BEST",
        "VALIDATION",
        "TEST",
        "TOOK",
        "RUN",
    ]
    assert [row.split()[:4] for row in rows] == [
        ["broken", "2026-01-02", "11:00", "damaged"],
        ["wine", "2026-01-02", "10:00", "interrupted"],
        ["digits", "2026-01-02", "09:00", "finished"],
    ]
    assert rows[2].split()[4:] == [
        *("2/3", "2", "loss", "2.0000", "accuracy", "0.9750", "12", "s", "digits/20260102T090000Z-00000000"),
    ]
    assert fault.startswith(f"damaged: {tmp_path / 'runs' / 'broken'}")


def test_json_is_for_programs(write_run: WriteRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run("digits", losses=(3.0, 2.0), test=0.5)
    assert main(["runs", "--runs", str(tmp_path / "runs"), "--json"]) == 0
    [entry] = json.loads(capsys.readouterr().out)
    assert entry["folder"] == str(folder)
    assert entry["started"] == "2026-01-02T12:00:00+00:00"
    assert entry["metrics"] == {"validation": {"loss": 2.0}, "test": {"loss": 9.0, "accuracy": 0.5}}


def test_there_may_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--runs", str(tmp_path), "--recipe", "d*"]) == 0
    assert capsys.readouterr().out == f"no runs of d* in {tmp_path}\n"


def test_comparing_shows_what_differs_and_marks_the_best(
    write_run: WriteRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_run("digits", hour=1, losses=(3.0, 2.0), seed=1)
    second = write_run("digits", hour=2, losses=(3.0, 1.5), seed=2)
    picture = tmp_path / "curves.png"
    assert main(["runs", "compare", str(first), str(second), "--plot", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A  {first}  finished, 2 epochs"
    assert [line.split() for line in lines[4:6]] == [["seed", "1", "2"], ["validation.loss", "2.0000", "1.5000", "*"]]
    found = Image.open(io.BytesIO(picture.read_bytes())).convert("L")
    assert min(found.size) > 300
    assert found.getextrema()[0] < 100


@pytest.mark.parametrize("arguments", [["--plot", "curves.jpg"], []])
def test_a_mistake_is_one_line(arguments: list[str], write_run: WriteRun, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run("digits")
    if not arguments:
        (folder / "metrics.jsonl").write_text("x\n")
    assert main(["runs", "compare", str(folder), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("zoo: error: ")
    assert captured.err.count("\n") == 1


def test_listing_needs_no_tensorflow(write_run: WriteRun, tmp_path: Path) -> None:
    write_run("digits")
    call = f"main(['runs', '--runs', {str(tmp_path / 'runs')!r}])"
    heavy = "[m for m in ('tensorflow', 'keras') if m in sys.modules]"
    source = f"import sys; from zoo.cli import main; {call}; print({heavy})"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
