"""What was measured: kept on the disk after every round, so that a run that was cut short can go on."""

import json
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load import Measured
from benchmarks.serving_speed.workload import Workload


@dataclass(frozen=True)
class Cell:
    """One workload on one server in one round."""

    load: Measured
    cpu_us: float
    """Processor time of the server and its children, per call."""
    wrong: int
    """Answers that were not what the model says, of all tries."""
    stolen: float = 0.0
    """Share of the processor time wanted meanwhile that a virtual machine's host gave to others."""
    tries: int = 1
    """How often it was measured; this is the one that the host disturbed least."""
    failed_besides: int = 0
    """Calls that failed in the other tries."""


@dataclass(frozen=True)
class Turn:
    """One server in one round."""

    round: int
    server: str
    start_seconds: float = 0.0
    """Until every model had answered rightly."""
    rss_mb: float = 0.0
    """After some load on every model, with no other server there."""
    pss_mb: float = 0.0
    cells: Mapping[str, Cell] = field(default_factory=dict)
    """By the key of the workload."""
    error: str = ""
    """Why it ended early."""
    whole: bool = False
    """Whether it was asked everything."""

    @property
    def wrong(self) -> int:
        """Return how many answers were wrong."""
        return sum(cell.wrong for cell in self.cells.values())

    @property
    def unanswered(self) -> int:
        """Return how many calls of closed loops failed. Those of open loops may be refused: that is a result."""
        return sum(
            cell.load.failed + cell.failed_besides
            for key, cell in self.cells.items()
            if Workload.of(key).loop == "closed"
        )


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        """Return that of some values, None where there are none."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass
class Results:
    """State: grows by a turn at a time; one thread."""

    facts: dict[str, str]
    settings: dict[str, Any]
    """What another run must share to go on with this one."""
    turns: list[Turn] = field(default_factory=list)
    limits: list[dict[str, float]] = field(default_factory=list)
    """Per round: microseconds of a call without a server, by `MODEL/ENGINE/ROWS`."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Servers that were not measured, and why."""

    def whole_rounds(self) -> set[int]:
        """Return the numbers of the rounds in which all servers were asked everything."""
        taken = Counter(turn.round for turn in self.turns if turn.whole)
        servers = len([name for name in self.settings["servers"] if name not in self.left_out])
        return {number for number, count in taken.items() if count == servers}

    def servers(self) -> list[str]:
        """Return who was measured, in the order of the settings."""
        measured = {turn.server for turn in self.turns if turn.cells}
        return [name for name in self.settings["servers"] if name in measured]

    def workloads(self) -> list[Workload]:
        """Return what was asked, in its order."""
        return [Workload.of(key) for key in self.settings["workloads"]]

    def spread(self, server: str, workload: Workload, value: Callable[[Cell], float]) -> Spread | None:
        """Return a figure over the rounds."""
        return Spread.of([value(cell) for cell in self._cells(server, workload).values()])

    def ratio(self, server: str, base: str, workload: Workload, value: Callable[[Cell], float]) -> Spread | None:
        """Return how many times that of `base` a figure is, round by round."""
        mine, other = self._cells(server, workload), self._cells(base, workload)
        both = [(value(mine[number]), value(other[number])) for number in mine.keys() & other.keys()]
        return Spread.of([each / base for each, base in both if base])

    def of_server(self, server: str, value: Callable[[Turn], float]) -> Spread | None:
        """Return a figure of the server itself over the rounds in which it was found."""
        found = [value(turn) for turn in self.turns if turn.server == server]
        return Spread.of([each for each in found if each])

    def limit(self, key: str) -> Spread | None:
        """Return microseconds of a call without a server."""
        return Spread.of([each[key] for each in self.limits if key in each])

    def _cells(self, server: str, workload: Workload) -> dict[int, Cell]:
        return {
            turn.round: turn.cells[workload.key]
            for turn in self.turns
            if turn.server == server and workload.key in turn.cells
        }

    def faults(self) -> list[str]:
        """Return what makes the whole run void."""
        return [
            f"round {turn.round + 1}, {turn.server}: {turn.wrong} wrong answers, {turn.unanswered} unanswered; {turn.error}"
            for turn in self.turns
            if turn.wrong or turn.unanswered or turn.error
        ]

    def write(self, path: Path) -> None:
        """Write all of it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Return what `write` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        data["turns"] = [_turn(turn) for turn in data["turns"]]
        return cls(**data)


def _turn(data: dict[str, Any]) -> Turn:
    cells = {key: Cell(Measured(**cell.pop("load")), **cell) for key, cell in data.pop("cells").items()}
    return Turn(**data, cells=cells)
