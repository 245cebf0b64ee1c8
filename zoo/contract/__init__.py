"""What every registered architecture owes, whatever it is inside; held against those of this zoo and against your own."""

from zoo.contract.check import check
from zoo.contract.promises import PROMISES
from zoo.contract.sample import sample_inputs, sample_labels

__all__ = ["PROMISES", "check", "sample_inputs", "sample_labels"]
