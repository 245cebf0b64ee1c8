"""Completes what is told of every call, hands it to whoever watches, and tells the client the same."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from random import getrandbits

from serving.call_record import CallRecord
from serving.interceptors import Interceptor
from serving.status import Code, StatusError
from serving.transports.transport import Asked, AtOnce, Call, Ended, StreamHandler, UnaryHandler

REQUEST_ID_KEY = "x-request-id"
"""Metadata, or a header: what the client calls a request, and what it is called in answers and logs."""
TIMING_KEY = "server-timing"
"""Trailing metadata, or a header: milliseconds by phase (https://www.w3.org/TR/server-timing/)."""

WORKER_KEY = "zoo-worker"
"""Trailing metadata, or a header: the number of the worker that answered, where there are several."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the call that is being answered."""

Listener = Callable[[CallRecord], None]
"""Is told of a call once it has ended, in the event loop; must be quick and may not raise."""

_SAFE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_FIRST_NAME = re.compile(r"[a-z_]+")


class Recorder(Interceptor):
    """Stands around every call, outside of the other interceptors. Lives in one event loop."""

    def __init__(
        self,
        listeners: Sequence[Listener] = (),
        *,
        worker: int | None = None,
        later: Callable[..., object] = lambda work, *arguments: work(*arguments),
    ) -> None:
        """Prepare.

        Args:
            listeners: who is told of calls.
            worker: the number of this process, where there are several.
            later: calls a function with arguments once the answers that are ready have left, before the next request is
                read: nobody has to wait for his answer until it is written down.
        """
        self._listeners = listeners
        self._later = later
        self._worker = None if worker is None else str(worker)
        self.running = 0
        """Calls that are being answered, streams included."""

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:  # noqa: ARG002 - the record has it
        """See Interceptor."""

        async def answer(message: bytes, call: Call) -> bytes:
            record = self._begin(call)
            record.bytes_in = len(message)
            started = time.perf_counter()
            try:
                response = await handler(message, call)
            except BaseException as error:
                _note(error, call)
                raise
            else:
                record.bytes_out = len(response)
                return response
            finally:
                record.seconds["total"] = time.perf_counter() - started
                call.trailing[TIMING_KEY] = server_timing(record)
                self._end(record)

        return answer

    def at_once(self, path: str, answer: AtOnce) -> AtOnce:  # noqa: ARG002
        """See Interceptor. A call that its handler has to answer is recorded there."""

        def answer_recorded(asked: Sequence[Asked]) -> Sequence[Ended | None]:
            started = time.perf_counter()
            for _, call in asked:
                self._name(call)
            before = request_id.set(asked[0][1].record.request_id if len(asked) == 1 else "")
            try:
                answers = answer(asked)
            finally:
                request_id.reset(before)
            total = time.perf_counter() - started
            told = []
            for (message, call), ended in zip(asked, answers, strict=True):
                if ended is not None:
                    record = call.record
                    if isinstance(ended, bytes):
                        record.bytes_out = len(ended)
                    else:
                        _note(ended, call)
                    record.bytes_in, record.seconds["total"] = len(message), total
                    call.trailing[TIMING_KEY] = server_timing(record)
                    told.append(record)
            if told:
                self._later(self._tell, told)
            return answers

        return answer_recorded

    def stream(self, path: str, handler: StreamHandler) -> StreamHandler:  # noqa: ARG002
        """See Interceptor."""

        async def answer(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            record = self._begin(call)
            started = time.perf_counter()
            try:
                async for response in handler(_counted(messages, record), call):
                    record.bytes_out += len(response)
                    yield response
            except BaseException as error:
                _note(error, call)
                raise
            finally:
                record.seconds["total"] = time.perf_counter() - started
                self._end(record)

        return answer

    def _begin(self, call: Call) -> CallRecord:
        record = self._name(call)
        request_id.set(record.request_id)
        self.running += 1
        return record

    def _name(self, call: Call) -> CallRecord:
        """Give a call its name, and tell the client."""
        record = call.record
        record.request_id = _safe_id(call.metadata.get(REQUEST_ID_KEY))
        call.trailing[REQUEST_ID_KEY] = record.request_id
        if self._worker is not None:
            call.trailing[WORKER_KEY] = self._worker
        return record

    def _end(self, record: CallRecord) -> None:
        self.running -= 1
        self._tell([record])

    def _tell(self, records: Sequence[CallRecord]) -> None:
        for record in records:
            for listener in self._listeners:
                listener(record)


def server_timing(record: CallRecord) -> str:
    """Return how long a call took, as the header Server-Timing has it."""
    seconds = record.seconds
    return _timing_format(tuple(seconds)) % tuple(map(_in_milliseconds, seconds.values()))


_in_milliseconds = (1000.0).__mul__  # half of what a comprehension takes


@lru_cache(64)
def _timing_format(phases: tuple[str, ...]) -> str:
    """Return what is told of phases, in this order. Those of most calls are the same, and building it takes a while."""
    return ", ".join(f"{phase};dur=%.3f" for phase in phases)


async def _counted(messages: AsyncIterator[bytes], record: CallRecord) -> AsyncIterator[bytes]:
    async for message in messages:
        record.bytes_in += len(message)
        yield message


def _safe_id(given: str | bytes | None) -> str:
    """Return what a client calls a request, where that can stand in any log and header; else a name of ours."""
    if isinstance(given, str) and _SAFE_ID.fullmatch(given):
        return given
    return f"{getrandbits(64):016x}"


def _note(error: BaseException, call: Call) -> None:
    """Put down how a call went wrong."""
    record = call.record
    if isinstance(error, StatusError):
        record.code = error.code
        part = _FIRST_NAME.match(error.field or "")
        record.wrong = part[0] if part else ""
    elif isinstance(error, asyncio.CancelledError | GeneratorExit):  # GeneratorExit: who read the stream went
        remaining = call.time_remaining()
        record.code = Code.CANCELLED if remaining is None or remaining > 0 else Code.DEADLINE_EXCEEDED
    else:
        record.code = Code.INTERNAL
