import io
from dataclasses import replace

import pytest
from rich.console import Console

from training import TrainConfig
from training.config import StrategyConfig
from training.proof.comparison import Comparison, Difference
from training.proof.proof import Proof
from training.proof.table import show

GOOD = Difference("epoch 1, step 1", 1e-8, 1e-8, 1e-8, 1e-6)
WEIGHTS = tuple(replace(GOOD, name=f"dense_{number}/kernel", typical=number * 1e-9) for number in range(20))


def proof(config: TrainConfig, *weights: Difference) -> Proof:
    found = Comparison((GOOD,), (replace(GOOD, name="train loss, epoch 1"),), weights, ())
    return Proof(config, StrategyConfig(kind="mirrored", replicas=3), 1, 20, ("dropout turned off",), found)


def shown(found: Proof, *, terminal: bool = False, everything: bool = False) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, color_system=None)
    show(found, console, everything=everything)
    return text.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_the_weights_closest_to_a_fault_are_shown_and_the_verdict(blobs_config: TrainConfig, terminal: bool) -> None:  # noqa: FBT001
    text = shown(proof(blobs_config, *WEIGHTS), terminal=terminal)
    assert "dropout turned off" in text
    assert "dense_19/kernel" in text
    assert "dense_3/kernel" not in text
    assert "and 8 more" in text
    assert "same       mirrored over 3 replicas trained what one device trained, over 20 steps" in text
    assert "DIFFERS" not in text


def test_what_differs_is_marked_and_counted(blobs_config: TrainConfig) -> None:
    wrong = [replace(difference, typical=1e-3) for difference in WEIGHTS[:15]]
    text = shown(proof(blobs_config, *wrong, *WEIGHTS[15:]))
    assert text.count("DIFFERS") == 15
    assert "DIFFERENT  mirrored over 3 replicas did not train what one device trained: 15 of 22 numbers" in text


def test_everything_is_shown_on_request(blobs_config: TrainConfig) -> None:
    text = shown(proof(blobs_config, *WEIGHTS), everything=True)
    assert text.count("dense_") == 20
    assert "more" not in text
