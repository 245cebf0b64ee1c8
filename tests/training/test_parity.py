"""Mirrored over two logical CPUs trains what one device trains."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WORKER = Path(__file__).with_name("parity_worker.py")


def train_on_both(which: str, folder: Path, **environment: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train the cases on each strategy in a process of its own, side by side."""
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), strategy, which, str(folder / strategy)],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for strategy in ("one_device", "mirrored")
    ]
    found = []
    for worker in workers:
        output, errors = worker.communicate(timeout=280)
        assert worker.returncode == 0, errors[-3000:]
        found.append(json.loads(output))
    return found[0], found[1]


def assert_equal_runs(one: dict[str, Any], mirrored: dict[str, Any]) -> None:
    assert one.keys() == mirrored.keys()
    for case, expected in one.items():
        got = mirrored[case]
        for name, weights in expected["weights"].items():
            np.testing.assert_allclose(got["weights"][name], weights, rtol=1e-6, atol=1e-6, err_msg=f"{case}: {name}")
        for epoch, measured in zip(expected["history"], got["history"], strict=True):
            for split, metrics in epoch.items():
                assert measured[split] == pytest.approx(metrics, rel=1e-6, abs=1e-6), f"{case}: {split}"
        assert got["test"] == pytest.approx(expected["test"], rel=1e-6, abs=1e-6), case


def test_mirrored_equals_one_device(tmp_path: Path) -> None:
    assert_equal_runs(*train_on_both("few", tmp_path))


@pytest.mark.slow
def test_mirrored_equals_one_device_in_more_cases(tmp_path: Path) -> None:
    assert_equal_runs(*train_on_both("more", tmp_path, TF_ENABLE_ONEDNN_OPTS="0"))
