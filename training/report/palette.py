"""Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008), and what every figure has in common."""

import base64
import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#C7B500",
)  # fmt: skip
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW)
COLOUR_OF_SPLIT = {"train": BLUE, "validation": VERMILLION, "test": GREEN}
INK, SOFT, FAINT = "#1f2933", "#55606e", "#d9dee5"
HEATMAP = "Blues"
FONT = "DejaVu Sans"  # comes with matplotlib, so a picture is the same on every machine
PIXELS_PER_INCH = 130


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, which no global state knows of."""
    figure = Figure(figsize=(width, height), dpi=PIXELS_PER_INCH, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, title: str = "", *, x: str = "", y: str = "") -> None:
    """Give axes the house's look."""
    axes.set_title(plain(title), loc="left", fontsize=10, color=INK, fontfamily=FONT, fontweight="bold")
    axes.set_xlabel(plain(x), fontsize=8.5, color=SOFT, fontfamily=FONT)
    axes.set_ylabel(plain(y), fontsize=8.5, color=SOFT, fontfamily=FONT)
    axes.tick_params(labelsize=8, colors=SOFT, labelfontfamily=FONT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.grid(visible=True, color=FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)


def say(axes: Axes, text: str) -> None:
    """Write a sentence where there is nothing to draw."""
    axes.text(0.5, 0.5, plain(text), ha="center", va="center", transform=axes.transAxes, fontsize=9, color=SOFT)


def plain(text: str) -> str:
    """Return text that matplotlib takes as it is: a dollar sign would begin mathematics."""
    return text.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def data_address(picture: bytes) -> str:
    """Return a PNG as an address that holds all of it (RFC 2397)."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()
