"""Rows of the data as a person can look at them: pictures, text, numbers, waves."""

from collections.abc import Sequence

import numpy as np

from training.report.markup import Markup, join, table, tag
from training.report.palette import BLUE, CYCLE, FAINT, INK, data_address, new_figure, plain, png

_COLUMNS = 6
_CHANNELS = (1, 3, 4)
_LONGEST_TEXT = 400
_MOST_NUMBERS = 16
_WAVE_FROM = 128


def show_rows(rows: np.ndarray, captions: Sequence[str]) -> Markup:
    """Return rows as HTML, each with its caption.

    Args:
        rows: of the model's main input: (rows, height, width, channels), (rows, height, width), text, (rows, steps),
            (rows, steps, values) or (rows, values).
        captions: a line for each.
    """
    match kind_of(rows):
        case "text":
            return table(
                ["", "text"],
                [[caption, _text(row)] for row, caption in zip(rows, captions, strict=True)],
                numbers_from=9,
            )
        case "numbers":
            width = rows.shape[1]
            head = ["", *(f"[{i}]" for i in range(min(width, _MOST_NUMBERS)))] + ["..."] * (width > _MOST_NUMBERS)
            body = [[c, *map(_number, row[:_MOST_NUMBERS])] + ["..."] * (width > _MOST_NUMBERS) for row, c in
                    zip(rows, captions, strict=True)]  # fmt: skip
            return tag("div", table(head, body), class_="wide")
        case kind:
            drawn = _pictures(rows, captions) if kind == "pictures" else _waves(rows, captions)
            return tag("img", src=data_address(drawn), alt=join("; ".join(captions)))


def kind_of(rows: np.ndarray) -> str:
    """Tell how rows are best shown: `text`, `pictures`, `waves` or `numbers`."""
    if rows.dtype.kind in "OSU":
        return "text"
    if rows.ndim == 4 and rows.shape[-1] in _CHANNELS:
        return "pictures"
    if rows.ndim == 3 and rows.dtype == np.uint8:
        return "pictures"
    if rows.ndim > 2 or rows.shape[1:] >= (_WAVE_FROM,):
        return "waves"
    return "numbers"


def _pictures(rows: np.ndarray, captions: Sequence[str]) -> bytes:
    columns = min(_COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    figure = new_figure(1.5 * columns, 1.85 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, row, caption in zip(grid, rows, captions, strict=False):
        axes.imshow(_visible(row), cmap="gray", interpolation="nearest", vmin=0, vmax=1)
        axes.set_title(plain(_broken(caption)), fontsize=7.5, color=INK)
    return png(figure)


def _visible(row: np.ndarray) -> np.ndarray:
    """Return a picture with values of 0 to 1, grey or in colours."""
    row = row.astype(float)
    low, high = float(np.nanmin(row)), float(np.nanmax(row))
    if low >= 0 and high <= 255:
        row = row / (255 if high > 1 else 1)
    elif high > low:
        row = (row - low) / (high - low)
    return np.clip(np.nan_to_num(row[..., 0] if row.shape[-1] == 1 and row.ndim == 3 else row), 0, 1)


def _waves(rows: np.ndarray, captions: Sequence[str]) -> bytes:
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    figure = new_figure(3.1 * columns, 1.5 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, row, caption in zip(grid, rows, captions, strict=False):
        series = row.reshape(len(row), -1)[:, : len(CYCLE)]
        for number in range(series.shape[1]):
            axes.plot(series[:, number], color=CYCLE[number] if series.shape[1] > 1 else BLUE, linewidth=0.7)
        axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
        axes.set_title(plain(caption), fontsize=7.5, color=INK, loc="left")
    return png(figure)


def _text(row: object) -> str:
    if isinstance(row, np.ndarray):
        row = " | ".join(_text(part) for part in row.ravel())
    text = row.decode("utf-8", "replace") if isinstance(row, bytes) else str(row)
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."


def _number(value: float) -> str:
    return f"{value:.4g}"


def _broken(caption: str) -> str:
    return "\n".join(part if len(part) <= 18 else part[:16] + "..." for part in caption.split(", "))
