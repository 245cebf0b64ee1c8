"""Calls of one request and one response."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from serving.held_requests import WORTH_COUNTING
from serving.status import Code, StatusError
from serving.transports.endings import status_of
from serving.transports.http2.exchange import Exchange
from serving.transports.http2.first_step import WAITS, FirstStep
from serving.transports.http2.messages import PREFIX_BYTES, MessageReader, cut_off
from serving.transports.http2.request_head import RequestHead
from serving.transports.http2.stream import Stream
from serving.transports.http2.switchboard import Route
from serving.transports.transport import AtOnce, Ended

if TYPE_CHECKING:
    from serving.transports.http2.session import Session

_EMPTY: tuple[bool, bytes] = (False, b"")
_FAILED = object()


class UnaryExchange(Exchange):
    """See Exchange. The handler begins once the request is whole; a task is made only where it waits."""

    __slots__ = ("_at_once", "_handler", "_request", "_route", "_step")
    is_stream = False

    def __init__(self, session: "Session", stream: Stream, route: Route, head: RequestHead) -> None:
        super().__init__(session, stream, head)
        self._route = route
        self._handler: Any = route.method.handler
        self._at_once: AtOnce | None = route.method.at_once  # type: ignore[union-attr]
        self._step: FirstStep | None = None
        self._request: tuple[bool, bytes] | None = None
        admits: Any = route.method.admits  # type: ignore[union-attr]
        if admits is not None and not admits(self.call):
            self._start_unread()

    def receive(self, data: bytes, *, ended: bool) -> None:
        """See Exchange."""
        if self.is_over or self._step is not None:  # it began without its request
            return
        size = len(data) - PREFIX_BYTES
        if (
            ended
            and self.reader is None
            and size >= 0
            and data[0] == 0
            and int.from_bytes(data[1:PREFIX_BYTES], "big") == size <= self._route.max_bytes
        ):
            error = self._take(size) if size > WORTH_COUNTING else None
            if error is None:
                self._take_whole(data[PREFIX_BYTES:])
            else:
                self.end(error)
        else:
            self._gather(data, ended=ended)

    def _take_whole(self, message: bytes) -> None:
        if self._at_once is None:
            self._start(self._handler(message, self.call))
        else:
            self._session.whole.add(self._at_once, message, self)

    def finish(self, message: bytes, ended: Ended | None) -> None:
        """Answer with what was found at once; None has the handler answer."""
        if ended is None:
            self._start(self._handler(message, self.call))
        elif isinstance(ended, bytes):
            self._answer(ended)
        else:
            self._attempt(_raised, ended)

    def _start_unread(self) -> None:
        self._start(self._handler(b"", self.call))

    def _gather(self, data: bytes, *, ended: bool) -> None:
        """Take a request that comes in parts, or is not as it should be."""
        if self.reader is None:
            self.reader = MessageReader(self._route.check)
        try:
            messages = self.reader.feed(data)
        except StatusError as error:
            self.end(error)
            return
        wrong = self._wrong_with(messages, ended=ended)
        if wrong is not None:
            self.end(wrong)
            return
        self._request = messages[0] if messages else self._request
        if not self._hold(len(data)):
            return
        if ended:
            self._start_held()
        else:
            self._session.credit(self._stream, len(data))

    def _wrong_with(self, messages: list[tuple[bool, bytes]], *, ended: bool) -> StatusError | None:
        """Tell what is wrong with the request, given what came now."""
        assert self.reader is not None  # noqa: S101 - it has read
        count = len(messages) + (self._request is not None)
        if count > 1:
            return StatusError(Code.UNIMPLEMENTED, "more than one request, for a method that takes one")
        if ended and self.reader.is_amid_message:
            return cut_off()
        if ended and not count:
            return StatusError(Code.UNIMPLEMENTED, "no request, for a method that takes one")
        return None

    def _start_held(self) -> None:
        is_compressed, message = self._request or _EMPTY
        self._request = None
        self._release(self._held)
        self._start(self._answer_compressed(message) if is_compressed else self._handler(message, self.call))

    async def _answer_compressed(self, message: bytes) -> bytes:
        return await self._handler(await self._decompressed(message, self._route.max_bytes), self.call)

    def _start(self, work: Coroutine[Any, Any, bytes]) -> None:
        if type(work) is not CoroutineType:
            work = _as_coroutine(work)
        context = copy_context()
        step = FirstStep(work, self._board.loop)
        response = self._attempt(step.run, context)
        if response is WAITS:
            self._step = step
            step.become(self._board.task(self._go_on(step), context))
            self.arm()
        elif response is not _FAILED:
            self._answer(response)

    def _attempt(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return what work returns; _FAILED where it raised something, of which the caller was told."""
        try:
            return work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told something
            self._fail(status_of(error, self._head.path))
        except asyncio.CancelledError:
            self._fail(_cancelled())
        return _FAILED

    async def _go_on(self, step: FirstStep) -> None:
        try:
            self._answer(await step.rest())
        except asyncio.CancelledError:
            self._fail(_cancelled())
        except Exception as error:  # noqa: BLE001
            if not self.is_over:
                self._fail(status_of(error, self._head.path))
        finally:
            self._board.forget()

    def _answer(self, response: bytes) -> None:
        if not self.is_over:
            self._finish()
            self._session.answer(self._stream, response, self._ok_block())

    def waits_for_client(self) -> bool:
        """See Exchange."""
        return not self._stream.remote_ended

    def _cancel_task(self) -> None:
        if self._step is not None:
            self._step.cancel()


def _raised(error: BaseException) -> None:
    raise error


def _cancelled() -> StatusError:
    return StatusError(Code.CANCELLED, "the call was cancelled by the server")


async def _as_coroutine(awaitable: Any) -> bytes:
    return await awaitable
