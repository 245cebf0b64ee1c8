"""Two versions side by side, with weights set by hand so that the distance of their answers is known."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo.cli import main
from zoo.comparison import AnswerDifference, Difference, compare_versions
from zoo.errors import ArtifactError

ROWS = np.eye(2, dtype=np.float32)


def linear(weight: float, units: int = 1, inputs: int = 2) -> keras.Model:
    model = zoo.build(
        "mlp", input_shape=(inputs,), units=[1], activation="linear", head={"kind": "linear", "units": units}
    )
    model.set_weights([np.ones((inputs, 1)), np.zeros(1), np.full((1, units), weight), np.zeros(units)])
    return model


def export(model: keras.Model, folder: Path, accuracy: float = 0.5) -> Path:
    facts = zoo.ExportFacts(metrics={"test": {"accuracy": accuracy}})
    return zoo.export(model, folder, examples=np.eye(model.inputs[0].shape[-1], dtype=np.float32), facts=facts)


def test_the_distance_of_answers_and_the_change_of_metrics_are_told(tmp_path: Path) -> None:
    one, two = (export(linear(weight), tmp_path / "m", accuracy) for weight, accuracy in ((1.0, 0.5), (1.25, 0.75)))
    found = compare_versions(one, two)

    assert found.facts == ()
    assert found.metrics == (Difference("test.accuracy", 0.5, 0.75),)
    assert found.answers == (AnswerDifference("value", 4, 0.25, None, alike=False),)
    assert not found.same_answers


def test_a_version_is_like_itself(tmp_path: Path) -> None:
    one = export(linear(1.0), tmp_path / "m")
    found = compare_versions(one, one.parent)

    assert (found.facts, found.metrics, found.same_answers) == ((), (), True)


def test_large_numbers_may_lie_further_apart(tmp_path: Path) -> None:
    one, two = (export(linear(weight), tmp_path / "m") for weight in (1000.0, 1000.005))  # relative: 1e-5
    found = compare_versions(one, two)

    assert found.answers[0].largest == pytest.approx(0.005, rel=0.02)
    assert found.same_answers


def test_sequences_of_different_lengths_are_compared(tmp_path: Path) -> None:
    def lengthened(factor: float) -> keras.Model:
        inputs = keras.Input((None, 1), name="x")
        return keras.Model(inputs, {"y": keras.layers.Rescaling(factor)(inputs)})

    one, two = (
        zoo.export(lengthened(factor), tmp_path / "m", examples=np.ones((2, steps, 1)))
        for factor, steps in ((1.0, 3), (1.5, 5))
    )
    assert compare_versions(one, two).answers == (AnswerDifference("y", 4, 0.5, None, alike=False),)


def test_versions_of_different_outputs_do_not_answer_alike(tmp_path: Path) -> None:
    def answering(*outputs: str) -> keras.Model:
        inputs = keras.Input((2,), name="x")
        return keras.Model(inputs, {name: keras.layers.Rescaling(1.0)(inputs) for name in outputs})

    one, two = (zoo.export(answering(*names), tmp_path / "m", examples=ROWS) for names in (("a", "b"), ("b",)))
    found = compare_versions(one, two)

    assert found.incomparable == "they have different outputs: a float32 [None, 2] and no more"
    assert found.answers == (AnswerDifference("b", 4, 0.0, None, alike=True),)
    assert not found.same_answers


def test_what_was_chosen_otherwise_is_named(tmp_path: Path) -> None:
    found = compare_versions(export(linear(1.0), tmp_path / "a"), export(linear(1.0, units=2), tmp_path / "b"))

    assert not found.same_answers
    assert Difference("config.head.units", 1, 2) in found.facts
    assert (
        Difference("signatures.serving_default.outputs.value", "float32 [None, 1]", "float32 [None, 2]") in found.facts
    )


def test_models_that_take_different_inputs_are_not_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = export(linear(1.0), tmp_path / "a"), export(linear(1.0, inputs=3), tmp_path / "b")

    assert main(["diff", str(one), str(two)]) == 1
    said = capsys.readouterr().out
    assert "not compared, they take different inputs: inputs float32 [None, 2] and inputs float32 [None, 3]" in said


def test_an_edited_version_is_not_run(tmp_path: Path) -> None:
    one = export(linear(1.0), tmp_path / "m")
    (one / "saved_model.pb").write_bytes(b"")

    with pytest.raises(ArtifactError, match=r"saved_model\.pb was changed since export"):
        compare_versions(one, one)


def test_the_command_shows_all_and_its_code_tells_whether_answers_are_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (export(linear(weight), tmp_path / "m") for weight in (1.0, 1.25))

    assert main(["diff", str(one), str(two)]) == 1
    assert [line.split() for line in capsys.readouterr().out.splitlines() if line] == [
        ["facts:", "the", "same"],
        ["metrics:", "the", "same"],
        ["answers"],
        ["value", "by", "up", "to", "0.25", "4", "rows", "beyond", "the", "tolerance"],
    ]
    assert main(["diff", str(one), str(one)]) == 0
    assert main(["diff", str(one), str(tmp_path / "none")]) == 2
