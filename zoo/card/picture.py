"""A passport's metrics with their intervals, as a picture."""

import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from zoo.passport import Passport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Panel = Callable[[Axes, Passport, str], None]

MOST_BYTES = 60_000
_PANELS = 8
_OUTPUTS = 2
"""Of which coverage and reliability are drawn."""
_COLUMNS = 4
# Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008)
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_INK, _FAINT = "#1f2933", "#d9dee5"


def draw(passport: Passport) -> bytes | None:
    """Return a PNG with a panel for each metric, for what sets and intervals cover, and for how reliable confidence is.

    Returns:
        None where nothing was measured.
    """
    names = list(dict.fromkeys(name for metrics in passport.metrics.values() for name in metrics))
    covered = [output for output, found in passport.uncertainty.items() if found.coverage_interval is not None]
    reliable = [output for output, found in passport.uncertainty.items() if found.reliability is not None]
    last: list[tuple[Panel, str]] = [(_draw_coverage, output) for output in covered[:_OUTPUTS]]
    last += [(_draw_reliability, output) for output in reliable[:_OUTPUTS]]
    panels = [*((_draw_metric, name) for name in names[: _PANELS - len(last)]), *last]
    if not panels:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(panels), _COLUMNS)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(2.2 * columns, 1.9 * rows), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for number, (draw_panel, name) in enumerate(panels, start=1):
        draw_panel(figure.add_subplot(rows, columns, number), passport, name)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue() if buffer.tell() <= MOST_BYTES else None


def _draw_metric(axes: "Axes", passport: Passport, name: str) -> None:
    _dress(axes, name)
    splits = [split for split, metrics in passport.metrics.items() if name in metrics]
    for place, split in enumerate(splits):
        value = passport.metrics[split][name]
        _draw_point(axes, place, value, passport.intervals.get(split, {}).get(name))
    _label(axes, splits)


def _draw_coverage(axes: "Axes", passport: Passport, output: str) -> None:
    found = passport.uncertainty[output]
    _dress(axes, f"coverage ({output})")
    axes.axhline(found.level, color=_INK, linestyle="--", linewidth=1)
    _draw_point(axes, 0, found.coverage or 0.0, found.coverage_interval)
    _label(axes, [f"asked for {found.level:.0%}"])


def _draw_reliability(axes: "Axes", passport: Passport, output: str) -> None:
    """Draw the share of hits over confidence, with its 95 % interval; on the diagonal, confidence is what it says."""
    from zoo.uncertainty import clopper_pearson

    found = passport.uncertainty[output].reliability
    if found is None:
        return
    _dress(axes, f"reliability ({output})")
    axes.set_xlabel("confidence", fontsize=7.5, color=_INK)
    axes.set_ylabel("share right", fontsize=7.5, color=_INK)
    axes.plot([0, 1], [0, 1], color=_INK, linestyle="--", linewidth=1)
    for sure, right, rows in zip(found.confidence, found.accuracy, found.rows, strict=False):
        low, high = clopper_pearson(right * rows, rows)
        reach = [[max(right - low, 0)], [max(high - right, 0)]]
        axes.errorbar([sure], [right], yerr=reach, fmt="o", color=_COLOURS[0], capsize=2, markersize=3, linewidth=1)


def _draw_point(axes: "Axes", place: int, value: float, interval: tuple[float, float] | None) -> None:
    low, high = interval or (value, value)
    reach = [[max(value - low, 0)], [max(high - value, 0)]]
    colour = _COLOURS[place % len(_COLOURS)]
    axes.errorbar([place], [value], yerr=reach, fmt="o", color=colour, capsize=4, markersize=5)


def _label(axes: "Axes", names: list[str]) -> None:
    axes.set_xticks(range(len(names)), [_escaped(name) for name in names])
    axes.set_xlim(-0.7, len(names) - 0.3)


def _dress(axes: "Axes", title: str) -> None:
    axes.set_title(_escaped(title if len(title) <= 30 else title[:27] + "..."), fontsize=8.5, color=_INK, loc="left")
    axes.tick_params(labelsize=7.5, colors=_INK)
    axes.grid(visible=True, axis="y", color=_FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _escaped(text: str) -> str:
    return text.replace("$", r"\$")  # a dollar sign would begin mathematics
