"""Ctrl-C and SIGTERM: the first asks a run to save and stop, the second ends it at once."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Hears signals while it is entered, and is what `training.train` asks as its `should_stop`. For the main thread.

    Before the run first asks there is nothing to save, and a signal ends it right away, as KeyboardInterrupt.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Tell a person through `say` what a signal led to."""
        self.received: signal.Signals | None = None
        self._say = say
        self._was_asked = False
        self._before: dict[signal.Signals, object] = {}

    def __call__(self) -> bool:
        """Tell whether a signal came."""
        self._was_asked = True
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """Return what a shell reports of a process that a signal ended: 130 for Ctrl-C, 143 for SIGTERM.

        Where no signal came here, another worker had one: 143.
        """
        return 128 + (self.received or signal.SIGTERM)

    def __enter__(self) -> Self:
        """Begin to listen."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back to who had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        if self.received is not None:
            sys.stdout.flush()
            os._exit(128 + number)  # TensorFlow may be in the middle of something that does not end
        self.received = signal.Signals(number)
        if not self._was_asked:
            raise KeyboardInterrupt
        self._say("stopping: the state is saved after the steps under way; once more ends it at once")
