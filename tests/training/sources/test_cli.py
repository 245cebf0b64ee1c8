import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from training.config import TrainConfig
from training.pipeline_bench import PipelineBench
from training.sources import CATALOGUE
from training.strategy import BatchPlan
from zoo.cli import main

Captured = pytest.CaptureFixture[str]


def test_the_list_has_every_data_set_and_whether_it_is_here(capsys: Captured, data_folder: Path) -> None:
    (data_folder / "sunspots").mkdir(parents=True)
    (data_folder / "sunspots" / "sunspots.csv").write_text("YEAR")
    assert main(["data", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines.keys() == CATALOGUE.keys()
    assert "installed" in lines["sklearn_digits"]
    assert "not fetched" in lines["mnist_5000"]
    assert "damaged" in lines["sunspots"]


def test_a_data_set_is_shown_with_what_one_has_to_know_before_passing_it_on(
    capsys: Captured, data_folder: Path
) -> None:
    assert main(["data", "show", "fashion_mnist_70k"]) == 0
    shown = capsys.readouterr().out
    assert "licence      MIT" in shown
    assert "Zalando SE" in shown
    assert "train 54,000, validation 3,000, calibration 3,000, test 10,000" in shown
    assert "1. apt: dataset-fashion-mnist" in shown
    assert f"{data_folder}/fashion_mnist_70k/train-images-idx3-ubyte (47,040,016 bytes) is missing" in shown


def test_what_comes_with_a_package_needs_no_fetching(capsys: Captured) -> None:
    assert main(["data", "fetch", "sklearn_wine", "pydoc_text"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sklearn_wine: comes with scikit-learn, nothing to fetch",
        "pydoc_text: comes with Python, nothing to fetch",
    ]


def test_a_folder_without_the_file_is_an_error_that_says_what_it_should_hold(capsys: Captured, tmp_path: Path) -> None:
    assert main(["data", "fetch", "sunspots", "--from", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "could not fetch sunspots.csv" in said
    assert "it holds no sunspots.csv or statsmodels-0.15.0-*.whl" in said


def test_one_that_cannot_be_fetched_keeps_no_other_from_it(capsys: Captured, tmp_path: Path) -> None:
    assert main(["data", "fetch", "sunspots", "sklearn_wine", "--from", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "could not fetch sunspots.csv" in captured.err
    assert "sklearn_wine: comes with" in captured.out


@pytest.mark.parametrize("arguments", [["fetch"], ["fetch", "--all", "sunspots"], ["fetch", "sunspot"], ["show", "x"]])
def test_misuse_is_answered_in_a_sentence(capsys: Captured, arguments: list[str]) -> None:
    assert main(["data", *arguments]) == 2
    assert capsys.readouterr().err.startswith("zoo: error: ")


def test_without_a_command_there_is_help_on_data(capsys: Captured) -> None:
    assert main(["data"]) == 2
    assert "usage: zoo data" in capsys.readouterr().err


def test_interrupted_it_ends_and_leaves_nothing_half(
    data_folder: Path, tmp_path: Path, install_program: Callable[[str, str], Path]
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    install_program("apt-get", f"printf half > dataset-fashion-mnist_1_all.deb; echo > {started}; exec sleep 600")
    program = Path(sys.executable).with_name("zoo")  # beside the Python that runs the tests, on the PATH or not
    fetching = subprocess.Popen(
        [program, "data", "fetch", "fashion_mnist_70k"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    started.read_text()  # comes when the other side has written
    fetching.send_signal(signal.SIGINT)
    output, said = fetching.communicate(timeout=60)
    assert fetching.returncode == 130
    assert "interrupted; nothing half is kept of fashion_mnist_70k" in said
    assert output == ""
    assert list(data_folder.rglob("*")) == []


def test_a_bench_says_which_is_slower_and_what_to_do(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(config: TrainConfig, *, seconds: float) -> PipelineBench:
        assert seconds == 2.5
        assert config.train.batch_size == 64
        assert (config.strategy.kind, config.strategy.replicas) == ("mirrored", 3)
        return PipelineBench(config, BatchPlan(1197, config.train.batch_size), pipeline=900, step=1000, both=750)

    monkeypatch.setattr("training.pipeline_bench.bench_pipeline", measured)

    fields = ["--set", "train.batch_size=64", "--set", "strategy.replicas=3"]
    assert main(["data", "bench", "digits_cnn", "--seconds", "2.5", *fields, "--strategy", "mirrored"]) == 0

    out = capsys.readouterr().out
    assert "1197 rows in global batches of 64" in out
    assert "750 rows/s  as in training: 25% of its time goes to the pipeline" in out
    assert "bottleneck  the pipeline\n" in out
