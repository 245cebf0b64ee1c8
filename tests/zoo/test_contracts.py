"""What every registered architecture owes, whatever it is inside: a new one is tested by being registered."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.contract import PROMISES, sample_inputs
from zoo.contract.promises import (
    Promise,
    be_what_the_yaml_says,
    build_names_and_shapes,
    export_bit_equal,
    learn_from_one_step,
)
from zoo.heads import logits_of, training_model

ROWS = 5
POOLED_HEADS: dict[str, dict[str, Any]] = {
    "softmax": {"head": {"kind": "softmax", "units": 3}},
    "binary": {"head": {"kind": "sigmoid"}},
    "multi-label": {"head": {"kind": "sigmoid", "units": 4}},
    "linear": {"head": {"kind": "linear", "units": 2}},
    "several": {
        "heads": {
            "species": {"kind": "softmax", "units": 3},
            "alive": {"kind": "sigmoid", "loss_weight": 0.5},
            "weight": {"kind": "linear", "units": 2},
        }
    },
}

every_promise = pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
architectures = pytest.mark.parametrize("architecture", zoo.list_architectures())
ONE_OF_EACH_KIND = [
    *zoo.list_models("*_tiny"),
    "bilstm_small",
    "cnn1d_small",
    "cnn_separable_small",
    "mlp_residual_small",
]
one_of_each_kind = pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
all_heads = pytest.mark.parametrize("heads", POOLED_HEADS)


def config_of(name: str, **fields: Any) -> zoo.ModelConfig:
    """The example of an architecture or a named size, with some fields changed."""
    example = zoo.example_config(name).to_dict()
    if "head" in fields or "heads" in fields:
        example |= {"head": None, "heads": None}
    return zoo.ModelConfig.parse({**example, **fields})


def build(name: str, **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    return zoo.build(config_of(name, **fields))


def rows_for(name: str) -> Any:
    rows = sample_inputs(zoo.example_config(name), ROWS)
    return rows if len(rows) > 1 else rows["inputs"]


def answers(model: keras.Model, rows: Any, **options: Any) -> dict[str, np.ndarray]:
    return {name: keras.ops.convert_to_numpy(value) for name, value in model(rows, **options).items()}


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", zoo.list_models("*_tiny"))
@every_promise
def test_a_tiny_model_keeps_its_promises(name: str, promise: Promise) -> None:
    assert promise(zoo.example_config(name)) == []


LARGER = sorted({*zoo.list_models()} - {*zoo.list_models("*_tiny")})


@pytest.mark.parametrize("name", LARGER)
@pytest.mark.parametrize("promise", [build_names_and_shapes, be_what_the_yaml_says])
def test_a_larger_model_keeps_the_promises_that_its_size_could_touch(name: str, promise: Promise) -> None:
    assert promise(zoo.example_config(name)) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ONE_OF_EACH_KIND else pytest.mark.exhaustive) for name in LARGER]
)
def test_a_larger_model_is_exported_as_it_is(name: str) -> None:
    """Sizes of a kind whose tiny model is exported too are left to the exhaustive run."""
    assert export_bit_equal(zoo.example_config(name)) == []


@architectures
@every_promise
def test_an_architecture_keeps_its_promises_with_several_heads(architecture: str, promise: Promise) -> None:
    assert promise(config_of(architecture, **POOLED_HEADS["several"])) == []


@architectures
@all_heads
@pytest.mark.parametrize("promise", [build_names_and_shapes, learn_from_one_step, export_bit_equal])
def test_an_architecture_keeps_the_promises_that_its_head_could_touch(
    architecture: str, heads: str, promise: Promise
) -> None:
    assert promise(config_of(architecture, **POOLED_HEADS[heads])) == []


@architectures
def test_linear_values_are_unbounded(architecture: str) -> None:
    model = build(architecture, head={"kind": "linear", "units": 2})
    head = next(layer for layer in model.layers if layer.name == "features_to_value")
    head.set_weights([1e6 * weight for weight in head.get_weights()])

    value = answers(model, rows_for(architecture))["value"]

    assert value.min() < -1
    assert value.max() > 1


@architectures
def test_the_training_model_gives_the_logits_of_every_probability(architecture: str) -> None:
    model, rows = build(architecture, **POOLED_HEADS["several"]), rows_for(architecture)
    got, raw = answers(model, rows), answers(training_model(model), rows)

    np.testing.assert_allclose(softmax(raw["species_probabilities"]), got["species_probabilities"], atol=1e-6)
    np.testing.assert_allclose(sigmoid(raw["alive_probabilities"]), got["alive_probabilities"], atol=1e-6)
    np.testing.assert_allclose(raw["weight_value"], got["weight_value"], atol=1e-6)


@architectures
def test_the_training_model_shares_its_weights(architecture: str) -> None:
    model = build(architecture)

    assert [id(weight) for weight in training_model(model).weights] == [id(weight) for weight in model.weights]


@architectures
def test_logits_are_found_after_saving_and_loading(architecture: str, tmp_path: Path) -> None:
    model, rows = build(architecture, **POOLED_HEADS["several"]), rows_for(architecture)
    model.save(tmp_path / "model.keras")
    loaded = zoo.load_model(tmp_path / "model.keras")

    assert set(logits_of(loaded)) == {"species_probabilities", "alive_probabilities"}
    raw = answers(training_model(loaded), rows)["species_probabilities"]
    np.testing.assert_allclose(softmax(raw), answers(model, rows)["species_probabilities"], atol=1e-6)


@one_of_each_kind
@pytest.mark.parametrize(("penalty", "power"), [("l1", 1), ("l2", 2)])
def test_a_penalty_adds_lambda_times_the_sum_over_every_kernel(name: str, penalty: str, power: int) -> None:
    regularization = {**zoo.example_config(name).to_dict()["regularization"], penalty: 0.25}
    model = build(name, regularization=regularization)

    kernels = [weight.numpy() for weight in model.trainable_weights if weight.path.endswith("kernel")]
    by_hand = 0.25 * sum(float((np.abs(kernel.astype("float64")) ** power).sum()) for kernel in kernels)
    assert kernels
    assert float(sum(model.losses)) == pytest.approx(by_hand, rel=1e-5)


@one_of_each_kind
def test_without_penalties_there_are_no_losses(name: str) -> None:
    assert build(name).losses == []


@one_of_each_kind
def test_noise_of_every_kind_does_nothing_at_inference_and_something_in_training(name: str) -> None:
    example = zoo.example_config(name)
    kinds = ["dropout", *sorted(example.regularizers())]
    if all(spec.dtype == "float32" for spec in example.input_specs().values()):
        kinds.append("gaussian_noise")
    rows, plain = rows_for(name), build(name)
    learnt = {weight.path: weight.numpy() for weight in plain.weights}
    for kind in kinds:
        noisy = build(name, regularization={**example.to_dict()["regularization"], kind: 0.5})
        for weight in noisy.weights:
            if "seed_generator" not in weight.path:  # a noise generator's state counts as a weight without being learnt
                weight.assign(learnt[weight.path])

        inference = answers(noisy, rows, training=False)
        for output, expected in answers(plain, rows, training=False).items():
            # Keras splits the products of recurrent cells that drop, which rounds otherwise.
            np.testing.assert_allclose(inference[output], expected, rtol=1e-6, atol=1e-7, err_msg=kind)
        draws = [answers(noisy, rows, training=True) for _ in range(4)]
        assert any(not np.array_equal(a[k], b[k]) for a, b in pairwise(draws) for k in a), kind


@architectures
def test_no_biases_are_left_where_they_are_off(architecture: str) -> None:
    model = build(architecture, use_bias=False)

    assert [weight.path for weight in model.weights if weight.path.endswith("bias")] == []


@architectures
def test_biases_start_at_the_constant_asked_for(architecture: str) -> None:
    biases = [w.numpy() for w in build(architecture, bias_initializer=0.01).weights if w.path.endswith("bias")]

    assert biases
    assert all((bias == np.float32(0.01)).any() for bias in biases)  # an LSTM's forget gate starts at 1


@architectures
def test_rescaling_in_the_model_is_rescaling_before_it(architecture: str) -> None:
    if "int32" in {spec.dtype for spec in zoo.example_config(architecture).input_specs().values()}:
        pytest.skip("token ids are not rescaled")
    rows = 255 * rows_for(architecture)
    plain = build(architecture)
    steps = [{"kind": "rescaling", "scale": 1 / 255, "offset": -0.5}, {"kind": "rescaling", "scale": 2.0}]
    rescaling = build(architecture, preprocessing=steps)
    rescaling.set_weights(plain.get_weights())

    by_hand = ((rows / 255 - 0.5) * 2).astype("float32")
    for name, value in answers(rescaling, rows).items():
        np.testing.assert_allclose(value, answers(plain, by_hand)[name], atol=1e-5)


JAX = """
import json
import sys
from pathlib import Path

import keras
import numpy as np

import zoo
from zoo.contract import check, sample_inputs

assert keras.backend.backend() == "jax"
found = {}
for name in sys.argv[2:]:
    config = zoo.example_config(name)
    found[name] = {one.name: one.faults for one in check(config)}
    model = zoo.build(config)
    stored = np.load(Path(sys.argv[1]) / f"{name}.npz")
    weights = [weight for weight in model.weights if "seed_generator" not in weight.path]
    for number, weight in enumerate(weights):
        weight.assign(stored[f"weight_{number}"])
    rows = sample_inputs(config, 5)
    answers = model(rows if len(rows) > 1 else rows["inputs"], training=False)
    found[name]["answers"] = max(float(np.abs(np.asarray(answers[k]) - stored[k]).max()) for k in answers)
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.exhaustive
def test_promises_are_kept_and_answers_are_equal_on_jax(run_python: Callable[..., Any], tmp_path: Path) -> None:
    names = [*zoo.list_architectures(), "gpt_tiny", "resnet_tiny", "seq2seq_tiny", "vit_tiny"]
    for name in names:
        model = build(name)
        weights = [weight.numpy() for weight in model.weights if "seed_generator" not in weight.path]
        numbered = {f"weight_{number}": weight for number, weight in enumerate(weights)}
        np.savez(tmp_path / f"{name}.npz", **numbered, **answers(model, rows_for(name), training=False))

    run = run_python(JAX, str(tmp_path), *names, KERAS_BACKEND="jax")

    assert run.returncode == 0, run.stderr
    for name, found in json.loads(run.stdout.splitlines()[-1]).items():
        assert found.pop("answers") < 1e-4, name
        assert {promise: faults for promise, faults in found.items() if faults} == {}, name
        assert len(found) == len(PROMISES) - 1, "all but the export, which is TensorFlow's"
