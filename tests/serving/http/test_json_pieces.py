"""JSON that is read and written in pieces is what the standard library makes of the whole."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serving.http.json_pieces import PieceReader
from serving.http.json_text import parse_object
from serving.http.json_values import AT_ONCE, texts
from serving.offload import Offload
from serving.status import StatusError

DECODER = json.JSONDecoder()
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(st.lists(inner, max_size=12), st.dictionaries(st.text(max_size=4), inner, max_size=5)),
    max_leaves=60,
)
MARKS = [b"[", b"]", b"{", b"}", b",", b'"', b"-", b"0", b"1e999", b"null", b"\\", b":", b" ", b"\x01", b"\xff"]


def outcome(body: bytes, window: int | None) -> str:
    """Return what comes of reading a body in such pieces; of reading it whole, without a window."""
    try:
        return repr(json.loads(body.decode()) if window is None else PieceReader(body, DECODER, window).document())
    except (UnicodeDecodeError, json.JSONDecodeError):
        return "refused"
    except ValueError:
        return "too many digits"


@given(VALUES, st.integers(1, 40), st.sampled_from([None, 1]))
@settings(max_examples=150, deadline=None)
def test_a_document_is_the_same_in_windows_of_any_size(value: Any, window: int, indent: int | None) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=False).encode(errors="replace")
    assert outcome(body, window) == outcome(body, None)


@given(VALUES, st.integers(1, 40), st.data())
@example([1, 2], 3, None)
@settings(max_examples=200, deadline=None)
def test_what_is_no_json_is_refused_in_windows_of_any_size(value: Any, window: int, data: st.DataObject | None) -> None:
    body = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3)) if data else 0):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.sampled_from(MARKS))
    assert outcome(bytes(body), window) == outcome(bytes(body), None)


def test_the_place_of_an_error_is_counted_from_the_beginning() -> None:
    body = b'{"instances": [' + b"1.5, " * 50_000 + b"oops]}"
    with pytest.raises(StatusError, match=f"Expecting value at offset: {body.index(b'oops')}"):
        parse_object(body, max_bytes=1 << 30)


def test_more_lists_than_memory_for_them_are_refused() -> None:
    with pytest.raises(
        StatusError, match="holds some 70002 lists and objects, this server's limit is 65536: send fewer"
    ):
        parse_object(b'{"instances": [' + b"[]," * 70_000 + b"1]}", max_bytes=1 << 24)


def test_the_event_loop_turns_while_a_large_document_is_read() -> None:
    body = b'{"instances": [' + b",".join([b"[0.123456, 1, 2]"] * 100_000) + b"]}"

    async def count_turns() -> int:
        offload, turns = Offload(), 0
        work = asyncio.ensure_future(offload.run(len(body), lambda: parse_object(body, max_bytes=1 << 30)))
        await asyncio.sleep(0)
        while not work.done():
            await asyncio.sleep(0.0005)
            turns += 1
        assert len((await work)["instances"]) == 100_000
        offload.close()
        return turns

    assert asyncio.run(count_turns()) > 10, "read in one go it would have been one or two"


@pytest.mark.parametrize("shape", [(), (0,), (AT_ONCE + 1,), (3, AT_ONCE), (2, 0), (2, 3, AT_ONCE // 2), (5000, 7)])
def test_an_array_is_written_in_pieces_as_in_one(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    written = b"".join(texts("y", array))
    assert written == json.dumps(json.loads(written)).encode()
    assert (np.array(json.loads(written), np.float32).reshape(shape) == array).all()
