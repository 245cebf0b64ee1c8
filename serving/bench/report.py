"""What was measured, as a table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from serving.bench.loads import Load

_HEAD = ("calls on their way", "calls/s", "rows/s", "p50 ms", "p99 ms", "server CPU us/call")


def to_table(loads: Sequence[Load]) -> list[str]:
    """Return a table of each model as lines: medians of the rounds, [lowest..highest]."""
    lines: list[str] = []
    of: tuple[str, str, int] | None = None
    rows = [_cells(load) for load in loads]
    widths = [max(len(cell) for cell in column) for column in zip(_HEAD, *rows, strict=True)]
    for load, cells in zip(loads, rows, strict=True):
        if of != (load.model, load.signature, load.rows):
            of = (load.model, load.signature, load.rows)
            lines += ["", f"{load.model}, {load.signature} by {load.engine}; {_counted(load.rows, 'row')} a call"]
            lines.append(_line(_HEAD, widths))
        lines.append(_line(cells, widths))
        if load.wrong or load.failed:
            why = next(each.why for each in load.rounds if each.wrong or each.failed)
            lines.append(f"  {_counted(load.wrong, 'wrong answer')}, {_counted(load.failed, 'failed call')}: {why}")
    return lines


def to_json(loads: Sequence[Load], facts: dict[str, object]) -> str:
    """Return everything, with facts of the run."""
    return json.dumps({**facts, "loads": [asdict(load) for load in loads]}, indent=1) + "\n"


def _cells(load: Load) -> tuple[str, ...]:
    spent = [each.cpu_us for each in load.rounds if each.cpu_us is not None]
    return (
        str(load.in_flight),
        _spread([each.per_second for each in load.rounds], 0),
        _spread([each.per_second * load.rows for each in load.rounds], 0),
        _spread([each.p50_ms for each in load.rounds], 2),
        _spread([each.p99_ms for each in load.rounds], 2),
        _spread(spent, 0) if spent else "-",
    )


def _spread(values: Sequence[float], digits: int) -> str:
    """Return the median, and between what it lies where that is more than one value."""
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return middle if low == high else f"{middle} [{low}..{high}]"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
