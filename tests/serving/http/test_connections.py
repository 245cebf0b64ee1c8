"""Connections that ask for nothing are not held: in time, and in number."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

import serving
from serving.http import transport
from serving.tls import Certificates

READY = b"GET /v2/health/live HTTP/1.1\r\nHost: zoo\r\n\r\n"


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(port: int, sockets: ExitStack) -> socket.socket:
    return sockets.enter_context(socket.create_connection(("localhost", port), timeout=30))


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def is_answered(connection: socket.socket) -> bool:
    connection.sendall(READY)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status == 200


def test_who_does_not_finish_the_handshake_of_tls_is_not_waited_for(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sockets: ExitStack
) -> None:
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    credentials = Certificates(tmp_path / "key.pem", tmp_path / "chain.pem").credentials()
    monkeypatch.setattr(transport, "HEAD_SECONDS", 0.3, raising=False)
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0, credentials=credentials) as server:
        silent, slow = (connect(server.rest_api_port, sockets) for _ in range(2))
        slow.sendall(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello that has only begun
        assert is_closed(silent)
        assert is_closed(slow)


def test_the_connection_that_was_idle_for_longest_makes_room(
    repository: Path, monkeypatch: pytest.MonkeyPatch, sockets: ExitStack
) -> None:
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 3, raising=False)
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0) as server:
        first, second, third = (connect(server.rest_api_port, sockets) for _ in range(3))
        assert all(map(is_answered, (second, first, third)))
        fourth = connect(server.rest_api_port, sockets)
        assert is_answered(fourth)
        assert is_closed(second)
        assert all(map(is_answered, (first, third, fourth)))


def test_a_body_that_never_comes_whole_neither_keeps_a_server_nor_fills_its_log(
    repository: Path, sockets: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    server = serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0).start()
    connections = [connect(server.rest_api_port, sockets) for _ in range(5)]
    for connection in connections:
        connection.sendall(READY)
        connection.sendall(b"POST /v1/models/affine:predict HTTP/1.1\r\nHost: zoo\r\nContent-Length: 999\r\n\r\n{")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()  # by now the next request has begun, or is about to
    with caplog.at_level("WARNING"):
        server.stop(grace=1)
    assert all(map(is_closed, connections))
    assert [record.getMessage() for record in caplog.records] == []
