"""Arrays that TensorFlow can read where they are, instead of copying them."""

import numpy as np

ALIGNMENT = 64
"""Bytes to a multiple of which TensorFlow wants an address (EIGEN_MAX_ALIGN_BYTES); NumPy's are multiples of 16."""


def is_aligned(array: np.ndarray) -> bool:
    """Tell whether TensorFlow can read an array where it is."""
    return bool(array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0 and array.dtype.kind not in "OSU")


def aligned(array: np.ndarray) -> np.ndarray:
    """Return an array of the same entries that TensorFlow can read where it is; text stays as it is."""
    if is_aligned(array) or array.dtype.kind in "OSU" or not array.size:
        return array
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy: np.ndarray = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
