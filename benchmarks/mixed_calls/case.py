"""One call, what has to come of it, and how it ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

OK, UNIMPORTANT = "OK", "any"
_PATIENCE = 60.0
"""Seconds of calls that are to be answered."""


@dataclass(frozen=True)
class Case:
    """One call, and what has to come of it."""

    kind: str
    method: str
    requests: Sequence[bytes]
    check: Callable[[Sequence[bytes]], None] = lambda _: None
    """Raises WrongAnswerError."""
    code: str = OK
    """With which it has to end; UNIMPORTANT: with an answer that is right, or any error."""
    timeout: float = _PATIENCE
    compression: grpc.Compression = grpc.Compression.NoCompression
    is_cancelled: bool = False
    metadata: tuple[tuple[str, str], ...] = ()

    def options(self) -> dict[str, Any]:
        """Return them as gRPC's clients take them."""
        return {"timeout": self.timeout, "compression": self.compression, "metadata": self.metadata}


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: str
    answers: Sequence[bytes] = ()
    text: str = ""
