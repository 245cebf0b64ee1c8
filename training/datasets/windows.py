"""Windows over a series in time, and the value that follows each; splits in the order of time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SHARES = {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}
"""Of a series, in the order of time: what is tested on is the last fifth."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Pasts and what came next."""

    pasts: np.ndarray
    """(rows, steps, 1), float32."""
    nexts: np.ndarray
    """(rows,), float32."""
    times: np.ndarray
    """Where in the series each of `nexts` is, (rows,)."""


def make_windows(values: np.ndarray, steps: int) -> Windows:
    """Return every window of so many steps of a series, (values,), that a value follows."""
    pasts = np.lib.stride_tricks.sliding_window_view(values, steps)[:-1]
    times = np.arange(steps, len(values))
    return Windows(pasts[..., np.newaxis].astype(np.float32), values[times].astype(np.float32), times)


def split_in_time(windows: Windows, values: int) -> Mapping[str, np.ndarray]:
    """Return the row numbers of each split: by the time of what is to be told, earlier splits first.

    A window may reach back into the split before: what is past is known.

    Args:
        windows: of one series.
        values: how many the series has.
    """
    ends = np.rint(np.cumsum(list(SHARES.values())) * values).astype(int)
    parts = np.split(np.arange(len(windows.times)), np.searchsorted(windows.times, ends[:-1]))
    return dict(zip(SHARES, parts, strict=True))
