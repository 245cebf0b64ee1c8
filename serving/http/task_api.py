"""TensorFlow Serving's REST API: `:classify` and `:regress`, as its gRPC services answer them."""

from typing import Any, TypeVar

import numpy as np

from serving.http.call import HttpCall
from serving.http.examples import fill_input
from serving.http.json_text import parse_object, write
from serving.http.json_values import shortest
from serving.http.model_api import Service, spec_of
from serving.http.model_names import model_in_path, signature_in
from serving.offload import Offload
from serving.protos import prediction_pb2 as pb

_AT_ONCE = 1 << 10  # rows that are written in one go, during which no other thread runs

Request = TypeVar("Request", pb.ClassificationRequest, pb.RegressionRequest)


class TaskApi:
    """Asks the services of gRPC in the words of HTTP. Lives in one event loop."""

    def __init__(self, classify: Service, regress: Service, offload: Offload, *, max_bytes: int) -> None:
        self._classify = classify
        self._regress = regress
        self._offload = offload
        self._max_bytes = max_bytes

    async def classify(self, body: bytes, call: HttpCall) -> bytes:
        """Tell labels and scores of examples. Raises StatusError."""
        message = await self._classify(await self._read(body, call, pb.ClassificationRequest()), call)
        with call.record.timed("encode"):
            return await self._offload.run(len(message), lambda: _classes(message))

    async def regress(self, body: bytes, call: HttpCall) -> bytes:
        """Tell a number for every example. Raises StatusError."""
        message = await self._regress(await self._read(body, call, pb.RegressionRequest()), call)
        with call.record.timed("encode"):
            return await self._offload.run(len(message), lambda: _numbers(message))

    async def _read(self, body: bytes, call: HttpCall, request: Request) -> bytes:
        request.model_spec.CopyFrom(spec_of(model_in_path(call)))

        def fill() -> bytes:
            document = parse_object(body, max_bytes=self._max_bytes)
            request.model_spec.signature_name = signature_in(document)
            fill_input(document, request.input)
            return request.SerializeToString()

        with call.record.timed("decode"):
            return await self._offload.run(len(body), fill)


def _classes(message: bytes) -> bytes:
    rows = []
    for row in pb.ClassificationResponse.FromString(message).result.classifications:
        scores = shortest(np.array([found.score for found in row.classes], np.float32)).tolist()
        rows.append([[found.label, score] for found, score in zip(row.classes, scores, strict=True)])
    return _results(rows)


def _numbers(message: bytes) -> bytes:
    found = [row.value for row in pb.RegressionResponse.FromString(message).result.regressions]
    return _results(shortest(np.array(found, np.float32)).tolist())


def _results(rows: list[Any]) -> bytes:
    parts = (write(rows[at : at + _AT_ONCE])[1:-1] for at in range(0, len(rows), _AT_ONCE))
    return b'{"results": [' + b", ".join(parts) + b"]}"
