"""What a worker or a parameter server does: serve until the chief is through.

State: the TensorFlow servers of this process, which never end and serve one chief after the other.
"""

import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from training.cluster.addresses import Cluster, split_address
from training.cluster.lost import WorkerLostError
from training.cluster.meeting import RETRY_SECONDS, Facts, listen_at, read_message
from training.cluster.multi_worker import keeping_sigterm
from zoo.errors import ConfigError

STOP_SECONDS = 20.0
"""How long a worker that was asked to stop goes on serving: the chief, which may be stopping too, still needs it to save."""
_ASK_SECONDS = 0.2

_servers: dict[Cluster, Any] = {}


def serve(cluster: Cluster, facts: Facts, *, seconds: float, should_stop: Callable[[], bool]) -> bool:
    """Run the TensorFlow server of this process until the chief says that it is through.

    Asked to stop, a parameter server has the chief save and stop, for nothing goes on without it; a worker, without
    which the others go on, serves for up to 20 seconds more.

    Args:
        cluster: who trains together, and which of them this is.
        facts: what has to be equal in all processes.
        seconds: how long to look for the chief.
        should_stop: is asked a few times a second.

    Returns:
        Whether the chief was through; False where this process stopped before.

    Raises:
        ConfigError: the address is taken, the chief does not come, or differs.
        WorkerLostError: the chief died.
    """
    if cluster not in _servers:
        _servers[cluster] = _start(cluster)
    with _reach_chief(cluster, facts, seconds, should_stop) as chief:
        return _wait(chief, cluster, should_stop)


def _start(cluster: Cluster) -> tf.distribute.Server:
    listen_at(cluster).close()  # to see that the port is free: TensorFlow would end the process
    for gpu in tf.config.list_physical_devices("GPU")[:1]:  # a batch is one device's
        tf.config.set_visible_devices(gpu, "GPU")
    jobs = tf.train.ClusterSpec({"worker": list(cluster.workers), "ps": list(cluster.servers)})
    # Every step under way holds a thread of a server while it waits for others: with one per core, two workers on two cores
    # wait for ever.
    threads = max(os.cpu_count() or 1, 2 * (len(cluster.workers) + 1))
    config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=threads)
    try:
        with keeping_sigterm():
            return tf.distribute.Server(
                jobs, job_name=cluster.job, task_index=cluster.task, protocol="grpc", config=config, start=True
            )
    except (tf.errors.OpError, RuntimeError) as error:
        raise ConfigError(f"{cluster.name} cannot start its server at {cluster.address}: {error}") from None


def _reach_chief(cluster: Cluster, facts: Facts, seconds: float, should_stop: Callable[[], bool]) -> socket.socket:
    deadline, reason = time.monotonic() + seconds, "no answer"
    address = str(cluster.coordinator)
    hello = json.dumps({"name": cluster.name, "facts": facts}).encode() + b"\n"
    while time.monotonic() < deadline and not should_stop():
        connection = None
        try:
            connection = socket.create_connection(split_address(address), timeout=5)
            connection.sendall(hello)
            answer = read_message(connection)
        except (OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            if connection is not None:
                connection.close()
            time.sleep(RETRY_SECONDS)
            continue
        if answer.get("error"):
            connection.close()
            raise ConfigError(str(answer["error"]))
        return connection
    raise ConfigError(
        f"{cluster.name} ({cluster.address}) could not reach the chief at {address} within {seconds:g} s ({reason}): "
        "see that the chief was started, with the same cluster addresses"
    )


def _wait(chief: socket.socket, cluster: Cluster, should_stop: Callable[[], bool]) -> bool:
    chief.settimeout(_ASK_SECONDS)
    chief.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    deadline: float | None = None
    while deadline is None or time.monotonic() < deadline:
        if deadline is None and should_stop():
            deadline = time.monotonic() + STOP_SECONDS
            if cluster.job == "ps":
                chief.sendall(json.dumps({"stop": True}).encode() + b"\n")
        try:
            read_message(chief)
        except TimeoutError:
            continue
        except (OSError, ValueError):
            raise WorkerLostError(
                f"the chief at {cluster.coordinator} died, and {cluster.name} serves nobody else: start all processes "
                "again, with --resume (`zoo launch` does so by itself)"
            ) from None
        return True
    return False
