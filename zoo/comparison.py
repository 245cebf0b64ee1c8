"""Two versions side by side: what was chosen, what was measured, and what they answer to the same inputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifact import find_version, hash_faults, read_passport
from zoo.errors import ArtifactError
from zoo.passport import SERVING, Passport
from zoo.tensors import read_tensor


@dataclass(frozen=True)
class Difference:
    """One thing that two versions differ in; None where one of them has no such thing."""

    what: str
    one: Any
    two: Any


@dataclass(frozen=True)
class AnswerDifference:
    """How far the answers of one output lie apart, over the golden inputs of both versions."""

    output: str
    rows: int
    largest: float | None
    """Largest distance of two numbers; None of classes and labels."""
    flips: float | None
    """Share of rows whose class or label is another; None of numbers."""


@dataclass(frozen=True)
class Comparison:
    """What `compare_versions` found."""

    one: Path
    two: Path
    facts: tuple[Difference, ...]
    """Of config, data, model, signatures and libraries."""
    metrics: tuple[Difference, ...]
    answers: tuple[AnswerDifference, ...]
    incomparable: str = ""
    """Why the answers were not compared, where they were not."""

    @property
    def same_answers(self) -> bool:
        """Whether both answer the golden inputs of both alike, within the tolerance of the first."""
        tolerance = read_passport(self.one).tolerance
        return not self.incomparable and all(
            (answer.largest or 0.0) <= tolerance.absolute + tolerance.relative
            and (answer.flips or 0.0) <= tolerance.label_flips
            for answer in self.answers
        )


def compare_versions(one: str | Path, two: str | Path) -> Comparison:
    """Compare two versions: what was chosen, what was measured, and their answers to the golden inputs of both.

    Args:
        one: a version's folder, or a model's for its newest.
        two: the other.

    Raises:
        ArtifactError: one is no artifact, or a file of it was changed.
    """
    versions = find_version(Path(one)), find_version(Path(two))
    passports = []
    for version in versions:
        passport = read_passport(version)
        faults = hash_faults(version, passport)
        if faults:
            raise ArtifactError(f"{version} is not what was exported: {'; '.join(faults)}")
        passports.append(passport)
    first, second = passports
    incomparable = _why_incomparable(first, second)
    return Comparison(
        *versions,
        facts=tuple(_differences(_facts(first), _facts(second))),
        metrics=tuple(_differences(_flat("", first.metrics), _flat("", second.metrics))),
        answers=() if incomparable else tuple(_answers(*versions, first, second)),
        incomparable=incomparable,
    )


def _facts(passport: Passport) -> dict[str, Any]:
    data = {key: value for key, value in (passport.data or {}).items() if key != "citation"}
    signatures = {
        name: {
            side: {key: f"{tensor.dtype} {list(tensor.shape)}" for key, tensor in tensors.items()}
            for side, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs))
        }
        for name, signature in passport.signatures.items()
    }
    model = {} if passport.model is None else {"parameters": passport.model.parameters, "bytes": passport.model.bytes}
    parts: dict[str, Any] = {"config": passport.config or {}, "data": data, "model": model, "signatures": signatures}
    parts |= {
        "class_names": passport.class_names,
        "libraries": passport.libraries,
        "variants": sorted(passport.variants),
    }
    return _flat("", parts)


def _flat(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {place: list(value) if isinstance(value, tuple) else value}
    return {
        key: inner
        for name, each in value.items()
        for key, inner in _flat(f"{place}.{name}" if place else str(name), each).items()
    }


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Difference]:
    for key in [*one, *(key for key in two if key not in one)]:
        if one.get(key) != two.get(key):
            yield Difference(key, one.get(key), two.get(key))


def _why_incomparable(one: Passport, two: Passport) -> str:
    """Say why the versions cannot be asked the same: TensorFlow would abort on some inputs that do not fit."""
    specs = [
        {name: (x.dtype, x.shape) for name, x in passport.signatures[SERVING].inputs.items()} for passport in (one, two)
    ]
    if specs[0] == specs[1]:
        return ""
    return "they take different inputs: " + " and ".join(
        ", ".join(f"{name} {dtype} {list(shape)}" for name, (dtype, shape) in spec.items()) for spec in specs
    )


def _answers(one: Path, two: Path, *passports: Passport) -> Iterator[AnswerDifference]:
    import tensorflow as tf

    signatures = [tf.saved_model.load(str(version)).signatures[SERVING] for version in (one, two)]
    found: list[dict[str, list[np.ndarray]]] = [{}, {}]
    for passport in passports:
        rows = {name: tf.constant(read_tensor(tensor)) for name, tensor in passport.golden[SERVING].inputs.items()}
        for answers, signature in zip(found, signatures, strict=True):
            for name, answer in signature(**rows).items():
                answers.setdefault(name, []).append(answer.numpy())
    for name in sorted(found[0].keys() & found[1].keys()):
        ours, theirs = (np.concatenate(answers[name]) for answers in found)
        if ours.shape != theirs.shape:
            continue  # said of the signatures
        if ours.dtype.kind == "f":
            yield AnswerDifference(name, len(ours), float(np.abs(ours - theirs).max(initial=0.0)), None)
        else:
            yield AnswerDifference(name, len(ours), None, float((ours != theirs).mean()) if ours.size else 0.0)
