"""What the report says of each head: scores, pictures, and the rows it got most wrong."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from training.data import Split
from training.report.charts import (
    draw_by_position,
    draw_confusion,
    draw_predicted,
    draw_reliability,
    draw_residual_histogram,
    draw_residuals,
    draw_scores,
)
from training.report.classification import class_scores, confused_pairs, confusion, label_scores, reliability
from training.report.examples import show_rows
from training.report.markup import Markup, join, table, tag
from training.report.palette import data_address, new_figure, png
from training.report.predictions import HeadPredictions
from zoo.config import INPUT_NAME

_WORST = 12
_MOST_UNITS = 6

Draw = Callable[[Axes], None]


def head_section(found: HeadPredictions, split: Split, *, names: Sequence[str]) -> Markup:
    """Return what there is to say of one head on a split.

    Args:
        found: what the model said.
        split: of what rows.
        names: of the classes; where they are not known, their numbers.
    """
    if not len(found.losses):
        return tag("p", "No entry of this split counts for this head.", class_="note")
    match found.kind:
        case "binary" | "classes":
            scores = _classes(found, names)
        case "labels":
            scores = _labels(found, names)
        case "tokens":
            scores = _tokens(found)
        case _:
            scores = _values(found)
    return join(scores, _worst(found, split, names))


def main_drawing(found: HeadPredictions, names: Sequence[str], *, of: str = "") -> Draw:
    """Return what draws the one picture of a head that says most, with `of` after its title."""
    match found.kind:
        case "binary" | "classes":
            matrix = confusion(found.true, found.said, len(names))
            return lambda axes: draw_confusion(axes, matrix, names, of=of)
        case "labels":
            scores = label_scores(found.true, found.said, names)
            return lambda axes: draw_scores(axes, scores, of=of)
        case "tokens":
            return lambda axes: draw_by_position(axes, found.steps, found.losses, of=of)
        case _:
            return lambda axes: draw_predicted(axes, found.true.ravel(), found.said.ravel(), of=of)


def class_labels(found: HeadPredictions, names: Sequence[str]) -> tuple[str, ...]:
    """Return a name for every class of a head: those of the data where they fit, else numbers."""
    classes = 2 if found.kind == "binary" else found.classes
    return tuple(names) if len(names) == classes else tuple(map(str, range(classes)))


def _classes(found: HeadPredictions, names: Sequence[str]) -> Markup:
    matrix = confusion(found.true, found.said, len(names))
    side = float(np.clip(2.6 + 0.2 * len(names), 3.4, 8.5))
    pictures = [_picture(main_drawing(found, names), side + 0.6, side, "confusion matrix")]
    right = found.true == found.said
    if found.kind == "binary":
        calibrated = reliability(found.confidence, found.true)
        words = {"x": f"probability of {names[1]}", "y": f"share that is {names[1]}"}
    else:
        calibrated, words = reliability(found.confidence, right), {}
    pictures.append(_picture(lambda axes: draw_reliability(axes, calibrated, **words), 4.0, 3.8, "reliability"))
    scores = class_scores(matrix, names)
    rows = [[s.name, _rate(s.precision), _rate(s.recall), _rate(s.f1), f"{s.support:.0f}"] for s in scores]
    means = [float(np.nanmean([getattr(s, key) for s in scores])) for key in ("precision", "recall", "f1")]
    rows.append(["mean over classes", *map(_rate, means), str(len(found.true))])
    per_class = table(["class", "precision", "recall", "F1", "rows"], rows, class_="data totals")
    pairs = confused_pairs(matrix, names)
    confused = (
        table(
            ["true", "taken for", "times", "of its class"], [[t, s, str(n), f"{p:.1%}"] for t, s, n, p in pairs],
            numbers_from=2,
        )
        if pairs
        else tag("p", "Nothing was confused.", class_="note")
    )  # fmt: skip
    return join(
        tag("div", *pictures, class_="row"),
        tag(
            "div",
            tag("div", tag("h4", "By class"), per_class),
            tag("div", tag("h4", "Most confused"), confused),
            class_="row",
        ),
    )


def _labels(found: HeadPredictions, names: Sequence[str]) -> Markup:
    scores = label_scores(found.true, found.said, names)
    rows = [[s.name, _rate(s.precision), _rate(s.recall), _rate(s.f1), f"{s.support:.0f}"] for s in scores]
    return join(
        _picture(lambda axes: draw_scores(axes, scores), 7.5, 3.0, "F1 of every label"),
        table(["label", "precision", "recall", "F1", "rows"], rows),
    )


def _tokens(found: HeadPredictions) -> Markup:
    right = float(np.mean(found.true == found.said))
    loss = float(np.mean(found.losses))
    calibrated = reliability(found.confidence, found.true == found.said)
    rows = [
        ["tokens", f"{len(found.losses):,}"],
        ["right", f"{right:.2%}"],
        ["mean loss", f"{loss:.4f} nats, {loss / np.log(2):.4f} bits"],
        ["perplexity", f"{np.exp(loss):.4g}"],
    ]
    pictures = [
        _picture(main_drawing(found, ()), 5.4, 3.4, "loss by position"),
        _picture(lambda axes: draw_reliability(axes, calibrated), 3.8, 3.6, "reliability"),
    ]
    return join(table([], rows), tag("div", *pictures, class_="row"))


def _values(found: HeadPredictions) -> Markup:
    parts = []
    for unit in range(min(found.classes, _MOST_UNITS)):
        true, said = found.true[..., unit], found.said[..., unit]
        error = said - true
        spread = float(np.sum(np.square(true - true.mean())))
        rows = [
            ["entries", f"{len(true):,}"],
            ["mean absolute error", f"{np.mean(np.abs(error)):.5g}"],
            ["root mean squared error", f"{np.sqrt(np.mean(np.square(error))):.5g}"],
            ["mean residual", f"{np.mean(error):.5g}"],
            ["R\N{SUPERSCRIPT TWO}", f"{1 - float(np.sum(np.square(error))) / spread:.4f}" if spread else "-"],
        ]
        pictures = [
            _picture(_of(draw, true, said), 3.5, 3.2, name)
            for draw, name in (
                (draw_predicted, "predicted and true"),
                (draw_residuals, "residuals"),
                (draw_residual_histogram, "spread of residuals"),
            )
        ]
        title = [tag("h4", f"Value {unit + 1} of {found.classes}")] if found.classes > 1 else []
        parts += [*title, table([], rows), tag("div", *pictures, class_="row")]
    return join(*parts)


def _of(draw: Callable[[Axes, np.ndarray, np.ndarray], None], true: np.ndarray, said: np.ndarray) -> Draw:
    return lambda axes: draw(axes, true, said)


def _worst(found: HeadPredictions, split: Split, names: Sequence[str]) -> Markup:
    entries = found.worst(_WORST)
    inputs = split.named_inputs()
    main = inputs.get(INPUT_NAME, next(iter(inputs.values())))
    captions = [_caption(found, entry, names) for entry in entries.tolist()]
    return join(
        tag("h4", "Worst rows"),
        tag("p", "The rows of highest loss, the worst first.", class_="note"),
        show_rows(main[found.rows[entries]], captions),
    )


def _caption(found: HeadPredictions, entry: int, names: Sequence[str]) -> str:
    row = f"row {found.rows[entry]}" + (f" step {found.steps[entry]}" if found.objective.per_step else "")
    match found.kind:
        case "binary":
            truth, chance = found.true[entry], found.confidence[entry]
            return f"{row}, true: {names[truth]}, p({names[1]}) = {chance:.3f}"
        case "classes":
            said = found.said[entry]
            return f"{row}, true: {names[found.true[entry]]}, said: {names[said]}, p = {found.confidence[entry]:.3f}"
        case "labels":
            true, said = (
                " ".join(names[i] for i in np.nonzero(v[entry])[0].tolist()) or "none" for v in (found.true, found.said)
            )
            return f"{row}, true: {true}, said: {said}"
        case "tokens":
            return f"{row}, true: {found.true[entry]}, said: {found.said[entry]}, loss {found.losses[entry]:.2f}"
        case _:
            true, said = (" ".join(f"{x:.4g}" for x in v[entry][:_MOST_UNITS]) for v in (found.true, found.said))
            return f"{row}, true: {true}, said: {said}"


def _picture(draw: Draw, width: float, height: float, name: str) -> Markup:
    figure = new_figure(width, height)
    draw(figure.subplots())
    return tag("img", src=data_address(png(figure)), alt=name, style=f"width:{width:.1f}in")


def _rate(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"  # noqa: PLR0124 - NaN differs from itself
