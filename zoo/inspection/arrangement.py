"""Which column and which lane each block of a picture is in, and which lines lead around others."""

from collections.abc import Mapping, Sequence

from zoo.inspection.blocks import Block, readers_of
from zoo.inspection.words import Role


class Arrangement:
    """Columns by order and lanes for branches; 0 is the lane of the main line, those above it are below 0."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        """Arrange blocks, each of which comes after its sources."""
        self.blocks = blocks
        self.readers = readers_of(blocks)
        self.rank = self._ranks()
        self.main = [self._main_source(number) for number in range(len(blocks))]
        self.lane: list[float] = self._lanes()
        self.arcs = self._arcs()
        """The connections that lead around boxes of their own lane, and at which level, from 1."""

    def is_context(self, source: int, number: int) -> bool:
        """Tell whether an input comes from the side, as an encoder's comes to a decoder."""
        block = self.blocks[number]
        return block.role is not Role.MERGE and source != block.sources[0]

    def _main_source(self, number: int) -> int | None:
        """Return the source that a block goes on from: its first, of a sum that with the longest way, or most weights."""
        block = self.blocks[number]
        if block.role is Role.MERGE:
            return max(block.sources, key=lambda source: (self.rank[source], self.blocks[source].parameters))
        return block.sources[0] if block.sources else None

    def _ranks(self) -> list[int]:
        ranks: list[int] = []
        for number, block in enumerate(self.blocks):
            before = [ranks[source] for source in block.sources if not self.is_context(source, number)]
            ranks.append(1 + max(before, default=-1))
        return ranks

    def _lanes(self) -> list[float]:
        lanes: list[float | None] = [None] * len(self.blocks)
        taken: dict[int, list[tuple[int, int]]] = {}
        ends = [number for number, block in enumerate(self.blocks) if block.outputs] or [len(self.blocks) - 1]
        trunk = self._chain(ends[0], lanes)
        for number in trunk:
            lanes[number] = 0.0
        read = {source for block in self.blocks for source in block.sources}
        for number in reversed(range(len(self.blocks))):
            if lanes[number] is not None:
                continue
            chain = self._chain(number, lanes)
            first, last = min(map(self._rank, chain)), max(map(self._rank, chain))
            side = 1 if number not in read else -1  # heads go below, shortcuts and other inputs above
            lane = side
            while any(a <= last and first <= b for a, b in taken.get(lane, [])):
                lane += side
            taken.setdefault(lane, []).append((first, last))
            for member in chain:
                lanes[member] = float(lane)
        self._centre_heads(lanes, taken)
        return [lane or 0.0 for lane in lanes]

    def _rank(self, number: int) -> int:
        return self.rank[number]

    def _chain(self, end: int, lanes: Sequence[float | None]) -> list[int]:
        """Return the blocks that lead to one, back to where a lane is known."""
        chain, number = [], end
        while number is not None and lanes[number] is None:
            chain.append(number)
            number = self.main[number]  # type: ignore[assignment]  # None ends it
        return chain

    def _centre_heads(self, lanes: list[float | None], taken: Mapping[int, object]) -> None:
        """Spread heads evenly above and below the features that they share."""
        if len(taken) != sum(lane > 0 for lane in taken) or not taken:
            return
        fork = min(self.rank[number] for number, lane in enumerate(lanes) if lane)
        shift = max(taken) / 2
        for number, lane in enumerate(lanes):
            if self.rank[number] >= fork and lane is not None:
                lanes[number] = lane - shift

    def _arcs(self) -> dict[tuple[int, int], int]:
        found = []
        for number, block in enumerate(self.blocks):
            for source in block.sources:
                between = range(self.rank[source] + 1, self.rank[number])
                lane = self.lane[number]
                if self.lane[source] == lane and any(
                    self.rank[n] in between and self.lane[n] == lane for n in range(len(self.blocks))
                ):
                    found.append((source, number))
        levels: dict[tuple[int, int], int] = {}
        for source, number in sorted(found, key=lambda pair: (self.rank[pair[1]] - self.rank[pair[0]], pair)):
            beneath = [
                level
                for (s, n), level in levels.items()
                if self.rank[s] < self.rank[number]
                and self.rank[source] < self.rank[n]
                and self.lane[n] == self.lane[number]
            ]
            levels[source, number] = 1 + max(beneath, default=0)
        return levels

    def arcs_below(self, lane: float) -> bool:
        """Tell whether arcs of a lane go below it, because another lane leads into it from above."""
        return any(
            self.lane[number] == lane and self.lane[source] < lane and self.is_context(source, number)
            for number, block in enumerate(self.blocks)
            for source in block.sources
        )
