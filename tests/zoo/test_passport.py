"""The passport's JSON: what it says comes back, and whatever else lies there is refused."""

import contextlib
import dataclasses
import hashlib
import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from zoo.errors import ArtifactError
from zoo.passport import (
    Golden,
    Latency,
    Measured,
    ModelFacts,
    Parent,
    Passport,
    SignatureFacts,
    Statistics,
    Tensor,
    TensorFacts,
    Tolerance,
    Uncertainty,
    Variant,
    WarmUp,
)

PASSPORT_OF_A_SUM = Passport(
    name="sum",
    created="2025-01-01T00:00:00+00:00",
    signatures={
        "serving_default": SignatureFacts(
            {"inputs": TensorFacts("float32", (None, 2), (0.0, 1.0))},
            {"probabilities": TensorFacts("float32", (None, 1)), "label": TensorFacts("string", (None,))},
        )
    },
    golden={
        "serving_default": Golden(
            {"inputs": Tensor("float32", (1, 2), base64="AACAPwAAAEA=")},
            {"label": Tensor("string", (1,), strings=("yes",))},
        )
    },
    tolerance=Tolerance(1e-6, 2e-6, 0.25),
    libraries={"keras": "3.15.1"},
    files={"saved_model.pb": "0" * 64},
    class_names={"probabilities": ("no", "yes")},
    config={"architecture": "mlp"},
    config_hash="sha256:1",
    data={"splits": {"train": 3}},
    metrics={"test": {"accuracy": 0.5}},
    intervals={"test": {"accuracy": (0.25, 0.75)}},
    statistics={"inputs": Statistics(3, (0.0, 0.5), (1.0, 1.5), (0.5, 1.0), (0.25, 0.25))},
    model=ModelFacts(parameters=3, trainable=3, bytes=12, multiply_adds=2),
    weights=("dense/kernel",),
    uncertainty={"probabilities": Uncertainty("temperature+lac", 0.9, 10, (0.5,), temperature=1.5)},
    variants={
        "litert": Variant(
            "model.tflite", "litert", "float32", 100, "serving_default",
            {"inputs": TensorFacts("float32", (None, 2))}, {"probabilities": TensorFacts("float32", (None, 1))},
            error=1e-7, flips=0.0, rows=8, tolerance=Tolerance(),
        )
    },
    warm_up=WarmUp("assets.extra/tf_serving_warmup_requests", (1, 8), 2),
    parent=Parent("sum", 1, "sha256:0"),
    measured=Measured({"processor": "abacus"}, "serving_default", {"1": Latency(0.5, 0.75, 100)}),
)  # fmt: skip

FIRST_FORMAT = (
    *("name", "created", "signatures", "tolerance", "libraries", "files"),
    *("class_names", "config", "config_hash", "data", "metrics"),
)
"""What a passport of format 1 held, besides its golden answers."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def rehash(document: dict[str, Any]) -> dict[str, Any]:
    """Give an edited passport the hash that goes with it, where it can have one."""
    core = {key: value for key, value in document.items() if key not in {"hash", "measured"}}
    with contextlib.suppress(ValueError):  # JSON has no NaN
        canonical = json.dumps(core, sort_keys=True, separators=(",", ":"), allow_nan=False)
        document["hash"] = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    return document


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
    found = Passport.from_json(PASSPORT_OF_A_SUM.to_json())

    assert dataclasses.replace(found, hash=None) == PASSPORT_OF_A_SUM


def test_a_passport_with_nothing_optional_survives_json() -> None:
    bare = dataclasses.replace(
        PASSPORT_OF_A_SUM, class_names={}, config=None, config_hash=None, data=None, metrics={}, files={}, intervals={},
        statistics={}, model=None, weights=(), uncertainty={}, variants={}, warm_up=None, parent=None, measured=None,
    )  # fmt: skip

    assert dataclasses.replace(Passport.from_json(bare.to_json()), hash=None) == bare


def test_a_passport_that_is_read_and_written_anew_has_the_same_hash() -> None:
    whole_numbers = dataclasses.replace(PASSPORT_OF_A_SUM, metrics={"test": {"mae": 1}}, tolerance=Tolerance(0, 1, 0))
    text = whole_numbers.to_json()

    assert Passport.from_json(text).to_json() == text


def test_the_hash_is_of_all_but_what_a_machine_measured() -> None:
    document = json.loads(PASSPORT_OF_A_SUM.to_json())

    assert document["hash"] == rehash(dict(document))["hash"] == rehash({**document, "measured": None})["hash"]
    assert Passport.from_json(json.dumps({**document, "measured": None})).measured is None


@pytest.mark.parametrize("change", [{"name": "product"}, {"metrics": {}}, {"hash": "sha256:0"}])
def test_an_edited_passport_is_refused(change: dict[str, Any]) -> None:
    document = {**json.loads(PASSPORT_OF_A_SUM.to_json()), **change}

    with pytest.raises(ArtifactError, match="was edited"):
        Passport.from_json(json.dumps(document))


def test_a_passport_of_the_first_format_is_read() -> None:
    document = json.loads(PASSPORT_OF_A_SUM.to_json())
    first = {key: document[key] for key in FIRST_FORMAT}
    golden = {"signature": "serving_default", **document["golden"]["serving_default"]}

    found = Passport.from_json(json.dumps({**first, "format": 1, "golden": golden}))

    assert (found.format, found.golden, found.hash) == (1, PASSPORT_OF_A_SUM.golden, None)
    assert (found.model, found.variants) == (None, {})


def test_a_passport_of_a_newer_format_is_refused() -> None:
    text = dataclasses.replace(PASSPORT_OF_A_SUM, format=3).to_json()

    with pytest.raises(ArtifactError, match="has format 3, this version of keras-zoo reads formats 1 to 2: upgrade"):
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
    rehash(document)

    with contextlib.suppress(ArtifactError):
        Passport.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", 5), ("files", None), ("files", {"a": 1}), ("metrics", []), ("tolerance", {"absolute": "much"})],
)
def test_a_passport_with_a_value_of_the_wrong_type_is_refused(key: str, value: object) -> None:
    document = rehash({**json.loads(PASSPORT_OF_A_SUM.to_json()), key: value})

    with pytest.raises(ArtifactError, match="this is not a passport"):
        Passport.from_json(json.dumps(document))


def test_a_tolerance_beyond_any_float_is_refused() -> None:
    document = rehash({**json.loads(PASSPORT_OF_A_SUM.to_json()), "tolerance": {"absolute": 10**400}})

    with pytest.raises(ArtifactError, match="this is not a passport: OverflowError"):
        Passport.from_json(json.dumps(document))


@pytest.mark.parametrize(
    "change",
    [{"name": ["x" * 3_000_000]}, {"format": "2" * 3_000_000}, {"tolerance": {"absolute": "x" * 3_000_000}}],
)
def test_what_a_message_shows_of_a_passport_is_short(change: dict[str, Any]) -> None:
    document = rehash({**json.loads(PASSPORT_OF_A_SUM.to_json()), **change})

    with pytest.raises(ArtifactError) as caught:
        Passport.from_json(json.dumps(document))

    assert len(str(caught.value)) < 300
