"""A passport's metrics with their intervals, as a picture."""

import io
import math
from typing import TYPE_CHECKING

from zoo.passport import Passport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BYTES = 60_000
_PANELS = 8
_COLUMNS = 4
# Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008)
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_INK, _FAINT = "#1f2933", "#d9dee5"


def draw(passport: Passport) -> bytes | None:
    """Return a PNG with a panel for each metric, and for what sets and intervals cover; None where nothing was measured."""
    names = list(dict.fromkeys(name for metrics in passport.metrics.values() for name in metrics))
    covered = [output for output, found in passport.uncertainty.items() if found.coverage_interval is not None]
    panels = [*names[: _PANELS - len(covered[:2])], *covered[:2]]
    if not panels:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(panels), _COLUMNS)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(2.2 * columns, 1.9 * rows), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, number)
        if panel in names:
            _draw_metric(axes, passport, panel)
        else:
            _draw_coverage(axes, passport, panel)
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


def _draw_point(axes: "Axes", place: int, value: float, interval: tuple[float, float] | None) -> None:
    low, high = interval or (value, value)
    reach = [[max(value - low, 0)], [max(high - value, 0)]]
    colour = _COLOURS[place % len(_COLOURS)]
    axes.errorbar([place], [value], yerr=reach, fmt="o", color=colour, capsize=4, markersize=5)


def _label(axes: "Axes", names: list[str]) -> None:
    axes.set_xticks(range(len(names)), [_escaped(name) for name in names])
    axes.set_xlim(-0.7, len(names) - 0.3)


def _dress(axes: "Axes", title: str) -> None:
    axes.set_title(_escaped(title if len(title) <= 34 else title[:31] + "..."), fontsize=8.5, color=_INK, loc="left")
    axes.tick_params(labelsize=7.5, colors=_INK)
    axes.grid(visible=True, axis="y", color=_FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _escaped(text: str) -> str:
    return text.replace("$", r"\$")  # a dollar sign would begin mathematics
