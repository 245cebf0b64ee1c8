"""Metrics as sums: what replicas and steps add up, and what the sums come to in the end."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from training.losses import class_ids, like
from training.metric_order import lower_is_better

BINS = 512
"""Of the histogram of probabilities that `auc` is read from; it is off by at most about one in so many."""

Sums = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Metric:
    """Something measured of a head. Sums of any two sets of rows add up to those of both together."""

    name: str
    width: int
    """How many sums."""
    sums: Sums
    """From labels, outputs (logits where there are probabilities) and a weight per entry to the sums, (width,)."""
    value: Callable[[np.ndarray], float]
    """From the sums to what is reported."""
    share: Callable[[np.ndarray], tuple[float, float]] | None = None
    """From the sums to hits and how many they are of, where the value is a share of whole rows."""


def make_metric(name: str, kind: str, units: int = 1) -> Metric:
    """Return a metric of a kind of head (`sigmoid`, `softmax`, `token` or `linear`) with so many units."""
    if name == "r2":
        return _r_squared(units)
    metric = _mean_of(name, _binary_hits) if name == "accuracy" and kind == "sigmoid" else _METRICS[name]
    several = kind == "sigmoid" and units > 1  # labels of one row are not independent of each other
    return metric if several or name not in _SHARES else replace(metric, share=_SHARES[name])


def is_better(metric: str, new: float, old: float | None, *, min_delta: float = 0.0) -> bool:
    """Tell whether a metric's new value is better than its old one; NaN is worse than anything."""
    if new != new or old is None or old != old:  # noqa: PLR0124 - NaN differs from itself
        return new == new or old is None  # noqa: PLR0124
    return new < old - min_delta if lower_is_better(metric) else new > old + min_delta


Values = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From labels and outputs to a number per entry."""


def _mean_of(name: str, values: Values) -> Metric:
    return Metric(name, 2, _weighted(values), lambda sums: _ratio(sums[0], sums[1]))


def _weighted(values: Values) -> Sums:
    def sums(labels: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.reduce_sum(values(labels, output) * weights), tf.reduce_sum(weights)])

    return sums


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _mean(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=-1)


def _absolute(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    return _mean(tf.abs(output - like(labels, output)))


def _squared(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    return _mean(tf.square(output - like(labels, output)))


def _hits(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.equal(tf.argmax(output, axis=-1, output_type=tf.int32), class_ids(labels, output)), tf.float32)


def _hits_of_five(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    of_label = tf.gather(output, class_ids(labels, output), batch_dims=output.shape.rank - 1)
    better = tf.reduce_sum(tf.cast(output > of_label[..., tf.newaxis], tf.float32), axis=-1)
    return tf.cast(better < 5, tf.float32)


def _binary_hits(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    right = tf.equal(output >= 0, like(labels, output) >= 0.5)  # probability 0.5 is logit 0
    return _mean(tf.cast(right, tf.float32))


def _surprise(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(class_ids(labels, output), output)


def _confusion(labels: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return true positives, false positives and false negatives, over all units together."""
    said, true = tf.cast(output >= 0, tf.float32), tf.cast(like(labels, output) >= 0.5, tf.float32)
    weights = weights[..., tf.newaxis]
    return tf.stack([tf.reduce_sum(weights * x) for x in (said * true, said * (1 - true), (1 - said) * true)])


def _histograms(labels: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return the weight of entries by bin of probability: of those that are not, then of those that are."""
    true = tf.cast(like(labels, output) >= 0.5, tf.int32)
    bins = tf.minimum(tf.cast(tf.sigmoid(output) * BINS, tf.int32), BINS - 1)
    spread = weights[..., tf.newaxis] * tf.ones_like(output)
    where = tf.reshape(bins + BINS * true, [-1])
    return tf.math.unsorted_segment_sum(tf.reshape(spread, [-1]), where, 2 * BINS)


def _area(sums: np.ndarray) -> float:
    """Return the area under the ROC curve by trapezoids (Fawcett, 2006)."""
    negatives, positives = sums[:BINS][::-1], sums[BINS:][::-1]  # from the highest probability down
    if not negatives.sum() or not positives.sum():
        return float("nan")  # there is no curve with one class alone
    hits = np.concatenate([[0.0], np.cumsum(positives)]) / positives.sum()
    alarms = np.concatenate([[0.0], np.cumsum(negatives)]) / negatives.sum()
    return float(np.sum(np.diff(alarms) * (hits[1:] + hits[:-1]) / 2))


def _r_squared(units: int) -> Metric:
    """Return the share of the labels' variance that is explained, the mean over units."""

    def sums(labels: tf.Tensor, output: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        true = tf.reshape(like(labels, output), [-1, units])
        error, each = true - tf.reshape(output, [-1, units]), tf.reshape(weights, [-1, 1])
        parts = [tf.reduce_sum(each * x, axis=0) for x in (true, true * true, error * error)]
        return tf.concat([[tf.reduce_sum(weights)], *parts], axis=0)

    def value(sums: np.ndarray) -> float:
        entries, (first, second, errors) = float(sums[0]), np.asarray(sums[1:], np.float64).reshape(3, units)
        spread = second - first * first / max(entries, 1.0)
        return float(np.mean(1 - errors / spread)) if entries and (spread > 0).all() else float("nan")

    return Metric("r2", 1 + 3 * units, sums, value)


_METRICS = {
    metric.name: metric
    for metric in (
        _mean_of("accuracy", _hits),
        _mean_of("top5_accuracy", _hits_of_five),
        Metric("perplexity", 2, _weighted(_surprise), lambda sums: float(np.exp(_ratio(sums[0], sums[1])))),
        Metric("precision", 3, _confusion, lambda sums: _ratio(sums[0], sums[0] + sums[1])),
        Metric("recall", 3, _confusion, lambda sums: _ratio(sums[0], sums[0] + sums[2])),
        Metric("auc", 2 * BINS, _histograms, _area),
        _mean_of("mae", _absolute),
        _mean_of("mse", _squared),
        Metric("rmse", 2, _weighted(_squared), lambda sums: float(np.sqrt(_ratio(sums[0], sums[1])))),
    )
}
"""By name; `accuracy` of sigmoid heads and `r2` are made for the head."""

_SHARES: dict[str, Callable[[np.ndarray], tuple[float, float]]] = {
    "accuracy": lambda sums: (float(sums[0]), float(sums[1])),
    "top5_accuracy": lambda sums: (float(sums[0]), float(sums[1])),
    "precision": lambda sums: (float(sums[0]), float(sums[0] + sums[1])),
    "recall": lambda sums: (float(sums[0]), float(sums[0] + sums[2])),
}
