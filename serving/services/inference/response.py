"""Answer -> ModelInferResponse."""

from collections.abc import Mapping

import numpy as np

from serving.predictor import Answer
from serving.protos import inference_pb2 as pb
from serving.services.inference.classification import classify
from serving.services.inference.tensors import INVALID, WIRE, datatype_of, put_contents, to_raw
from serving.signature import TensorSpec
from serving.status import Code, StatusError


def is_typed(request: pb.ModelInferRequest) -> bool:
    """Tell whether a client sends its inputs as lists of numbers; it is answered so, since it may not read anything else."""
    return not request.raw_input_contents and any(tensor.HasField("contents") for tensor in request.inputs)


def write_response(
    answer: Answer, *, request_id: str, typed: bool, classes: Mapping[str, int], max_bytes: int
) -> pb.ModelInferResponse:
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
    typed = typed and all(WIRE[datatype].field for datatype in datatypes.values())
    for name, array in outputs.items():
        output = response.outputs.add(name=name, datatype=datatypes[name], shape=array.shape)
        field = WIRE[datatypes[name]].field
        if typed and field:
            put_contents(output.contents, array, field)
        else:
            response.raw_output_contents.append(to_raw(array))
    return response


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
