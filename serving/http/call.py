"""One HTTP request, as every handler sees a call."""

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from serving.call_record import CallRecord

JSON = "application/json"
IDENTITIES = "identities"
"""Where an ASGI scope has the names in the client's certificate."""

_DIGITS = re.compile("[0-9]{1,19}")  # not `isdigit`, which takes superscripts too


@dataclass
class HttpCall:
    """A request; see `serving.transports.transport.Call`. Belongs to the task that answers it."""

    record: CallRecord
    metadata: Mapping[str, str | bytes]
    """The headers, their names in lower case."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What the path names: the groups of the route's pattern."""
    peer: str = ""
    identities: Sequence[str] = ()
    trailing: MutableMapping[str, str | bytes] = field(default_factory=dict)
    """Headers of the answer."""
    content_type: str = JSON
    """Of the answer, where it is no error."""
    deadline: float | None = None
    """In seconds of `time.monotonic`; None where the server sets no limit."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the server gives up; None where it never does."""
        return None if self.deadline is None else max(0.0, self.deadline - monotonic())

    def header(self, name: str) -> str:
        """Return a header of the request, its name in lower case; empty where there is none."""
        return str(self.metadata.get(name, ""))


def whole_number(text: str) -> int | None:
    """Return the number that a header or a path holds in decimal; None where it is none, or over 19 digits."""
    return int(text) if _DIGITS.fullmatch(text) else None
