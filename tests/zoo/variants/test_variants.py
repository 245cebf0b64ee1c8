"""Variants answer as the SavedModel does, say how far they are from it, and are refused where they are worse."""

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.artifact import read_passport
from zoo.errors import ExportError, UnknownNameError

SERVING = "serving_default"


def build(name: str, shape: tuple[int | None, ...], **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(11)
    return zoo.build(name, input_shape=shape, **fields)


def foreign() -> keras.Model:
    """A model as others write them: two inputs, a shared layer, operations without layers."""
    keras.utils.set_random_seed(3)
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    shared = keras.layers.Dense(8, activation="tanh")
    joined = keras.layers.Concatenate()([shared(left), shared(right) * 2.0])
    return keras.Model([left, right], {"probabilities": keras.layers.Dense(3, activation="softmax")(joined)})


SOFTMAX = {"kind": "softmax", "units": 3}
MODELS: dict[str, Callable[[], keras.Model]] = {
    "mlp": lambda: build("mlp", (4,), units=[8], head=SOFTMAX),
    "cnn with batch norm": lambda: build(
        "cnn", (8, 8, 1), filters=[4], head=SOFTMAX, regularization={"normalization": "batch"}
    ),
    "lstm": lambda: build("lstm", (5, 2), units=[4], head={"kind": "linear", "units": 2}),
    "gru with padding": lambda: build(
        "gru", (5,), vocabulary_size=9, embedding_dim=4, units=[4], mask_zero=True, head=SOFTMAX
    ),
    "transformer": lambda: build(
        "transformer", (6,), vocabulary_size=9, hidden_dim=8, num_heads=2, num_layers=1, mask_zero=True, head=SOFTMAX
    ),
    "several heads": lambda: build(
        "mlp",
        (4,),
        units=[8],
        heads={"kind": SOFTMAX, "alive": {"kind": "sigmoid"}, "weight": {"kind": "linear", "units": 2, "offset": 300}},
    ),
    "not of this zoo": foreign,
}


def rows_for(model: keras.Model, count: int, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        x.name: random.integers(0, 9, size=(count, *x.shape[1:])).astype("int32")
        if x.dtype == "int32"
        else random.normal(size=(count, *x.shape[1:])).astype("float32")
        for x in model.inputs
    }


def run_saved_model(version: Path, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    signature = tf.saved_model.load(str(version)).signatures[SERVING]
    return {name: x.numpy() for name, x in signature(**{k: tf.constant(v) for k, v in rows.items()}).items()}


def interpreter(version: Path, file: str) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        return tf.lite.Interpreter(str(version / file))


def run_by_tensor_names(version: Path, name: str, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a LiteRT file as a program does that has nothing but the passport."""
    variant = read_passport(version).variants[name]
    lite = interpreter(version, variant.file)
    places = {tensor["name"]: tensor["index"] for tensor in (*lite.get_input_details(), *lite.get_output_details())}
    for key in variant.inputs:
        lite.resize_tensor_input(places[variant.tensors[key]], rows[key].shape)
    lite.allocate_tensors()
    for key in variant.inputs:
        lite.set_tensor(places[variant.tensors[key]], rows[key])
    lite.invoke()
    return {key: lite.get_tensor(places[variant.tensors[key]]) for key in variant.outputs}


@pytest.mark.parametrize("case", MODELS)
def test_a_tflite_answers_as_the_saved_model_does(case: str, tmp_path: Path) -> None:
    model = MODELS[case]()
    version = zoo.export(model, tmp_path / "m", examples=rows_for(model, 20))
    passport = read_passport(version)
    assert passport.left_out == {}
    variant = passport.variants["litert"]
    assert (variant.kind, variant.precision, variant.rows) == ("litert", "float32", 20)
    assert variant.bytes == (version / "model.tflite").stat().st_size

    for count in (1, 3, 33):
        rows = rows_for(model, count, seed=count)
        got, expected = run_by_tensor_names(version, "litert", rows), run_saved_model(version, rows)
        assert {name for name in expected if not name.endswith("label")} == got.keys()
        for name, answers in got.items():
            assert (answers.dtype.name, answers.ndim) == (
                variant.outputs[name].dtype,
                len(variant.outputs[name].shape),
            )
            np.testing.assert_allclose(answers, expected[name], rtol=1e-5, atol=1e-5)
    report = zoo.verify(version)
    assert report.ok
    assert report.checks[-1].name == "litert (model.tflite)"


def words() -> keras.Model:
    texts = keras.Input((), dtype="string", name="word")
    return keras.Model(texts, {"id": keras.layers.StringLookup(vocabulary=["cat", "dog"])(texts)})


def in_a_table() -> keras.Model:
    numbers = keras.Input((2,), dtype="int64", name="numbers")
    return keras.Model(numbers, {"id": keras.layers.IntegerLookup(vocabulary=[5, 7])(numbers)})


@pytest.mark.parametrize(
    ("make", "examples", "reason"),
    [
        (words, np.array(["cat", "cow"], dtype=object), "input 'word' takes strings, which are TensorFlow's alone"),
        (in_a_table, np.array([[5, 6]]), "LiteRT"),
        (
            lambda: build("lstm", (None, 2), units=[4], head={"kind": "linear"}),
            None,
            "the recurrent layer 'lstm_1' reads sequences of any length, LiteRT needs to know it",
        ),
        (
            lambda: build("gru", (33, 2), units=[4], bidirectional=True, head={"kind": "linear"}),
            None,
            "its recurrent layers take 66 steps, at most 64 are unrolled for LiteRT",
        ),
    ],
)
def test_what_litert_cannot_have_is_left_out_and_the_passport_says_why(
    make: Callable[[], keras.Model], examples: np.ndarray | None, reason: str, tmp_path: Path
) -> None:
    version = zoo.export(make(), tmp_path / "m", examples=examples)
    passport = read_passport(version)
    assert reason in passport.left_out["litert"]
    assert "\n" not in passport.left_out["litert"]
    assert passport.variants == {}
    assert not list(version.glob("*.tflite"))
    assert zoo.verify(version).ok


def test_a_model_of_mixed_precision_has_variants_of_full_precision(
    dtype_policy: Callable[[str], None], tmp_path: Path
) -> None:
    dtype_policy("mixed_float16")
    version = zoo.export(MODELS["mlp"](), tmp_path / "m")
    assert read_passport(version).variants["litert"].error < 1e-5
    assert zoo.verify(version).ok


def test_an_unrolled_layer_is_as_before_afterwards(tmp_path: Path) -> None:
    model = MODELS["lstm"]()
    zoo.export(model, tmp_path / "m")
    assert [layer.unroll for layer in model.layers if isinstance(layer, keras.layers.RNN)] == [False]


def test_a_dense_layer_is_as_before_afterwards(tmp_path: Path) -> None:
    model = MODELS["transformer"]()
    layers = model._flatten_layers()  # noqa: SLF001 - those inside of others too
    before = [layer.call for layer in layers]
    zoo.export(model, tmp_path / "m")
    assert [layer.call for layer in layers] == before


def sequence_of_dense(steps: int | None) -> keras.Model:
    keras.utils.set_random_seed(5)
    x = keras.Input((steps, 3), name="x")
    features = keras.layers.Dense(8, activation="softmax")(x)
    return keras.Model(x, {"y": keras.layers.Dense(2, use_bias=False)(features)})


@pytest.mark.parametrize("steps", [4, None])
def test_dense_layers_over_sequences_of_any_length_and_of_one_convert_alike(steps: int | None, tmp_path: Path) -> None:
    model = sequence_of_dense(steps)
    version = zoo.export(model, tmp_path / "m", examples={"x": np.ones((8, 4, 3), "float32")})
    for rows in (1, 3):
        asked = {"x": np.random.default_rng(rows).normal(size=(rows, 4, 3)).astype("float32")}
        kernels = [np.asarray(weight) for weight in model.get_weights()]
        scores = np.exp(asked["x"] @ kernels[0] + kernels[1])
        expected = scores / scores.sum(axis=-1, keepdims=True) @ kernels[2]
        np.testing.assert_allclose(run_by_tensor_names(version, "litert", asked)["y"], expected, atol=1e-5)


def test_a_tflite_of_a_transformer_computes_no_sizes(tmp_path: Path) -> None:
    """They would cut the graph into pieces, between which LiteRT leaves its fast kernels."""
    version = zoo.export(MODELS["transformer"](), tmp_path / "m")
    lite = interpreter(version, "model.tflite")
    lite.allocate_tensors()
    operations = [each["op_name"] for each in lite._get_ops_details()]  # noqa: SLF001 - nothing else tells
    assert {"FULLY_CONNECTED", "BATCH_MATMUL"} <= set(operations)
    assert not {"SHAPE", "PACK", "REDUCE_PROD"} & set(operations)


# ---- quantized


@pytest.fixture(scope="module")
def wide() -> keras.Model:
    return build("cnn", (8, 8, 1), filters=[16, 16], head=SOFTMAX)


@pytest.fixture(scope="module")
def quantized(wide: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository") / "wide"
    return zoo.export(
        wide, folder, examples=rows_for(wide, 400)["inputs"], variants=("litert", "int8", "int8_full", "int8")
    )


@pytest.mark.parametrize("name", ["int8", "int8_full"])
def test_a_quantized_model_is_smaller_and_as_near_as_its_passport_says(
    name: str, wide: keras.Model, quantized: Path
) -> None:
    variants = read_passport(quantized).variants
    variant = variants[name]
    assert variant.bytes == (quantized / variant.file).stat().st_size < variants["litert"].bytes
    rows = {"inputs": rows_for(wide, 400)["inputs"][:256]}
    got, expected = run_by_tensor_names(quantized, name, rows), run_saved_model(quantized, rows)

    distance = np.abs(got["probabilities"] - expected["probabilities"]).max()
    assert variant.rows == 256
    assert variant.error == pytest.approx(distance, rel=0.01)
    assert 0 < distance <= variant.tolerance.absolute
    assert variant.flips == pytest.approx((got["class_id"] != expected["class_id"]).mean())


def test_full_quantization_computes_in_8_bits_and_speaks_in_32(quantized: Path) -> None:
    lite = interpreter(quantized, "model.int8_full.tflite")
    assert {x["dtype"] for x in lite.get_input_details()} == {np.float32}
    assert {x["dtype"] for x in lite.get_output_details()} == {np.float32, np.int64}
    activations = [x for x in lite.get_tensor_details() if len(x["shape"]) == 4 and x["shape_signature"][0] == -1]
    in_8_bits = [x for x in activations if x["dtype"] == np.int8]
    assert len(in_8_bits) >= len(activations) - 1 > 2  # all but the input itself


def test_full_quantization_is_calibrated_on_the_rows_it_is_told(
    wide: keras.Model, quantized: Path, tmp_path: Path
) -> None:
    def largest_input(version: Path) -> float:
        tensors = interpreter(version, "model.int8_full.tflite").get_tensor_details()
        (scale,) = {
            x["quantization"][0] for x in tensors if x["dtype"] == np.int8 and list(x["shape"][1:]) == [8, 8, 1]
        }
        return float(scale) * 255

    rows = rows_for(wide, 400)["inputs"]
    version = zoo.export(
        wide, tmp_path / "wide", examples=rows[:8], calibration=rows[:200] * 4, variants=("litert", "int8_full")
    )
    assert largest_input(version) == pytest.approx(4 * largest_input(quantized), rel=0.1)  # not the same rows


def test_a_verified_artifact_tells_every_variant(quantized: Path) -> None:
    report = zoo.verify(quantized)
    assert report.ok
    assert {check.name for check in report.checks} >= {
        "litert (model.tflite)",
        "int8 (model.int8.tflite)",
        "int8_full (model.int8_full.tflite)",
    }


@pytest.mark.parametrize(
    ("make", "examples", "variant", "message"),
    [
        (words, np.array(["cat"], dtype=object), "int8", r"no model.int8.tflite: input 'word' takes strings"),
        (
            MODELS["mlp"],
            None,
            "int8",
            r"no model.int8.tflite: it would have \d+ bytes and model.tflite has \d+: .*too few.*leave 'int8' out",
        ),
        (MODELS["mlp"], None, "int8_full", "int8_full is calibrated on rows of real input: give examples"),
    ],
)
def test_a_variant_that_is_owed_and_cannot_be_had_is_refused(
    make: Callable[[], keras.Model], examples: np.ndarray | None, variant: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=message):
        zoo.export(make(), tmp_path / "m", examples=examples, variants=(variant,))
    assert list((tmp_path / "m").iterdir()) == []


def test_a_name_that_is_no_variant_is_refused_before_anything_is_done(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="there is no variant 'int_8'; did you mean 'int8'"):
        zoo.export(model, tmp_path / "m", variants=("int_8",))
    assert list(tmp_path.iterdir()) == []


# ---- onnx


def test_onnx_says_what_to_install(monkeypatch: pytest.MonkeyPatch, model: keras.Model, tmp_path: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if "onnx" in name else find(name, *rest))
    with pytest.raises(ExportError, match=r"onnx and onnxruntime and tf2onnx missing: pip install 'keras-zoo\[onnx\]'"):
        zoo.export(model, tmp_path / "m", variants=("onnx",))


@pytest.mark.parametrize("case", ["not of this zoo", "transformer"])
def test_onnx_runtime_answers_as_the_saved_model_does(case: str, tmp_path: Path) -> None:
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = MODELS[case]()
    version = zoo.export(model, tmp_path / "m", examples=rows_for(model, 20), variants=("onnx",))
    variant = read_passport(version).variants["onnx"]
    session = runtime.InferenceSession(str(version / "model.onnx"), providers=["CPUExecutionProvider"])
    rows = rows_for(model, 9, seed=2)

    names = list(variant.outputs)
    fed = {variant.tensors.get(name, name): array for name, array in rows.items()}
    got = session.run([variant.tensors.get(name, name) for name in names], fed)
    expected = run_saved_model(version, rows)
    for name, answers in zip(names, got, strict=True):
        np.testing.assert_allclose(answers, expected[name], atol=1e-5)
    assert zoo.verify(version).ok
