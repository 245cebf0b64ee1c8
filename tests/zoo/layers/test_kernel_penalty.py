import keras
import numpy as np
import pytest

from zoo.layers.kernel_penalty import KernelPenalty


def test_orthogonal_units_cost_nothing() -> None:
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])

    assert float(KernelPenalty(orthogonal=1.0)(keras.ops.convert_to_tensor(5 * rotation))) == pytest.approx(0, abs=1e-6)


def test_parallel_units_cost_the_factor_whichever_way_they_point() -> None:
    kernel = np.array([[1.0, -2.0, 3.0], [1.0, -2.0, 3.0]])

    assert float(KernelPenalty(orthogonal=0.5)(keras.ops.convert_to_tensor(kernel))) == pytest.approx(0.5, rel=1e-5)


def test_units_at_60_degrees_cost_half() -> None:
    kernel = np.array([[1.0, 0.5], [0.0, np.sqrt(3) / 2]])

    assert float(KernelPenalty(orthogonal=1.0)(keras.ops.convert_to_tensor(kernel))) == pytest.approx(0.5, rel=1e-5)


def test_a_unit_alone_is_orthogonal_to_nothing() -> None:
    assert float(KernelPenalty(orthogonal=1.0)(keras.ops.ones((3, 1)))) == 0


def test_the_filters_of_a_convolution_are_its_units() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")
    penalty = KernelPenalty(orthogonal=1.0)

    flat = kernel.reshape(18, 4)
    assert float(penalty(keras.ops.convert_to_tensor(kernel))) == float(penalty(keras.ops.convert_to_tensor(flat)))


def test_it_is_made_again_from_its_config() -> None:
    penalty = KernelPenalty(0.1, 0.2, 0.3)

    again = keras.regularizers.get(keras.regularizers.serialize(penalty))
    assert isinstance(again, KernelPenalty)
    assert again.get_config() == {"l1": 0.1, "l2": 0.2, "orthogonal": 0.3}
