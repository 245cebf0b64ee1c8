from typing import Any

import numpy as np
import pytest

from training import Dataset, Split, TrainConfig
from training.pipeline_bench import PipelineBench, bench_pipeline
from training.strategy import BatchPlan
from zoo.errors import ConfigError

RECIPE: dict[str, Any] = {
    "name": "made_up",
    "data": {"name": "made_up"},
    "model": {"architecture": "mlp", "input_shape": [48, 48, 3], "units": [1], "head": {"kind": "linear"}},
    "train": {"batch_size": 16, "steps_per_call": 2},
}


def images() -> Dataset:
    rows = np.random.default_rng(0).integers(0, 256, (50, 48, 48, 3), dtype=np.uint8)
    return Dataset("made_up", {"train": Split(rows, np.zeros(50)), "validation": Split(rows[:5], np.zeros(5))})


def test_heavy_changes_to_images_are_found_to_be_the_bottleneck_of_a_small_model() -> None:
    slow = {**RECIPE, "data": {"name": "made_up", "augmentation": {"rotate": 20, "brightness": 0.1, "cutout": 5}}}

    bench = bench_pipeline(TrainConfig.parse(slow), seconds=1.5, data=images())

    assert bench.bottleneck == "pipeline"
    assert bench.both < bench.step
    assert "rotate and zoom compute every pixel anew" in bench.advice[0]


def test_a_wide_model_is_found_to_be_the_bottleneck_of_plain_batches() -> None:
    wide = {**RECIPE, "model": {**RECIPE["model"], "units": [512, 512]}}

    bench = bench_pipeline(TrainConfig.parse(wide), seconds=1.5, data=images())

    assert bench.bottleneck == "step"
    assert bench.pipeline > 2 * bench.step
    assert bench.plan.steps == 4


def measured(pipeline: float, step: float, both: float) -> PipelineBench:
    return PipelineBench(TrainConfig.parse(RECIPE), BatchPlan(50, 16), pipeline, step, both)


def test_what_goes_to_the_pipeline_is_what_training_is_slower_than_its_step() -> None:
    assert measured(2000, 1000, 800).waiting == pytest.approx(0.2)
    assert measured(2000, 1000, 1010).waiting == 0
    assert measured(2000, 1000, 800).bottleneck == "step"
    assert measured(900, 1000, 800).bottleneck == "pipeline"


def test_the_advice_is_about_what_costs_time() -> None:
    assert "a quicker pipeline would change next to nothing" in measured(2000, 1000, 990).advice
    assert "the pipeline keeps up, but takes processor time from the step" in measured(2000, 1000, 500).advice
    assert not any("pipeline keeps up" in line for line in measured(500, 1000, 400).advice)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="seconds: expected a time above 0"):
        bench_pipeline(TrainConfig.parse(RECIPE), seconds=seconds)
