"""What all connections of a transport share: the methods, the count of calls, and their tasks."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from serving.afterwards import Afterwards
from serving.held_requests import HeldRequests
from serving.offload import Offload
from serving.transports.endings import too_large_for_method
from serving.transports.http2.limits import Limits
from serving.transports.http2.messages import too_large
from serving.transports.transport import Stream, Unary


@dataclass(frozen=True)
class Route:
    """A method, and how large its requests may be."""

    method: Unary | Stream
    max_bytes: int
    """Of a message."""
    transport_bytes: int
    """What the transport takes for any method."""

    def check(self, size: int) -> None:
        """Raise StatusError where a message is too large."""
        if size > self.transport_bytes:
            raise too_large(size, self.transport_bytes)
        if size > self.max_bytes:
            raise too_large_for_method(size, self.max_bytes)


class Switchboard:
    """Knows where calls go. Lives in one event loop."""

    def __init__(
        self,
        methods: Iterable[Unary | Stream],
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        max_message_bytes: int,
        held: HeldRequests | None = None,
        afterwards: Afterwards | None = None,
    ) -> None:
        self.limits = limits
        self.held = held or HeldRequests.for_messages(max_message_bytes)
        self.afterwards = afterwards or Afterwards()
        self.routes = {
            method.path: Route(method, min(method.max_bytes, max_message_bytes), max_message_bytes)
            for method in methods
        }
        self.loop = loop
        self.offload = Offload()
        self.calls = 0
        """Streams that are open, of all connections."""
        self.tasks: set[asyncio.Task[Any]] = set()
        """Kept here, since a loop only has weak references to its tasks."""

    def task(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> "asyncio.Task[None]":
        """Start a task, which has to `forget` itself."""
        task = asyncio.Task(work, loop=self.loop, context=context)
        self.tasks.add(task)
        return task

    def forget(self) -> None:
        """Keep the running task no longer: it ends."""
        task = asyncio.current_task()
        if task is not None:
            self.tasks.discard(task)

    def is_full(self) -> bool:
        """Tell whether there are as many calls as may be."""
        return self.calls >= self.limits.max_calls
