"""A run that was killed, whenever it was, ends with the bits of one that was not."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.resume.experiments import EXPERIMENTS
from tests.training.resume.outcome import only_run, outcome

ROOT = Path(__file__).parents[3]
KILLED = -9


def start(experiment: str, runs: Path, *moment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.training.resume.worker", experiment, str(runs), *moment],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors[-3000:]


def kill_after_steps(process: "subprocess.Popen[str]", calls: int) -> None:
    """Kill from outside, at whatever it does a moment after it told of so many calls."""
    assert process.stdout is not None
    told = 0
    for line in process.stdout:
        told += line.startswith("step ")
        if told == calls:
            break
    process.kill()
    process.communicate()
    assert process.returncode == KILLED, "it was still training"


def die_in(moment: str, experiment: str, runs: Path, number: int) -> None:
    process = start(experiment, runs, moment, str(number))
    _, errors = process.communicate(timeout=280)
    assert process.returncode == KILLED, errors[-3000:]


def moments(experiment: str) -> list[tuple[str, int]]:
    """Return when to kill an experiment: twelve calls of two steps in six epochs, so much the same every time."""
    drawn = random.Random(experiment)  # noqa: S311 - anything will do that is the same every time
    chosen = {
        "averaged mlp": [("checkpoint", drawn.randint(2, 5)), ("evaluation", drawn.randint(1, 2))],
        "cnn": [("outside", drawn.randint(1, 6)), ("best", 1)],
        "gru": [("outside", drawn.randint(1, 6)), ("log", 5)],
    }
    return chosen.get(experiment, [("outside", drawn.randint(1, 11))])


@pytest.fixture(
    params=[
        pytest.param(
            each, marks=pytest.mark.exhaustive if each in {"gru", "averaged mlp", "float16 mlp", "mirrored mlp"} else ()
        )
        for each in EXPERIMENTS
    ]
)
def experiment(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_run_ends_as_one_that_was_not(experiment: str, tmp_path: Path) -> None:
    whole = start(experiment, tmp_path / "whole")
    for moment, number in moments(experiment):
        if moment == "outside":
            kill_after_steps(start(experiment, tmp_path / "killed"), number)
        else:
            die_in(moment, experiment, tmp_path / "killed", number)
        assert only_run(tmp_path / "killed").status == "unfinished"
    finish(start(experiment, tmp_path / "killed"))
    finish(whole)
    assert outcome(only_run(tmp_path / "killed")) == outcome(only_run(tmp_path / "whole"))
