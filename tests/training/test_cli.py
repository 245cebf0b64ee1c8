"""The command line, each time in a fresh process, as a person starts it."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from training import list_recipes
from training.cli import evaluate_command, main, train_command


def start(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_quick_trains_exports_and_says_what_is_next(tmp_path: Path) -> None:
    done = start(
        "digits_cnn", "--quick", "--repository", "saved_models", "--set", "model.filters=[4,4]", folder=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, ""), "and TensorFlow says nothing"
    [run] = (tmp_path / "runs" / "digits_cnn").iterdir()
    lines = done.stdout.splitlines()
    assert lines[0].startswith("data     sklearn_digits 1.0.0: train 512, validation 150")
    assert lines[2] == "batches  512 rows in global batches of 32, 16 steps per epoch"
    assert sum(line.startswith("epoch") for line in lines) == 5
    assert f"run        {run.relative_to(tmp_path)}" in lines
    assert f"report     {run.relative_to(tmp_path)}/report.html" in lines
    assert (run / "report.png").exists()
    assert "model      saved_models/digits_cnn/1" in lines
    assert "next       zoo serve" in lines
    assert zoo.verify(tmp_path / "saved_models" / "digits_cnn").ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digit_cnn"], "zoo: error: unknown recipe 'digit_cnn'; did you mean 'digits_cnn'?"),
        (["digits_cnn", "--set", "model.filtres=[4]"], "unknown field 'filtres'; did you mean 'filters'?"),
        (["digits_cnn", "--set", "model.filters"], "an override is path=value"),
        (["digits_cnn", "--set", "train.epochs=many"], "train.epochs"),
        (["digits_cnn", "--strategy", "mirored"], "strategy.kind"),
        (["digits_cnn", "--strategy", "mirrored", "--set", "strategy.replicas=0"], "strategy.replicas"),
        (
            ["digits_cnn", "--set", "strategy.replicas=3", "--strategy", "one_device"],
            "replicas belongs to kind 'mirrored'",
        ),
        (["digits_cnn", "--folds", "1"], "expected 2 to 174 folds, got 1"),
        (["digits_cnn", "--folds", "5", "--repository", "models"], "--folds exports nothing"),
        (["digits_cnn", "--folds", "5", "--strategy", "mirrored"], "on one device, but strategy is mirrored"),
        ([], "which recipe?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_list_names_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_recipes()
    assert any(line.split(maxsplit=1) == ["digits_cnn", FIRST_LINE] for line in lines)


FIRST_LINE = "A small CNN with batch normalization on 8x8 handwritten digits."


@pytest.mark.parametrize("command", [train_command, evaluate_command])
def test_a_command_describes_itself(command: object) -> None:
    parser = argparse.ArgumentParser()
    command(parser)  # type: ignore[operator]
    assert command.__doc__
    assert parser.description
    assert "examples:" in (parser.epilog or "")
    assert callable(parser.get_default("run"))


def test_the_command_line_is_light_to_import() -> None:
    source = "import sys, training.cli; print([m for m in ('tensorflow', 'keras', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_train_is_the_function_whatever_is_imported_first() -> None:
    source = "import training.experiment, training.cli, training as t; print(callable(t.train), callable(t.evaluate))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


def test_ctrl_c_ends_with_130_and_names_the_folder(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "training",
        "digits_cnn",
        "--set",
        "train.epochs=100000",
        "--set",
        "model.filters=[4]",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            if line.startswith("epoch"):
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate(timeout=60)
    [run] = (tmp_path / "runs" / "digits_cnn").iterdir()
    assert process.returncode == 130
    assert str(run.relative_to(tmp_path)) in errors
    assert "Traceback" not in errors
    assert (run / "best.weights.h5").exists()


DIVERGING = ["--set", "optimizer.learning_rate=1e38", "--set", "optimizer.name=sgd", "--set", "model.activation=linear",
             "--set", "optimizer.schedule=constant"]  # fmt: skip


def test_a_diverged_run_goes_back_says_so_and_ends_without_an_export(tmp_path: Path) -> None:
    fields = ["--set", "model.regularization.normalization=null", "--set", "model.filters=[4]"]
    done = start("digits_cnn", "--quick", "--repository", "saved_models", *DIVERGING, *fields, folder=tmp_path)
    assert done.returncode == 2
    [last] = done.stderr.splitlines()
    steep, first, second = (line for line in done.stdout.splitlines() if line.startswith("warning"))
    assert steep.startswith("warning: gradients explode: a step at the learning rate 1e+38 changes ")
    assert first.startswith("warning: the loss of epoch 1 is ")
    assert first.endswith("back to step 0, learning rate 5e+37 in place of 1e+38 (try 1 of 2)")
    assert second.endswith("(try 2 of 2)")
    assert last.startswith("zoo: error: training diverged: the loss of epoch 1 is ")
    assert "after 2 tries with lower rates: lower optimizer.learning_rate (it is 1e+38)" in last
    assert len(list((tmp_path / "runs" / "digits_cnn").iterdir())) == 1
    assert not (tmp_path / "saved_models").exists()
