"""The interface of every task, and what all of them ask of a signature."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, TypeVar

import numpy as np

from serving.signature import Signature
from serving.status import invalid

ResultT = TypeVar("ResultT")

EXAMPLES = "inputs"
"""The input of a signature that takes serialized examples."""


class Task(ABC, Generic[ResultT]):
    """What a signature on examples may be for. Stateless."""

    noun: ClassVar[str]
    method_name: ClassVar[str]
    """What signatures made for it carry."""

    def check(self, signature: Signature, *, by_method_name: bool) -> None:
        """Refuse a signature that is not for this task.

        Args:
            signature: which.
            by_method_name: whether it must carry the method name, or else only take and answer what the task does.

        Raises:
            StatusError: INVALID_ARGUMENT.
        """
        is_made_for_it = signature.method_name == self.method_name
        fault = self._input_fault(signature) or self.output_fault(signature)
        faults = [fault] if fault else []
        if not is_made_for_it and (fault or by_method_name):
            faults.append(
                f"Expected {self.noun} signature method_name to be {self.method_name}. Was: {signature.method_name}"
            )
        if faults:
            raise invalid(
                f"{' '.join(faults)}; signature {signature.name!r} takes {_show(signature.inputs)} "
                f"and answers {_show(signature.outputs)}",
                field="model_spec.signature_name",
            )

    @abstractmethod
    def output_fault(self, signature: Signature) -> str | None:
        """Return why the outputs of a signature are not those of the task; None where they are."""

    @abstractmethod
    def result(self, outputs: Mapping[str, np.ndarray], rows: int) -> ResultT:
        """Return what the outputs of a signature say of so many examples.

        Raises:
            StatusError: INVALID_ARGUMENT, they say nothing.
        """

    def _input_fault(self, signature: Signature) -> str | None:
        if len(signature.inputs) != 1:
            return "Expected one input Tensor."
        if EXAMPLES not in signature.inputs:
            return f"No {self.noun} inputs found in SignatureDef: it has no {EXAMPLES!r}."
        return None


def show_shape(array: np.ndarray) -> str:
    """Return a shape as TensorFlow writes it."""
    return "[" + ",".join(map(str, array.shape)) + "]"


def _show(tensors: Mapping[str, object]) -> str:
    return ", ".join(f"{name!r} ({spec})" for name, spec in tensors.items()) or "nothing"
