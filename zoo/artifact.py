"""The on-disk contract: where a version lies, how it gets there whole, and the passport beside it.

    <repository>/<model>/<integer version>/
        saved_model.pb  variables/  ...            the SavedModel
        assets.extra/passport.json                 the facts about it (format 1, below)

Standard library only, so that a server can read artifacts without Keras.
"""

import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ArtifactError, ExportError

FORMAT = 1
PASSPORT = Path("assets.extra") / "passport.json"
STAGING_PREFIX = ".incoming-"
"""Folders of versions in the making begin so; no reader looks at a name that is not an integer."""


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far an answer may lie from the recorded one and still count as the same."""

    absolute: float = 1e-5
    relative: float = 1e-5
    """Numbers agree when |got - expected| <= absolute + relative * |expected|."""
    label_flips: float = 0.0
    """Largest fraction of class ids and labels that may differ."""


@dataclasses.dataclass(frozen=True)
class TensorFacts:
    """Name, type and shape of one input or output, and the values seen in it."""

    dtype: str
    shape: tuple[int | None, ...]
    """None for an axis of any length; the first axis is the batch."""
    range: tuple[float, float] | None = None
    """Smallest and largest value: of the data for an input, possible for an output; None where unknown or unbounded."""


@dataclasses.dataclass(frozen=True)
class SignatureFacts:
    """One callable of the SavedModel."""

    inputs: Mapping[str, TensorFacts]
    outputs: Mapping[str, TensorFacts]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor written down exactly: little-endian base64 for numbers, a flat list for strings."""

    dtype: str
    shape: tuple[int, ...]
    base64: str | None = None
    strings: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Golden:
    """Inputs of a signature and the outputs it gave at export."""

    signature: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Passport:
    """What a stranger needs to serve, check and reproduce an artifact."""

    name: str
    created: str
    """UTC, ISO 8601."""
    signatures: Mapping[str, SignatureFacts]
    golden: Golden
    tolerance: Tolerance
    libraries: Mapping[str, str]
    files: Mapping[str, str]
    """sha256 of every other file, by path inside the version folder."""
    class_names: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By output of probabilities: the label of each class."""
    config: Mapping[str, Any] | None = None
    """The recipe, or the model's config, as it was run; None for a model from elsewhere."""
    config_hash: str | None = None
    data: Mapping[str, Any] | None = None
    """Name, version, fingerprint, licence and split sizes of the data it learnt from."""
    metrics: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    """By split: what was measured on it."""
    format: int = FORMAT

    def to_json(self) -> str:
        """Return the text of passport.json."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Passport":
        """Read the text of a passport.json.

        Raises:
            ArtifactError: it is not a passport, or one of a newer format than this version reads.
        """
        try:
            data = json.loads(text)
            found = data["format"]
            if found != FORMAT:
                raise ArtifactError(
                    f"the passport has format {found}, this version of keras-zoo reads format {FORMAT}: upgrade keras-zoo"
                )
            return cls(
                name=data["name"],
                created=data["created"],
                signatures={
                    key: SignatureFacts(_facts(value["inputs"]), _facts(value["outputs"]))
                    for key, value in data["signatures"].items()
                },
                golden=Golden(
                    data["golden"]["signature"], _tensors(data["golden"]["inputs"]), _tensors(data["golden"]["outputs"])
                ),
                tolerance=Tolerance(**data["tolerance"]),
                libraries=data["libraries"],
                files=data["files"],
                class_names={key: tuple(names) for key, names in data["class_names"].items()},
                config=data["config"],
                config_hash=data["config_hash"],
                data=data["data"],
                metrics=data["metrics"],
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"this is not a passport: {type(error).__name__}: {error}") from None


def _facts(data: Mapping[str, Any]) -> dict[str, TensorFacts]:
    return {
        name: TensorFacts(f["dtype"], tuple(f["shape"]), tuple(f["range"]) if f["range"] is not None else None)
        for name, f in data.items()
    }


def _tensors(data: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: Tensor(t["dtype"], tuple(t["shape"]), t["base64"], None if t["strings"] is None else tuple(t["strings"]))
        for name, t in data.items()
    }


def read_passport(version: Path) -> Passport:
    """Read the passport of a version folder.

    Raises:
        ArtifactError: there is none, or it cannot be read.
    """
    path = version / PASSPORT
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"{version} has no passport: {error}") from None
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path} is not text: {error}") from None
    return Passport.from_json(text)


def list_versions(model: Path) -> dict[int, Path]:
    """Return the version folders of a model by number, ascending; other names are no versions."""
    try:
        entries = list(model.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = {int(entry.name): entry for entry in entries if _is_version_name(entry.name) and entry.is_dir()}
    return dict(sorted(found.items()))


def _is_version_name(name: str) -> bool:
    # str.isdigit() alone is true of superscripts; 18 digits fit the int64 of the wire.
    return name.isascii() and name.isdigit() and len(name) <= 18


def list_models(repository: Path) -> dict[str, Path]:
    """Return the folders of a repository that hold at least one version, by model name, sorted."""
    try:
        entries = sorted(repository.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {entry.name: entry for entry in entries if not entry.name.startswith(".") and list_versions(entry)}


def hash_files(version: Path) -> dict[str, str]:
    """Return the sha256 of every file of a version but its passport, by POSIX path inside the folder."""
    paths = sorted(path for path in version.rglob("*") if path.is_file() and path != version / PASSPORT)
    hashes = {}
    for path in paths:
        with path.open("rb") as file:
            hashes[path.relative_to(version).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def write_version(model: Path, write: Callable[[Path], None]) -> Path:
    """Write the next version of a model, all at once.

    Readers see all of the version or nothing: `write` fills a folder whose name is no version, and only when every file
    in it is on the disk does the folder take its number, by one rename. An exception in `write`, or the death of the
    process, leaves the model as it was; what a dead process left behind is cleared away by the next writer. Any number of
    processes may write to one model: each gets a number of its own.

    Args:
        model: the model's folder, made if need be.
        write: fills the empty folder that it is given.

    Returns:
        The folder of the new version.

    Raises:
        ExportError: the folder cannot be made or the version cannot be put in its place.
    """
    try:
        model.mkdir(parents=True, exist_ok=True)
        _clear_wrecks(model)
        staging, lock = _locked_staging(model)
    except OSError as error:
        raise ExportError(f"cannot write below {model}: {error}") from error
    try:
        write(staging)
        _sync_tree(staging)
        return _publish(staging, model)
    except OSError as error:
        raise ExportError(f"cannot write a version of {model}: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


def _locked_staging(model: Path) -> tuple[Path, int]:
    while True:
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=model))
        try:
            lock = os.open(staging, os.O_RDONLY)
        except FileNotFoundError:  # another writer took it for a wreck before it was locked
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if staging.exists():
            staging.chmod(0o755)  # mkdtemp makes it private, a server may run as another user
            return staging, lock
        os.close(lock)


def _clear_wrecks(model: Path) -> None:
    """Remove staging folders whose writer died: those that nobody holds a lock on."""
    for wreck in model.glob(STAGING_PREFIX + "*"):
        try:
            lock = os.open(wreck, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(wreck, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _publish(staging: Path, model: Path) -> Path:
    while True:
        taken = [int(entry.name) for entry in model.iterdir() if _is_version_name(entry.name)]
        target = model / str(max(taken, default=0) + 1)
        try:
            staging.rename(target)  # fails where another writer was faster: a version is never empty
        except OSError:
            if target.exists():
                continue
            raise
        _sync(model)
        return target


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
