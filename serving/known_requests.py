"""Requests for predictions that are recognised by their bytes: their numbers are read, and nothing else of them."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np

from serving.codec import CodecError, dtype_name, payload_field, read_spec
from serving.offload import SMALL
from serving.payloads import Place, find_payloads
from serving.protos import prediction_pb2 as pb
from serving.protos.tensor_pb2 import TensorProto
from serving.query import Answer, Checked
from serving.templates import Known, Template
from serving.transports.transport import Asked

_INPUTS = pb.PredictRequest.INPUTS_FIELD_NUMBER
_MOST_SIZES = 1024
"""Lengths of messages that are remembered."""

T = TypeVar("T")


@dataclass(frozen=True)
class Numbers:
    """Where the numbers of an input lie in a message."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    count: int

    @classmethod
    def of(cls, place: Place, proto: TensorProto) -> Self | None:
        """Return where; None where there are not just as many as the shape takes, or not all bytes of theirs are numbers."""
        try:
            dtype, shape = np.dtype(dtype_name(proto.dtype)).newbyteorder("<"), read_spec(proto)[1]
        except (CodecError, TypeError):
            return None
        count, payload = math.prod(shape), place.payload
        is_plain = payload.field in {payload_field(dtype, as_content=True), payload_field(dtype, as_content=False)}
        if not is_plain or dtype.kind == "b" or payload.end - payload.start != count * dtype.itemsize:
            return None
        return cls(place.name, dtype, shape, payload.start, count)

    @property
    def nbytes(self) -> int:
        """What they take."""
        return self.count * self.dtype.itemsize

    def read(self, message: bytes) -> np.ndarray:
        """Return them, a view of a message."""
        return np.frombuffer(message, self.dtype, self.count, self.start).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class KnownRequest:
    """What was found out about a request."""

    checked: Checked
    numbers: tuple[Numbers, ...]
    defaults: Mapping[str, np.ndarray]
    """Inputs that it leaves out."""
    is_small: bool
    """Whether its inputs and its answer are read and written in no time."""

    @classmethod
    def of(cls, answer: Answer, numbers: tuple[Numbers, ...]) -> Self:
        """Return what is known of a request that has these inputs, and was answered so."""
        checked, given = answer.checked, {each.name for each in numbers}
        defaults = {name: array for name, array in checked.signature.defaults.items() if name not in given}
        nbytes = (*(each.nbytes for each in numbers), *(array.nbytes for array in answer.outputs.values()))
        return cls(checked, numbers, defaults, max(nbytes) <= SMALL)

    def inputs(self, message: bytes) -> dict[str, np.ndarray]:
        """Return the inputs of another request that differs from it in numbers alone."""
        given = {each.name: each.read(message) for each in self.numbers}
        return {**self.defaults, **given} if self.defaults else given


class KnownRequests(Known[T]):
    """Recognises requests that are, but for their numbers, earlier ones. For one thread."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: OrderedDict[int, None] = OrderedDict()
        """Lengths of messages that came: what never comes again is not worth learning."""

    def sorted(self, asked: Sequence[Asked]) -> dict[T, list[int]]:
        """Return the places of the requests that are known, by what is known of them."""
        found: dict[T, list[int]] = {}
        for place, (message, _) in enumerate(asked):
            known = self.find(message)
            if known is not None:
                found.setdefault(known, []).append(place)
        return found

    def is_worth(self, message: bytes) -> bool:
        """Tell whether to learn a request: whether others of its length came before."""
        size = len(message)
        if size in self._sizes:
            return True
        self._sizes[size] = None
        if len(self._sizes) > _MOST_SIZES:
            self._sizes.popitem(last=False)
        return False

    def learn_request(self, message: bytes, holes: Sequence[tuple[int, int]], what: T) -> None:
        """Remember what is known of a request, and of those that differ from it in these holes alone."""
        template = Template.of(message, holes)
        if template is not None:
            self.learn(template, what)


def learn_predict(
    known: KnownRequests[KnownRequest], message: bytes, inputs: Mapping[str, TensorProto], answer: Answer
) -> None:
    """Remember a PredictRequest that was answered, where others may come that differ in numbers alone.

    Args:
        known: where.
        message: it, serialized.
        inputs: its inputs; large payloads may have been left out.
        answer: what it was answered.
    """
    if not known.is_worth(message):
        return
    places = find_payloads(message, _INPUTS, at_least=1)
    if {place.name for place in places} != inputs.keys():
        return
    found = [Numbers.of(place, inputs[place.name]) for place in places]
    numbers = tuple(each for each in found if each is not None)
    if len(numbers) == len(found):
        holes = [(place.payload.start, place.payload.end) for place in places]
        known.learn_request(message, holes, KnownRequest.of(answer, numbers))
