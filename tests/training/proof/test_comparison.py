from dataclasses import replace

import numpy as np
import pytest

from training.proof.comparison import Comparison, compare
from training.proof.trial import Trial

ROWS = {"train": 100, "validation": 50}
RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(20, 10)).astype("float32")
ONE_DEVICE = Trial(
    losses={"epoch 1, step 2": np.array(1.5), "epoch 1, step 4": np.array(1.25)},
    metrics={"train loss, epoch 1": np.array(1.25), "train accuracy, epoch 1": np.array(0.5)},
    weights={"dense/kernel": KERNEL, "dense/bias": np.zeros(3, "float32")},
    moved={"dense/kernel": np.full((20, 10), 0.1), "dense/bias": np.zeros(3)},
    others={"optimizer/0000": np.array(4, "int64")},
)


def against_one_device(**parts: dict[str, np.ndarray]) -> Comparison:
    found = replace(ONE_DEVICE, **{name: {**getattr(ONE_DEVICE, name), **arrays} for name, arrays in parts.items()})
    return compare(found, ONE_DEVICE, ONE_DEVICE, rows=ROWS)


def test_the_same_is_the_same() -> None:
    comparison = against_one_device()
    assert comparison.ok
    assert len(comparison.all) == 7
    assert all(difference.largest == 0 for difference in comparison.all)


def test_differences_are_by_variable_and_told_as_they_are() -> None:
    shifted = KERNEL.copy()
    shifted[3, 4] += 0.25
    kernel, bias = against_one_device(weights={"dense/kernel": shifted}).weights
    assert kernel.largest == pytest.approx(0.25, rel=1e-6)
    assert kernel.relative == pytest.approx(0.25 / np.abs(KERNEL).max(), rel=1e-6)
    assert bias.largest == 0


def test_all_numbers_a_little_off_are_a_fault_and_one_of_many_is_rounding() -> None:
    everywhere = (KERNEL * (1 + 1e-4)).astype("float32")
    one = KERNEL.copy()
    one[3, 4] += 1e-4
    assert not against_one_device(weights={"dense/kernel": everywhere}).ok
    assert against_one_device(weights={"dense/kernel": one}).ok


def test_last_bits_are_rounding() -> None:
    bits = KERNEL + RANDOM.choice([-1, 1], size=KERNEL.shape) * np.spacing(KERNEL)
    assert against_one_device(weights={"dense/kernel": bits.astype("float32")}).ok


def test_a_small_rate_does_not_hide_a_fault() -> None:
    """What counts is how far the weights went: 1 % of the way is a fault, as tiny as it is beside the weights."""
    kernel = np.full(100, 0.001, "float32")
    expected = replace(ONE_DEVICE, weights={"w": kernel}, moved={"w": np.full(100, 1e-6)})
    found = replace(expected, weights={"w": kernel + np.float32(1e-8)})
    assert not compare(found, expected, expected, rows=ROWS).ok


def test_weights_that_never_move_do_not_hide_those_that_do() -> None:
    moved = np.zeros((20, 10))
    moved[:2] = 0.1  # two words of twenty were read
    wrong = KERNEL.copy()
    wrong[:2] *= 1.001
    expected = replace(ONE_DEVICE, moved={**ONE_DEVICE.moved, "dense/kernel": moved})
    found = replace(expected, weights={**expected.weights, "dense/kernel": wrong})
    assert not compare(found, expected, expected, rows=ROWS).ok


def test_what_rounding_was_seen_to_change_is_allowed_ten_times() -> None:
    rounded = replace(ONE_DEVICE, weights={**ONE_DEVICE.weights, "dense/kernel": KERNEL + np.float32(1e-3)})
    for apart, ok in ((9e-3, True), (11e-3, False)):
        found = replace(ONE_DEVICE, weights={**ONE_DEVICE.weights, "dense/kernel": KERNEL + np.float32(apart)})
        assert compare(found, ONE_DEVICE, rounded, rows=ROWS).ok is ok


@pytest.mark.parametrize(("accuracy", "ok"), [(0.51, True), (0.53, False)])
def test_one_answer_on_the_edge_may_fall_either_way(accuracy: float, ok: bool) -> None:  # noqa: FBT001
    assert against_one_device(metrics={"train accuracy, epoch 1": np.array(accuracy)}).ok is ok


@pytest.mark.parametrize(("loss", "ok"), [(1.25 + 1e-6, True), (1.25 + 1e-5, False), (np.nan, False)])
def test_losses_have_to_agree_to_a_millionth(loss: float, ok: bool) -> None:  # noqa: FBT001
    assert against_one_device(losses={"epoch 1, step 4": np.array(loss)}).ok is ok


def test_what_one_side_lacks_is_a_difference() -> None:
    found = replace(ONE_DEVICE, weights={"dense/kernel": KERNEL})
    assert not compare(found, ONE_DEVICE, ONE_DEVICE, rows=ROWS).ok


def test_steps_that_were_not_taken_are_a_difference() -> None:
    assert not against_one_device(others={"optimizer/0000": np.array(3, "int64")}).ok
