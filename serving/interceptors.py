"""What stands around every call, whatever its protocol: who may call, what is told of it, and when the server drains."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import replace

from serving.status import Code, StatusError
from serving.transports.transport import AtOnce, Call, Stream, StreamHandler, Unary, UnaryHandler


class Interceptor:
    """Changes nothing; made to be subclassed. `path` is `/package.Service/Method`."""

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:  # noqa: ARG002 - for subclasses
        """Return what is called in a handler's place."""
        return handler

    def at_once(self, path: str, answer: AtOnce) -> AtOnce | None:  # noqa: ARG002 - for subclasses
        """Return what is called in the place of what answers at once; None where every call has to go to its handler."""
        return answer if type(self).unary is Interceptor.unary else None

    def stream(self, path: str, handler: StreamHandler) -> StreamHandler:  # noqa: ARG002 - for subclasses
        """Return what is called in a handler's place."""
        return handler

    def admits(self, path: str, call: Call) -> bool:  # noqa: ARG002 - for subclasses
        """Tell by the head of a unary call, before its request has come, whether the handler will look at that."""
        return True


def intercepted(methods: Iterable[Unary | Stream], interceptors: Sequence[Interceptor]) -> list[Unary | Stream]:
    """Return the methods with all interceptors around them; the first is the outermost."""
    return [_around(method, interceptors) for method in methods]


def around(path: str, handler: UnaryHandler, interceptors: Sequence[Interceptor]) -> UnaryHandler:
    """Return a handler with all interceptors around it; the first is the outermost."""
    for interceptor in reversed(interceptors):
        handler = interceptor.unary(path, handler)
    return handler


def _around_at_once(path: str, answer: AtOnce | None, interceptors: Sequence[Interceptor]) -> AtOnce | None:
    for interceptor in reversed(interceptors):
        answer = None if answer is None else interceptor.at_once(path, answer)
    return answer


def _around(method: Unary | Stream, interceptors: Sequence[Interceptor]) -> Unary | Stream:
    if isinstance(method, Unary):
        asked = [each for each in interceptors if type(each).admits is not Interceptor.admits]
        return replace(
            method,
            handler=around(method.path, method.handler, interceptors),
            at_once=_around_at_once(method.path, method.at_once, interceptors),
            admits=(lambda call: all(each.admits(method.path, call) for each in asked)) if asked else method.admits,
        )
    for interceptor in reversed(interceptors):
        method = replace(method, handler=interceptor.stream(method.path, method.handler))
    return method


class Drain(Interceptor):
    """Counts the unary calls there are, and once asked to, lets no more in. Lives in one event loop.

    Streams are ended by the transport.
    """

    def __init__(self, exempt: Collection[str] = ()) -> None:
        """Let the paths in `exempt` in at any time."""
        self._exempt = frozenset(exempt)
        self._calls = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
        """See Interceptor."""
        if path in self._exempt:
            return handler

        async def answer(message: bytes, call: Call) -> bytes:
            self._refuse()
            self._calls += 1
            self._idle.clear()
            try:
                return await handler(message, call)
            finally:
                self._calls -= 1
                if not self._calls:
                    self._idle.set()

        return answer

    def at_once(self, path: str, answer: AtOnce) -> AtOnce:
        """See Interceptor. The drain does not come in between."""
        if path in self._exempt:
            return answer
        return lambda asked: [None] * len(asked) if self._draining else answer(asked)

    def stream(self, path: str, handler: StreamHandler) -> StreamHandler:
        """See Interceptor."""
        if path in self._exempt:
            return handler

        async def answer(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            self._refuse()
            async for message in handler(messages, call):
                yield message

        return answer

    def _refuse(self) -> None:
        if self._draining:
            raise StatusError(Code.UNAVAILABLE, "the server is shutting down: ask another, or again later")

    async def drain(self, timeout: float) -> bool:
        """Refuse new calls, and wait for those that are in. Returns whether all of them ended in time."""
        self._draining = True
        if self._idle.is_set():
            return True
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            return False
        return True
