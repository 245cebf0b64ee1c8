"""`classify` and `regress`: serialized examples in, what TensorFlow Serving's Classify and Regress send back out."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import zoo
from zoo.signatures.examples import to_examples


def loaded(version: Path) -> Any:
    return tf.saved_model.load(str(version)).signatures


def definitions(version: Path) -> Any:
    return saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs[0].signature_def


def example(**features: Any) -> bytes:
    """As the documentation of TensorFlow Serving has it, by hand."""
    lists = {
        float: lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        int: lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values)),
        bytes: lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)),
    }
    made = {name: lists[type(values[0])](values) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def test_classify_scores_every_class(artifact: Path) -> None:
    x = np.random.default_rng(3).normal(size=(5, 4)).astype("float32")
    got = loaded(artifact)["classify"](inputs=tf.constant([example(inputs=[float(v) for v in row]) for row in x]))

    expected = loaded(artifact)["serving_default"](inputs=tf.constant(x))["probabilities"]
    np.testing.assert_array_equal(got["scores"], expected)
    assert got["classes"].numpy().tolist() == [[b"setosa", b"versicolor", b"virginica"]] * 5


def test_the_definitions_are_what_tensorflow_serving_asks_for(artifact: Path) -> None:
    found = definitions(artifact)

    assert found["classify"].method_name == "tensorflow/serving/classify"
    assert found["classify"].inputs.keys() == {"inputs"}
    assert found["classify"].outputs.keys() == {"classes", "scores"}
    others = {
        definition.method_name
        for name, definition in found.items()
        if name not in ("classify", "__saved_model_init_op")
    }
    assert others == {"tensorflow/serving/predict"}


def test_the_fingerprint_is_of_what_was_written(artifact: Path, tmp_path: Path) -> None:
    stored = tf.saved_model.experimental.read_fingerprint(str(artifact))
    copy = tmp_path / "copy"
    tf.io.gfile.makedirs(str(copy / "variables"))
    for file in ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"):
        (copy / file).write_bytes((artifact / file).read_bytes())
    from tensorflow.python.saved_model import fingerprinting_utils

    fingerprinting_utils.write_fingerprint(str(copy))
    again = tf.saved_model.experimental.read_fingerprint(str(copy))
    assert again.saved_model_checksum == stored.saved_model_checksum


def test_one_unit_scores_two_classes_and_one_value_is_regressed(tmp_path: Path) -> None:
    heads = {"alive": {"kind": "sigmoid"}, "weight": {"kind": "linear"}, "size": {"kind": "linear", "units": 2}}
    version = zoo.export(
        zoo.build("mlp", input_shape=(4,), heads=heads),
        tmp_path / "m",
        class_names={"alive_probabilities": ["no", "yes"]},
    )
    signatures, x = loaded(version), np.random.default_rng(3).normal(size=(3, 4)).astype("float32")
    served = signatures["serving_default"](inputs=tf.constant(x))
    examples = tf.constant([example(inputs=[float(v) for v in row]) for row in x])

    got = signatures["alive_classify"](inputs=examples)
    yes = served["alive_probabilities"].numpy()
    np.testing.assert_allclose(got["scores"], np.concatenate([1 - yes, yes], axis=1), atol=1e-7)
    assert got["classes"].numpy().tolist() == [[b"no", b"yes"]] * 3
    np.testing.assert_array_equal(signatures["weight_regress"](inputs=examples)["outputs"], served["weight_value"])
    assert definitions(version)["weight_regress"].method_name == "tensorflow/serving/regress"
    assert "size_regress" not in signatures  # Regress takes one number a row
    assert zoo.verify(version).ok


def test_inputs_of_every_type_are_features_in_row_major_order(tmp_path: Path) -> None:
    words, ids = keras.Input((2,), dtype="string", name="words"), keras.Input((2, 2), dtype="int32", name="ids")
    number = keras.Input((), name="number")
    ranks = keras.layers.StringLookup(vocabulary=["a", "b"])(words)
    weighted = keras.ops.sum(
        keras.ops.cast(ids, "float32") * np.array([[1000.0, 100], [10, 1]], "float32"), axis=(1, 2)
    )
    value = weighted + number + keras.ops.sum(keras.ops.cast(ranks, "float32"), axis=1) / 1000
    model = keras.Model([words, ids, number], {"value": value})
    rows = {
        "words": np.array([["a", "b"], ["b", "x"]], dtype=object),
        "ids": np.arange(8, dtype="int32").reshape(2, 2, 2),
        "number": np.array([0.5, 0.25], "float32"),
    }
    regress = loaded(zoo.export(model, tmp_path / "m", examples=rows))["regress"]

    given = [
        example(words=[b"a", b"b"], ids=[0, 1, 2, 3], number=[0.5]),
        example(words=[b"b", b"x"], ids=[4, 5, 6, 7], number=[0.25]),
    ]
    by_hand = [123.5 + 0.003, 4567.25 + 0.002]
    np.testing.assert_allclose(regress(inputs=tf.constant(given))["outputs"], by_hand, rtol=1e-6)
    np.testing.assert_allclose(regress(inputs=tf.constant(to_examples(rows)))["outputs"], by_hand, rtol=1e-6)


@pytest.mark.parametrize("wrong", [b"no example", example(other=[1.0]), example(inputs=[1.0])])
def test_what_is_no_example_of_the_model_is_refused_in_words(artifact: Path, wrong: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)example|inputs"):
        loaded(artifact)["classify"](inputs=tf.constant([wrong]))


def test_a_free_axis_leaves_no_fixed_number_of_values(tmp_path: Path) -> None:
    model = zoo.build("gru", input_shape=(None, 2), units=[3], head={"kind": "softmax", "units": 3})

    assert "classify" not in loaded(zoo.export(model, tmp_path / "m"))
