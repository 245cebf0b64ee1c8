"""What answers have to be: y = 2 x + 1, read without the code of the server or its client."""

from collections.abc import Sequence

import numpy as np
from tritonclient.grpc import service_pb2 as oip

from serving.protos import prediction_pb2 as pb
from serving.protos import tensor_pb2


class WrongAnswerError(Exception):
    """An answer that is not the one to its request."""


def only(answers: Sequence[bytes]) -> bytes:
    """Return the one answer. Raises WrongAnswerError where there are more, or none."""
    if len(answers) != 1:
        raise WrongAnswerError(f"{len(answers)} answers to one request")
    return answers[0]


def check_predict(answer: bytes, sent: np.ndarray) -> None:
    """Raise WrongAnswerError where this is not the PredictResponse to these rows."""
    _compare(_read_tensor(pb.PredictResponse.FromString(answer).outputs["y"]), sent)


def check_infer(answer: bytes, sent: np.ndarray) -> None:
    """Raise WrongAnswerError where this is not the ModelInferResponse to these rows."""
    response = oip.ModelInferResponse.FromString(answer)
    (output,) = response.outputs
    raw = response.raw_output_contents
    values = np.frombuffer(raw[0], np.float32) if raw else np.array(output.contents.fp32_contents, np.float32)
    _compare(values.reshape(tuple(output.shape)), sent)


def _read_tensor(tensor: tensor_pb2.TensorProto) -> np.ndarray:
    """Read a tensor of either form."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, np.float32).reshape(shape)
    return np.array(tensor.float_val, np.float32).reshape(shape)


def _compare(got: np.ndarray, sent: np.ndarray) -> None:
    if not np.array_equal(got, 2 * sent + 1):
        raise WrongAnswerError(f"asked {sent.shape} {sent.ravel()[:4]}, got {got.shape} {got.ravel()[:4]}")
