"""Which models may be batched: NumPy functions whose nature is known, and real SavedModels."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.engines.saved_model import SavedModelEngine
from serving.row_independence import RowIndependence, may_be_batched
from serving.servable import load_servable
from serving.signature import Signature, TensorSpec
from serving.trial_rows import TrialRows

FLOATS = Signature("f", {"x": TensorSpec("float32", (None, 3))}, {"y": TensorSpec("float32", (None, 3))})
Model = Callable[[np.ndarray], np.ndarray]
ROOT = Path(__file__).parents[2]


def independence(model: Model, signature: Signature = FLOATS) -> RowIndependence:
    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"y": np.asarray(model(inputs["x"]))}

    return RowIndependence("f", run, TrialRows(signature))


INDEPENDENT: dict[str, Model] = {
    "linear": lambda x: x * 2 + 1,
    "row sum": lambda x: x.sum(1, keepdims=True),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True),
    "class": lambda x: x.argmax(1),
    "rounding": lambda x: x + np.float32(1e-7) * len(x),  # another kernel for another size
}
MIXING: dict[str, Model] = {
    "normalised over the batch": lambda x: x - x.mean(0),
    "standardised over the batch": lambda x: (x - x.mean(0)) / (x.std(0) + 1e-3),
    "slightly normalised over the batch": lambda x: x - x.mean(0) * 0.001,
    "number of rows": lambda x: x + len(x),
    "place in the batch": lambda x: x + np.arange(len(x))[:, None],
    "sorted": lambda x: np.sort(x, 0),
    "rank": lambda x: x[:, 0].argsort().argsort(),
    "neighbour": lambda x: x + 0.1 * np.roll(x, 1, 0),
    "first row": lambda x: x + x[:1],
    "attention over the batch": lambda x: np.exp(x @ x.T) @ x,
    "reversed": lambda x: x[::-1],
    "several rows at least": lambda x: x[: max(1, len(x) - 1)],
    "large batches only": lambda x: x + (len(x) > 20),
    "scalar": lambda x: x.sum(),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_rows_are_recognised(name: str) -> None:
    assert independence(INDEPENDENT[name]).decide()


@pytest.mark.parametrize("name", MIXING)
def test_a_model_that_mixes_rows_is_recognised(name: str, caplog: pytest.LogCaptureFixture) -> None:
    found = independence(MIXING[name])
    assert found.known is None
    assert not found.decide()
    assert found.known is False
    assert "requests for f are computed one by one" in caplog.text


def test_chance_and_what_cannot_be_seen_count_as_mixing() -> None:
    source = np.random.default_rng(0)
    assert not independence(lambda x: x + source.random(x.shape)).decide()
    assert not independence(np.ones_like).decide()


def test_a_model_that_refuses_the_rows_is_not_batched() -> None:
    def refuse(x: np.ndarray) -> np.ndarray:
        raise ValueError("only dates")

    assert not independence(refuse).decide()


def test_the_decision_is_taken_once() -> None:
    calls = []

    def model(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return x

    found = independence(model)
    assert found.decide()
    count = len(calls)
    assert count <= 12
    assert found.decide()
    assert len(calls) == count
    found.refuse("an answer was wrong")
    assert not found.decide()


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8", "bool", "string"]
)
def test_rows_of_every_dtype_can_be_made_up(dtype: str) -> None:
    signature = Signature("f", {"x": TensorSpec(dtype, (None, 2))}, {"y": TensorSpec(dtype, (None, 2))})
    assert independence(lambda x: x, signature).decide()
    assert independence(lambda x: x[:, 0], Signature("f", {"x": TensorSpec(dtype, (None,) * 2)}, {})).decide()


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        ([(None, 3)], [(None, 2), (None,)], True),
        ([(None, None)], [(None, None, 2)], True),
        ([(None,)], [(None, None)], False),  # the longest answer among neighbours would decide
        ([(None, 3), (3,)], [(None, 2)], False),
        ([(None, 3)], [(None, 2), ()], False),
        ([(None, 3)], [None], False),
        ([(1, 3)], [(1, 2)], False),
        ([], [(None, 2)], False),
    ],
)
def test_shapes_rule_signatures_out(inputs: list[object], outputs: list[object], *, expected: bool) -> None:
    def specs(shapes: list[object]) -> dict[str, TensorSpec]:
        return {str(number): TensorSpec("float32", shape) for number, shape in enumerate(shapes)}

    assert may_be_batched(Signature("f", specs(inputs), specs(outputs))) is expected


@pytest.mark.parametrize("model", ["digits_mlp", "mnist_cnn", "elnino_gru", "co2_transformer"])
def test_the_models_that_come_along_may_be_batched(model: str) -> None:
    servable = load_servable(model, 1, ROOT / "saved_models" / model / "1", SavedModelEngine)
    assert servable.independence.keys() == servable.signatures.keys()
    assert {name: found.decide() for name, found in servable.independence.items()} == dict.fromkeys(
        servable.signatures, True
    )


def test_foreign_models_are_tried_with_made_up_rows(saved_models: Path) -> None:
    affine = load_servable("affine", 1, saved_models / "affine2", SavedModelEngine)
    assert affine.independence["serving_default"].decide()
    foreign = load_servable("sum", 1, saved_models / "sum", SavedModelEngine)
    assert foreign.independence.keys() == {"length", "pick"}, "the others have outputs that are not per row"
    assert foreign.independence["pick"].decide()


def test_a_saved_model_with_batch_statistics_is_not_batched(tmp_path: Path) -> None:
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def normalise(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x - tf.reduce_mean(x, axis=0, keepdims=True)}

    tf.saved_model.save(module, str(tmp_path), signatures=normalise)
    assert not load_servable("n", 1, tmp_path, SavedModelEngine).independence["serving_default"].decide()
