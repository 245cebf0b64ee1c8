import numpy as np

from training.datasets.windows import make_windows, split_in_time


def test_windows_are_followed_by_what_came_next() -> None:
    windows = make_windows(np.array([1, 2, 3, 4, 5.0]), 3)
    assert windows.pasts[..., 0].tolist() == [[1, 2, 3], [2, 3, 4]]
    assert windows.nexts.tolist() == [4, 5]
    assert windows.times.tolist() == [3, 4]
    assert (windows.pasts.shape, windows.pasts.dtype) == ((2, 3, 1), np.float32)


def test_splits_are_in_the_order_of_time() -> None:
    windows = make_windows(np.arange(100.0), 10)
    told = {name: windows.nexts[rows].tolist() for name, rows in split_in_time(windows, 100).items()}
    assert told == {
        "train": list(range(10, 60)),
        "validation": list(range(60, 70)),
        "calibration": list(range(70, 80)),
        "test": list(range(80, 100)),
    }
