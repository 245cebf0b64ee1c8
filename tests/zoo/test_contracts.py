"""What every registered architecture owes, whatever it is inside: a new one is tested by being registered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.heads import logits_of, training_model

ROWS = 5
HEADS: dict[str, dict[str, Any]] = {
    "softmax": {"head": {"kind": "softmax", "units": 3}},
    "binary": {"head": {"kind": "sigmoid"}},
    "multi-label": {"head": {"kind": "sigmoid", "units": 4}},
    "linear": {"head": {"kind": "linear", "units": 2}},
    "several": {
        "heads": {
            "species": {"kind": "softmax", "units": 3},
            "alive": {"kind": "sigmoid"},
            "weight": {"kind": "linear", "units": 2},
        }
    },
}
OUTPUTS = {
    "softmax": {"probabilities": 3},
    "binary": {"probabilities": 1},
    "multi-label": {"probabilities": 4},
    "linear": {"value": 2},
    "several": {"species_probabilities": 3, "alive_probabilities": 1, "weight_value": 2},
}
# Every architecture takes one of these shapes; a new one that takes neither adds its own here.
SHAPES = {"mlp": (6,), "cnn": (8, 8, 2)}

architectures = pytest.mark.parametrize("architecture", zoo.list_architectures())
all_heads = pytest.mark.parametrize("heads", HEADS)
policies = pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])


def build(architecture: str, heads: str, **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    return zoo.build(architecture, input_shape=SHAPES[architecture], **HEADS[heads], **fields)


def rows_for(architecture: str, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(5).normal(size=(ROWS, *SHAPES[architecture]))).astype("float32")


def answers(model: keras.Model, rows: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    return {name: keras.ops.convert_to_numpy(value) for name, value in model(rows, **options).items()}


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@architectures
@all_heads
def test_outputs_have_the_promised_names_and_shapes(architecture: str, heads: str) -> None:
    got = answers(build(architecture, heads), rows_for(architecture))

    assert {name: value.shape for name, value in got.items()} == {n: (ROWS, u) for n, u in OUTPUTS[heads].items()}


@architectures
def test_the_input_is_named_and_has_a_free_batch(architecture: str) -> None:
    (tensor,) = build(architecture, "softmax").inputs

    assert (tensor.name, tensor.shape, tensor.dtype) == ("inputs", (None, *SHAPES[architecture]), "float32")


@architectures
@all_heads
@policies
def test_outputs_are_float32_under_every_policy(
    architecture: str, heads: str, policy: str, dtype_policy: Callable[[str], None]
) -> None:
    dtype_policy(policy)
    model = build(architecture, heads)

    assert {value.dtype for value in answers(model, rows_for(architecture)).values()} == {np.dtype("float32")}


@architectures
def test_a_mixed_policy_is_used(architecture: str, dtype_policy: Callable[[str], None]) -> None:
    dtype_policy("mixed_bfloat16")

    assert "bfloat16" in {layer.compute_dtype for layer in build(architecture, "softmax").layers}


@architectures
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_softmax_rows_sum_to_1(architecture: str, scale: float) -> None:
    probabilities = answers(build(architecture, "softmax"), rows_for(architecture, scale))["probabilities"]

    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-6)
    assert (probabilities >= 0).all()


@architectures
def test_sigmoids_are_between_0_and_1(architecture: str) -> None:
    probabilities = answers(build(architecture, "multi-label"), rows_for(architecture))["probabilities"]

    assert ((probabilities > 0) & (probabilities < 1)).all()


@architectures
def test_linear_values_are_unbounded(architecture: str) -> None:
    value = answers(build(architecture, "linear", activation="linear"), rows_for(architecture, 1e4))["value"]

    assert value.min() < -1
    assert value.max() > 1


@architectures
def test_the_training_model_gives_the_logits_of_every_probability(architecture: str) -> None:
    model, rows = build(architecture, "several"), rows_for(architecture)
    got, raw = answers(model, rows), answers(training_model(model), rows)

    np.testing.assert_allclose(softmax(raw["species_probabilities"]), got["species_probabilities"], atol=1e-6)
    np.testing.assert_allclose(sigmoid(raw["alive_probabilities"]), got["alive_probabilities"], atol=1e-6)
    np.testing.assert_allclose(raw["weight_value"], got["weight_value"], atol=1e-6)


@architectures
def test_the_training_model_shares_its_weights(architecture: str) -> None:
    model = build(architecture, "softmax")

    assert [id(weight) for weight in training_model(model).weights] == [id(weight) for weight in model.weights]


@architectures
def test_logits_are_found_after_saving_and_loading(architecture: str, tmp_path: Path) -> None:
    model, rows = build(architecture, "several"), rows_for(architecture)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert set(logits_of(loaded)) == {"species_probabilities", "alive_probabilities"}
    raw = answers(training_model(loaded), rows)["species_probabilities"]
    np.testing.assert_allclose(softmax(raw), answers(model, rows)["species_probabilities"], atol=1e-6)


@architectures
def test_l2_adds_lambda_times_the_squared_kernels(architecture: str) -> None:
    model = build(architecture, "softmax", regularization={"l2": 0.25})

    kernels = [weight.numpy() for weight in model.trainable_weights if weight.path.endswith("kernel")]
    by_hand = 0.25 * sum(float((kernel.astype("float64") ** 2).sum()) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(by_hand, rel=1e-5)


@architectures
def test_l1_adds_lambda_times_the_absolute_kernels(architecture: str) -> None:
    model = build(architecture, "softmax", regularization={"l1": 0.25})

    kernels = [weight.numpy() for weight in model.trainable_weights if weight.path.endswith("kernel")]
    by_hand = 0.25 * sum(float(np.abs(kernel.astype("float64")).sum()) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(by_hand, rel=1e-5)


@architectures
def test_without_penalties_there_are_no_losses(architecture: str) -> None:
    assert build(architecture, "softmax").losses == []


@architectures
def test_dropout_does_nothing_at_inference(architecture: str) -> None:
    rows, plain = rows_for(architecture), build(architecture, "softmax")
    dropping = build(architecture, "softmax", regularization={"dropout": 0.9})
    dropping.set_weights(plain.get_weights())

    np.testing.assert_array_equal(
        answers(dropping, rows, training=False)["probabilities"], answers(plain, rows, training=False)["probabilities"]
    )


@architectures
def test_dropout_acts_in_training(architecture: str) -> None:
    rows, model = rows_for(architecture), build(architecture, "softmax", regularization={"dropout": 0.9})

    inference = answers(model, rows, training=False)["probabilities"]
    assert not np.allclose(answers(model, rows, training=True)["probabilities"], inference)


@architectures
def test_batch_normalization_takes_the_place_of_biases(architecture: str) -> None:
    model = build(architecture, "softmax", regularization={"normalization": "batch"})

    biased = [layer.name for layer in model.layers if getattr(layer, "use_bias", False)]
    assert biased == ["logits"]
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)


@architectures
def test_rescaling_in_the_model_is_rescaling_before_it(architecture: str) -> None:
    rows = rows_for(architecture, 255)
    plain = build(architecture, "softmax")
    steps = [{"kind": "rescaling", "scale": 1 / 255, "offset": -0.5}, {"kind": "rescaling", "scale": 2.0}]
    rescaling = build(architecture, "softmax", preprocessing=steps)
    rescaling.set_weights(plain.get_weights())

    by_hand = ((rows / 255 - 0.5) * 2).astype("float32")
    np.testing.assert_allclose(
        answers(rescaling, rows)["probabilities"], answers(plain, by_hand)["probabilities"], atol=1e-6
    )


@architectures
def test_answers_to_a_row_do_not_depend_on_its_batch(architecture: str) -> None:
    rows, model = rows_for(architecture), build(architecture, "softmax")

    alone = np.concatenate([answers(model, row[None])["probabilities"] for row in rows])
    np.testing.assert_allclose(alone, answers(model, rows)["probabilities"], atol=1e-6)


@architectures
def test_fit_lowers_the_loss(architecture: str) -> None:
    rows, model = rows_for(architecture), build(architecture, "softmax")
    labels = np.arange(ROWS) % 3
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss={"probabilities": "sparse_categorical_crossentropy"})
    before = model.evaluate(rows, {"probabilities": labels}, verbose=0)

    model.fit(rows, {"probabilities": labels}, epochs=20, verbose=0)

    assert model.evaluate(rows, {"probabilities": labels}, verbose=0) < before
