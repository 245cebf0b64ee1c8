"""What is the same of every answer, however it is waited for: the job that computes it, and what is made of its outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from serving.asking import answer
from serving.call_record import CallRecord
from serving.exchange import Exchange
from serving.gathering import Gathering
from serving.job import Arrays, Job
from serving.nan_policy import NanAnswers
from serving.query import Answer, Checked
from serving.recent_requests import RecentRequests
from serving.scheduler import Scheduler
from serving.servable import Servable
from serving.signature import Signature
from serving.status import Code, StatusError


@dataclass(frozen=True)
class Limits:
    """What one request may take."""

    max_message_bytes: int
    """Of its inputs once decoded, and of its outputs."""
    max_batch_rows: int
    allow_unknown_rank: bool = False
    refuse_nan: bool = False


class Answering:
    """Has checked queries computed. Lives in one event loop."""

    def __init__(
        self, scheduler: Scheduler, limits: Limits, recent: RecentRequests | None, nan_answers: NanAnswers | None
    ) -> None:
        """Prepare; see `Predictor`."""
        self._limits = limits
        self._recent = recent
        self._nan_answers = nan_answers
        self.gathering = Gathering(scheduler)

    def job(
        self,
        checked: Checked,
        servable: Servable,
        inputs: Arrays,
        record: CallRecord,
        *,
        calls: int = 1,
        deadline: float | None = None,
        priority: int = 0,
    ) -> Job:
        """Return what is to be computed.

        Args:
            checked: what is asked.
            servable: what it is asked of, which somebody holds until the job has ended.
            inputs: of all calls, one after another.
            record: is told of the job.
            calls: how many ask the same, with other numbers.
            deadline: see Job.
            priority: see Job.
        """
        signature = checked.signature
        record.rows = calls * checked.rows
        return Job(
            lane=(servable.name, servable.version, signature.name),
            run=partial(self._run, servable, signature),
            inputs=inputs,
            record=record,
            deadline=deadline,
            priority=priority,
            rows=record.rows,
            model=servable.name,
            independence=servable.independence.get(signature.name),
            rules=servable.batching,
            takes_one_core=signature.name in servable.on_one_core,
            may_be_waited_for=servable.computes_here,
        )

    def answer(
        self,
        checked: Checked,
        servable: Servable,
        inputs: Arrays,
        outputs: Mapping[str, np.ndarray],
        record: CallRecord,
    ) -> Answer:
        """Return the answer to a call, of what was computed for it.

        Raises:
            StatusError: it is too large.
        """
        signature = checked.signature
        outputs = {name: outputs[name] for name in checked.outputs}
        self._check_size(outputs)
        if record.wants_exchange:
            wanted = checked.outputs if len(outputs) < len(signature.outputs) else ()
            record.exchange = Exchange(servable.name, servable.version, signature.name, inputs, outputs, wanted)
        if self._recent is not None and checked.model.version is None and checked.model.label is None:
            self._recent.offer(servable.name, signature, inputs)
        return Answer(servable.name, servable.version, signature, outputs, checked, servable.class_names)

    def _run(self, servable: Servable, signature: Signature, inputs: Arrays) -> dict[str, np.ndarray]:
        outputs = answer(servable.engine, signature, inputs)
        if self._nan_answers is not None:
            self._nan_answers.look(servable.name, outputs)
        return outputs

    def _check_size(self, outputs: Mapping[str, np.ndarray]) -> None:
        size, limit = sum([array.nbytes for array in outputs.values()]), self._limits.max_message_bytes
        if size > limit:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f"the answer takes {size} bytes, this server's limit is {limit}: send fewer rows, ask for fewer outputs, "
                "or start the server with a larger --max_message_bytes",
            )
