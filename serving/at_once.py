"""What was asked before is answered without waiting: alone, or in one run of the engine with what came beside it."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

from serving.answering import Answering
from serving.batching import NotPerRowError, join, split
from serving.call_record import CallRecord
from serving.job import Arrays
from serving.leases import deadline_of
from serving.nan_policy import refuse_nan
from serving.permitted_models import PermittedModels
from serving.priority import KEY as PRIORITY_KEY
from serving.priority import read_priority
from serving.query import Answer, Checked
from serving.servable import Servable
from serving.status import StatusError
from serving.transports.transport import Call

Asking = tuple[Arrays, Call]
"""The inputs of a call, which are small, and it."""
Ended = Answer | BaseException


class AtOnce:
    """Answers in the event loop what takes next to no time. Lives in it."""

    def __init__(self, answering: Answering, manager: PermittedModels, *, refuses_nan: bool) -> None:
        """Prepare; `refuses_nan` says whether inputs with NaN in them are refused."""
        self._answering = answering
        self._manager = manager
        self._refuses_nan = refuses_nan

    def answer(self, checked: Checked, asking: Sequence[Asking]) -> Sequence[Ended | None]:
        """Answer calls that differ in numbers alone, and came together.

        Args:
            checked: what one before them was found to ask.
            asking: they.

        Returns:
            For each its answer, or what went wrong with it; None where it has to be answered otherwise, since another
            servable answers by now, or it would have to be waited for.
        """
        try:
            lease = self._manager.lease(checked.model)
        except StatusError:
            return [None] * len(asking)
        servable = lease.servable
        try:
            if checked.servable() is not servable:
                return [None] * len(asking)
            if len(asking) > 1:
                return self._several(checked, servable, asking)
            return [self._alone(checked, servable, *asking[0])]
        finally:
            lease.close()

    def _several(self, checked: Checked, servable: Servable, asking: Sequence[Asking]) -> Sequence[Ended | None]:
        like = self._answering.job(checked, servable, asking[0][0], CallRecord(""))
        most = self._answering.gathering.calls_at_once(like, len(asking))
        if not most:
            return [None] * len(asking)
        answers: list[Ended | None] = []
        for start in range(0, len(asking), most):
            some = asking[start : start + most]
            if len(some) > 1 and all(_is_plain(call) for _, call in some):
                answers += self._together(checked, servable, some)
            else:
                answers += [self._alone(checked, servable, *each) for each in some]
        return answers

    def _together(self, checked: Checked, servable: Servable, asking: Sequence[Asking]) -> Sequence[Ended | None]:
        """Answer several by one run of the engine; each alone where that goes wrong, to see whose fault it is."""
        calls, rows, record = len(asking), checked.rows, CallRecord("")
        started = perf_counter()
        try:
            inputs = join([each for each, _ in asking], rows=calls * rows)
            if self._refuses_nan:
                refuse_nan(inputs)
            decode = (perf_counter() - started) / calls
            job = self._answering.job(checked, servable, inputs, record, calls=calls)
            outputs = self._answering.gathering.together_at_once(job)
            if outputs is None:
                return [None] * calls
            parts = split(outputs, [rows] * calls, computed=calls * rows)
        except NotPerRowError as error:
            independence = servable.independence.get(checked.signature.name)
            if independence is not None:
                independence.refuse(str(error))
            parts = None
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - it is raised again for the call whose fault it is
            parts = None
        if parts is None:
            return [self._alone(checked, servable, *each) for each in asking]
        answers: list[Ended | None] = []
        for (own, call), part in zip(asking, parts, strict=True):
            told = call.record
            _name(told, checked, servable)
            told.rows, told.batch_rows, told.executions = rows, record.batch_rows, int(not answers)
            told.seconds = {"decode": decode, **record.seconds}
            try:
                answers.append(self._answering.answer(checked, servable, own, part, told))
            except StatusError as error:
                answers.append(error)
        return answers

    def _alone(self, checked: Checked, servable: Servable, inputs: Arrays, call: Call) -> Ended | None:
        record = call.record
        try:
            _name(record, checked, servable)
            record.seconds["decode"] = 0.0
            if self._refuses_nan:
                with record.timed("decode"):
                    refuse_nan(inputs)
            deadline, priority = deadline_of(call, None), read_priority(call.metadata.get(PRIORITY_KEY))
            job = self._answering.job(checked, servable, inputs, record, deadline=deadline, priority=priority)
            outputs = self._answering.gathering.at_once(job)
            return None if outputs is None else self._answering.answer(checked, servable, inputs, outputs, record)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it belongs to this call
            return error


def _name(record: CallRecord, checked: Checked, servable: Servable) -> None:
    record.model, record.version, record.signature = servable.name, servable.version, checked.signature.name


def _is_plain(call: Call) -> bool:
    """Tell whether a call asks for nothing of its own, and has time."""
    remaining = call.time_remaining()
    return PRIORITY_KEY not in call.metadata and (remaining is None or remaining > 0)
