import hypothesis.strategies as st
import keras
import numpy as np
from hypothesis import given, settings

from zoo.layers.rotary import rotate

positions = st.integers(0, 500)


def rotated(x: np.ndarray, position: int) -> np.ndarray:
    turned = rotate(keras.ops.convert_to_tensor(x[None, None, None]), np.array([[position]]))
    return keras.ops.convert_to_numpy(turned)[0, 0, 0]


def vector(seed: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size).astype("float32")


@settings(max_examples=25, deadline=None)
@given(positions, positions, positions)
def test_products_depend_on_the_distance_alone(one: int, other: int, shift: int) -> None:
    query, key = vector(1), vector(2)

    here = rotated(query, one) @ rotated(key, other)
    there = rotated(query, one + shift) @ rotated(key, other + shift)

    np.testing.assert_allclose(here, there, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(positions)
def test_lengths_stay(position: int) -> None:
    x = vector(3)

    np.testing.assert_allclose(np.linalg.norm(rotated(x, position)), np.linalg.norm(x), rtol=1e-5)


def test_pairs_are_complex_numbers_turned_by_the_papers_angles() -> None:
    x, size, position = vector(4), 8, 7
    pairs = x[: size // 2] + 1j * x[size // 2 :]
    angles = position * np.array([10000 ** (-2 * i / size) for i in range(size // 2)])

    turned = pairs * np.exp(1j * angles)

    np.testing.assert_allclose(rotated(x, position), np.concatenate([turned.real, turned.imag]), atol=1e-5)


def test_the_first_position_is_not_turned() -> None:
    np.testing.assert_array_equal(rotated(vector(5), 0), vector(5))
