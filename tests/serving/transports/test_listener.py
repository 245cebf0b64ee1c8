"""Where a server listens: at all addresses of a name, over gRPC and over HTTP; at a path; at a port that others share."""

import http.client
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

import serving
from serving.status import ServerError
from serving.transports.http2.transport import AsyncioTransport
from serving.transports.listener import listen
from serving.transports.place import Place
from serving.transports.port_flags import PortFlags
from tests.serving.transports.wire import ECHO, running

NAME = "several.test"
NOT_OF_THIS_MACHINE = "192.0.2.1"  # RFC 5737: for documentation

Named = Callable[..., None]


def can_be_listened_at(address: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
            listener.bind((address, 0))
    except OSError:
        return False
    return True


HERE = ["127.0.0.1", *filter(can_be_listened_at, ("127.0.0.2", "::1"))]
"""Addresses of this machine; of both families, where it has both."""


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Named:
    """Gives addresses a name."""
    known = socket.getaddrinfo

    def name(*addresses: str) -> None:
        def look_up(host: str | None, port: int | str | None, *arguments: Any, **named: Any) -> list[Any]:
            hosts = addresses if host == NAME else [host]
            return [found for each in hosts for found in known(each, port, *arguments, **named)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return name


def test_http_and_grpc_answer_at_every_address_of_a_name(repository: Path, named: Named) -> None:
    named(*HERE)
    with serving.Server(repository, host=NAME, port=0, rest_api_port=-1, poll_seconds=0) as server:
        for address in HERE:
            connection = http.client.HTTPConnection(address, server.rest_api_port, timeout=30)
            connection.request("GET", "/v2/health/live")
            assert connection.getresponse().status == 200
            connection.close()
            target = f"[{address}]:{server.port}" if ":" in address else f"{address}:{server.port}"
            with serving.Client(target) as client:
                assert client.signatures("affine", timeout=30)


def test_all_are_of_one_port(named: Named) -> None:
    named(*HERE)
    listeners = listen(Place(NAME, 0))
    try:
        assert [each.getsockname()[0] for each in listeners] == HERE
        assert len({each.getsockname()[1] for each in listeners}) == 1
    finally:
        for each in listeners:
            each.close()


def test_an_address_that_the_machine_does_not_have_is_left_out(named: Named) -> None:
    named(NOT_OF_THIS_MACHINE, "127.0.0.1")
    (listener,) = listen(Place(NAME, 0))
    with listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_name_of_no_address_here_is_refused_by_the_flags_that_chose_it(named: Named) -> None:
    named(NOT_OF_THIS_MACHINE)
    message = (
        rf"cannot listen on {NAME}:0: Cannot assign requested address: .*another with --this.*machine's \(--that\)"
    )
    with pytest.raises(ServerError, match=message):
        listen(Place(NAME, 0, PortFlags("--this", "--that")))


def test_a_port_that_is_in_use_at_one_of_the_addresses_is_refused_and_the_others_are_let_go(named: Named) -> None:
    named(*HERE)
    last = HERE[-1]
    with socket.create_server((last, 0), family=socket.AF_INET6 if ":" in last else socket.AF_INET) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=rf"cannot listen on {NAME}:{port}: Address already in use"):
            listen(Place(NAME, port))
        for address in HERE[:-1]:
            with socket.create_server((address, port)):
                pass


def test_a_unix_socket_answers_too_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with running(socket_path=str(path)) as server, grpc.insecure_channel(f"unix:{path}") as channel:
        assert channel.unary_unary("/zoo.Echo/Unary")(b"hi", timeout=30) == b"hi"
        assert server.port
    assert not path.exists()


def test_two_servers_may_share_a_port_where_they_are_told_to() -> None:
    with running(reuse_port=True) as server:
        other = AsyncioTransport(ECHO, Place("127.0.0.1", server.port, reuse_port=True), max_message_bytes=100)
        assert server.run(other.start()) == server.port
        server.run(other.stop(0))
