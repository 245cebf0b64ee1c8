"""Confidence intervals, held against intervals made otherwise and against truths that are known."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import binomtest, bootstrap, ttest_1samp
from sklearn.metrics import roc_auc_score

from training import Dataset, Split, TrainConfig
from training.evaluation import Evaluation, Measurement
from training.intervals import GROUPS, metric_intervals
from training.loop import Loop
from training.objectives import Ledger, make_objectives


def config_of(head: dict[str, Any], *metrics: str) -> TrainConfig:
    model = {"architecture": "mlp", "input_shape": [1], "units": [1], "head": head}
    recipe = {"name": "made_up", "data": {"name": "made_up"}, "model": model, "metrics": list(metrics)}
    return TrainConfig.parse(recipe)


def group_sums(ledger: Ledger, labels: np.ndarray, output: np.ndarray, groups: int) -> np.ndarray:
    """Sums as the loop lays them out, of so many groups of rows in order."""
    (objective,) = ledger.objectives
    sums = []
    for rows in np.array_split(np.arange(len(labels)), groups):
        loss, measured = objective.sums(
            tf.constant(labels[rows]), tf.constant(output[rows], tf.float32), tf.ones(len(rows))
        )
        sums.append(np.concatenate([[len(rows), 0, loss, len(rows)], *measured]))
    return np.array(sums)


def test_a_mean_has_the_interval_of_students_t() -> None:
    """Of groups of one row the jackknife's standard error is that of the mean: s / sqrt(n)."""
    random = np.random.default_rng(1)
    errors = random.exponential(size=40)
    ledger = Ledger(make_objectives(config_of({"kind": "linear"}, "mae")))
    found = metric_intervals(ledger, group_sums(ledger, np.zeros(40, "float32"), errors[:, np.newaxis], 40))
    expected = ttest_1samp(errors, 0).confidence_interval(0.95)
    assert found["mae"] == pytest.approx((expected.low, expected.high), rel=1e-5)


def test_a_share_of_rows_has_the_exact_interval_and_is_never_certain() -> None:
    ledger = Ledger(make_objectives(config_of({"kind": "softmax", "units": 2}, "accuracy")))
    for right in (50, 47):
        labels = np.array([0] * right + [1] * (50 - right))
        sums = group_sums(ledger, labels, np.tile([1.0, 0.0], (50, 1)), 10)
        expected = binomtest(right, 50).proportion_ci(0.95, method="exact")
        assert metric_intervals(ledger, sums)["accuracy"] == pytest.approx((expected.low, expected.high))
    weighted = metric_intervals(ledger, sums, plain=False)["accuracy"]
    assert weighted != pytest.approx((expected.low, expected.high), rel=1e-3)


def test_a_ratio_and_a_curve_have_about_the_interval_of_a_bootstrap() -> None:
    random = np.random.default_rng(2)
    labels = (random.uniform(size=1000) < 0.3).astype("float32")
    logits = labels + random.normal(size=1000)
    ledger = Ledger(make_objectives(config_of({"kind": "sigmoid"}, "auc")))
    found = metric_intervals(ledger, group_sums(ledger, labels, logits[:, np.newaxis], GROUPS))["auc"]
    expected = bootstrap(
        (labels, logits), roc_auc_score, paired=True, vectorized=False, n_resamples=400, method="basic", rng=random
    ).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), abs=0.006)


@pytest.mark.parametrize("metric", ["rmse", "r2"])
def test_intervals_hold_the_truth_in_19_of_20_samples(metric: str) -> None:
    random, rows, trials = np.random.default_rng(3), 200, 200
    ledger = Ledger(make_objectives(config_of({"kind": "linear"}, metric)))
    truth, hits = {"rmse": 0.5, "r2": 1 - 0.25 / 1.25}[metric], 0
    for _ in range(trials):
        signal = random.normal(size=rows)
        labels = (signal + random.normal(scale=0.5, size=rows)).astype("float32")
        # the sums of 50 groups by hand: 200 TensorFlow calls per trial would take long
        parts = np.stack([labels, labels**2, (labels - signal) ** 2], axis=1).reshape(50, -1, 3).sum(axis=1)
        sums = np.zeros((50, ledger.width))
        sums[:, 0] = sums[:, 3] = sums[:, 4] = rows / 50
        sums[:, 4:] = parts[:, [2, 2]] if metric == "rmse" else np.insert(parts, 0, rows / 50, axis=1)
        if metric == "rmse":
            sums[:, 5] = rows / 50
        low, high = metric_intervals(ledger, sums)[metric]
        hits += low <= truth <= high
    assert binomtest(hits, trials, 0.95, alternative="less").pvalue > 0.001


def test_what_is_not_finite_or_of_one_group_has_none() -> None:
    ledger = Ledger(make_objectives(config_of({"kind": "sigmoid"}, "auc", "accuracy")))
    one_class = group_sums(ledger, np.ones(20, "float32"), np.ones((20, 1)), 5)
    assert set(metric_intervals(ledger, one_class)) == {"loss", "accuracy"}
    assert set(metric_intervals(ledger, one_class[:1])) == {"accuracy"}


def measured(split: Split, *, in_time: bool = False) -> tuple[Measurement, dict[str, float]]:
    import zoo

    config = config_of({"kind": "linear"}, "mae")
    loop = Loop(tf.distribute.get_strategy(), zoo.build(config.model), make_objectives(config))
    for variable in loop.model.variables:
        variable.assign(variable * 0)  # it says 0
    data = Dataset("made_up", {"test": split}, in_time=in_time)
    evaluation = Evaluation(loop, tf.distribute.get_strategy(), data, split="test", config=config.train)
    return evaluation.measure_with_intervals(), evaluation.measure()


def test_measuring_in_groups_gives_the_same_metrics() -> None:
    labels = np.random.default_rng(4).normal(size=230).astype("float32")
    found, expected = measured(Split(np.zeros((230, 1), "float32"), labels))
    assert found.metrics == pytest.approx(expected, rel=1e-6)
    sizes = np.abs(labels)
    width = 2 * 1.96 * sizes.std() / np.sqrt(230)
    low, high = found.intervals["mae"]
    assert high - low == pytest.approx(width, rel=0.35)
    assert (low + high) / 2 == pytest.approx(sizes.mean(), rel=1e-5)


def test_rows_in_time_that_resemble_their_neighbours_tell_less() -> None:
    labels = np.repeat(np.random.default_rng(5).normal(size=40), 10).astype("float32")  # 40 things to know, not 400
    split = Split(np.zeros((400, 1), "float32"), labels)
    (drawn, _), (in_time, _) = measured(split), measured(split, in_time=True)
    widths = [high - low for low, high in (found.intervals["mae"] for found in (drawn, in_time))]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.4)
