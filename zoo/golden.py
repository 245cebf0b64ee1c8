"""The rows of input whose answers a passport keeps, so that anyone can check an artifact."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import ExportError

if TYPE_CHECKING:
    import keras

    from zoo.endpoints import NamedModel

GOLDEN_ROWS = 8


def golden_rows(named: "NamedModel", examples: np.ndarray | Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    """Return the rows to keep in the passport: the first examples, or rows made up where there are none.

    Raises:
        ExportError: the examples do not fit the model's inputs, or cannot be written down.
    """
    inputs = named.inputs
    if examples is None:
        return {name: _generated(name, x) for name, x in inputs.items()}
    if not isinstance(examples, Mapping):
        if len(inputs) > 1:
            raise ExportError(f"the model has {len(inputs)} inputs: give examples as a dict of {', '.join(inputs)}")
        examples = dict.fromkeys(inputs, examples)
    if examples.keys() != inputs.keys():
        raise ExportError(f"examples has {', '.join(sorted(examples))}, the inputs are {', '.join(sorted(inputs))}")
    rows = {}
    for name, x in inputs.items():
        array = np.asarray(examples[name])[:GOLDEN_ROWS]
        wanted = tuple(x.shape[1:])
        fits = array.ndim == len(wanted) + 1 and all(
            w in (None, a) for w, a in zip(wanted, array.shape[1:], strict=True)
        )
        if not fits or not len(array):
            shape = f"(rows, {', '.join(map(str, wanted))})"
            raise ExportError(f"examples of {name!r} have shape {array.shape}, expected {shape} with a row at least")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ExportError(f"examples of {name!r} hold NaN or infinity: give rows of real, finite input")
        if x.dtype == "string":
            refuse_not_text(f"examples of {name!r}", array)
        rows[name] = array if x.dtype == "string" else array.astype(x.dtype)
    if len({len(array) for array in rows.values()}) > 1:
        raise ExportError(
            "examples have different numbers of rows: " + ", ".join(f"{k} {len(v)}" for k, v in rows.items())
        )
    return rows


def _generated(name: str, x: "keras.KerasTensor") -> np.ndarray:
    if x.dtype == "string":
        raise ExportError(f"input {name!r} takes strings: give examples of them, they cannot be made up")
    shape = (GOLDEN_ROWS, *(axis or 8 for axis in x.shape[1:]))
    values = np.random.default_rng(0).random(shape)
    return (values.round() if "int" in x.dtype else values).astype(x.dtype)


def refuse_not_text(what: str, strings: np.ndarray) -> None:
    """Refuse strings that a passport, which is JSON, cannot hold."""
    for item in strings.ravel().tolist():
        try:
            item.decode() if isinstance(item, bytes) else str(item).encode()
        except UnicodeError:
            raise ExportError(
                f"{what} hold {item!r:.60}, which is not UTF-8: give text, or bytes written as text, in base64 for one"
            ) from None


def refuse_not_finite(outputs: Mapping[str, np.ndarray]) -> None:
    """Raise ExportError where a model answers the golden rows with numbers that say nothing."""
    for name, answers in outputs.items():
        if answers.dtype.kind not in "fc":
            continue
        bad = int((~np.isfinite(answers)).sum())
        if bad:
            raise ExportError(
                f"output {name!r} has {bad} of {answers.size} numbers that are NaN or infinite for the examples: "
                "the weights are not finite (training diverged), or the examples are out of the range the model takes"
            )
