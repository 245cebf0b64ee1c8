"""Texts that JSON can spell and nothing else can hold: they are refused before anything is made of them."""

import pytest

from serving.http.json_text import parse_object
from serving.status import StatusError


@pytest.mark.parametrize(
    "body",
    [
        rb'{"signature_name": "\ud800", "examples": [{"x": 1.0}]}',
        rb'{"examples": [{"x": "\uDFFF"}]}',
        rb'{"examples": [{"\ud800": 1}]}',
        rb'{"parameters": {"config": ["a", {"b": "\uD800 "}]}}',
        rb'{"inputs": "\ude00\ud83d"}',
    ],
)
def test_half_of_a_surrogate_pair_is_refused_wherever_it_stands(body: bytes) -> None:
    with pytest.raises(StatusError, match="a string holds half of a surrogate pair"):
        parse_object(body, max_bytes=10_000)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (rb'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
        (rb'{"a": "\\ud800"}', {"a": r"\ud800"}),
        (rb'{"a\ud83d\ude00": [1, NaN]}', None),
    ],
)
def test_whole_pairs_are_read(body: bytes, found: dict[str, str] | None) -> None:
    assert found in (None, parse_object(body, max_bytes=10_000))
