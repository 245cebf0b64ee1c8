"""A graph of constants, made of a SavedModel's signatures: how it lies in a file. Needs no TensorFlow."""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.status import ServerError
from zoo.typed_json import read

FROZEN_FILE = "frozen.graph"
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class FrozenSignature:
    """Where a signature is in the graph."""

    inputs: Mapping[str, str]
    """Tensors of the graph by input; those that no output depends on are left out."""
    outputs: Mapping[str, str]
    """Tensors of the graph by output."""
    checks: tuple[str, ...] = ()
    """Operations that no output depends on, and that refuse values."""


@dataclass(frozen=True)
class FrozenSignatures:
    """What the first piece of a file says, as JSON."""

    signatures: Mapping[str, FrozenSignature]


def write_frozen(folder: Path, signatures: Mapping[str, FrozenSignature], pieces: Iterable[bytes]) -> None:
    """Write the file into a folder: names first, then GraphDefs, of which the last one uses the tensors of the others."""
    with (folder / FROZEN_FILE).open("wb") as file:
        for piece in (json.dumps(asdict(FrozenSignatures(signatures))).encode(), *pieces):
            file.write(_LENGTH.pack(len(piece)))
            file.write(piece)


def read_frozen_signatures(folder: Path) -> Mapping[str, FrozenSignature]:
    """Return the signatures of the file in a folder. Raises ServerError."""
    first = next(_pieces(folder / FROZEN_FILE), b"")
    try:
        found: FrozenSignatures = read(FrozenSignatures, json.loads(first))
    except (ValueError, TypeError, KeyError) as error:
        raise ServerError(f"{folder / FROZEN_FILE} cannot be read: {error}") from None
    return found.signatures


def read_graph_pieces(folder: Path) -> Iterator[bytes]:
    """Return the GraphDefs of the file in a folder, one after the other. Raises ServerError."""
    pieces = _pieces(folder / FROZEN_FILE)
    next(pieces, b"")
    return pieces


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while head := file.read(_LENGTH.size):
                (length,) = _LENGTH.unpack(head)
                piece = file.read(length)
                if len(piece) < length:
                    raise ServerError(f"{path} is cut short")
                yield piece
    except (OSError, struct.error, MemoryError, OverflowError) as error:
        raise ServerError(f"{path} cannot be read: {error}") from None
