"""`zoo bench` as a person runs it: on a shipped artifact, on one without a passport, and misused."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.bench import cli, measuring
from serving.bench.loads import Load
from serving.bench.measuring import Measured
from serving.bench.report import to_table
from serving.bench.subject import Subject
from zoo.cli import main

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp"
QUICK = ["--seconds", "0.2", "--rounds", "2", "--concurrency", "1,4"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    shutil.copytree(WINE, tmp_path / "models" / "wine_mlp")
    return tmp_path / "models"


def test_it_serves_asks_checks_and_tells(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], install: Callable[[str, str, int], Path]
) -> None:
    install("affine2", "affine", 1)  # into the same folder, without a passport
    file = tmp_path / "bench.json"
    assert main(["bench", str(repository), *QUICK, "--rows", "2", "--json", str(file)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    for model in ("wine_mlp, serving_default by litert", "affine, serving_default by "):
        assert model in told.out
    assert "2 rows a call" in told.out
    assert "The server was up after " in told.out
    measured = json.loads(file.read_text())
    assert [(load["model"], load["in_flight"]) for load in measured["loads"]] == [
        ("affine", 1), ("affine", 4), ("wine_mlp", 1), ("wine_mlp", 4),
    ]  # fmt: skip
    for load in measured["loads"]:
        assert len(load["rounds"]) == 2
        for each in load["rounds"]:
            assert each["per_second"] > 10
            assert 0 < each["p50_ms"] <= each["p99_ms"] < 200
            assert each["client_cpu_us"] > 0
            assert (each["wrong"], each["failed"]) == (0, 0)


def test_wrong_answers_are_told_and_end_it_with_1(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Subject.of.__func__  # type: ignore[attr-defined]

    def of(kind: type[Subject], folder: Path, signature: object, rows: int) -> Subject:
        subject = make(kind, folder, signature, rows)
        return kind(subject.model, subject.signature, rows, subject.requests, subject.expected[::-1], subject.tolerance)

    monkeypatch.setattr(Subject, "of", classmethod(of))
    assert main(["bench", str(repository), *QUICK]) == 1
    assert "wrong answers, 0 failed calls: " in capsys.readouterr().out


def test_one_model_of_several_may_be_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(WINE, repository / "other")
    assert main(["bench", str(repository), *QUICK, "--model", "wine_mlp"]) == 0
    assert "other" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "wine_mpl"], "unknown model 'wine_mpl'; did you mean 'wine_mlp'?"),
        (["--signature", "predictt"], "wine_mlp has no signature 'predictt'; did you mean 'predict'?"),
        (["--serve-flag=--transport=grpcio"], "zoo bench reads the answers of the transport asyncio alone"),
        (["--serve-flag=--engin=litert"], "zoo serve ended with 2: zoo: error: unknown argument '--engin=litert'"),
    ],
)
def test_what_cannot_be_asked_is_told(
    arguments: list[str], words: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(repository), *QUICK, *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_model_that_does_not_load_is_left_out_unless_it_was_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "broken" / "1").mkdir(parents=True)
    (repository / "broken" / "1" / "saved_model.pb").write_bytes(b"no model")
    assert main(["bench", str(repository), *QUICK]) == 0
    told = capsys.readouterr()
    assert "zoo bench: broken is left out: " in told.err
    assert "wine_mlp, serving_default by " in told.out
    assert main(["bench", str(repository), *QUICK, "--model", "broken"]) == 2
    assert main(["bench", str(repository), *QUICK, "--signature", "nothing"]) == 2
    assert "none of these models can be asked" in capsys.readouterr().err


def test_what_was_measured_until_ctrl_c_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done, measure = list[Measured](), measuring.measure

    def measure_twice(*args: object, **options: object) -> Measured:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(measure(*args, **options))  # type: ignore[arg-type]
        return done[-1]

    monkeypatch.setattr(measuring, "measure", measure_twice)
    assert main(["bench", str(repository), *QUICK]) == 130
    told = capsys.readouterr()
    assert "wine_mlp, serving_default by " in told.out
    assert "interrupted; this is what was measured until then" in told.err


def test_a_folder_without_models_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(tmp_path)]) == 2
    assert f"there is no model in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "1,x", "", "-1"])
def test_a_concurrency_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--concurrency", text] if text != "-1" else ["bench", "--concurrency=-1"])
    assert ended.value.code == 2
    assert "expected a whole number, 1 to 10000" in capsys.readouterr().err


def test_the_table_has_medians_and_what_they_lie_between() -> None:
    def measured(per_second: float, cpu_us: float | None) -> Measured:
        return Measured(per_second, 1 / per_second, 2.0, cpu_us, 20.0, 0, 0, "")

    rounds = [measured(1000.0, 10.0), measured(4000.0, 30.0), measured(2000.0, 20.0)]
    lines = to_table([Load("m", "f", "litert", 8, 4, rounds), Load("m", "f", "litert", 8, 64, [measured(1.0, None)])])
    assert lines[1] == "m, f by litert; 8 rows a call"
    assert re.split(r" {2,}", lines[3])[-5:] == [
        "2,000 [1,000..4,000]", "16,000 [8,000..32,000]", "0.00", "2.00", "20 [10..30]",
    ]  # fmt: skip
    assert lines[4].split()[0] == "64"
    assert lines[4].endswith("-")


def test_progress_is_for_persons(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    cli._tell("round 1/3")  # noqa: SLF001
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    cli._tell("round 1/3")  # noqa: SLF001
    assert "round 1/3" in capsys.readouterr().err
