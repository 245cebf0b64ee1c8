"""What one peer may take of the server where gRPC's own library is the transport."""

import socket
from contextlib import ExitStack
from pathlib import Path

import serving
from tests.serving.transports.wire import OPENING


def is_closed(connection: socket.socket) -> bool:
    """Whether the server ends a connection, whatever it says first."""
    connection.settimeout(30)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def limited(repository: Path, name: str, value: int) -> serving.Server:
    return serving.Server(
        repository, port=0, poll_seconds=0, transport="grpcio", grpc_channel_arguments={f"grpc.{name}": value}
    )


def test_who_connects_and_says_nothing_is_not_waited_for(repository: Path) -> None:
    with (
        limited(repository, "server_handshake_timeout_ms", 300) as server,
        socket.create_connection(("localhost", server.port)) as silent,
    ):
        assert is_closed(silent)


def test_connections_over_the_limit_are_closed(repository: Path) -> None:
    with limited(repository, "max_allowed_incoming_connections", 2) as server, ExitStack() as stack:
        one, two = (stack.enter_context(socket.create_connection(("localhost", server.port))) for _ in range(2))
        for each in (one, two):
            each.sendall(OPENING)
            assert each.recv(9)  # its SETTINGS
        three = stack.enter_context(socket.create_connection(("localhost", server.port)))
        assert is_closed(three)
