"""Two versions side by side: what was chosen, what was measured, and what they answer to the same inputs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifact import find_version, read_passport, refuse_faults
from zoo.errors import ArtifactError, one_line
from zoo.golden import read_golden
from zoo.passport import SERVING, Passport, TensorFacts
from zoo.tensors import differences

Arrays = dict[str, np.ndarray]


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
    alike: bool
    """Whether that is within the tolerance of the first."""


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
    """Why the answers were not compared, or which of them, where they were not."""

    @property
    def same_answers(self) -> bool:
        """Whether both answer the golden inputs of both alike, within the tolerance of the first."""
        return not self.incomparable and all(answer.alike for answer in self.answers)


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
        refuse_faults(version, passport)
        passports.append(passport)
    first, second = passports
    incomparable, shared = _why_incomparable(first, second)
    return Comparison(
        *versions,
        facts=tuple(_differences(_facts(first), _facts(second))),
        metrics=tuple(_differences(_flat("", first.metrics), _flat("", second.metrics))),
        answers=tuple(_answers(versions, passports, shared)) if shared else (),
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


def _why_incomparable(one: Passport, two: Passport) -> tuple[str, list[str]]:
    """Return why not all answers can be compared, and the outputs that can be.

    Versions that take different inputs are not asked the same: TensorFlow would abort on some that do not fit.
    """
    signatures = [passport.signatures[SERVING] for passport in (one, two)]
    inputs, outputs = ([_specs(getattr(each, side)) for each in signatures] for side in ("inputs", "outputs"))
    if inputs[0] != inputs[1]:
        return f"they take different inputs: {_in_words(inputs[0])} and {_in_words(inputs[1])}", []
    shared = sorted(name for name, spec in outputs[0].items() if outputs[1].get(name) == spec)
    apart = [{name: spec for name, spec in each.items() if name not in shared} for each in outputs]
    if any(apart):
        return f"they have different outputs: {' and '.join(_in_words(each) or 'no more' for each in apart)}", shared
    return "", shared


def _specs(tensors: Mapping[str, TensorFacts]) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    return {name: (facts.dtype, facts.shape) for name, facts in tensors.items()}


def _in_words(specs: Mapping[str, tuple[str, tuple[int | None, ...]]]) -> str:
    return ", ".join(f"{name} {dtype} {list(shape)}" for name, (dtype, shape) in specs.items())


def _answers(versions: Sequence[Path], passports: Sequence[Passport], names: list[str]) -> Iterator[AnswerDifference]:
    """Compare what both answer to the golden inputs of each; those of two passports may be of different lengths."""
    tolerance = passports[0].tolerance
    signatures = [_signature_of(version) for version in versions]
    asked = [_answers_to(signatures, version, passport) for version, passport in zip(versions, passports, strict=True)]
    for name in names:
        pairs = [(one[name], two[name]) for one, two in asked]
        alike = not any(differences({"": two}, {"": one}, tolerance) for one, two in pairs)
        rows, size = sum(len(one) for one, _ in pairs), sum(one.size for one, _ in pairs)
        if pairs[0][0].dtype.kind == "f":
            largest = max(float(np.abs(one - two).max(initial=0.0)) for one, two in pairs)
            yield AnswerDifference(name, rows, largest, None, alike)
        else:
            flips = sum(int((one != two).sum()) for one, two in pairs)
            yield AnswerDifference(name, rows, None, flips / size if size else 0.0, alike)


def _signature_of(version: Path) -> Any:
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(version)).signatures[SERVING]
    except Exception as error:  # TensorFlow raises many types here, all of them meaning the same
        raise ArtifactError(f"TensorFlow cannot load {version}: {one_line(error)}") from error


def _answers_to(signatures: Sequence[Any], whose: Path, passport: Passport) -> tuple[Arrays, Arrays]:
    """Return what both versions answer to the golden inputs of one of them."""
    import tensorflow as tf

    try:
        rows, _ = read_golden(passport, SERVING)
        given = {name: tf.constant(array) for name, array in rows.items()}
        found = [signature(**given) for signature in signatures]
    except Exception as error:  # TensorFlow raises many types
        raise ArtifactError(f"the golden inputs of {whose} cannot be answered: {one_line(error)}") from error
    one, two = ({name: answer.numpy() for name, answer in answers.items()} for answers in found)
    return one, two
