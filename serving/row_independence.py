"""Whether the answer to a row depends on the rows beside it: only where it does not, requests may be computed together.

A model may normalise over the batch, rank or sort its rows, or sample them. It is found out by trying: rows are run
alone, together, in the opposite order and among others, and every row has to be answered in the same way each time.
"""

import logging
import threading
from collections.abc import Callable, Mapping

import numpy as np

from serving.signature import Signature, TensorSpec
from serving.trial_rows import TrialRows
from zoo.passport import Tolerance
from zoo.tensors import differences

logger = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]
_LARGE = 32
"""Rows of the largest batch that is tried."""
_EXACT = Tolerance(absolute=0.0, relative=0.0)


class RowIndependence:
    """The decision for one signature of one loaded version, taken once. Any thread may ask."""

    def __init__(self, title: str, run: Callable[[Arrays], Arrays], rows: TrialRows) -> None:
        """Prepare a decision; nothing runs before it is asked for.

        Args:
            title: what to call the signature in the log.
            run: computes the signature; called while a job of it is held, so that its version stays loaded.
            rows: what to try.
        """
        self._title = title
        self._run = run
        self._rows = rows
        self._deciding = threading.Lock()
        self._known: bool | None = None

    @property
    def known(self) -> bool | None:
        """The decision; None before it is taken."""
        return self._known

    def decide(self) -> bool:
        """Return the decision, and take it where it was not taken yet: in some ten calls of the model."""
        if self._known is None:
            with self._deciding:
                if self._known is None:
                    self._decide()
        return bool(self._known)

    def refuse(self, reason: str) -> None:
        """Decide that rows are not independent, from now on."""
        if self._known is not False:
            logger.warning("requests for %s are computed one by one: %s", self._title, reason)
        self._known = False

    def _decide(self) -> None:
        try:
            reason = self._fault()
        except Exception as error:  # noqa: BLE001 - a model that fails on these rows is simply not batched
            reason = f"it could not be tried out: {type(error).__name__}: {error}"[:300]
        if reason is None:
            self._known = True
            logger.info("requests for %s are computed together: its rows are independent", self._title)
        else:
            self.refuse(reason)

    def _fault(self) -> str | None:
        """Return what speaks against independence; None where nothing does."""
        reason: str | None = "there are no rows to try it with"
        for rows in self._rows.candidates():
            reason = fault(self._run, rows, self._rows.tolerance())
            if reason != _ALL_ALIKE:
                return reason
        return reason


_ALL_ALIKE = "it answers all rows that could be tried alike, so that mixing them would not be seen"


def may_be_batched(signature: Signature) -> bool:
    """Tell whether a signature has a row of every output for every row of its inputs, as far as its shapes say."""
    specs = [*signature.inputs.values(), *signature.outputs.values()]
    if not signature.inputs or not signature.outputs or not all(spec.is_batched for spec in specs):
        return False
    # An answer of free length, to input of fixed length, has the length of the longest among its neighbours.
    return _is_free(signature.inputs) or not _is_free(signature.outputs)


def _is_free(specs: Mapping[str, TensorSpec]) -> bool:
    return any(None in (spec.shape or ())[1:] for spec in specs.values())


def fault(run: Callable[[Arrays], Arrays], inputs: Arrays, tolerance: Tolerance) -> str | None:
    """Compare the answers to rows alone and in company.

    Args:
        run: the model.
        inputs: two rows or more, different ones.
        tolerance: what counts as the same answer.

    Returns:
        What differs; None where each row is answered in the same way in any company.
    """
    count = len(next(iter(inputs.values())))
    alone = [run(_pick(inputs, [row])) for row in range(count)]
    for answer in alone:
        for name, array in answer.items():
            if not array.ndim or len(array) != 1:
                return f"output {name!r} has the shape {list(array.shape)} for one row"
    if not any(differences(other, alone[0], _EXACT, same_dtypes=True) for other in alone[1:]):
        return _ALL_ALIKE
    for title, order in _companies(count):
        answers = run(_pick(inputs, order))
        for name, array in answers.items():
            if not array.ndim or len(array) != len(order):
                return f"output {name!r} has the shape {list(array.shape)} for {len(order)} rows"
        for place, row in enumerate(order):
            if faults := differences(_pick(answers, [place]), alone[row], tolerance, same_dtypes=True):
                return f"a row is answered otherwise {title} than alone: {faults[0]}"
    return None


def _companies(count: int) -> list[tuple[str, list[int]]]:
    rows = list(range(count))
    many = [rows[(place * place + place // count) % count] for place in range(max(_LARGE, 2 * count))]
    return [
        ("among others", rows),
        ("in another order", rows[::-1]),
        ("beside another row", [rows[-1], rows[0]]),
        ("beside copies of itself", [rows[0], rows[0], rows[1]]),
        ("in a large batch", many),
    ]


def _pick(arrays: Arrays, rows: list[int]) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in arrays.items()}
