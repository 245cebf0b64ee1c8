"""From a Keras model to an artifact: signatures, golden answers and a passport, written whole or not at all."""

import datetime
import importlib.metadata
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifact import PASSPORT, hash_files, write_version
from zoo.card import write_card
from zoo.errors import ExportError
from zoo.golden import golden_rows, refuse_not_finite
from zoo.loading import write_layers
from zoo.measuring import measure_latency
from zoo.model_facts import model_facts
from zoo.passport import (
    SERVING,
    Golden,
    Parent,
    Passport,
    SignatureFacts,
    Statistics,
    Tensor,
    TensorFacts,
    Tolerance,
    Uncertainty,
)
from zoo.saved_model import replay, save
from zoo.tensors import write_tensor
from zoo.warm_up import write_warm_up

if TYPE_CHECKING:
    import keras

    from zoo.config import Config, ModelConfig

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
    parent: Parent | None = None
    """The version that training began with."""
    input_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value of each input in the data; without it, those of the examples."""
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """By split: the 95 % confidence intervals of `metrics`."""
    statistics: Mapping[str, Statistics] = field(default_factory=dict)
    """By input: what the training data held."""
    measure: bool = True
    """Whether to time answers on this machine."""
    uncertainty: Mapping[str, Uncertainty] = field(default_factory=dict)
    """By output: what `zoo.uncertainty` fitted to its answers; the model then answers `predict_set` and
    `predict_interval`."""


def export(
    model: "keras.Model",
    directory: str | Path,
    *,
    examples: np.ndarray | Mapping[str, np.ndarray] | None = None,
    calibration: np.ndarray | Mapping[str, np.ndarray] | None = None,
    class_names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    facts: ExportFacts | None = None,
    variants: Sequence[str] = ("litert",),
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
        calibration: rows of the training data, in the same form, on which `int8_full` learns how large its numbers get;
            where not given, those of the examples that are not compared.
        class_names: a label per class, or such a list per output of probabilities; "0", "1", ... where not given.
        input_names: names for the model's inputs, in order, where it does not have stable ones.
        output_names: likewise for its outputs. Name an output `probabilities` (or `<head>_probabilities`) to get classes.
        facts: what else the passport should tell.
        variants: files with the same model to write beside it. `litert` (model.tflite, float32) is left out where LiteRT
            cannot have the model, and the passport says why; `int8`, `int8_full` and `onnx` are owed. See docs/artifact.md.

    Returns:
        The folder of the new version.

    Raises:
        ExportError: an input or output has no stable name, or that of a class id or label; the batch axis is fixed, class
            names do not fit, an answer is not finite, strings are not UTF-8, the exported model does not answer as the model
            does, a variant that is owed cannot be had, or the disk refuses. Nothing is left behind then.
        UnknownNameError: there is no such variant.
    """
    import tensorflow as tf

    from zoo.endpoints import NamedModel, find_classes, refuse_unstable, run, with_classes
    from zoo.full_precision import full_precision
    from zoo.preprocessing import needs_adapting
    from zoo.signatures import Subject, is_small, signatures_of
    from zoo.variants.names import check_names
    from zoo.variants.rows import choose_rows
    from zoo.variants.source import Source
    from zoo.variants.writing import Truth, write_variants

    directory = Path(directory).absolute()
    facts = facts or ExportFacts()
    if facts.model is None:
        facts = replace(facts, model=getattr(model, "zoo_config", None))
    if not _MODEL_NAME.fullmatch(directory.name):
        raise ExportError(f"{directory.name!r} cannot name a model: use letters, digits, '_', '-' and '.'")
    variants = check_names(variants)
    named = NamedModel(model, input_names, output_names)
    if needs_adapting(model):
        raise ExportError(
            f"the preprocessing of {model.name!r} has not seen the training data: call "
            "zoo.adapt(model, rows), or load the weights of a model that has"
        )
    with full_precision(model):
        rows = golden_rows(named, examples)
        outputs = run(named, rows)
        refuse_not_finite(outputs)
        classes = find_classes(outputs, class_names, _kinds(facts))
        signatures = signatures_of(Subject(named, classes, rows, outputs, facts.uncertainty))

        def write(folder: Path) -> None:
            save(model, signatures, folder)
            loaded = tf.saved_model.load(str(folder)).signatures
            schemas, answers = replay(loaded, signatures)
            refuse_unstable(named, schemas)
            ranges = {**_ranges(examples, rows), **facts.input_ranges}
            schemas = {s.name: _with_ranges(schemas[s.name], {**ranges, **s.ranges}) for s in signatures}
            source = Source(named, with_classes(named, classes), SERVING)
            chosen = choose_rows(rows, examples, calibration if "int8_full" in variants else None)
            written = write_variants(variants, source, folder, Truth(loaded[SERVING], schemas[SERVING]), chosen)
            warm_up = write_warm_up(folder, directory.name, rows)
            known = write_layers(model, folder)
            passport = Passport(
                name=directory.name,
                created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                signatures=schemas,
                golden={
                    s.name: Golden(_tensors(s.golden), _tensors(answers[s.name]))
                    for s in signatures
                    if s.golden is not None and (s.name == SERVING or is_small(s.golden, answers[s.name]))
                },
                tolerance=Tolerance(),
                libraries=_libraries(),
                files={},
                class_names={output: choice.labels for output, choice in classes.items()},
                data=facts.data,
                metrics=facts.metrics,
                intervals=facts.intervals,
                statistics=facts.statistics,
                uncertainty=facts.uncertainty,
                model=model_facts(model),
                measured=measure_latency(loaded, rows) if facts.measure else None,
                warm_up=warm_up,
                variants=written.variants,
                left_out=written.left_out,
                weights=tuple(variable.path for variable in model.variables) if known else (),
                parent=facts.parent,
                **_config(facts),
            )
            write_card(folder, Passport.from_json(_json_of(passport)))  # as whoever reads it will know it
            (folder / PASSPORT).write_text(_json_of(replace(passport, files=hash_files(folder))), encoding="utf-8")

        return write_version(directory, write)


def _json_of(passport: Passport) -> str:
    try:
        return passport.to_json()
    except (TypeError, ValueError) as error:
        raise ExportError(
            f"the passport holds what JSON cannot (facts take finite numbers, text, lists and dicts): {error}"
        ) from None


def _ranges(
    examples: np.ndarray | Mapping[str, np.ndarray] | None, rows: Mapping[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Return smallest and largest value of all examples, by input; of rows that were made up, nothing can be said."""
    if examples is None:
        return {}
    given = examples if isinstance(examples, Mapping) else dict.fromkeys(rows, examples)
    arrays = {name: np.asarray(given[name]) for name in rows}
    return {name: (float(x.min()), float(x.max())) for name, x in arrays.items() if x.dtype.kind in "fiub"}


def _with_ranges(facts: SignatureFacts, ranges: Mapping[str, tuple[float, float]]) -> SignatureFacts:
    def ranged(tensors: Mapping[str, TensorFacts]) -> dict[str, TensorFacts]:
        return {name: replace(each, range=ranges.get(name)) for name, each in tensors.items()}

    return SignatureFacts(ranged(facts.inputs), ranged(facts.outputs))


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
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
