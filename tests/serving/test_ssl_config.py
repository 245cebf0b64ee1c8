"""SSLConfig, TensorFlow Serving's file of a server's key and certificate."""

from pathlib import Path

import grpc
import pytest
import trustme
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
)

import serving
from serving.ssl_config import read_credentials
from serving.status import ServerError, StatusError


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def ssl_config(path: Path, authority: trustme.CA, *, verify: bool) -> Path:
    """The file, written as a person writes PEM text into it."""
    issued = authority.issue_cert("localhost")
    fields = {
        "server_key": issued.private_key_pem.bytes(),
        "server_cert": b"".join(blob.bytes() for blob in issued.cert_chain_pems),
        "custom_ca": authority.cert_pem.bytes(),
    }
    lines = [f'{name}: "{pem.decode()}"'.replace("\n", "\\n") for name, pem in fields.items()]
    path.write_text("\n".join([*lines, f"client_verify: {str(verify).lower()}"]))
    return path


def test_clients_show_certificates_where_the_file_asks_for_them(
    repository: Path, tmp_path: Path, authority: trustme.CA
) -> None:
    credentials = read_credentials(ssl_config(tmp_path / "ssl.config", authority, verify=True))
    mine = authority.issue_cert("me")
    root = authority.cert_pem.bytes()
    chain = b"".join(blob.bytes() for blob in mine.cert_chain_pems)
    known = grpc.ssl_channel_credentials(root, mine.private_key_pem.bytes(), chain)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "a"
    with serving.Server(repository / "sum", model_name="a", port=0, poll_seconds=0, credentials=credentials) as server:
        target = f"localhost:{server.port}"
        with grpc.secure_channel(target, known) as channel:
            answer = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, 30)
            assert answer.model_version_status[0].state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
        with grpc.secure_channel(target, grpc.ssl_channel_credentials(root)) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, 30)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "server_key must hold the text of a PEM file"),
        ("server_key: '/etc/key.pem' server_cert: '/etc/cert.pem'", "server_key must hold the text of a PEM file"),
        ("server_key: '-----BEGIN X'", "server_cert must hold"),
        ("server_key: '-----BEGIN X' server_cert: '-----BEGIN Y' client_verify: true", "client_verify needs custom_ca"),
    ],
)
def test_an_ssl_config_that_lacks_something_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ssl.config"
    path.write_text(text)
    with pytest.raises(StatusError, match=message):
        read_credentials(path)


def test_an_ssl_config_with_another_certificates_key_is_refused_without_being_quoted(tmp_path: Path) -> None:
    one, other = (ssl_config(tmp_path / name, trustme.CA(), verify=False).read_text().splitlines() for name in "ab")
    (tmp_path / "c").write_text("\n".join([one[0], *other[1:]]))
    with pytest.raises(ServerError, match=r"server_cert of .* and server_key of .* are no certificate") as caught:
        read_credentials(tmp_path / "c")
    assert "BEGIN" not in str(caught.value)
