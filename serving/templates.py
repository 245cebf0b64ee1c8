"""Requests that are, but for their numbers, byte for byte what an earlier one was: what was found out about that one holds.

Clients ask the same thing of the same model again and again. What a serialized request says is settled by its bytes; those
of a field whose tag and length stand before it may be any, and everything else means the same. So a message that has the
same length, and the same bytes everywhere outside of such holes, where its numbers lie, names the same model, inputs, dtypes
and shapes, and need not be parsed and checked once more.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_MOST = 256
"""Templates that are kept."""
_LARGEST = 4096
"""Bytes of a template, its holes left out."""
_MOST_STARTS = 4
"""Different lengths of the part before the first hole, among messages of one length."""


@dataclass(frozen=True)
class Template:
    """A message with holes."""

    size: int
    """Bytes of the whole message."""
    start: bytes
    """All up to the first hole."""
    rest: tuple[tuple[int, bytes], ...]
    """What lies between holes and after the last, each with its place."""

    @classmethod
    def of(cls, message: bytes, holes: Sequence[tuple[int, int]]) -> Self | None:
        """Return the template of a message.

        Args:
            message: it.
            holes: starts and ends of what may be anything, in their order.

        Returns:
            None where there is no hole, or too much else.
        """
        if not holes or len(message) - sum(end - start for start, end in holes) > _LARGEST:
            return None
        stops = [start for start, _ in holes[1:]] + [len(message)]
        rest = tuple((end, message[end:stop]) for (_, end), stop in zip(holes, stops, strict=True))
        return cls(len(message), message[: holes[0][0]], rest)

    def fits(self, message: bytes) -> bool:
        """Tell whether a message is this, whatever its holes hold."""
        if len(message) != self.size or not message.startswith(self.start):
            return False
        for at, part in self.rest:  # noqa: SIM110 - for every request, where `all` takes twice as long
            if not message.startswith(part, at):
                return False
        return True


class Known(Generic[T]):
    """What is known of messages by their templates; the least recently asked for is forgotten first. For one thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._found: OrderedDict[tuple[int, bytes], tuple[Template, T]] = OrderedDict()
        self._starts: dict[int, tuple[int, ...]] = {}
        """By length of a message: how much of it lies before the first hole, the latest first."""

    def __len__(self) -> int:
        return len(self._found)

    def find(self, message: bytes) -> T | None:
        """Return what is known of a message."""
        size = len(message)
        for start in self._starts.get(size, ()):
            key = (size, message[:start])
            found = self._found.get(key)
            if found is not None and found[0].fits(message):
                self._found.move_to_end(key)
                return found[1]
        return None

    def learn(self, template: Template, what: T) -> None:
        """Remember what is known of the messages that fit a template; what is known of others that start so is forgotten."""
        size, start = template.size, len(template.start)
        self._found[(size, template.start)] = (template, what)
        self._found.move_to_end((size, template.start))
        starts = (start, *(each for each in self._starts.get(size, ()) if each != start))
        self._starts[size] = starts[:_MOST_STARTS]
        for dropped in starts[_MOST_STARTS:]:
            self._forget([key for key in self._found if key[0] == size and len(key[1]) == dropped])
        while len(self._found) > self._most:
            self._forget([next(iter(self._found))])

    def _forget(self, keys: list[tuple[int, bytes]]) -> None:
        for key in keys:
            self._found.pop(key, None)
        sizes = {size for size, _ in self._found}
        self._starts = {size: starts for size, starts in self._starts.items() if size in sizes}
