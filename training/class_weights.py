"""What the rows of each class count for."""

from collections.abc import Mapping

import numpy as np

from training.config import TrainConfig
from training.data import Dataset
from zoo.errors import ConfigError


def make_class_weights(config: TrainConfig, data: Dataset) -> Mapping[str, tuple[float, ...]]:
    """Return the weights of the classes by head; empty where all count alike.

    `balanced` is rows / (classes * rows of the class), counted in the training split (King and Zeng, 2001).

    Raises:
        ConfigError: the model has several heads, or one that does not choose a class; another number of weights than of
            classes; `balanced`, and a class without a row.
    """
    chosen = config.train.class_weights
    if chosen is None:
        return {}
    heads = config.model.named_heads()
    if "" not in heads:
        raise ConfigError("train.class_weights: the model has several heads: weigh their rows with weights in the data")
    head = heads[""]
    if head.kind not in {"softmax", "sigmoid"} or (head.kind == "sigmoid" and head.units > 1):
        raise ConfigError(
            f"train.class_weights: a {head.kind} head with {head.units} units does not choose one class; leave them out"
        )
    classes = 2 if head.kind == "sigmoid" else head.units
    if chosen != "balanced":
        if len(chosen) != classes:
            raise ConfigError(f"train.class_weights: expected {classes}, one for each class, got {len(chosen)}")
        return {"": chosen}
    labels = data.split("train").named_labels()[""]
    if config.losses()[""].kind == "categorical_crossentropy":
        labels = labels.argmax(axis=-1)
    counts = np.bincount((np.asarray(labels).reshape(-1) + 0.5).astype(np.int64), minlength=classes)
    if not counts.all():
        raise ConfigError(
            f"train.class_weights: balanced, but the training split has no row of class {int(np.argmin(counts))}"
        )
    return {"": tuple(float(w) for w in counts.sum() / (classes * counts))}
