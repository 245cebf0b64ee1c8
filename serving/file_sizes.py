"""Files of a version that are too large to be what they are called: refused before anything reads them."""

from pathlib import Path

from serving.file_content import LARGEST_MESSAGE, MEMORY
from serving.saved_model import SAVED_MODEL_FILE
from serving.status import ServerError
from serving.tflite_file import TFLITE_FILE

_INDEX = "variables/variables.index"


def check_sizes(version: Path) -> None:
    """Raise ServerError where a file of a version folder is larger than any that can be loaded.

    Its hash would take minutes, and a file with holes claims any size. The index names each variable, as the graph does,
    which is one message; weights are loaded into this machine's memory.
    """
    most = {version / name: LARGEST_MESSAGE for name in (SAVED_MODEL_FILE, _INDEX)} | {version / TFLITE_FILE: MEMORY}
    try:
        most |= dict.fromkeys(version.glob("variables/variables.data-*"), MEMORY)
        sizes = {path: path.stat().st_size for path in most if path.is_file()}
    except OSError as error:
        raise ServerError(f"{version} cannot be read: {error.strerror}") from None
    for path, size in sizes.items():
        if size > most[path]:
            name = path.relative_to(version)
            raise ServerError(
                f"{version} cannot be loaded: {name}: {size} bytes are more than the {most[path]} that can be read"
            )
