import re
from pathlib import Path
from typing import Any

import pytest

import training
import zoo
from training import Dataset, Run, Split, TrainConfig, TrainingInterrupted
from training.config import DataConfig
from training.data import load_data
from zoo.artifact import list_versions
from zoo.cli import main
from zoo.errors import ConfigError, ExportError, UnknownNameError


@pytest.fixture
def run(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> Run:
    """A run that exports nothing."""
    return training.train(blobs_config, data=blobs, runs=tmp_path / "runs")


def passport(artifact: Path) -> zoo.Passport:
    return zoo.Passport.from_json((artifact / "assets.extra" / "passport.json").read_text())


def block(repository: Path, name: str) -> Path:
    """Put a file where the model's folder has to be."""
    repository.mkdir()
    (repository / name).write_text("in the way")
    return repository


def test_an_export_that_fails_says_how_to_export_the_trained_run(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    repository = block(tmp_path / "models", "blobs")
    config = TrainConfig.parse(blobs_recipe | {"export": {"repository": str(repository)}})
    with pytest.raises(ExportError, match=r"the run is trained and kept: .*`zoo export .*runs/blobs/") as caught:
        training.train(config, data=blobs, runs=tmp_path / "runs")
    failed = Run.load(tmp_path / "runs" / "blobs")
    assert f"`zoo export {failed.folder}`" in str(caught.value)
    assert (failed.status, failed.artifact, set(failed.metrics)) == ("failed", None, {"validation", "test"})

    with pytest.raises(ExportError) as again:
        training.export_run(failed, data=blobs)
    assert "zoo export" not in str(again.value)
    (repository / "blobs").unlink()
    artifact = training.export_run(failed, data=blobs)

    assert artifact == repository / "blobs" / "1"
    assert zoo.verify(artifact).ok
    now = Run.load(failed.folder)
    assert (now.status, now.artifact, now.metrics) == ("finished", artifact, failed.metrics)


def test_variants_are_written_besides_those_of_the_recipe_or_refused_in_words(
    blobs: Dataset, run: Run, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    found = passport(training.export_run(run, data=blobs, repository=repository))
    assert (list(found.variants), found.left_out) == (["litert"], {})
    assert found.variants["litert"].rows == len(blobs.split("test").inputs)

    with pytest.raises(ExportError, match=r"no model.int8.tflite: it would have .*leave 'int8' out"):
        training.export_run(run, data=blobs, repository=repository, variants=["int8"])
    with pytest.raises(UnknownNameError, match="there is no variant 'int4'; did you mean 'int8'"):
        training.export_run(run, data=blobs, repository=repository, variants=["int4"])
    assert list(list_versions(repository / "blobs")) == [1]


def test_it_exports_what_training_exports(blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path) -> None:
    config = TrainConfig.parse(blobs_recipe | {"export": {"repository": str(tmp_path / "models"), "name": "served"}})
    trained = training.train(config, data=blobs, runs=tmp_path / "runs")
    artifact = training.export_run(trained, data=blobs)
    assert artifact == tmp_path / "models" / "served" / "2"
    assert trained.artifact is not None
    one, other = passport(trained.artifact), passport(artifact)
    assert (one.config, one.metrics, one.data, one.class_names) == (
        other.config,
        other.metrics,
        other.data,
        other.class_names,
    )
    assert Run.load(trained.folder).artifact == trained.artifact


def test_a_run_that_exported_nothing_goes_where_one_says(run: Run, blobs: Dataset, tmp_path: Path) -> None:
    artifact = training.export_run(run, repository=tmp_path / "models", name="mine", data=blobs)
    assert artifact == tmp_path / "models" / "mine" / "1"
    assert Run.load(run.folder).artifact == artifact


def test_a_stopped_run_is_measured_first(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    calls = iter(range(100))
    with pytest.raises(TrainingInterrupted):
        training.train(blobs_config, data=blobs, runs=tmp_path, should_stop=lambda: next(calls) == 1)
    stopped = Run.load(tmp_path / "blobs")
    artifact = training.export_run(stopped, repository=tmp_path / "models", data=blobs)
    expected = {split: training.evaluate(stopped, split, data=blobs) for split in ("validation", "test")}
    assert passport(artifact).metrics == expected
    assert Run.load(stopped.folder).status == "interrupted"
    assert training.train(blobs_config, data=blobs, runs=tmp_path, resume=True).status == "finished"


def test_other_data_are_refused(run: Run, blobs: Dataset, tmp_path: Path) -> None:
    train = blobs.split("train")
    other = Dataset("blobs", {**blobs.splits, "train": Split(-train.named_inputs()["inputs"], train.labels)})
    with pytest.raises(ConfigError, match=r"are others by now .* train anew"):
        training.export_run(run, repository=tmp_path / "models", data=other)


def test_a_run_without_weights_is_refused(run: Run, blobs: Dataset) -> None:
    run.best_weights.unlink()
    with pytest.raises(ConfigError, match=r"no best.weights.h5 to export \(finished\): .*--resume"):
        training.export_run(run, data=blobs)


def test_data_given_in_python_are_asked_for(run: Run) -> None:
    with pytest.raises(UnknownNameError, match=r"training\.export_run\(run, data=\.\.\.\)"):
        training.export_run(run)


def test_the_command_says_where_the_model_is_and_how_to_serve_it(
    blobs_recipe: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"name": "sklearn_wine"}
    model = {"architecture": "mlp", "input_shape": [13], "units": [4], "head": {"kind": "softmax", "units": 3}}
    config = TrainConfig.parse(blobs_recipe | {"name": "wine", "data": data, "model": model})
    monkeypatch.chdir(tmp_path)
    training.train(config, data=load_data(DataConfig(name="sklearn_wine")))
    assert main(["export", "runs/wine", "--to", "models"]) == 0
    where, certainty, variant, how = capsys.readouterr().out.splitlines()[-4:]
    assert (where, how) == ("model      models/wine/1", "next       zoo serve models")
    assert certainty.startswith("           probabilities: 90% sets hold")
    assert re.fullmatch(
        r"litert     model.tflite, \d+ bytes: numbers differ by up to \S+, 0.0% .* \(\d+ rows\)", variant
    )
    assert main(["export", "runs/wine", "--to", "models", "--name", "a b"]) == 2
    assert "zoo: error:" in capsys.readouterr().err
    assert main(["export", "runs/vine"]) == 2
    assert "did you mean 'wine'" in capsys.readouterr().err
