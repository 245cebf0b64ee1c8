"""The on-disk contract: where a version lies, how it gets there whole, and the passport beside it.

    <repository>/<model>/<integer version>/
        saved_model.pb  variables/  ...            the SavedModel
        assets.extra/passport.json                 the facts about it, see zoo/passport.py

Standard library only, so that a server can read artifacts without Keras.

State: the paths that could not be read and were warned of, once per process; safe from any thread.
"""

import fcntl
import hashlib
import io
import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from zoo.errors import ArtifactError, ExportError
from zoo.passport import Passport

PASSPORT = Path("assets.extra") / "passport.json"
STAGING_PREFIX = ".incoming-"
"""Folders of versions in the making begin so; no reader looks at a name that is not an integer."""
GIVEN = ".newest"
"""The file that keeps the highest number that was ever given to a version of a model: that of one that was removed is not
given again, for its clients would get another model under the same name."""

_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # surrogates stand for bytes that are no UTF-8

logger = logging.getLogger(__name__)
_warned: set[Path] = set()
"""What was warned of. A server lists its folders every second; a path that heals and breaks again is not told of twice."""


def read_passport(version: Path) -> Passport:
    """Read the passport of a version folder.

    Raises:
        ArtifactError: there is none, or it cannot be read.
    """
    text = read_passport_text(version)
    try:
        return Passport.from_json(text)
    except ArtifactError as error:
        raise ArtifactError(f"{version / PASSPORT}: {error}") from None


def read_passport_text(version: Path) -> str:
    """Return the text of the passport of a version folder, whatever it says.

    Raises:
        ArtifactError: there is none, or it cannot be read.
    """
    path = version / PASSPORT
    try:
        with _open_regular(path) as file:
            return file.read().decode()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"{version} has no passport: {error}") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path} is not text: {error}") from None


def find_version(path: Path) -> Path:
    """Return a version folder, or the newest version of a model folder.

    Raises:
        ArtifactError: it is neither, or cannot be read.
    """
    try:
        if not path.exists():
            raise ArtifactError(f"there is nothing at {path}")
        if (path / "saved_model.pb").exists():
            return path
        versions = list_versions(path)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from None
    if versions:
        return versions[max(versions)]
    raise ArtifactError(
        f"{path} is neither a version (it has no saved_model.pb) nor a model (it has no numbered folder)"
    )


def list_versions(model: Path) -> dict[int, Path]:
    """Return the version folders of a model by number, ascending; other names are no versions.

    Of `7` and `007`, the name without zeros is the version. An entry that cannot be read counts as absent, and is warned of.

    Raises:
        OSError: the model's folder itself cannot be read.
    """
    try:
        entries = list(model.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    entries.sort(key=lambda entry: len(entry.name), reverse=True)
    found = {int(entry.name): entry for entry in entries if _is_version_name(entry.name) and _is_folder(entry)}
    return dict(sorted(found.items()))


def _is_version_name(name: str) -> bool:
    # str.isdigit() alone is true of superscripts; 18 digits fit the int64 of the wire.
    return name.isascii() and name.isdigit() and len(name) <= 18


def list_models(repository: Path) -> dict[str, Path]:
    """Return the folders of a repository that hold at least one version, by model name, sorted.

    An entry that cannot be read counts as absent, and is warned of; so is one whose name no message and no log can hold.

    Raises:
        OSError: the repository's folder itself cannot be read.
    """
    try:
        entries = sorted(repository.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {
        entry.name: entry
        for entry in entries
        if not entry.name.startswith(".") and _has_versions(entry) and _is_model_name(entry)
    }


def _is_model_name(folder: Path) -> bool:
    if not _NOT_PRINTED.search(folder.name):
        return True
    _warn_once(folder, "the name of a model is text in UTF-8 without line ends and other control characters: rename it")
    return False


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:  # a dangling link, or gone meanwhile
        return False
    except OSError as error:
        _warn_once(path, f"it cannot be read: {error.strerror or error}")
        return False


def _has_versions(model: Path) -> bool:
    try:
        return bool(list_versions(model))
    except OSError as error:
        _warn_once(model, f"it cannot be read: {error.strerror or error}")
        return False


def _warn_once(path: Path, reason: str) -> None:
    if path not in _warned:
        _warned.add(path)
        shown = ascii(str(path)) if _NOT_PRINTED.search(str(path)) else path
        logger.warning("%s counts as absent: %s", shown, reason)


def hash_files(version: Path, *, but: Callable[[str], bool] = lambda _: False) -> dict[str, str]:
    """Return the sha256 of every file of a version but its passport, by POSIX path inside the folder.

    Args:
        version: its folder.
        but: tells by that path whether to leave a file unread, and its hash empty.

    Raises:
        ArtifactError: something in there is neither a folder nor a regular file, or cannot be read.
    """
    hashes = {}
    try:
        for path in sorted(version.rglob("*")):
            if (path.is_dir() and not path.is_symlink()) or path == version / PASSPORT:
                continue
            name = path.relative_to(version).as_posix()
            with _open_regular(path) as file:
                hashes[name] = "" if but(name) else hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"cannot read a file of {version}: {error}") from None
    return hashes


def hash_faults(version: Path, passport: Passport) -> list[str]:
    """Return one sentence for each file of a version that is not what its passport has the hash of; empty where all are.

    A file that it has no hash of is not read.
    """
    try:
        found = hash_files(version, but=lambda name: name not in passport.files)
    except ArtifactError as error:
        return [str(error)]
    faults = [
        f"{name} is {'a folder' if (version / name).is_dir() else 'missing'}"
        for name in passport.files
        if name not in found
    ]
    faults += [f"{name} was not there at export" for name in found if name not in passport.files]
    faults += [
        f"{name} was changed since export" for name, sha in passport.files.items() if found.get(name, sha) != sha
    ]
    return faults


def refuse_faults(version: Path, passport: Passport) -> None:
    """Raise ArtifactError where a file of a version is not what its passport has the hash of, naming the first few."""
    faults = hash_faults(version, passport)
    if faults:
        more = f"; and {len(faults) - 3} more" if faults[3:] else ""
        raise ArtifactError(f"{version} is not what was exported: {'; '.join(faults[:3])}{more}")


def _open_regular(path: Path) -> io.BufferedReader:
    """Open a file of an artifact. Refuse what would make a reader wait for ever, such as a FIFO, with ArtifactError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a FIFO waits otherwise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactError(f"{path} is not a regular file: an artifact holds folders and files only")
    return os.fdopen(descriptor, "rb")


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
        highest = max([_read_given(model), *taken])
        target = model / str(highest + 1)
        if not _is_version_name(target.name):
            raise ExportError(f"{model} has version {highest}: there is no number left above it")
        _write_given(staging, model, highest + 1)  # first: a number is skipped rather than given twice
        try:
            staging.rename(target)  # fails where another writer was faster: a version is never empty
        except OSError:
            if target.exists():
                continue
            raise
        _sync(model)
        return target


def _read_given(model: Path) -> int:
    try:
        text = (model / GIVEN).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return 0
    return int(text) if _is_version_name(text) else 0


def _write_given(staging: Path, model: Path, number: int) -> None:
    """Keep the number, by way of the staging folder: what a writer that dies leaves of it is cleared away with that."""
    written = staging / GIVEN
    written.write_text(f"{number}\n", encoding="utf-8")
    _sync(written)
    written.replace(model / GIVEN)
    _sync(staging)


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
