"""Who leaves first when a job is over: the others, then the chief, in whose process TensorFlow's coordination service runs.

A process that ends while another one still waits for its part of the last sum, or for that service, leaves that one with a
connection that is refused: it complains, or takes the finished job for one that lost a worker.
"""

import contextlib

import tensorflow as tf

from training.cluster.multi_worker import joined_cluster

PATIENCE_SECONDS = 10.0
"""How long one waits for the others after a job that went well; one may be gone already without a word."""
FAILED_PATIENCE_SECONDS = 1.0
"""The same after an error, which the others may not have had."""
_THROUGH, _LEAVING = "keras_zoo/through/{}", "keras_zoo/leaving/{}"


def leave_in_order(*, seconds: float = PATIENCE_SECONDS) -> None:
    """Call this last in a process of `multi_worker`: it returns once all are through, on the chief once the others leave.

    Does nothing where this process is part of no cluster. Never fails: the work is done by now.
    """
    cluster = joined_cluster()
    if cluster is None or len(cluster.workers) == 1:
        return
    from tensorflow.python.eager import context  # there is no public way to the coordination service's store of values

    store, patience = context.context(), round(1000 * seconds)
    everybody = range(len(cluster.workers))
    with contextlib.suppress(tf.errors.OpError):  # one is late or gone: so be it
        store.set_config_key_value(_THROUGH.format(cluster.task), "")
        for task in everybody:
            store.get_config_key_value(_THROUGH.format(task), timeout_in_ms=patience)
        store.set_config_key_value(_LEAVING.format(cluster.task), "")
        for task in everybody if cluster.is_chief else ():
            store.get_config_key_value(_LEAVING.format(task), timeout_in_ms=patience)
