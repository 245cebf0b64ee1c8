"""What an exported model of this zoo answers."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.export.exporting import build, export, rows, sequential, signature, specs


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
