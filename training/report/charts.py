"""What a model says against what is true, as pictures."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from training.report.classification import ClassScores, Reliability
from training.report.palette import BLUE, HEATMAP, INK, SOFT, VERMILLION, dress, plain, say

_NUMBERS_UP_TO = 26
_NAMES_UP_TO = 32
_DOTS = 2000


def draw_confusion(axes: Axes, matrix: np.ndarray, names: Sequence[str], *, of: str = "") -> None:
    """Draw a confusion matrix: shades are shares of the true class, numbers are counts."""
    classes = len(names)
    dress(axes, "confusion matrix" + of, x="said", y="true")
    axes.grid(visible=False)
    whole = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, whole, out=np.zeros(matrix.shape), where=whole > 0)
    axes.imshow(shares, cmap=HEATMAP, vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    if classes <= _NUMBERS_UP_TO:
        size = float(np.clip(90 / classes, 4.2, 10))
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if shares[row, column] > 0.55 else INK
            number = _count(int(matrix[row, column]))
            axes.text(column, row, number, ha="center", va="center", fontsize=size, color=colour)
    if classes <= _NAMES_UP_TO:
        short = [plain(_short(name)) for name in names]
        size = float(np.clip(110 / classes, 5, 8.5))
        steep = max(map(len, short)) * classes > 40
        axes.set_xticks(range(classes), short, fontsize=size, rotation=90 if steep else 0)
        axes.set_yticks(range(classes), short, fontsize=size)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.set_xlabel("number of the class said", fontsize=8.5, color=SOFT)
        axes.set_ylabel("number of the true class", fontsize=8.5, color=SOFT)


def draw_reliability(axes: Axes, found: Reliability, *, x: str = "confidence", y: str = "share that is right") -> None:
    """Draw a reliability diagram; on the diagonal, confidence is right. Dots grow with the entries in them."""
    dress(axes, "reliability", x=x, y=y)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    if not len(found.count):
        say(axes, "no entries")
        return
    size = 18 + 160 * found.count / found.count.max()
    axes.plot(found.confidence, found.accuracy, color=BLUE, linewidth=1.2)
    axes.scatter(found.confidence, found.accuracy, s=size, color=BLUE, edgecolors="white", zorder=3)
    axes.text(
        0.03, 0.95, f"calibration error {found.error:.3f}", transform=axes.transAxes, fontsize=8, color=INK, va="top"
    )
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_aspect("equal", adjustable="box")


def draw_scores(axes: Axes, scores: Sequence[ClassScores], *, of: str = "") -> None:
    """Draw the F1 of every class or label, in order."""
    dress(axes, "F1" + of, y="F1")
    values = [score.f1 for score in scores]
    axes.bar(range(len(values)), np.nan_to_num(values), color=BLUE)
    axes.set_ylim(0, 1)
    if len(scores) <= _NAMES_UP_TO:
        short = [plain(_short(score.name)) for score in scores]
        steep = max(map(len, short)) * len(short) > 40
        axes.set_xticks(range(len(short)), short, fontsize=7.5, rotation=90 if steep else 0)


def draw_predicted(axes: Axes, true: np.ndarray, said: np.ndarray, *, of: str = "") -> None:
    """Draw values said against true ones; on the diagonal they are equal."""
    dress(axes, "predicted and true" + of, x="true", y="predicted")
    true, said = _thinned(true, said)
    if not len(true):
        say(axes, "no finite value")
        return
    low, high = float(min(true.min(), said.min())), float(max(true.max(), said.max()))
    axes.plot([low, high], [low, high], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.scatter(true, said, s=10, color=BLUE, alpha=_alpha(len(true)), edgecolors="none")


def draw_residuals(axes: Axes, true: np.ndarray, said: np.ndarray) -> None:
    """Draw what was said too much, over what was said."""
    dress(axes, "residuals", x="predicted", y="predicted - true")
    true, said = _thinned(true, said)
    if not len(true):
        say(axes, "no finite value")
        return
    axes.axhline(0, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.scatter(said, said - true, s=10, color=VERMILLION, alpha=_alpha(len(true)), edgecolors="none")


def draw_residual_histogram(axes: Axes, true: np.ndarray, said: np.ndarray) -> None:
    """Draw how residuals are spread, with their mean."""
    dress(axes, "spread of residuals", x="predicted - true", y="entries")
    rest = said - true
    rest = rest[np.isfinite(rest)]
    if not len(rest):
        say(axes, "no finite value")
        return
    axes.hist(rest, bins=min(40, max(5, int(np.sqrt(len(rest))))), color=BLUE)
    axes.axvline(float(rest.mean()), color=VERMILLION, linewidth=1.3, label=f"mean {rest.mean():.3g}")
    axes.legend(fontsize=7.5, edgecolor="none", labelcolor=INK)


def draw_by_position(axes: Axes, steps: np.ndarray, losses: np.ndarray, *, of: str = "") -> None:
    """Draw the mean loss of every position of a sequence."""
    dress(axes, "loss by position" + of, x="position", y="mean loss (nats)")
    count = np.bincount(steps)
    mean = np.bincount(steps, losses) / np.maximum(count, 1)
    places = np.nonzero(count)[0]
    if not len(places):
        say(axes, "no entries")
        return
    axes.plot(places, mean[places], color=BLUE, linewidth=1.4, marker="o" if len(places) <= 40 else "", markersize=3)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _thinned(true: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs that are finite, at most so many of them, evenly taken."""
    finite = np.isfinite(true) & np.isfinite(said)
    true, said = true[finite], said[finite]
    every = -(-len(true) // _DOTS) or 1
    return true[::every], said[::every]


def _alpha(dots: int) -> float:
    return float(np.clip(250 / max(dots, 1), 0.25, 0.8))


def _count(number: int) -> str:
    return str(number) if number < 10_000 else f"{number / 1000:.0f}k"


def _short(name: str) -> str:
    return name if len(name) <= 14 else name[:12] + "..."
