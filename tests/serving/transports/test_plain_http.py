"""Who speaks HTTP to a port of gRPC is told so in its own terms."""

import shutil
import subprocess
from collections.abc import Iterator

import hpack
import hyperframe.frame as hf
import pytest

from tests.serving.transports.wire import (
    OPENING,
    Running,
    Wire,
    data_frame,
    headers_frame,
    read_frames,
    request_block,
    running,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as served:
        yield served


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    made.send(OPENING)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], "405"),
        (["--data", "x"], "415"),
        (["--data", "x", "-H", "content-type: application/grpc-web"], "415"),
        (["--data-binary", "\\0", "-H", "content-type: application/grpc+proto"], "200"),
    ],
)
def test_curl_is_answered_in_http_s_own_terms(server: Running, arguments: list[str], status: str) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    command = [curl, "--silent", "--http2-prior-knowledge", "--output", "/dev/null", "--write-out", "%{http_code}"]
    url = f"http://127.0.0.1:{server.port}/zoo.Echo/Unary"
    done = subprocess.run([*command, *arguments, url], capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout == status


HTTP_POST = headers_frame(1, request_block(("content-type", "text/plain")))


def http_answer(frames: list[hf.Frame]) -> list[tuple[str, str]]:
    (head,) = [each for each in frames if isinstance(each, hf.HeadersFrame)]
    assert "END_STREAM" in head.flags
    return hpack.Decoder().decode(head.data)


def test_who_speaks_http_is_refused_once_the_request_has_come_and_not_reset(wire: Wire) -> None:
    assert read_frames(wire.send(HTTP_POST + data_frame(1, b"x"))) == []
    answer = read_frames(wire.send(data_frame(1, b"y", "END_STREAM")))
    assert (":status", "415") in http_answer(answer)
    assert len(answer) == 1
    assert not wire.board.calls


def test_who_speaks_http_without_end_is_refused_and_reset(wire: Wire) -> None:
    answer = read_frames(wire.send(HTTP_POST + 5 * data_frame(1, bytes(16 << 10))))
    assert (":status", "415") in http_answer(answer)
    assert [each.error_code for each in answer if isinstance(each, hf.RstStreamFrame)] == [0]
    assert wire.send(data_frame(1, b"more", "END_STREAM")) == b""
    assert not wire.board.calls
