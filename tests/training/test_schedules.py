from typing import Any

import keras
import numpy as np
import pytest

from training.config import OptimizerConfig, ScheduleConfig
from training.schedules import Schedule
from zoo.errors import ConfigError

STEPS, PER_EPOCH = 20, 4


def rates(kind: str, **fields: Any) -> np.ndarray:
    config = ScheduleConfig.parse({"kind": kind, **fields})
    schedule = Schedule(config, learning_rate=0.5, steps=STEPS, steps_per_epoch=PER_EPOCH)
    return np.array([float(schedule(step)) for step in range(STEPS + 1)])


AT = np.arange(STEPS + 1)


def test_constant() -> None:
    np.testing.assert_allclose(rates("constant"), 0.5)


def test_cosine_and_polynomial_equal_those_of_keras() -> None:
    cosine = keras.optimizers.schedules.CosineDecay(0.5, STEPS, alpha=0.1)
    np.testing.assert_allclose(rates("cosine", end=0.1), [float(cosine(step)) for step in AT], rtol=1e-6)
    power = keras.optimizers.schedules.PolynomialDecay(0.5, STEPS, end_learning_rate=0.05, power=2.0)
    np.testing.assert_allclose(rates("polynomial", end=0.1, power=2.0), [float(power(s)) for s in AT], rtol=1e-6)


def test_exponential_falls_by_its_factor_every_epoch() -> None:
    np.testing.assert_allclose(rates("exponential", factor=0.25), 0.5 * 0.25 ** (AT / PER_EPOCH), rtol=1e-6)


def test_steps_come_after_their_epochs() -> None:
    expected = np.where(AT < 8, 0.5, np.where(AT < 14, 0.05, 0.005))
    np.testing.assert_allclose(rates("step", factor=0.1, epochs=[2, 3.5]), expected, rtol=1e-6)


def test_warm_up_rises_to_the_rate_and_the_rest_follows() -> None:
    found = rates("cosine", warmup_epochs=1.0)
    np.testing.assert_allclose(found[:4], [0.125, 0.25, 0.375, 0.5], rtol=1e-6)
    np.testing.assert_allclose(found[4:], 0.25 * (1 + np.cos(np.pi * np.arange(17) / 16)), atol=1e-7)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "cosin"}, "did you mean 'cosine'"),
        ({"kind": "cosine", "power": 2.0}, "a cosine schedule has no power; it takes end, warmup_epochs"),
        ({"kind": "step"}, "needs the epochs of its steps"),
        ({"kind": "step", "epochs": [5, 2]}, "ascending"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScheduleConfig.parse(fields)


@pytest.mark.parametrize("config", ["cosine", {"kind": "step", "epochs": [1.0], "factor": 0.5, "warmup_epochs": 2.0}])
def test_a_schedule_is_read_back_as_it_was_written(config: Any) -> None:
    given = OptimizerConfig.parse({"schedule": config})
    assert OptimizerConfig.from_yaml(given.to_yaml()) == given
    assert given != OptimizerConfig()
