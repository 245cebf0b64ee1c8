"""Data sets as arrays in memory: what they are, and where they come from."""

from training.data.dataset import Dataset
from training.data.loading import load_data
from training.data.split import Arrays, Split

__all__ = ["Arrays", "Dataset", "Split", "load_data"]
