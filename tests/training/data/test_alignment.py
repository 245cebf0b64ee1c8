import numpy as np
import pytest

from training import Split
from training.batches import make_pieces, tensors_of
from training.data.alignment import ALIGNMENT, aligned, is_aligned
from training.strategy import BatchPlan


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "bfloat16", "bool"])
def test_an_aligned_array_has_the_same_entries(dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4)[:, ::2].astype(dtype)

    found = aligned(array)

    assert is_aligned(found)
    assert found.ctypes.data % ALIGNMENT == 0
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert aligned(found) is found


def test_text_and_nothing_stay_as_they_are() -> None:
    for array in (np.array(["a"], object), np.zeros((0, 3))):
        assert aligned(array) is array


def test_batches_read_aligned_rows_where_they_are() -> None:
    split = Split(np.zeros((4, 2), "float32"), np.arange(4)).aligned()
    pieces = make_pieces(tensors_of(split), BatchPlan(4, 4), seed=None, first_step=0, replicas=range(1))

    assert isinstance(split.inputs, np.ndarray)
    split.inputs[:] = 7  # nobody should; but a copy would not show it

    inputs, *_ = next(iter(pieces))
    assert inputs.numpy().tolist() == [[7, 7]] * 4
