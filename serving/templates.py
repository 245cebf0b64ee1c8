"""Requests that are, but for their numbers, byte for byte what an earlier one was: what was found out about that one holds.

Clients ask the same thing of the same model again and again. What a serialized request says is settled by its bytes; those
of a payload, whose field and length stand before it, say nothing but the numbers. So a message that has the same length, and
the same bytes everywhere outside of the same payloads, names the same model, inputs, dtypes and shapes, and need not be
parsed and checked once more.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from serving.payloads import Payload, Place, find_payloads

T = TypeVar("T")

_MOST = 256
"""Templates that are kept."""
_LARGEST = 4096
"""Bytes of a template, its payloads left out."""
_MOST_STARTS = 4
"""Different lengths of the part before the first payload, among messages of one length."""


@dataclass(frozen=True)
class Template:
    """A message without its payloads."""

    size: int
    """Bytes of the whole message."""
    start: bytes
    """All up to the first payload."""
    rest: tuple[tuple[int, bytes], ...]
    """What lies between payloads and after the last, each with its place."""
    places: tuple[Place, ...]

    @classmethod
    def of(cls, message: bytes, field: int) -> Self | None:
        """Return the template of a message with tensors in this map; None where it has no payload, or too much else."""
        places = find_payloads(message, field, at_least=1)
        if not places or len(message) - sum(each.payload.end - each.payload.start for each in places) > _LARGEST:
            return None
        ends = [each.payload.start for each in places[1:]] + [len(message)]
        rest = tuple(
            (place.payload.end, message[place.payload.end : end]) for place, end in zip(places, ends, strict=True)
        )
        return cls(len(message), message[: places[0].payload.start], rest, tuple(places))

    def fits(self, message: bytes) -> bool:
        """Tell whether a message is this, whatever its payloads hold."""
        if len(message) != self.size or not message.startswith(self.start):
            return False
        return all(message.startswith(part, at) for at, part in self.rest)

    def payloads(self, message: bytes) -> dict[str, Payload]:
        """Return the payloads of a message that fits, by the names of their tensors."""
        return {place.name: place.of(message) for place in self.places}


class Known(Generic[T]):
    """What is known of messages by their templates; the least recently asked for is forgotten first. For one thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._found: OrderedDict[tuple[int, bytes], tuple[Template, T]] = OrderedDict()
        self._starts: dict[int, tuple[int, ...]] = {}
        """By length of a message: how much of it lies before the first payload, the latest first."""

    def __len__(self) -> int:
        return len(self._found)

    def find(self, message: bytes) -> tuple[Template, T] | None:
        """Return what is known of a message, and the template it fits."""
        size = len(message)
        for start in self._starts.get(size, ()):
            key = (size, message[:start])
            found = self._found.get(key)
            if found is not None and found[0].fits(message):
                self._found.move_to_end(key)
                return found
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

    def forget(self, template: Template) -> None:
        """Know nothing of the messages that fit a template."""
        self._forget([(template.size, template.start)])

    def _forget(self, keys: list[tuple[int, bytes]]) -> None:
        for key in keys:
            self._found.pop(key, None)
        sizes = {size for size, _ in self._found}
        self._starts = {size: starts for size, starts in self._starts.items() if size in sizes}
