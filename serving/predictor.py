"""The one way from a request to an answer, whatever the protocol: check, decode, queue, compute, check again."""

import contextlib
import math
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Protocol

import numpy as np

from serving.asking import answer
from serving.batching import size_of
from serving.call_record import CallRecord
from serving.codec import CodecError
from serving.exchange import Exchange
from serving.gathering import Gathering
from serving.leases import Leases, deadline_of
from serving.mailbox import Mailbox
from serving.model_ref import ModelRef
from serving.nan_policy import NanAnswers, refuse_nan
from serving.offload import SMALL, Offload
from serving.permitted_models import PermittedModels
from serving.priority import KEY as PRIORITY_KEY
from serving.priority import read_priority
from serving.recent_requests import RecentRequests
from serving.scheduler import Job, Scheduler
from serving.servable import Servable
from serving.signature import Signature, TensorSpec, input_field
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Call

_CELL = 8
"""Bytes that a value counts as before it is known how long it is."""


class Source(Protocol):
    """A tensor of a request, which is not read before it is known to be wanted: a kilobyte can ask for gigabytes."""

    @property
    def spec(self) -> TensorSpec:
        """What it says it is. Raises CodecError."""
        ...

    @property
    def nbytes(self) -> int:
        """What it takes once it is read. Raises CodecError."""
        ...

    def read(self, max_bytes: int) -> np.ndarray:
        """Return its contents, maybe read-only. Raises CodecError where they do not fit the spec, or the limit."""
        ...


Inputs = Mapping[str, Source]


@dataclass(frozen=True)
class Query:
    """A request as every protocol asks it."""

    model: ModelRef
    inputs: Inputs | Callable[[Signature], Inputs]
    """By name; or what gives them, where a protocol has to know the signature first. It raises StatusError."""
    signature: str | tuple[str, ...] = ""
    """The empty name is the default one. Several, none twice, take the same inputs and are run in one pass."""
    outputs: Sequence[str] = ()
    """Those that are wanted; none for all."""
    priority: int = 0
    """How urgent it is, where its protocol says so; see `serving.priority`."""
    queue_seconds: float | None = None
    """How long it may wait for its turn, however long its caller would; None for as long as the caller."""


@dataclass(frozen=True)
class Checked:
    """What a query was found to ask; it holds for all that differ from it in nothing but numbers."""

    model: ModelRef
    """As it was named: what that means may change."""
    servable: "weakref.ref[Servable]"
    """What it meant, and what the query was held against; a version must not stay in memory for this."""
    signature: Signature
    outputs: Sequence[str]
    """Those that are wanted."""
    rows: int


@dataclass(frozen=True)
class Answer:
    """What a servable answered."""

    model: str
    version: int
    signature: Signature
    outputs: Mapping[str, np.ndarray]
    """Those that were wanted."""
    checked: Checked
    """For the next query that differs in numbers alone."""
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What the classes are called whose scores an output holds, by output."""


@dataclass(frozen=True)
class Limits:
    """What one request may take."""

    max_message_bytes: int
    """Of its inputs once decoded, and of its outputs."""
    max_batch_rows: int
    allow_unknown_rank: bool = False
    refuse_nan: bool = False


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
        self._recent = recent
        self._nan_answers = nan_answers
        self._offload = offload
        self._limits = limits
        self._mailbox = Mailbox()
        self._gathering = Gathering(scheduler)

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

    def answer_at_once(self, checked: Checked, inputs: Mapping[str, np.ndarray], call: Call) -> Answer | None:
        """Do the same where nothing has to be waited for. Returns None where `answer_again` has to be asked.

        The inputs have to be small.
        """
        lease = self._leases.at_once(checked.model)
        if lease is None:
            return None
        with lease as servable:
            if checked.servable() is not servable:
                return None
            record = call.record
            record.model, record.version, record.signature = servable.name, servable.version, checked.signature.name
            record.seconds["decode"] = 0.0
            if self._limits.refuse_nan:
                with record.timed("decode"):
                    refuse_nan(inputs)
            outputs = self._gathering.at_once(self._job(checked, servable, inputs, call))
            return None if outputs is None else self._answered(checked, servable, inputs, outputs, record)

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
        job = self._job(checked, servable, inputs, call, priority, turn_by)
        outputs = self._gathering.at_once(job)
        if outputs is None:
            future = self._gathering.submit(job)
            # A call that is cancelled leaves at once; the version stays until the engine is done with it.
            held = stack.pop_all()
            future.add_done_callback(lambda _: held.close())
            outputs = await self._mailbox.wait(future)
        return self._answered(checked, servable, inputs, outputs, record)

    def _job(
        self,
        checked: Checked,
        servable: Servable,
        inputs: Mapping[str, np.ndarray],
        call: Call,
        priority: int = 0,
        turn_by: float | None = None,
    ) -> Job:
        signature, record = checked.signature, call.record
        record.rows = checked.rows
        return Job(
            lane=(servable.name, servable.version, signature.name),
            run=partial(self._run, servable, signature),
            inputs=inputs,
            record=record,
            deadline=deadline_of(call, turn_by),
            priority=priority or read_priority(call.metadata.get(PRIORITY_KEY)),
            rows=checked.rows,
            model=servable.name,
            independence=servable.independence.get(signature.name),
            rules=servable.batching,
            takes_one_core=signature.name in servable.on_one_core,
            may_be_waited_for=servable.computes_here,
        )

    def _answered(
        self,
        checked: Checked,
        servable: Servable,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, np.ndarray],
        record: CallRecord,
    ) -> Answer:
        signature = checked.signature
        outputs = {name: outputs[name] for name in checked.outputs}
        self._check_size(outputs)
        if record.wants_exchange:
            wanted = checked.outputs if len(outputs) < len(signature.outputs) else ()
            record.exchange = Exchange(servable.name, servable.version, signature.name, inputs, outputs, wanted)
        if self._recent is not None and checked.model.version is None and checked.model.label is None:
            self._recent.offer(servable.name, signature, inputs)
        return Answer(servable.name, servable.version, signature, outputs, checked, servable.class_names)

    def _run(self, servable: Servable, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = answer(servable.engine, signature, inputs)
        if self._nan_answers is not None:
            self._nan_answers.look(servable.name, outputs)
        return outputs

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

    def _check_size(self, outputs: Mapping[str, np.ndarray]) -> None:
        size, limit = sum([array.nbytes for array in outputs.values()]), self._limits.max_message_bytes
        if size > limit:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f"the answer takes {size} bytes, this server's limit is {limit}: send fewer rows, ask for fewer outputs, "
                "or start the server with a larger --max_message_bytes",
            )


@contextlib.contextmanager
def _faults_named(name: str) -> Iterator[None]:
    try:
        yield
    except CodecError as error:
        raise invalid(f"input {name!r}: {error}", field=input_field(name)) from None
