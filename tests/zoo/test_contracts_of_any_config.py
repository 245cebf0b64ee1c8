"""Whatever is asked for is either refused at construction, in words, or keeps the contract: nothing fails within Keras."""

from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, assume, given, settings
from pydantic.fields import FieldInfo

import zoo
from zoo.config import ActivationConfig, Config, ConstraintConfig, InitializerConfig
from zoo.contract.promises import (
    Promise,
    answer_a_row_the_same_in_any_batch,
    be_what_the_yaml_says,
    build_names_and_shapes,
    learn_from_one_step,
    survive_a_keras_file,
)
from zoo.registry import get

PROMISES = (build_names_and_shapes, be_what_the_yaml_says, answer_a_row_the_same_in_any_batch, survive_a_keras_file)
GIVEN = {"architecture", "input_shape", "preprocessing", "head", "heads", "regularization"}
"""Fields that are drawn otherwise than by their type."""
NAMED: dict[type, list[Any]] = {
    ActivationConfig: ["tanh", "gelu", "prelu", "mish", "glu", {"kind": "leaky_relu", "negative_slope": 0.3}],
    InitializerConfig: ["orthogonal", "he_uniform", "zeros", 0.01, {"kind": "truncated_normal", "stddev": 0.1}],
    ConstraintConfig: ["max_norm", "unit_norm", {"kind": "max_norm", "max_value": 1.5}],
}
SLOWEST = {"vit_tiny", "seq2seq_tiny", "gpt_tiny", "resnet_tiny"}
"""Named sizes of the transformer and of the deepest CNN, which are drawn as architectures too."""
SHAPES = [[1], [6], [7, 3], [None, 3], [1, 1], [5, 5, 2], [9, 6, 1], [1, 1, 1], [2, 3, 4, 5]]
HEADS = [
    {"head": {"kind": "softmax", "units": 3}},
    {"head": {"kind": "sigmoid"}},
    {"head": {"kind": "token", "units": 16}},
    {"heads": {"a": {"kind": "linear", "units": 2}, "b": {"kind": "sigmoid", "units": 3, "loss_weight": 0.5}}},
]


def values(annotation: Any, limits: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Plain data of a field's type, small."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(inner[0], (*limits, *inner[1:]))
    if origin in {Union, UnionType}:
        return st.one_of(*(values(choice) for choice in inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(values(inner[0]), min_size=1, max_size=3)
    if annotation in NAMED:
        return st.sampled_from(NAMED[annotation])
    least = max(
        [limit.gt + 1 for limit in limits if isinstance(limit, annotated_types.Gt)]
        + [limit.ge for limit in limits if isinstance(limit, annotated_types.Ge)],
        default=0,
    )
    plain = {
        NoneType: st.none(),
        bool: st.booleans(),
        int: st.integers(int(least), 9) | st.sampled_from([8, 16]),
        float: st.sampled_from([0.0, 0.125, 0.5]),
    }
    return plain[annotation]


def of_field(field: FieldInfo) -> st.SearchStrategy[Any]:
    return values(field.annotation, tuple(field.metadata))


def fields_of(config: type[Config]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: of_field(field) for name, field in config.model_fields.items() if name not in GIVEN}


def some_of(fields: dict[str, st.SearchStrategy[Any]], at_most: int) -> st.SearchStrategy[dict[str, Any]]:
    """A few of the fields, the others left at their defaults."""
    names = st.lists(st.sampled_from(sorted(fields)), max_size=at_most, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen}))


@st.composite
def configs(draw: st.DrawFn, name: str) -> dict[str, Any]:
    example = zoo.example_config(name).to_dict()
    if draw(st.integers(0, 3)) == 0:
        example["input_shape"] = draw(st.sampled_from(SHAPES))
    if draw(st.booleans()):
        example |= {"head": None, "heads": None, **draw(st.sampled_from(HEADS))}
    example |= draw(some_of(fields_of(get(example["architecture"]).config), at_most=4))
    example["regularization"] |= draw(some_of(fields_of(zoo.RegularizationConfig), at_most=2))
    return example


def parse(fields: dict[str, Any]) -> zoo.ModelConfig:
    try:
        return zoo.ModelConfig.parse(fields)
    except zoo.ConfigError:  # its words are the business of the tests of each field
        assume(condition=False)
        raise


@pytest.mark.parametrize("name", zoo.list_architectures())
def test_a_config_is_refused_or_keeps_its_promises(name: str) -> None:
    hold(name, PROMISES, examples=5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.exhaustive if name in SLOWEST else ())
        for name in zoo.list_models("*_tiny")
        if name != "transformer_tiny"
    ],
)
def test_a_named_size_with_any_change_is_refused_or_keeps_its_promises(name: str) -> None:
    hold(name, [*PROMISES, learn_from_one_step], examples=2)


def hold(name: str, promises: Sequence[Promise], *, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(configs(name))
    def run(fields: dict[str, Any]) -> None:
        config = parse(fields)
        for promise in promises:
            assert promise(config) == [], promise.__name__

    run()
