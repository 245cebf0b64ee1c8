import pytest

from zoo.errors import ConfigError
from zoo.yaml_text import parse_yaml, to_yaml


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("-2E+4", -2e4), ("1.5e3", 1500.0), ("7", 7), ("1e", "1e")]
)
def test_numbers_with_an_exponent_are_numbers(text: str, value: object) -> None:
    assert parse_yaml(text) == value


UNREADABLE = [
    *("2024-13-45", "1" * 5000, "? [a, b]\n: 1", "? {a: b}\n: 1"),
    *("!!int abc", "!!float abc", "!!bool foo", "!!timestamp abc", "0x_", "0b_"),
]


@pytest.mark.parametrize(
    "text", ["[1,", "{a: b: c}", "!!python/object:os.system {}", "[" * 5000, "{a: 1, a: 2}", *UNREADABLE]
)
def test_what_is_not_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not YAML"):
        parse_yaml(text)


def test_aliases_that_stand_for_billions_of_values_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    with pytest.raises(ConfigError, match="its aliases repeat more than 100000 values"):
        parse_yaml("\n".join(lines))


def test_an_alias_that_holds_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="an alias holds itself"):
        parse_yaml("&a [*a]")


def test_aliases_are_followed() -> None:
    assert parse_yaml("{one: &one [1, 2], two: *one}") == {"one": [1, 2], "two": [1, 2]}


@pytest.mark.parametrize("text", ["1e3", "-.5E-3", "1_0e2", "7", "1.5", "true", "null", "2024-01-02", "x"])
def test_a_string_that_looks_like_something_else_is_written_so_that_it_stays_a_string(text: str) -> None:
    assert parse_yaml(to_yaml([text])) == [text]


def test_keys_are_written_in_their_order() -> None:
    assert to_yaml({"b": 1, "a": 2}) == "b: 1\na: 2\n"
