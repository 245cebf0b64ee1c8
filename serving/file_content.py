"""Files that are read whole."""

import errno
import io
import os
import shutil
from pathlib import Path

_PIECE = 1 << 16
LARGEST_MESSAGE = (1 << 31) - 1
"""Bytes of a message that protobuf reads."""
MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
"""Bytes that this machine has."""


def check_is_file(path: Path) -> None:
    """Raise OSError where something is there that is no file: a pipe would be waited for, maybe for ever."""
    if path.exists() and not path.is_file():
        raise OSError(None, "it is not a regular file", str(path))


def read_content(path: Path, *, most: int = MEMORY) -> bytes:
    """Return the content of a file, read in pieces.

    Args:
        path: of the file.
        most: bytes; what is larger is not begun, since it would take all memory before it turns out to be nothing. A file
            with holes claims any size, and takes none on the disk.

    Raises:
        OSError: it cannot be read, or is larger.

    A core that reads 50 MB at once does nothing else meanwhile, not even for what is more urgent: many kernels are not
    interrupted. Others waited 4 ms for that, as against 1.
    """
    content = io.BytesIO()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"{size} bytes are more than the {most} that can be read", str(path))
        shutil.copyfileobj(file, content, _PIECE)
    return content.getvalue()
