"""What decides how versions are executed; it goes to other processes as JSON."""

from dataclasses import dataclass

from serving.engines.by_files import EngineByFiles
from serving.engines.chooser import EngineChooser
from serving.engines.findings import SAVED_MODEL
from serving.saved_model import SERVE_TAG


@dataclass(frozen=True)
class EngineOptions:
    """What ServerConfig says of engines."""

    tags: tuple[str, ...] = (SERVE_TAG,)
    """Of the graph of a SavedModel."""
    engine: str = SAVED_MODEL
    prefer_tflite: bool = False
    interpreters: int = 1
    """How many calls of a model.tflite are computed at once."""

    def loader(self) -> EngineByFiles | EngineChooser:
        """Return what loads versions into this process."""
        files = EngineByFiles(frozenset(self.tags), prefer_tflite=self.prefer_tflite, interpreters=self.interpreters)
        return files if self.engine == SAVED_MODEL else EngineChooser(files, self.engine)
