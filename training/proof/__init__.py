"""Whether a strategy trains what one device trains, seen before accelerators are paid for."""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_names

if TYPE_CHECKING:
    from training.proof.comparison import Comparison, Difference
    from training.proof.proof import Proof, prove

__getattr__ = lazy_names(
    __name__,
    {
        "training.proof.comparison": ("Comparison", "Difference"),
        "training.proof.proof": ("Proof", "prove"),
    },
)

__all__ = ["Comparison", "Difference", "Proof", "prove"]
