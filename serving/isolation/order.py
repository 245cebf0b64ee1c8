"""What a process that runs a version is told, as JSON."""

from dataclasses import dataclass

from serving.engines.options import EngineOptions


@dataclass(frozen=True)
class Order:
    """Run a version."""

    version: str
    """Its folder."""
    options: EngineOptions
    log_level: int
    """The lowest that the server writes down."""
    yields: bool = False
    """Whether the load yields to whatever else the machine does."""
    cores: tuple[int, ...] = ()
    """On which it may run once it has started; empty where the system does not say."""
    intra_op: int = 0
    """Threads of one operation of TensorFlow's; 0 for the cores."""
    inter_op: int = 0
    """Operations of TensorFlow's at once; 0 for the cores."""
