"""From the event loop to worker threads: a bounded queue, and nothing computed that nobody waits for."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from serving.status import Code, StatusError
from serving.transports.transport import Call, UnaryHandler

BlockingHandler = Callable[[bytes, Call], bytes]


class Dispatcher:
    """Runs blocking handlers in threads. `wrap`ped handlers run in one event loop, `close` is for any thread."""

    def __init__(self, *, threads: int, max_pending: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="zoo-serve")
        self._max_pending = max_pending
        self._pending = 0
        self._draining = False
        self._lock = threading.Condition()

    def wrap(self, handler: BlockingHandler) -> UnaryHandler:
        """Return the handler as a transport wants it."""

        def run(message: bytes, call: Call) -> bytes:
            remaining = call.time_remaining()
            if remaining is not None and remaining <= 0:
                raise StatusError(Code.DEADLINE_EXCEEDED, "the deadline passed before the request's turn came")
            return handler(message, call)

        async def answer(message: bytes, call: Call) -> bytes:
            with self._lock:
                if self._draining:
                    raise StatusError(Code.UNAVAILABLE, "the server is shutting down: ask another, or again later")
                if self._pending >= self._max_pending:
                    raise StatusError(
                        Code.RESOURCE_EXHAUSTED, f"{self._pending} requests are waiting already: try again later"
                    )
                self._pending += 1
            # A call that is cancelled while it waits is taken out of the queue; one that runs is left to finish, and
            # counts until it has.
            future = self._pool.submit(run, message, call)
            future.add_done_callback(self._count_down)
            return await asyncio.wrap_future(future)

        return answer

    def _count_down(self, future: Future[bytes]) -> None:  # noqa: ARG002 - the shape of a callback
        with self._lock:
            self._pending -= 1
            self._lock.notify_all()

    def drain(self, timeout: float) -> bool:
        """Refuse new requests, and wait for those that are in. Returns whether all of them ended in time."""
        with self._lock:
            self._draining = True
            return self._lock.wait_for(lambda: self._pending == 0, timeout)

    def close(self) -> None:
        """Drop what waits; what runs is left to itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
