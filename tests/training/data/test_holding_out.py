import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from training.data.holding_out import hold_out, hold_out_end
from zoo.errors import ConfigError

SHARES = {"validation": 0.1, "test": 0.2}


@settings(deadline=None)
@example(counts=[1, 4, 3, 3, 51], seed=3)
@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=5).filter(lambda counts: sum(counts) >= 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_class_goes_to_every_split_in_proportion(counts: list[int], seed: int) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)

    found = hold_out(len(classes), SHARES, seed=seed, classes=classes)

    assert sorted(np.concatenate(list(found.values()))) == list(range(len(classes)))
    for split, share in {**SHARES, "train": 0.7}.items():
        held = np.bincount(classes[found[split]], minlength=len(counts))
        # Each class is rounded by itself, and the largest makes up for what that comes to in all others.
        assert np.abs(held - share * np.array(counts)).max() <= len(counts)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=20, max_size=30), seed=st.integers(0, 99))
def test_a_group_stays_in_one_split(sizes: list[int], seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    array = groups.astype(object)

    found = hold_out(len(groups), {"test": 0.4}, seed=seed, groups=array)

    assert abs(len(found["test"]) - 0.4 * len(groups)) <= 5  # the largest group

    assert not set(array[found["train"]]) & set(array[found["test"]])
    assert len(found["train"]) + len(found["test"]) == len(groups)


def test_the_seed_decides_which() -> None:
    draws = [hold_out(100, SHARES, seed=seed)["test"].tolist() for seed in (1, 1, 2)]

    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
    assert len(draws[0]) == 20


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"of 3 rows, none are left for validation"):
        hold_out(3, SHARES, seed=0)


def test_of_text_the_end_is_held_out_and_nothing_is_in_two_splits() -> None:
    found = hold_out_end(100, {"validation": 0.1, "test": 0.2}, overlap=3)

    assert found["test"].tolist() == list(range(80, 100))
    assert found["validation"].tolist() == list(range(70, 77))
    assert found["train"].tolist() == list(range(67))
