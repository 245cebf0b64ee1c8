import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

import training
from training import Dataset, TrainConfig
from training.runs.entry import read_entry

WriteRun = Callable[..., Path]


def test_an_entry_says_what_a_real_run_was(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)
    entry = read_entry(run.folder)
    assert (entry.recipe, entry.status, entry.epochs, entry.planned) == ("blobs", "finished", 3, 3)
    assert (entry.best_epoch, entry.seconds, entry.metrics) == (run.best_epoch, run.seconds, run.metrics)
    assert entry.config["model"]["units"] == [8]


def test_the_folders_name_tells_when_it_started(write_run: WriteRun) -> None:
    entry = read_entry(write_run("digits", hour=15))
    assert entry.started == datetime.datetime(2026, 1, 2, 15, tzinfo=datetime.UTC)


def test_a_run_without_an_end_has_its_best_epoch_so_far(write_run: WriteRun) -> None:
    entry = read_entry(write_run("digits", losses=(3.0, 1.0, 2.0), status=None))
    assert (entry.status, entry.best_epoch, entry.metrics) == ("unfinished", 2, {"validation": {"loss": 1.0}})


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("metrics.jsonl", "{}\n"),
        ("metrics.jsonl", "nothing\n"),
        ("metrics.jsonl", '{"event": "epoch"}\n'),
        ("config.yaml", "- 1"),
        ("config.yaml", "train: [1]"),
        ("config.yaml", "a: ["),
        ("config.yaml", None),
    ],
)
def test_what_cannot_be_read_is_damaged_and_says_why(file: str, text: str | None, write_run: WriteRun) -> None:
    folder = write_run("digits")
    (folder / file).unlink() if text is None else (folder / file).write_text(text)
    entry = read_entry(folder)
    assert entry.status == "damaged"
    assert entry.recipe == "digits"
    assert entry.fault


def test_a_config_of_another_version_can_still_be_listed(write_run: WriteRun) -> None:
    folder = write_run("digits")
    with (folder / "config.yaml").open("a") as file:
        file.write("field_of_tomorrow: 1\n")
    assert read_entry(folder).status == "finished"
