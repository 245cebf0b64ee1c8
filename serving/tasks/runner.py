"""Runs tasks on examples: several of one model in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.examples import Examples
from serving.joint_signature import JointSignature
from serving.model_ref import ModelRef
from serving.offload import Offload
from serving.predictor import Predictor
from serving.query import Query, Source
from serving.signature import DEFAULT_SIGNATURE, Signature
from serving.status import Code, StatusError, invalid
from serving.tasks.classification import Classes, Classification
from serving.tasks.regression import Regression
from serving.tasks.task import EXAMPLES
from serving.transports.transport import Call
from serving.unknown_signature import UnknownSignatureError

AnyTask = Classification | Regression


@dataclass(frozen=True)
class TaskResult:
    """What a signature says of examples."""

    model: str
    version: int
    signature: str
    value: Classes | np.ndarray
    """Classes, or of a regression the numbers."""


class TaskRunner:
    """Asks signatures for classes and numbers. Lives in one event loop."""

    def __init__(self, predictor: Predictor, offload: Offload, *, check_method_names: bool = False) -> None:
        """Make one.

        Args:
            predictor: what answers.
            offload: where examples are looked at that a model refused.
            check_method_names: whether signatures must carry the method name of what is asked of them. TensorFlow 2 lets
                nobody write one, so that by itself only inputs and outputs count.
        """
        self._predictor = predictor
        self._offload = offload
        self._check_method_names = check_method_names

    async def run(self, model: ModelRef, task: AnyTask, signature: str, examples: Examples, call: Call) -> TaskResult:
        """Ask one signature. Raises StatusError."""
        try:
            return (await self.run_all(model, [(signature, task)], examples, call))[0]
        except UnknownSignatureError as error:
            raise error.reworded(f"No signature was found with the name: {error.wanted}") from None

    async def run_all(
        self, model: ModelRef, tasks: Sequence[tuple[str, AnyTask]], examples: Examples, call: Call
    ) -> list[TaskResult]:
        """Ask several signatures of one version, each of them once, about the same examples.

        Args:
            model: which.
            tasks: by signature, what is asked of it.
            examples: what is asked about.
            call: the call that they are asked in.

        Returns:
            What each said, in the same order.

        Raises:
            UnknownSignatureError: there is no such signature.
            StatusError: a signature is not for its task, or the model refuses the examples.
        """
        named = [(signature or DEFAULT_SIGNATURE, task) for signature, task in tasks]
        distinct = tuple(sorted({signature for signature, _ in named}))

        def inputs(signature: Signature) -> dict[str, Source]:
            self._check(signature, named)
            if not examples.rows:
                raise invalid("Input is empty. Send at least one tf.Example", field="input")
            return {EXAMPLES: examples}

        query = Query(model, inputs, distinct if len(distinct) > 1 else distinct[0])
        try:
            answer = await self._predictor.answer(query, call)
        except StatusError as error:
            if error.code is Code.INVALID_ARGUMENT and error.field is None:
                fault = await self._offload.run(examples.nbytes, examples.fault)
                raise fault or error from None
            raise
        asked = answer.signature
        split = asked.split(answer.outputs) if isinstance(asked, JointSignature) else [answer.outputs]
        outputs = dict(zip(distinct, split, strict=True))
        return [
            TaskResult(answer.model, answer.version, name, task.result(outputs[name], len(examples.rows)))
            for name, task in named
        ]

    def _check(self, signature: Signature, tasks: Sequence[tuple[str, AnyTask]]) -> None:
        parts = {part.name: part for part in signature.parts}
        for name, task in tasks:
            task.check(parts[name], by_method_name=self._check_method_names)
