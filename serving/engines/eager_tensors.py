"""Arrays to TensorFlow's tensors and back. Large ones are copied where other threads can run meanwhile, or not at all."""

from typing import Any

import numpy as np

_LARGE = 1 << 20
"""Bytes that TensorFlow copies in a quarter of a millisecond; no other thread of the process runs while it does."""
_ALIGNMENT = 64
"""Of memory that TensorFlow takes as it is."""


def to_tensor(tf: Any, array: np.ndarray) -> Any:
    """Return a tensor of an array, which may be changed afterwards."""
    if array.nbytes < _LARGE or array.dtype.kind not in "fiu" or not array.dtype.isnative:
        return tf.constant(array)
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    aligned = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    np.copyto(aligned, array)
    return tf.experimental.dlpack.from_dlpack(aligned.__dlpack__())


def to_array(tensor: Any) -> np.ndarray:
    """Return what a tensor holds; a large one gives its own memory, which cannot be written to."""
    if tensor.dtype.is_integer or tensor.dtype.is_floating:
        size = tensor.dtype.size * tensor.shape.num_elements()
        if size >= _LARGE and np.dtype(tensor.dtype.as_numpy_dtype).isbuiltin == 1:
            return np.asarray(memoryview(tensor))
    found = tensor.numpy()
    return np.array(found, dtype=object) if isinstance(found, bytes) else np.asarray(found)  # a scalar string is bytes
