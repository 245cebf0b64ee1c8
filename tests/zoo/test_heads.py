from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError
from zoo.heads import logits_name, logits_of, output_name, scoped, training_model
from zoo.streaming import Stream


@pytest.mark.parametrize(
    ("head", "kind", "name"),
    [
        ("", "softmax", "probabilities"),
        ("", "sigmoid", "probabilities"),
        ("", "linear", "value"),
        ("age", "softmax", "age_probabilities"),
        ("age", "linear", "age_value"),
    ],
)
def test_an_output_is_named_for_its_kind_and_head(head: str, kind: str, name: str) -> None:
    assert output_name(head, kind) == name


@pytest.mark.parametrize(("output", "logits"), [("probabilities", "logits"), ("age_probabilities", "age_logits")])
def test_the_logits_are_named_like_their_probabilities(output: str, logits: str) -> None:
    assert logits_name(output) == logits


def test_the_unnamed_head_has_nothing_before_its_names() -> None:
    assert (scoped("", "logits"), scoped("age", "logits")) == ("logits", "age_logits")


def test_a_linear_head_has_no_logits() -> None:
    assert logits_of(zoo.build("mlp", input_shape=(3,), head={"kind": "linear"})) == {}


def test_a_foreign_model_trains_as_it_is() -> None:
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, activation="softmax")])

    assert logits_of(model) == {}
    assert training_model(model) is model


def test_logits_stay_finite_where_probabilities_round_to_0_and_1() -> None:
    model = zoo.build("mlp", input_shape=(1,), units=[1], activation="linear", head={"kind": "softmax", "units": 2})
    model.set_weights([np.ones((1, 1)), np.zeros(1), np.array([[1.0, -1.0]]), np.zeros(2)])
    x = np.array([[500.0]])

    assert model(x)["probabilities"].numpy().tolist() == [[1.0, 0.0]]
    assert training_model(model)(x)["probabilities"].numpy().tolist() == [[500.0, -500.0]]


def test_a_linear_head_answers_in_the_units_of_its_labels() -> None:
    head = {"kind": "linear", "offset": 20.0, "scale": 5.0}
    model = zoo.build("mlp", input_shape=(1,), units=[1], activation="linear", head=head)
    model.set_weights([np.array([[2.0]]), np.zeros(1), np.array([[3.0]]), np.array([0.5])])

    assert model(np.array([[4.0]]))["value"].numpy().tolist() == [[20 + 5 * (4 * 2 * 3 + 0.5)]]


@pytest.mark.parametrize("field", [{"offset": 1.0}, {"scale": 2.0}])
def test_only_values_have_units(field: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"belongs to kind 'linear'.*got kind 'sigmoid'"):
        zoo.build("mlp", input_shape=(1,), units=[1], head={"kind": "sigmoid", **field})


def test_a_stream_answers_in_the_units_of_its_labels_too() -> None:
    head = {"kind": "linear", "offset": 20.0, "scale": 5.0}
    model = zoo.build("lstm", input_shape=(None, 2), units=[3], head=head)
    rows = np.random.default_rng(0).normal(size=(1, 4, 2)).astype("float32")

    np.testing.assert_allclose(Stream(model).step(rows)["value"], model(rows)["value"], rtol=1e-6)


def test_heads_see_the_input_beside_the_features_where_it_skips() -> None:
    """By hand: a hidden unit that is dead leaves a linear model of what preprocessing gives."""
    model = zoo.build(
        "mlp",
        input_shape=(2,),
        units=[1],
        input_skip=True,
        preprocessing=[{"kind": "rescaling", "scale": 0.5}],
        head={"kind": "linear"},
    )
    model.set_weights([np.zeros((2, 1)), np.array([-1.0]), np.array([[7.0], [2.0], [-3.0]]), np.array([0.25])])

    assert model(np.array([[4.0, 6.0]]))["value"].numpy().tolist() == [[2 * 2.0 - 3 * 3.0 + 0.25]]


@pytest.mark.parametrize(
    ("architecture", "fields", "fault"),
    [
        ("lstm", {"input_shape": (None, 2)}, r"shape \[None, 2\] has no fixed number of values"),
        ("lstm", {"input_shape": (4, 2), "pooling": "none"}, "answers for every step"),
        ("gru", {"input_shape": (4,), "vocabulary_size": 9}, "token ids, which are no quantities"),
    ],
)
def test_what_a_linear_head_cannot_take_does_not_skip(architecture: str, fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=f"input_skip.*{fault}"):
        zoo.build(architecture, head={"kind": "linear"}, input_skip=True, **fields)
