"""What became of one call: filled in by whoever handles it, read by whoever watches the server."""

from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType

from serving.exchange import Exchange
from serving.status import Code


@dataclass(slots=True)
class CallRecord:
    """One call. Belongs to the task that answers it; complete when that has ended."""

    method: str
    """`/package.Service/Method`, or `GET /path` as the API names it."""
    request_id: str = ""
    """What the client calls it, or what this server made up."""
    model: str = ""
    version: int | None = None
    """With the model: set once an inference has got as far as a version that can answer it."""
    signature: str = ""
    rows: int = 0
    batch_rows: int = 0
    """Rows of the batch that it was computed in, or of all batches, those of other calls and padding counted."""
    executions: int = 1
    """How many runs of the engine count as its own: all that a large one took; of calls in one batch, the first alone."""
    bytes_in: int = 0
    bytes_out: int = 0
    code: Code = Code.OK
    wrong: str = ""
    """The part of the request that was wrong, as `inputs` or `model_spec`; never what the client wrote there."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By phase: `load`, of a version on its first use, `decode`, `queue`, `compute`, `encode`, and `total`."""

    wants_exchange: bool = False
    """Whether somebody around the call will look at what was asked and answered."""
    exchange: Exchange | None = None
    """What that was, where it is wanted."""

    def timed(self, phase: str) -> "Timed":
        """Add what the block takes to a phase."""
        return Timed(self.seconds, phase)


class Timed:
    """A block whose seconds are added up under a name; it stands in every call, and takes half of what a generator does."""

    __slots__ = ("_phase", "_seconds", "_started")

    def __init__(self, seconds: dict[str, float], phase: str) -> None:
        self._seconds = seconds
        self._phase = phase

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + perf_counter() - self._started
