"""What uncertainty comes to, in words."""

import math

from zoo.passport import Uncertainty


def interval_in_words(interval: tuple[float, float]) -> str:
    """Return `[low, high]` to two digits of its width."""
    low, high = interval
    digits = 4 if high <= low else min(max(1 - math.floor(math.log10(high - low)), 0), 6)
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def uncertainty_in_words(found: Uncertainty) -> str:
    """Return what was fitted and what it is worth, as one line."""
    parts = []
    if found.threshold:
        what = "interval" if found.temperature is None else "set"
        said = f"{found.level:.0%} {what}s"
        if found.coverage is not None and found.coverage_interval is not None and found.size is not None:
            size = f"{found.size:.4g} wide" if what == "interval" else f"{found.size:.2f} classes"
            said += (
                f" hold {found.coverage:.1%} of {found.held_out_rows} held-out labels "
                f"{interval_in_words(found.coverage_interval)}, {size} on average"
            )
        parts.append(said)
    if found.temperature is not None:
        said = f"temperature {found.temperature:.3g}"
        if found.calibration_error is not None:
            before, after = found.calibration_error
            said += f": calibration error {before:.3f} before it, {after:.3f} after it"
        parts.append(said)
    return "; ".join(parts)
