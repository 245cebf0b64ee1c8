"""What is asked and what is answered, as every protocol has it."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from serving.model_ref import ModelRef
from serving.servable import Servable
from serving.signature import Signature, TensorSpec


class Source(Protocol):
    """A tensor of a request, which is not read before it is known to be wanted: a kilobyte can ask for gigabytes."""

    @property
    def spec(self) -> TensorSpec:
        """What it says it is. Raises CodecError."""
        ...

    @property
    def nbytes(self) -> int:
        """What it takes once it is read. Raises CodecError."""
        ...

    def read(self, max_bytes: int) -> np.ndarray:
        """Return its contents, maybe read-only. Raises CodecError where they do not fit the spec, or the limit."""
        ...


Inputs = Mapping[str, Source]


@dataclass(frozen=True)
class Query:
    """A request as every protocol asks it."""

    model: ModelRef
    inputs: Inputs | Callable[[Signature], Inputs]
    """By name; or what gives them, where a protocol has to know the signature first. It raises StatusError."""
    signature: str | tuple[str, ...] = ""
    """The empty name is the default one. Several, none twice, take the same inputs and are run in one pass."""
    outputs: Sequence[str] = ()
    """Those that are wanted; none for all."""
    priority: int = 0
    """How urgent it is, where its protocol says so; see `serving.priority`."""
    queue_seconds: float | None = None
    """How long it may wait for its turn, however long its caller would; None for as long as the caller."""


@dataclass(frozen=True)
class Checked:
    """What a query was found to ask; it holds for all that differ from it in nothing but numbers."""

    model: ModelRef
    """As it was named: what that means may change."""
    servable: "weakref.ref[Servable]"
    """What it meant, and what the query was held against; a version must not stay in memory for this."""
    signature: Signature
    outputs: Sequence[str]
    """Those that are wanted."""
    rows: int


@dataclass(slots=True)
class Answer:
    """What a servable answered."""

    model: str
    version: int
    signature: Signature
    outputs: Mapping[str, np.ndarray]
    """Those that were wanted."""
    checked: Checked
    """For the next query that differs in numbers alone."""
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What the classes are called whose scores an output holds, by output."""
