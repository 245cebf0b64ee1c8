"""The picture of results: requests a second as ratios, a panel for each model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.serving_speed.report import SECTIONS, Section, per_second
from benchmarks.serving_speed.results import Results, Spread
from benchmarks.serving_speed.servers import INFER_BASES, LIMIT, NAIVE, OURS
from benchmarks.serving_speed.workload import Workload

_PANEL = (4.4, 3.4)  # inches
_GREY = "#666666"
_COLORS = [color for color in mpl.color_sequences["tab10"] if color[0] != color[1]]  # but for its grey
_MARKERS = "osD^vPX*"


@dataclass(frozen=True)
class _Style:
    color: Any
    marker: str
    width: float = 1.3
    dashes: str = "-"


def draw(results: Results, path: Path) -> None:
    """Write the picture: closed loops of one row a call, by Predict and by the Open Inference Protocol."""
    panels = _panels(results)
    if not panels:
        return
    columns = min(3, len(panels) + 1)
    rows = -(-(len(panels) + 1) // columns)
    size = (_PANEL[0] * columns, _PANEL[1] * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    places = list(axes.flat)
    styles = _styles(results.servers())
    shown: dict[str, Any] = {}
    for place, (section, workloads) in zip(places, panels, strict=False):
        shown |= _panel(place, results, section, workloads, styles)
    for place in places[len(panels) :]:
        place.axis("off")
    in_order = [name for name in results.servers() if name in shown]
    places[len(panels)].legend(
        [shown[name] for name in in_order],
        in_order,
        loc="center left",
        frameon=False,
        title="median, lowest to highest",
    )
    said = ", ".join(results.facts[fact] for fact in ("processor", "date", "commit"))
    figure.suptitle("Requests per second over gRPC, as ratios (up is faster)", fontsize=13)
    figure.supxlabel(f"calls in flight, one row each   ·   {said}", fontsize=9, color=_GREY)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _styles(names: Sequence[str]) -> dict[str, _Style]:
    """Return ours in bold, the limit dashed, every one in a colour of its own."""
    found = {}
    for number, name in enumerate(names):
        color, marker = _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]
        found[name] = _Style(color, marker)
        if name.startswith(OURS):
            found[name] = _Style(color, marker, width=2.6)
        elif name in {NAIVE, INFER_BASES[0]}:
            found[name] = _Style("black", marker)
        elif name == LIMIT:
            found[name] = _Style(_GREY, marker, dashes=":")
    return found


def _panels(results: Results) -> list[tuple[Section, Sequence[Workload]]]:
    found: list[tuple[Section, Sequence[Workload]]] = []
    for section in (SECTIONS[0], SECTIONS[3]):
        workloads = [each for each in results.workloads() if section.holds(each)]
        if section.bases[0] not in results.servers():
            continue
        models = dict.fromkeys(each.model for each in workloads)
        found += [(section, [each for each in workloads if each.model == model]) for model in models]
    return found


def _panel(
    place: Any, results: Results, section: Section, workloads: Sequence[Workload], styles: dict[str, _Style]
) -> dict[str, Any]:
    shown = {}
    base = section.bases[0]

    def ratio(name: str, workload: Workload) -> Spread | None:
        return results.ratio(name, base, workload, per_second)

    names = [name for name in results.servers() if any(ratio(name, each) for each in workloads)]
    for number, name in enumerate(names):
        offset = 0.05 * (number - (len(names) - 1) / 2)  # so that bars do not hide each other
        points = [(at + offset, ratio(name, each)) for at, each in enumerate(workloads)]
        shown[name] = _line(place, [(at, spread) for at, spread in points if spread and spread.low > 0], styles[name])
    protocol = "" if section is SECTIONS[0] else "Open Inference Protocol, "
    place.set_title(f"{protocol}{workloads[0].title}", fontsize=10)
    place.set_xticks(range(len(workloads)), [each.load for each in workloads])
    place.set_xlim(-0.4, len(workloads) - 0.6)
    place.set_yscale("log")
    low, high = place.get_ylim()
    place.set_ylim(min(low, 0.6) / 1.1, max(high, 2) * 1.1)
    place.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    place.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    place.yaxis.set_minor_formatter(NullFormatter())
    place.tick_params(axis="y", which="minor", length=0)
    place.set_ylabel(f"{base} = 1x", fontsize=9)
    place.grid(axis="y", which="major", color="#dddddd", linewidth=0.6)
    place.spines[["top", "right"]].set_visible(False)
    return shown


def _line(place: Any, points: Sequence[tuple[float, Spread]], style: _Style) -> Any:
    middle = [spread.median for _, spread in points]
    below = [spread.median - spread.low for _, spread in points]
    above = [spread.high - spread.median for _, spread in points]
    return place.errorbar(
        [at for at, _ in points],
        middle,
        yerr=[below, above],
        color=style.color,
        marker=style.marker,
        markersize=5,
        linestyle=style.dashes,
        linewidth=style.width,
        elinewidth=1,
        capsize=2,
    )
