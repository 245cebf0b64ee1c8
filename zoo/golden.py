"""The rows of input whose answers a passport keeps, so that anyone can check an artifact."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import ArtifactError, ExportError
from zoo.passport import Passport, TensorFacts
from zoo.tensors import read_tensor

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
        array = _array(name, examples[name])
        wanted = tuple(x.shape[1:])
        fits = array.ndim == len(wanted) + 1 and all(
            w in (None, a) for w, a in zip(wanted, array.shape[1:], strict=True)
        )
        if not fits or not len(array):
            shape = f"(rows, {', '.join(map(str, wanted))})"
            raise ExportError(f"examples of {name!r} have shape {array.shape}, expected {shape} with a row at least")
        rows[name] = _of_dtype(name, array, x.dtype)[:GOLDEN_ROWS]
    if len({len(array) for array in rows.values()}) > 1:
        raise ExportError(
            "examples have different numbers of rows: " + ", ".join(f"{k} {len(v)}" for k, v in rows.items())
        )
    return rows


def _array(name: str, values: object) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:  # rows of different lengths, for one
        raise ExportError(f"examples of {name!r} are no array: {error}") from None


def _of_dtype(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """Return examples as what the input takes. Raises ExportError where that would make other values of them."""
    if dtype == "string":
        if array.dtype.kind not in "OSU":
            raise ExportError(f"examples of {name!r} are {array.dtype}, the input takes strings")
        refuse_not_text(f"examples of {name!r}", array[:GOLDEN_ROWS])
        return array
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            found: np.ndarray = array if array.dtype.kind in "SUcMm" else array.astype(dtype)
    except (TypeError, ValueError):
        found = array
    if found.dtype.name != dtype:
        raise ExportError(f"examples of {name!r} are {array.dtype}, the input takes numbers, {dtype}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ExportError(f"examples of {name!r} hold NaN or infinity: give rows of real, finite input")
    if found.dtype.kind in "iub" and not (found == array).all():
        other = array[found != array].flat[0]
        raise ExportError(f"examples of {name!r} hold {other}, which the input, {dtype}, cannot take")
    return found


def _generated(name: str, x: "keras.KerasTensor") -> np.ndarray:
    if x.dtype == "string":
        raise ExportError(f"input {name!r} takes strings: give examples of them, they cannot be made up")
    shape = (GOLDEN_ROWS, *(axis or 8 for axis in x.shape[1:]))
    values = np.random.default_rng(0).random(shape)
    return (values.round() if "int" in x.dtype else values).astype(x.dtype)


def read_golden(passport: Passport, signature: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the golden inputs of a signature, and the answers to them, by name.

    They were held against the passport's schema: TensorFlow aborts the process on some inputs of a wrong rank.

    Raises:
        ArtifactError: there are none, they cannot be read, or are no input of the signature.
    """
    if signature not in passport.golden:
        raise ArtifactError(f"there are no golden answers of {signature!r}")
    golden = passport.golden[signature]
    try:
        rows = {key: read_tensor(tensor) for key, tensor in golden.inputs.items()}
        answers = {key: read_tensor(tensor) for key, tensor in golden.outputs.items()}
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ArtifactError(f"the golden tensors cannot be read: {error}") from None
    facts = passport.signatures.get(signature)
    if facts is None:
        raise ArtifactError(f"the golden inputs are for {signature!r}, which is no signature")
    if rows.keys() != facts.inputs.keys():
        raise ArtifactError(f"the golden inputs are {', '.join(rows)}, the signature takes {', '.join(facts.inputs)}")
    for key, array in rows.items():
        dtype = "string" if array.dtype == object else array.dtype.name
        if dtype != facts.inputs[key].dtype or not _fits(array, facts.inputs[key]):
            wanted = facts.inputs[key]
            raise ArtifactError(
                f"golden input {key!r} is {dtype} {array.shape}, the signature takes {wanted.dtype} {wanted.shape}"
            )
    return rows, answers


def _fits(array: np.ndarray, facts: TensorFacts) -> bool:
    return array.ndim == len(facts.shape) and all(
        axis in (None, size) for axis, size in zip(facts.shape, array.shape, strict=True)
    )


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
