"""The interface of every transport: serialized messages in, serialized messages out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.call_record import CallRecord


class Call(Protocol):
    """What a handler may know about the call it answers."""

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """What the client sent beside the request; keys are lower case."""
        ...

    @property
    def peer(self) -> str:
        """Where the call comes from, as the transport writes addresses."""
        ...

    @property
    def identities(self) -> Sequence[str]:
        """The names in the client's certificate, where TLS verified one."""
        ...

    @property
    def record(self) -> CallRecord:
        """What is told of the call to whoever watches the server."""
        ...

    @property
    def trailing(self) -> MutableMapping[str, str | bytes]:
        """What to send after the answer, or with the error; keys are lower case, those of bytes end in `-bin`."""
        ...

    def time_remaining(self) -> float | None:
        """Return the seconds until the client gives up; None where it never does."""
        ...


SMALL_MESSAGE = 1 << 20
"""Enough for every request that carries no tensors. They are parsed in the event loop, which a large one would hold up."""

UnaryHandler = Callable[[bytes, Call], Awaitable[bytes]]
Asked = tuple[bytes, Call]
"""A request, and its call."""
Ended = bytes | BaseException
"""The response, or what went wrong."""
AtOnce = Callable[[Sequence[Asked]], Sequence[Ended | None]]
StreamHandler = Callable[[AsyncIterator[bytes], Call], AsyncIterator[bytes]]


@dataclass(frozen=True)
class Unary:
    """A method of one request and one response.

    The handler runs in the transport's event loop and must not block it. It raises StatusError to end the call with a
    status; a call that is cancelled, or past its deadline, is cancelled as an asyncio task.
    """

    path: str
    """`/package.Service/Method`."""
    handler: UnaryHandler
    max_bytes: int = SMALL_MESSAGE
    """Largest request; whatever is larger is refused unread."""
    admits: Callable[[Call], bool] | None = None
    """Tells by the head of a call whether its request is worth reading; None where all are. Of one that is not, the handler
    gets no byte, and says why it refuses."""
    at_once: AtOnce | None = None
    """Answers, as the handler would, what it can of requests that came together, without waiting and in little time; None in
    the place of those that the handler has to. It raises nothing. A transport asks it first, to be spared coroutines, or
    leaves it alone."""


@dataclass(frozen=True)
class Stream:
    """A method of any number of requests and responses; one that takes a single request is a special case of it."""

    path: str
    handler: StreamHandler
    max_bytes: int = SMALL_MESSAGE
    """Largest request."""


class Transport(Protocol):
    """Accepts calls and hands them to methods. Lives in one event loop."""

    async def start(self) -> int:
        """Begin to accept calls.

        Returns:
            The port, which tells the one that was chosen where 0 was asked for.

        Raises:
            ServerError: the address cannot be had.
        """
        ...

    async def stop(self, grace: float) -> None:
        """Accept no more calls, end the streams, let unary calls finish for `grace` seconds, then cancel them."""
        ...
