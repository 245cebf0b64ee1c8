"""Becoming one of several workers, and saying in words when another one is lost."""

import contextlib
import platform
from collections.abc import Iterator
from importlib.metadata import version

import keras
import tensorflow as tf

from training.cluster.addresses import Cluster
from training.cluster.lost import WorkerLostError, is_loss, tell_of_loss
from training.cluster.meeting import meet
from training.cluster.multi_worker import joined_cluster
from training.cluster.parameter_servers import check_cluster
from training.config import TrainConfig
from zoo.errors import ConfigError


def join_cluster(config: TrainConfig, cluster: Cluster | None = None) -> Cluster | None:
    """Return the cluster that a config is trained on, once all of its workers are there; None where it needs none.

    Args:
        config: of the run, which all workers have to have in common.
        cluster: who they are; None reads TF_CONFIG.

    Raises:
        ConfigError: there is none, it cannot be read, or a worker is missing or different.
    """
    if config.strategy.kind == "parameter_server":
        return check_cluster(cluster or Cluster.from_environment())
    if config.strategy.kind != "multi_worker":
        if cluster is not None:
            raise ConfigError(
                f"a cluster was given, but strategy is {config.strategy.kind!r}: choose strategy: multi_worker"
            )
        return None
    cluster = cluster or Cluster.from_environment()
    if cluster is None:
        return None  # make_strategy says what is missing
    if cluster.servers:
        raise ConfigError("the cluster has parameter servers (ps), which multi_worker does not use: leave them out")
    cluster = cluster.in_step()
    if cluster != joined_cluster():
        meet(cluster, _facts(config, cluster), seconds=config.strategy.timeout)
    return cluster


def versions() -> dict[str, str]:
    """Return the versions that have to be equal in all processes."""
    found = {"keras-zoo": version("keras-zoo"), "keras": keras.__version__, "tensorflow": tf.__version__}
    return {**found, "python": platform.python_version()}


def _facts(config: TrainConfig, cluster: Cluster) -> dict[str, object]:
    """Return what has to be equal on all workers."""
    return {
        "versions": versions(),
        "workers": list(cluster.workers),
        "config": config.to_dict(),
        "content hash": config.content_hash(),
    }


@contextlib.contextmanager
def naming_losses(cluster: Cluster | None) -> Iterator[None]:
    """Turn TensorFlow's errors about workers that are gone into WorkerLostError."""
    try:
        yield
    except tf.errors.OpError as error:
        if cluster is None or cluster.servers or len(cluster.workers) == 1 or not is_loss(error):
            raise
        raise WorkerLostError(tell_of_loss(error, cluster)) from None
