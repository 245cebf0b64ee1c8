"""With one worker, steps come one after the other: then parameter servers train what one device does.

With two they race, and what they learn depends on who came first; but every row of an epoch is seen once, and every step
counted.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training.parity.cases import PLAIN
from tests.training.parity.covering import Case
from tests.training.parity.processes import ROOT

SEQUENTIAL: dict[str, Case] = {
    "momentum, dropout, L2 and class weights": {
        **PLAIN, "optimizer": "sgd", "batches": "odd last", "dropout": "0.2", "l2": "on", "weights": "class",
        "steps_per_call": "4",
    },
    "batch normalization, schedule, clipping, averages, two heads and pieces": {
        **PLAIN, "family": "cnn", "optimizer": "adamw", "ema": "on", "clip": "global_clipnorm", "accumulation": "3",
        "answers": "two heads", "steps_per_call": "4",
    },
    "embedding, masks and an answer for every step": {
        **PLAIN, "family": "gru", "optimizer": "adam", "inputs": "padded ids", "answers": "every step",
        "steps_per_call": "4",
    },
}  # fmt: skip
RACING: Case = {
    **PLAIN, "optimizer": "still", "batches": "odd last", "weights": "sample", "steps_per_call": "4",
}  # fmt: skip

Outcome = dict[str, np.ndarray]


def outcomes(workers: int, cases: list[Case], folder: Path) -> list[tuple[Outcome, Outcome]]:
    """What one device and what parameter servers made of each case."""
    (folder / "cases.json").write_text(json.dumps(cases))
    module = "tests.training.asynchronous.inside"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, str(workers), str(folder / "cases.json"), str(folder)],
        cwd=ROOT, env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [
        (dict(np.load(folder / f"one_device {number}.npz")), dict(np.load(folder / f"parameter_server {number}.npz")))
        for number in range(len(cases))
    ]


@pytest.fixture(scope="module")
def sequential(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Outcome, Outcome]]:
    found = outcomes(1, list(SEQUENTIAL.values()), tmp_path_factory.mktemp("sequential"))
    return dict(zip(SEQUENTIAL, found, strict=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SEQUENTIAL)
def test_one_worker_trains_what_one_device_does(sequential: dict[str, tuple[Outcome, Outcome]], name: str) -> None:
    """Weights, optimizer, averages and metrics; dropout draws the same masks."""
    expected, found = sequential[name]
    assert found.keys() == expected.keys()
    compared = [n for n in expected if n != "moved" and np.issubdtype(expected[n].dtype, np.floating)]
    assert len(compared) > 15
    for each in compared:
        np.testing.assert_allclose(found[each], expected[each], rtol=1e-5, atol=1e-6, err_msg=each)
    assert found["moved"] > 1e-3


@pytest.mark.timeout(300)
def test_racing_workers_see_every_row_of_an_epoch_once(tmp_path: Path) -> None:
    """Rows have weights and losses of their own: sums over an epoch tell whether one lacks or is there twice."""
    [(expected, found)] = outcomes(2, [RACING], tmp_path)
    metrics = [name for name in expected if name.startswith("metric")]
    assert len(metrics) == 12
    for each in metrics:
        np.testing.assert_allclose(found[each], expected[each], rtol=1e-6, err_msg=each)
    [counter] = {
        n for n in expected if n.startswith("state optimizer") and np.issubdtype(expected[n].dtype, np.integer)
    }
    assert int(found[counter]) == int(expected[counter]) == 3 * 4
