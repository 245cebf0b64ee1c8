"""Giving every worker what the chief has, so that only the chief needs to read files."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether this process writes files and talks: the first worker, or the only process there is."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    return resolver.task_type == "chief" or (resolver.task_type == "worker" and not resolver.task_id)


def share_variables(strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]) -> None:
    """Set variables on every worker to what they are on the chief."""
    if count_workers(strategy) == 1:
        return
    for variable, value in zip(variables, _from_chief(strategy, [v.numpy() for v in variables]), strict=True):
        variable.assign(value)


def share_text(strategy: tf.distribute.Strategy, text: str | None) -> str | None:
    """Return on every worker the text that the chief has."""
    if count_workers(strategy) == 1:
        return text
    encoded = np.frombuffer((text or "").encode(), np.uint8).astype(np.int32)
    length = int(_from_chief(strategy, [np.array(-1 if text is None else len(encoded), np.int32)])[0])
    if length < 0:
        return None
    mine = encoded if is_chief(strategy) else np.zeros(length, np.int32)
    return bytes(_from_chief(strategy, [mine])[0].astype(np.uint8)).decode()


def count_workers(strategy: tf.distribute.Strategy) -> int:
    """Return how many processes train together in step."""
    spec = None if strategy.cluster_resolver is None else strategy.cluster_resolver.cluster_spec()
    if spec is None:
        return 1
    return max(1, sum(len(spec.as_dict().get(job, ())) for job in ("chief", "worker")))


def _from_chief(strategy: tf.distribute.Strategy, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the chief's values: the sums of them and of zeros from everybody else."""
    mine = [tf.constant(value if is_chief(strategy) else np.zeros_like(value)) for value in values]

    @tf.function
    def total() -> list[tf.Tensor]:
        def of_replica() -> list[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            return context.all_reduce(
                tf.distribute.ReduceOp.SUM, [tf.where(first, value, tf.zeros_like(value)) for value in mine]
            )

        return [strategy.experimental_local_results(sums)[0] for sums in strategy.run(of_replica)]

    return [value.numpy() for value in total()]
