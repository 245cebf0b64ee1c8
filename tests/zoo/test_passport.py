"""The passport's JSON: what it says comes back, and whatever else lies there is refused."""

import contextlib
import dataclasses
import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from zoo.errors import ArtifactError
from zoo.passport import Golden, Passport, SignatureFacts, Tensor, TensorFacts, Tolerance

PASSPORT_OF_A_SUM = Passport(
    name="sum",
    created="2025-01-01T00:00:00+00:00",
    signatures={
        "serving_default": SignatureFacts(
            {"inputs": TensorFacts("float32", (None, 2), (0.0, 1.0))},
            {"probabilities": TensorFacts("float32", (None, 1)), "label": TensorFacts("string", (None,))},
        )
    },
    golden=Golden(
        "serving_default",
        {"inputs": Tensor("float32", (1, 2), base64="AACAPwAAAEA=")},
        {"label": Tensor("string", (1,), strings=("yes",))},
    ),
    tolerance=Tolerance(1e-6, 2e-6, 0.25),
    libraries={"keras": "3.15.1"},
    files={"saved_model.pb": "0" * 64},
    class_names={"probabilities": ("no", "yes")},
    config={"architecture": "mlp"},
    config_hash="sha256:1",
    data={"splits": {"train": 3}},
    metrics={"test": {"accuracy": 0.5}},
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def places_in(value: object, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON document, as the keys that lead there."""
    found = [place]
    if isinstance(value, dict):
        return found + [p for key, inner in value.items() for p in places_in(inner, (*place, key))]
    if isinstance(value, list):
        return found + [p for key, inner in enumerate(value) for p in places_in(inner, (*place, key))]
    return found


# ---- passport


def test_a_passport_survives_json() -> None:
    assert Passport.from_json(PASSPORT_OF_A_SUM.to_json()) == PASSPORT_OF_A_SUM


def test_a_passport_with_nothing_optional_survives_json() -> None:
    bare = dataclasses.replace(
        PASSPORT_OF_A_SUM, class_names={}, config=None, config_hash=None, data=None, metrics={}, files={}
    )

    assert Passport.from_json(bare.to_json()) == bare


def test_a_passport_of_a_newer_format_is_refused() -> None:
    text = dataclasses.replace(PASSPORT_OF_A_SUM, format=2).to_json()

    with pytest.raises(ArtifactError, match="has format 2, this version of keras-zoo reads format 1: upgrade"):
        Passport.from_json(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '"text"', "[" * 100_000, "9" * 5000, '{"format": 1}'])
def test_what_is_no_passport_is_refused(text: str) -> None:
    with pytest.raises(ArtifactError):
        Passport.from_json(text)


@given(json_values)
def test_random_json_is_refused_as_an_artifact_error(value: object) -> None:
    with pytest.raises(ArtifactError):
        Passport.from_json(json.dumps(value))


@given(st.sampled_from(places_in(json.loads(PASSPORT_OF_A_SUM.to_json()))[1:]), json_values)
def test_a_passport_with_any_value_replaced_is_read_or_refused(place: tuple[Any, ...], value: object) -> None:
    document = json.loads(PASSPORT_OF_A_SUM.to_json())
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value

    with contextlib.suppress(ArtifactError):
        Passport.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", 5), ("files", None), ("files", {"a": 1}), ("metrics", []), ("tolerance", {"absolute": "much"})],
)
def test_a_passport_with_a_value_of_the_wrong_type_is_refused(key: str, value: object) -> None:
    document = {**json.loads(PASSPORT_OF_A_SUM.to_json()), key: value}

    with pytest.raises(ArtifactError, match="this is not a passport"):
        Passport.from_json(json.dumps(document))


def test_a_tolerance_beyond_any_float_is_refused() -> None:
    document = {**json.loads(PASSPORT_OF_A_SUM.to_json()), "tolerance": {"absolute": 10**400}}

    with pytest.raises(ArtifactError, match="this is not a passport: OverflowError"):
        Passport.from_json(json.dumps(document))


@pytest.mark.parametrize(
    "change",
    [{"name": ["x" * 3_000_000]}, {"format": "2" * 3_000_000}, {"tolerance": {"absolute": "x" * 3_000_000}}],
)
def test_what_a_message_shows_of_a_passport_is_short(change: dict[str, Any]) -> None:
    document = {**json.loads(PASSPORT_OF_A_SUM.to_json()), **change}

    with pytest.raises(ArtifactError) as caught:
        Passport.from_json(json.dumps(document))

    assert len(str(caught.value)) < 300
