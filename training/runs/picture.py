"""The curves of several runs in one picture."""

import math
from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from training.report.palette import CYCLE, INK, dress, new_figure, plain, png, say
from training.runs.entry import RunEntry

_DOTS_UP_TO = 40


def compare_curves(entries: Sequence[RunEntry], names: Sequence[str]) -> bytes:
    """Return a PNG with a panel per validation metric and a line per run."""
    metrics = list(dict.fromkeys(m for e in entries for r in e.history for m in r["metrics"].get("validation", {})))
    columns = min(3, max(1, len(metrics)))
    lines = max(1, -(-len(metrics) // columns))
    figure = new_figure(4.3 * columns + 0.8, 3.3 * lines + 0.3 * -(-len(entries) // 2))
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[max(1, len(metrics)) :]:
        axes.set_axis_off()
    if not metrics:
        dress(grid[0])
        say(grid[0], "none of these runs finished an epoch")
    for axes, metric in zip(grid, metrics, strict=False):
        dress(axes, f"validation {metric.replace('_', ' ')}", x="epoch")
        for number, entry in enumerate(entries):
            epochs = [record["epoch"] for record in entry.history]
            values = [float(r["metrics"].get("validation", {}).get(metric, math.nan)) for r in entry.history]
            marker = "o" if len(epochs) <= _DOTS_UP_TO else ""
            style = "-" if number < len(CYCLE) else "--"
            axes.plot(
                epochs, values, style, color=CYCLE[number % len(CYCLE)], linewidth=1.6, marker=marker, markersize=3
            )
            if entry.best_epoch in epochs:
                best = epochs.index(entry.best_epoch)
                axes.plot(
                    epochs[best],
                    values[best],
                    "*",
                    color=CYCLE[number % len(CYCLE)],
                    markersize=11,
                    markeredgecolor="white",
                )
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    handles = [
        grid[0].plot([], [], "-" if i < len(CYCLE) else "--", color=CYCLE[i % len(CYCLE)], label=plain(name))[0]
        for i, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False, labelcolor=INK)
    return png(figure)
