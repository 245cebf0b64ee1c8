"""What is said of rows, against what the model itself answers."""

from collections.abc import Callable

import numpy as np
import pytest

from training import Dataset, Run, Split
from training.report.predictions import predict

MakeRun = Callable[[str], tuple[Run, Dataset]]


def test_of_classes_the_loss_is_that_of_the_models_probabilities(make_run: MakeRun) -> None:
    run, data = make_run("classes")
    split, model = data.split("validation"), run.model()
    chances = model.predict(split.inputs, verbose=0)["probabilities"]
    [found] = predict(model, run.config, split).values()
    np.testing.assert_array_equal(found.said, chances.argmax(1))
    np.testing.assert_array_equal(found.true, split.labels)
    np.testing.assert_allclose(found.confidence, chances.max(1), rtol=1e-5)
    np.testing.assert_allclose(found.losses, -np.log(chances[np.arange(18), split.labels]), rtol=1e-4)
    assert found.losses.mean() == pytest.approx(run.metrics["validation"]["loss"], rel=1e-4)


def test_of_values_the_errors_are_those_of_the_model(make_run: MakeRun) -> None:
    run, data = make_run("values")
    split, model = data.split("test"), run.model()
    [found] = predict(model, run.config, split).values()
    np.testing.assert_allclose(found.said, model.predict(split.inputs, verbose=0)["value"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.losses, ((found.said - split.labels) ** 2).mean(1), rtol=1e-4)


def test_of_tokens_padding_does_not_count(make_run: MakeRun) -> None:
    run, data = make_run("tokens")
    split = data.split("validation")
    [found] = predict(run.model(), run.config, split).values()
    rows, steps = np.nonzero(split.labels)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.steps, steps)
    np.testing.assert_array_equal(found.true, split.labels[rows, steps])
    assert found.losses.mean() == pytest.approx(run.metrics["validation"]["loss"], rel=1e-4)


def test_rows_without_weight_are_left_out(make_run: MakeRun) -> None:
    run, data = make_run("classes")
    split = data.split("validation")
    weights = np.ones(18)
    weights[[2, 5]] = 0
    [found] = predict(run.model(), run.config, Split(split.inputs, split.labels, weights)).values()
    assert found.rows.tolist() == [row for row in range(18) if row not in {2, 5}]


def test_the_worst_rows_come_first_and_once_each(make_run: MakeRun) -> None:
    run, data = make_run("tokens")
    [found] = predict(run.model(), run.config, data.split("validation")).values()
    worst = found.worst(4)
    assert len(set(found.rows[worst])) == 4
    by_row = sorted((found.losses[found.rows == row].max() for row in set(found.rows)), reverse=True)
    np.testing.assert_array_equal(found.losses[worst], by_row[:4])


def test_every_head_has_its_predictions(make_run: MakeRun) -> None:
    run, data = make_run("heads")
    found = predict(run.model(), run.config, data.split("test"))
    assert {head: part.kind for head, part in found.items()} == {"kind": "classes", "age": "values"}
