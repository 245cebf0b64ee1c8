"""The part that each process of parameter servers plays: the chief coordinates, the others serve."""

import contextlib
from collections.abc import Callable, Iterator

from training.asynchronous.loop import check_asynchronous
from training.cluster.addresses import Cluster
from training.cluster.attendance import Attendance
from training.cluster.joining import versions
from training.cluster.meeting import Facts
from training.cluster.parameter_servers import naming_lost_servers
from training.cluster.serving import serve
from training.config import TrainConfig


@contextlib.contextmanager
def coordinating(config: TrainConfig, cluster: Cluster | None) -> Iterator[Attendance | None]:
    """Have workers and parameter servers there meanwhile, and let them go in the end; None where a config needs none.

    Raises:
        ConfigError: one is missing or differs, or the config asks for what they cannot do.
        WorkerLostError: a parameter server is gone, or all workers are.
    """
    if cluster is None or config.strategy.kind != "parameter_server":
        yield None
        return
    check_asynchronous(config)
    with (
        Attendance(cluster, _facts(cluster), seconds=config.strategy.timeout) as attendance,
        naming_lost_servers(attendance),
    ):
        attendance.await_all()
        yield attendance


def serves(config: TrainConfig, cluster: Cluster | None) -> bool:
    """Tell whether this process only does what a coordinator asks of it."""
    return config.strategy.kind == "parameter_server" and cluster is not None and not cluster.is_chief


def serve_chief(config: TrainConfig, cluster: Cluster, should_stop: Callable[[], bool]) -> bool:
    """Serve until the chief is through; see `training.cluster.serving.serve`."""
    check_asynchronous(config)
    return serve(cluster, _facts(cluster), seconds=config.strategy.timeout, should_stop=should_stop)


def _facts(cluster: Cluster) -> Facts:
    return {"versions": versions(), "cluster": cluster.jobs()}
