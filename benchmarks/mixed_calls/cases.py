"""Calls of every kind, in any order, no two of them with the same rows."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as oip

from benchmarks.mixed_calls.affine import WIDTH
from benchmarks.mixed_calls.answer import WrongAnswerError, check_infer, check_predict, only
from benchmarks.mixed_calls.case import OK, UNIMPORTANT, Case
from serving.protos import prediction_pb2 as pb

PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"
_FLOAT, _INT64 = 1, 9


class Cases:
    """Makes calls that nobody else makes."""

    def __init__(self, seed: int, *, takes_compression: bool = True) -> None:
        """Make other calls for each seed, to a server that takes compressed requests or refuses them."""
        self._takes_compression = takes_compression
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._next = seed << 16  # whole numbers below 2^23 are exact, doubled and one more too
        self._makers: dict[Callable[[], Case], int] = {
            self.predict: 50,
            self.infer: 20,
            self.infer_stream: 3,
            self.compressed: 4,
            self.large: 1,
            self.wrong_dtype: 4,
            self.wrong_shape: 4,
            self.unknown_model: 3,
            self.unknown_method: 1,
            self.cut_short: 2,
            self.too_late: 3,
            self.cancelled: 3,
            self.status: 2,
        }

    def __iter__(self) -> Iterator[Case]:
        """Return calls without end."""
        while True:
            (maker,) = self._random.choices(list(self._makers), list(self._makers.values()))
            yield maker()

    def predict(self, rows: int = 0, **fields: Any) -> Case:
        """Predict, in any of its forms."""
        sent = self._rows(rows or self._few())
        request = self._predict_request(sent)
        wants_content = self._random.random() < 0.5

        def check(answers: Sequence[bytes]) -> None:
            check_predict(only(answers), sent)

        metadata = (("zoo-tensor-content", "1"),) if wants_content else ()
        kind = fields.pop("kind", "Predict")
        return Case(kind, PREDICT, [request.SerializeToString()], check, metadata=metadata, **fields)

    def infer(self) -> Case:
        """ModelInfer, in any of its forms."""
        sent, request = self._infer_request()
        return Case("ModelInfer", INFER, [request], lambda answers: check_infer(only(answers), sent))

    def infer_stream(self) -> Case:
        """Several requests in a stream; answers come with their ids, in any order."""
        asked = {f"{number}": self._infer_request(f"{number}") for number in range(self._random.randint(1, 6))}

        def check(answers: Sequence[bytes]) -> None:
            got = {}
            for each in answers:
                response = oip.ModelStreamInferResponse.FromString(each)
                if response.error_message:
                    raise WrongAnswerError(response.error_message)
                got[response.infer_response.id] = response.infer_response.SerializeToString()
            if got.keys() != asked.keys() or len(answers) != len(asked):
                raise WrongAnswerError(f"a stream of {sorted(asked)} was answered by {sorted(got)}")
            for name, (sent, _) in asked.items():
                check_infer(got[name], sent)

        return Case("ModelStreamInfer", STREAM_INFER, [request for _, request in asked.values()], check)

    def compressed(self) -> Case:
        """Predict, compressed."""
        algorithm = self._random.choice([grpc.Compression.Gzip, grpc.Compression.Deflate])
        code = OK if self._takes_compression else "UNIMPLEMENTED"
        return self.predict(self._random.choice([1, 30]), kind="compressed", compression=algorithm, code=code)

    def large(self) -> Case:
        """Predict of up to 128 kB."""
        return self.predict(self._random.randint(500, 4000), kind="large")

    def wrong_dtype(self) -> Case:
        """Another dtype than the signature's."""
        request = pb.PredictRequest()
        request.model_spec.name = "affine"
        request.inputs["x"].dtype = _INT64
        request.inputs["x"].tensor_shape.dim.add(size=1)
        request.inputs["x"].tensor_shape.dim.add(size=WIDTH)
        request.inputs["x"].int64_val.extend(range(WIDTH))
        return Case("wrong dtype", PREDICT, [request.SerializeToString()], code="INVALID_ARGUMENT")

    def wrong_shape(self) -> Case:
        """Another width than the signature's."""
        request = self._predict_request(np.ones((2, WIDTH + 1), np.float32))
        return Case("wrong shape", PREDICT, [request.SerializeToString()], code="INVALID_ARGUMENT")

    def unknown_model(self) -> Case:
        """A model that is not served."""
        request = self._predict_request(self._rows(1))
        request.model_spec.name = "afine"
        return Case("unknown model", PREDICT, [request.SerializeToString()], code="NOT_FOUND")

    def unknown_method(self) -> Case:
        """A method that does not exist."""
        return Case("unknown method", "/tensorflow.serving.PredictionService/Guess", [b""], code="UNIMPLEMENTED")

    def cut_short(self) -> Case:
        """A request cut short: where that leaves one, its answer is right."""
        case = self.predict(3, kind="cut short", code=UNIMPORTANT)
        (request,) = case.requests
        return replace(case, requests=[request[: self._random.randint(1, len(request) - 1)]])

    def too_late(self) -> Case:
        """A deadline of as long as a call takes: an answer that comes is right."""
        return self.predict(kind="deadline", code=UNIMPORTANT, timeout=self._random.uniform(0.0001, 0.01))

    def cancelled(self) -> Case:
        """A call whose client changes its mind."""
        return self.predict(kind="cancelled", code=UNIMPORTANT, is_cancelled=True)

    def status(self) -> Case:
        """Another method."""
        request = b"\x0a\x08\x0a\x06affine"  # a ModelSpec of a name

        def check(answers: Sequence[bytes]) -> None:
            if not only(answers):
                raise WrongAnswerError("no state of the model")

        return Case("GetModelStatus", STATUS, [request], check)

    def _few(self) -> int:
        return self._random.choice([1, 1, 1, 1, 2, 3, 5, 8, 13, 32])

    def _rows(self, count: int) -> np.ndarray:
        """Return rows of whole numbers, each number once until they begin anew."""
        first = self._next
        self._next += count * WIDTH
        numbers = (first + np.arange(count * WIDTH)) % (1 << 22)
        return numbers.astype(np.float32).reshape(count, WIDTH)

    def _predict_request(self, rows: np.ndarray) -> pb.PredictRequest:
        request = pb.PredictRequest()
        request.model_spec.name = "affine"
        if self._random.random() < 0.3:
            request.model_spec.signature_name = "serving_default"
        if self._random.random() < 0.2:
            request.output_filter.append("y")
        tensor = request.inputs["x"]
        tensor.dtype = _FLOAT
        for size in rows.shape:
            tensor.tensor_shape.dim.add(size=size)
        if self._random.random() < 0.5:
            tensor.tensor_content = rows.tobytes()
        else:
            tensor.float_val.extend(rows.ravel().tolist())
        return request

    def _infer_request(self, name: str = "") -> tuple[np.ndarray, bytes]:
        sent = self._rows(self._few())
        request = oip.ModelInferRequest(model_name="affine", id=name)
        tensor = request.inputs.add(name="x", datatype="FP32", shape=sent.shape)
        if self._random.random() < 0.5:
            request.raw_input_contents.append(sent.tobytes())
        else:
            tensor.contents.fp32_contents.extend(sent.ravel().tolist())
        return sent, request.SerializeToString()
