import math

import numpy as np
import pytest
from scipy.stats import betabinom

from zoo.errors import ConfigError
from zoo.uncertainty import conformal_quantile
from zoo.uncertainty.conformal import rows_needed


@pytest.mark.parametrize(
    ("rows", "level", "rank"),
    [(9, 0.9, 9), (8, 0.9, None), (19, 0.95, 19), (20, 0.95, 20), (10, 0.5, 6), (99, 0.9, 90)],
)
def test_the_quantile_is_the_score_of_rank_n_plus_1_times_level(rows: int, level: float, rank: int | None) -> None:
    scores = np.random.default_rng(1).permutation(np.arange(1, rows + 1)).astype(float)
    assert conformal_quantile(scores, level) == (math.inf if rank is None else rank)


def test_the_rows_that_are_needed_are_the_fewest_with_a_finite_quantile() -> None:
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        rows = rows_needed(level)
        assert math.isfinite(conformal_quantile(np.zeros(rows), level))
        assert math.isinf(conformal_quantile(np.zeros(rows - 1), level))


def test_with_decay_the_latest_rows_count_most() -> None:
    # weights 1/8, 1/4, 1/2 and 1 of the new row: a level of 0.5 takes 15/16 of weight
    assert conformal_quantile(np.array([1.0, 2.0, 3.0]), 0.4, decay=0.5) == 3.0  # 0.75 needed: 1/8 + 1/4 is less
    assert conformal_quantile(np.array([3.0, 2.0, 1.0]), 0.4, decay=0.5) == 2.0  # 1/2 + 1/4 is just enough
    assert conformal_quantile(np.array([1.0, 2.0, 3.0]), 0.5, decay=0.5) == math.inf


def test_a_decay_of_almost_nothing_is_none() -> None:
    scores = np.random.default_rng(2).normal(size=57)
    assert conformal_quantile(scores, 0.83, decay=1 - 1e-12) == conformal_quantile(scores, 0.83)


def test_coverage_of_new_rows_is_as_the_theory_says() -> None:
    """Hits among new rows are beta-binomial (Vovk, 2012), the level on average and no more than 1 / (n + 1) above."""
    random, rows, level, trials = np.random.default_rng(3), 30, 0.8, 4000
    rank = math.ceil((rows + 1) * level)
    scores = random.exponential(size=(trials, rows))
    quantiles = np.array([conformal_quantile(each, level) for each in scores])
    hits = (random.exponential(size=(trials, 20)) <= quantiles[:, np.newaxis]).sum(axis=1)
    theory = betabinom(20, rank, rows + 1 - rank)
    assert hits.mean() == pytest.approx(theory.mean(), abs=4 * theory.std() / math.sqrt(trials))
    assert level <= theory.mean() / 20 <= level + 1 / (rows + 1)


@pytest.mark.parametrize("level", [0.0, 1.0, -1, 90])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ConfigError, match=r"between 0 and 1, such as 0\.9, got"):
        conformal_quantile(np.ones(3), level)


def test_a_decay_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"above 0 and up to 1, got 1\.5"):
        conformal_quantile(np.ones(3), 0.9, decay=1.5)
