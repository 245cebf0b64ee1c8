"""Does an artifact still answer as its passport says?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifact import find_version, hash_faults, read_passport
from zoo.errors import ArtifactError
from zoo.passport import SERVING, Passport, TensorFacts
from zoo.saved_model import read_schema
from zoo.tensors import differences, read_tensor
from zoo.variants.checking import faults_of_variant


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What `verify` found."""

    version: Path
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not any(check.faults for check in self.checks)


def verify(path: str | Path) -> Report:
    """Check a version folder, or the newest version of a model folder.

    The files are held against their hashes in the passport, the signatures against its schema, and its golden inputs are
    run again: the answers must agree with the golden outputs within the passport's tolerance, those of the other signatures
    with those of `serving_default`, and those of every variant with the golden ones within its own tolerance.

    Raises:
        ArtifactError: there is no artifact at the path, or its passport cannot be read.
    """
    version = find_version(Path(path))
    passport = read_passport(version)
    files = Check("files", tuple(hash_faults(version, passport)))
    if files.faults:
        return Report(version, (files,))  # what was tampered with is not run
    return Report(version, (files, *_answer_checks(version, passport)))


def _answer_checks(version: Path, passport: Passport) -> list[Check]:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(version))
    except Exception as error:  # TensorFlow raises many types here, all of them meaning the same
        raise ArtifactError(f"TensorFlow cannot load {version}: {error}") from error
    signatures = Check("signatures", tuple(_schema_faults(loaded.signatures, passport)))
    if signatures.faults:
        return [signatures]
    answers = [_golden_check(loaded.signatures, name, passport) for name in passport.golden]
    if any(check.faults for check in answers) or SERVING not in passport.golden:
        return [signatures, *answers]
    variants = [Check(*faults_of_variant(version, name, passport)) for name in passport.variants]
    return [signatures, *answers, _parity_check(loaded.signatures, passport), *variants]


def _parity_check(signatures: Mapping[str, Any], passport: Passport) -> Check:
    from zoo.signatures.parity import Parity

    rows = {key: read_tensor(tensor) for key, tensor in passport.golden[SERVING].inputs.items()}
    return Check("signatures agree", tuple(Parity(signatures, passport, rows).faults()))


def _golden_check(signatures: Mapping[str, Any], name: str, passport: Passport) -> Check:
    import tensorflow as tf

    golden = passport.golden[name]
    what = "golden answers" if name == SERVING else f"golden answers of {name}"
    try:
        rows = {key: read_tensor(tensor) for key, tensor in golden.inputs.items()}
        expected = {key: read_tensor(tensor) for key, tensor in golden.outputs.items()}
    except (TypeError, ValueError) as error:
        return Check(what, (f"the golden tensors cannot be read: {error}",))
    faults = _golden_input_faults(name, rows, passport)
    if not faults:
        answers = signatures[name](**{key: tf.constant(array) for key, array in rows.items()})
        faults = differences({key: x.numpy() for key, x in answers.items()}, expected, passport.tolerance)
    count = len(next(iter(rows.values()), ()))
    return Check(f"{what} ({count} rows)", tuple(faults))


def _schema_faults(signatures: Mapping[str, Any], passport: Passport) -> Iterator[str]:
    for name, said in passport.signatures.items():
        if name not in signatures:
            yield f"{name} is missing"
            continue
        found = read_schema(signatures[name])
        for side, is_, was in (("input", found.inputs, said.inputs), ("output", found.outputs, said.outputs)):
            for tensor in sorted(is_.keys() | was.keys()):
                got, expected = _spec(is_.get(tensor)), _spec(was.get(tensor))
                if got != expected:
                    yield f"{name}: {side} {tensor!r} is {got}, the passport says {expected}"


def _spec(facts: TensorFacts | None) -> str:
    return "missing" if facts is None else f"{facts.dtype} {facts.shape}"


def _golden_input_faults(name: str, rows: Mapping[str, np.ndarray], passport: Passport) -> list[str]:
    """Hold golden inputs against the schema before TensorFlow sees them: it aborts on some inputs of a wrong rank."""
    signature = passport.signatures.get(name)
    if signature is None:
        return [f"the golden inputs are for {name!r}, which is no signature"]
    if rows.keys() != signature.inputs.keys():
        return [f"the golden inputs are {', '.join(rows)}, the signature takes {', '.join(signature.inputs)}"]
    faults = []
    for key, array in rows.items():
        facts = signature.inputs[key]
        dtype = "string" if array.dtype == object else array.dtype.name
        fits = array.ndim == len(facts.shape) and all(
            axis in (None, size) for axis, size in zip(facts.shape, array.shape, strict=True)
        )
        if dtype != facts.dtype or not fits:
            faults.append(f"golden input {key!r} is {dtype} {array.shape}, the signature takes {_spec(facts)}")
    return faults
