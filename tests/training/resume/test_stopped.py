"""A run that was stopped and resumed, or lost a checkpoint, ends with the bits of one that was not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.training.resume.stops", str(tmp_path_factory.mktemp("stops"))],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_two_runs_are_the_same_bit_for_bit(found: dict[str, Any]) -> None:
    assert found["again"]["different"] == []


@pytest.mark.slow
@pytest.mark.parametrize("calls", [1, 2, 12])
def test_a_run_stopped_on_request_goes_on_where_it_was(found: dict[str, Any], calls: int) -> None:
    stopped = found[f"stopped {calls}"]
    assert stopped["steps"] == 2 * calls, "two steps a call: its state was saved before it stopped"
    assert stopped["different"] == []
    assert stopped["warnings"] == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(found: dict[str, Any], damage: str) -> None:
    assert found[damage]["different"] == []
    [warning] = found[damage]["warnings"]
    assert "step-000000010.npz is damaged" in warning
    assert warning.endswith("going on with the one before")


@pytest.mark.slow
def test_a_run_goes_on_where_no_checkpoint_can_be_written(found: dict[str, Any]) -> None:
    assert found["blocked"]["same"]
    assert found["blocked"]["status"] == "finished"
    assert all(text.startswith("no checkpoint was written at step") for text in found["blocked"]["warnings"])
    assert found["blocked"]["warnings"]
