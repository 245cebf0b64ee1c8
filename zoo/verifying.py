"""Does an artifact still answer as its passport says?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.artifact import find_version, hash_faults, read_passport
from zoo.errors import ArtifactError, one_line
from zoo.golden import read_golden
from zoo.passport import SERVING, Passport, TensorFacts
from zoo.saved_model import read_schema
from zoo.tensors import differences
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
        raise ArtifactError(f"TensorFlow cannot load {version}: {one_line(error)}") from error
    signatures = Check("signatures", tuple(_schema_faults(loaded.signatures, passport)))
    if signatures.faults:
        return [signatures]
    answers = [_golden_check(loaded.signatures, name, passport) for name in dict.fromkeys((SERVING, *passport.golden))]
    if any(check.faults for check in answers):
        return [signatures, *answers]
    variants = [Check(*faults_of_variant(version, name, passport)) for name in passport.variants]
    return [signatures, *answers, _parity_check(loaded.signatures, passport), *variants]


def _parity_check(signatures: Mapping[str, Any], passport: Passport) -> Check:
    from zoo.signatures.parity import Parity

    rows, _ = read_golden(passport, SERVING)
    try:
        faults = tuple(Parity(signatures, passport, rows).faults())
    except Exception as error:  # noqa: BLE001  # of TensorFlow, or of a passport that leaves out what a signature needs
        faults = (f"they cannot be compared: {one_line(error)}",)
    return Check("signatures agree", faults)


def _golden_check(signatures: Mapping[str, Any], name: str, passport: Passport) -> Check:
    import tensorflow as tf

    what = "golden answers" if name == SERVING else f"golden answers of {name}"
    try:
        rows, expected = read_golden(passport, name)
        answers = signatures[name](**{key: tf.constant(array) for key, array in rows.items()})
        faults = differences({key: x.numpy() for key, x in answers.items()}, expected, passport.tolerance)
    except ArtifactError as error:
        return Check(what, (str(error),))
    except Exception as error:  # noqa: BLE001  # TensorFlow raises many types
        return Check(what, (f"the golden inputs are not answered: {one_line(error)}",))
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
