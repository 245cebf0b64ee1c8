"""tensorflow.serving.PredictionService: Predict and GetModelMetadata."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from google.protobuf.wrappers_pb2 import StringValue

from serving.codec import CodecError, decode, decoded_size, read_spec
from serving.description import Description
from serving.known_requests import KnownRequest, KnownRequests, learn_predict
from serving.offload import Offload
from serving.payloads import Payload
from serving.permitted_models import PermittedModels
from serving.predictor import Predictor
from serving.protos import prediction_pb2 as pb
from serving.protos.tensor_pb2 import TensorProto
from serving.query import Answer, Query
from serving.services.message_counts import check_counts
from serving.services.messages import fill_spec, model_of, parse, parse_tensors, spec_of
from serving.signature import TensorSpec
from serving.status import Code, StatusError, invalid
from serving.tensor_map import write_tensors
from serving.transports.transport import Asked, Call, Ended
from serving.unknown_signature import UnknownSignatureError
from serving.wire import CONTENT_KEY, PASSPORT_FIELD, PASSPORT_TYPE, SIGNATURE_DEF_FIELD, SIGNATURE_DEF_TYPE

_OUTPUTS = pb.PredictResponse.OUTPUTS_FIELD_NUMBER


@dataclass(frozen=True)
class ProtoSource:
    """An input as TensorProto; see `serving.predictor.Source`."""

    name: str
    proto: TensorProto
    payload: Payload | None = None
    """What was left out of the message."""

    @property
    def spec(self) -> TensorSpec:
        """See Source."""
        with self._faults_in_its_words():
            return TensorSpec(*read_spec(self.proto))

    @property
    def nbytes(self) -> int:
        """See Source."""
        with self._faults_in_its_words():
            return decoded_size(self.proto, self.payload)

    def read(self, max_bytes: int) -> np.ndarray:
        """See Source."""
        with self._faults_in_its_words():
            return decode(self.proto, self.payload, max_bytes=max_bytes)

    @contextlib.contextmanager
    def _faults_in_its_words(self) -> Iterator[None]:
        try:
            yield
        except CodecError as error:
            raise CodecError(f"tensor parsing error: {self.name}. {error}") from None


class PredictService:
    """Answers serialized requests. Lives in one event loop."""

    def __init__(
        self, manager: PermittedModels, predictor: Predictor, offload: Offload, *, always_as_content: bool = False
    ) -> None:
        """Make one.

        Args:
            manager: what is live.
            predictor: what answers.
            offload: where what is large is parsed and encoded.
            always_as_content: whether numbers travel in `tensor_content`, which is quicker, to clients that do not ask
                for that either.
        """
        self._manager = manager
        self._predictor = predictor
        self._offload = offload
        self._always_as_content = always_as_content
        self._known: KnownRequests[KnownRequest] = KnownRequests()

    async def predict(self, message: bytes, call: Call) -> bytes:
        """Run a servable's signature on the inputs of a PredictRequest. Raises StatusError."""
        known = self._known.find(message)
        answer = None
        if known is not None:
            answer = await self._predictor.answer_again(known.checked, known.inputs(message), call)
        if answer is None:
            answer = await self._answer(message, call)
        with call.record.timed("encode"):
            size = sum(array.nbytes for array in answer.outputs.values())
            return await self._offload.run(size, lambda: self._response(answer, call))

    def predict_at_once(self, asked: Sequence[Asked]) -> Sequence[Ended | None]:
        """Do the same for small requests that were asked before; see AtOnce of the transports."""
        if len(asked) == 1:  # as most are: lists and loops take a while
            return [self._predict_alone(*asked[0])]
        ended: list[Ended | None] = [None] * len(asked)
        for known, places in self._known.sorted(asked).items():
            if known.is_small:
                asking = [(known.inputs(asked[place][0]), asked[place][1]) for place in places]
                answers = self._predictor.answer_at_once(known.checked, asking)
                for place, answer in zip(places, answers, strict=True):
                    ended[place] = self._ended(answer, asked[place][1])
        return ended

    def _predict_alone(self, message: bytes, call: Call) -> Ended | None:
        known = self._known.find(message)
        if known is None or not known.is_small:
            return None
        [answer] = self._predictor.answer_at_once(known.checked, [(known.inputs(message), call)])
        return self._ended(answer, call)

    def _ended(self, answer: Answer | BaseException | None, call: Call) -> Ended | None:
        if not isinstance(answer, Answer):
            return answer
        try:
            with call.record.timed("encode"):
                return self._response(answer, call)
        except Exception as error:  # noqa: BLE001 - it belongs to this call
            return error

    def _response(self, answer: Answer, call: Call) -> bytes:
        as_content = self._always_as_content or CONTENT_KEY in call.metadata
        start = _response_start(answer.model, answer.version, answer.signature.name)
        return write_tensors(start, _OUTPUTS, answer.outputs, as_content=as_content)

    async def _answer(self, message: bytes, call: Call) -> Answer:
        """Answer a request that has to be read whole."""
        request, query = await self._offload.run(len(message), lambda: _read(message))
        try:
            answer = await self._predictor.answer(query, call)
        except UnknownSignatureError as error:
            start = f'Serving signature key "{error.wanted}" not found.'
            raise error.reworded(start, Code.FAILED_PRECONDITION) from None
        learn_predict(self._known, message, request.inputs, answer)
        return answer

    async def get_model_metadata(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell the signatures of a version, loaded or not, and its passport where that is asked for. Raises StatusError."""
        request = parse(pb.GetModelMetadataRequest, message)
        model = spec_of(request)
        known = f"known: {', '.join(_METADATA)}"
        if not request.metadata_field:
            raise invalid(f"GetModelMetadataRequest must specify at least one metadata_field; {known}")
        fields = dict.fromkeys(request.metadata_field)
        for field in fields:
            if field not in _METADATA:
                raise invalid(f"Metadata field {field!r} is not supported; {known}", field="metadata_field")
        response = pb.GetModelMetadataResponse()
        described = await asyncio.to_thread(self._manager.describe, model_of(model))
        fill_spec(response.model_spec, described.name, described.version, "")
        for field in fields:
            metadata = response.metadata[field]
            metadata.type_url, content = _METADATA[field]
            metadata.value = content(described)
        return response.SerializeToString()


def _read(message: bytes) -> tuple[pb.PredictRequest, Query]:
    check_counts(pb.PredictRequest, message, ("inputs", "output_filter"))
    request, payloads = parse_tensors(pb.PredictRequest, message, "inputs")
    spec = spec_of(request)
    _check_distinct(request.output_filter)
    inputs = {name: ProtoSource(name, proto, payloads.get(name)) for name, proto in request.inputs.items()}
    return request, Query(model_of(spec), inputs, spec.signature_name, request.output_filter)


def _check_distinct(outputs: Sequence[str]) -> None:
    for name, count in Counter(outputs).items():
        if count > 1:
            raise invalid(f"duplicate output tensor alias: {name}; ask for it once", field="output_filter")


@lru_cache(1024)
def _response_start(model: str, version: int, signature: str) -> bytes:
    response = pb.PredictResponse()
    fill_spec(response.model_spec, model, version, signature)
    return response.SerializeToString()


def _signatures(described: Description) -> bytes:
    return described.signature_defs.SerializeToString()


def _passport(described: Description) -> bytes:
    if described.passport is None:
        raise StatusError(
            Code.NOT_FOUND,
            f"version {described.version} of {described.name!r} has no passport: ask for {SIGNATURE_DEF_FIELD!r}",
        )
    return StringValue(value=described.passport).SerializeToString()


_METADATA: Mapping[str, tuple[str, Callable[[Description], bytes]]] = {
    SIGNATURE_DEF_FIELD: (SIGNATURE_DEF_TYPE, _signatures),
    PASSPORT_FIELD: (PASSPORT_TYPE, _passport),
}
"""By field that can be asked for: the type of what it holds, and how that is made."""
