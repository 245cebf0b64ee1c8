"""Giving every worker what the chief has, so that only the chief needs to read files."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

import zoo.errors
from zoo.errors import ConfigError, ZooError

Result = TypeVar("Result")


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether this process writes files and talks: the first worker, or the only process there is."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:  # none, or the coordinator of parameter servers
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
    """Return how many processes train together in step; workers of parameter servers do not."""
    spec = None if strategy.cluster_resolver is None else strategy.cluster_resolver.cluster_spec()
    if spec is None or "ps" in spec.as_dict():
        return 1
    return max(1, sum(len(spec.as_dict().get(job, ())) for job in ("chief", "worker")))


def on_chief(strategy: tf.distribute.Strategy, action: Callable[[], Result]) -> Result | None:
    """Do something on the chief while the others wait. Returns what came of it there, and None elsewhere.

    Raises:
        ZooError: on every worker, what the chief raised.
    """
    if count_workers(strategy) == 1:
        return action()
    result, trouble = None, None
    if is_chief(strategy):
        try:
            result = action()
        except ZooError as error:
            trouble = error
    told = share_text(strategy, None if trouble is None else f"{type(trouble).__name__}\n{trouble}")
    if trouble is not None:
        raise trouble
    if told is not None:
        name, _, message = told.partition("\n")
        raise getattr(zoo.errors, name, ZooError)(message)
    return result


def chief_first(strategy: tf.distribute.Strategy, action: Callable[[], Result]) -> Result:
    """Do something on every worker, on the chief before the others: what it leaves on a shared disk is there for them."""
    result = on_chief(strategy, action)
    return action() if result is None else result


def check_same(strategy: tf.distribute.Strategy, facts: Mapping[str, str]) -> None:
    """Compare facts on all workers with those on the chief.

    Raises:
        ConfigError: on every worker, where one differs.
    """
    workers = count_workers(strategy)
    if workers == 1:
        return
    theirs = json.loads(share_text(strategy, json.dumps(facts)) or "{}")
    differs = np.zeros((workers, len(facts)), np.int32)
    differs[strategy.cluster_resolver.task_id] = [theirs.get(name) != fact for name, fact in facts.items()]
    for worker, row in enumerate(_sums(strategy, differs.ravel()).reshape(differs.shape)):
        names = [name for name, different in zip(facts, row, strict=True) if different]
        if names:
            raise ConfigError(
                f"worker {worker} has other {' and '.join(names)} than the chief: give all workers the same"
            )


def _from_chief(strategy: tf.distribute.Strategy, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the chief's values, bit for bit: the sums of their bytes and of zeros from everybody else."""
    data = b"".join(value.tobytes() for value in values) if is_chief(strategy) else b""
    size = sum(value.nbytes for value in values)
    words = np.frombuffer(data.ljust(-(-size // 4) * 4, b"\0"), np.int32)
    found, at = _sums(strategy, words).tobytes(), 0
    received = []
    for value in values:
        received.append(np.frombuffer(found, value.dtype, value.size, at).reshape(value.shape))
        at += value.nbytes
    return received


def _sums(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """Return the sums of every worker's values, (n,) of int32."""
    return _adder(strategy)(tf.constant(values)).numpy()


@cache
def _adder(strategy: tf.distribute.Strategy) -> Any:
    local = strategy.num_replicas_in_sync // count_workers(strategy)

    def of_replica(mine: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group % local, 0)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, mine, tf.zeros_like(mine)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    def total(mine: tf.Tensor) -> tf.Tensor:
        return strategy.experimental_local_results(strategy.run(of_replica, args=(mine,)))[0]

    return total
