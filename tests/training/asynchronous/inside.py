"""Trains cases on one device and then with parameter servers that are threads of this process, and writes what came of both.

python -m tests.training.asynchronous.inside WORKERS CASES.json FOLDER
"""

import gc
import json
import os
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.training.parity.worker import train
from training.asynchronous.coordination import serve_chief
from training.cluster.addresses import TF_CONFIG, Cluster, free_addresses
from training.config import TrainConfig

CONFIG = TrainConfig.parse(
    {
        "name": "served",
        "data": {"name": "made_up"},
        "model": {"architecture": "mlp", "input_shape": [1], "head": {"kind": "linear", "units": 1}},
        "strategy": {"kind": "parameter_server", "timeout": 60},
    }
)


def serve_in_threads(workers: int) -> Cluster:
    """Start workers and one parameter server, which serve one run after the other. Returns the cluster of the chief."""
    chief, server, *others = free_addresses(workers + 2)
    places = [("ps", 0), *(("worker", number) for number in range(workers))]
    for job, task in places:
        cluster = Cluster(tuple(others), task, job, chief, (server,))  # type: ignore[arg-type]
        threading.Thread(target=_serve, args=(cluster,), daemon=True).start()
    return Cluster(tuple(others), 0, "chief", chief, (server,))


def _serve(cluster: Cluster) -> None:
    while serve_chief(CONFIG, cluster, lambda: False):
        pass


def main(workers: str, cases: str, folder: str) -> None:
    gc.freeze()  # what is imported stays
    tf.config.threading.set_inter_op_parallelism_threads(16)  # here, all servers share those of the process
    todo = json.loads(Path(cases).read_text())
    for strategy in ("one_device", "parameter_server"):
        if strategy == "parameter_server":
            os.environ[TF_CONFIG] = serve_in_threads(int(workers)).to_tf_config()
        for number, case in enumerate(todo):
            found = train(case, strategy, Path(folder) / strategy)
            keras.backend.clear_session()
            path = Path(folder) / f"{strategy} {number}.npz"
            np.savez(path, **{name.replace("/", "|"): x for name, x in found.items()})
    sys.stdout.flush()
    os._exit(0)  # the threads serve for ever


if __name__ == "__main__":
    main(*sys.argv[1:])
