"""The steps as layers of a model: what comes out, and what they learn from data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from pydantic import TypeAdapter

import zoo
from zoo.config import Spec, StepConfig
from zoo.config.preprocessing import Preprocessing
from zoo.errors import ConfigError, ExportError, NotAdaptedError
from zoo.preprocessing import adapt, needs_adapting, preprocess

WORDS = ("apple", "Banana!", "", "date elder", "Ärger", "date")
SCALE_AND_SOUND: list[dict[str, Any]] = [
    {"kind": "spectrogram", "frame_length": 16, "frame_step": 8},
    {"kind": "rescaling", "scale": 3.0, "offset": 1.0},
    {"kind": "normalization"},
]
NORMALIZED_CATEGORIES: list[dict[str, Any]] = [{"kind": "lookup", "vocabulary_size": 3}, {"kind": "normalization"}]


def parse(steps: Sequence[Any]) -> tuple[StepConfig, ...]:
    return TypeAdapter(Preprocessing).validate_python(steps)


def model_of(steps: Sequence[Any], spec: Spec) -> keras.Model:
    inputs = keras.Input(spec.shape, dtype=spec.dtype, name="inputs")
    return keras.Model(inputs, preprocess(inputs, parse(steps)))


def sample(spec: Spec, rows: int = 6) -> np.ndarray:
    random, shape = np.random.default_rng(3), (rows, *(20 if size is None else size for size in spec.shape))
    if spec.dtype == "string":
        return random.choice(np.array(WORDS, object), shape)
    return (random.normal(size=shape) * 4).astype(spec.dtype)


def answers(model: keras.Model, rows: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(rows, model.inputs[0].dtype)))


small = st.integers(1, 5)
numbers = st.sampled_from(
    [
        {"kind": "rescaling", "scale": 2.0},
        {"kind": "normalization"},
        {"kind": "normalization", "per": "all"},
        {"kind": "normalization", "per": "all", "mean": [3], "variance": [0]},
    ]
)
resizing = st.fixed_dictionaries(
    {"kind": st.just("resizing"), "height": small, "width": small},
    optional={
        "interpolation": st.sampled_from(["nearest", "bicubic"]),
        "antialias": st.booleans(),
        "pad_to_aspect_ratio": st.booleans(),
    },
)
sound = st.fixed_dictionaries(
    {"kind": st.just("spectrogram"), "frame_length": st.integers(1, 9), "frame_step": small},
    optional={
        "fft_length": st.integers(9, 12),
        "channels": st.booleans(),
        "log": st.booleans(),
        "mel_bins": st.just(1),
    },
).map(lambda step: {**step, "fft_length": 12, "sampling_rate": 10} if "mel_bins" in step else step)
tokens = st.fixed_dictionaries({"kind": st.just("tokens"), "length": small}).flatmap(
    lambda step: st.sampled_from(
        [
            {**step, "level": "byte"},
            {**step, "vocabulary": ["apple"]},
            {**step, "level": "character", "vocabulary_size": 5, "standardize": "lower"},
        ]
    )
)
lookup = st.fixed_dictionaries(
    {"kind": st.just("lookup")},
    optional={"values": st.just("int32"), "unknown": st.just("zeros")},
).flatmap(
    lambda step: st.sampled_from(
        [
            {**step, "vocabulary_size": 3},
            *([] if "unknown" in step else [{**step, "vocabulary_size": 2, "encoding": "index"}]),
        ]
    )
)
chains = st.one_of(
    st.tuples(st.just(Spec((None, None, 2), "float32")), st.tuples(resizing, numbers)),
    st.tuples(st.just(Spec((7, 4, 1), "float32")), st.tuples(numbers, resizing)),
    st.tuples(st.sampled_from([Spec((20,), "float32"), Spec((None,), "float32")]), st.tuples(sound, numbers)),
    st.tuples(st.just(Spec((), "string")), st.tuples(tokens)),
    lookup.map(lambda step: (Spec((2,), step.get("values", "string")), (step,))),
)


@given(chains)
@settings(deadline=None, max_examples=40)
def test_what_comes_out_is_what_the_config_says(chain: tuple[Spec, tuple[dict[str, Any], ...]]) -> None:
    spec, steps = chain
    model, rows = model_of(steps, spec), sample(spec)
    adapt(model, rows)

    said = spec
    for step in parse(steps):
        said = step.output(said)
    symbolic = model.output
    found = answers(model, rows)

    assert (symbolic.shape[1:], symbolic.dtype) == said
    assert found.dtype == said.dtype
    assert all(wanted in {None, size} for wanted, size in zip(said.shape, found.shape[1:], strict=True))
    assert tf.function(model)(tf.constant(rows)).shape[1:].as_list() == list(found.shape[1:])


# ---- adapting


def test_a_step_adapts_to_what_the_steps_before_it_give() -> None:
    rows = sample(Spec((64,), "float32"))
    model, before = (
        model_of(SCALE_AND_SOUND, Spec((64,), "float32")),
        model_of(SCALE_AND_SOUND[:2], Spec((64,), "float32")),
    )
    adapt(model, rows)

    seen = answers(before, rows).astype("float64")
    expected = (seen - seen.mean(axis=(0, 1))) / seen.std(axis=(0, 1))
    np.testing.assert_allclose(answers(model, rows), expected, atol=1e-4)


def test_a_step_sees_what_an_adapted_step_gives() -> None:
    model, rows = model_of(NORMALIZED_CATEGORIES, Spec((1,), "string")), np.array([["a"], ["a"], ["b"], ["c"]], object)
    adapt(model, rows)

    # slots: unknown (c), a, b; each normalized: means 1/4, 2/4, 1/4
    one_hot = np.array([[0, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(answers(model, rows), (one_hot - one_hot.mean(axis=0)) / one_hot.std(axis=0), atol=1e-6)


def test_rows_are_read_in_pieces_from_disk(tmp_path: Path) -> None:
    rows = np.memmap(tmp_path / "rows", "float32", "w+", shape=(100_000, 2))
    rows[:] = np.arange(200_000).reshape(-1, 2)
    model = model_of([{"kind": "normalization"}], Spec((2,), "float32"))
    adapt(model, rows)

    layer = model.layers[1]
    np.testing.assert_allclose(layer.mean, [99_999, 100_000], rtol=1e-6)
    np.testing.assert_allclose(layer.deviation, np.arange(0, 200_000, 2).std(), rtol=1e-6)


def test_a_model_is_adapted_after_saving_and_loading(tmp_path: Path) -> None:
    model, rows = model_of(NORMALIZED_CATEGORIES, Spec((2,), "string")), sample(Spec((2,), "string"))
    model.save(tmp_path / "raw.keras")
    loaded = keras.models.load_model(tmp_path / "raw.keras")
    for one in (model, loaded):
        assert needs_adapting(one)
        adapt(one, rows)
        assert not needs_adapting(one)
    loaded.save(tmp_path / "adapted.keras")

    again = keras.models.load_model(tmp_path / "adapted.keras")
    assert not needs_adapting(again)
    np.testing.assert_array_equal(answers(again, rows), answers(model, rows))


def test_only_inputs_that_a_step_sees_count_in_a_model_of_several() -> None:
    table, other = keras.Input((1,), name="table"), keras.Input((2,), name="other")
    outputs = keras.layers.Concatenate()([preprocess(table, parse([{"kind": "normalization"}])), other])
    model = keras.Model({"table": table, "other": other}, outputs)
    rows = {"other": np.full((2, 2), 7.0), "table": np.array([[1.0], [3.0]])}
    adapt(model, rows)

    np.testing.assert_array_equal(model(rows), [[-1, 7, 7], [1, 7, 7]])


def test_given_state_stays_as_it_is() -> None:
    model = model_of([{"kind": "normalization", "mean": [1], "variance": [4]}], Spec((1,), "float32"))
    adapt(model, np.array([[50.0], [60.0]]))

    np.testing.assert_array_equal(answers(model, np.array([[5.0]])), [[2.0]])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((0, 2)), r"the rows of 'inputs' have shape \[0, 2\], expected \['rows', 2\], one at least"),
        (np.zeros((3, 3)), r"shape \[3, 3\], expected \['rows', 2\]"),
        (np.zeros(3), r"shape \[3\], expected"),
        ({"input": np.zeros((3, 2))}, "there are no rows for inputs"),
    ],
    ids=str,
)
def test_rows_that_the_model_does_not_take_are_refused(rows: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        adapt(model_of([{"kind": "normalization"}], Spec((2,), "float32")), rows)


def test_a_model_within_a_model_is_to_be_adapted_by_itself() -> None:
    inner = model_of([{"kind": "normalization"}], Spec((2,), "float32"))
    inputs = keras.Input((2,), name="inputs")
    outer = keras.Model(inputs, inner(inputs))

    assert needs_adapting(outer)
    with pytest.raises(ConfigError, match="is part of a model within"):
        adapt(outer, np.zeros((3, 2)))
    adapt(inner, np.eye(2))
    assert not needs_adapting(outer)


# ---- in models


FIELDS: dict[str, Any] = {"input_shape": [2], "units": [4], "head": {"kind": "softmax", "units": 2}}


def test_a_model_that_saw_no_data_neither_answers_nor_becomes_an_artifact(tmp_path: Path) -> None:
    model = zoo.build("mlp", **FIELDS, preprocessing=[{"kind": "normalization"}])

    with pytest.raises(NotAdaptedError, match="'preprocessing_0_normalization' has not seen the training data"):
        model(np.zeros((1, 2)))
    with pytest.raises(
        ExportError, match=r"the preprocessing of 'mlp' has not seen the training data: call zoo\.adapt"
    ):
        zoo.export(model, tmp_path / "model", examples=np.zeros((1, 2)))
    assert not list(tmp_path.iterdir())


def test_one_seed_gives_one_set_of_weights_whatever_was_adapted() -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp", **FIELDS, "preprocessing": NORMALIZED_CATEGORIES})
    models = []
    for one in (config, zoo.ModelConfig.from_yaml(config.to_yaml())):
        keras.utils.set_random_seed(5)
        models.append(zoo.build(one))
    adapt(models[0], sample(Spec((2,), "string")))

    for a, b in zip(*(model.trainable_weights for model in models), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_inputs_out_of_the_range_of_half_precision_are_seen_whole(
    policy: str, dtype_policy: Callable[[str], None]
) -> None:
    dtype_policy(policy)
    steps = [{"kind": "rescaling", "scale": 1e-5}, {"kind": "normalization"}]
    model, rows = model_of(steps, Spec((1,), "float32")), np.array([[1e6], [1e6 + 1000]], "float32")
    adapt(model, rows)

    np.testing.assert_allclose(answers(model, rows), [[-1], [1]], rtol=1e-2)


def test_images_of_any_size_are_served_at_one_size(tmp_path: Path) -> None:
    size = {"height": 8, "width": 6, "pad_to_aspect_ratio": True}
    head = {"kind": "softmax", "units": 2}
    model = zoo.build(
        "cnn", input_shape=[None, None, 1], filters=[2], head=head, preprocessing=[{"kind": "resizing", **size}]
    )
    path = zoo.export(model, tmp_path / "images", examples=np.random.default_rng(1).random((2, 9, 9, 1)), variants=())
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]

    for shape in [(1, 20, 5, 1), (3, 3, 11, 1), (2, 8, 6, 1)]:
        rows = np.random.default_rng(2).random(shape).astype("float32")
        served = serve(inputs=tf.constant(rows))["probabilities"]
        np.testing.assert_allclose(served, model(rows)["probabilities"], atol=1e-6)


def test_an_image_that_is_padded_keeps_its_proportions() -> None:
    steps = [{"kind": "resizing", "height": 4, "width": 4, "interpolation": "nearest"}]
    image = np.ones((1, 4, 2, 1), "float32")

    (padded,) = answers(model_of([{**steps[0], "pad_to_aspect_ratio": True}], Spec((4, 2, 1), "float32")), image)
    (stretched,) = answers(model_of(steps, Spec((4, 2, 1), "float32")), image)

    np.testing.assert_array_equal(padded[..., 0], [[0, 1, 1, 0]] * 4)
    np.testing.assert_array_equal(stretched[..., 0], [[1, 1, 1, 1]] * 4)


def test_an_image_that_is_cropped_keeps_its_middle() -> None:
    steps = [{"kind": "resizing", "height": 2, "width": 2, "crop_to_aspect_ratio": True}]
    image = np.arange(8, dtype="float32").reshape(1, 2, 4, 1)

    (cropped,) = answers(model_of(steps, Spec((2, 4, 1), "float32")), image)
    np.testing.assert_array_equal(cropped[..., 0], [[1, 2], [5, 6]])


@pytest.mark.parametrize(
    ("steps", "spec"),
    [
        (SCALE_AND_SOUND, Spec((64,), "float32")),
        (
            [{"kind": "spectrogram", "frame_length": 16, "frame_step": 9, "mel_bins": 3, "sampling_rate": 99}],
            Spec((40,), "float32"),
        ),
        ([{"kind": "resizing", "height": 3, "width": 9}], Spec((7, 4, 2), "float32")),
        ([{"kind": "resizing", "height": 3, "width": 9, "crop_to_aspect_ratio": True}], Spec((7, 4, 2), "float32")),
        ([{"kind": "lookup", "values": "int32", "vocabulary_size": 3}], Spec((2,), "int32")),
    ],
    ids=str,
)
def test_steps_on_numbers_compile_under_xla(steps: list[dict[str, Any]], spec: Spec) -> None:
    model, rows = model_of(steps, spec), sample(spec)
    adapt(model, rows)

    compiled = tf.function(model, jit_compile=True)(tf.constant(rows))
    np.testing.assert_allclose(compiled, answers(model, rows), rtol=1e-4, atol=1e-4)


ON_JAX = """
import sys
import numpy as np
import zoo
from zoo.errors import ConfigError
from zoo.preprocessing import adapt

np.random.seed(1)
for number, (shape, steps) in enumerate(eval(sys.argv[1])):
    try:
        model = zoo.build("mlp", input_shape=shape, units=[3], head={"kind": "linear", "units": 2}, preprocessing=steps)
    except ConfigError as error:
        print(error)
        continue
    rows = (np.random.normal(size=(6, *shape)) * 4).astype(model.inputs[0].dtype)
    adapt(model, rows)
    for weight in model.trainable_weights:
        weight.assign(np.random.normal(size=weight.shape))
    np.save(f"{sys.argv[2]}/rows{number}.npy", rows)
    np.save(f"{sys.argv[2]}/answers{number}.npy", model(rows)["value"])
    model.save(f"{sys.argv[2]}/model{number}.keras")
"""


@pytest.mark.slow
def test_what_was_adapted_on_jax_answers_the_same_on_tensorflow(run_python: Callable[..., Any], tmp_path: Path) -> None:
    cases = [
        ((64,), SCALE_AND_SOUND),
        ((7, 5, 2), [{"kind": "resizing", "height": 3, "width": 9, "pad_to_aspect_ratio": True}]),
        ((7, 5, 2), [{"kind": "resizing", "height": 3, "width": 2, "interpolation": "bicubic", "antialias": True}]),
        ((3,), [{"kind": "lookup", "values": "int32", "vocabulary_size": 4}, {"kind": "normalization"}]),
        ((2,), [{"kind": "lookup", "vocabulary": ["a"]}]),
    ]
    done = run_python(ON_JAX, repr(cases), str(tmp_path), KERAS_BACKEND="jax")

    assert done.stdout == (
        "'preprocessing_0_lookup', which looks categories up, works on strings, which only TensorFlow has, and Keras runs "
        "on jax: set KERAS_BACKEND=tensorflow in the environment, or do this step before the model\n"
    ), done.stderr[-3000:]
    for number in range(len(cases) - 1):
        model = keras.models.load_model(tmp_path / f"model{number}.keras")
        rows, expected = (np.load(tmp_path / f"{name}{number}.npy") for name in ("rows", "answers"))
        np.testing.assert_allclose(model(rows)["value"], expected, rtol=1e-4, atol=1e-4)


def test_a_category_is_never_taken_for_padding() -> None:
    steps = [{"kind": "lookup", "values": "int32", "vocabulary": [10, 20], "encoding": "index"}]
    fields = {"input_shape": (2,), "vocabulary_size": 6, "preprocessing": steps, "head": {"kind": "linear"}}
    model = zoo.build("lstm", units=[3], pooling="mean", **fields)

    unknown, known = (keras.ops.convert_to_numpy(model(np.array([[99, row]], "int32"))["value"]) for row in (99, 10))

    assert not any("mask" in layer.name for layer in model.layers)
    assert not np.allclose(unknown, known)
    with pytest.raises(zoo.ConfigError, match="mask_zero: what lookup gives has no padding"):
        zoo.build("lstm", mask_zero=True, **fields)


def test_a_clip_shorter_than_a_frame_is_filled_up_with_silence() -> None:
    steps = [{"kind": "spectrogram", "frame_length": 8, "frame_step": 4}]
    model = zoo.build("gru", units=[3], input_shape=(None,), preprocessing=steps, head={"kind": "linear"})
    clip = np.arange(1, 6, dtype="float32")[None]

    filled = np.concatenate([clip, np.zeros((1, 3), "float32")], axis=1)
    np.testing.assert_allclose(model(clip)["value"], model(filled)["value"], atol=1e-6)
