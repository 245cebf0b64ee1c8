"""Texts with classes, and plain text to go on with."""

from pathlib import Path

import numpy as np

from training.config import CharactersConfig, TextConfig
from training.data.files.classes import number_classes
from training.data.files.folders import list_classes
from training.data.files.rows import Rows, existing
from training.data.split import Split
from zoo.errors import ConfigError, shown

SUFFIXES = (".txt",)


def read_text(config: TextConfig, path: str, known: tuple[str, ...] | None) -> Rows:
    """Read a folder with a folder of texts for each class, or a file with a class and a text on each line; str (rows,).

    Raises:
        UnknownNameError: there is no such file or folder.
        ConfigError: a text is not UTF-8 or empty; a line has no class.
    """
    if existing(path).is_dir():
        files, numbers, names = list_classes(path, SUFFIXES, known)
        texts = [decoded(file) for file in files]
        empty = next((file for file, text in zip(files, texts, strict=True) if not text.strip()), None)
        if empty is not None:
            raise ConfigError(f"{empty} holds no text: remove it, or put some into it")
    else:
        lines, labels, texts = [], [], []
        for number, line in enumerate(decoded(Path(path)).splitlines(), start=1):
            if not line.strip():
                continue
            label, separator, text = line.partition(config.separator)
            if not separator or not label.strip() or not text.strip():
                raise ConfigError(
                    f"{path}, line {number}: expected a class, {config.separator!r} and a text, got {shown(line)}; what "
                    "stands between them is data.separator"
                )
            lines.append(number)
            labels.append(label.strip())
            texts.append(text.strip())
        if not lines:
            raise ConfigError(f"{path} is empty: expected a class, {config.separator!r} and a text on each line")
        numbers, names = number_classes(labels, known, where=lambda row: f"{path}, line {lines[row]}")
    return Rows(Split(np.array(texts, object), numbers), names)


def read_characters(config: CharactersConfig, path: str) -> Rows:
    """Read plain text as pieces of `length` bytes, and the bytes that follow each of them: int32 (rows, length) both.

    Of a folder, all `.txt` files are read one after the other.

    Raises:
        UnknownNameError: there is no such file or folder.
        ConfigError: it is not UTF-8, or too short for one piece.
    """
    found = existing(path)
    files = sorted(found.rglob("*.txt")) if found.is_dir() else [found]
    text = "\n".join(decoded(file) for file in files).encode()
    length, step = config.length, config.step or config.length
    if len(text) <= length:
        raise ConfigError(f"{path} has {len(text)} bytes: expected more than data.length, {length}")
    ids = np.frombuffer(text, np.uint8).astype(np.int32) + 1
    windows = np.lib.stride_tricks.sliding_window_view(ids, length + 1)[::step]
    overlap = -(-length // step) - 1
    labels = np.ascontiguousarray(windows[:, 1:])
    if config.inputs == "ids":
        return Rows(Split(np.ascontiguousarray(windows[:, :-1]), labels), overlap=overlap)
    starts = range(0, len(windows) * step, step)
    return Rows(Split(np.array([text[i : i + length] for i in starts], object), labels), overlap=overlap)


def decoded(file: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        ConfigError: it is not UTF-8; the message says where.
    """
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{file}, line {line}: byte {content[error.start]:#04x} at position {error.start} is not UTF-8; save it as UTF-8"
        ) from None
