"""Drawing once what comes several times in a row."""

from collections.abc import Sequence
from dataclasses import replace

from zoo.inspection.blocks import Block, Network, readers_of
from zoo.inspection.words import Role


def fold(blocks: Sequence[Block]) -> Network:
    """Draw what is repeated once: of alike groups of blocks, one after the other, keep the first."""
    repeats: list[int] = []
    blocks = list(blocks)
    while (best := _longest_repeat(blocks)) is not None:
        start, period, times = best
        stop, gone = start + period, period * (times - 1)
        moved = [*range(stop), *(start + n % period for n in range(gone)), *range(stop, len(blocks) - gone)]
        kept = [
            *blocks[:start],
            *(replace(block, group=len(repeats)) for block in blocks[start:stop]),
            *blocks[stop + gone :],
        ]
        blocks = [replace(block, sources=tuple(dict.fromkeys(moved[s] for s in block.sources))) for block in kept]
        repeats.append(times)
    return Network(tuple(blocks), tuple(repeats))


def _longest_repeat(blocks: Sequence[Block]) -> tuple[int, int, int] | None:
    """Return the start, the length and the number of the alike groups that spare most blocks."""
    readers = readers_of(blocks)
    best, found = (1, False), None
    for start in range(len(blocks)):
        for period in range(1, (len(blocks) - start) // 2 + 1):
            times = _times(blocks, readers, start, period)
            # A branch ends with its sum: a group that began with one would cut the line around it in two.
            gain = (period * (times - 1), blocks[start].role is not Role.MERGE)
            if times > 1 and gain[0] > 1 and gain > best:
                best, found = gain, (start, period, times)
    return found


def _times(blocks: Sequence[Block], readers: Sequence[Sequence[int]], start: int, period: int) -> int:
    """Return how many groups from `start` on are alike, and read by the next one alone."""
    if any(b.group is not None or b.outputs or b.role is Role.INPUT for b in blocks[start : start + period]):
        return 1
    times = 1
    while start + (times + 1) * period <= len(blocks):
        last, following = start + (times - 1) * period, start + times * period
        read_later = any(
            reader >= following + period for number in range(last, following) for reader in readers[number]
        )
        if read_later or not _follows_alike(blocks, start, following, period, is_second=times == 1):
            break
        times += 1
    return times


def _follows_alike(blocks: Sequence[Block], first: int, other: int, period: int, *, is_second: bool) -> bool:
    """Tell whether a group is like the first, and goes on from the one before it as that one went on from its own sources.

    What both read from far away, such as an encoder, has to be the very same. The second group says which of the first's
    sources stand for what; the others have to read the same places.
    """
    stands_for: dict[int, int] = {}
    for a, b in zip(blocks[first : first + period], blocks[other : other + period], strict=True):
        if replace(a, sources=()) != replace(b, sources=()) or len(a.sources) != len(b.sources):
            return False
        for source, like in zip(a.sources, b.sources, strict=True):
            if like >= other or like < first:
                same = like - other == source - first if like >= other else like == source
            elif like < other - period or source >= first:
                same = False
            else:
                same = stands_for.setdefault(like - other, source) == source
            if not same:
                return False
    if is_second or not stands_for:
        return True
    return _read_before(blocks, other, period) == _read_before(blocks, first + period, period)


def _read_before(blocks: Sequence[Block], start: int, period: int) -> list[int]:
    """Return which places of the group before a group are read."""
    group = blocks[start : start + period]
    return [source - start for block in group for source in block.sources if start - period <= source < start]
