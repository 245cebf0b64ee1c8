import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import hypothesis.strategies as st
import pydantic
import pytest
from hypothesis import given

from zoo.config import HeadConfig, ModelConfig, RegularizationConfig
from zoo.errors import ConfigError

SOFTMAX = {"kind": "softmax", "units": 3}
MLP: dict[str, Any] = {"architecture": "mlp", "input_shape": [784], "units": [16, 16], "head": SOFTMAX}

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
sizes = st.integers(1, 2**31 - 1)
heads = st.one_of(
    st.fixed_dictionaries({"kind": st.just("softmax"), "units": st.integers(2, 1000)}),
    st.fixed_dictionaries({"kind": st.sampled_from(["sigmoid", "linear"])}, optional={"units": st.integers(1, 1000)}),
)
head_fields = st.one_of(
    st.fixed_dictionaries({"head": heads}),
    st.fixed_dictionaries(
        {"heads": st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True), heads, min_size=1, max_size=3)}
    ),
)
shared_fields = st.fixed_dictionaries(
    {},
    optional={
        "activation": st.sampled_from(["relu", "gelu", "tanh"]),
        "regularization": st.fixed_dictionaries(
            {},
            optional={
                "l1": st.floats(0, 1),
                "l2": st.floats(0, 1),
                "dropout": st.floats(0, 1, exclude_max=True),
                "normalization": st.sampled_from([None, "batch", "layer", "rms"]),
            },
        ),
        "preprocessing": st.lists(
            st.fixed_dictionaries({"kind": st.just("rescaling"), "scale": finite}, optional={"offset": finite}),
            max_size=2,
        ),
    },
)
mlp_fields = st.fixed_dictionaries(
    {"architecture": st.just("mlp"), "input_shape": st.lists(sizes, min_size=1, max_size=4)},
    optional={"units": st.lists(sizes, min_size=1, max_size=4)},
)


@st.composite
def cnn_fields(draw: st.DrawFn) -> dict[str, Any]:
    side = draw(st.integers(4, 300))
    return {
        "architecture": "cnn",
        "input_shape": [side, draw(st.integers(side, 300)), draw(st.integers(1, 4))],
        "filters": draw(st.lists(sizes, min_size=1, max_size=2)),  # 4 pixels can be halved twice
        "kernel_size": draw(st.integers(1, 3)),  # the second stage may see 2 pixels
        "pooling": draw(st.sampled_from(["max", "average"])),
        "global_pooling": draw(st.sampled_from(["average", "max", "flatten"])),
        "units": draw(st.lists(sizes, max_size=2)),
    }


configs = st.builds(
    lambda family, shared, head: ModelConfig.parse({**family, **shared, **head}),
    mlp_fields | cnn_fields(),
    shared_fields,
    head_fields,
)


def hash_of(fields: Mapping[str, Any]) -> str:
    return ModelConfig.parse(fields).content_hash()


@given(configs)
def test_yaml_round_trip_gives_an_equal_config(config: ModelConfig) -> None:
    again = ModelConfig.from_yaml(config.to_yaml())

    assert again == config
    assert type(again) is type(config)
    assert again.content_hash() == config.content_hash()


@given(configs)
def test_json_round_trip_gives_an_equal_config(config: ModelConfig) -> None:
    again = ModelConfig.from_json(config.to_json())

    assert again == config
    assert again.content_hash() == config.content_hash()


@given(configs)
def test_writing_every_default_out_does_not_change_the_hash(config: ModelConfig) -> None:
    assert hash_of(config.to_dict()) == config.content_hash()


def test_fields_cannot_be_changed() -> None:
    config = ModelConfig.parse(MLP)

    with pytest.raises(pydantic.ValidationError, match="frozen"):
        config.activation = "tanh"  # type: ignore[misc]


def test_nested_fields_cannot_be_changed() -> None:
    config = ModelConfig.parse(MLP)

    with pytest.raises(pydantic.ValidationError, match="frozen"):
        config.regularization.l2 = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": [3]}, "unknown field 'unit'; did you mean 'units'"),
        ({"activaton": "relu"}, "did you mean 'activation'"),
        ({"regularization": {"drop_out": 0.1}}, r"regularization: unknown field 'drop_out'; did you mean 'dropout'"),
        ({"head": {"kind": "softmax", "unit": 3}}, "head: unknown field 'unit'; did you mean 'units'"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig.parse({**MLP, **fields})


def test_the_field_of_another_architecture_is_unknown() -> None:
    with pytest.raises(ConfigError, match="unknown field 'filters'"):
        ModelConfig.parse({**MLP, "filters": [3]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"units": ["16"]}, r"units\.0: .*integer, got '16' \(str\)"),
        ({"units": [True]}, r"units\.0: .*integer, got True \(bool\)"),
        ({"units": [16.0]}, r"units\.0: .*integer, got 16\.0 \(float\)"),
        ({"units": [-1]}, r"units\.0: .*greater than 0, got -1"),
        ({"units": [0]}, r"units\.0: .*greater than 0, got 0"),
        ({"units": []}, r"units: .*at least 1 item"),
        ({"units": 16}, r"units: .*got 16 \(int\)"),
        ({"units": {16, 32}}, r"units: .*\(set\)"),
        ({"input_shape": "784"}, r"input_shape: .*got '784' \(str\)"),
        ({"input_shape": []}, "input_shape: at least 1 axis is needed"),
        ({"activation": 1}, r"activation: expected a name, or a mapping with a kind, got 1 \(int\)"),
        ({"activation": "rleu"}, "activation: unknown activation 'rleu'; did you mean 'relu'"),
        ({"regularization": {"dropout": True}}, r"regularization\.dropout: .*got True \(bool\)"),
        ({"regularization": {"dropout": 1.0}}, r"regularization\.dropout: .*less than 1"),
        ({"regularization": {"dropout": "0.1"}}, r"regularization\.dropout: .*got '0\.1' \(str\)"),
        ({"regularization": {"l2": -0.1}}, r"regularization\.l2: .*greater than or equal to 0"),
        ({"regularization": {"l2": float("nan")}}, r"regularization\.l2: .*got nan"),
        ({"regularization": {"normalization": 1}}, r"regularization\.normalization: got 1 \(int\)"),
        ({"preprocessing": [{"kind": "rescaling", "scale": float("inf")}]}, r"preprocessing\.0\.scale: .*got inf"),
        ({"head": {"kind": "softmax", "units": 1}}, "a softmax over 1 unit is always 1: give units >= 2"),
        ({"head": {"kind": "hardmax"}}, "head.kind: got 'hardmax' .*known: linear, sigmoid, softmax"),
        ({"head": None, "heads": {"Age": {"kind": "linear"}}}, r"heads\.Age.*got 'Age'"),
        ({"head": None, "heads": {}}, r"heads: .*at least 1 item"),
    ],
    ids=str,
)
def test_an_ill_typed_field_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig.parse({**MLP, **fields})


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"input_shape\.0: .*; .*units\.1: "):
        ModelConfig.parse({**MLP, "input_shape": [-1], "units": [3, 0]})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ConfigError, match="input_shape: is required"):
        ModelConfig.parse({"architecture": "mlp", "head": SOFTMAX})


def test_both_head_and_heads_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"give either head: .* got both"):
        ModelConfig.parse({**MLP, "heads": {"age": {"kind": "linear"}}})


def test_neither_head_nor_heads_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"give either head: .* got neither"):
        ModelConfig.parse({"architecture": "mlp", "input_shape": [3]})


def test_an_unknown_architecture_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="unknown architecture 'mpl'; did you mean 'mlp'"):
        ModelConfig.parse({**MLP, "architecture": "mpl"})


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "", "a: [", "- a"])
def test_yaml_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a mapping of fields|this is not YAML"):
        ModelConfig.from_yaml(text)


@pytest.mark.parametrize("text", ["[1, 2]", "{", "", "3"])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected an object of fields|this is not JSON"):
        ModelConfig.from_json(text)


def test_the_hash_is_sha256_of_the_chosen_fields_as_sorted_json() -> None:
    canonical = (
        b'{"architecture":"mlp","head":{"kind":"softmax","units":3},"input_shape":[784],'
        b'"regularization":{"l2":0.5},"units":[16,16]}'
    )
    fields = {**MLP, "regularization": {"l2": 0.5, "dropout": 0.0}, "activation": "relu"}

    assert hash_of(fields) == "sha256:" + hashlib.sha256(canonical).hexdigest()


def test_the_hash_is_the_same_in_another_process(run_python: Callable[..., Any]) -> None:
    fields = {
        "architecture": "mlp",
        "input_shape": [3],
        "heads": {"one": {"kind": "linear"}, "two": SOFTMAX, "three": {"kind": "sigmoid"}},
    }
    source = f"from zoo.config import ModelConfig; print(ModelConfig.parse({fields!r}).content_hash())"

    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"

    run = run_python(source, PYTHONHASHSEED=seed, KERAS_BACKEND="jax")

    assert run.stdout.strip() == hash_of(fields), run.stderr


@pytest.mark.parametrize(
    "same",
    [
        {**MLP, "units": (16, 16), "input_shape": (784,)},
        {**MLP, "activation": "relu"},
        {**MLP, "regularization": {}},
        {**MLP, "regularization": {"l2": 0.0}},
        {**MLP, "regularization": {"l2": 0}},
        {**MLP, "head": HeadConfig(kind="softmax", units=3)},
        {**MLP, "regularization": RegularizationConfig()},
        {**MLP, "heads": None, "preprocessing": []},
        dict(reversed(MLP.items())),
        {"architecture": "mlp_tiny", "input_shape": [784], "head": SOFTMAX},
    ],
    ids=range(10),
)
def test_the_hash_is_equal_however_the_same_choice_is_written(same: dict[str, Any]) -> None:
    assert hash_of(same) == hash_of(MLP)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            {"activation": {"kind": "leaky_relu", "negative_slope": 1}},
            {"activation": {"kind": "leaky_relu", "negative_slope": 1.0}},
        ),
        ({"bias_initializer": {"kind": "constant", "value": 5}}, {"bias_initializer": 5.0}),
        ({"bias_initializer": {"kind": "constant", "value": 0}}, {"bias_initializer": "zeros"}),
        ({"bias_initializer": {"kind": "constant"}}, {}),
        ({"bias_initializer": -0.0}, {"bias_initializer": 0}),
        (
            {"regularization": {"constraint": {"kind": "max_norm", "max_value": 3}}},
            {"regularization": {"constraint": {"kind": "max_norm", "max_value": 3.0}}},
        ),
        (
            {"preprocessing": [{"kind": "rescaling", "scale": 0.0}]},
            {"preprocessing": [{"kind": "rescaling", "scale": -0.0}]},
        ),
    ],
    ids=str,
)
def test_equal_numbers_are_equal_choices_with_equal_hashes(one: dict[str, Any], two: dict[str, Any]) -> None:
    first, second = ModelConfig.parse({**MLP, **one}), ModelConfig.parse({**MLP, **two})

    assert first == second
    assert first.content_hash() == second.content_hash()


def nested(depth: int) -> Any:
    """Return lists of ten, each of which is ten times the same one: in all, 10 to the power of depth strings."""
    value: Any = "x"
    for _ in range(depth):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"units": nested(9)}, r"units\.0: .*valid integer, got \["),
        ({"activation": nested(9)}, r"activation: expected a name, .* got \["),
        ({"activation": {"kind": "relu", "max_value": nested(9)}}, r"max_value: expected a number or text, got \["),
        ({"regularization": {"normalization": nested(9)}}, r"normalization: got \["),
        ({"architecture": nested(9)}, r"unknown architecture \["),
        ({"units": [10**30]}, r"units\.0: .*below 2147483648, .* got 1000000"),
        ({"units": [10**5000]}, r"units\.0: .*below 2147483648, .* got a number of 16610 bits"),
        ({"input_shape": [2**31]}, r"input_shape\.0: .*below 2147483648"),
        ({"head": {"kind": "softmax", "units": 2**31}}, r"head\.units: .*below 2147483648"),
    ],
    ids=range(9),
)
def test_a_value_too_large_to_show_is_refused_in_a_short_message(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        ModelConfig.parse({**MLP, **fields})

    assert len(str(refused.value)) < 2000


def test_of_many_divisors_the_nearest_are_proposed() -> None:
    fields = {"architecture": "transformer", "input_shape": [4, 3], "hidden_dim": 2 * 10**9, "num_heads": 7}

    with pytest.raises(
        ConfigError, match=r"num_heads 7 does not divide hidden_dim 2000000000: choose one of 2, 4, 5, 8, 10$"
    ):
        ModelConfig.parse({**fields, "head": SOFTMAX})


@pytest.mark.parametrize("text", ['{"a": ' + "1" * 5000 + "}", "[" * 100_000, "{"], ids=["digits", "depth", "end"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="this is not JSON"):
        ModelConfig.from_json(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"architecture": "mlp", "input_shape": [4], "units": [8, 1], "activations": ["relu", "softmax"]},
        {"architecture": "transformer", "input_shape": [4, 3], "intermediate_dim": 1, "activation": "softmax"},
    ],
    ids=["mlp", "transformer"],
)
def test_a_softmax_over_a_single_hidden_unit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="softmax over the single unit of a layer is always the same"):
        ModelConfig.parse({**fields, "head": SOFTMAX})


def test_the_hash_differs_for_every_changed_choice() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"input_shape": [783]},
        {"input_shape": [784, 1]},
        {"units": [16, 17]},
        {"units": [16]},
        {"activation": "tanh"},
        {"regularization": {"l1": 0.1}},
        {"regularization": {"l2": 0.1}},
        {"regularization": {"dropout": 0.1}},
        {"regularization": {"normalization": "batch"}},
        {"preprocessing": [{"kind": "rescaling", "scale": 2.0}]},
        {"preprocessing": [{"kind": "rescaling", "scale": 2.0, "offset": 1.0}]},
        {"head": {"kind": "softmax", "units": 4}},
        {"head": {"kind": "sigmoid", "units": 3}},
        {"head": {"kind": "linear", "units": 3}},
        {"head": None, "heads": {"age": SOFTMAX}},
        {"head": None, "heads": {"sex": SOFTMAX}},
    ]

    assert len({hash_of({**MLP, **change}) for change in changes}) == len(changes)


def test_the_hash_differs_between_architectures() -> None:
    fields = {"input_shape": [8, 8, 1], "head": SOFTMAX}

    assert hash_of({**fields, "architecture": "mlp"}) != hash_of({**fields, "architecture": "cnn"})


def test_a_single_head_has_the_empty_name() -> None:
    assert ModelConfig.parse(MLP).named_heads() == {"": HeadConfig(kind="softmax", units=3)}
