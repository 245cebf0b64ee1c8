import pytest
from scipy.stats import binom, binomtest

from zoo.uncertainty import clopper_pearson


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (10, 10), (3, 10), (299, 300)])
def test_it_is_scipys_exact_interval(hits: int, trials: int) -> None:
    expected = binomtest(hits, trials).proportion_ci(0.95, method="exact")
    assert clopper_pearson(hits, trials) == pytest.approx((expected.low, expected.high))


def test_of_no_trials_nothing_is_known() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_it_holds_the_truth_at_least_as_often_as_it_says() -> None:
    for truth in (0.03, 0.5, 0.97):
        inside = [low <= truth <= high for low, high in (clopper_pearson(hits, 25) for hits in range(26))]
        assert sum(binom.pmf(hits, 25, truth) for hits in range(26) if inside[hits]) >= 0.95
