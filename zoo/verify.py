"""Does an artifact still answer as its passport says?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.artifact import Passport, hash_files, list_versions, read_passport
from zoo.errors import ArtifactError
from zoo.tensors import differences, read_tensor


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
    run again: the answers must agree with the golden outputs within the passport's tolerance.

    Raises:
        ArtifactError: there is no artifact at the path, or its passport cannot be read.
    """
    version = _find_version(Path(path))
    passport = read_passport(version)
    files = Check("files", tuple(_file_faults(version, passport)))
    if files.faults:
        return Report(version, (files,))  # what was tampered with is not run
    return Report(version, (files, *_answer_checks(version, passport)))


def _find_version(path: Path) -> Path:
    if not path.exists():
        raise ArtifactError(f"there is nothing at {path}")
    if (path / "saved_model.pb").exists():
        return path
    versions = list_versions(path)
    if versions:
        return versions[max(versions)]
    raise ArtifactError(
        f"{path} is neither a version (it has no saved_model.pb) nor a model (it has no numbered folder)"
    )


def _file_faults(version: Path, passport: Passport) -> list[str]:
    found = hash_files(version)
    faults = [f"{name} is missing" for name in passport.files if name not in found]
    faults += [f"{name} was not there at export" for name in found if name not in passport.files]
    faults += [
        f"{name} was changed since export" for name, sha in passport.files.items() if found.get(name, sha) != sha
    ]
    return faults


def _answer_checks(version: Path, passport: Passport) -> list[Check]:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(version))
    except Exception as error:  # TensorFlow raises many types here, all of them meaning the same
        raise ArtifactError(f"TensorFlow cannot load {version}: {error}") from error
    missing = [name for name in passport.signatures if name not in loaded.signatures]
    if missing:
        return [Check("signatures", tuple(f"{name} is missing" for name in missing))]
    golden = passport.golden
    rows = {name: tf.constant(read_tensor(tensor)) for name, tensor in golden.inputs.items()}
    got = {name: value.numpy() for name, value in loaded.signatures[golden.signature](**rows).items()}
    expected = {name: read_tensor(tensor) for name, tensor in golden.outputs.items()}
    count = len(next(iter(expected.values()), np.empty(0)))
    return [
        Check("signatures"),
        Check(f"golden answers ({count} rows)", tuple(differences(got, expected, passport.tolerance))),
    ]
