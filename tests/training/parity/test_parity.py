"""Every strategy trains what one device trains, in every combination of two features."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.parity.cases import FACTORS, PLAIN, overflow_cases, pairwise_cases, precision_cases, single_cases
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
        name: float(np.max(np.abs(found[name] * 1.0 - array)) / max(1.0, float(np.max(np.abs(array)))))
        for name, array in expected.items()
        if name != "moved"
    }


def assert_equal(found: Found, expected: Found, case: Case, tolerance: float = TOLERANCE) -> None:
    wrong = {name: share for name, share in differences(found, expected).items() if not share <= tolerance}
    assert not wrong, f"{describe(case)}: {wrong}"


def with_reference(cases: list[Case]) -> dict[str, list[Case]]:
    """Return the cases by strategy, and all of them in the same order for one device."""
    by_strategy = {each: [case for case in cases if case["strategy"] == each] for each in STRATEGIES}
    return {"one_device": [case for each in STRATEGIES for case in by_strategy[each]], **by_strategy}


def train_and_pair(cases: list[Case], folder: Path) -> list[tuple[Case, Found, Found]]:
    """Return every case with what its strategy and what one device made of it."""
    wanted = {each: chosen for each, chosen in with_reference(cases).items() if chosen}
    found = train_everywhere(wanted, folder)
    got = [run for each in STRATEGIES for run in found.get(each, [])]
    return list(zip(wanted["one_device"], got, found["one_device"], strict=True))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Case, Found, Found]]:
    """Cases, what their strategy made of them, and what one device did."""
    cases = [*pairwise_cases(), *precision_cases(), *overflow_cases()]
    return train_and_pair(cases, tmp_path_factory.mktemp("parity"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_pair_of_features_trains_the_same_everywhere(trained: list[tuple[Case, Found, Found]]) -> None:
    compared = [(case, found, expected) for case, found, expected in trained if "precision" not in case]
    assert len(compared) == len(pairwise_cases())
    for case, found, expected in compared:
        assert_equal(found, expected, case)


def distance(a: Found, b: Found) -> float:
    """Return the root of the mean square of differences over all weights."""
    weights = [name for name in a if name.startswith("weight ") and "seed_generator" not in name]
    return float(np.sqrt(np.mean(np.concatenate([np.square(a[name] - b[name]).ravel() for name in weights]))))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", ["mlp", "cnn"])
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_replicas_add_no_more_noise_than_half_precision_has_by_itself(
    trained: list[tuple[Case, Found, Found]], family: str, precision: str
) -> None:
    """Each replica rounds its gradients to 8 or 11 bits before they are added up, one device rounds their sum.

    So no two ways of cutting a batch agree to 1e-6. How far half precision brings one device from float32 is the yardstick:
    replicas must end as near to float32, and as near to one device, but for a factor of 2.
    """
    of_precision = {
        case["precision"]: (found, expected)
        for case, found, expected in trained
        if case["family"] == family and case.get("batches") != "overflowing" and "precision" in case
    }
    exact = of_precision["float32"][1]
    found, expected = of_precision[precision]
    noise = distance(expected, exact)
    assert 1e-6 < noise < float(exact["moved"]) / 10
    assert distance(found, exact) < 2 * noise
    assert distance(found, expected) < 2 * noise


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_overflow_on_one_replica_skips_the_step_on_all(
    trained: list[tuple[Case, Found, Found]], strategy: str
) -> None:
    [found] = [found for case, found, _ in trained if case["batches"] == "overflowing" and case["strategy"] == strategy]
    assert found["moved"] == 0
    assert found["state loss_scale|0000"] == 2.0**14, "half of 2 ** 15"
    assert found["state optimizer|0000"] == 0, "no step was taken"
    for name in ("state model|0000", "state average|0000"):
        np.testing.assert_array_equal(found[name], found["state model|0000"])


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("strategy", "family"), list(itertools.product(STRATEGIES, FACTORS["family"])))
def test_every_feature_alone_trains_the_same_everywhere(strategy: str, family: str, tmp_path: Path) -> None:
    for case, found, expected in train_and_pair(single_cases(strategy, family), tmp_path):
        assert_equal(found, expected, case)


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    """The comparison can fail: what is compared depends on what was trained."""
    cases = [{**PLAIN, "seed": "11"}, {**PLAIN, "seed": "12"}, {**PLAIN, "seed": "11"}]
    one, other, again = train_everywhere({"one_device": cases}, tmp_path)["one_device"]
    assert not any(differences(one, again).values())
    assert max(differences(one, other).values()) > 0.1


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_dropout_over_replicas_is_the_same_on_average(tmp_path: Path) -> None:
    """Masks are others on every replica, so that single runs differ; means over seeds must not.

    The comparison can fail: twice the dropout is another mean.
    """
    cases = [{**PLAIN, "dropout": rate, "seed": str(seed)} for rate in ("0.3", "0.6") for seed in range(16)]
    pairs = train_and_pair(cases, tmp_path)
    # Of the three epochs, the second tells rates apart best: the first ends near where it began, the third is nearly learnt.
    loss = {
        (rate, side): np.array([pair[side]["metric loss of train 2"] for pair in pairs if pair[0]["dropout"] == rate])
        for rate in ("0.3", "0.6")
        for side in (1, 2)
    }

    def standard_errors_apart(a: np.ndarray, b: np.ndarray) -> float:
        apart = a - b  # by seed: weights and rows begin the same
        return float(abs(apart.mean()) / (apart.std(ddof=1) / np.sqrt(len(apart))))

    assert np.max(np.abs(loss["0.3", 1] - loss["0.3", 2])) > 1e-3
    assert standard_errors_apart(loss["0.3", 1], loss["0.3", 2]) < 3
    assert standard_errors_apart(loss["0.6", 1], loss["0.3", 2]) > 3
