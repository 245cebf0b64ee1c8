from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import zoo
from training import Dataset, Split, TrainConfig
from training.batches import distribute_batches
from training.evaluation import Evaluation
from training.loop import Loop
from training.objectives import make_objectives
from training.static_shapes import check_static, padded, plan_padded
from training.strategy import BatchPlan
from zoo.errors import ConfigError


@pytest.mark.parametrize(
    ("rows", "batch_size", "replicas", "expected"),
    [(21, 8, 1, (24, 8)), (21, 8, 8, (24, 8)), (5, 512, 8, (8, 8)), (16, 8, 2, (16, 8)), (9, 4, 3, (12, 6))],
)
def test_padding_fills_the_last_batch(rows: int, batch_size: int, replicas: int, expected: tuple[int, int]) -> None:
    plan = plan_padded(rows, batch_size, replicas)
    assert (plan.rows, plan.batch_size) == expected
    assert plan.share == plan.batch_size // replicas


def test_what_fills_up_has_no_weight() -> None:
    split = Split(np.arange(3.0), np.arange(3), np.array([1.0, 2.0, 3.0]))
    filled = padded(split, 5)
    assert filled.weights is not None
    assert filled.weights.tolist() == [1, 2, 3, 0, 0]
    assert np.asarray(filled.inputs).tolist() == [0, 1, 2, 0, 0]
    assert padded(split, 3) is split


@pytest.mark.parametrize("weighted", [False, True])
def test_padded_measures_are_those_of_the_rows_alone(
    blobs: Dataset, blobs_recipe: dict[str, Any], *, weighted: bool
) -> None:
    config = TrainConfig.parse(blobs_recipe | {"train": {"eval_batch_size": 8}})
    validation = blobs.split("validation")  # of 21 rows
    if weighted:
        validation = Split(validation.inputs, validation.labels, np.linspace(0, 2, 21))
    data = Dataset("blobs", {"validation": validation})
    model = zoo.build(config.model)
    loop = Loop(tf.distribute.get_strategy(), model, make_objectives(config))
    found = [
        Evaluation(
            loop, tf.distribute.get_strategy(), data, split="validation", config=config.train, static=static
        ).measure()
        for static in (False, True)
    ]
    assert found[1] == pytest.approx(found[0], rel=1e-6)


def test_batches_of_a_static_plan_have_static_shapes(blobs: Dataset) -> None:
    split = blobs.split("train")
    strategy = tf.distribute.get_strategy()
    static = distribute_batches(strategy, split, BatchPlan(60, 16, drop_remainder=True))
    assert tf.nest.flatten(static.element_spec)[0].shape == (16, 2)
    assert tf.nest.flatten(distribute_batches(strategy, split, BatchPlan(60, 16)).element_spec)[0].shape[0] is None


def test_a_batch_that_does_not_share_out_evenly_is_refused() -> None:
    check_static(BatchPlan(100, 16, 8, drop_remainder=True))
    with pytest.raises(ConfigError, match=r"train\.batch_size 20 .* 8 replicas .* multiple of 8"):
        check_static(BatchPlan(100, 20, 8, drop_remainder=True))


def test_a_config_for_a_tpu_says_what_that_means(blobs_recipe: dict[str, Any]) -> None:
    config = TrainConfig.parse(blobs_recipe | {"strategy": "tpu"})
    assert (config.train.drop_remainder, config.train.precision) == (True, "mixed_bfloat16")
    chosen = TrainConfig.parse(blobs_recipe | {"strategy": "tpu", "train": {"precision": "float32"}})
    assert (chosen.train.drop_remainder, chosen.train.precision) == (True, "float32")
    assert TrainConfig.parse(config.to_dict()) == config
    assert TrainConfig.parse(blobs_recipe).train.precision == "float32"
