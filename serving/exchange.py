"""What was asked of a signature and answered, as arrays: the same whatever the protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Exchange:
    """One inference that went well."""

    model: str
    version: int
    signature: str
    inputs: Mapping[str, np.ndarray]
    """Those that were left out have their defaults."""
    outputs: Mapping[str, np.ndarray]
    wanted: Sequence[str]
    """The outputs that were asked for; none for all."""

    @property
    def nbytes(self) -> int:
        """What the arrays take, texts left out."""
        return sum(array.nbytes for array in (*self.inputs.values(), *self.outputs.values()))
