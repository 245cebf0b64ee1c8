"""What the commands take for numbers, versions and tokens; what they do not take ends in a sentence, not in a traceback."""

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

import serving
from serving.arguments import count, positive_seconds, seconds, tolerance, version, version_or_label
from serving.connecting import token_given
from zoo.cli import main

HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("read", "text", "found"),
    [
        (seconds, "0", 0.0),
        (positive_seconds, "0.5", 0.5),
        (count, "32", 32),
        (version, "0", 0),
        (version, "007", 7),
        (version, str((1 << 63) - 1), (1 << 63) - 1),
        (version_or_label, "stable", "stable"),
        (version_or_label, "7", 7),
        (version_or_label, "-1", "-1"),
        (tolerance, "1e-3", 1e-3),
    ],
)
def test_what_is_taken(read: Callable[[str], object], text: str, found: object) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (seconds, ["-1", "nan", "inf", "", "x"]),
        (positive_seconds, ["0", "nan"]),
        (count, ["0", "-1", "1.5", "1e3", "²", "10001", HUGE]),
        (version, ["-1", "+1", "1.0", "", "stable", str(1 << 63), HUGE]),
        (version_or_label, [str(1 << 63)]),
        (tolerance, ["-1", "nan", "x"]),
    ],
)
def test_what_is_not(read: Callable[[str], object], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(ArgumentTypeError, match=r"expected .*, got"):
            read(text)


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "log.tfrecord", "--timeout", "0"],
        ["replay", "log.tfrecord", "--version", "-1"],
        ["predict", "m", "--input", "x.npy", "--version", str(1 << 64)],
        ["models", "promote", "m", "--to", str(1 << 64)],
    ],
)
def test_the_commands_ask_them(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize(("kept", "found"), [("abc\n", "abc"), ("", None), (" ", None), ("abc", "abc")])
def test_a_token_has_no_line_end(monkeypatch: pytest.MonkeyPatch, kept: str, found: str | None) -> None:
    monkeypatch.setenv("ZOO_TOKEN", kept)
    assert token_given() == found


@pytest.mark.parametrize("token", ["a secret\n", "a sécret", "a\0secret"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(serving.CallError, match="cannot be sent") as caught:
        serving.Client("localhost:1", token=token)
    assert "secret" not in str(caught.value).replace("the token", "")
