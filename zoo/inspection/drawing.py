"""A model as a picture for a slide."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import keras

from zoo.building import build
from zoo.config import ModelConfig
from zoo.errors import ConfigError
from zoo.inspection.blocks import Block, Network
from zoo.inspection.layer_table import Summary, summarize
from zoo.inspection.layout import Arrow, Frame, Place
from zoo.inspection.layouter import CAPTION, CIRCLE, lay_out
from zoo.inspection.network import network_of
from zoo.inspection.words import Role, shape_in_words

SUFFIXES = (".svg", ".png")
PIXELS_PER_INCH = 200
POINTS = 72.0

_COLOURS: Mapping[Role, tuple[str, str]] = {
    Role.INPUT: ("#ffffff", "#5f6b7a"),
    Role.PREPROCESSING: ("#f3efe8", "#8c7a5b"),
    Role.EMBEDDING: ("#dcf1ef", "#2a8a85"),
    Role.CONVOLUTION: ("#dfeaf8", "#3a6db3"),
    Role.DENSE: ("#e3f1e2", "#3f8a4b"),
    Role.RECURRENT: ("#fcebd6", "#c27321"),
    Role.ATTENTION: ("#eae3f5", "#7550b0"),
    Role.SHAPE: ("#f0f1f3", "#66707d"),
    Role.AFTER: ("#f0f1f3", "#66707d"),
    Role.MERGE: ("#ffffff", "#3c4653"),
    Role.OTHER: ("#f0f1f3", "#5f6b7a"),
    Role.OUTPUT: ("#fbe3e1", "#b3453c"),
}
"""Fill and edge."""
_TIMES = "\N{MULTIPLICATION SIGN}"
_SIGNS = {
    "add": "+",
    "subtract": "\N{MINUS SIGN}",
    "multiply": _TIMES,
    "concatenate": "\N{DOUBLE VERTICAL LINE}",
    "maximum": "max",
}
_INK, _SOFT, _FAINT = "#1f2933", "#55606e", "#7b8794"
_TITLE, _DETAIL, _SMALL, _HEADING = 10.5, 8.0, 7.5, 15.0
_PADDING = 9.0
_MARGIN = 24.0
_HEADER = 52.0
_FONT = "DejaVu Sans"  # comes with matplotlib, so a picture is the same on every machine


def draw(model: keras.Model | ModelConfig, path: str | Path, *, title: str | None = None) -> Path:
    """Draw a model into a file.

    Layers that belong together are one block, what is repeated is drawn once, and the same model gives the same bytes.

    Example:
        >>> import tempfile
        >>> import zoo
        >>> from zoo.inspection import draw
        >>> model = zoo.build("cnn_tiny", input_shape=(28, 28, 1), head={"kind": "softmax", "units": 10})
        >>> draw(model, tempfile.mkdtemp() + "/cnn_tiny.svg").name
        'cnn_tiny.svg'

    Args:
        model: a functional model, or the config of one.
        path: an `.svg` file, in which text stays text, or a `.png` file.
        title: what to write above it; the name of the model where not given.

    Raises:
        ConfigError: the file is of another kind, or the model has no graph of layers.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"expected a file that ends in {' or '.join(SUFFIXES)}, got {str(path)!r}")
    if isinstance(model, ModelConfig):
        model = build(model)
    summary, network = summarize(model), network_of(model)
    picture = _Picture(network)
    picture.paint(title or model.name, _totals(summary))
    picture.save(path)
    return path


def _totals(summary: Summary) -> str:
    words = [f"{summary.parameters:,} parameters"]
    if not summary.not_counted:
        words.append(f"{_short(summary.multiply_adds)} multiply-adds per example")
    return " · ".join(words)


def _short(number: int) -> str:
    for unit, factor in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return str(number)


class _Picture:
    """A drawing of a network, with matplotlib, in points from its upper left corner."""

    def __init__(self, network: Network) -> None:
        labels = _labels(network.blocks)
        self.blocks = _ending(network.blocks)
        widths = [_width(block) for block in self.blocks]
        whole = Network(self.blocks, network.repeats)
        self.layout = lay_out(whole, widths, labels, lambda text: _text_width(text, _SMALL))

    def paint(self, title: str, totals: str) -> None:
        """Put everything on a figure."""
        from matplotlib.figure import Figure

        heading = max(_text_width(title, _HEADING, bold=True), _text_width(totals, 9.5))
        width = max(self.layout.width, heading) + 2 * _MARGIN + 18
        height = self.layout.height + _HEADER + 2 * _MARGIN
        self.figure = Figure(figsize=(width / POINTS, height / POINTS))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(-_MARGIN, width - _MARGIN)
        self.axes.set_ylim(height - _HEADER - _MARGIN, -_HEADER - _MARGIN)
        self.axes.axis("off")
        self._text(0, -_HEADER, title, _HEADING, bold=True, align="left")
        self._text(0, -_HEADER + 19, totals, 9.5, colour=_SOFT, align="left")
        for frame in self.layout.frames:
            self._frame(frame)
        for arrow in self.layout.arrows:
            self._arrow(arrow)
        for block, place in zip(self.blocks, self.layout.places, strict=True):
            self._block(block, place)

    def save(self, path: Path) -> None:
        """Write the file; nothing in it tells of when or with what it was made."""
        import matplotlib as mpl

        settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "keras-zoo", "font.family": _FONT}
        nothing = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
        with mpl.rc_context(settings):
            self.figure.savefig(path, format=path.suffix[1:], dpi=PIXELS_PER_INCH, metadata=nothing, facecolor="white")

    def _block(self, block: Block, place: Place) -> None:
        from matplotlib.patches import Circle, FancyBboxPatch

        fill, edge = _COLOURS[block.role]
        style: dict[str, Any] = {"facecolor": fill, "edgecolor": edge, "linewidth": 1.1, "zorder": 3}
        if block.role is Role.MERGE:
            self.axes.add_patch(Circle((place.x, place.y), place.height / 2, **style))
            self._text(place.x, place.y + 0.3, _SIGNS.get(block.title, block.title), 12, colour=_INK)
            if block.details:
                self._text(place.x, place.bottom + 8, ", ".join(block.details), _SMALL, colour=_FAINT)
            return
        if block.role is not Role.INPUT:
            rounded = "round,pad=0,rounding_size=6"
            self.axes.add_patch(
                FancyBboxPatch((place.left, place.top), place.width, place.height, boxstyle=rounded, **style)
            )
        lines = _lines(block)
        step = 11.5
        y = place.y - step * (len(lines) - 1) / 2
        self._text(place.x, y, block.title, _TITLE, bold=True, colour=edge if block.role is not Role.INPUT else _INK)
        for number, line in enumerate(lines[1:], start=1):
            self._text(place.x, y + number * step + 1, line, _DETAIL, colour=_SOFT)
        if block.parameters:
            self._text(place.x, place.bottom + CAPTION - 5, f"{block.parameters:,}", _SMALL, colour=_FAINT)

    def _arrow(self, arrow: Arrow) -> None:
        from matplotlib.patches import PathPatch, Polygon

        *_, before, end = arrow.points
        length = ((end[0] - before[0]) ** 2 + (end[1] - before[1]) ** 2) ** 0.5 or 1.0
        along = ((end[0] - before[0]) / length, (end[1] - before[1]) / length)
        colour = _FAINT if arrow.is_shortcut else _SOFT
        stop = (end[0] - along[0] * 5, end[1] - along[1] * 5)
        path = _rounded([*arrow.points[:-1], stop])
        self.axes.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=1.1, zorder=2, capstyle="round"))
        left = (stop[0] - along[1] * 2.9, stop[1] + along[0] * 2.9)
        right = (stop[0] + along[1] * 2.9, stop[1] - along[0] * 2.9)
        self.axes.add_patch(Polygon([end, left, right], closed=True, facecolor=colour, edgecolor="none", zorder=2))
        if arrow.label:
            self._text(*arrow.label_at, arrow.label, _SMALL, colour=_SOFT, align="left")

    def _frame(self, frame: Frame) -> None:
        from matplotlib.patches import FancyBboxPatch

        self.axes.add_patch(
            FancyBboxPatch(
                (frame.left, frame.top),
                frame.right - frame.left,
                frame.bottom - frame.top,
                boxstyle="round,pad=0,rounding_size=9",
                facecolor="#fafbfc",
                edgecolor="#b6bec9",
                linewidth=1.0,
                linestyle=(0, (4, 3)),
                zorder=1,
            )
        )
        self._text(frame.right, frame.top - 8, f"{_TIMES} {frame.times}", 10.5, bold=True, colour=_SOFT, align="right")

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: str = _INK,
        align: str = "center",
    ) -> None:
        self.axes.text(
            x,
            y,
            text,
            fontsize=size,
            fontweight="bold" if bold else "normal",
            color=colour,
            ha=align,
            va="center",
            family=_FONT,
            parse_math=False,
            zorder=4,
        )


def _ending(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Return the blocks with one more for each output, which is text alone."""
    ends = [
        Block(name, Role.INPUT, block.shape, (number,), outputs=(name,))
        for number, block in enumerate(blocks)
        for name in block.outputs
    ]
    return (*(Block(**{**vars(block), "outputs": ()}) for block in blocks), *ends)


def _labels(blocks: Sequence[Block]) -> dict[int, str]:
    """Return the shape of what comes out of each block that changes it; inputs and outputs say theirs themselves."""
    return {
        number: _shape(block.shape)
        for number, block in enumerate(blocks)
        if block.sources and not block.outputs and block.shape != blocks[block.sources[0]].shape
    }


def _shape(shape: Sequence[int | None]) -> str:
    return shape_in_words(shape).replace(" x ", f" {_TIMES} ")


def _lines(block: Block) -> list[str]:
    """Return title and details; short details share a line, so that a box has three at most."""
    if block.role is Role.INPUT:
        return [block.title, *block.details, _shape(block.shape)]
    details = list(block.details)
    before = [text for text in details if text.startswith("after ")]
    others = [text for text in details if not text.startswith("after ")]
    return [block.title, *before, *([", ".join(others)] if others else [])]


def _width(block: Block) -> float:
    if block.role is Role.MERGE:
        return max(CIRCLE, _text_width(", ".join(block.details), _SMALL))
    lines = _lines(block)
    widest = max(_text_width(lines[0], _TITLE, bold=True), *(_text_width(line, _DETAIL) for line in lines[1:]), 0.0)
    return widest + (2 * _PADDING if block.role is not Role.INPUT else 8)


@cache
def _text_width(text: str, size: float, *, bold: bool = False) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family=_FONT, size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def _rounded(points: Sequence[tuple[float, float]], radius: float = 6.0) -> Any:
    """Return a path through points whose corners are round."""
    from matplotlib.path import Path as Curve

    vertices, codes = [points[0]], [Curve.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        for other, code in ((before, Curve.LINETO), (after, Curve.CURVE3)):
            dx, dy = other[0] - corner[0], other[1] - corner[1]
            length = (dx * dx + dy * dy) ** 0.5 or 1.0
            part = min(radius, length / 2) / length
            point = (corner[0] + dx * part, corner[1] + dy * part)
            if code == Curve.LINETO:
                vertices.append(point)
                codes.append(code)
            else:
                vertices += [corner, point]
                codes += [code, code]
    return Curve([*vertices, points[-1]], [*codes, Curve.LINETO])
