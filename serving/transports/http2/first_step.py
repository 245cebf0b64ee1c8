"""Runs coroutines up to where they first wait, at once and without a task: most of what is quick never waits."""

import asyncio
from asyncio import tasks
from collections.abc import Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class FirstStep:
    """Stands in for the task of a coroutine in its first step, in which there is none.

    `asyncio.timeout` and `asyncio.TaskGroup` keep the task that enters them to cancel it later: they get this, which passes
    everything on to the task that there is by then. It also knows whether that task has begun: a task that is cancelled
    before would never get to what waits in it.
    """

    __slots__ = ("_cancelled", "_coroutine", "_loop", "_task", "_waited", "has_begun")

    def __init__(self, of: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = of
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self._waited: Any = None
        self._cancelled = 0
        self.has_begun = False

    def run(self, context: Context) -> Any:
        """Run the step. Returns WAITS where the coroutine waits, else what it returns; raises what it raises."""
        tasks._enter_task(self._loop, self)  # type: ignore[arg-type]  # noqa: SLF001 - documented: "Extending" asyncio
        try:
            self._waited = context.run(self._coroutine.send, None)
        except StopIteration as stop:
            return stop.value
        finally:
            tasks._leave_task(self._loop, self)  # type: ignore[arg-type]  # noqa: SLF001
        return WAITS

    def become(self, task: "asyncio.Task[Any]") -> None:
        """Pass on to the task that awaits `rest`, also what was asked for before."""
        self._task = task
        for _ in range(self._cancelled):
            self._loop.call_soon(task.cancel)

    @coroutine
    def rest(self) -> Generator[Any, Any, Any]:
        """Go on with the coroutine, as `await` would have. For the first thing that the task does."""
        self.has_begun = True
        waited, self._waited = self._waited, None  # it holds what it brings, for as long as anybody holds this
        try:
            while True:
                try:
                    sent = yield waited
                except GeneratorExit:
                    self._coroutine.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                    waited = self._coroutine.throw(error)
                else:
                    waited = self._coroutine.send(sent)
        except StopIteration as stop:
            return stop.value

    def cancel(self, msg: Any = None) -> bool:
        """See asyncio.Task."""
        if self._task is None:
            self._cancelled += 1
        elif self.has_begun:
            return self._task.cancel(msg)
        else:
            self._loop.call_soon(self._task.cancel, msg)  # after its first step, which was asked for before
        return True

    def cancelling(self) -> int:
        """See asyncio.Task."""
        return self._cancelled if self._task is None else self._task.cancelling()

    def uncancel(self) -> int:
        """See asyncio.Task."""
        if self._task is not None:
            return self._task.uncancel()
        self._cancelled = max(0, self._cancelled - 1)
        return self._cancelled

    def __getattr__(self, name: str) -> Any:
        if self._task is None:
            raise AttributeError(f"{name}: the task has not begun")
        return getattr(self._task, name)


WAITS = object()
"""What the first step of a coroutine returns that has to be gone on with."""
