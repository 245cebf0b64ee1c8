"""What was found out about the ways to run a version on a machine, and which of them that speaks for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

SIZES = (1, 8, 32)
"""Rows of the batches that are timed."""
PARITY_SIZES = (1, 2, 7, 32)
"""Rows of the batches whose answers are compared."""
LITERT, FROZEN, SAVED_MODEL = "litert", "frozen", "saved_model"
XLA = "xla"
"""For who asks for it alone."""
AUTO = "auto"
"""The fastest of those that answer alike."""
ENGINES = (AUTO, SAVED_MODEL, FROZEN, LITERT, XLA)
"""What a person may ask for."""
_CLEARLY = 0.8
"""What share of another's time something has to take to be preferred to it: less is noise."""
_CLEARLY_TENSORFLOW = 0.6
"""The same, where TensorFlow would take the place of LiteRT: it takes 500 MB of memory, and 2 s at the start."""

_WORTH_THREADS = 100.0
"""Microseconds of a single row that further threads have to save: they take them from the cores of whoever serves it."""
_WORTH_THREADS_OF_BATCH = 250.0
"""The same of more rows. They are several calls', mostly, and where calls meet cores have other things to do."""


@dataclass(frozen=True)
class Contender:
    """A way to run one signature that answers as the SavedModel does."""

    engine: str
    """`litert`, `frozen`, `saved_model` or `xla`."""
    threads: int = 1
    """Of LiteRT, for one call."""
    folder: str = ""
    """Where its file lies, inside the folder of the findings; empty for the version's own folder."""
    microseconds: Mapping[str, float] = field(default_factory=dict)
    """Of a call, by rows of the batch."""

    @property
    def title(self) -> str:
        """What it is called in logs and metrics."""
        return f"{self.engine} x{self.threads}" if self.threads > 1 else self.engine


@dataclass(frozen=True)
class SignatureFindings:
    """What there is to run one signature."""

    contenders: tuple[Contender, ...] = ()
    """Those that answer alike, the one that costs the least first."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By engine: why it is none of them."""


@dataclass(frozen=True)
class Findings:
    """What there is to run a version."""

    signatures: Mapping[str, SignatureFindings]
    files: Mapping[str, int] = field(default_factory=dict)
    """CRC-32C of the files that were made, by their paths."""
    was_disturbed: bool = False
    """Whether others wanted the processor while this was timed: it serves until it can be found out anew."""


@dataclass(frozen=True)
class Route:
    """What runs batches of so many rows and more."""

    rows: int
    contender: Contender


def choose(found: SignatureFindings, engine: str | None = None) -> tuple[Route, ...]:
    """Return what runs a signature, by growing batches; empty where nothing can.

    Args:
        found: about it.
        engine: the only one that may; None for the fastest at each size, where that is clearly faster than what costs less
            memory, or than what runs smaller batches.
    """
    candidates = [each for each in found.contenders if engine in {None, each.engine}]
    routes: list[Route] = []
    for rows in SIZES:
        best = routes[-1].contender if routes else None
        for each in candidates:
            if best is None or _is_preferred(each, best, rows):
                best = each
        if best is not None and (not routes or best is not routes[-1].contender):
            # A size stands for those up to halfway, as ratios go, to its neighbours.
            routes.append(Route(1 if not routes else rows // 2, best))
    return tuple(routes)


def _is_preferred(challenger: Contender, best: Contender, rows: int) -> bool:
    share = _CLEARLY_TENSORFLOW if best.engine == LITERT != challenger.engine else _CLEARLY
    worth = _WORTH_THREADS if rows == 1 else _WORTH_THREADS_OF_BATCH
    takes, took = _spent(challenger, rows), _spent(best, rows)
    return takes < share * took and (challenger.threads <= best.threads or took - takes > worth)


def _spent(contender: Contender, rows: int) -> float:
    """Return what a call took, of the largest batch that was timed and is not larger."""
    return max(
        ((int(size), spent) for size, spent in contender.microseconds.items() if int(size) <= rows), default=(0, 0.0)
    )[1]


def describe(routes: Sequence[Route]) -> str:
    """Say what runs a signature: `litert; frozen from 16 rows`."""
    return "; ".join(_words(routes))


def _words(routes: Sequence[Route]) -> Iterator[str]:
    for route in routes:
        yield route.contender.title + (f" from {route.rows} rows" if route.rows > 1 else "")
