"""From config to `tf.distribute.Strategy`, and the arithmetic of batches over replicas.

State: the devices that this process gave to its one mirrored strategy; used from the thread that trains.
"""

import itertools
import logging
import os
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from training.cluster.addresses import EXAMPLE, Cluster
from training.cluster.multi_worker import make_multi_worker
from training.cluster.parameter_servers import check_cluster, make_parameter_server
from training.config import StrategyConfig
from training.tpu import make_tpu
from zoo.errors import ConfigError

LOGICAL_CPUS = 2
"""Replicas of `mirrored` on a machine without a GPU, where none are asked for."""

_CONVOLUTIONS = tuple(
    getattr(keras.layers, name) for name in dir(keras.layers) if name.endswith(("Conv1D", "Conv2D", "Conv3D"))
)

_log = logging.getLogger(__name__)
_mirrored: dict[tuple[str, ...], Any] = {}


def make_strategy(config: StrategyConfig, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """Return the strategy; GPUs get to grow their memory as needed rather than take all of it.

    Args:
        config: which one.
        cluster: the processes of `multi_worker` or `parameter_server`, of which this is one.

    Call it before anything else of TensorFlow: on a machine without GPUs, `mirrored` divides the CPU into logical devices,
    which is only possible before TensorFlow has started its devices.

    Raises:
        ConfigError: there are not enough devices, or it is too late to divide the CPU.
    """
    gpus = _growing_gpus()
    if config.kind == "default":
        return tf.distribute.get_strategy()
    if config.kind == "one_device":
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    if config.kind == "multi_worker":
        return make_multi_worker(_the(cluster), gpus=bool(gpus), seconds=config.timeout)
    if config.kind == "tpu":
        return make_tpu(config.tpu, seconds=config.timeout)
    if config.kind == "parameter_server":
        return make_parameter_server(check_cluster(cluster))
    devices = _gpu_names(gpus, config.replicas) if gpus else _cpu_names(config.replicas or LOGICAL_CPUS)
    if devices not in _mirrored:
        if _mirrored:
            # A second set fails inside TensorFlow: "Shape mismatch in the collective instance".
            raise ConfigError(
                f"this process trains on {', '.join(*_mirrored)} already and cannot mirror over other devices: "
                f"start a new process for {', '.join(devices)}"
            )
        # After one failed step, TensorFlow's collectives fail for the rest of the process. Where all devices are one CPU,
        # adding up on the first of them is as good.
        reduction = None if gpus else tf.distribute.ReductionToOneDevice()
        _mirrored[devices] = tf.distribute.MirroredStrategy(list(devices), cross_device_ops=reduction)
    return _mirrored[devices]


def alone(config: StrategyConfig) -> StrategyConfig:
    """Return on what one process can measure what was trained on this: sums do not depend on where they are added up."""
    return StrategyConfig() if config.kind in {"multi_worker", "parameter_server", "tpu"} else config


def _the(cluster: Cluster | None) -> Cluster:
    if cluster is None:
        raise ConfigError(
            "multi_worker needs to know its workers: start them with `zoo launch --processes 2 -- zoo train ...`, give each "
            f"--cluster host:port,host:port and --task, or set TF_CONFIG to such as {EXAMPLE}"
        )
    return cluster


def _growing_gpus() -> list[Any]:
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 - TensorFlow's signature
        except RuntimeError:
            _log.warning("memory growth of %s stays as it is: TensorFlow had started its devices already", gpu.name)
    return gpus


def _gpu_names(gpus: list[Any], replicas: int | None) -> tuple[str, ...]:
    if replicas is not None and replicas > len(gpus):
        raise ConfigError(f"strategy.replicas is {replicas}, but there are {len(gpus)} GPUs")
    return tuple(f"/gpu:{i}" for i in range(replicas or len(gpus)))


def _cpu_names(replicas: int) -> tuple[str, ...]:
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or ()) < replicas:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        except RuntimeError:
            raise ConfigError(
                f"mirrored over {replicas} logical CPUs must be set up before TensorFlow starts, and it has started with "
                f"{len(tf.config.list_logical_devices('CPU'))}: train in a new process, or before anything uses TensorFlow"
            ) from None
    return tuple(f"/cpu:{i}" for i in range(replicas))


def check_pieces(plan: "BatchPlan", model: keras.Model) -> None:
    """Refuse what cannot be computed: statistics over a piece of no rows, and with oneDNN on a CPU, convolutions of no rows.

    A batch of fewer rows than replicas, or than the pieces in which they accumulate gradients, leaves some without a row.
    oneDNN's Conv2D then returns (0, height, width, 1) for any number of filters (TensorFlow 2.21).

    Raises:
        ConfigError: that would happen.
    """
    layers = model._flatten_layers()  # noqa: SLF001
    if plan.last_batch < plan.pieces and any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        raise ConfigError(
            f"{plan.describe()}: batch normalization needs a row in each of {plan.pieces} pieces; change train.batch_size "
            "or train.accumulation, or choose another normalization"
        )
    convolves = any(isinstance(layer, _CONVOLUTIONS) for layer in layers)
    on_cpu = not tf.config.list_physical_devices("GPU") and os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0"
    if convolves and on_cpu and plan.last_batch // plan.pieces < plan.replicas:
        empty = "replica" if plan.pieces == 1 else "piece"
        raise ConfigError(
            f"{plan.describe()}: a {empty} without rows, on which TensorFlow's CPU convolutions fail; "
            f"change train.batch_size, or set TF_ENABLE_ONEDNN_OPTS=0 in the environment"
        )


def plan_evaluation(split: str, rows: int, batch_size: int, replicas: int, model: keras.Model) -> "BatchPlan":
    """Plan to go once over a split so that no replica is ever without a row, where the split has enough of them.

    Sums over examples do not depend on how they were cut, so the batch may be of another size than was asked for: the next
    smaller one that leaves no piece empty, else the next larger.

    Args:
        split: the name of the split, for the error.
        rows: of the split.
        batch_size: `train.eval_batch_size`.
        replicas: how many share a batch.
        model: what is evaluated.

    Raises:
        ConfigError: the split has fewer rows than there are replicas, and this model cannot compute on no rows.
    """
    wanted = max(batch_size, replicas)
    for size in (*range(min(wanted, rows), replicas - 1, -1), *range(wanted + 1, rows + 1)):
        if rows % size == 0 or rows % size >= replicas:
            return BatchPlan(rows, size, replicas)
    plan = BatchPlan(rows, wanted, replicas)
    try:
        check_pieces(plan, model)
    except ConfigError as error:
        raise ConfigError(
            f"the {split} split has {rows} rows for {replicas} replicas, and no train.eval_batch_size helps: "
            f"give it at least {replicas} rows, or use fewer strategy.replicas ({error})"
        ) from None
    return plan


@dataclass(frozen=True)
class BatchPlan:
    """How the rows of a split become steps: the arithmetic, in one place.

    Raises:
        ConfigError: a global batch has fewer rows than there are replicas.
    """

    rows: int
    batch_size: int
    """Of the global batch."""
    replicas: int = 1
    drop_remainder: bool = False
    """Whether an epoch ends before the rows that do not fill a batch."""
    pieces: int = 1
    """Into how many pieces a batch is cut, one after the other, before it is shared out."""
    workers: int | None = None
    """Of how many one takes a batch, on its own; None where all that there are take each batch together."""

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ConfigError("there are no rows to learn from")
        if self.drop_remainder and self.rows < self.batch_size:
            raise ConfigError(
                f"{self.rows} rows do not fill one global batch of {self.batch_size}, and drop_remainder leaves the rest "
                "out: lower train.batch_size"
            )
        if self.batch_size < self.replicas:
            raise ConfigError(
                f"a global batch of {self.batch_size} leaves some of {self.replicas} replicas without a row: "
                f"raise train.batch_size to at least {self.replicas}"
            )

    @property
    def steps(self) -> int:
        """Steps of one epoch; the last one may be of fewer rows."""
        return self.rows // self.batch_size if self.drop_remainder else -(-self.rows // self.batch_size)

    @property
    def last_batch(self) -> int:
        """Rows of the last global batch of an epoch."""
        return self.batch_size if self.drop_remainder else self.rows - (self.steps - 1) * self.batch_size

    @property
    def share(self) -> int | None:
        """Rows of every replica in every step; None where they are not always as many."""
        even = self.last_batch == self.batch_size and self.batch_size % (self.replicas * self.pieces) == 0
        return self.batch_size // self.replicas if even else None

    def shares(self, rows: int) -> tuple[int, ...]:
        """Return how many of a global batch's rows each replica gets: as even as can be, in order."""
        pieces = [end - start for start, end in itertools.pairwise(_ends(rows, self.pieces))]
        ends = [sum(parts) for parts in zip(*(_ends(piece, self.replicas) for piece in pieces), strict=True)]
        return tuple(end - start for start, end in itertools.pairwise(ends))

    def describe(self) -> str:
        """Return the plan as one line for people."""
        full = min(self.batch_size, self.rows)
        taken = f"{full}{self._over(full)}"
        if self.workers is not None:
            taken += f", each handled by one of {self.workers} worker{'' if self.workers == 1 else 's'}"
        text = f"{self.rows} rows in global batches of {taken}, {self.steps} steps per epoch"
        if self.drop_remainder and self.rows % self.batch_size:
            text += f", {self.rows % self.batch_size} rows left out of each"
        if self.last_batch != full:
            text += f", the last of {self.last_batch}{self._over(self.last_batch)}"
        return text

    def _over(self, rows: int) -> str:
        shares = self.shares(rows)
        if len(shares) == 1:
            return ""
        each = f"{shares[0]} each" if len(set(shares)) == 1 else " + ".join(map(str, shares))
        return f" over {len(shares)} replicas ({each})"


def _ends(rows: int, parts: int) -> list[int]:
    return [rows * part // parts for part in range(parts + 1)]
