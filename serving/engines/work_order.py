"""What a workshop is asked to do: it comes as JSON, and files are the answer."""

from dataclasses import dataclass

from serving.engines.findings import FROZEN, LITERT

RESULT, STEP = "result.json", "step"
"""Files in the order's folder: the findings; and what the workshop is doing, for whoever finds it dead."""


@dataclass(frozen=True)
class WorkOrder:
    """Try out what can run a SavedModel."""

    version: str
    """Its folder."""
    folder: str
    """Gets the files and findings."""
    tags: tuple[str, ...]
    threads: int
    """Of LiteRT, for one call, at most."""
    engines: tuple[str, ...] = (LITERT, FROZEN)
    """Those to try."""
    without: tuple[str, ...] = ()
    """Engines that are not tried: they ended an earlier workshop."""
