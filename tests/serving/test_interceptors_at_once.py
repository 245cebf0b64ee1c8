"""What stands around calls that are answered at once leaves nothing behind for the next, and steps aside where it must."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.authentication import Authentication, watch_access
from serving.call_record import CallRecord
from serving.caller import current_caller
from serving.interceptors import Drain, Interceptor, intercepted
from serving.recorder import Recorder, request_id
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Call, Unary, UnaryHandler
from tests.serving.access_files import ACCESS

PATH = "/s/m"


class ACall:
    peer = ""
    identities = ()

    def __init__(self, **metadata: str) -> None:
        self.metadata: Mapping[str, str] = metadata
        self.record = CallRecord(PATH)
        self.trailing: dict[str, str | bytes] = {}

    def time_remaining(self) -> float | None:
        return None


async def handle(message: bytes, call: Call) -> bytes:
    return b"by its handler"


def wrapped(*interceptors: Interceptor, answer: object) -> Unary:
    [method] = intercepted([Unary(PATH, handle, at_once=answer)], interceptors)  # type: ignore[arg-type]
    assert isinstance(method, Unary)
    return method


@pytest.mark.parametrize("ends", [b"answer", None, invalid("no"), RuntimeError("a fault")])
def test_name_and_caller_of_a_call_are_gone_when_it_has_ended(tmp_path: Path, ends: bytes | Exception | None) -> None:
    (tmp_path / "access.yaml").write_text(ACCESS)
    policy = watch_access(tmp_path / "access.yaml")
    assert policy is not None
    seen = []

    def answer(message: bytes, call: Call) -> bytes | None:
        seen.append((request_id.get(), current_caller.get().name))
        if isinstance(ends, Exception):
            raise ends
        return ends

    told: list[CallRecord] = []
    recorder = Recorder([told.append])
    at_once = wrapped(recorder, Drain(), Authentication(policy), answer=answer).at_once
    assert at_once is not None
    call = ACall(authorization="Bearer dash-secret", **{"x-request-id": "mine"})
    if isinstance(ends, Exception):
        with pytest.raises(type(ends)):
            at_once(b"1234", call)
    else:
        assert at_once(b"1234", call) == ends
    with pytest.raises(StatusError, match="token"):
        at_once(b"1234", ACall(authorization="Bearer unknown"))
    assert seen == [("mine", "dashboard")]
    assert request_id.get() == ""
    assert current_caller.get(None) is None
    assert recorder.running == 0
    code = {bytes: Code.OK, StatusError: Code.INVALID_ARGUMENT, RuntimeError: Code.INTERNAL}.get(type(ends))
    expected = [] if code is None else [code]
    assert [record.code for record in told] == [*expected, Code.UNAUTHENTICATED], "what its handler answers, it records"


def test_nothing_is_answered_at_once_while_the_server_drains() -> None:
    async def scenario() -> None:
        drain = Drain()
        method = wrapped(drain, answer=lambda *_: b"at once")
        assert method.at_once is not None
        assert method.at_once(b"", ACall()) == b"at once"
        assert await drain.drain(timeout=0)
        assert method.at_once(b"", ACall()) is None
        with pytest.raises(StatusError, match="shutting down"):
            await method.handler(b"", ACall())

    asyncio.run(scenario())


def test_an_interceptor_that_stands_around_handlers_alone_sees_every_call() -> None:
    class Around(Interceptor):
        def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
            return handler

    assert wrapped(Recorder(), Interceptor(), answer=lambda *_: b"").at_once is not None
    assert wrapped(Recorder(), Around(), Drain(), answer=lambda *_: b"").at_once is None
