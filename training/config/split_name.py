"""What splits are called."""

from typing import Literal

SplitName = Literal["train", "validation", "calibration", "test"]
"""`train` is learnt from, `validation` chooses the epoch, `calibration` is kept for what adjusts a trained model, `test` is
read once, in the end."""
