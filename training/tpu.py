"""TPUs: how they are reached. Nothing here could be run on one; see docs/distributed.md.

State: the strategies of this process by the name of their TPU, which is initialised once; used from the thread that trains.
"""

import os
import socket
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo.errors import ConfigError

_DEVICES = ("/dev/accel0", "/dev/vfio/0")
_NAMES = ("TPU_NAME", "COLAB_TPU_ADDR", "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS")
_made: dict[str, Any] = {}


def make_tpu(name: str | None, *, seconds: float) -> tf.distribute.Strategy:
    """Find a TPU, connect to it, initialise it, and return its strategy.

    Args:
        name: of the TPU, or its address `grpc://host:port`; None is the one of this machine, or that of the environment.
        seconds: how long to wait for an address to answer.

    Raises:
        ConfigError: there is none, or it cannot be reached.
    """
    wanted = name or _named_here()
    if wanted not in _made:
        _check_reachable(wanted, seconds)
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=wanted)
            if wanted != "local":
                tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
            _made[wanted] = tf.distribute.TPUStrategy(resolver)
        except (ValueError, OSError, RuntimeError, tf.errors.OpError) as error:
            raise ConfigError(f"cannot use the TPU {wanted!r}: {error}; see docs/distributed.md") from None
    return _made[wanted]


def _named_here() -> str:
    found = next((os.environ[variable] for variable in _NAMES if os.environ.get(variable)), None)
    if found is not None:
        return found
    if any(Path(device).exists() for device in _DEVICES):
        return "local"
    raise ConfigError(
        f"this machine has no TPU ({' or '.join(_DEVICES)}), and none is named: set strategy.tpu to its name or to "
        f"grpc://host:port, or {_NAMES[0]} in the environment"
    )


def _check_reachable(name: str, seconds: float) -> None:
    """See whether something listens at an address, where TensorFlow would try for minutes."""
    if not name.startswith("grpc://"):
        return
    host, _, port = name.removeprefix("grpc://").rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"strategy.tpu {name!r}: expected grpc://host:port, or the name of a TPU")
    try:
        socket.create_connection((host, int(port)), timeout=seconds).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"the TPU at {name} does not answer within {seconds:g} s: {error}") from None
