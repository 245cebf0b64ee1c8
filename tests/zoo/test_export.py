import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.artifact import PASSPORT, read_passport
from zoo.passport import Passport
from zoo.tensors import read_tensor

SERVING = "serving_default"
export = functools.partial(zoo.export, variants=())


def signature(version: Path, name: str = SERVING) -> Callable[..., dict[str, np.ndarray]]:
    """A signature as any TensorFlow program would call it, without this package."""
    loaded = tf.saved_model.load(str(version))

    def call(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        answers = loaded.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
        return {key: value.numpy() for key, value in answers.items()}

    return call


def specs(version: Path, name: str = SERVING) -> dict[str, tuple[str, list[int | None]]]:
    outputs = tf.saved_model.load(str(version)).signatures[name].structured_outputs
    return {key: (spec.dtype.name, spec.shape.as_list()) for key, spec in outputs.items()}


def build(name: str = "mlp", shape: tuple[int, ...] = (4,), **fields: Any) -> keras.Model:
    keras.utils.set_random_seed(11)
    return zoo.build(name, input_shape=shape, **fields)


def rows(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sequential(*layers: keras.layers.Layer, name: str | None = "x") -> keras.Model:
    return keras.Sequential([keras.Input((4,), name=name), *layers])


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path != folder / "model"]


# ---- answers


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_an_exported_mlp_answers_as_predict_does(model: keras.Model, artifact: Path, batch: int) -> None:
    x = rows(batch, 4)

    np.testing.assert_allclose(
        signature(artifact)(inputs=x)["probabilities"], model.predict(x, verbose=0)["probabilities"], rtol=0, atol=1e-6
    )


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path]:
    model = build("cnn", (8, 8, 1), filters=[4], head={"kind": "sigmoid"}, regularization={"normalization": "batch"})
    return model, export(model, tmp_path_factory.mktemp("repository") / "cnn", class_names=["cat", "dog"])


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_an_exported_cnn_answers_as_predict_does(cnn: tuple[keras.Model, Path], batch: int) -> None:
    model, version = cnn
    x = rows(batch, 8, 8, 1)

    np.testing.assert_allclose(
        signature(version)(inputs=x)["probabilities"], model.predict(x, verbose=0)["probabilities"], rtol=0, atol=1e-6
    )


def test_a_classifier_has_exactly_the_promised_outputs(artifact: Path) -> None:
    assert specs(artifact) == {
        "probabilities": ("float32", [None, 3]),
        "class_id": ("int64", [None]),
        "label": ("string", [None]),
    }


def test_logits_are_a_signature_of_their_own(artifact: Path) -> None:
    assert specs(artifact, "logits") == {"logits": ("float32", [None, 3])}


def test_the_softmax_of_the_logits_is_the_probabilities(artifact: Path) -> None:
    x = rows(9, 4)
    logits = signature(artifact, "logits")(inputs=x)["logits"].astype("float64")

    by_hand = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(signature(artifact)(inputs=x)["probabilities"], by_hand, atol=1e-6)


def test_the_class_is_the_most_probable_and_the_label_its_name(artifact: Path) -> None:
    got = signature(artifact)(inputs=rows(50, 4))

    expected = np.argmax(got["probabilities"], axis=-1)
    assert len(set(expected)) == 3  # else this test shows nothing
    np.testing.assert_array_equal(got["class_id"], expected)
    assert got["label"].tolist() == [[b"setosa", b"versicolor", b"virginica"][i] for i in expected]


def test_a_binary_classifier_decides_at_one_half(tmp_path: Path) -> None:
    model = sequential(keras.layers.Dense(1, activation="sigmoid"))
    model.set_weights([np.array([[1.0], [0], [0], [0]]), np.zeros(1)])
    version = export(model, tmp_path / "m", output_names=["probabilities"], class_names=["cat", "dog"])

    x = np.zeros((3, 4), "float32")
    x[:, 0] = [-1e-3, 0, 1e-3]  # the sigmoid of 0 is exactly 1/2
    got = signature(version)(x=x)

    assert got["class_id"].tolist() == [0, 1, 1]
    assert got["label"].tolist() == [b"cat", b"dog", b"dog"]


def test_labels_are_numbers_where_no_names_are_given(tmp_path: Path) -> None:
    version = export(build(head={"kind": "softmax", "units": 3}), tmp_path / "m")
    got = signature(version)(inputs=rows(9, 4))

    assert got["label"].tolist() == [str(i).encode() for i in got["class_id"]]


def test_several_heads_have_their_names_before_every_output(tmp_path: Path) -> None:
    fields = {
        "input_shape": (4,),
        "heads": {
            "species": {"kind": "softmax", "units": 3},
            "alive": {"kind": "sigmoid"},
            "weight": {"kind": "linear", "units": 2},
            "traits": {"kind": "sigmoid", "units": 4},
        },
    }
    config = zoo.ModelConfig.parse({"architecture": "mlp", **fields})
    version = export(
        zoo.build(config),
        tmp_path / "m",
        facts=zoo.ExportFacts(model=config),
        class_names={"species_probabilities": ["a", "b", "c"]},
    )

    assert specs(version) == {
        "species_probabilities": ("float32", [None, 3]),
        "species_class_id": ("int64", [None]),
        "species_label": ("string", [None]),
        "alive_probabilities": ("float32", [None, 1]),
        "alive_class_id": ("int64", [None]),
        "alive_label": ("string", [None]),
        "weight_value": ("float32", [None, 2]),
        "traits_probabilities": ("float32", [None, 4]),
    }
    assert specs(version, "logits").keys() == {"species_logits", "alive_logits", "traits_logits"}
    assert set(signature(version)(inputs=rows(9, 4))["species_label"].tolist()) <= {b"a", b"b", b"c"}


def test_several_sigmoids_have_no_one_class(tmp_path: Path) -> None:
    version = export(build(head={"kind": "sigmoid", "units": 4}), tmp_path / "m")

    assert specs(version).keys() == {"probabilities"}


def test_a_config_tells_sigmoids_from_a_softmax_where_their_sum_does_not(tmp_path: Path) -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp", "input_shape": [4], "head": {"kind": "sigmoid", "units": 2}})
    model = zoo.build(config)
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])  # every answer is (1/2, 1/2)

    version = export(model, tmp_path / "m", facts=zoo.ExportFacts(model=config))

    assert specs(version).keys() == {"probabilities"}


def test_a_linear_head_has_its_value_and_nothing_else(tmp_path: Path) -> None:
    version = export(build(head={"kind": "linear"}), tmp_path / "m")

    assert specs(version) == {"value": ("float32", [None, 1])}
    assert "logits" not in tf.saved_model.load(str(version)).signatures


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_served_as_float32(policy: str, dtype_policy: Callable[[str], None], tmp_path: Path) -> None:
    dtype_policy(policy)
    version = export(build(head={"kind": "softmax", "units": 3}), tmp_path / "m")

    assert specs(version)["probabilities"][0] == "float32"
    assert specs(version, "logits")["logits"][0] == "float32"


def test_half_precision_outputs_of_a_foreign_model_become_float32(
    dtype_policy: Callable[[str], None], tmp_path: Path
) -> None:
    dtype_policy("mixed_float16")
    model = sequential(keras.layers.Dense(2))
    version = export(model, tmp_path / "m", output_names=["value"])

    assert model.outputs[0].dtype == "float16"
    assert specs(version) == {"value": ("float32", [None, 2])}


# ---- models from elsewhere


def test_a_sequential_model_is_exported_under_given_names(tmp_path: Path) -> None:
    model = sequential(keras.layers.Dense(3, activation="softmax"), name=None)
    version = export(model, tmp_path / "m", input_names=["pixels"], output_names=["probabilities"])
    x = rows(5, 4)

    got = signature(version)(pixels=x)
    np.testing.assert_allclose(got["probabilities"], model.predict(x, verbose=0), rtol=0, atol=1e-6)
    assert got.keys() == {"probabilities", "class_id", "label"}


def test_a_functional_model_with_two_inputs_in_a_dict(tmp_path: Path) -> None:
    inputs = {"wide": keras.Input((2,), name="wide"), "deep": keras.Input((3,), name="deep")}
    joined = keras.layers.Concatenate()([inputs["wide"], inputs["deep"]])
    model = keras.Model(inputs, {"value": keras.layers.Dense(1)(joined)})
    version = export(model, tmp_path / "m", examples={"deep": rows(4, 3), "wide": rows(4, 2)})
    wide, deep = rows(5, 2), rows(5, 3)

    by_hand = np.concatenate([wide, deep], axis=-1) @ model.get_weights()[0]
    np.testing.assert_allclose(signature(version)(wide=wide, deep=deep)["value"], by_hand, atol=1e-6)


def test_two_inputs_in_a_dict_have_logits_too(tmp_path: Path) -> None:
    inputs = {"wide": keras.Input((2,), name="wide"), "deep": keras.Input((2,), name="deep")}
    logits = keras.layers.Dense(3, name="logits")(keras.layers.Subtract()([inputs["wide"], inputs["deep"]]))
    model = keras.Model(inputs, {"probabilities": keras.layers.Softmax()(logits)})
    version = export(model, tmp_path / "m")
    wide, deep = rows(5, 2), rows(5, 2, seed=2)

    np.testing.assert_allclose(
        signature(version, "logits")(wide=wide, deep=deep)["logits"], (wide - deep) @ model.get_weights()[0], atol=1e-6
    )


def test_a_functional_model_with_a_list_of_inputs_keeps_their_order(tmp_path: Path) -> None:
    inputs = [keras.Input((2,), name="second"), keras.Input((2,), name="first")]
    model = keras.Model(inputs, {"value": keras.layers.Subtract()(inputs)})
    version = export(model, tmp_path / "m")
    a, b = rows(5, 2), rows(5, 2, seed=2)

    np.testing.assert_allclose(signature(version)(second=a, first=b)["value"], a - b, atol=1e-6)


def test_integer_inputs_keep_their_dtype(tmp_path: Path) -> None:
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(20, 4)(tokens)
    model = keras.Model(tokens, {"value": keras.layers.Dense(1)(keras.layers.Flatten()(embedded))})
    x = np.random.default_rng(1).integers(0, 20, size=(5, 6)).astype("int32")
    version = export(model, tmp_path / "m", examples=x)

    table, kernel, bias = model.get_weights()
    np.testing.assert_allclose(
        signature(version)(tokens=x)["value"], table[x].reshape(5, -1) @ kernel + bias, atol=1e-6
    )
    assert read_passport(version).signatures[SERVING].inputs["tokens"].dtype == "int32"


# ---- refusals: each leaves nothing behind

UNNAMED_INPUT = r"input 'keras_tensor\w*' has no stable name .* pass input_names=\[\.\.\.\] with 1 name"


def two_inputs() -> keras.Model:
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    return keras.Model([a, b], {"value": keras.layers.Add()([a, b])})


class Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


def squeezed() -> keras.Model:
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, {"probabilities": keras.ops.squeeze(keras.layers.Dense(1)(inputs), -1)})


def dense() -> keras.layers.Layer:
    return keras.layers.Dense(3, activation="softmax")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: sequential(dense(), name=None), {"output_names": ["value"]}, UNNAMED_INPUT),
        (lambda: sequential(dense()), {}, r"output 'output_0' has no stable name .* pass output_names=\[\.\.\.\]"),
        (lambda: sequential(dense()), {"output_names": ["a", "b"]}, "has 1 outputs, but output_names has 2: a, b"),
        (lambda: sequential(dense()), {"output_names": ["a b"]}, "output 'a b': a name has letters, digits"),
        (two_inputs, {"input_names": ["a", "a"]}, "every input needs a name of its own, got a, a"),
        (
            lambda: keras.Sequential([keras.Input(batch_shape=(8, 4), name="x"), dense()]),
            {"output_names": ["value"]},
            "input 'x' has a fixed batch of 8: build the model without batch_size",
        ),
        (Subclassed, {}, r"has no known inputs: start it with keras.Input, or wrap it"),
        (squeezed, {}, r"probabilities has shape \(N,\), expected \(N, classes\) or \(N, 1\)"),
        (
            lambda: build(head={"kind": "softmax", "units": 3}),
            {"class_names": ["a", "b"]},
            "tells 3 classes apart, but 2 class names were given",
        ),
        (
            lambda: build(head={"kind": "sigmoid"}),
            {"class_names": ["a"]},
            "tells 2 classes apart, but 1 class names were given",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"class_names": ["a", "b"]},
            "class_names were given, but no output holds probabilities: value",
        ),
        (
            lambda: build(head={"kind": "sigmoid"}),
            {"class_names": {"value": ["a", "b"]}},
            "class_names names 'value', which is no output of probabilities: probabilities",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": rows(3, 5)},
            r"examples of 'inputs' have shape \(3, 5\), expected \(rows, 4\)",
        ),
        (lambda: build(head={"kind": "linear"}), {"examples": rows(0, 4)}, r"have shape \(0, 4\)"),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": {"x": rows(1, 4)}},
            "examples has x, the inputs are inputs",
        ),
        (two_inputs, {"examples": rows(3, 2)}, "the model has 2 inputs: give examples as a dict of a, b"),
        (two_inputs, {"examples": {"a": rows(3, 2), "b": rows(4, 2)}}, "different numbers of rows: a 3, b 4"),
        (
            lambda: build(head={"kind": "linear"}),
            {"examples": np.full((2, 4), np.nan)},
            "'inputs' hold NaN or infinity",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"facts": zoo.ExportFacts(metrics={"test": {"loss": float("nan")}})},
            r"the passport holds what JSON cannot .* \.metrics\.test\.loss: expected a finite number, got nan",
        ),
        (
            lambda: build(head={"kind": "linear"}),
            {"facts": zoo.ExportFacts(metrics={"test": {"loss": np.float32(1)}})},  # type: ignore[dict-item]
            r"the passport holds what JSON cannot .* float32",
        ),
    ],
)
def test_a_model_that_cannot_be_an_artifact_is_refused(
    make: Callable[[], keras.Model], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(zoo.ExportError, match=message):
        export(make(), tmp_path / "model", **options)

    assert leftovers(tmp_path) == []


def test_strings_need_examples(tmp_path: Path) -> None:
    inputs = keras.Input((1,), dtype="string", name="words")
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    model = keras.Model(inputs, {"value": keras.layers.Dense(1)(lookup(inputs))})

    with pytest.raises(zoo.ExportError, match="'words' takes strings: give examples of them"):
        export(model, tmp_path / "model")

    assert leftovers(tmp_path) == []


def test_strings_are_served_with_examples(tmp_path: Path) -> None:
    inputs = keras.Input((1,), dtype="string", name="words")
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    model = keras.Model(inputs, {"value": keras.layers.Dense(1)(lookup(inputs))})
    words = np.array([["a"], ["b"], ["zebra"]], dtype=object)
    version = export(model, tmp_path / "m", examples=words)

    kernel, bias = model.get_weights()
    by_hand = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]) @ kernel + bias  # the first is for unknown words
    np.testing.assert_allclose(signature(version)(words=words)["value"], by_hand, atol=1e-6)
    assert zoo.verify(version).ok


@pytest.mark.parametrize("name", ["a b", "-x", ".hidden", "ä"])
def test_a_folder_that_cannot_name_a_model_is_refused(name: str, model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(zoo.ExportError, match="cannot name a model"):
        export(model, tmp_path / name)


def test_exporting_again_makes_the_next_version(model: keras.Model, tmp_path: Path) -> None:
    first, second = export(model, tmp_path / "m"), export(model, str(tmp_path / "m"))

    assert (first, second) == (tmp_path / "m" / "1", tmp_path / "m" / "2")


def foreign(make: Callable[[Any], dict[str, Any]]) -> keras.Model:
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, make(inputs))


def scaled(x: Any) -> dict[str, Any]:
    return {"probabilities": keras.layers.Softmax()(keras.layers.Dense(3, name="logits")(x) * 0.5)}


def shared(x: Any) -> dict[str, Any]:
    layer = keras.layers.Dense(4, name="logits")
    return {"probabilities": keras.layers.Softmax()(layer(layer(x)))}


def shared_with_another_model(x: Any) -> dict[str, Any]:
    layer = keras.layers.Dense(3, name="logits")
    layer(keras.Input((4,)))
    return {"probabilities": keras.layers.Softmax()(layer(x))}


def activated(x: Any) -> dict[str, Any]:
    return {"probabilities": keras.layers.Dense(3, activation="softmax", name="logits")(x)}


@pytest.mark.parametrize("make", [scaled, shared, shared_with_another_model, activated])
def test_a_layer_that_is_named_logits_and_is_none_gives_no_signature(
    make: Callable[[Any], dict[str, Any]], tmp_path: Path
) -> None:
    version = export(foreign(make), tmp_path / "m")

    assert "logits" not in tf.saved_model.load(str(version)).signatures
    assert zoo.verify(version).ok


def test_true_logits_beside_false_ones_are_a_signature(tmp_path: Path) -> None:
    def make(x: Any) -> dict[str, Any]:
        true, false = keras.layers.Dense(3, name="a_logits")(x), keras.layers.Dense(3, name="b_logits")(x)
        softmax = keras.layers.Softmax()
        return {"a_probabilities": softmax(true), "b_probabilities": softmax(2 * false)}

    version = export(foreign(make), tmp_path / "m")

    assert specs(version, "logits").keys() == {"a_logits"}


def test_logits_are_named_after_the_given_name_of_their_output(tmp_path: Path) -> None:
    model = build(head={"kind": "softmax", "units": 3})
    version = export(model, tmp_path / "m", output_names=["age_probabilities"])

    assert specs(version, "logits").keys() == {"age_logits"}


@pytest.mark.parametrize("own", ["label", "class_id"])
def test_an_output_of_the_model_is_not_replaced_by_a_label(own: str, tmp_path: Path) -> None:
    model = foreign(lambda x: {"probabilities": dense()(x), own: keras.layers.Dense(2)(x)})
    with pytest.raises(zoo.ExportError, match=f"own output '{own}'"):
        export(model, tmp_path / "model")
    assert leftovers(tmp_path) == []

    version = export(model, tmp_path / "m", output_names=["probabilities", "mine"])
    assert specs(version).keys() == {"probabilities", "class_id", "label", "mine"}


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = build(head={"kind": "linear"})
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])

    with pytest.raises(zoo.ExportError, match=r"'value' has 8 of 8 numbers that are NaN or infinite .* diverged"):
        export(model, tmp_path / "model")

    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("word", [b"caf\xe9", "\ud800"])
def test_examples_that_are_not_utf8_are_refused(word: object, tmp_path: Path) -> None:
    words = keras.Input((), dtype="string", name="word")
    model = keras.Model(words, {"id": keras.layers.StringLookup(vocabulary=["cat", "dog"])(words)})

    with pytest.raises(zoo.ExportError, match=r"examples of 'word' hold .* which is not UTF-8"):
        export(model, tmp_path / "model", examples=np.array(["cat", word], dtype=object))

    assert leftovers(tmp_path) == []


# ---- the passport


@pytest.fixture(scope="module")
def passport(artifact: Path) -> Passport:
    return read_passport(artifact)


def test_the_passport_tells_every_input_and_output(passport: Passport) -> None:
    def told(tensors: Any) -> dict[str, tuple[Any, ...]]:
        return {name: (facts.dtype, facts.shape, facts.range) for name, facts in tensors.items()}

    serving, logits = passport.signatures[SERVING], passport.signatures["logits"]
    assert told(serving.inputs) == told(logits.inputs) == {"inputs": ("float32", (None, 4), (-4.0, 4.0))}
    assert told(serving.outputs) == {
        "probabilities": ("float32", (None, 3), (0.0, 1.0)),
        "class_id": ("int64", (None,), (0, 2)),
        "label": ("string", (None,), None),
    }
    assert told(logits.outputs) == {"logits": ("float32", (None, 3), None)}


def test_without_ranges_those_of_the_examples_are_told(model: keras.Model, tmp_path: Path) -> None:
    x = np.array([[1, 2, 3, 4], [-5, 0, 0, 0.5]], "float32")
    version = export(model, tmp_path / "m", examples=x)

    assert read_passport(version).signatures[SERVING].inputs["inputs"].range == (-5.0, 4.0)


def test_the_passport_holds_the_hash_of_every_other_file(artifact: Path, passport: Passport) -> None:
    files = {
        path.relative_to(artifact).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in artifact.rglob("*")
        if path.is_file() and path.name != PASSPORT.name
    }

    assert passport.files == files
    assert {"saved_model.pb", "variables/variables.index"} <= files.keys()


def test_the_golden_rows_are_the_first_eight_examples(passport: Passport, examples: np.ndarray) -> None:
    np.testing.assert_array_equal(read_tensor(passport.golden[SERVING].inputs["inputs"]), examples[:8])


def test_the_golden_answers_replay(artifact: Path, passport: Passport) -> None:
    got = signature(artifact)(inputs=read_tensor(passport.golden[SERVING].inputs["inputs"]))

    expected = passport.golden[SERVING].outputs
    assert got.keys() == expected.keys()
    np.testing.assert_allclose(got["probabilities"], read_tensor(expected["probabilities"]), atol=1e-6)
    assert got["label"].tolist() == read_tensor(expected["label"]).tolist()


def test_the_passport_names_the_classes(passport: Passport) -> None:
    assert passport.class_names == {"probabilities": ("setosa", "versicolor", "virginica")}


def test_the_passport_tells_what_the_caller_knows(passport: Passport) -> None:
    assert passport.name == "iris"
    assert passport.data == {"name": "iris", "splits": {"train": 120, "test": 30}}
    assert passport.metrics == {"test": {"accuracy": 0.5}}


def test_the_passport_names_the_libraries(passport: Passport) -> None:
    assert {name: passport.libraries[name] for name in ("keras", "tensorflow")} == {
        name: importlib.metadata.version(name) for name in ("keras", "tensorflow")
    }


def test_the_passport_holds_the_config_and_its_hash(tmp_path: Path) -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp", "input_shape": [4], "head": {"kind": "linear"}})
    version = export(zoo.build(config), tmp_path / "m", facts=zoo.ExportFacts(model=config))

    document = json.loads((version / PASSPORT).read_text())
    assert zoo.ModelConfig.parse(document["config"]) == config
    assert document["config_hash"] == config.content_hash()


def test_an_export_verifies(artifact: Path) -> None:
    assert zoo.verify(artifact).ok


def test_every_weight_is_stored_once(model: Any, artifact: Path) -> None:
    stored = tf.train.list_variables(str(artifact / "variables" / "variables"))
    weights = [shape for name, shape in stored if name.endswith("VARIABLE_VALUE")]
    assert sum(int(np.prod(shape)) for shape in weights) == model.count_params() == 4 * 5 + 5 + 5 * 3 + 3


def test_a_model_with_a_look_up_table_takes_its_strings_along(tmp_path: Path) -> None:
    words = keras.Input((), dtype="string", name="word")
    ids = keras.layers.StringLookup(vocabulary=["cat", "dog"])(words)
    model = keras.Model(words, {"id": ids})
    version = export(model, tmp_path / "words", examples=np.array(["dog", "cow", "cat"], dtype=object))
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    assert served(word=tf.constant(["cat", "dog", "cow"]))["id"].numpy().tolist() == [1, 2, 0]  # 0 is any other word
    assert zoo.verify(version).ok


def test_the_config_of_a_built_model_is_in_its_passport(tmp_path: Path) -> None:
    config = zoo.ModelConfig.parse({"architecture": "mlp", "input_shape": [4], "head": {"kind": "sigmoid", "units": 2}})
    passport = read_passport(export(zoo.build(config), tmp_path / "m"))
    assert passport.config_hash == config.content_hash()
    assert zoo.ModelConfig.parse(passport.config or {}) == config


def test_ranges_are_those_of_all_examples_and_unknown_where_there_are_none(model: Any, tmp_path: Path) -> None:
    examples = np.zeros((20, 4), np.float32)
    examples[15, 2], examples[19, 0] = 9, -3  # beyond the rows that are kept
    with_examples = read_passport(export(model, tmp_path / "with", examples=examples))
    assert with_examples.signatures["serving_default"].inputs["inputs"].range == (-3, 9)
    without = read_passport(export(model, tmp_path / "without"))
    assert without.signatures["serving_default"].inputs["inputs"].range is None
