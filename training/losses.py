"""Losses, entry by entry: one number per row, or per row and step of a sequence."""

import tensorflow as tf

from training.config.objective import LossConfig


def entry_losses(config: LossConfig, labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """Return the loss of every entry, in float32.

    Several units of a sigmoid or linear head count by their mean.

    Args:
        config: which loss.
        labels: class numbers, (rows,) or (rows, steps), for `sparse_categorical_crossentropy`; else of the output's shape.
        output: (rows, units) or (rows, steps, units): logits for cross-entropies, else values.

    Returns:
        (rows,) or (rows, steps); cross-entropies in nats (Shannon, 1948), from logits, so that they stay finite.
    """
    match config.kind:
        case "sparse_categorical_crossentropy":
            return _sparse(class_numbers(labels, output), output, config.label_smoothing)
        case "categorical_crossentropy":
            labels = like(labels, output)
            units = tf.cast(tf.shape(output)[-1], output.dtype)
            smooth = labels * (1 - config.label_smoothing) + config.label_smoothing / units
            return tf.nn.softmax_cross_entropy_with_logits(smooth, output)
        case "binary_crossentropy":
            smooth = like(labels, output) * (1 - config.label_smoothing) + config.label_smoothing / 2
            return _mean(tf.nn.sigmoid_cross_entropy_with_logits(smooth, output))
    error = output - like(labels, output)
    match config.kind:
        case "mean_squared_error":
            return _mean(tf.square(error))
        case "mean_absolute_error":
            return _mean(tf.abs(error))
        case "huber":  # Huber (1964)
            size = tf.abs(error)
            near = 0.5 * tf.square(error)
            return _mean(tf.where(size <= config.delta, near, config.delta * (size - 0.5 * config.delta)))
        case "quantile":  # Koenker and Bassett (1978): what is too low costs q, what is too high 1 - q
            return _mean(tf.maximum(-config.quantile * error, (1 - config.quantile) * error))


def class_numbers(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """Return class numbers as int32, of the output's shape without its units."""
    return tf.reshape(tf.cast(labels, tf.int32), tf.shape(output)[:-1])


def class_ids(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """Return class numbers as `class_numbers` does, also of labels that are a probability for every class."""
    if labels.shape.rank == output.shape.rank and labels.shape[-1] == output.shape[-1]:
        return tf.argmax(labels, axis=-1, output_type=tf.int32)
    return class_numbers(labels, output)


def like(labels: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """Return labels as float32 of the output's shape."""
    return tf.reshape(tf.cast(labels, tf.float32), tf.shape(output))


def _sparse(ids: tf.Tensor, output: tf.Tensor, smoothing: float) -> tf.Tensor:
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, output)
    if not smoothing:
        return losses
    # The cross-entropy to the uniform distribution, without a one-hot tensor of the vocabulary's size
    uniform = tf.reduce_logsumexp(output, axis=-1) - tf.reduce_mean(output, axis=-1)
    return (1 - smoothing) * losses + smoothing * uniform


def _mean(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=-1)
