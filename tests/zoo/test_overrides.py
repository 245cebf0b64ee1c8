from typing import Any

import pytest

from zoo.errors import ConfigError
from zoo.overrides import with_overrides


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a.b=[1, 2]", {"a": {"b": [1, 2], "c": [{"d": 1}]}, "strategy": "default"}),
        ("a.c.0.d=5", {"a": {"b": 0, "c": [{"d": 5}]}, "strategy": "default"}),
        ("new.deep=x", {"a": {"b": 0, "c": [{"d": 1}]}, "strategy": "default", "new": {"deep": "x"}}),
        ("strategy.replicas=2", {"a": {"b": 0, "c": [{"d": 1}]}, "strategy": {"kind": "default", "replicas": 2}}),
        ("a=null", {"a": None, "strategy": "default"}),
        ("a.b=x=y", {"a": {"b": "x=y", "c": [{"d": 1}]}, "strategy": "default"}),
    ],
)
def test_an_override_changes_one_field(override: str, expected: dict[str, Any]) -> None:
    data = {"a": {"b": 0, "c": [{"d": 1}]}, "strategy": "default"}
    assert with_overrides(data, [override]) == expected
    assert data["a"] == {"b": 0, "c": [{"d": 1}]}, "the original stays as it was"


def test_the_last_override_wins() -> None:
    assert with_overrides({}, ["seed=1", "seed=2"]) == {"seed": 2}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "an override is path=value"),
        ("=3", "an override is path=value"),
        ("sed.x=3", "sed is 1, which has no fields to set; did you mean 'set'"),
        ("list.7=3", "expected a number below 1"),
        ("list.x.y=3", "expected a number below 1"),
        ("seed=[1,", "not YAML"),
    ],
)
def test_a_wrong_override_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_overrides({"sed": 1, "set": {}, "list": [1]}, [override])
    assert message in str(caught.value)
