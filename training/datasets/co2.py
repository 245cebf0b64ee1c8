"""Carbon dioxide in the air of Mauna Loa, week by week; the change to the next week is to be told."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.windows import Windows, make_windows, split_in_time
from training.sources import data_files, find_collection

COLLECTION = find_collection("co2")
STEPS = 104
"""Two years of weeks."""

_DESCRIPTION = """\
Carbon dioxide in the air of Mauna Loa, Hawaii, in parts per million, of each week from March 1958 to December 2001
(C. D. Keeling and T. P. Whorf), as statsmodels has it. Its level rises all the time: every week of the last years is
above all weeks before. So a row is 104 *changes* from a week to the next, and the change that follows; `last` is the
level before it, and an error of the change is the same error of the level. 59 of the 2,284 weeks were not measured.
They are interpolated in a straight line where a past needs them; no change from or to such a week is ever to be told.
The last fifth of the weeks is the test split, the tenths before it are calibration and validation.
"""


class Co2(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `co2`: (past float32 (104, 1), next float32), in the order of time."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "past": tfds.features.Tensor(shape=(STEPS, 1), dtype=np.float32),
                "next": tfds.features.Scalar(np.float32),
                "time": tfds.features.Text(doc="of `next`"),
                "last": tfds.features.Scalar(np.float32, doc="the level that `next` starts from"),
            },
            supervised_keys=("past", "next"),
            in_order=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # fetched by ours
        table = np.genfromtxt(data_files(COLLECTION)["co2.csv"], delimiter=",", skip_header=1)
        dates = [f"{date[:4]}-{date[4:6]}-{date[6:]}" for date in (str(int(row)) for row in table[:, 0])]
        levels, measured = fill_gaps(table[:, 1])
        changes = make_windows(np.diff(levels), STEPS)
        known = measured[changes.times] & measured[changes.times + 1]
        windows = Windows(changes.pasts[known], changes.nexts[known], changes.times[known])
        splits = split_in_time(windows, len(levels) - 1)
        return {name: self._generate_examples(windows, (levels, dates), rows) for name, rows in splits.items()}

    def _generate_examples(
        self, windows: Windows, series: tuple[np.ndarray, list[str]], rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        levels, dates = series
        for row in rows.tolist():
            time = windows.times[row]  # change t is from week t to week t + 1
            yield (
                row,
                {
                    "past": windows.pasts[row],
                    "next": windows.nexts[row],
                    "time": dates[time + 1],
                    "last": levels[time].astype(np.float32),
                },
            )


def fill_gaps(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a series with its NaNs interpolated in a straight line, and which of its values were measured."""
    measured = ~np.isnan(levels)
    weeks = np.arange(len(levels))
    return np.interp(weeks, weeks[measured], levels[measured]), measured
