"""Whoever has no token takes nothing of a server that asks for one."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

import serving
from tests.serving.test_access import ACCESS, PREDICT, ask


@pytest.mark.parametrize("transport", ["grpcio", "asyncio"])
@pytest.mark.parametrize("token", ["Bearer nobody's", None])
def test_strangers_are_refused_before_their_request_has_come(
    repository: Path, tmp_path: Path, transport: str, token: str | None
) -> None:
    """Each would hold as much memory as a message may take."""
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    answered = threading.Event()

    def requests() -> Iterator[bytes]:  # a client that has sent its head, and waits
        answered.wait(60)
        yield b""

    with (
        serving.Server(repository, port=0, poll_seconds=0, access_file=path, transport=transport) as server,
        grpc.insecure_channel(f"localhost:{server.port}") as channel,
    ):
        metadata = () if token is None else (("authorization", token),)
        call = channel.stream_unary(PREDICT).future(requests(), timeout=30, metadata=metadata)
        assert call.code() == grpc.StatusCode.UNAUTHENTICATED
        assert dict(call.trailing_metadata())["x-request-id"]
        answered.set()
        assert ask(channel, PREDICT, "affine", "Bearer dash-secret") == "OK"


def test_a_body_of_a_stranger_is_not_waited_for(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    head = b"POST /v1/models/affine:predict HTTP/1.1\r\nHost: zoo\r\nContent-Length: 200000000\r\n\r\n"
    with (
        serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0, access_file=path) as server,
        socket.create_connection(("localhost", server.rest_api_port), timeout=30) as stranger,
    ):
        stranger.sendall(head)
        assert stranger.recv(1 << 16).startswith(b"HTTP/1.1 401 ")
