"""Batches that all have one shape, which is what a TPU's programs are compiled for."""

from dataclasses import replace

import numpy as np

from training.data import Split
from training.strategy import BatchPlan
from zoo.errors import ConfigError


def check_static(plan: BatchPlan) -> None:
    """Refuse a plan of training whose replicas do not all get the same number of rows, every time.

    Raises:
        ConfigError: they do not.
    """
    if plan.share is None:
        parts = plan.replicas * plan.pieces
        raise ConfigError(
            f"a TPU needs batches of one shape: train.batch_size {plan.batch_size} does not divide into "
            f"{plan.replicas} replicas of {plan.pieces} piece{'' if plan.pieces == 1 else 's'} each: "
            f"take a multiple of {parts}"
        )


def plan_padded(rows: int, batch_size: int, replicas: int) -> BatchPlan:
    """Plan to go once over a split that `padded` fills up, in batches of about this size that share out evenly."""
    size = -(-min(batch_size, rows) // replicas) * replicas
    return BatchPlan(-(-rows // size) * size, size, replicas)


def padded(split: Split, rows: int) -> Split:
    """Fill a split up to so many rows with repetitions of its first one, of weight 0: no sum of loss or metrics changes."""
    missing = rows - len(split)
    if not missing:
        return split
    filled = split.taken(np.concatenate([np.arange(len(split)), np.zeros(missing, np.int64)]))
    weights = np.ones(rows, np.float32) if filled.weights is None else np.array(filled.weights)
    weights[len(split) :] = 0
    return replace(filled, weights=weights)
