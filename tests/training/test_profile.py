from pathlib import Path

import pytest

import training
from training import Dataset, TrainConfig
from training.profile import Profile, TimeSpent, read_trace
from zoo.errors import ConfigError


def test_a_table_adds_up_to_the_wall_time() -> None:
    spent = TimeSpent(wall=2.0, steps=100, train=1.0, waiting=0.25, evaluate=0.5)
    spent.ops |= {"MatMul": 3.0, "Relu": 1.0}
    lines = [line.split() for line in spent.table().splitlines()]
    assert lines[0] == ["profile", "of", "100", "steps,", "10.00", "ms", "each"]
    assert [line[-2:] for line in lines[2:6]] == [
        ["0.750", "37.5%"],
        ["0.250", "12.5%"],
        ["0.500", "25.0%"],
        ["0.500", "25.0%"],
    ]
    assert ["MatMul", "3.000", "75.0%"] in lines


def test_a_run_is_profiled_after_its_first_call(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    profile = Profile(6)
    config = blobs_config.model_copy(update={"train": blobs_config.train.model_copy(update={"epochs": 4})})
    run = training.train(config, data=blobs, runs=tmp_path, callbacks=[profile])
    assert profile.spent is not None
    assert profile.spent.steps == 8, "whole calls, of 4 steps each"
    assert 0 < profile.spent.train < profile.spent.wall
    assert 0 <= profile.spent.waiting < profile.spent.train
    assert any("MatMul" in kind for kind in profile.spent.ops)
    assert (run.folder / "profile.txt").read_text() == profile.spent.table()
    assert read_trace(run.folder / "tensorboard").train == profile.spent.train


def test_a_run_that_is_too_short_says_so(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profile = Profile(1000)
    run = training.train(blobs_config, data=blobs, runs=tmp_path, callbacks=[profile])
    assert profile.spent is None
    assert "the run was over before 1000 steps could be profiled" in caplog.text
    assert not (run.folder / "profile.txt").exists()


def test_less_than_a_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 0"):
        Profile(0)
