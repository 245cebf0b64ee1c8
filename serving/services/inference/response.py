"""Answer -> ModelInferResponse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.codec import payload_of
from serving.predictor import Answer
from serving.protos import inference_pb2 as pb
from serving.services.inference.classification import classify
from serving.services.inference.tensors import INVALID, WIRE, datatype_of, put_contents, to_raw
from serving.signature import TensorSpec
from serving.status import Code, StatusError
from serving.wire_format import start_of

_RAW = pb.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER


def is_typed(request: pb.ModelInferRequest) -> bool:
    """Tell whether a client sends its inputs as lists of numbers; it is answered so, since it may not read anything else."""
    return not request.raw_input_contents and any(tensor.HasField("contents") for tensor in request.inputs)


@dataclass(frozen=True)
class Response:
    """A response, its raw contents apart: a library would copy them, and hold up others meanwhile."""

    message: pb.ModelInferResponse
    raw: Sequence[bytes | memoryview]

    def parts(self) -> list[bytes | memoryview]:
        """Return it serialized, in parts to be put together."""
        parts: list[bytes | memoryview] = [self.message.SerializeToString()]
        for content in self.raw:
            parts += (start_of(_RAW, len(content)), content)
        return parts


def write_response(
    answer: Answer, *, request_id: str, typed: bool, classes: Mapping[str, int], max_bytes: int
) -> Response:
    """Write an answer.

    Args:
        answer: what a servable answered.
        request_id: what the client calls its request.
        typed: whether to answer in typed contents, where all outputs have them: a response is all raw, or not at all.
        classes: how many of the largest values are wanted, by output, in place of the output itself.
        max_bytes: how much memory the texts of one output's classes may take.

    Raises:
        StatusError: an output has no datatype in this protocol, or its values have no order.
    """
    response = pb.ModelInferResponse(model_name=answer.model, model_version=str(answer.version), id=request_id)
    outputs = {name: _chosen(answer, name, array, classes, max_bytes) for name, array in answer.outputs.items()}
    datatypes = {name: _datatype(name, array) for name, array in outputs.items()}
    raw: list[bytes | memoryview] = []
    typed = typed and all(WIRE[datatype].field for datatype in datatypes.values())
    for name, array in outputs.items():
        output = response.outputs.add(name=name, datatype=datatypes[name], shape=array.shape)
        field = WIRE[datatypes[name]].field
        if typed and field:
            put_contents(output.contents, array, field)
        else:
            raw.append(to_raw(array) if array.dtype.kind == "O" else payload_of(array))
    return Response(response, raw)


def _chosen(answer: Answer, name: str, array: np.ndarray, classes: Mapping[str, int], max_bytes: int) -> np.ndarray:
    if name not in classes:
        return array
    labels = answer.class_names.get(name, ())
    return classify(array, answer.signature.outputs[name], classes[name], labels, max_bytes)


def _datatype(name: str, array: np.ndarray) -> str:
    dtype = TensorSpec.of(array).dtype
    datatype = datatype_of(dtype)
    if datatype == INVALID:
        raise StatusError(
            Code.UNIMPLEMENTED,
            f"output {name!r} is {dtype}, for which the Open Inference Protocol has no datatype: ask for other outputs, "
            "or use Predict of TensorFlow Serving's API",
        )
    return datatype
