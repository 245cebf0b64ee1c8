"""Where the blocks of a network go: columns by their order, lanes for branches, several rows where one would be too long."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from zoo.inspection.arrangement import Arrangement
from zoo.inspection.blocks import Network
from zoo.inspection.layout import Arrow, Frame, Layout, Place
from zoo.inspection.words import Role

LONGEST_ROW = 1180.0
"""A slide is 960 points wide, and bears a little shrinking."""
BOX_HEIGHT = 52.0
CIRCLE = 20.0
CAPTION = 13.0
"""Room below a box for its parameters."""
ARC_STEP = 13.0
"""Between arcs that lie over each other."""
LANE_GAP = 26.0
ROW_GAP = 40.0
SHORTEST_ARROW = 20.0
FRAME = 15.0
"""Between a frame and what is in it."""


def lay_out(
    network: Network, sizes: Sequence[float], labels: Mapping[int, str], label_width: Callable[[str], float]
) -> Layout:
    """Return where everything goes.

    Args:
        network: what to draw.
        sizes: the width of each block.
        labels: what to write beside the arrow out of a block, by the block's number.
        label_width: the width of such a text.
    """
    return _Layouter(network, sizes, labels, label_width).layout()


class _Layouter:
    """Turns an arrangement into places and lines."""

    def __init__(
        self, network: Network, sizes: Sequence[float], labels: Mapping[int, str], label_width: Callable[[str], float]
    ) -> None:
        self.blocks, self.repeats = network.blocks, network.repeats
        self.sizes, self.labels, self.label_width = sizes, labels, label_width
        self.grid = Arrangement(network.blocks)
        self.row_tops: list[float] = []

    def layout(self) -> Layout:
        columns = max(self.grid.rank) + 1
        widths = [
            max(self.sizes[n] for n in range(len(self.blocks)) if self.grid.rank[n] == rank) for rank in range(columns)
        ]
        gaps = [self._gap(rank) for rank in range(columns - 1)] + [0.0]
        rows = self._rows(widths, gaps)
        places: list[Place] = [None] * len(self.blocks)  # type: ignore[list-item]
        made = Layout(places)
        top = 0.0
        for row, (first, last) in enumerate(rows):
            self.row_tops.append(top)
            top = self._place_row(made, row, range(first, last), widths, gaps, top) + ROW_GAP
        made.height = top - ROW_GAP
        made.width = max(place.right for place in places)
        self._connect(made)
        self._frame(made)
        return made

    def _gap(self, rank: int) -> float:
        """Return the distance between a column and the next: room for texts, frames and lines that turn."""
        crossing = [
            (source, number)
            for number, block in enumerate(self.blocks)
            for source in block.sources
            if self.grid.rank[source] == rank and not self.grid.is_context(source, number)
        ]
        label = max((self.label_width(self.labels[s]) for s, _ in crossing if s in self.labels), default=0.0)
        gap = max(SHORTEST_ARROW, label + 14 if label else 0.0)
        here = {self.blocks[n].group for n in range(len(self.blocks)) if self.grid.rank[n] == rank}
        there = {self.blocks[n].group for n in range(len(self.blocks)) if self.grid.rank[n] == rank + 1}
        gap += FRAME * (len(here - there - {None}) + len(there - here - {None}))
        forks = any(len({self.grid.lane[number] for number in self.grid.readers[source]}) > 1 for source, _ in crossing)
        skips = any(self._skips(source) for source, _ in crossing)
        return gap + 10 * (forks or skips)

    def _skips(self, source: int) -> bool:
        return any(self.grid.rank[number] > self.grid.rank[source] + 1 for number in self.grid.readers[source])

    def _rows(self, widths: Sequence[float], gaps: Sequence[float]) -> list[tuple[int, int]]:
        """Return the columns of each row: as few rows as fit, and of those the most even."""
        columns = len(widths)
        cuts = [0, *(rank + 1 for rank in range(columns - 1) if self._may_cut(rank)), columns]

        def length(first: int, last: int) -> float:
            return sum(widths[first:last]) + sum(gaps[first : last - 1])

        count = max(1, math.ceil(length(0, columns) / LONGEST_ROW))
        best = {0: (0.0, [0])}
        for number in range(count):
            after: dict[int, tuple[float, list[int]]] = {}
            for cut in cuts:
                options = [
                    (max(longest, length(start, cut)), [*way, cut])
                    for start, (longest, way) in best.items()
                    if start < cut
                ]
                if options and (number < count - 1 or cut == columns):
                    after[cut] = min(options)
            best = {**best, **after} if number < count - 1 else after
        _, way = best[columns]
        return list(itertools.pairwise(way))

    def _may_cut(self, rank: int) -> bool:
        """Tell whether one line alone, and no frame, leads over the gap behind a column."""
        lines = [
            s
            for n, block in enumerate(self.blocks)
            for s in block.sources
            if self.grid.rank[s] <= rank < self.grid.rank[n]
        ]
        here = {b.group for n, b in enumerate(self.blocks) if self.grid.rank[n] == rank} - {None}
        there = {b.group for n, b in enumerate(self.blocks) if self.grid.rank[n] == rank + 1} - {None}
        back = any(
            self.grid.rank[s] > rank >= self.grid.rank[n] for n, block in enumerate(self.blocks) for s in block.sources
        )
        several = len({self.grid.lane[n] for n in range(len(self.blocks)) if self.grid.rank[n] in {rank, rank + 1}}) > 1
        return len(lines) == 1 and not here & there and not back and not several

    def _place_row(
        self, made: Layout, row: int, ranks: range, widths: Sequence[float], gaps: Sequence[float], top: float
    ) -> float:
        """Put the blocks of a row; return where it ends below."""
        members = [number for number in range(len(self.blocks)) if self.grid.rank[number] in ranks]
        lanes = sorted({self.grid.lane[number] for number in members})
        above, below = {}, {}
        for lane in lanes:
            over = [self.grid.rank[n] for n in members if self.grid.lane[n] < lane]
            above[lane] = self._room_above(lane, members, over)
            below[lane] = CAPTION + self._room_below(lane, members)
        y: dict[float, float] = {}
        middle = top
        for index, lane in enumerate(lanes):
            if index == 0:
                middle = top + above[lane] + BOX_HEIGHT / 2
            else:
                before = lanes[index - 1]
                apart = BOX_HEIGHT + below[before] + above[lane] + LANE_GAP * (lane - before >= 1)
                middle += max(apart, BOX_HEIGHT + CAPTION + 8)
            y[lane] = middle
        x = 0.0
        for rank in ranks:
            for number in members:
                if self.grid.rank[number] == rank:
                    merge = self.blocks[number].role is Role.MERGE
                    height = CIRCLE if merge else BOX_HEIGHT
                    # What is text alone stands next to its arrow.
                    spare = (widths[rank] - self.sizes[number]) / 2 * (self.blocks[number].role is Role.INPUT)
                    centre = x + widths[rank] / 2 + (-spare if self.blocks[number].sources else spare)
                    width = CIRCLE if merge else self.sizes[number]  # a caption may be wider than its circle
                    lane = self.grid.lane[number]
                    made.places[number] = Place(centre, y[lane], width, height, row, rank, lane)
            x += widths[rank] + gaps[rank]
        return middle + BOX_HEIGHT / 2 + below[lanes[-1]]

    def _room_above(self, lane: float, members: Sequence[int], over: Sequence[int]) -> float:
        """Return the height of arcs and frames over a lane; where another lane lies over it, of those beneath its blocks."""
        span = range(min(over) - 1, max(over) + 2) if over else range(max(self.grid.rank) + 1)
        here = [n for n in members if self.grid.lane[n] == lane]
        levels = [
            level
            for (s, n), level in self.grid.arcs.items()
            if n in here
            and self.grid.rank[s] < span.stop
            and self.grid.rank[n] >= span.start
            and not self.grid.arcs_below(lane)
        ]
        framed = any(self.blocks[n].group is not None for n in here if self.grid.rank[n] in span)
        return _arc_room(levels) + (FRAME + CAPTION if framed else 0)

    def _room_below(self, lane: float, members: Sequence[int]) -> float:
        """Return the height of arcs and frames under a lane."""
        here = [n for n in members if self.grid.lane[n] == lane]
        levels = [level for (_, n), level in self.grid.arcs.items() if n in here and self.grid.arcs_below(lane)]
        return _arc_room(levels) + (FRAME if any(self.blocks[n].group is not None for n in here) else 0)

    def _connect(self, made: Layout) -> None:
        labelled: set[int] = set()
        for number, block in enumerate(self.blocks):
            for source in sorted(block.sources, key=lambda s: (s, number) in self.grid.arcs):
                label = "" if source in labelled else self.labels.get(source, "")
                level = self.grid.arcs.get((source, number), 0)
                points = self._line(made.places, source, number, level)
                shows = level == 0 and not self.grid.is_context(source, number)
                x, y = points[0]
                if made.places[source].row != made.places[number].row:
                    x, y = (points[2][0] + points[3][0]) / 2, points[2][1]
                made.arrows.append(Arrow(points, label if shows else "", (x + 6, y - 7), is_shortcut=level > 0))
                if shows:
                    labelled.add(source)

    def _line(self, places: Sequence[Place], source: int, number: int, level: int) -> tuple[tuple[float, float], ...]:
        a, b = places[source], places[number]
        if self.grid.is_context(source, number) and a.lane != b.lane:
            corridor = b.top - LANE_GAP * 0.75
            return ((a.right, a.y), (a.right + 12, a.y), (a.right + 12, corridor), (b.x, corridor), (b.x, b.top))
        if a.row != b.row:
            turn = self.row_tops[b.row] - ROW_GAP / 2
            out = a.right + 14 + FRAME * (self.blocks[source].group is not None)
            into = b.left - 18 - FRAME * (self.blocks[number].group is not None)
            return ((a.right, a.y), (out, a.y), (out, turn), (into, turn), (into, b.y), (b.left, b.y))
        if level:
            fork = self._fork(places, source)
            if self.grid.arcs_below(b.lane):
                height = b.y + BOX_HEIGHT / 2 + CAPTION + level * ARC_STEP - 4
                return ((fork, a.y), (fork, height), (b.x, height), (b.x, b.bottom))
            height = b.y - BOX_HEIGHT / 2 - level * ARC_STEP
            return ((fork, a.y), (fork, height), (b.x, height), (b.x, b.top))
        if a.lane == b.lane:
            return ((a.right, a.y), (b.left, b.y))
        if self.blocks[number].role is Role.MERGE and self.grid.main[number] != source:
            return ((a.right, a.y), (b.x, a.y), (b.x, b.top if a.y < b.y else b.bottom))
        fork = self._fork(places, source)
        return ((a.right, a.y), (fork, a.y), (fork, b.y), (b.left, b.y))

    def _fork(self, places: Sequence[Place], source: int) -> float:
        """Return where lines out of a block part: just before what comes next."""
        following = [places[n].left for n in self.grid.readers[source] if self.grid.rank[n] > self.grid.rank[source]]
        return min(following) - 11

    def _frame(self, made: Layout) -> None:
        for group, times in enumerate(self.repeats):
            members = [n for n, block in enumerate(self.blocks) if block.group == group]
            inside = [made.places[n] for n in members]
            below = any(self.grid.arcs_below(place.lane) for place in inside)
            levels = max((level for (_, n), level in self.grid.arcs.items() if n in members), default=0)
            arcs = levels * ARC_STEP
            made.frames.append(
                Frame(
                    left=min(place.left for place in inside) - FRAME - 4,
                    right=max(place.x + self.sizes[n] / 2 for n, place in zip(members, inside, strict=True))
                    + FRAME
                    - 4,
                    top=min(place.y for place in inside) - BOX_HEIGHT / 2 - (0 if below else arcs) - 10,
                    bottom=max(place.y for place in inside) + BOX_HEIGHT / 2 + CAPTION + (arcs if below else 0) + 4,
                    times=times,
                )
            )


def _arc_room(levels: Sequence[int]) -> float:
    return max(levels) * ARC_STEP + 6 if levels else 0.0
