import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.contract.promises import Promise, compile_under_xla, export_bit_equal, survive_a_keras_file

WIDE, STEPS = 3, 5
VALUE = {"kind": "linear", "units": 2}
architectures = pytest.mark.parametrize("architecture", ["lstm", "gru"])
poolings = pytest.mark.parametrize("pooling", ["last", "mean", "attention", "none"])


def build(architecture: str, **fields: Any) -> keras.Model:
    """A model whose every weight, statistics included, is random."""
    model = zoo.build(architecture, **{"input_shape": (None, WIDE), "units": [4], "head": VALUE, **fields})
    random = np.random.default_rng(4)
    for weight in model.weights:
        if "seed_generator" not in weight.path:
            size = random.normal(scale=0.7, size=weight.shape)
            weight.assign(np.abs(size) + 0.1 if weight.path.endswith("variance") else size)
    return model


def weights_of(model: keras.Model, layer: str) -> list[np.ndarray]:
    weights = [weight for weight in model.get_layer(layer).weights if "seed_generator" not in weight.path]
    return [weight.numpy().astype("float64") for weight in weights]


def features(model: keras.Model, rows: np.ndarray) -> np.ndarray:
    """What the head sees."""
    answer = keras.Model(model.input, model.get_layer("features_to_value").input)(rows)
    return np.asarray(keras.ops.convert_to_numpy(answer))


def rows_of(rows: int = 4, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(rows, steps, WIDE)).astype("float32")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(rows: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000); the state after every step."""
    kernel, recurrent, bias = weights
    hidden = cell = np.zeros((len(rows), len(recurrent)))
    states = []
    for x in rows.swapaxes(0, 1):
        gates = np.split(x @ kernel + hidden @ recurrent + bias, 4, axis=-1)
        into, forget, new, out = sigmoid(gates[0]), sigmoid(gates[1]), np.tanh(gates[2]), sigmoid(gates[3])
        cell = forget * cell + into * new
        hidden = out * np.tanh(cell)
        states.append(hidden)
    return np.stack(states, axis=1)


def gru_by_hand(rows: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Cho et al. (2014), the reset gate applied after the product (version 1 of the paper, and cuDNN)."""
    kernel, recurrent, (bias, recurrent_bias) = weights
    hidden = np.zeros((len(rows), len(recurrent)))
    states = []
    for x in rows.swapaxes(0, 1):
        seen = np.split(x @ kernel + bias, 3, axis=-1)
        remembered = np.split(hidden @ recurrent + recurrent_bias, 3, axis=-1)
        update, reset = sigmoid(seen[0] + remembered[0]), sigmoid(seen[1] + remembered[1])
        new = np.tanh(seen[2] + reset * remembered[2])
        hidden = update * hidden + (1 - update) * new
        states.append(hidden)
    return np.stack(states, axis=1)


BY_HAND = {"lstm": lstm_by_hand, "gru": gru_by_hand}


@architectures
def test_the_states_are_those_of_the_equations(architecture: str) -> None:
    model, rows = build(architecture, pooling="none"), rows_of()

    expected = BY_HAND[architecture](rows, weights_of(model, f"{architecture}_1"))
    np.testing.assert_allclose(features(model, rows), expected, atol=1e-6)


@architectures
def test_layers_are_stacked_and_the_last_state_is_what_the_head_sees(architecture: str) -> None:
    model, rows = build(architecture, units=[4, 3]), rows_of()
    kernel, bias = weights_of(model, "features_to_value")

    first = BY_HAND[architecture](rows, weights_of(model, f"{architecture}_1"))
    last = BY_HAND[architecture](first, weights_of(model, f"{architecture}_2"))[:, -1]
    np.testing.assert_allclose(model(rows)["value"], last @ kernel + bias, atol=1e-5)


@architectures
@poolings
def test_bidirectional_is_one_reader_from_each_end_side_by_side(architecture: str, pooling: str) -> None:
    model, rows = build(architecture, bidirectional=True, pooling=pooling), rows_of()
    weights = weights_of(model, f"{architecture}_1")

    there = BY_HAND[architecture](rows, weights[:3])
    back = BY_HAND[architecture](rows[:, ::-1], weights[3:])
    steps = np.concatenate([there, back[:, ::-1]], axis=-1)
    expected = {
        "last": lambda: np.concatenate([there[:, -1], back[:, -1]], axis=-1),
        "mean": lambda: steps.mean(axis=1),
        "attention": lambda: attention_by_hand(steps, *weights_of(model, "pool")),
        "none": lambda: steps,
    }[pooling]()
    np.testing.assert_allclose(features(model, rows), expected, atol=1e-5)


def attention_by_hand(steps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    scores = np.exp(steps @ kernel)
    return np.asarray((scores * steps).sum(axis=1) / scores.sum(axis=1))


def test_the_gates_stay_sigmoid_under_another_activation() -> None:
    model = build("lstm", activation="linear", units=[1], input_shape=(None, 1))
    # Gates biased by +-100 are 1 or 0: in and out are open, forget closed, so that the state is the last input, times 3.
    model.get_layer("lstm_1").set_weights(
        [np.array([[0.0, 0.0, 3.0, 0.0]]), np.zeros((1, 4)), np.array([100.0, -100.0, 0.0, 100.0])]
    )

    np.testing.assert_allclose(features(model, np.array([[[5.0], [7.0]]], "float32")), [[21.0]])


@pytest.mark.parametrize(
    ("architecture", "fields", "expected"),
    [
        ("lstm", {}, 4 * ((8 + 16) * 16 + 16) + (16 + 1) * 2),
        ("gru", {}, 3 * ((8 + 16) * 16 + 2 * 16) + (16 + 1) * 2),
        ("gru", {"use_bias": False}, 3 * (8 + 16) * 16 + 16 * 2),
        ("lstm", {"units": [16, 4]}, 4 * ((8 + 16) * 16 + 16) + 4 * ((16 + 4) * 4 + 4) + (4 + 1) * 2),
        ("lstm", {"bidirectional": True}, 2 * 4 * ((8 + 16) * 16 + 16) + (32 + 1) * 2),
        ("gru", {"pooling": "attention"}, 3 * ((8 + 16) * 16 + 2 * 16) + 16 + (16 + 1) * 2),
        (
            "lstm",
            {"input_shape": (None,), "vocabulary_size": 50, "embedding_dim": 6},
            50 * 6 + 4 * ((6 + 16) * 16 + 16) + (16 + 1) * 2,
        ),
    ],
)
def test_parameters_are_as_many_as_by_hand(architecture: str, fields: dict[str, Any], expected: int) -> None:
    model = zoo.build(architecture, **{"input_shape": (None, 8), "units": [16], "head": VALUE, **fields})

    assert model.count_params() == expected


@architectures
@poolings
@pytest.mark.parametrize(("bidirectional", "normalization"), [(False, "batch"), (True, "group")])
def test_padding_changes_no_answer(architecture: str, pooling: str, *, bidirectional: bool, normalization: str) -> None:
    regularization = {"normalization": normalization, **({"groups": 2} if normalization == "group" else {})}
    model = build(
        architecture,
        units=[4, 2],
        pooling=pooling,
        bidirectional=bidirectional,
        regularization=regularization,
        mask_zero=True,
    )
    rows, padding = rows_of(), np.zeros((4, 3, WIDE), "float32")
    plain = model(rows)["value"].numpy()

    for before, after in [(0, 3), (3, 0), (1, 2)]:
        padded = np.concatenate([padding[:, :before], rows, padding[:, :after]], axis=1)
        found = model(padded)["value"].numpy()
        found = found[:, before : before + STEPS] if pooling == "none" else found
        np.testing.assert_allclose(found, plain, atol=1e-6)


@architectures
@poolings
def test_padding_in_between_is_skipped(architecture: str, pooling: str) -> None:
    model = build(architecture, input_shape=(None,), vocabulary_size=9, embedding_dim=3, units=[4, 2], pooling=pooling)
    gaps = np.array([[3, 0, 0, 5, 1]])

    found, plain = (model(ids)["value"].numpy() for ids in (gaps, np.array([[3, 5, 1]])))
    np.testing.assert_allclose(found[:, [0, 3, 4]] if pooling == "none" else found, plain, atol=1e-6)


@architectures
@poolings
def test_nothing_but_padding_is_no_steps_at_all(architecture: str, pooling: str) -> None:
    model = build(architecture, pooling=pooling, bidirectional=True, mask_zero=True)

    np.testing.assert_array_equal(features(model, np.zeros((2, STEPS, WIDE), "float32")), 0)


def test_zeros_are_steps_like_others_unless_they_are_said_to_be_padding() -> None:
    model, rows = build("lstm"), rows_of()

    longer = np.concatenate([rows, np.zeros_like(rows)], axis=1)
    assert not np.allclose(model(longer)["value"], model(rows)["value"], atol=1e-3)


@architectures
def test_recurrent_kernels_begin_orthogonal(architecture: str) -> None:
    model = zoo.build(architecture, input_shape=(None, 3), units=[8], kernel_initializer="zeros", head=VALUE)
    kernel, recurrent, _ = weights_of(model, f"{architecture}_1")

    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(8), atol=1e-5)
    assert not kernel.any()


def test_forget_gates_begin_open() -> None:
    model = zoo.build("lstm", input_shape=(None, 3), units=[2], bias_initializer=0.5, head=VALUE)

    np.testing.assert_array_equal(weights_of(model, "lstm_1")[2], [0.5] * 2 + [1.0] * 2 + [0.5] * 4)


@pytest.mark.parametrize(("bidirectional", "expected"), [(False, 4), (True, 6)])
def test_no_two_kernels_begin_alike(*, bidirectional: bool, expected: int) -> None:
    model = zoo.build("gru", input_shape=(None, 4), units=[4, 4], bidirectional=bidirectional, head=VALUE)
    kernels = [weight.numpy() for weight in model.weights if "kernel" in weight.path and weight.shape == (4, 12)]

    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels) == expected


def test_constraints_hold_for_kernel_and_recurrent_kernel_after_a_step() -> None:
    constraint = {"kind": "max_norm", "max_value": 0.5}
    model = build("lstm", regularization={"constraint": constraint}, pooling="attention", bidirectional=True)
    model.compile("sgd", loss="mse")
    model.train_on_batch(rows_of(), {"value": np.ones((4, 2), "float32")})

    hidden = [weight for weight in model.weights if weight.path.endswith("kernel") and "value" not in weight.path]
    assert len(hidden) == 5
    for weight in hidden:
        assert np.linalg.norm(weight.numpy(), axis=0).max() <= 0.5 + 1e-5


def test_batch_statistics_are_those_of_steps_that_count() -> None:
    model = build("gru", pooling="mean", mask_zero=True, regularization={"normalization": "batch"})
    norm = model.get_layer("gru_1_norm")
    norm.moving_mean.assign(np.zeros(4))
    rows, mask = rows_of(), np.random.default_rng(3).random((4, STEPS)) < 0.6
    rows[~mask] = 0

    model(rows, training=True)

    states = np.concatenate(
        [gru_by_hand(row[counts][None], weights_of(model, "gru_1"))[0] for row, counts in zip(rows, mask, strict=True)]
    )
    np.testing.assert_allclose(norm.moving_mean, 0.1 * states.mean(axis=0), atol=1e-5)


def test_spatial_dropout_takes_whole_channels_of_what_is_read() -> None:
    regularization = {"spatial_dropout": 0.5}
    model = build("lstm", input_shape=(None,), vocabulary_size=9, embedding_dim=16, regularization=regularization)
    read = keras.Model(model.input, model.get_layer("spatial_dropout").output)(
        np.full((4, 6), 3), training=True
    ).numpy()

    dropped = read == 0
    assert dropped.any()
    assert not dropped.all()
    np.testing.assert_array_equal(dropped.all(axis=1), dropped.any(axis=1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"activation": "prelu"}, "activation: prelu has weights of its own, .*cells of lstm: choose leaky_relu"),
        ({"units": []}, "units: .*at least 1 item"),
        ({"pooling": "max"}, "pooling: got 'max'.*known: attention, last, mean, none"),
        ({"input_shape": [None, None]}, "axis 1 .*must have a fixed size: lstm takes null for axis 0 only"),
        ({"input_shape": [8]}, r"\(steps, features\); set vocabulary_size"),
        ({"head": {"kind": "token", "units": 9}}, "a token head answers for every step"),
        ({"regularization": {"stochastic_depth": 0.1}}, "acts on residual branches"),
        ({"regularization": {"normalization": "group", "groups": 3}}, "groups 3 does not divide the 4 channels"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    good = {"architecture": "lstm", "input_shape": [None, WIDE], "units": [4], "head": VALUE}

    with pytest.raises(zoo.ConfigError, match=message):
        zoo.ModelConfig.parse({**good, **fields})


def test_groups_divide_both_directions_together() -> None:
    regularization = {"normalization": "group", "groups": 8}
    model = build("gru", bidirectional=True, regularization=regularization)

    assert model(rows_of())["value"].shape == (4, 2)


def test_per_step_features_carry_a_head_for_every_step() -> None:
    model = build("lstm", pooling="none", head={"kind": "token", "units": 9})

    assert model(rows_of())["probabilities"].shape == (4, STEPS, 9)


MASKED = {
    "lstm": {"architecture": "lstm", "input_shape": (6, WIDE), "mask_zero": True, "pooling": "mean"},
    "gru": {"architecture": "gru", "input_shape": (6,), "vocabulary_size": 9, "pooling": "attention"},
}


@pytest.mark.parametrize("fields", MASKED.values(), ids=list(MASKED))
def test_training_on_padded_rows_compiles_under_xla(fields: dict[str, Any]) -> None:
    noise = {"dropout": 0.2, "recurrent_dropout": 0.2, "spatial_dropout": 0.2, "normalization": "batch"}
    config = zoo.ModelConfig.parse({**fields, "units": [4, 4], "regularization": noise, "head": VALUE})

    assert compile_under_xla(config) == []


@architectures
@pytest.mark.parametrize("promise", [survive_a_keras_file, export_bit_equal])
def test_sequences_of_any_length_are_saved_and_exported(architecture: str, promise: Promise) -> None:
    fields = {"architecture": architecture, "input_shape": [None, WIDE], "units": [4], "mask_zero": True, "head": VALUE}
    config = zoo.ModelConfig.parse({**fields, "activation": {"kind": "leaky_relu", "negative_slope": 0.2}})

    assert promise(config) == []


JAX = """
import json
import sys

import keras
import numpy as np

import zoo

assert keras.backend.backend() == "jax"
folder, *texts = sys.argv[1:]
found = []
for number, text in enumerate(texts):
    model, stored = zoo.build(zoo.ModelConfig.from_json(text)), np.load(f"{folder}/{number}.npz")
    learnt = [weight for weight in model.weights if "seed_generator" not in weight.path]
    for weight in learnt:
        weight.assign(stored[weight.path])
    found.append(float(np.abs(np.asarray(model(stored["rows"])["value"]) - stored["value"]).max()))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_answers_to_padded_rows_are_equal_on_jax(run_python: Callable[..., Any], tmp_path: Path) -> None:
    configs = []
    for architecture in ("lstm", "gru"):
        for pooling, bidirectional in [("last", True), ("attention", True), ("mean", False), ("none", False)]:
            model = build(
                architecture,
                input_shape=(None,),
                vocabulary_size=9,
                embedding_dim=3,
                units=[4, 4],
                pooling=pooling,
                bidirectional=bidirectional,
                regularization={"normalization": "rms"},
            )
            rows = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [0, 0, 7, 8], [0, 0, 0, 0]])
            learnt = {w.path: w.numpy() for w in model.weights if "seed_generator" not in w.path}
            np.savez(tmp_path / f"{len(configs)}.npz", rows=rows, value=model(rows)["value"], **learnt)
            configs.append(model.zoo_config.to_json())

    run = run_python(JAX, str(tmp_path), *configs, KERAS_BACKEND="jax")

    assert run.returncode == 0, run.stderr
    assert max(json.loads(run.stdout.splitlines()[-1])) < 1e-5
