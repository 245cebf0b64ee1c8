"""Arrays to TensorFlow and back, small and large, against TensorFlow's own ways."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from serving.engines.eager_tensors import to_array, to_tensor

NUMBERS = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool", "complex64"]


@pytest.mark.parametrize("count", [0, 6, 2_200_000])
@pytest.mark.parametrize("dtype", [*NUMBERS, ml_dtypes.bfloat16])
def test_numbers_are_those_of_tensorflow(dtype: str, count: int) -> None:
    array = (np.arange(count) % 120).astype(dtype).reshape(2, -1)
    tensor = to_tensor(tf, array)
    assert tensor.dtype == tf.constant(array).dtype
    np.testing.assert_array_equal(tensor.numpy(), array)
    back = to_array(tf, tf.identity(tensor))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)


def test_what_lies_anywhere_in_a_message_is_taken() -> None:
    message = bytes(3) + np.arange(500_000, dtype=np.float32).tobytes()
    array = np.frombuffer(message, np.float32, 500_000, 3)
    np.testing.assert_array_equal(tf.reduce_sum(to_tensor(tf, array)), tf.reduce_sum(tf.constant(array)))


def test_a_tensor_stays_as_it_was_made() -> None:
    array = np.ones(1_000_000, np.float32)
    tensor = to_tensor(tf, array)
    array[:] = 2
    assert tf.reduce_max(tensor) == 1


def test_an_array_outlives_its_tensor() -> None:
    arrays = [to_array(tf, tf.fill([1_000_000], float(number))) for number in range(10)]
    assert [array[-1] for array in arrays] == list(range(10))


@pytest.mark.parametrize("count", [0, 6, 70_000])
def test_texts_are_those_of_tensorflow(count: int) -> None:
    array = np.array([*(b"\0%d\0" % number for number in range(count)), None], object)[:-1].reshape(2, -1)
    tensor = to_tensor(tf, array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    np.testing.assert_array_equal(to_array(tf, tensor), array)


def test_a_single_text_is_an_array() -> None:
    found = to_array(tf, tf.constant(b"zoo\0"))
    assert (found.shape, found.item()) == ((), b"zoo\0")
