"""The picture of results: requests a second as ratios, a panel for each model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.serving_speed.report import SECTIONS, Section
from benchmarks.serving_speed.results import Results, Spread
from benchmarks.serving_speed.workload import Workload

_PANEL = (4.4, 3.4)  # inches
_GREY = "#666666"
_COLORS = mpl.color_sequences["tab10"]
_MARKERS = "osD^vPX*"


def draw(results: Results, path: Path) -> None:
    """Write the picture: closed loops of one row a call, by Predict and by the Open Inference Protocol."""
    panels = _panels(results)
    if not panels:
        return
    styles = {
        name: (_COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)]) for i, name in enumerate(results.servers())
    }
    columns = min(3, len(panels))
    rows = -(-(len(panels) + (len(panels) % columns == 0)) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(_PANEL[0] * columns, _PANEL[1] * rows), squeeze=False, layout="constrained"
    )
    places = list(axes.flat)
    shown: dict[str, Any] = {}
    for place, (section, model) in zip(places, panels, strict=False):
        shown |= _panel(place, results, section, model, styles)
    for place in places[len(panels) :]:
        place.axis("off")
    places[len(panels)].legend(
        shown.values(),
        shown.keys(),
        loc="center left",
        frameon=False,
        fontsize=10,
        title="median; bar: lowest to highest",
    )
    said = ", ".join(results.facts[fact] for fact in ("processor", "date", "commit"))
    figure.suptitle("Requests per second over gRPC, as ratios to a baseline (1x)", fontsize=13)
    figure.supxlabel(f"calls in flight, one row each   ·   {said}", fontsize=9, color=_GREY)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panels(results: Results) -> list[tuple[Section, Sequence[Workload]]]:
    found: list[tuple[Section, Sequence[Workload]]] = []
    for section in (SECTIONS[0], SECTIONS[3]):
        workloads = [each for each in results.workloads() if section.holds(each)]
        if section.base not in results.servers():
            continue
        models = dict.fromkeys(each.model for each in workloads)
        found += [(section, [each for each in workloads if each.model == model]) for model in models]
    return found


def _panel(
    place: Any, results: Results, section: Section, workloads: Sequence[Workload], styles: dict[str, tuple[Any, str]]
) -> dict[str, Any]:
    shown = {}
    names = [name for name in results.servers() if any(results.ratio(name, section.base, each) for each in workloads)]
    for number, name in enumerate(names):
        points = [(at, results.ratio(name, section.base, each)) for at, each in enumerate(workloads)]
        color, marker = styles[name]
        offset = 0.07 * (number - (len(names) - 1) / 2)  # so that bars do not hide each other
        shown[name] = _line(place, [(at + offset, spread) for at, spread in points if spread], color, marker)
    protocol = "" if section is SECTIONS[0] else "Open Inference Protocol, "
    place.set_title(f"{protocol}{workloads[0].title}", fontsize=10)
    place.set_xticks(range(len(workloads)), [each.load for each in workloads])
    place.set_yscale("log")
    place.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    place.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    place.yaxis.set_minor_formatter(NullFormatter())
    low, high = place.get_ylim()
    place.set_ylim(min(low, 0.45), max(high, 2.2))
    place.set_ylabel(f"{section.base} = 1", fontsize=9)
    place.grid(axis="y", which="major", color="#dddddd", linewidth=0.6)
    place.spines[["top", "right"]].set_visible(False)
    return shown


def _line(place: Any, points: Sequence[tuple[float, Spread]], color: Any, marker: str) -> Any:
    middle = [spread.median for _, spread in points]
    below = [spread.median - spread.low for _, spread in points]
    above = [spread.high - spread.median for _, spread in points]
    return place.errorbar(
        [at for at, _ in points],
        middle,
        yerr=[below, above],
        color=color,
        marker=marker,
        markersize=5,
        linewidth=1.4,
        elinewidth=1,
        capsize=2,
    )
