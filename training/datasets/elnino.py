"""The temperature of the sea off Peru, month by month from 1950 to 2010; the next month is to be told."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.windows import Windows, make_windows, split_in_time
from training.sources import data_files, find_collection

COLLECTION = find_collection("elnino")
STEPS = 24
"""Two years of months."""

_DESCRIPTION = """\
The mean surface temperature of the Pacific off Peru (Nino 1+2, 0-10 degrees south, 90-80 west) in degrees Celsius, of
each month from 1950 to 2010, as statsmodels has it from NOAA (ERSST.V3B). A row is 24 months and the month after
them. The last fifth of the months is the test split, the tenths before it are calibration and validation.
"""


class Elnino(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `elnino`: (past float32 (24, 1), next float32), in the order of time."""

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
        table = np.loadtxt(data_files(COLLECTION)["elnino.csv"], delimiter=",", skiprows=1)
        temperatures = table[:, 1:].ravel()
        times = [f"{int(year)}-{month:02}" for year in table[:, 0] for month in range(1, 13)]
        windows = make_windows(temperatures, STEPS)
        splits = split_in_time(windows, len(temperatures))
        return {name: self._generate_examples(windows, times, rows) for name, rows in splits.items()}

    def _generate_examples(
        self, windows: Windows, times: list[str], rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            time = times[windows.times[row]]
            yield row, {"past": windows.pasts[row], "next": windows.nexts[row], "time": time}
