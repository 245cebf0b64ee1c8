"""What changed from epoch to epoch, as curves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from training.report.palette import COLOUR_OF_SPLIT, CYCLE, GREEN, INK, SOFT, dress, plain, say

History = Sequence[Mapping[str, Any]]
"""As in `Run.history`."""

_MOST_LAYERS = 6
_DOTS_UP_TO = 40


def metrics_of(history: History) -> list[str]:
    """Return the names of everything measured, in order."""
    names: dict[str, None] = {}
    for record in history:
        for measured in record.get("metrics", {}).values():
            names.update(dict.fromkeys(measured))
    return list(names)


def draw_metric(axes: Axes, history: History, metric: str, best_epoch: int | None) -> None:
    """Draw a metric of training and validation over epochs, with the best epoch marked."""
    dress(axes, metric.replace("_", " "), x="epoch")
    drawn: list[float] = []
    for split in ("train", "validation"):
        values = [float(record["metrics"].get(split, {}).get(metric, math.nan)) for record in history]
        finite = [value for value in values if math.isfinite(value)]
        if finite:
            _line(axes, history, values, COLOUR_OF_SPLIT[split], split)
            drawn += finite
    _mark_missing(axes, history, metric)
    if not drawn:
        say(axes, "no finite value")
        return
    if metric.rpartition("_")[2] == "loss" and min(drawn) > 0 and max(drawn) > 50 * min(drawn):
        _logarithmic(axes)
    _mark_best(axes, history, metric, best_epoch)
    _epochs(axes, history)
    _legend(axes)


def draw_rate(axes: Axes, history: History) -> None:
    """Draw the learning rate over epochs."""
    dress(axes, "learning rate", x="epoch")
    rates = [float(record["learning_rate"]) for record in history]
    _line(axes, history, rates, GREEN, "")
    positive = [rate for rate in rates if rate > 0]
    if positive and max(positive) > 100 * min(positive):
        _logarithmic(axes)
    else:
        axes.set_ylim(0, max(rates, default=1.0) * 1.1 or 1.0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    _epochs(axes, history)


def draw_gradients(axes: Axes, history: History) -> None:
    """Draw the norm of the gradient over epochs: the whole, and that of some layers from first to last."""
    dress(axes, "gradient norm", x="epoch")
    known = [record for record in history if record.get("diagnosis")]
    series = {"all layers": [_number(record["diagnosis"].get("gradient")) for record in known]}
    for layer in _some_layers(known):
        series[layer] = [_number(record["diagnosis"]["layers"].get(layer, {}).get("gradient")) for record in known]
    series = {name: values for name, values in series.items() if any(math.isfinite(v) and v > 0 for v in values)}
    if not series:
        say(axes, "not measured" if not known else "no finite value")
        return
    for number, (name, values) in enumerate(series.items()):
        whole = name == "all layers"
        shown = [value if value > 0 else math.nan for value in values]
        _line(axes, known, shown, INK if whole else CYCLE[(number - 1) % len(CYCLE)], _short(name), thin=not whole)
    _logarithmic(axes)
    _epochs(axes, history)
    _legend(axes, beside=True)


def draw_time(axes: Axes, history: History) -> None:
    """Draw where the time of every epoch went."""
    dress(axes, "seconds per epoch (the first compiles)", x="epoch")
    epochs = [record["epoch"] for record in history]
    bottom = [0.0] * len(history)
    parts = list(dict.fromkeys(part for record in history for part in record.get("timing") or {}))
    for number, part in enumerate(parts):
        seconds = [_number((record.get("timing") or {}).get(part, 0.0)) for record in history]
        axes.bar(epochs, seconds, bottom=bottom, color=CYCLE[number % len(CYCLE)], width=0.8, label=part)
        bottom = [a + b for a, b in zip(bottom, seconds, strict=True)]
    if parts:
        _legend(axes)
    else:
        say(axes, "not measured")
    _epochs(axes, history)


def _line(axes: Axes, history: History, values: Sequence[float], colour: str, name: str, *, thin: bool = False) -> None:
    dots = "o" if len(history) <= _DOTS_UP_TO else ""
    epochs = [record["epoch"] for record in history]
    axes.plot(
        epochs, values, color=colour, label=plain(name), linewidth=1.0 if thin else 1.7, marker=dots,
        markersize=2.2 if thin else 3.2,
    )  # fmt: skip


def _logarithmic(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers that do not crowd."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 10 * low:  # so little that no power of ten may be in it
        axes.set_yscale("linear")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _mark_best(axes: Axes, history: History, metric: str, best_epoch: int | None) -> None:
    best = next((record for record in history if record["epoch"] == best_epoch), None)
    if best is None:
        return
    axes.axvline(best["epoch"], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    value = float(best["metrics"].get("validation", {}).get(metric, math.nan))
    if math.isfinite(value):
        colour = COLOUR_OF_SPLIT["validation"]
        axes.plot([best["epoch"]], [value], "*", color=colour, markersize=11, markeredgecolor="white", zorder=5)
        axes.plot(
            [], [], "*", color=colour, markersize=8, label=f"best: epoch {best['epoch']}, {value:.4g}", linestyle=""
        )


def _mark_missing(axes: Axes, history: History, metric: str) -> None:
    """Show epochs whose value is no number as crosses on the floor."""
    bad = [
        record["epoch"]
        for record in history
        if any(not math.isfinite(float(m[metric])) for m in record["metrics"].values() if metric in m)
    ]
    if bad:
        axes.plot(
            bad, [0.02] * len(bad), "x", color=INK, markersize=5, transform=axes.get_xaxis_transform(),
            label="not a number", linestyle="", clip_on=False,
        )  # fmt: skip


def _epochs(axes: Axes, history: History) -> None:
    epochs = [record["epoch"] for record in history]
    if epochs:
        margin = max(0.5, 0.02 * (epochs[-1] - epochs[0]))
        axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _legend(axes: Axes, *, beside: bool = False) -> None:
    where: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if beside else {"loc": "best"}
    axes.legend(fontsize=7.5, frameon=True, framealpha=0.85, edgecolor="none", labelcolor=INK, **where)


def _some_layers(history: History) -> list[str]:
    """Return the layers that have a kernel, spread from the first to the last where they are many."""
    kernels = history[-1]["diagnosis"]["kernels"] if history else {}
    layers = list(dict.fromkeys(path.rpartition("/")[0] for path in kernels))
    if len(layers) <= _MOST_LAYERS:
        return layers
    return [layers[round(i * (len(layers) - 1) / (_MOST_LAYERS - 1))] for i in range(_MOST_LAYERS)]


def _short(name: str) -> str:
    return name if len(name) <= 26 else "..." + name[-23:]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
