"""An experiment cut down to some steps that still have everything in them: two epochs, the odd last batch, no chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.class_weights import make_class_weights
from training.config import RecoveryConfig, TrainConfig
from training.data import Dataset, Split

NOISE = ("dropout", "spatial_dropout", "recurrent_dropout", "stochastic_depth", "gaussian_noise")
"""Regularizers that draw random numbers, which are others on every replica."""
_EVALUATED = 2
"""Full batches of the validation split, and one that is not, are evaluated."""


@dataclass(frozen=True)
class Shortened:
    """A config and its rows."""

    config: TrainConfig
    data: Dataset
    notes: tuple[str, ...]
    """What was changed, for people."""


def shorten(config: TrainConfig, data: Dataset, *, steps: int) -> Shortened:
    """Cut an experiment down to about so many steps, over rows drawn with its seed.

    The epochs are as short as needed for two of them, and end with a batch as odd as those of the recipe do. What draws
    random numbers in training is turned off, for replicas draw others than one device does; what would end a run early or
    export it is too.
    """
    loop, rows = config.train, len(data.split("train"))
    whole, odd = divmod(rows, loop.batch_size)
    odd = 0 if loop.drop_remainder and whole else odd
    per_epoch = min(whole + (odd > 0), max(1, steps // 2))
    kept = min(rows, loop.batch_size * (per_epoch - 1) + (odd or loop.batch_size))
    epochs = max(1, round(steps / per_epoch))
    measured = min(len(data.split("validation")), _EVALUATED * loop.eval_batch_size + 3)
    noises = {name: 0.0 for name in NOISE if getattr(config.model.regularization, name)}
    changed: dict[str, Any] = {
        "model": config.model.model_copy(
            update={"regularization": config.model.regularization.model_copy(update=noises)}
        ),
        "train": loop.model_copy(
            update={
                "epochs": epochs,
                "steps_per_call": min(loop.steps_per_call, max(1, per_epoch // 3)),
                "class_weights": make_class_weights(config, data).get("") or None,
                "early_stopping": None,
                "recovery": RecoveryConfig(tries=0, blow_up=None),
                "checkpoints": epochs + 2,  # the first of them, too, which tells how far the weights moved
                "checkpoint_seconds": 1e9,
            }
        ),
        "export": None,
    }
    chosen = {
        "train": _drawn(data.split("train"), kept, config.seed),
        "validation": _drawn(data.split("validation"), measured, config.seed),
    }
    notes = [f"{kept} of {rows} rows to learn from, {measured} to validate on; {epochs} epochs of {per_epoch} steps"]
    if noises:
        notes.append(
            f"{' and '.join(noises)} turned off: replicas draw masks of their own, so that the runs would differ by chance"
        )
    return Shortened(
        config.model_copy(update=changed),
        Dataset(data.name, chosen, version=data.version, class_names=data.class_names),
        tuple(notes),
    )


def with_rounding(split: Split, *, seed: int) -> Split:
    """Return a split whose rows count for 1 give or take the last bits of a float32: the same mathematics, rounded anew."""
    weights = np.ones(len(split), np.float32) if split.weights is None else split.weights.astype(np.float32)
    noise = np.random.default_rng(seed).uniform(-(2.0**-22), 2.0**-22, size=weights.shape)
    return Split(split.inputs, split.labels, (weights * (1 + noise)).astype(np.float32))


def _drawn(split: Split, rows: int, seed: int) -> Split:
    if rows == len(split):
        return split
    return split.taken(np.sort(np.random.default_rng(seed).permutation(len(split))[:rows]))
