"""The load that benchmarks put on servers: what it sends, counts and brings back."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from benchmarks import load
from benchmarks.load import Load, LoadError, put_load

METHOD = "/echo.Echo/Say"


class Echo(grpc.GenericRpcHandler):
    """Answers with the request and its metadata; refuses what begins with `no`."""

    def __init__(self) -> None:
        self.asked: Counter[bytes] = Counter()

    def service(self, details: Any) -> Any:
        said = dict(details.invocation_metadata).get("said", "")
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._say(request, context, said))

    def _say(self, request: bytes, context: grpc.ServicerContext, said: str) -> bytes:
        self.asked[request] += 1
        if request.startswith(b"no"):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "never")
        return request + said.encode()


@pytest.fixture
def echo() -> Iterator[tuple[str, Echo]]:
    handler = Echo()
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", handler
    server.stop(None).wait()


@pytest.fixture(autouse=True, params=["python", pytest.param("compiled", marks=pytest.mark.exhaustive)])
def generator(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each test asks by both programs; where the compiled one cannot be built, by Python in its place."""
    if request.param == "compiled":
        monkeypatch.setattr(load, "CACHE", tmp_path_factory.getbasetemp() / "load")
    else:
        program = Path(load.__file__).with_name("load_process.py")
        monkeypatch.setattr(load, "generator", lambda: [sys.executable, str(program)])


def test_every_answer_of_a_closed_loop_is_brought_back_with_its_count(echo: tuple[str, Echo]) -> None:
    target, handler = echo
    asking = Load("closed", 3, seconds=0.1, warm_up=0.05, channels=2, metadata={"said": "!"})
    measured, answers = put_load(target, METHOD, [b"one", b"two"], asking)
    assert set(answers) == {(0, b"one!"), (1, b"two!")}
    assert sum(answers.values()) == measured.calls == handler.asked.total()
    assert measured.failed == 0
    assert 2 * 3 <= measured.answered <= measured.calls


def test_an_open_loop_sends_as_many_calls_as_its_rate_says(echo: tuple[str, Echo]) -> None:
    target, handler = echo
    measured, answers = put_load(target, METHOD, [b"one"], Load("open", 100, seconds=0.2, warm_up=0.1))
    assert measured.calls == handler.asked.total() == sum(answers.values()) == 30
    assert measured.answered == 20  # the others were due in the warm-up


def test_refused_calls_are_counted_apart_with_the_servers_words(echo: tuple[str, Echo]) -> None:
    target, handler = echo
    measured, answers = put_load(target, METHOD, [b"no", b"yes"], Load("open", 100, seconds=0.2, warm_up=0.0))
    assert measured.failed == handler.asked[b"no"] == 10
    assert measured.failure == "never"
    assert answers == {(1, b"yes"): 10}


def test_a_target_beyond_this_machine_is_refused() -> None:
    with pytest.raises(LoadError, match=r"192\.0\.2\.1:1 is not on this machine"):
        put_load("192.0.2.1:1", METHOD, [b"one"], Load("closed", 1, seconds=0.1))
