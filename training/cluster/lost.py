"""A worker that is gone: what TensorFlow says of it, in words."""

import re

import tensorflow as tf

from training.cluster.addresses import Cluster
from training.cluster.again import how_to_go_on, is_launched
from zoo.errors import ZooError

_OF_PEERS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnknownError,
)
_TASK = re.compile(r"/job:worker(?:/replica:\d+)?/task:(\d+)")


class WorkerLostError(ZooError):
    """Another worker died or no longer answers, so that this one cannot go on. Start all of them again, with `resume`."""


def is_loss(error: tf.errors.OpError) -> bool:
    """Tell whether this is how TensorFlow fails when another worker is gone."""
    return isinstance(error, _OF_PEERS)


def tell_of_loss(error: tf.errors.OpError, cluster: Cluster) -> str:
    """Return a sentence that names the worker, where TensorFlow does."""
    tasks = {int(number) for number in _TASK.findall(str(error))} - {cluster.task}
    named = [f"worker {task} ({cluster.workers[task]})" for task in sorted(tasks) if task < len(cluster.workers)]
    who = " or ".join(named) if named else "another worker"
    what = f"{who} is gone or no longer answers, and worker {cluster.task} cannot go on alone"
    return what if is_launched() else f"{what}: {how_to_go_on()} (`zoo launch` does so by itself)"
