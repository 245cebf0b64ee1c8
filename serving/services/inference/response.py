"""Answer -> ModelInferResponse."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from serving.codec import np_dtype_name, payload_of
from serving.protos import inference_pb2 as pb
from serving.query import Answer
from serving.services.inference.classification import classify
from serving.services.inference.tensors import INVALID, WIRE, datatype_of, put_contents, to_raw
from serving.status import Code, StatusError
from serving.wire_format import start_of

_ID = pb.ModelInferResponse.ID_FIELD_NUMBER
_RAW = pb.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
_MOST_HEADS = 4096


def is_typed(request: pb.ModelInferRequest) -> bool:
    """Tell whether a client sends its inputs as lists of numbers; it is answered so, since it may not read anything else."""
    return not request.raw_input_contents and any(tensor.HasField("contents") for tensor in request.inputs)


def write_response(
    answer: Answer, *, request_id: str, typed: bool, classes: Mapping[str, int], max_bytes: int
) -> list[bytes | memoryview]:
    """Write an answer.

    Args:
        answer: what a servable answered.
        request_id: what the client calls its request.
        typed: whether to answer in typed contents, where all outputs have them: a response is all raw, or not at all.
        classes: how many of the largest values are wanted, by output, in place of the output itself.
        max_bytes: how much memory the texts of one output's classes may take.

    Returns:
        A ModelInferResponse serialized, in parts to be put together, since raw contents are large; fields may be added.

    Raises:
        StatusError: an output has no datatype in this protocol, or its values have no order.
    """
    outputs = answer.outputs
    if classes:
        outputs = {name: _chosen(answer, name, array, classes, max_bytes) for name, array in outputs.items()}
    specs = tuple([(name, array.dtype, array.shape) for name, array in outputs.items()])
    head = _head(answer.model, answer.version, specs)
    if typed:
        response = pb.ModelInferResponse.FromString(head)
        fields = [WIRE[output.datatype].field or "" for output in response.outputs]
        if all(fields):
            for output, field in zip(response.outputs, fields, strict=True):
                put_contents(output.contents, outputs[output.name], field)
            head, outputs = response.SerializeToString(), {}
    parts: list[bytes | memoryview] = [head]
    if request_id:
        encoded = request_id.encode()
        parts.append(start_of(_ID, len(encoded)) + encoded)
    for array in outputs.values():
        content = to_raw(array) if array.dtype.kind == "O" else payload_of(array)
        parts += (start_of(_RAW, len(content)), content)
    return parts


@lru_cache(_MOST_HEADS)
def _head(model: str, version: int, outputs: tuple[tuple[str, np.dtype, tuple[int, ...]], ...]) -> bytes:
    """Return what comes before the contents: answers to the same request have the same."""
    response = pb.ModelInferResponse(model_name=model, model_version=str(version))
    for name, dtype, shape in outputs:
        response.outputs.add(name=name, datatype=_datatype(name, dtype), shape=shape)
    return response.SerializeToString()


def _chosen(answer: Answer, name: str, array: np.ndarray, classes: Mapping[str, int], max_bytes: int) -> np.ndarray:
    if name not in classes:
        return array
    labels = answer.class_names.get(name, ())
    return classify(array, answer.signature.outputs[name], classes[name], labels, max_bytes)


def _datatype(name: str, of: np.dtype) -> str:
    dtype = np_dtype_name(of)
    datatype = datatype_of(dtype)
    if datatype == INVALID:
        raise StatusError(
            Code.UNIMPLEMENTED,
            f"output {name!r} is {dtype}, for which the Open Inference Protocol has no datatype: ask for other outputs, "
            "or use Predict of TensorFlow Serving's API",
        )
    return datatype
