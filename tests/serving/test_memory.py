"""Whether a server gives back what a model took, measured in a process of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CYCLES = 30
SETTLED = 5
"""Cycles after which memory may not grow any more: allocators keep some of what they once had."""

SAVE = """
import sys
import tensorflow as tf

module = tf.Module()
module.weights = tf.Variable(tf.random.normal([3536, 3536]))  # 50 MB

@tf.function(input_signature=[tf.TensorSpec([None, 3536], tf.float32, name="x")])
def answer(x):
    return {"y": x @ module.weights}

tf.saved_model.save(module, sys.argv[1], signatures=answer)
"""

SERVE = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
import serving

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

tf.ones([1, 1]) @ tf.ones([1, 1])  # what TensorFlow takes for itself
rows = np.zeros((1, 3536), np.float32)  # a model that is not used is not read
used, found = [], [megabytes()]
with serving.Server(sys.argv[1], port=0, poll_seconds=0) as server, serving.Client(f"localhost:{server.port}") as client:
    for _ in range(int(sys.argv[2])):
        client.predict("large", rows, timeout=60)
        used.append(megabytes())
        server.manager.unload("large")
        found.append(megabytes())
        server.manager.load("large")
print(json.dumps([used, found]))
"""


@pytest.mark.slow
def test_what_a_model_took_is_there_for_the_next_one(run_python: Callable[..., Any], tmp_path: Path) -> None:
    """Allocators may keep what was freed, so that the process does not shrink; but 29 more loads take no more."""
    assert run_python(SAVE, str(tmp_path / "large" / "1")).returncode == 0
    run = run_python(SERVE, str(tmp_path), str(CYCLES))
    assert run.returncode == 0, run.stderr[-2000:]
    used, (before, *after) = json.loads(run.stdout.splitlines()[-1])
    assert used[0] - before > 40, "a model that is used is seen in the figures"
    assert max(after[SETTLED:]) - after[SETTLED - 1] < 10, after
