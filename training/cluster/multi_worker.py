"""Several processes that train in step, on one machine or many.

State: the one strategy of this process, which TensorFlow cannot make twice; used from the thread that trains.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from training.cluster.addresses import Cluster
from zoo.errors import ConfigError

HEARTBEAT_SECONDS = 10.0
"""A worker that was not heard of for so long is taken for gone."""

_made: dict[Cluster, Any] = {}


def make_multi_worker(cluster: Cluster, *, gpus: bool, seconds: float) -> tf.distribute.Strategy:
    """Start this process's part of the cluster and return the strategy. Waits for the others.

    Call it before anything else of TensorFlow in this process.

    Args:
        cluster: who trains; the workers should have met (`training.cluster.meeting`).
        gpus: reduce with NCCL rather than over gRPC.
        seconds: how long to wait.

    Raises:
        ConfigError: this process is part of another cluster already, or TensorFlow cannot start its server.
    """
    cluster = cluster.in_step()
    if cluster in _made:
        return _made[cluster]
    if _made:
        raise ConfigError(
            f"this process trains as part of {', '.join(next(iter(_made)).workers)} already and cannot join "
            f"{', '.join(cluster.workers)}: start a new process"
        )
    _bound_waiting(cluster, seconds)
    communication = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=communication.NCCL if gpus else communication.RING
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster.jobs()), task_type="worker", task_id=cluster.task, rpc_layer="grpc"
    )
    try:
        with keeping_sigterm():
            strategy = tf.distribute.MultiWorkerMirroredStrategy(
                cluster_resolver=resolver, communication_options=options
            )
    except RuntimeError as error:  # "Collective ops must be configured at program startup"
        raise ConfigError(
            f"multi_worker must be set up before anything uses TensorFlow: train in a new process ({error})"
        ) from None
    except tf.errors.OpError as error:
        raise ConfigError(
            f"worker {cluster.task} cannot start its server at {cluster.address} or reach {cluster.workers[0]}: "
            f"{error.message}"
        ) from None
    _made[cluster] = strategy
    return strategy


@contextlib.contextmanager
def keeping_sigterm() -> Iterator[None]:
    """Give SIGTERM back to who had it: TensorFlow's server takes it, as a notice that nobody here waits for."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def joined_cluster() -> Cluster | None:
    """Return the cluster that this process is part of."""
    return next(iter(_made), None)


def _bound_waiting(cluster: Cluster, seconds: float) -> None:
    """Wait for the others for so long, where TensorFlow would wait for an hour. There is no public way to say so."""
    if len(cluster.workers) == 1:
        return
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager import context

    job = coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(cluster.workers))
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=round(1000 * seconds),
        heartbeat_timeout_in_ms=round(1000 * HEARTBEAT_SECONDS),
        coordinated_jobs=[job],
    )
