"""Every strategy trains what one device trains, in every combination of two features."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.parity.cases import FACTORS, PLAIN, pairwise_cases, single_cases
from tests.training.parity.covering import Case
from tests.training.parity.processes import started

WORKER = "tests.training.parity.worker"
STRATEGIES = FACTORS["strategy"]
TOLERANCE = 1e-6
"""Of float32, whose own steps are 1.2e-7 of a number."""

Found = dict[str, np.ndarray]


def describe(case: Case) -> str:
    return ", ".join(f"{factor}: {value}" for factor, value in case.items())


def train_everywhere(cases: dict[str, list[Case]], folder: Path) -> dict[str, list[Found]]:
    """Train the cases of each strategy, in processes of their own, side by side. Returns what came of them in order."""
    arguments = {}
    for strategy, chosen in cases.items():
        (folder / strategy).mkdir(parents=True)
        (folder / f"{strategy}.json").write_text(json.dumps(chosen))
        arguments[strategy] = [strategy, str(folder / f"{strategy}.json"), str(folder / strategy)]
    with started(list(cases), WORKER, arguments) as running:
        for processes in running:
            processes.wait()
    return {
        strategy: [dict(np.load(folder / strategy / f"{number}.npz")) for number in range(len(chosen))]
        for strategy, chosen in cases.items()
    }


def differences(found: Found, expected: Found) -> dict[str, float]:
    """Return the largest difference of every array, as a share of its largest number, or of 1 where that is larger."""
    assert found.keys() == expected.keys()
    return {
        name: float(np.max(np.abs(found[name] - array)) / max(1.0, float(np.max(np.abs(array)))))
        for name, array in expected.items()
    }


def assert_equal(found: Found, expected: Found, case: Case, tolerance: float = TOLERANCE) -> None:
    wrong = {name: share for name, share in differences(found, expected).items() if not share <= tolerance}
    assert not wrong, f"{describe(case)}: {wrong}"


def with_reference(cases: list[Case]) -> dict[str, list[Case]]:
    """Return the cases by strategy, and all of them in the same order for one device."""
    by_strategy = {each: [case for case in cases if case["strategy"] == each] for each in STRATEGIES}
    return {"one_device": [case for each in STRATEGIES for case in by_strategy[each]], **by_strategy}


def assert_all_equal(cases: list[Case], folder: Path) -> None:
    wanted = {each: chosen for each, chosen in with_reference(cases).items() if chosen}
    found = train_everywhere(wanted, folder)
    got = [run for each in STRATEGIES for run in found.get(each, [])]
    for case, run, expected in zip(wanted["one_device"], got, found["one_device"], strict=True):
        assert_equal(run, expected, case)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_pair_of_features_trains_the_same_everywhere(tmp_path: Path) -> None:
    assert_all_equal(pairwise_cases(), tmp_path)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("strategy", "family"), list(itertools.product(STRATEGIES, FACTORS["family"])))
def test_every_feature_alone_trains_the_same_everywhere(strategy: str, family: str, tmp_path: Path) -> None:
    assert_all_equal(single_cases(strategy, family), tmp_path)


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    """The comparison can fail: what is compared depends on what was trained."""
    cases = [{**PLAIN, "seed": "11"}, {**PLAIN, "seed": "12"}, {**PLAIN, "seed": "11"}]
    one, other, again = train_everywhere({"one_device": cases}, tmp_path)["one_device"]
    assert not any(differences(one, again).values())
    assert max(differences(one, other).values()) > 0.1
