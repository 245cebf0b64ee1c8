"""From a config to what takes its steps: strategy, data, model, optimizer and loop, for whoever trains or measures that."""

from dataclasses import dataclass

import keras
import tensorflow as tf

import zoo
from training.asynchronous.loop import AsynchronousLoop
from training.augmentation import Augmentation, make_augmentation
from training.broadcast import check_same, chief_first
from training.class_weights import make_class_weights
from training.cluster.addresses import Cluster
from training.cluster.attendance import Attendance
from training.compatibility import check_data
from training.config import TrainConfig
from training.data import Dataset, Split, load_data
from training.inheritance import Inheritance, inherit
from training.loop import Loop
from training.objectives import make_objectives, metric_names
from training.optimizers import make_optimizer
from training.reproducibility import dtype_policy, make_reproducible
from training.static_shapes import check_static
from training.strategy import BatchPlan, check_pieces, make_strategy
from zoo.errors import ConfigError, did_you_mean
from zoo.preprocessing import adapt


@dataclass(frozen=True)
class Preparation:
    """What takes the steps of a config, ready for the first."""

    strategy: tf.distribute.Strategy
    data: Dataset
    rows: Split
    """To learn from."""
    augmentation: Augmentation | None
    plan: BatchPlan
    model: keras.Model
    optimizer: keras.Optimizer
    loop: Loop
    inheritance: Inheritance | None = None
    """What the model began with, where that is an exported version."""


def prepare(
    config: TrainConfig,
    data: Dataset | None = None,
    cluster: Cluster | None = None,
    attendance: Attendance | None = None,
) -> Preparation:
    """Prepare to take the steps of a config.

    Args:
        config: the experiment.
        data: rows to learn from, in place of the data set that the config names.
        cluster: the processes of `multi_worker` or `parameter_server`, of which this is one, after they met.
        attendance: who is there of parameter servers and their workers, where this coordinates them.

    Raises:
        ConfigError: parts of the config do not fit each other, the data or the machine.
        UnknownNameError: there is no such data set, or it has no `train` split.
        ArtifactError: the version to begin with cannot be loaded.
    """
    strategy = make_strategy(config.strategy, cluster)
    data = data or chief_first(strategy, lambda: load_data(config.data))
    check_same(strategy, {"config": config.content_hash(), "data": data.fingerprint} if cluster else {})
    check_data(data, config.model, config.losses())
    objectives = make_objectives(config, make_class_weights(config, data))
    _check_monitor(config.train.monitor, metric_names(objectives))
    rows = data.split("train")
    plan = BatchPlan(
        len(rows),
        config.train.batch_size,
        strategy.num_replicas_in_sync,
        drop_remainder=config.train.drop_remainder,
        pieces=config.train.accumulation,
        workers=None if attendance is None or cluster is None else len(cluster.workers),
    )
    if config.strategy.kind == "tpu":
        check_static(plan)
    # Not before the data are there: a data set that is prepared the first time draws random numbers too.
    make_reproducible(config.seed, deterministic=config.train.deterministic)
    with strategy.scope(), dtype_policy(config.train.precision):
        model = zoo.build(config.model)
        adapt(model, rows.named_inputs())
        inheritance = None if config.parent is None else inherit(model, config.parent)
        optimizer = make_optimizer(config.optimizer, steps=plan.steps * config.train.epochs, steps_per_epoch=plan.steps)
    check_pieces(plan, model)
    train, ema = config.train, config.optimizer.ema
    if attendance is None:
        loop = Loop(strategy, model, objectives, optimizer, accumulation=train.accumulation, jit=train.jit, ema=ema)
    else:
        loop = AsynchronousLoop(
            strategy,
            model,
            objectives,
            optimizer,
            accumulation=train.accumulation,
            jit=train.jit,
            ema=ema,
            attendance=attendance,
        )
    augmentation = make_augmentation(config.data.augmentation, rows, seed=config.seed)
    return Preparation(strategy, data, rows, augmentation, plan, model, optimizer, loop, inheritance)


def _check_monitor(monitor: str, names: tuple[str, ...]) -> None:
    if monitor not in names:
        raise ConfigError(f"train.monitor {monitor!r} is not measured; {did_you_mean(monitor, names)}")
