"""HTTP behind TLS: the files of gRPC, read anew for new connections, and clients known by their certificates."""

import http.client
import ssl
from pathlib import Path

import grpc
import pytest
import trustme

import serving
from serving.ssl_config import read_credentials
from serving.status import ServerError
from serving.tls import Certificates
from tests.serving.http.asking import Answer, ask_on

AFFINE = "/v1/models/affine:predict"
BODY = '{"instances": [4.0]}'


def write(folder: Path, authority: trustme.CA) -> Certificates:
    """Put a new certificate for localhost, and who signs those of clients, in place of what is there."""
    issued = authority.issue_cert("localhost")
    blobs = {
        "key.pem": [issued.private_key_pem],
        "chain.pem": issued.cert_chain_pems,
        "roots.pem": [authority.cert_pem],
    }
    for name, parts in blobs.items():
        (folder / "new").write_bytes(b"".join(part.bytes() for part in parts))
        (folder / "new").replace(folder / name)
    return Certificates(folder / "key.pem", folder / "chain.pem", folder / "roots.pem", require_client=True)


def ask(port: int, roots: trustme.CA, client: trustme.LeafCert | None = None) -> Answer:
    """Ask for a prediction on a new connection."""
    context = ssl.create_default_context()
    roots.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
    try:
        return ask_on(connection, "POST", AFFINE, BODY)
    finally:
        connection.close()


def test_clients_are_known_by_their_certificates_as_over_grpc(repository: Path, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    access = tmp_path / "access.yaml"
    access.write_text(
        "clients: [{name: ops, certificate: ops.example.org, models: ['*']},"
        " {name: other, certificate: other.example.org, models: ['sum']}]"
    )
    with serving.Server(
        repository, port=0, rest_api_port=-1, poll_seconds=0, access_file=access,
        credentials=write(tmp_path, authority).credentials(),
    ) as server:  # fmt: skip
        port = server.rest_api_port
        assert ask(port, authority, authority.issue_cert("ops.example.org")).json == {"predictions": [5.0]}
        assert ask(port, authority, authority.issue_cert("other.example.org")).status == 403
        assert ask(port, authority, authority.issue_cert("nobody.example.org")).status == 401
        for refused in (None, stranger.issue_cert("ops.example.org")):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                ask(port, authority, refused)
        plain = http.client.HTTPConnection("localhost", port, timeout=30)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask_on(plain, "POST", AFFINE, BODY)


def test_new_certificates_are_used_for_new_connections(repository: Path, tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    credentials = write(tmp_path, old).credentials()
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0, credentials=credentials) as server:
        before, after = old.issue_cert("me"), new.issue_cert("me")
        assert ask(server.rest_api_port, old, before).status == 200
        write(tmp_path, new)
        assert ask(server.rest_api_port, new, after).status == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(server.rest_api_port, new, before)
        (tmp_path / "chain.pem").write_text("nonsense")
        assert ask(server.rest_api_port, new, after).status == 200, "what is no certificate changes nothing"


def test_tensorflow_servings_file_is_for_both_ports(repository: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    fields = {"server_key": issued.private_key_pem.bytes(), "server_cert": chain}
    lines = [f'{name}: "{pem.decode()}"'.replace("\n", "\\n") for name, pem in fields.items()]
    (tmp_path / "ssl.config").write_text("\n".join(lines))
    credentials = read_credentials(tmp_path / "ssl.config")
    with serving.Server(repository, port=0, rest_api_port=-1, poll_seconds=0, credentials=credentials) as server:
        assert ask(server.rest_api_port, authority).json == {"predictions": [5.0]}
        trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        with serving.Client(f"localhost:{server.port}", credentials=trusted) as client:
            assert client.health(timeout=10)


def test_credentials_that_http_cannot_use_are_refused_beside_it(repository: Path) -> None:
    issued = trustme.CA().issue_cert("localhost")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    with pytest.raises(ServerError, match="HTTP cannot use"):
        serving.Server(repository, port=0, rest_api_port=-1, credentials=grpc.ssl_server_credentials([pair]))
