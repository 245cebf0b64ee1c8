"""Shape and dtype of one example."""

from typing import NamedTuple

Shape = tuple[int | None, ...]


class Spec(NamedTuple):
    """Shape, without the batch, and dtype of a tensor; None is an axis of any length."""

    shape: Shape
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}".replace("None", "any")
