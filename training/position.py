"""Where a run stands: everything a checkpoint holds beside variables."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass
class Position:
    """The host's side of a run's state; plain numbers only."""

    step: int = 0
    """Optimizer steps taken since the beginning of the run. It also tells which rows come next."""
    sums: list[float] = field(default_factory=list)
    """What was measured since the beginning of the epoch (`training.objectives.Totals`)."""
    seconds: float = 0.0
    """Of training since the beginning of the epoch."""
    best_value: float | None = None
    best_epoch: int | None = None
    stale_epochs: int = 0
    """Epochs since the monitored metric last improved enough for early stopping."""
    stale_value: float | None = None
    """The metric then."""
    first_loss: float | None = None
    """Mean loss of the first call, against which a blow-up is measured."""
    recoveries: int = 0
    """How often the run went back to a checkpoint."""

    def to_json(self) -> str:
        """Return JSON that `from_json` reads back bit for bit."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote. Raises ValueError or TypeError where it is something else."""
        facts: dict[str, Any] = json.loads(text)
        return cls(**facts)
