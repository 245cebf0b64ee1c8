"""Keeps the event loop free: what is large is parsed, decoded and encoded in threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.gentle import short_turns

SMALL = 1 << 16
"""Bytes that are handled in the event loop: it takes less time than handing them to a thread and back."""

T = TypeVar("T")


class Offload:
    """A few threads for work that takes a while and waits for nothing. For use in one event loop."""

    def __init__(self, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="zoo-codec")

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Do work on so many bytes: at once where they are few, else in a thread."""
        if size <= SMALL:
            return work()

        def in_turns() -> T:
            with short_turns():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._pool, in_turns)

    def close(self) -> None:
        """Drop what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)
