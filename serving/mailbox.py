"""Brings answers from threads into an event loop, many with one wake-up.

Waking a loop is a system call, at which a thread gives up the interpreter and has to win it back from the loop: with
`asyncio.wrap_future` that is once per answer, here once per batch.
"""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Mailbox:
    """The answers that one event loop waits for. Made in any thread; `wait` is for the loop."""

    def __init__(self) -> None:
        self._arrived: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._lock = threading.Lock()
        self._woken = False
        """Whether the loop has been told of what arrived."""

    async def wait(self, answer: "Future[T]") -> T:
        """Return the result of a future that a thread sets, or raise its exception.

        Where the caller is cancelled, so is the future.
        """
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[T] = loop.create_future()
        answer.add_done_callback(lambda done: self._post(loop, mine, done))
        try:
            return await mine
        except asyncio.CancelledError:
            answer.cancel()
            raise

    def _post(self, loop: asyncio.AbstractEventLoop, mine: "asyncio.Future[Any]", answer: "Future[Any]") -> None:
        with self._lock:
            self._arrived.append((mine, answer))
            if self._woken:
                return
            self._woken = True
        try:
            loop.call_soon_threadsafe(self._hand_out)
        except RuntimeError:  # the loop is closed: nobody waits
            self._arrived.clear()

    def _hand_out(self) -> None:
        with self._lock:
            self._woken = False
            arrived, self._arrived = self._arrived, deque()
        for mine, answer in arrived:
            if mine.done():
                continue
            if answer.cancelled():
                mine.cancel()
                continue
            error = answer.exception()
            if error is None:
                mine.set_result(answer.result())
            else:
                mine.set_exception(error)
