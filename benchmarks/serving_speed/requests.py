"""The bytes of requests, and the judgement of the bytes that come back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load import Answers
from benchmarks.serving_speed.models import Rows
from benchmarks.serving_speed.workload import Workload
from serving.codec import decode, encode
from serving.protos import inference_pb2, prediction_pb2
from serving.wire import CONTENT_KEY, MODEL_INFER, PREDICT

OUTPUTS = ("class_id", "probabilities")
"""What is asked for: numbers. A model.tflite has no text, and not every server passes text on."""
_DATATYPES = {"float32": "FP32", "int32": "INT32", "int64": "INT64"}
_KINDS_OF_ROWS = 8  # different requests in turn, so that nobody has to answer from memory
_TOLERANCE = 1e-4  # between engines, of a probability


@dataclass(frozen=True)
class Requests:
    """What to send for a workload, and what must come back."""

    method: str
    metadata: dict[str, str]
    bodies: Sequence[bytes]
    expected: Sequence[Rows]

    def wrong(self, answers: Answers) -> tuple[int, str]:
        """Return how many answers were wrong, and what is wrong with one of them."""
        count, why = 0, ""
        for (number, body), times in answers.items():
            fault = self._fault(body, self.expected[number].outputs)
            if fault:
                count, why = count + times, fault
        return count, why

    def _fault(self, body: bytes, expected: Mapping[str, np.ndarray]) -> str:
        try:
            outputs = _read_predict(body) if self.method == PREDICT else _read_infer(body)
        except Exception as error:  # noqa: BLE001 - an answer may be anything
            return f"cannot be read: {type(error).__name__}: {error}"
        if outputs.keys() != set(OUTPUTS):
            return f"holds {', '.join(outputs)}, not {' and '.join(OUTPUTS)}"
        for name in OUTPUTS:
            if not _agree(outputs[name], expected[name]):
                return f"{name}: expected {expected[name].tolist()!r:.200}, got {outputs[name].tolist()!r:.200}"
        return ""


def _agree(got: np.ndarray, expected: np.ndarray) -> bool:
    if got.shape != expected.shape:
        return False
    if expected.dtype.kind == "f":
        return bool(np.allclose(got, expected, rtol=0, atol=_TOLERANCE))
    return bool((got.astype(expected.dtype) == expected).all())


def write_requests(workload: Workload, rows: Rows) -> Requests:
    """Return the requests of a workload to a model with these rows."""
    batches = rows.batches(workload.batch, _KINDS_OF_ROWS)
    metadata = {CONTENT_KEY: "1"} if workload.as_content else {}
    if workload.protocol == "predict":
        return Requests(PREDICT, metadata, [_predict(workload.model, batch) for batch in batches], batches)
    return Requests(MODEL_INFER, metadata, [_infer(workload.model, batch) for batch in batches], batches)


def write_answer(workload: Workload, rows: Rows) -> bytes:
    """Return a right answer to Predict."""
    spec = prediction_pb2.ModelSpec(name=workload.model, signature_name="serving_default")
    spec.version.value = 1
    response = prediction_pb2.PredictResponse(model_spec=spec)
    for name in OUTPUTS:
        response.outputs[name].CopyFrom(encode(rows.outputs[name], as_content=workload.as_content))
    return response.SerializeToString()


def _predict(model: str, rows: Rows) -> bytes:
    request = prediction_pb2.PredictRequest(model_spec=prediction_pb2.ModelSpec(name=model), output_filter=OUTPUTS)
    for name, array in rows.inputs.items():
        request.inputs[name].CopyFrom(encode(array))
    return request.SerializeToString()


def _infer(model: str, rows: Rows) -> bytes:
    request = inference_pb2.ModelInferRequest(model_name=model, id="1")
    for name, array in rows.inputs.items():
        request.inputs.add(name=name, datatype=_DATATYPES[array.dtype.name], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    for name in OUTPUTS:
        request.outputs.add(name=name)
    return request.SerializeToString()


def _read_predict(body: bytes) -> dict[str, np.ndarray]:
    outputs = prediction_pb2.PredictResponse.FromString(body).outputs
    return {name: decode(tensor) for name, tensor in outputs.items()}


def _read_infer(body: bytes) -> dict[str, np.ndarray]:
    response = inference_pb2.ModelInferResponse.FromString(body)
    dtypes = {datatype: np.dtype(name) for name, datatype in _DATATYPES.items()}
    found = {}
    for number, output in enumerate(response.outputs):
        dtype = dtypes[output.datatype]
        if response.raw_output_contents:
            flat = np.frombuffer(response.raw_output_contents[number], dtype)
        else:
            contents = output.contents
            flat = np.array([*contents.fp32_contents, *contents.int_contents, *contents.int64_contents], dtype)
        found[output.name] = flat.reshape(tuple(output.shape))
    return found
