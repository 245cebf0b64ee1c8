"""How much a queue holds."""

from dataclasses import dataclass

from serving.latency_target import LatencyTarget


@dataclass(frozen=True)
class Bounds:
    """How much may wait, and be computed at once."""

    max_pending: int
    max_pending_per_model: int
    threads: int
    width: int
    """Batches of one lane that are computed at once under adaptive rules: the more, the smaller they are.

    Those that take long, and a core each, are computed on all cores.

    Lanes whose requests are computed alone have all threads.
    """
    cores: int = 1
    """Of those that this process may use, as many as there are threads at most."""
    latency: LatencyTarget | None = None
    """Within which requests are to be answered; None for whenever it is their turn."""
