"""What a model is asked, and what it should answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from google.protobuf.message import DecodeError

from serving.codec import CodecError, decode
from serving.protos import prediction_pb2 as pb
from serving.signature import Signature
from serving.stored_passport import StoredPassport
from serving.tensor_map import write_tensors
from serving.trial_rows import TrialRows
from zoo.artifact import find_version
from zoo.passport import Passport, Tolerance
from zoo.tensors import differences, read_tensor

Arrays = Mapping[str, np.ndarray]
_INPUTS = pb.PredictRequest.INPUTS_FIELD_NUMBER


@dataclass(frozen=True)
class Subject:
    """A signature of a model, and different requests to it."""

    model: str
    signature: str
    rows: int
    """Of each request."""
    requests: Sequence[bytes]
    """PredictRequests, serialized."""
    expected: Sequence[Arrays] | None
    """What each is to be answered; None where nobody wrote that down, and the answers are to be alike."""
    tolerance: Tolerance

    @classmethod
    def of(cls, folder: Path, signature: Signature, rows: int) -> Self:
        """Return what to ask a model: the golden inputs of its passport; made-up ones where it has none.

        Args:
            folder: of the model, with its versions.
            signature: that is asked.
            rows: of each request. A signature whose rows do not stand for themselves is asked what its passport has.

        Raises:
            ArtifactError: there is no version, or its passport cannot be read.
        """
        stored = StoredPassport.of(find_version(folder))
        passport = None if stored is None else stored.facts
        golden = None if passport is None else passport.golden.get(signature.name)
        if passport is None or golden is None:
            inputs, outputs = next(TrialRows(signature, passport).candidates()), None
        else:
            inputs, outputs = _read(golden.inputs), _read(golden.outputs)
        asked, expected = [inputs], None if outputs is None else [outputs]
        known = _rows_of(signature, inputs, outputs)
        if known:
            # Each begins at another row, so that nobody has to answer from memory.
            places = [(np.arange(rows) + first) % known for first in range(known)]
            asked = [_cut(inputs, each) for each in places]
            expected = None if outputs is None else [_cut(outputs, each) for each in places]
        start = pb.PredictRequest(model_spec=pb.ModelSpec(name=folder.name, signature_name=signature.name))
        requests = [write_tensors(start.SerializeToString(), _INPUTS, each) for each in asked]
        count = rows if known else max((len(array) for array in inputs.values() if array.ndim), default=1)
        return cls(folder.name, signature.name, count, requests, expected, _tolerance(passport))

    def wrong(self, answers: "Counter[tuple[int, bytes]]") -> tuple[int, str]:
        """Return how many answers were wrong, by index of the request and message, and what is wrong with one of them."""
        count, why = 0, ""
        first: dict[int, Arrays] = {}
        for (request, message), times in answers.items():
            try:
                outputs = {name: decode(each) for name, each in pb.PredictResponse.FromString(message).outputs.items()}
            except (DecodeError, CodecError) as error:
                count, why = count + times, f"cannot be read: {error}"
                continue
            expected = first.setdefault(request, outputs) if self.expected is None else self.expected[request]
            faults = differences(outputs, expected, self.tolerance)
            if faults:
                count, why = count + times, faults[0]
        return count, why


def _read(tensors: Mapping[str, "object"]) -> dict[str, np.ndarray]:
    return {name: read_tensor(tensor) for name, tensor in tensors.items()}  # type: ignore[arg-type]


def _cut(arrays: Arrays, places: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[places] for name, array in arrays.items()}


def _rows_of(signature: Signature, inputs: Arrays, outputs: Arrays | None) -> int:
    """Return how many rows there are that stand for themselves; 0 where they do not."""
    if not all(spec.is_batched for spec in (*signature.inputs.values(), *signature.outputs.values())):
        return 0
    lengths = {len(array) if array.ndim else 0 for array in (*inputs.values(), *(outputs or {}).values())}
    return lengths.pop() if len(lengths) == 1 else 0


def _tolerance(passport: Passport | None) -> Tolerance:
    """Return how far answers may be from those written down, whichever engine gives them."""
    if passport is None:
        return Tolerance()
    variant = passport.variants.get("litert")
    known = [passport.tolerance] + ([variant.tolerance] if variant else [])
    return Tolerance(
        absolute=max(each.absolute for each in known),
        relative=max(each.relative for each in known),
        label_flips=max(each.label_flips for each in known),
    )
