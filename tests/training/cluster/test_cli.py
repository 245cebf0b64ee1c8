"""`zoo launch` and `zoo train --cluster`, each time in processes of their own."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import training
from training.cluster.addresses import free_addresses
from training.cluster.cli import launch_command
from zoo.cli import main

RECIPE = """\
name: small
seed: 3
data: {name: sklearn_digits, rows: 300}
model:
  architecture: mlp
  input_shape: [8, 8, 1]
  units: [16]
  regularization: {dropout: 0.2}
  head: {kind: softmax, units: 10}
optimizer: {name: adam, learning_rate: 0.0003, ema: 0.9}
train: {epochs: 3, batch_size: 64, steps_per_call: 2, deterministic: true}
strategy: {kind: multi_worker, timeout: 60}
export: {repository: models}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


def start(*words: str, folder: Path) -> "subprocess.Popen[str]":
    source = "import sys; from zoo.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", source, *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=200)
    return process.returncode, output, errors


def only_run(folder: Path) -> training.Run:
    [config] = (folder / "runs" / "small").glob("*/config.yaml")
    return training.Run.load(config.parent)


def weights(run: training.Run) -> list[np.ndarray]:
    return [variable.numpy() for variable in run.model().trainable_variables]


def test_two_processes_train_what_one_does(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    no_dropout = ["--set", "model.regularization.dropout=0"]
    alone = ["--strategy", "one_device", "--no-report", "--no-export", *no_dropout]
    one = start("train", str(recipe), *alone, folder=tmp_path / "one")
    code, output, errors = finish(start("launch", "--", "zoo", "train", str(recipe), *no_dropout, folder=tmp_path))
    assert code == 0, errors
    assert errors == ""
    assert "300 rows in global batches of 64 over 2 replicas (32 each), 5 steps per epoch" in output
    assert sum(line.startswith("epoch") for line in output.splitlines()) == 3, "only the chief talks"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "one", "runs", "small.yaml"]
    versions = [path.name for path in (tmp_path / "models" / "small").iterdir() if path.is_dir()]
    assert versions == ["1"], "only the chief exports"
    assert finish(one)[0] == 0
    apart, together = only_run(tmp_path / "one"), only_run(tmp_path)
    for split, metrics in apart.metrics.items():
        assert together.metrics[split] == pytest.approx(metrics, rel=1e-6, abs=1e-6)
    for expected, got in zip(weights(apart), weights(together), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


LONGER = ["--set", "train.epochs=24", "--set", "train.checkpoint_seconds=0.2", "--no-export", "--no-report"]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> training.Run:
    """The run of a job that nobody disturbs."""
    folder = tmp_path_factory.mktemp("calm")
    (folder / "small.yaml").write_text(RECIPE)
    assert finish(start("launch", "--", "train", "small.yaml", *LONGER, folder=folder))[0] == 0
    return only_run(folder)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [pytest.param(0, marks=pytest.mark.exhaustive), 1])
def test_a_killed_worker_costs_nothing_but_time(recipe: Path, tmp_path: Path, calm: training.Run, killed: int) -> None:
    """Whenever it is killed, the weights are, bit for bit, those of a job that nobody disturbed."""
    job = start("launch", "--", "train", str(recipe), *LONGER, folder=tmp_path)
    assert job.stdout is not None
    epoch = f"epoch {int(np.random.default_rng().integers(2, 20)):>2}/"
    assert any(line.startswith(epoch) for line in job.stdout)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(children[killed]), signal.SIGKILL)
    code, output, errors = finish(job)
    assert code == 0, errors
    assert "was killed by SIGKILL: ending the others" in errors
    assert "resumed  at step " in output
    disturbed = only_run(tmp_path)
    assert disturbed.metrics == calm.metrics
    assert [epoch["metrics"] for epoch in disturbed.history] == [epoch["metrics"] for epoch in calm.history]
    for expected, got in zip(weights(calm), weights(disturbed), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.slow
def test_sigterm_at_one_worker_saves_and_stops_all(recipe: Path, tmp_path: Path) -> None:
    job = start("launch", "--", "train", str(recipe), "--set", "train.epochs=100000", folder=tmp_path)
    assert job.stdout is not None
    assert any(line.startswith("epoch") for line in job.stdout)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGTERM)
    code, _, errors = finish(job)
    assert code == 128 + signal.SIGTERM
    assert "give the same command again, with --resume" in errors
    assert only_run(tmp_path).status == "interrupted"
    assert list((only_run(tmp_path).folder / "checkpoints").glob("step-*.npz"))


def test_workers_with_different_recipes_refuse(recipe: Path, tmp_path: Path) -> None:
    cluster = ["--cluster", ",".join(free_addresses(2))]
    chief = start("train", str(recipe), *cluster, "--task", "0", folder=tmp_path)
    other = start("train", str(recipe), *cluster, "--task", "1", "--seed", "4", folder=tmp_path)
    for code, output, errors in map(finish, (chief, other)):
        assert (code, output) == (2, "")
        assert "differs from the chief in config.seed (4, the chief has 3)" in errors
        assert errors.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_what_no_worker_can_do_is_said_once(recipe: Path, tmp_path: Path) -> None:
    job = start("launch", "--", "train", str(recipe), "--set", "data.name=nothing", folder=tmp_path)
    code, output, errors = finish(job)
    assert (code, output) == (2, "")
    assert errors.count("unknown data set 'nothing'") == 1


def test_a_missing_worker_is_named(recipe: Path, tmp_path: Path) -> None:
    addresses = free_addresses(2)
    cluster = ["--cluster", ",".join(addresses), "--task", "0"]
    timeout = ["--set", "strategy.timeout=1"]
    code, _, errors = finish(start("train", str(recipe), *cluster, *timeout, folder=tmp_path))
    assert code == 2
    assert errors.startswith(f"zoo: error: the worker at {addresses[1]} did not come to the chief")
    assert "within 1 s" in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["launch"], "what to launch?"),
        (["launch", "--", "serve"], "expected `zoo train ...` after --"),
        (["launch", "--", "train", "wine_mlp", "--folds=3"], "give `zoo train ... --folds` alone"),
        (["launch", "--", "train", "wine_mlp", "--task", "0"], "leave --task out"),
        (["train", "digits_cnn", "--task", "0"], "give --cluster"),
        (["train", "digits_cnn", "--cluster", "a:1,b:2"], "--task 0 to 1"),
        (["train", "digits_cnn", "--cluster", "a,b:2", "--task", "0"], "'a' is not the address of a worker"),
        (["train", "digits_cnn", "--strategy", "multi_worker"], "zoo launch --processes 2"),
        (["train", "digits_cnn", "--strategy", "parameter_server"], "zoo launch --processes 2 --parameter-servers 1"),
        (
            ["train", "digits_cnn", "--strategy", "parameter_server", "--cluster", "a:1,b:2", "--task", "0"],
            "no parameter servers (ps)",
        ),
        (
            ["train", "digits_cnn", "--strategy", "mirrored", "--cluster", "a:1,b:2", "--task", "0"],
            "choose strategy: multi_worker",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert main(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_launch_describes_itself() -> None:
    parser = argparse.ArgumentParser()
    launch_command(parser)
    assert "examples:" in (parser.epilog or "")
    assert callable(parser.get_default("run"))
