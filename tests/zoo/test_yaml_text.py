import pytest

from zoo.errors import ConfigError
from zoo.yaml_text import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("-2E+4", -2e4), ("1.5e3", 1500.0), ("7", 7), ("1e", "1e")]
)
def test_numbers_with_an_exponent_are_numbers(text: str, value: object) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize("text", ["[1,", "{a: b: c}", "!!python/object:os.system {}", "[" * 5000, "{a: 1, a: 2}"])
def test_what_is_not_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not YAML"):
        parse_yaml(text)
