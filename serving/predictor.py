"""The one way from a request to an answer, whatever the protocol: check, decode, queue, compute, check again."""

import contextlib
import math
import weakref
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic

import numpy as np

from serving.answering import Answering, Limits
from serving.at_once import Asking, AtOnce
from serving.batching import size_of
from serving.codec import CodecError
from serving.leases import Leases, deadline_of
from serving.mailbox import Mailbox
from serving.model_ref import ModelRef
from serving.nan_policy import NanAnswers, refuse_nan
from serving.offload import SMALL, Offload
from serving.permitted_models import PermittedModels
from serving.priority import KEY as PRIORITY_KEY
from serving.priority import read_priority
from serving.query import Answer, Checked, Inputs, Query
from serving.recent_requests import RecentRequests
from serving.scheduler import Scheduler
from serving.servable import Servable
from serving.signature import Signature, TensorSpec, input_field
from serving.status import invalid
from serving.transports.transport import Call

_CELL = 8
"""Bytes that a value counts as before it is known how long it is."""


class Predictor:
    """Answers queries. Lives in one event loop."""

    def __init__(
        self,
        manager: PermittedModels,
        scheduler: Scheduler,
        offload: Offload,
        limits: Limits,
        recent: RecentRequests | None = None,
        nan_answers: NanAnswers | None = None,
    ) -> None:
        """Answer from a manager's models.

        Args:
            manager: the models, as each caller may see them.
            scheduler: computes.
            offload: decodes what is large.
            limits: what one request may take.
            recent: is offered what was answered, but for requests that name a version: these stay with it.
            nan_answers: is shown what was computed.
        """
        self._leases = Leases(manager)
        self._offload = offload
        self._limits = limits
        self._mailbox = Mailbox()
        self._answering = Answering(scheduler, limits, recent, nan_answers)
        self._at_once = AtOnce(self._answering, manager, refuses_nan=limits.refuse_nan)

    async def answer(self, query: Query, call: Call) -> Answer:
        """Run a servable's signature.

        Raises:
            StatusError: the query names what there is not, does not fit the signature, came too late or when too many
                wait, or the model refuses it.
        """
        with contextlib.ExitStack() as stack:
            turn_by = None if query.queue_seconds is None else monotonic() + query.queue_seconds
            servable = await self._lease(query.model, call, stack, turn_by)
            record = call.record
            signature = servable.signature(query.signature)
            record.signature = signature.name
            wanted = signature.choose_outputs(list(query.outputs))
            with record.timed("decode"):
                sources = query.inputs(signature) if callable(query.inputs) else query.inputs
                inputs, rows = await self._read(signature, sources)
            checked = Checked(query.model, weakref.ref(servable), signature, wanted, rows)
            return await self._compute(checked, servable, inputs, call, stack, query.priority, turn_by)

    async def answer_again(self, checked: Checked, inputs: Mapping[str, np.ndarray], call: Call) -> Answer | None:
        """Answer what is, but for the numbers, a query that was answered before.

        Args:
            checked: what that one was found to ask.
            inputs: of the same names, dtypes and shapes.
            call: the call.

        Returns:
            None where another servable answers by now: it has to be checked once more.

        Raises:
            StatusError: as `answer`.
        """
        with contextlib.ExitStack() as stack:
            servable = await self._lease(checked.model, call, stack)
            if checked.servable() is not servable:
                return None
            call.record.signature = checked.signature.name
            call.record.seconds["decode"] = 0.0
            return await self._compute(checked, servable, inputs, call, stack)

    def answer_at_once(self, checked: Checked, asking: Sequence[Asking]) -> Sequence[Answer | BaseException | None]:
        """Do the same for several that came together, where nothing has to be waited for; see AtOnce."""
        return self._at_once.answer(checked, asking)

    async def _lease(
        self, model: ModelRef, call: Call, stack: contextlib.ExitStack, turn_by: float | None = None
    ) -> Servable:
        servable = stack.enter_context(await self._leases.get(model, call, turn_by))
        call.record.model, call.record.version = servable.name, servable.version
        return servable

    async def _compute(
        self,
        checked: Checked,
        servable: Servable,
        inputs: Mapping[str, np.ndarray],
        call: Call,
        stack: contextlib.ExitStack,
        priority: int = 0,
        turn_by: float | None = None,
    ) -> Answer:
        """Have the engine answer; `stack` holds the lease."""
        record = call.record
        if self._limits.refuse_nan:
            with record.timed("decode"):
                await self._offload.run(size_of(inputs), lambda: refuse_nan(inputs))
        deadline = deadline_of(call, turn_by)
        priority = priority or read_priority(call.metadata.get(PRIORITY_KEY))
        job = self._answering.job(checked, servable, inputs, record, deadline=deadline, priority=priority)
        outputs = self._answering.gathering.at_once(job)
        if outputs is None:
            future = self._answering.gathering.submit(job)
            # A call that is cancelled leaves at once; the version stays until the engine is done with it.
            held = stack.pop_all()
            future.add_done_callback(lambda _: held.close())
            outputs = await self._mailbox.wait(future)
        return self._answering.answer(checked, servable, inputs, outputs, record)

    async def _read(self, signature: Signature, sources: Inputs) -> tuple[dict[str, np.ndarray], int]:
        """Return the inputs, and how many rows they have."""
        defaults = {name: array for name, array in signature.defaults.items() if name not in sources}
        signature.check_names((*sources, *defaults))  # before anything else: a megabyte can name a hundred thousand
        specs = {name: TensorSpec.of(array) for name, array in defaults.items()}
        for name, source in sources.items():
            with _faults_named(name):
                specs[name] = source.spec
        signature.check(specs, max_rows=self._limits.max_batch_rows, allow_unknown_rank=self._limits.allow_unknown_rank)
        size = sum(_CELL * math.prod(axis or 0 for axis in specs[name].shape or ()) for name in sources)
        if size <= SMALL:  # of few values, though those may be long
            for name, source in sources.items():
                with _faults_named(name):
                    size += source.nbytes
        rows = next((specs[name].rows for name, spec in signature.inputs.items() if spec.is_batched), 1)
        return defaults | await self._offload.run(size, lambda: self._decode(sources)), rows

    def _decode(self, sources: Inputs) -> dict[str, np.ndarray]:
        left = self._limits.max_message_bytes
        arrays = {}
        for name, source in sources.items():
            with _faults_named(name):
                arrays[name] = source.read(left)
                left -= source.nbytes
        return arrays


@contextlib.contextmanager
def _faults_named(name: str) -> Iterator[None]:
    try:
        yield
    except CodecError as error:
        raise invalid(f"input {name!r}: {error}", field=input_field(name)) from None
