"""The boxes of a picture, and which leads to which."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.inspection.calls import Shape
from zoo.inspection.words import Role


@dataclass(frozen=True)
class Block:
    """One box."""

    title: str
    role: Role
    shape: Shape
    """Of what comes out, without the batch."""
    sources: tuple[int, ...] = ()
    """The blocks before it, by number; that of its first argument comes first."""
    details: tuple[str, ...] = ()
    """What else it does, such as `batch norm`, in order."""
    parameters: int = 0
    outputs: tuple[str, ...] = ()
    """Names of the model's outputs that it gives."""
    group: int | None = None
    """Number of the fold that it is in."""


@dataclass(frozen=True)
class Network:
    """Blocks, each after those that it needs, and how often a group of them comes one after the other."""

    blocks: tuple[Block, ...]
    repeats: tuple[int, ...] = ()
    """By group."""


def readers_of(blocks: Sequence[Block]) -> list[list[int]]:
    """Return, for each block, which ones it leads to."""
    readers: list[list[int]] = [[] for _ in blocks]
    for number, block in enumerate(blocks):
        for source in block.sources:
            readers[source].append(number)
    return readers
