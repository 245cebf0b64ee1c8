"""Ports are kept for workers."""

import socket
import sys

import pytest

from serving.config import ServerConfig
from serving.status import ServerError
from serving.workers.ports import held_ports


def shared_listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen()
    return listener


def test_workers_can_listen_where_nobody_else_can() -> None:
    with held_ports(ServerConfig(port=0, rest_api_port=-1, admin_port=0)) as ports:
        assert ports.admin_port is not None
        assert len({ports.port, ports.rest_api_port, ports.admin_port, 0}) == 4
        for port in (ports.port, ports.rest_api_port, ports.admin_port):
            with shared_listener("127.0.0.1", port), shared_listener("127.0.0.1", port):
                pass
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ports.port))
    with shared_listener("127.0.0.1", ports.port):
        pass


def test_a_name_is_held_on_all_of_its_addresses() -> None:
    addresses = {found[4][0] for found in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    with held_ports(ServerConfig(host="localhost", port=0)) as ports:
        for address in addresses:
            with shared_listener(str(address), ports.port):
                pass


def test_one_who_listens_already_is_noticed_though_it_would_share() -> None:
    with shared_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        config = ServerConfig(port=0, rest_api_port=port)
        with pytest.raises(ServerError, match=rf":{port}: .*in use.*--rest_api_port"), held_ports(config):
            pass


def test_a_system_that_does_not_divide_connections_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ServerError, match=r"SO_REUSEPORT.*leave --workers out"), held_ports(ServerConfig(port=0)):
        pass


def test_an_option_that_keeps_workers_from_sharing_is_refused() -> None:
    with pytest.raises(ServerError, match=r"leave grpc\.so_reuseport=0 out"):
        ServerConfig(workers=2, grpc_channel_arguments={"grpc.so_reuseport": 0})
