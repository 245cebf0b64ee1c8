"""A passport as a page of Markdown."""

from collections.abc import Iterator, Mapping

from zoo.card.markdown import code, plain, table
from zoo.passport import SERVING, Passport, SignatureFacts, TensorFacts
from zoo.uncertainty.words import interval_in_words, uncertainty_in_words

_CLASSES = 30
"""Named on the card."""
_LABEL = 60
"""Characters of each."""
_METHODS = {
    "temperature": "Logits are divided by the temperature (Guo et al., 2017).",
    "temperature+lac": (
        "Logits are divided by the temperature (Guo et al., 2017); sets hold the classes that are likely enough by the "
        "conformal quantile of the calibration rows (Sadinle, Lei and Wasserman, 2019), and always the likeliest."
    ),
    "split": "Intervals reach as far as the conformal quantile of the absolute residuals (Lei et al., 2018).",
    "recent": (
        "Intervals reach as far as the conformal quantile of the absolute residuals, the latest counting most (Barber et "
        "al., 2023). Rows in time are not exchangeable: coverage is no promise, only what was measured on the last part."
    ),
}
_METHODS["temperature+lac+recent"] = _METHODS["temperature+lac"] + (
    " The latest rows count most (Barber et al., 2023): in time, coverage is no promise, only what was measured."
)


def card_of(passport: Passport, *, picture: str | None = None) -> str:
    """Return the model card of a passport, of any format.

    Args:
        passport: what is known.
        picture: the name of the picture's file beside the card, where there is one.
    """
    sections: Mapping[str, Iterator[str]] = {
        "What it does": _task(passport),
        "Data": _data(passport),
        "How good it is": _metrics(passport, picture),
        "How sure it is": _uncertainty(passport, picture),
        "Size and speed": _size(passport),
        "How to call it": _calls(passport),
        "Limits": _limits(passport),
        "Where it comes from": _provenance(passport),
    }
    page = [f"# {plain(passport.name)}"]
    for title, paragraphs in sections.items():
        if found := list(paragraphs):
            page += [f"## {title}", *found]
    return "\n\n".join(page) + "\n"


def _task(passport: Passport) -> Iterator[str]:
    model = passport.model_config() or {}
    if "architecture" in model:
        yield f"A model of the architecture {code(model['architecture'])}."
    for output, labels in passport.class_names.items():
        shown = ", ".join(
            plain(label if len(label) <= _LABEL else label[: _LABEL - 4] + " ...") for label in labels[:_CLASSES]
        )
        more = f" and {len(labels) - _CLASSES} more" if len(labels) > _CLASSES else ""
        yield f"{code(output)} tells {len(labels)} classes apart: {shown}{more}."
    facts = passport.signatures.get(SERVING)
    if facts is not None:
        sides = (("takes", facts.inputs), ("answers", facts.outputs))
        rows = [_tensor_row(what, name, each) for what, side in sides for name, each in side.items()]
        yield table(["", "name", "type", "shape (None: any)", "smallest, largest"], rows)


def _tensor_row(what: str, name: str, each: TensorFacts) -> list[str]:
    limits = "" if each.range is None else f"{each.range[0]:g}, {each.range[1]:g}"
    return [what, code(name), each.dtype, str(each.shape), limits]


def _data(passport: Passport) -> Iterator[str]:
    data = passport.data or {}
    if not data:
        return
    splits = ", ".join(f"{plain(name)} {rows:,}" for name, rows in _splits(passport).items())
    yield f"Learnt from **{plain(data.get('name', '?'))}** {plain(data.get('version', ''))}".rstrip() + "."
    rows = [
        ("rows", splits),
        ("licence and attribution", plain(data.get("licence", ""))),
        ("citation", plain(data.get("citation", ""))),
        ("fingerprint", code(data["fingerprint"]) if data.get("fingerprint") else ""),
    ]
    yield table(["", ""], [[name, text] for name, text in rows if text])


def _splits(passport: Passport) -> dict[str, int]:
    """Return the rows of each split, where the data says so: what an export is told of it may be anything."""
    splits = (passport.data or {}).get("splits")
    return {name: rows for name, rows in splits.items() if type(rows) is int} if isinstance(splits, Mapping) else {}


def _metrics(passport: Passport, picture: str | None) -> Iterator[str]:
    for split, metrics in passport.metrics.items():
        intervals = passport.intervals.get(split, {})
        rows = (
            [plain(name), f"{value:.4g}", interval_in_words(intervals[name]) if name in intervals else ""]
            for name, value in metrics.items()
        )
        chosen = " (which chose the epoch: expect it to look a little too good)" if split == "validation" else ""
        yield f"On the {plain(split)} split{chosen}:"
        yield table(["metric", "value", "95 % interval"], rows)
    if picture:
        yield f"![metrics with their 95 % intervals]({picture})"


def _uncertainty(passport: Passport, picture: str | None) -> Iterator[str]:
    for output, found in passport.uncertainty.items():
        method = _METHODS.get(found.method, "")
        yield f"{code(output)}: {uncertainty_in_words(found)}. Fitted on {found.rows} calibration rows. {method}".rstrip()
        if picture and found.reliability is not None:
            yield (
                "The panel `reliability` of the picture has the share of held-out rows that are right over how sure the "
                "model is of them, after the temperature: on the dashed line, its confidence is what it says."
            )
    if not passport.uncertainty and passport.metrics:
        yield "It was not measured. Probabilities are the model's own, and may be too sure."


def _size(passport: Passport) -> Iterator[str]:
    if passport.model is not None:
        model = passport.model
        counted = "" if model.multiply_adds is None else f", {model.multiply_adds:,} multiply-adds per example"
        yield f"{model.parameters:,} parameters ({model.trainable:,} trained), {model.bytes:,} bytes{counted}."
    if passport.measured is not None:
        measured = passport.measured
        sizes = sorted(measured.latency, key=lambda size: (len(size), size))
        rows = [[size, f"{measured.latency[size].median:.3g}", f"{measured.latency[size].high:.3g}"] for size in sizes]
        yield table(["batch size", "median ms", "90th percentile ms"], rows)
        where = ", ".join(f"{plain(name)} {plain(value)}" for name, value in measured.machine.items())
        yield f"Of {code(measured.signature)}, in TensorFlow, without a network: {where}."


def _calls(passport: Passport) -> Iterator[str]:
    facts = passport.signatures.get(SERVING)
    if facts is None:
        return
    inputs = ", ".join(f"{name!r}: {_example(each)}" for name, each in facts.inputs.items())
    yield (
        "```python\n"
        "import numpy as np\n"
        "from serving.client import Client      # after `zoo serve REPOSITORY`\n\n"
        'with Client("localhost:8500") as client:\n'
        f"    answers = client.predict({passport.name!r}, {{{inputs}}}, timeout=5.0)\n"
        "```"
    )
    yield table(["signature", "takes", "answers"], [_signature_row(n, s) for n, s in passport.signatures.items()])


def _example(each: TensorFacts) -> str:
    shape = tuple(size or 1 for size in each.shape)
    return f'np.full({shape}, b"text", object)' if each.dtype == "string" else f'np.zeros({shape}, "{each.dtype}")'


def _signature_row(name: str, facts: SignatureFacts) -> list[str]:
    return [code(name), *(", ".join(map(code, side)) or "-" for side in (facts.inputs, facts.outputs))]


def _limits(passport: Passport) -> Iterator[str]:
    limits = [
        "Metrics hold for rows like those of its data. Of others, such as of another time or place, nothing is known."
    ]
    small = [f"{plain(name)} ({rows})" for name, rows in _splits(passport).items() if 0 < rows < 100]
    if small:
        limits.append(f"Splits of few rows tell little: {', '.join(small)}.")
    if passport.class_names:
        limits.append("It knows no other classes than its own: of a row of none of them it still names one.")
    facts = passport.signatures.get(SERVING)
    ranged = [name for name, each in (facts.inputs if facts else {}).items() if each.range is not None]
    if ranged:
        limits.append(f"Outside of the ranges above ({', '.join(map(code, ranged))}) it was never tried.")
    yield "\n".join(f"- {limit}" for limit in limits)


def _provenance(passport: Passport) -> Iterator[str]:
    libraries = ", ".join(f"{plain(name)} {plain(version)}" for name, version in sorted(passport.libraries.items()))
    rows = [["exported", plain(passport.created)], ["with", libraries]]
    if passport.config_hash:
        rows.append(["recipe (whole in passport.json)", code(passport.config_hash)])
    if passport.parent is not None:
        version = "" if passport.parent.version is None else f" version {passport.parent.version}"
        rows.append(["began with the weights of", plain(passport.parent.name) + version])
    yield table(["", ""], rows)
