"""The report as one HTML file that needs nothing else: light, printable, without scripts."""

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.durations import in_words
from training.report.curves import draw_gradients, draw_metric, draw_rate, draw_time, metrics_of
from training.report.markup import Markup, join, table, tag
from training.report.overview import headline
from training.report.palette import data_address, new_figure, png
from training.run import Run

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1f2933; background: #fff;
  max-width: 1120px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 28px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 38px 0 10px; padding-bottom: 5px; border-bottom: 2px solid #d9dee5; }
h3 { font-size: 16px; margin: 24px 0 8px; } h4 { font-size: 14px; margin: 20px 0 6px; color: #55606e; }
.sub, .note { color: #55606e; } .note { font-size: 13.5px; margin: 4px 0 8px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 6px; }
.tile { border: 1px solid #d9dee5; border-radius: 8px; padding: 9px 16px; min-width: 96px; }
.tile b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.tile span { color: #55606e; font-size: 12.5px; }
.warn { border-left: 4px solid #D55E00; background: #fdf3ec; padding: 8px 14px; margin: 8px 0; border-radius: 0 6px 6px 0; }
.row { display: flex; flex-wrap: wrap; gap: 18px 28px; align-items: flex-start; }
.wide { overflow-x: auto; } img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; margin: 4px 0 10px; }
th { color: #55606e; font-weight: 600; text-align: left; }
th, td { padding: 3px 14px 3px 0; border-bottom: 1px solid #eceff3;
  vertical-align: top; overflow-wrap: anywhere; } .n { text-align: right; }
.totals tbody tr:last-child td { font-weight: 600; }
pre { background: #f6f8fa; border-radius: 8px; padding: 14px 16px; font-size: 12.5px; line-height: 1.45;
  white-space: pre-wrap; overflow-wrap: anywhere; }
footer { margin-top: 44px; color: #55606e; font-size: 12.5px; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2, h3, h4 { break-after: avoid; }
  img, .warn, .tile, tr { break-inside: avoid; } }
"""
_SPLITS = ("train", "validation", "test")


def page(
    run: Run,
    *,
    facts: Mapping[str, Any],
    heads: Sequence[tuple[str, Mapping[str, Markup]]],
    notes: Sequence[str] = (),
) -> str:
    """Return the report of a run as HTML.

    Args:
        run: what is reported.
        facts: of `training.facts`.
        heads: name and, by split, the section of every head.
        notes: what could not be shown, and why.
    """
    name = run.config.name
    body = join(
        tag("h1", name),
        tag("div", f"{_when(run)}{headline(run)}", class_="sub"),
        _tiles(run),
        _warnings([*run.warnings, *notes]),
        tag("h2", "Learning"),
        _curves(run),
        _measured(run),
        *(_head(head, sections, several=len(heads) > 1) for head, sections in heads),
        _layers(run),
        tag("h2", "Data"),
        _data(facts.get("data", {})),
        tag("h2", "Environment"),
        _pairs(
            {**facts.get("environment", {}), "folder": str(run.folder), "command": " ".join(facts.get("command", ()))}
        ),
        tag("h2", "Config"),
        tag("pre", run.config.to_yaml()),
        tag("footer", "Written by keras-zoo. `zoo report` with the run's folder makes it again."),
    )
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{name}: report of a run"),
        tag("style", Markup(_STYLE)),
    )
    return f'<!doctype html>\n<html lang="en">{tag("head", head)}{tag("body", body)}</html>\n'


def _when(run: Run) -> str:
    try:
        started = datetime.datetime.strptime(run.folder.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return ""
    return f"{started:%d %B %Y, %H:%M} UTC   \N{MIDDLE DOT}   "


def _tiles(run: Run) -> Markup:
    tiles = [
        (f"{split} {name.replace('_', ' ')}", _shown(run.metrics[split][name]))
        for split in ("test", "validation")
        for name in list(run.metrics.get(split, {}))[:3]
    ]
    if run.best_epoch is not None:
        tiles.append(("best epoch", f"{run.best_epoch} of {len(run.history)}"))
    if run.seconds is not None:
        tiles.append(("wall time", in_words(run.seconds)))
    return tag(
        "div", *(tag("div", tag("b", value), tag("span", name), class_="tile") for name, value in tiles), class_="tiles"
    )


def _warnings(texts: Sequence[str]) -> Markup:
    return join(*(tag("div", text, class_="warn") for text in dict.fromkeys(texts)))


def _curves(run: Run) -> Markup:
    if not run.history:
        return tag("p", "No epoch was finished.", class_="note")
    metrics = metrics_of(run.history)
    columns, count = 3, len(metrics) + 3
    lines = -(-count // columns)
    figure = new_figure(11.2, 2.95 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, metric in zip(grid, metrics, strict=False):
        draw_metric(axes, run.history, metric, run.best_epoch)
    draw_rate(grid[len(metrics)], run.history)
    draw_gradients(grid[len(metrics) + 1], run.history)
    draw_time(grid[len(metrics) + 2], run.history)
    for axes in grid[count:]:
        axes.set_axis_off()
    words = (
        "Training is measured while the weights change, validation after each epoch; the dashed line is the best epoch "
        f"by validation {run.config.train.monitor}. Gradients are those of a sample of the validation rows."
    )
    return join(tag("p", words, class_="note"), tag("img", src=data_address(png(figure)), alt="learning curves"))


def _measured(run: Run) -> Markup:
    splits = [split for split in _SPLITS if split in run.metrics]
    if not splits:
        return Markup("")
    names = list(dict.fromkeys(name for split in splits for name in run.metrics[split]))
    rows = [[name, *(_shown(run.metrics[split].get(name, math.nan)) for split in splits)] for name in names]
    return join(tag("h4", "With the best weights"), table(["", *splits], rows))


def _head(head: str, sections: Mapping[str, Markup], *, several: bool) -> Markup:
    title = f"Head {head}" if several else "Predictions"
    parts = [
        join(
            tag("h3", f"{split.capitalize()} split") if len(sections) > 1 else tag("h3", f"On the {split} split"),
            section,
        )
        for split, section in sections.items()
    ]
    return join(tag("h2", title), *parts)


def _layers(run: Run) -> Markup:
    diagnosis = next((record["diagnosis"] for record in reversed(run.history) if record.get("diagnosis")), None)
    if not diagnosis:
        return Markup("")
    rows = [
        [name, *(_maybe(layer.get(key)) for key in ("gradient", "weight", "change")), _percent(layer.get("dead"))]
        for name, layer in diagnosis["layers"].items()
    ]
    words = (
        f"After the last diagnosis, on {diagnosis['rows']} validation rows. Change is that of the weights since the "
        "diagnosis before, in parts of their norm; dead are units that are 0 for each of the rows."
    )
    head = ["layer", "gradient norm", "weight norm", "change", "dead units"]
    return join(tag("h2", "Layers"), tag("p", words, class_="note"), table(head, rows))


def _data(data: Mapping[str, Any]) -> Markup:
    if not data:
        return tag("p", "Not known.", class_="note")
    shown: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            shown[key] = ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
        elif value:
            shown[key] = _plain(value)
    return _pairs(shown)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _pairs(facts: Mapping[str, Any]) -> Markup:
    return table([], [[key.replace("_", " "), str(value)] for key, value in facts.items() if value], numbers_from=2)


def _shown(value: float) -> str:
    return "not a number" if not math.isfinite(value) else f"{value:.4f}" if abs(value) < 1e4 else f"{value:.4g}"


def _maybe(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
