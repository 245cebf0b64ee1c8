"""The one picture of a run."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from training.report.curves import draw_gradients, draw_metric, draw_rate, draw_time, metrics_of
from training.report.palette import FONT, INK, SOFT, new_figure, plain, png
from training.report.sections import Draw
from training.run import Run

_PANELS = 6


def overview(run: Run, drawings: Sequence[Draw] = ()) -> bytes:
    """Return the picture of a run as PNG: curves, learning rate, gradients, and what is given of its heads.

    Args:
        run: with or without epochs.
        drawings: one per head; at most two are shown.
    """
    figure = new_figure(12.5, 7.6)
    top, bottom = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=(1, 9)))).tolist()
    top.text(
        0.012, 0.62, plain(run.config.name), fontsize=17, fontweight="bold", color=INK, fontfamily=FONT, va="center"
    )
    top.text(0.012, 0.05, plain(headline(run)), fontsize=9.5, color=SOFT, fontfamily=FONT, va="center")
    metrics = [m for m in metrics_of(run.history) if m == "loss"] or ["loss"]
    metrics += [m for m in _most_telling(run) if m not in metrics][: _PANELS - 3 - len(drawings[:2])]
    draws: list[Draw] = [
        partial(draw_metric, history=run.history, metric=m, best_epoch=run.best_epoch) for m in metrics
    ]
    draws += drawings[:2]
    draws += [partial(draw, history=run.history) for draw in (draw_rate, draw_gradients, draw_time)]
    grid = bottom.subplots(2, 3, squeeze=False).ravel()
    for axes, draw in zip(grid, draws, strict=False):
        draw(axes)
    for axes in grid[len(draws) :]:
        axes.set_axis_off()
    return png(figure)


def headline(run: Run) -> str:
    """Return what became of a run, in a line."""
    parts = [run.status, f"{len(run.history)} of {run.config.train.epochs} epochs"]
    if run.best_epoch is not None:
        parts.append(f"best epoch {run.best_epoch}")
    for split in ("validation", "test"):
        measured = list(run.metrics.get(split, {}).items())[:3]
        parts += [f"{split} " + " ".join(f"{name} {_shown(value)}" for name, value in measured)] if measured else []
    if run.seconds is not None:
        parts.append(f"{run.seconds:.1f} s")
    return "   \N{MIDDLE DOT}   ".join(parts)


def _most_telling(run: Run) -> list[str]:
    """Return metrics, the monitored one first, then others in order, the losses of single heads last."""
    names = metrics_of(run.history)
    return sorted(names, key=lambda name: (name != run.config.train.monitor, name.endswith("loss")))


def _shown(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) and abs(value) < 1e4 else f"{value:.4g}"
