"""What was put on models, and what each round of it gave."""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.bench.measuring import Measured
from serving.bench.subject import Subject


@dataclass(frozen=True)
class Load:
    """One load on one model, in every round."""

    model: str
    signature: str
    engine: str
    """What runs it, in words."""
    rows: int
    """Of a call."""
    in_flight: int
    rounds: Sequence[Measured]

    @property
    def wrong(self) -> int:
        """Answers that were not what they should be."""
        return sum(each.wrong for each in self.rounds)

    @property
    def failed(self) -> int:
        """Calls that ended with an error."""
        return sum(each.failed for each in self.rounds)


class Loads:
    """Gathers rounds, of which the last may be cut short."""

    def __init__(self) -> None:
        self._rounds: dict[tuple[str, str, str, int, int], list[Measured]] = {}

    def add(self, subject: Subject, engine: str, in_flight: int, measured: Measured) -> None:
        """Take what one load on one model gave."""
        key = (subject.model, subject.signature, engine, subject.rows, in_flight)
        self._rounds.setdefault(key, []).append(measured)

    @property
    def measured(self) -> list[Load]:
        """Those of which there is a round, in the order in which they were first put on."""
        return [Load(*key, rounds) for key, rounds in self._rounds.items()]
