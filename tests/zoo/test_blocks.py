"""On the other backend and in half precision, the same blocks."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.config import ModelConfig

EVERYTHING = {
    "l1": 1e-4,
    "l2": 1e-4,
    "orthogonal": 1e-4,
    "dropout": 0.1,
    "gaussian_noise": 0.1,
    "constraint": "max_norm",
}
MAPS = {**EVERYTHING, "spatial_dropout": 0.1}
CHOICES: dict[str, dict[str, Any]] = {
    "mlp": {
        "architecture": "mlp",
        "input_shape": [6],
        "units": [8, 8, 8],
        "residual": True,
        "activations": ["relu", "prelu", {"kind": "leaky_relu", "negative_slope": 0.1}],
        "regularization": {**EVERYTHING, "normalization": "rms", "stochastic_depth": 0.2},
    },
    "cnn": {
        "architecture": "cnn",
        "input_shape": [8, 8, 2],
        "filters": [8, 8],
        "convolution": "separable",
        "blocks": 2,
        "strides": [1, 2],
        "pooling": "average",
        "global_pooling": "max",
        "units": [8],
        "activation": "mish",
        "regularization": {**MAPS, "normalization": "group"},
    },
    "resnet": {
        "architecture": "cnn",
        "input_shape": [8, 8, 2],
        "filters": [4, 8],
        "block": "residual",
        "strides": [1, 2],
        "pooling": "none",
        "global_pooling": "flatten",
        "activation": {"kind": "celu", "alpha": 0.5},
        "regularization": {**MAPS, "normalization": "batch", "stochastic_depth": 0.2},
    },
    "1-d": {
        "architecture": "cnn",
        "input_shape": [None, 4],
        "filters": [4, 8],
        "block": "residual",
        "convolution": "separable",
        "activation": "prelu",
        "kernel_size": 5,
        "regularization": {**MAPS, "normalization": "layer", "stochastic_depth": 0.2},
    },
}
QUICKEST = {("tensorflow", "mlp"): "mixed_float16", ("jax", "cnn"): "mixed_bfloat16"}
"""One choice and policy on each backend: XLA takes minutes to compile a convolution for TensorFlow."""
EXERCISE = """
import json, sys, tempfile
import keras
import numpy as np
import zoo

choices, policies, compiled = json.loads(sys.argv[1])
for choice in choices:
    for policy in policies:
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(0)
        model = zoo.build(zoo.ModelConfig.parse({**choice, "head": {"kind": "softmax", "units": 3}}))
        x = np.random.default_rng(0).normal(size=(6, *[size or 7 for size in choice["input_shape"]])).astype("float32")
        labels = {"probabilities": np.arange(6) % 3}
        if compiled:
            model.compile("adam", {"probabilities": "sparse_categorical_crossentropy"}, jit_compile=True)
            loss = model.fit(x, labels, epochs=2, batch_size=3, verbose=0).history["loss"]
            assert np.isfinite(loss).all(), (choice, policy, loss)
        with tempfile.TemporaryDirectory() as folder:
            model.save(f"{folder}/model.keras")
            loaded = keras.models.load_model(f"{folder}/model.keras")
        answer, again = (each.predict(x, verbose=0)["probabilities"] for each in (model, loaded))
        assert answer.dtype == np.float32 and (answer == again).all(), (choice, policy)
        assert abs(answer.sum(axis=-1) - 1).max() < 1e-5, (choice, policy, answer)
        assert all(weight.dtype == "float32" for weight in model.trainable_weights)
print(keras.backend.backend(), "passed")
"""


@pytest.mark.exhaustive
def test_everything_at_once_answers_and_is_saved_under_jax_in_half_precision(run_python: Callable[..., Any]) -> None:
    run = run_python(EXERCISE, json.dumps([list(CHOICES.values()), ["mixed_float16"], False]), KERAS_BACKEND="jax")

    assert run.stdout.strip() == "jax passed", run.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "name", "policies"),
    [
        *((backend, name, [policy]) for (backend, name), policy in QUICKEST.items()),
        *(
            pytest.param(backend, name, ["float32", "mixed_bfloat16", "mixed_float16"], marks=pytest.mark.exhaustive)
            for backend, name in itertools.product(["jax", "tensorflow"], CHOICES)
        ),
    ],
)
def test_everything_at_once_trains_compiled_under_every_policy(
    backend: str, name: str, policies: list[str], run_python: Callable[..., Any]
) -> None:
    run = run_python(EXERCISE, json.dumps([[CHOICES[name]], policies, True]), KERAS_BACKEND=backend)

    assert run.stdout.strip() == f"{backend} passed", run.stderr[-3000:]


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_survives_the_round_trip_through_yaml(name: str) -> None:
    config = ModelConfig.parse({**CHOICES[name], "head": {"kind": "linear"}})

    assert ModelConfig.from_yaml(config.to_yaml()) == config


@pytest.mark.parametrize("name", CHOICES)
def test_every_layer_but_the_input_has_a_stable_name(name: str) -> None:
    fields = {**CHOICES[name], "head": {"kind": "linear"}}
    first, second = (zoo.build(ModelConfig.parse(fields)) for _ in range(2))

    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


@pytest.mark.parametrize("name", CHOICES)
def test_answers_to_a_row_do_not_depend_on_its_batch(name: str) -> None:
    model = zoo.build(ModelConfig.parse({**CHOICES[name], "head": {"kind": "linear"}}))
    x = np.random.default_rng(0).normal(size=(3, *[size or 7 for size in CHOICES[name]["input_shape"]]))

    together = keras.ops.convert_to_numpy(model(x)["value"])
    alone = np.concatenate([keras.ops.convert_to_numpy(model(row[None])["value"]) for row in x])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
