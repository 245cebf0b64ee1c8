"""A coordinator, parameter servers that hold the variables, and workers that train without waiting for each other.

State: the strategy of this process, which TensorFlow connects once; used from the thread that trains.
"""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from training.cluster.addresses import Cluster
from training.cluster.attendance import Attendance
from training.cluster.lost import WorkerLostError, is_loss
from training.cluster.multi_worker import keeping_sigterm
from zoo.errors import ConfigError

CHIEF = '{"cluster": {"chief": ["10.0.0.1:2222"], "worker": ["10.0.0.2:2222"], "ps": ["10.0.0.3:2222"]}, "task": ...}'
_NOTICE_SECONDS = 2.0
"""How long after a failure it may take until a dead server's connection ends."""

_made: dict[Cluster, Any] = {}


def check_cluster(cluster: Cluster | None) -> Cluster:
    """Return a cluster that has a coordinator, workers and parameter servers.

    Raises:
        ConfigError: it has not.
    """
    if cluster is None:
        raise ConfigError(
            "parameter_server needs to know its processes: start them with `zoo launch --processes 2 --parameter-servers 1 "
            f"-- zoo train ...`, or set TF_CONFIG in each to such as {CHIEF}"
        )
    if not cluster.servers or cluster.coordinator is None:
        missing = "no parameter servers (ps)" if not cluster.servers else "no chief"
        raise ConfigError(
            f"parameter_server needs a chief, workers and parameter servers, and the cluster has {missing}: set TF_CONFIG "
            f"to such as {CHIEF}, or let `zoo launch --parameter-servers 1` do so"
        )
    return cluster


def make_parameter_server(cluster: Cluster) -> tf.distribute.ParameterServerStrategy:
    """Connect this process, the coordinator, to workers and parameter servers that serve, and return the strategy.

    Raises:
        ConfigError: this process coordinates others already, or one of them cannot be reached.
    """
    if cluster in _made:
        return _made[cluster]
    if _made:
        raise ConfigError(
            f"this process coordinates {', '.join(next(iter(_made)).addresses)} already and cannot coordinate "
            f"{', '.join(cluster.addresses)}: start a new process"
        )
    # The coordinator itself is none of the jobs: its address is where the others report (`training.cluster.attendance`).
    jobs = tf.train.ClusterSpec({"worker": list(cluster.workers), "ps": list(cluster.servers)})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(jobs, rpc_layer="grpc")
    logging.getLogger("tensorflow").addFilter(_says_nothing_new)
    try:
        with keeping_sigterm():
            _made[cluster] = tf.distribute.ParameterServerStrategy(resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        raise ConfigError(f"the chief cannot reach the workers and parameter servers: {error}") from None
    return _made[cluster]


@contextlib.contextmanager
def naming_lost_servers(attendance: Attendance) -> Iterator[None]:
    """Turn TensorFlow's errors about parameter servers that are gone into WorkerLostError."""
    try:
        yield
    except tf.errors.OpError as error:
        lost = attendance.lost_servers(_NOTICE_SECONDS)
        if not lost and not is_loss(error):
            raise
        raise WorkerLostError(
            f"{' and '.join(lost) or 'a parameter server'} is gone or no longer answers, and its part of the model with it: "
            "start all processes again, with --resume (`zoo launch` does so by itself)"
        ) from None


def _says_nothing_new(record: logging.LogRecord) -> bool:
    """Leave out what the coordinator logs of every failed attempt, a page each: who is gone and back is said elsewhere."""
    return record.filename != "cluster_coordinator.py"
