"""What stands around calls that are answered at once leaves nothing behind for the next, and steps aside where it must."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from serving.authentication import Authentication, watch_access
from serving.call_record import CallRecord
from serving.caller import current_caller
from serving.interceptors import Drain, Interceptor, intercepted
from serving.recorder import Recorder, request_id
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Asked, Call, Ended, Unary, UnaryHandler
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


def authentication(folder: Path) -> Authentication:
    (folder / "access.yaml").write_text(ACCESS)
    policy = watch_access(folder / "access.yaml")
    assert policy is not None
    return Authentication(policy)


@pytest.mark.parametrize("ends", [b"answer", None, invalid("no"), RuntimeError("a fault")])
def test_name_and_caller_of_a_call_are_gone_when_it_has_ended(tmp_path: Path, ends: Ended | None) -> None:
    seen = []

    def answer(asked: Sequence[Asked]) -> Sequence[Ended | None]:
        seen.append((request_id.get(), current_caller.get().name))
        return [ends] * len(asked)

    told: list[CallRecord] = []
    recorder = Recorder([told.append])
    at_once = wrapped(recorder, Drain(), authentication(tmp_path), answer=answer).at_once
    assert at_once is not None
    call = ACall(authorization="Bearer dash-secret", **{"x-request-id": "mine"})
    assert at_once([(b"1234", call)]) == [ends]
    [refused] = at_once([(b"1234", ACall(authorization="Bearer unknown"))])
    assert isinstance(refused, StatusError)
    assert "token" in refused.message
    assert seen == [("mine", "dashboard")]
    assert request_id.get() == ""
    assert current_caller.get(None) is None
    assert recorder.running == 0
    code = {bytes: Code.OK, StatusError: Code.INVALID_ARGUMENT, RuntimeError: Code.INTERNAL}.get(type(ends))
    expected = [] if code is None else [code]
    assert [record.code for record in told] == [*expected, Code.UNAUTHENTICATED], "what its handler answers, it records"


def test_calls_that_come_together_are_told_apart_by_caller(tmp_path: Path) -> None:
    seen = []

    def answer(asked: Sequence[Asked]) -> Sequence[Ended | None]:
        seen.append((request_id.get(), current_caller.get().name, [message for message, _ in asked]))
        return [None if message == b"3" else message * 2 for message, _ in asked]

    told: list[CallRecord] = []
    at_once = wrapped(Recorder([told.append]), Drain(), authentication(tmp_path), answer=answer).at_once
    assert at_once is not None
    tokens = ["dash-secret", "load-secret", "unknown", "dash-secret", "load-secret", "dash-secret"]
    asked = [
        (b"%d" % place, ACall(authorization=f"Bearer {token}", **{"x-request-id": f"call-{place}"}))
        for place, token in enumerate(tokens)
    ]
    answers = at_once(asked)
    assert isinstance(answers[2], StatusError)
    assert [each for place, each in enumerate(answers) if place != 2] == [b"00", b"11", None, b"44", b"55"]
    assert seen == [("", "dashboard", [b"0", b"3", b"5"]), ("", "loader", [b"1", b"4"])]
    assert [(record.request_id, record.code, record.bytes_out) for record in told] == [
        ("call-0", Code.OK, 2),
        ("call-1", Code.OK, 2),
        ("call-2", Code.UNAUTHENTICATED, 0),
        ("call-4", Code.OK, 2),
        ("call-5", Code.OK, 2),
    ]
    assert [call.trailing["x-request-id"] for _, call in asked] == [f"call-{place}" for place in range(6)]
    assert ["server-timing" in call.trailing for _, call in asked] == [place != 3 for place in range(6)]
    assert current_caller.get(None) is None


def test_listeners_are_told_of_calls_once_their_answers_can_leave() -> None:
    told: list[str] = []
    waiting: list[tuple[Callable[..., object], tuple[object, ...]]] = []
    recorder = Recorder(
        [lambda record: told.append(record.request_id)], later=lambda work, *given: waiting.append((work, given))
    )
    at_once = wrapped(recorder, answer=lambda _: [b"", None, b""]).at_once
    assert at_once is not None
    at_once([(b"", ACall(**{"x-request-id": name})) for name in "abc"])
    assert told == []
    for work, given in waiting:
        work(*given)
    assert told == ["a", "c"], "b is told of by its handler"
    waiting.clear()
    assert wrapped(recorder, answer=lambda _: [None]).at_once([(b"", ACall())]) == [None]
    assert not waiting


def test_nothing_is_answered_at_once_while_the_server_drains() -> None:
    async def scenario() -> None:
        drain = Drain()
        method = wrapped(drain, answer=lambda asked: [b"at once"] * len(asked))
        assert method.at_once is not None
        asked = [(b"", ACall()), (b"", ACall())]
        assert method.at_once(asked) == [b"at once"] * 2
        assert await drain.drain(timeout=0)
        assert method.at_once(asked) == [None] * 2
        with pytest.raises(StatusError, match="shutting down"):
            await method.handler(b"", ACall())

    asyncio.run(scenario())


def test_an_interceptor_that_stands_around_handlers_alone_sees_every_call() -> None:
    class Around(Interceptor):
        def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
            return handler

    assert wrapped(Recorder(), Interceptor(), answer=lambda asked: [b""] * len(asked)).at_once is not None
    assert wrapped(Recorder(), Around(), Drain(), answer=lambda asked: [b""] * len(asked)).at_once is None
