"""Whether an engine answers a signature as it should, and how long that takes it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.engines.engine import Engine
from serving.engines.findings import PARITY_SIZES, SIZES
from serving.signature import Signature
from serving.status import StatusError
from serving.trial_rows import TrialRows
from zoo.passport import Passport, Tolerance
from zoo.tensors import differences

_TURNS = 7
_TURN_SECONDS = 0.004
_MOST_CALLS = 200
_MOST_SECONDS = 2.0
"""Of all turns at one size."""
_OF_THE_LARGEST = 1e-5
"""By what share of the largest number of an output its numbers may differ: sums in another order do so."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """Inputs, and the answer to them."""

    inputs: Arrays
    expected: Arrays | None
    """None where they are refused."""


@dataclass(frozen=True)
class Cases:
    """What a signature is tried with."""

    compared: tuple[Case, ...]
    timed: Mapping[int, Arrays]
    """By rows."""
    tolerance: Tolerance | None
    """The passport's; None where there is none: numbers may then differ by 1e-5, also of the largest number."""


def make_cases(signature: Signature, passport: Passport | None, run: Callable[[Arrays], Arrays]) -> Cases | None:
    """Make cases of a signature's golden inputs, or of made-up ones.

    Args:
        signature: that is to be tried.
        passport: of its version, where there is one.
        run: answers as an engine should.

    Returns:
        Cases; None where `run` refuses all inputs that could be thought of.
    """
    for rows in TrialRows(signature, passport).candidates():
        try:
            batches = {size: _batch(signature, rows, size) for size in sorted({*PARITY_SIZES, *SIZES})}
            compared = [Case(batches[size], run(batches[size])) for size in PARITY_SIZES]
        except StatusError:
            continue
        compared += [Case(inputs, _answer(run, inputs)) for inputs in _far_off(batches[PARITY_SIZES[1]])]
        return Cases(
            tuple(compared), {size: batches[size] for size in SIZES}, None if passport is None else passport.tolerance
        )
    return None


def fault(
    signature: Signature, cases: Cases, run: Callable[[Arrays], Arrays], tolerance: Tolerance | None = None
) -> str | None:
    """Return what an engine answers otherwise than it should, or by more than a tolerance; None where nothing."""
    for case in cases.compared:
        rows = len(next(iter(case.inputs.values()), ()))
        try:
            got = run(case.inputs)
            signature.check_outputs(got)
        except StatusError as error:
            if case.expected is None:
                continue
            return f"it refuses {rows} rows: {error}"[:300]
        if case.expected is None:
            return "it answers values that it should refuse"
        for name, expected in case.expected.items():
            allowed = tolerance or cases.tolerance or _scaled(expected)
            if faults := differences({name: got[name]}, {name: expected}, allowed, same_dtypes=True):
                return f"it answers {rows} rows otherwise: {faults[0]}"
    return None


def time_all(engines: Sequence[Engine], signature: str, cases: Cases) -> list[dict[str, float]]:
    """Return microseconds of a call of each engine, by rows: of its best turn, since others use the machine too."""
    spent: list[dict[str, float]] = [{} for _ in engines]
    for rows, inputs in cases.timed.items():
        for engine in engines:
            _seconds(engine, signature, inputs, 1)  # lays memory out
        first = [_seconds(engine, signature, inputs, 1) for engine in engines]
        calls = [max(1, min(_MOST_CALLS, int(_TURN_SECONDS / max(1e-9, seconds)))) for seconds in first]
        turns = [first]
        while len(turns) < _TURNS and sum(map(sum, turns)) < _MOST_SECONDS:
            turns.append(
                [
                    _seconds(engine, signature, inputs, count) / count
                    for engine, count in zip(engines, calls, strict=True)
                ]
            )
        for place, found in enumerate(spent):
            found[str(rows)] = round(1e6 * min(each[place] for each in turns), 1)
        if sum(map(sum, turns)) > _MOST_SECONDS:  # larger batches take longer still
            break
    return spent


def _seconds(engine: Engine, signature: str, inputs: Arrays, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        engine.run(signature, inputs)
    return time.perf_counter() - begun


def _batch(signature: Signature, rows: Arrays, size: int) -> dict[str, np.ndarray]:
    """Return a batch of some of the rows, in another order for each size; inputs without rows as they are."""
    return {
        name: array[(np.arange(size) * 3 + size) % len(array)] if signature.inputs[name].is_batched else array
        for name, array in rows.items()
    }


def _far_off(inputs: Arrays) -> list[dict[str, np.ndarray]]:
    """Return inputs with whole numbers that most models have nothing for."""
    whole = {name: array for name, array in inputs.items() if array.dtype.kind in "iu" and array.dtype.itemsize > 1}
    return [
        {**inputs, **{name: np.full_like(array, value) for name, array in whole.items()}}
        for value in (np.iinfo(np.int16).max, -1)
        if whole and not (value < 0 and any(array.dtype.kind == "u" for array in whole.values()))
    ]


def _answer(run: Callable[[Arrays], Arrays], inputs: Arrays) -> Arrays | None:
    try:
        return run(inputs)
    except StatusError:
        return None


def _scaled(expected: np.ndarray) -> Tolerance:
    if expected.dtype.kind != "f" or not expected.size:
        return Tolerance()
    finite = np.abs(expected[np.isfinite(expected)])
    largest = float(finite.max()) if finite.size else 0.0
    return Tolerance(absolute=_OF_THE_LARGEST * max(1.0, largest))
