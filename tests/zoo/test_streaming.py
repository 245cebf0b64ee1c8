import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import given, settings

import zoo
from zoo.errors import StreamError
from zoo.streaming import Stream, step_model

STEPS, ROWS = 9, 3
VALUE = {"kind": "linear", "units": 2}
SERIES = {"input_shape": (None, 3), "units": [4, 3], "head": VALUE}
PADDED = {**SERIES, "mask_zero": True}
NOISE = {"dropout": 0.3, "recurrent_dropout": 0.3, "spatial_dropout": 0.3}
CASES: dict[str, dict[str, Any]] = {
    "lstm last": {"architecture": "lstm", **SERIES, "regularization": {**NOISE, "normalization": "batch"}},
    "gru last padded": {"architecture": "gru", **PADDED, "regularization": {"normalization": "rms"}},
    "lstm none padded": {
        "architecture": "lstm",
        **PADDED,
        "input_shape": (STEPS, 3),
        "pooling": "none",
        "preprocessing": [{"kind": "rescaling", "scale": 0.5}],
        "regularization": {"normalization": "layer", "gaussian_noise": 0.1},
    },
    "gru none of ids": {
        "architecture": "gru",
        "input_shape": (None,),
        "vocabulary_size": 5,
        "embedding_dim": 3,
        "units": [4, 4],
        "pooling": "none",
        "regularization": {"normalization": "group", "groups": 2},
        "head": {"kind": "token", "units": 5},
    },
}
cases = pytest.mark.parametrize("case", CASES)


@functools.cache
def model_of(case: str) -> keras.Model:
    model = zoo.build(zoo.ModelConfig.parse(CASES[case]))
    random = np.random.default_rng(4)
    for weight in model.weights:
        if "seed_generator" not in weight.path:
            size = random.normal(scale=0.7, size=weight.shape)
            weight.assign(np.abs(size) + 0.1 if weight.path.endswith("variance") else size)
    return model


@functools.cache
def stream_of(case: str) -> Stream:
    return Stream(model_of(case), rows=ROWS)


def rows_of(case: str) -> np.ndarray:
    """Rows of which a third of the steps are padding, where padding is told apart; one begins with it."""
    random = np.random.default_rng(2)
    if "vocabulary_size" in CASES[case]:
        rows = random.integers(1, 5, (ROWS, STEPS)).astype("int32")
    else:
        rows = random.normal(size=(ROWS, STEPS, 3)).astype("float32")
    if zoo.ModelConfig.parse(CASES[case]).masks_padding():  # type: ignore[attr-defined]
        rows[random.random((ROWS, STEPS)) < 0.3] = 0
        rows[0, :3] = 0
    return rows


def whole_answers(case: str, rows: np.ndarray) -> np.ndarray:
    (answer,) = model_of(case)(rows).values()
    return np.asarray(answer)


def chunks(rows: np.ndarray, cuts: set[int]) -> list[np.ndarray]:
    return np.split(rows, sorted(cuts), axis=1)


@cases
@given(cuts=st.sets(st.integers(1, STEPS - 1)))
@settings(max_examples=25, deadline=None)
def test_a_sequence_in_pieces_of_any_sizes_is_answered_as_the_whole(case: str, cuts: set[int]) -> None:
    rows, stream = rows_of(case), stream_of(case)
    stream.reset()

    answers = [next(iter(stream.step(chunk).values())) for chunk in chunks(rows, cuts)]

    found = np.concatenate(answers, axis=1) if answers[0].ndim == 3 else answers[-1]
    np.testing.assert_allclose(found, whole_answers(case, rows), atol=1e-6)


@pytest.mark.parametrize("case", ["lstm last", "gru last padded"])
def test_the_answer_to_a_piece_is_that_to_everything_up_to_its_end(case: str) -> None:
    rows, stream = rows_of(case), stream_of(case)
    stream.reset()

    for end in range(1, STEPS + 1):
        found = stream.step(rows[:, end - 1 : end])["value"]
        np.testing.assert_allclose(found, whole_answers(case, rows[:, :end]), atol=1e-6)


def test_a_piece_of_padding_changes_no_state() -> None:
    model = step_model(model_of("gru last padded"))
    states = {name: np.full((1, x.shape[-1]), 0.25, "float32") for name, x in model.input.items() if name != "inputs"}

    after = model({"inputs": np.zeros((1, 4, 3), "float32"), **states})

    assert {name: after[name].numpy().tolist() for name in states} == {k: v.tolist() for k, v in states.items()}


def test_a_reset_stream_begins_anew() -> None:
    rows, stream = rows_of("lstm last"), Stream(model_of("lstm last"), rows=ROWS)
    first = stream.step(rows)["value"]

    assert not np.allclose(stream.step(rows)["value"], first)
    stream.reset()
    np.testing.assert_array_equal(stream.step(rows)["value"], first)


@pytest.mark.parametrize(
    ("case", "states"),
    [
        ("lstm last", {"lstm_1_hidden": 4, "lstm_1_cell": 4, "lstm_2_hidden": 3, "lstm_2_cell": 3}),
        ("gru last padded", {"gru_1_hidden": 4, "gru_2_hidden": 3}),
    ],
)
def test_states_go_in_and_out_by_the_names_of_their_layers(case: str, states: dict[str, int]) -> None:
    model = step_model(model_of(case))

    expected = {name: (None, units) for name, units in states.items()}
    assert {name: x.shape for name, x in model.input.items()} == {"inputs": (None, None, 3), **expected}
    assert {name: x.shape for name, x in model.output.items()} == {"value": (None, 2), **expected}


@cases
def test_the_weights_are_shared(case: str) -> None:
    model = model_of(case)

    assert {id(weight) for weight in step_model(model).trainable_weights} == {id(w) for w in model.trainable_weights}


def test_the_model_itself_stays_as_it_is(tmp_path: Path) -> None:
    model = zoo.build("gru", **SERIES)
    model.compile("sgd", loss="mse")
    rows = rows_of("lstm last")
    before = model(rows)["value"].numpy()
    layers = [layer.name for layer in model.layers]

    step_model(model)
    model.save(tmp_path / "model.keras")

    assert [layer.name for layer in model.layers] == layers
    np.testing.assert_array_equal(model(rows)["value"], before)
    np.testing.assert_array_equal(zoo.load_model(tmp_path / "model.keras")(rows)["value"], before)


@cases
def test_a_model_saved_and_loaded_again_streams_as_well(case: str, tmp_path: Path) -> None:
    model_of(case).save(tmp_path / "model.keras")
    rows = rows_of(case)
    stream = Stream(zoo.load_model(tmp_path / "model.keras"), rows=ROWS)

    (first,), (last,) = (stream.step(chunk).values() for chunk in chunks(rows, {4}))
    found = np.concatenate([first, last], axis=1) if last.ndim == 3 else last
    np.testing.assert_allclose(found, whole_answers(case, rows), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_states_lose_nothing_under_a_mixed_policy(policy: str, dtype_policy: Callable[[str], None]) -> None:
    dtype_policy(policy)
    model = zoo.build("lstm", **PADDED)
    rows, stream = rows_of("gru last padded"), Stream(model, rows=ROWS)

    found = [stream.step(chunk)["value"] for chunk in chunks(rows, {2, 3, 7})][-1]

    assert {x.dtype for x in step_model(model).output.values()} == {"float32"}
    np.testing.assert_allclose(found, model(rows)["value"], atol=1e-6)


@pytest.mark.parametrize("case", ["lstm last", "gru none of ids"])
def test_an_exported_step_model_streams_by_its_signature(case: str, tmp_path: Path) -> None:
    import tensorflow as tf

    model, rows = step_model(model_of(case)), rows_of(case)
    version = zoo.export(model, tmp_path / "stream", variants=())
    answer = tf.saved_model.load(str(version)).signatures["serving_default"]
    states = {name: tf.zeros((ROWS, x.shape[-1])) for name, x in model.input.items() if name != "inputs"}

    pieces = []
    for chunk in chunks(rows, {2, 3}):
        found = answer(inputs=tf.constant(chunk), **states)
        states = {name: found[name] for name in states}
        pieces.append(found[next(iter(model_of(case).output))].numpy())

    together = np.concatenate(pieces, axis=1) if pieces[0].ndim == 3 else pieces[-1]
    np.testing.assert_allclose(together, whole_answers(case, rows), atol=1e-6)


def functional(layer: keras.layers.Layer) -> keras.Model:
    inputs = keras.Input((6, 3), name="inputs")
    return keras.Model(inputs, {"value": layer(inputs)})


TEXT = {"input_shape": (6,), "vocabulary_size": 9, "head": {"kind": "softmax", "units": 2}}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: zoo.build("lstm", **SERIES, bidirectional=True),
            "'lstm_1' also reads from the end.*bidirectional false",
        ),
        (lambda: zoo.build("gru", **SERIES, pooling="mean"), "'pool' takes the mean over all steps.*'last' or 'none'"),
        (lambda: zoo.build("gru", **SERIES, pooling="attention"), "'pool' takes the mean over all steps"),
        (lambda: zoo.build("mlp", input_shape=(6,), head=VALUE), "mlp .*no recurrent layers.*build an lstm or a gru"),
        (lambda: zoo.build("transformer_tiny", **TEXT), "transformer .*no recurrent layers"),
        (lambda: step_model(model_of("lstm last")), "has 'inputs', 'lstm_1_cell'.*it is a step model already"),
        (lambda: functional(keras.layers.GRU(2, go_backwards=True)), "reads from the end"),
        (
            lambda: zoo.build(
                "gru",
                input_shape=(6, 3),
                preprocessing=[{"kind": "normalization", "per": "element", "mean": [0.0] * 18, "variance": [1.0] * 18}],
                head=VALUE,
            ),
            "has statistics for every place in a sequence",
        ),
        (
            lambda: zoo.build(
                "lstm",
                input_shape=[],
                preprocessing=[{"kind": "tokens", "vocabulary": ["a", "b"], "length": 6}],
                vocabulary_size=4,
                head=VALUE,
            ),
            r"\(Tokenization\) is not known to work step by step",
        ),
        (lambda: keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(2)]), "expected a model with named outputs"),
    ],
)
def test_what_needs_steps_still_to_come_is_refused(make: Callable[[], keras.Model], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        step_model(make())


def test_several_inputs_are_refused() -> None:
    a, b = keras.Input((6, 3), name="inputs"), keras.Input((6, 3), name="other")
    model = keras.Model({"inputs": a, "other": b}, {"value": keras.layers.LSTM(2)(a + b)}, name="two")

    with pytest.raises(StreamError, match=r"feeds the one input 'inputs', but two has 'inputs', 'other'$"):
        step_model(model)


@pytest.mark.parametrize(
    ("case", "chunk", "message"),
    [
        ("lstm last", np.zeros((ROWS, 2, 4)), r"expected steps of shape \(3, any, 3\), at least 1.*got \(3, 2, 4\)"),
        ("lstm last", np.zeros((ROWS, 0, 3)), r"at least 1 of them, got \(3, 0, 3\)"),
        ("lstm last", np.zeros((ROWS + 1, 2, 3)), r"got \(4, 2, 3\)"),
        ("lstm last", np.zeros((ROWS, 3)), r"got \(3, 3\)"),
        ("lstm last", np.full((ROWS, 1, 3), "a"), "expected numbers, got <U1"),
        ("gru none of ids", np.zeros((ROWS, 2)), r"expected token ids \(whole numbers\), got float64"),
        ("gru none of ids", np.zeros((ROWS, 2, 1), int), r"shape \(3, any\), .*got \(3, 2, 1\)"),
    ],
)
def test_a_piece_that_does_not_fit_is_refused_and_forgotten(case: str, chunk: np.ndarray, message: str) -> None:
    rows, stream = rows_of(case), stream_of(case)
    stream.reset()
    first = next(iter(stream.step(rows).values()))
    stream.reset()

    with pytest.raises(StreamError, match=message):
        stream.step(chunk)

    np.testing.assert_array_equal(next(iter(stream.step(rows).values())), first)


JAX = """
import json
import sys

import keras
import numpy as np

import zoo
from zoo.streaming import Stream

assert keras.backend.backend() == "jax"
differences = []
for number in range(int(sys.argv[2])):
    stored = np.load(f"{sys.argv[1]}/{number}.npz")
    stream = Stream(zoo.load_model(f"{sys.argv[1]}/{number}.keras"), rows=len(stored["rows"]))
    answers = [next(iter(stream.step(chunk).values())) for chunk in np.split(stored["rows"], [4, 5], axis=1)]
    found = np.concatenate(answers, axis=1) if answers[0].ndim == 3 else answers[-1]
    differences.append(float(np.abs(found - stored["whole"]).max()))
print(json.dumps(differences))
"""


@pytest.mark.slow
def test_streams_on_jax_answer_as_whole_sequences_on_tensorflow(run_python: Callable[..., Any], tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        rows = rows_of(case)
        model_of(case).save(tmp_path / f"{number}.keras")
        np.savez(tmp_path / f"{number}.npz", rows=rows, whole=whole_answers(case, rows))

    run = run_python(JAX, str(tmp_path), str(len(CASES)), KERAS_BACKEND="jax")

    assert run.returncode == 0, run.stderr
    assert max(json.loads(run.stdout.splitlines()[-1])) < 1e-5
