"""Random and mutated bodies: the server answers every one of them, rightly or with 4xx, and goes on."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.serving.http.asking import ask_on

VALID = [
    '{"instances": [{"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]}]}',
    (
        '{"inputs": {"tag": ["a", {"b64": "YQ=="}], "signal": [[1, 2, 3, 4, 5e0], [3, NaN, 1, -Infinity, 5]], '
        '"sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]}}'
    ),
    '{"signature_name": "echo", "instances": ["\\u00e9", {"b64": "/wA="}]}',
    '{"signature_name": "int8", "inputs": [-128, 127]}',
    '{"signature_name": "lengths", "inputs": [0.1, 16777216]}',
]  # fmt: skip

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(1 << 64), 1 << 65), st.floats(), st.text(max_size=5),
    st.sampled_from([{"b64": "YQ=="}, {"b64": "*"}, {"b64": 1}, {}, []]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["x", "tag", "signal", "sensor", "data", "b64", ""]), inner, max_size=4),
    ),
    max_leaves=20,
)
SIGNATURES = ["serving_default", "echo", "lengths", "turn", "bool", "int8", "uint64", "float16", "bfloat16", "", "no"]
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.one_of(st.sampled_from(SIGNATURES), VALUES),
        "instances": VALUES,
        "inputs": VALUES,
        "examples": VALUES,
        "context": VALUES,
    },
)


@pytest.fixture(scope="module")
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    yield opened
    opened.close()


def send_and_hang_up(port: int, data: bytes) -> bytes:
    """Send bytes, say that no more come, and read what is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        parts = []
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                parts.append(part)
        return b"".join(parts)


def answer_is_right_or_refused(connection: http.client.HTTPConnection, body: bytes) -> None:
    answer = ask_on(connection, "POST", "/v1/models/shapes:predict", body)
    assert answer.status == 200 or 400 <= answer.status < 500, answer.body
    assert list(answer.json) in (["predictions"], ["outputs"], ["error"])
    if answer.status == 200:
        asked = json.loads(body)
        if "instances" in asked:
            assert len(answer.json["predictions"]) == len(asked["instances"])


@given(DOCUMENTS)
@settings(max_examples=100, deadline=None)
@example({"inputs": []})
@example({"instances": [[]]})
@example({"signature_name": "turn", "inputs": []})
@example({"signature_name": "turn", "inputs": [float("nan")]})
@example({"signature_name": "lengths", "inputs": [float("nan"), (1 << 24) + 1]})
@example({"signature_name": "float16", "inputs": [1 << 2000]})
def test_documents_of_any_shape(connection: http.client.HTTPConnection, document: object) -> None:
    answer_is_right_or_refused(connection, json.dumps(document).encode())


@given(st.sampled_from(VALID), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_valid_bodies_with_a_few_bytes_changed(
    connection: http.client.HTTPConnection, valid: str, data: st.DataObject
) -> None:
    body = bytearray(valid.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "insert", "repeat"]))
        if kind == "change":
            body[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del body[at : at + data.draw(st.integers(1, 8))]
            body = body or bytearray(b" ")
        elif kind == "insert":
            body[at:at] = data.draw(
                st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"-", b"0", b"1e999", b"null"])
            )
        else:
            body[at:at] = body[: at + 1] * data.draw(st.integers(1, 3))
    answer_is_right_or_refused(connection, bytes(body))


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_bytes_of_any_kind(connection: http.client.HTTPConnection, body: bytes) -> None:
    answer_is_right_or_refused(connection, body)


REQUEST = (
    b"POST /v1/models/shapes:predict?a=b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n"
    b"Connection: close\r\nX-Request-Id: mine\r\nContent-Length: 46\r\n\r\n"
    b'{"signature_name": "int8", "inputs": [1, 2] }\n'
)
PIECES = [
    b"\r\n",
    b":",
    b" ",
    b"\x00",
    b"\xff",
    b"%",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"HTTP/9",
]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_requests_with_a_few_bytes_changed(
    port: int, connection: http.client.HTTPConnection, data: st.DataObject
) -> None:
    request = bytearray(REQUEST)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(request) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "insert"]))
        if kind == "change":
            request[at] = data.draw(st.integers(0, 255))
        elif kind == "cut" and len(request) > 20:
            del request[at : at + data.draw(st.integers(1, 20))]
        else:
            request[at:at] = data.draw(st.sampled_from(PIECES))
    answer = send_and_hang_up(port, bytes(request))
    assert b"HTTP/1.1 5" not in answer
    assert ask_on(connection, "GET", "/v1/models/shapes").status == 200
