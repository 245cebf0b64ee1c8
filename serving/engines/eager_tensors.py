"""Arrays to TensorFlow's tensors and back. Large ones are copied where other threads can run meanwhile, or not at all."""

from typing import Any

import numpy as np

_LARGE = 1 << 20
"""Bytes that TensorFlow copies in a quarter of a millisecond; no other thread of the process runs while it does."""
_MANY = 1 << 15
"""Texts that TensorFlow takes, or gives, in one or two milliseconds; the same holds."""
_ALIGNMENT = 64
"""Of memory that TensorFlow takes as it is."""


def to_tensor(tf: Any, array: np.ndarray) -> Any:
    """Return a tensor of an array, which may be changed afterwards."""
    if array.dtype.kind == "O" and array.size > _MANY:
        flat = array.reshape(-1)
        parts = [tf.constant(flat[at : at + _MANY]) for at in range(0, array.size, _MANY)]
        return tf.reshape(tf.concat(parts, 0), array.shape)
    if array.nbytes < _LARGE or array.dtype.kind not in "fiu" or not array.dtype.isnative:
        return tf.constant(array)
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    aligned = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    np.copyto(aligned, array)
    return tf.experimental.dlpack.from_dlpack(aligned.__dlpack__())


def to_array(tf: Any, tensor: Any) -> np.ndarray:
    """Return what a tensor holds; a large one gives its own memory, which cannot be written to."""
    if tensor.dtype.is_integer or tensor.dtype.is_floating:
        size = tensor.dtype.size * tensor.shape.num_elements()
        if size >= _LARGE and np.dtype(tensor.dtype.as_numpy_dtype).isbuiltin == 1:
            return np.asarray(memoryview(tensor))
    elif tensor.dtype == tf.string and tensor.shape.num_elements() > _MANY:
        flat = tf.reshape(tensor, [-1])
        array = np.empty(len(flat), dtype=object)
        for at in range(0, len(flat), _MANY):
            array[at : at + _MANY] = flat[at : at + _MANY].numpy()
        return array.reshape(tuple(tensor.shape))
    found = tensor.numpy()
    return np.array(found, dtype=object) if isinstance(found, bytes) else np.asarray(found)  # a scalar string is bytes
