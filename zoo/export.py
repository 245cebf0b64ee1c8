"""From a Keras model to an artifact: signatures, golden answers and a passport, written whole or not at all."""

import datetime
import importlib.metadata
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifact import PASSPORT, hash_files, write_version
from zoo.errors import ExportError
from zoo.passport import Golden, Passport, SignatureFacts, TensorFacts, Tolerance
from zoo.tensors import differences, write_tensor

if TYPE_CHECKING:
    import keras

    from zoo.config import Config, ModelConfig
    from zoo.endpoints import Classes, Endpoint, NamedModel

GOLDEN_ROWS = 8
SERVING = "serving_default"
LOGITS = "logits"
_MODEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class ExportFacts:
    """What a passport says that the model itself does not know; all of it optional."""

    model: "ModelConfig | None" = None
    """The config that the model was built from: it tells a softmax from several sigmoids."""
    recipe: "Config | None" = None
    """The whole recipe of the run; takes the model config's place in the passport."""
    data: Mapping[str, Any] | None = None
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    input_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value of each input in the data; without it, those of the examples."""


def export(
    model: "keras.Model",
    directory: str | Path,
    *,
    examples: np.ndarray | Mapping[str, np.ndarray] | None = None,
    class_names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    facts: ExportFacts | None = None,
) -> Path:
    """Export a Keras model as the next version of a servable model.

    The SavedModel answers `serving_default` with the model's outputs and, for each output of probabilities, a `class_id`
    and a `label`; models with known logits also answer `logits`. Half-precision outputs become float32.

    Example:
        >>> zoo.export(model, "saved_models/digits", examples=x[:8], class_names=list("0123456789"))  # doctest: +SKIP

    Args:
        model: any built Keras model with a free batch axis, one of this zoo or your own.
        directory: the model's folder in a repository; its name is the name clients use.
        examples: rows of real input, an array of shape (rows, ...) or one array per input name. At most 8 are kept in the
            passport, with the answers to them, so that anyone can check the artifact. Generated where not given.
        class_names: a label per class, or such a list per output of probabilities; "0", "1", ... where not given.
        input_names: names for the model's inputs, in order, where it does not have stable ones.
        output_names: likewise for its outputs. Name an output `probabilities` (or `<head>_probabilities`) to get classes.
        facts: what else the passport should tell.

    Returns:
        The folder of the new version.

    Raises:
        ExportError: an input or output has no stable name, the batch axis is fixed, class names do not fit, the exported
            model does not answer as the model does, or the disk refuses. Nothing is left behind then.
    """
    from zoo.endpoints import NamedModel, find_classes, with_classes

    directory = Path(directory).absolute()
    facts = facts or ExportFacts()
    if not _MODEL_NAME.fullmatch(directory.name):
        raise ExportError(f"{directory.name!r} cannot name a model: use letters, digits, '_', '-' and '.'")
    named = NamedModel(model, input_names, output_names)
    rows = _golden_rows(named, examples)
    classes = find_classes(_run(named, rows), class_names, _kinds(facts))
    serve = with_classes(named, classes)
    logits = named.logits()
    endpoints = {SERVING: serve} if logits is None else {SERVING: serve, LOGITS: logits}
    answers = _run(serve, rows)

    def write(folder: Path) -> None:
        _save(named, endpoints, folder)
        signatures, replayed = _reload(folder, rows)
        faults = differences(replayed, answers, Tolerance())
        if faults:
            raise ExportError(f"the exported model does not answer as the model does: {'; '.join(faults)}")
        passport = Passport(
            name=directory.name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            signatures=_with_ranges(signatures, rows, classes, facts),
            golden=Golden(SERVING, _tensors(rows), _tensors(replayed)),
            tolerance=Tolerance(),
            libraries=_libraries(),
            files=hash_files(folder),
            class_names={output: choice.labels for output, choice in classes.items()},
            data=facts.data,
            metrics=facts.metrics,
            **_config(facts),
        )
        (folder / PASSPORT).parent.mkdir(exist_ok=True)
        (folder / PASSPORT).write_text(_json_of(passport), encoding="utf-8")

    return write_version(directory, write)


def _json_of(passport: Passport) -> str:
    try:
        return passport.to_json()
    except (TypeError, ValueError) as error:
        raise ExportError(
            f"the passport holds what JSON cannot (facts take finite numbers, text, lists and dicts): {error}"
        ) from None


def _golden_rows(named: "NamedModel", examples: np.ndarray | Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
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
            raise ExportError(f"examples of {name!r} have shape {array.shape}, expected (rows, *{wanted})")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ExportError(f"examples of {name!r} hold NaN or infinity: give rows of real, finite input")
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


def _run(endpoint: "Endpoint", rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    import tensorflow as tf

    return {name: value.numpy() for name, value in endpoint({k: tf.constant(v) for k, v in rows.items()}).items()}


def _save(named: "NamedModel", endpoints: "Mapping[str, Endpoint]", folder: Path) -> None:
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    for layer in named.model._flatten_layers():  # noqa: SLF001 - the only way to see nested layers
        # The variables that endpoints use are saved as it is, and those of a tracked layer a second time. What has to be
        # tracked is the layers with other resources: look-up tables.
        if not layer.variables:
            archive.track(layer)
    for name, endpoint in endpoints.items():
        archive.add_endpoint(name, tf.function(endpoint, input_signature=[named.specs()]))
    archive.write_out(str(folder), verbose=False)


def _reload(folder: Path, rows: Mapping[str, np.ndarray]) -> tuple[dict[str, SignatureFacts], dict[str, np.ndarray]]:
    """Read back what was written: its signatures as they are on disk, and its answers to the golden rows."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signatures = {name: read_schema(loaded.signatures[name]) for name in (SERVING, LOGITS) if name in loaded.signatures}
    outputs = loaded.signatures[SERVING](**{name: tf.constant(value) for name, value in rows.items()})
    return signatures, {name: value.numpy() for name, value in outputs.items()}


def read_schema(signature: Any) -> SignatureFacts:
    """Return the names, types and shapes of a signature that TensorFlow loaded."""

    def facts(specs: Mapping[str, Any]) -> dict[str, TensorFacts]:
        return {name: TensorFacts(spec.dtype.name, tuple(spec.shape)) for name, spec in specs.items()}

    return SignatureFacts(facts(signature.structured_input_signature[1]), facts(signature.structured_outputs))


def _with_ranges(
    signatures: Mapping[str, SignatureFacts],
    rows: Mapping[str, np.ndarray],
    classes: "Mapping[str, Classes]",
    facts: ExportFacts,
) -> dict[str, SignatureFacts]:
    from zoo.endpoints import sibling

    ranges: dict[str, tuple[float, float]] = {
        name: (float(array.min()), float(array.max())) for name, array in rows.items() if array.dtype.kind in "fiub"
    }
    ranges.update(facts.input_ranges)
    for output, choice in classes.items():
        ranges[output] = (0.0, 1.0)
        ranges[sibling(output, "class_id")] = (0, len(choice.labels) - 1)

    def ranged(tensors: Mapping[str, TensorFacts]) -> dict[str, TensorFacts]:
        return {name: TensorFacts(f.dtype, f.shape, ranges.get(name)) for name, f in tensors.items()}

    return {name: SignatureFacts(ranged(s.inputs), ranged(s.outputs)) for name, s in signatures.items()}


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: write_tensor(array) for name, array in arrays.items()}


def _kinds(facts: ExportFacts) -> dict[str, str]:
    from zoo.heads import output_name

    heads = facts.model.named_heads() if facts.model is not None else {}
    return {output_name(name, head.kind): head.kind for name, head in heads.items()}


def _config(facts: ExportFacts) -> dict[str, Any]:
    config = facts.recipe or facts.model
    return {} if config is None else {"config": config.to_dict(), "config_hash": config.content_hash()}


def _libraries() -> dict[str, str]:
    packages = ("keras", "keras-zoo", "numpy", "tensorflow")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}
