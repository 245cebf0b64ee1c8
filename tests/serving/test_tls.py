"""Certificates that change while the server runs, and clients that show theirs."""

import os
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

import serving
from serving.status import ServerError
from serving.tls import Certificates
from zoo.cli import main

HEALTH = "/grpc.health.v1.Health/Check"
METADATA = "/inference.GRPCInferenceService/ServerMetadata"


def write(folder: Path, authority: trustme.CA) -> Certificates:
    """Put a new certificate for localhost in place of what is there."""
    issued = authority.issue_cert("localhost")
    for name, blobs in (("key.pem", [issued.private_key_pem]), ("chain.pem", issued.cert_chain_pems)):
        (folder / "new").write_bytes(b"".join(blob.bytes() for blob in blobs))
        (folder / "new").replace(folder / name)
    return Certificates(folder / "key.pem", folder / "chain.pem")


def call(port: int, roots: trustme.CA, client: trustme.LeafCert | None = None, path: str = HEALTH) -> str:
    """Return how a call over a new connection ends."""
    pair = {}
    if client is not None:
        chain = b"".join(blob.bytes() for blob in client.cert_chain_pems)
        pair = {"private_key": client.private_key_pem.bytes(), "certificate_chain": chain}
    credentials = grpc.ssl_channel_credentials(roots.cert_pem.bytes(), **pair)
    options = [("grpc.use_local_subchannel_pool", 1)]  # or a connection of before would be used again
    with grpc.secure_channel(f"localhost:{port}", credentials, options=options) as channel:
        try:
            channel.unary_unary(path)(b"", timeout=10)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def test_a_new_certificate_is_used_without_a_restart(repository: Path, tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    certificates = write(tmp_path, old)
    with serving.Server(repository, port=0, poll_seconds=0, credentials=certificates.credentials()) as server:
        assert (call(server.port, old), call(server.port, new)) == ("OK", "UNAVAILABLE")
        write(tmp_path, new)
        assert (call(server.port, old), call(server.port, new)) == ("UNAVAILABLE", "OK")
        (tmp_path / "chain.pem").write_text("nonsense")
        assert call(server.port, new) == "OK", "what is no certificate changes nothing"


def test_every_port_has_the_new_certificate(repository: Path, tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    credentials = write(tmp_path, old).credentials()
    with serving.Server(repository, port=0, admin_port=0, poll_seconds=0, credentials=credentials) as server:
        ports = (server.port, server.admin_port or 0)
        assert [call(port, old) for port in ports] == ["OK", "OK"]
        write(tmp_path, new)
        assert [call(port, new) for port in ports] == ["OK", "OK"]
        assert [call(port, old) for port in ports] == ["UNAVAILABLE", "UNAVAILABLE"]


def test_a_client_without_a_certificate_is_not_let_in(repository: Path, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    found = write(tmp_path, authority)
    (tmp_path / "roots.pem").write_bytes(authority.cert_pem.bytes())
    certificates = Certificates(found.key, found.chain, tmp_path / "roots.pem", require_client=True)
    access = tmp_path / "access.yaml"
    access.write_text("clients: [{name: ops, certificate: ops.example.org, models: ['*']}]")
    with serving.Server(
        repository, port=0, poll_seconds=0, credentials=certificates.credentials(), access_file=access
    ) as server:
        assert call(server.port, authority, authority.issue_cert("ops.example.org")) == "OK"
        assert call(server.port, authority, stranger.issue_cert("ops.example.org")) == "UNAVAILABLE"
        assert call(server.port, authority) == "UNAVAILABLE"
        for name, answer in {"ops.example.org": "OK", "ops.example.com": "UNAUTHENTICATED"}.items():
            assert call(server.port, authority, authority.issue_cert(name), METADATA) == answer


def test_the_commands_connect_with_tls_and_show_a_certificate(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = trustme.CA()
    found, roots = write(tmp_path, authority), tmp_path / "roots.pem"
    roots.write_bytes(authority.cert_pem.bytes())
    mine = authority.issue_cert("me")
    (tmp_path / "my-key.pem").write_bytes(mine.private_key_pem.bytes())
    (tmp_path / "my-chain.pem").write_bytes(mine.cert_chain_pems[0].bytes())
    certificates = Certificates(found.key, found.chain, roots, require_client=True)
    with serving.Server(repository, port=0, poll_seconds=0, credentials=certificates.credentials()) as server:
        ask = ["models", "list", "--target", f"localhost:{server.port}", "--tls-roots", str(roots), "--timeout", "10"]
        pair = ["--tls-key", str(tmp_path / "my-key.pem"), "--tls-chain", str(tmp_path / "my-chain.pem")]
        assert main([*ask, *pair]) == 0
        assert "affine" in capsys.readouterr().out
        assert main(ask) != 0
        assert "for a certificate of yours (--tls-chain" in capsys.readouterr().err
        assert main(["models", "list", "--target", f"localhost:{server.port}", "--timeout", "10"]) != 0
        assert "does it ask for TLS (--tls-roots)" in capsys.readouterr().err


def test_files_that_are_of_no_use_for_tls_are_refused_before_anyone_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, others = write(tmp_path, trustme.CA()), trustme.CA().issue_cert("other").private_key_pem
    others.write_to_path(tmp_path / "other-key.pem")
    ask = ["models", "list", "--target", "localhost:1", "--tls-roots"]
    assert main([*ask, str(mine.key)]) == 2
    assert f"--tls-roots {mine.key}: there is no certificate in PEM form in it" in capsys.readouterr().err
    pair = ["--tls-chain", str(mine.chain), "--tls-key", str(tmp_path / "other-key.pem")]
    assert main([*ask, str(mine.chain), *pair]) == 2
    assert "other-key.pem are no certificate and its key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-key", "k"], "--tls-chain and --tls-key go together"),
        (["--tls-key", "k", "--tls-chain", "c"], "give --tls-roots too"),
        (["--tls-roots", "/no/such.pem"], "cannot read /no/such.pem: No such file"),
    ],
)
def test_what_is_missing_for_tls_is_said(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", *options]) != 0
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["key.pem", "chain.pem"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    certificates = write(tmp_path, trustme.CA())
    (tmp_path / name).unlink()
    with pytest.raises(ServerError, match=f"cannot read the certificate file .*{name}: No such file"):
        certificates.credentials()


@pytest.mark.parametrize("name", ["key.pem", "chain.pem"])
def test_a_pipe_in_a_files_place_is_waited_for_by_nobody(tmp_path: Path, name: str) -> None:
    certificates = write(tmp_path, trustme.CA())
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(ServerError, match=f"cannot read the certificate file .*{name}: it is not a regular file"):
        certificates.credentials()


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certificates = write(tmp_path, trustme.CA())
    key = (tmp_path / "key.pem").read_bytes()
    write(tmp_path, trustme.CA())
    (tmp_path / "key.pem").write_bytes(key)
    with pytest.raises(ServerError, match="are no certificate and its key"):
        certificates.credentials()


def test_a_key_in_the_certificates_place_is_refused(tmp_path: Path) -> None:
    found = write(tmp_path, trustme.CA())
    with pytest.raises(ServerError, match="are no certificate and its key"):
        Certificates(key=found.chain, chain=found.key).credentials()


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    certificates = write(tmp_path, trustme.CA())
    key = serialization.load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (tmp_path / "key.pem").write_bytes(locked)
    with pytest.raises(ServerError, match="without a passphrase"):
        certificates.credentials()


def test_roots_without_a_certificate_are_refused(tmp_path: Path) -> None:
    found = write(tmp_path, trustme.CA())
    with pytest.raises(ServerError, match=r"key\.pem holds no certificates that could sign those of clients"):
        Certificates(found.key, found.chain, found.key, require_client=True).credentials()


def test_clients_cannot_be_held_to_certificates_that_nobody_signed(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="give client_roots"):
        Certificates(tmp_path / "key.pem", tmp_path / "chain.pem", require_client=True)
