"""What a new version has to do with recent requests before it goes live."""

from dataclasses import dataclass

from serving.status import ServerError


@dataclass(frozen=True)
class GateRules:
    """Which requests are kept, and what is refused besides what is surely broken. Raises ServerError on a bad value."""

    requests: int = 32
    """How many are kept of a model; 0 for none, and no version is held against any."""
    max_bytes: int = 64 << 20
    """That all that are kept take."""
    max_difference: float | None = None
    """How far a number may lie from the one that the version before answers; None for any distance."""
    max_flips: float | None = None
    """The largest share of rows whose class may be another; None for all of them."""

    def __post_init__(self) -> None:
        for name, value in (
            ("requests", self.requests),
            ("max_bytes", self.max_bytes),
            ("max_difference", self.max_difference),
        ):
            if value is not None and not value >= 0:
                raise ServerError(f"gate_{name} {value}: expected 0 or more")
        if self.max_flips is not None and not 0 <= self.max_flips <= 1:
            raise ServerError(f"gate_max_flips {self.max_flips}: expected a share of the rows, 0 to 1")
