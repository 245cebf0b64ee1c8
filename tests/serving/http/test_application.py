"""What HTTP itself demands: limits, compression, connections, scripts of other pages, and requests that are none."""

import contextlib
import gzip
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import serving
from serving.http import application as application_module
from serving.http import body as body_module
from serving.http import connection as connection_module
from tests.serving.http.asking import Answer, ask, ask_on, predict, send_raw

BODY = b'{"instances": [1.0]}'
PATH = "/v1/models/affine:predict"


def compress(data: bytes, encoding: str) -> bytes:
    return gzip.compress(data) if encoding == "gzip" else zlib.compress(data)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_request_may_be_compressed(port: int, encoding: str) -> None:
    answer = ask(port, "POST", PATH, compress(BODY, encoding), {"Content-Encoding": encoding})
    assert answer.json == {"predictions": [3.5]}


def test_a_bomb_is_refused_before_it_fills_the_memory(port: int) -> None:
    bomb = gzip.compress(b" " * (1 << 26))
    assert len(bomb) < 1 << 19
    answer = ask(port, "POST", PATH, bomb, {"Content-Encoding": "gzip"})
    assert (answer.status, "--max_message_bytes" in answer.error) == (413, True)


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"no gzip", 400),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9], 400),
        ("br", BODY, 415),
        ("gzip, gzip", BODY, 415),
    ],
)
def test_what_cannot_be_decompressed_is_refused(port: int, encoding: str, body: bytes, status: int) -> None:
    assert ask(port, "POST", PATH, body, {"Content-Encoding": encoding}).status == status


def test_a_long_answer_is_compressed_for_who_takes_it(port: int) -> None:
    document = {"signature_name": "echo", "instances": ["x" * 1000] * 100}
    plain = predict(port, "shapes", document)
    packed = predict(port, "shapes", document, {"Accept-Encoding": "br, gzip"})
    refused = predict(port, "shapes", document, {"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers | refused.headers
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert len(packed.body) < 5000
    assert gzip.decompress(packed.body) == plain.body


def test_a_body_over_the_limit_is_refused_though_the_client_sends_all_of_it_first(port: int) -> None:
    answer = ask(port, "POST", PATH, b" " * (5 << 20))
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert "limit for the path is 4194304" in answer.error


def test_a_body_of_unknown_length_is_bounded_too(port: int) -> None:
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    assert send_raw(port, head + chunk * 5 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_values_that_take_more_memory_than_their_text_are_counted(port: int) -> None:
    answer = predict(port, "affine", b'{"instances": [' + b"[]," * 600_000 + b"[]]}")
    assert (answer.status, "values, this server's limit is" in answer.error) == (429, True)


def test_many_requests_go_through_one_connection(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for status in (200, 404, 400, 200):
        path = {200: PATH, 404: "/v1/models/nobody:predict", 400: "/v1/nowhere"}[status]
        assert ask_on(connection, "POST", path, BODY).status == status
    connection.close()


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took = []
    for _ in range(30):
        began = time.perf_counter()
        assert ask_on(connection, "POST", PATH, BODY).status == 200
        took.append(time.perf_counter() - began)
    connection.close()
    assert min(took) < 0.03  # Nagle's algorithm would make every one of them wait for 0.04


def test_requests_may_be_sent_ahead(port: int) -> None:
    one = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY
    last = one.replace(b"host: a", b"host: a\r\nconnection: close")
    assert send_raw(port, one * 3 + last).count(b'{"predictions": [3.5]}') == 4


def test_scripts_of_other_pages_may_ask_where_that_is_allowed(port: int) -> None:
    preflight = ask(port, "OPTIONS", PATH, None, {"Origin": "http://a", "Access-Control-Request-Method": "POST"})
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, "*")
    assert preflight.headers["access-control-allow-headers"] == "Content-Type"
    assert preflight.headers["access-control-allow-methods"] == "POST, GET"
    assert ask(port, "POST", PATH, BODY).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,  # TLS to a port without it
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".encode(),
        f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".encode(),
        f"POST {PATH} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".encode(),
        b"GET /v1/models/affine\x00 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection_alone(port: int, data: bytes) -> None:
    assert send_raw(port, data).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert ask(port, "POST", PATH, BODY).status == 200


def test_headers_without_end_are_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
        sender.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            sender.sendall((b"x: " + b"y" * 8000 + b"\r\n") * 10_000)


@pytest.mark.parametrize("sent", [b"", b"GET /v1/models/affine HTTP/1.1\r\nx: "])
def test_who_does_not_say_what_it_wants_loses_its_connection(
    port: int, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEAD_SECONDS", 0.3)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as silent:
        silent.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(100) == b""
    assert 0.2 < time.monotonic() - began < 5


def test_a_body_that_comes_too_slowly_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "FIRST_SECONDS", 0.3)
    monkeypatch.setattr(application_module, "LINGER", 0.1)
    head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n".encode()
    answer = send_raw(port, head + b'{"instances"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body came too slowly: 12 bytes" in answer


class Waiting:
    """An engine that answers once it is let; tells when it began."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.gate = threading.Event()
        self.runs = 0

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.runs += 1
        self.began.release()
        self.gate.wait(30)
        return {"y": inputs["x"]}

    def close(self) -> None:
        self.gate.set()


@pytest.fixture
def waiting(
    install: Callable[[str, str, int], Path], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Waiting, serving.Server]]:
    install("affine2", "affine", 1)
    engine = Waiting()
    server = serving.Server(
        tmp_path / "models", port=0, rest_api_port=-1, poll_seconds=0, threads=1, load_engine=lambda _: engine,
        rest_api_timeout_in_ms=getattr(request, "param", 0),
    ).start()  # fmt: skip
    yield engine, server
    engine.gate.set()
    server.stop()


@pytest.mark.parametrize("waiting", [300], indirect=True)
def test_an_answer_that_takes_too_long_is_given_up(waiting: tuple[Waiting, serving.Server]) -> None:
    _, server = waiting
    answer = predict(server.rest_api_port, "affine", {"instances": [1]})
    assert (answer.status, "--rest_api_timeout_in_ms" in answer.error) == (504, True)
    assert answer.headers["x-request-id"]


def test_a_request_whose_client_left_is_not_computed(waiting: tuple[Waiting, serving.Server]) -> None:
    engine, server = waiting
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(predict, server.rest_api_port, "affine", {"instances": [1]})
        assert engine.began.acquire(timeout=30)
        head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(BODY)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.rest_api_port)) as leaver:
            leaver.sendall(head + BODY)
            _until(lambda: _running(server) == 2)
        _until(lambda: _running(server) == 1)
        engine.gate.set()
        assert first.result(30).status == 200
    assert predict(server.rest_api_port, "affine", {"instances": [1]}).status == 200
    assert engine.runs == 2


def _running(server: serving.Server) -> float:
    page = ask(server.rest_api_port, "GET", "/metrics").body.decode()
    line = next(line for line in page.splitlines() if line.startswith("zoo_requests_running "))
    return float(line.split()[1]) - 1  # without the scrape itself


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline


def test_what_runs_is_answered_and_what_comes_later_refused_while_the_server_drains(
    waiting: tuple[Waiting, serving.Server],
) -> None:
    engine, server = waiting
    kept = http.client.HTTPConnection("127.0.0.1", server.rest_api_port, timeout=30)
    assert ask_on(kept, "GET", "/v1/models/affine").status == 200
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(predict, server.rest_api_port, "affine", {"instances": [1]})
        assert engine.began.acquire(timeout=30)
        stopped = pool.submit(server.stop)
        answers: list[Answer] = []

        def refused() -> bool:
            answers.append(ask_on(kept, "GET", "/v1/models/affine"))
            return answers[-1].status == 503

        _until(refused)
        assert "shutting down" in answers[-1].error
        engine.gate.set()
        assert running.result(30).status == 200
        assert stopped.result(30)
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        ask(server.rest_api_port, "GET", "/v1/models/affine")


def test_a_port_in_use_is_told(port: int, http_repository: Path) -> None:
    server = serving.Server(http_repository, port=0, rest_api_port=port, poll_seconds=0)
    with pytest.raises(serving.ServerError, match=rf"cannot listen on 127.0.0.1:{port}.*--rest_api_port"):
        server.start()


@pytest.mark.parametrize("fields", [{"rest_api_port": 70_000}, {"rest_api_port": -2}, {"rest_api_timeout_in_ms": -1}])
def test_unusable_choices_are_refused(http_repository: Path, fields: dict[str, int]) -> None:
    with pytest.raises(serving.ServerError, match="expected 0"):
        serving.Server(http_repository, **fields)


def in_a_process(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", "import json, sys, serving\n" + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_nothing_of_http_is_imported_where_it_is_off(http_repository: Path) -> None:
    code = """
server = serving.Server(sys.argv[1], port=0)
print(json.dumps([name for name in ("uvicorn", "httptools", "prometheus_client", "serving.http") if name in sys.modules]))
"""
    assert json.loads(in_a_process(code, http_repository)) == []


def test_what_is_missing_is_named_with_the_command_that_brings_it(http_repository: Path) -> None:
    code = """
sys.modules["uvicorn"] = None
try:
    serving.Server(sys.argv[1], port=0, rest_api_port=-1)
except serving.ServerError as error:
    print(error)
"""
    said = in_a_process(code, http_repository)
    assert "HTTP needs uvicorn, which is not installed: pip install 'keras-zoo[rest]'" in said
