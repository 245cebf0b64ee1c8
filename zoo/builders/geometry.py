"""Whether the stages of a convolutional network fit into what they get: every size is known before anything is built."""

from collections.abc import Iterable
from typing import NamedTuple

POOL_SIZE = 2


class Stage(NamedTuple):
    """One stage: how large its kernels are, how far apart the first's windows, how many there are, whether it pools then."""

    kernel_size: int
    strides: int
    convolutions: int
    pools: bool


def check_geometry(side: int, what: str, stages: Iterable[Stage]) -> None:
    """Check that every kernel fits and that there is something left to halve.

    Args:
        side: the smaller side of the image, or the steps of the series.
        what: `image`, whose odd sides lose their last pixels in pooling, or `series`, which loses none.
        stages: in order; every convolution has zeros around what it gets.

    Raises:
        ValueError: a stage does not fit; the message says which and what would.
    """
    left = side
    for number, (kernel_size, strides, convolutions, pools) in enumerate(stages, start=1):
        if number == 1 and kernel_size > side:
            raise ValueError(f"kernel_size {kernel_size} is larger than the {what}, of side {side}")
        place = f"stage {number} gets {left} of the {side} that the smaller side of the {what} has"
        fewer = "give fewer stages in filters, smaller strides"
        if strides > left:
            raise ValueError(f"{place}, less than its strides {strides}: {fewer}")
        inside = _divided(left, strides)
        if pools and inside < POOL_SIZE:
            raise ValueError(f"{place}, which its pooling cannot halve: {fewer}, or pooling 'none'")
        if _has_idle_weights(left, kernel_size, strides) or (
            convolutions > 1 and _has_idle_weights(inside, kernel_size, 1)
        ):
            raise ValueError(
                f"{place}, too little for kernel_size {kernel_size}, whose outer weights would only ever meet the zeros "
                f"around it: {fewer}, or a smaller kernel_size"
            )
        left = inside
        if pools:
            left = left // POOL_SIZE if what == "image" else _divided(left, POOL_SIZE)


def _divided(side: int, by: int) -> int:
    return -(-side // by)  # rounded up


def _has_idle_weights(side: int, kernel_size: int, strides: int) -> bool:
    """Tell whether some weight only ever meets the zeros around an input of that side."""
    last_window = (_divided(side, strides) - 1) * strides
    zeros_before = max(last_window + kernel_size - side, 0) // 2
    return zeros_before > last_window or kernel_size - 1 - zeros_before >= side
