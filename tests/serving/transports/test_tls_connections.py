"""TLS of the transport asyncio: who is let in, and as whom. tests/serving/test_tls.py has certificates that change."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from serving.tls import Certificates
from serving.transports.transport import Call, Unary
from tests.serving.transports.wire import Running, running

AUTHORITY = trustme.CA()


async def who(message: bytes, call: Call) -> bytes:
    return json.dumps([*call.identities]).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tls")
    issued = AUTHORITY.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    AUTHORITY.cert_pem.write_to_path(folder / "roots.pem")
    certificates = Certificates(folder / "key.pem", folder / "chain.pem", folder / "roots.pem", require_client=True)
    with running([Unary("/zoo.Who/Am", who)], tls=certificates.credentials().contexts(), handshake_seconds=2) as served:
        yield served


def ask(server: Running, *names: str, common_name: str | None = None) -> list[str]:
    mine = AUTHORITY.issue_cert(*names, common_name=common_name)
    chain = b"".join(blob.bytes() for blob in mine.cert_chain_pems)
    credentials = grpc.ssl_channel_credentials(AUTHORITY.cert_pem.bytes(), mine.private_key_pem.bytes(), chain)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(f"localhost:{server.port}", credentials, options=options) as channel:
        return json.loads(channel.unary_unary("/zoo.Who/Am")(b"", timeout=30))


def test_a_client_is_known_by_the_names_in_its_certificate(server: Running) -> None:
    assert ask(server, "ops.example.org", "10.0.0.1", "mailto@example.org", common_name="shadow") == [
        "ops.example.org", "10.0.0.1", "mailto@example.org",
    ]  # fmt: skip


def test_a_client_without_such_names_is_known_by_its_common_name(server: Running) -> None:
    assert ask(server, common_name="ops") == ["ops"]


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.cert_pem.bytes().decode())
    with AUTHORITY.issue_cert("me").private_key_and_cert_chain_pem.tempfile() as path:
        context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("protocols", [[], ["http/1.1"]])
def test_a_client_that_does_not_agree_on_http2_is_not_let_in(server: Running, protocols: list[str]) -> None:
    context = client_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
                assert wrapped.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            pass  # which is as good


def test_who_does_not_shake_hands_is_not_waited_for(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as silent:
        silent.sendall(b"\x16\x03\x01")
        assert silent.recv(1) == b""


def test_a_key_leaves_no_file_behind(tmp_path: Path) -> None:
    issued = AUTHORITY.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    tls = Certificates(tmp_path / "key.pem", tmp_path / "chain.pem").credentials()
    assert tls.contexts()() is not None
    assert b"PRIVATE" not in repr(vars(tls)).encode()
    assert {path.name for path in tmp_path.iterdir()} == {"key.pem", "chain.pem"}
