"""Where everything of a picture is, in points (1/72 inch); x grows to the right and y downwards."""

from dataclasses import dataclass, field


@dataclass
class Place:
    """Where a block is: its middle and its size."""

    x: float
    y: float
    width: float
    height: float
    row: int
    rank: int
    lane: float

    @property
    def left(self) -> float:
        """Return its left edge."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """Return its right edge."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """Return its upper edge."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """Return its lower edge."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Arrow:
    """A line through points, with a head at its end and the shape of what flows beside its beginning."""

    points: tuple[tuple[float, float], ...]
    label: str = ""
    label_at: tuple[float, float] = (0.0, 0.0)
    """Where that begins."""
    is_shortcut: bool = False


@dataclass(frozen=True)
class Frame:
    """A frame around what is repeated."""

    left: float
    top: float
    right: float
    bottom: float
    times: int


@dataclass
class Layout:
    """A picture, but for its colours."""

    places: list[Place]
    arrows: list[Arrow] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0
