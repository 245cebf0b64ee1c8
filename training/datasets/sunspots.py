"""Sunspots counted, year by year since 1700; the next year is to be told."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.windows import Windows, make_windows, split_in_time
from training.sources import data_files, find_collection

COLLECTION = find_collection("sunspots")
STEPS = 22
"""Two cycles of the sun, of some 11 years each."""

_DESCRIPTION = """\
The number of sunspots of each year from 1700 to 2008, as statsmodels has it from the National Geophysical Data
Center. A row is 22 years, two cycles of the sun, and the year after them. The last fifth of the years is the test
split, the tenths before it are calibration and validation.
"""


class Sunspots(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `sunspots`: (past float32 (22, 1), next float32), in the order of time."""

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
            },
            supervised_keys=("past", "next"),
            in_order=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # fetched by ours
        years, numbers = np.loadtxt(data_files(COLLECTION)["sunspots.csv"], delimiter=",", skiprows=1, unpack=True)
        windows = make_windows(numbers, STEPS)
        times = [str(int(year)) for year in years]
        splits = split_in_time(windows, len(numbers))
        return {name: self._generate_examples(windows, times, rows) for name, rows in splits.items()}

    def _generate_examples(
        self, windows: Windows, times: list[str], rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            time = times[windows.times[row]]
            yield row, {"past": windows.pasts[row], "next": windows.nexts[row], "time": time}
