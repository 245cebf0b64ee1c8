"""inference.GRPCInferenceService: ModelInfer, alone and as one request of a stream."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from serving.answering import Limits
from serving.joining import joined
from serving.known_requests import KnownRequests
from serving.offload import Offload
from serving.permitted_models import PermittedModels
from serving.predictor import Predictor
from serving.protos import inference_pb2 as pb
from serving.query import Answer, Query
from serving.services.inference.faults import misfits_told, unknown_models_told
from serving.services.inference.known_infers import KnownInfer, learn_infer
from serving.services.inference.request import read_classes, read_query, read_request
from serving.services.inference.response import is_typed, write_response
from serving.status import Code, StatusError
from serving.transports.transport import Asked, Call, Ended
from serving.wire_format import start_of

_LONGEST_ID = 128
_FINAL = pb.ModelInferResponse(
    parameters={"triton_final_response": pb.InferParameter(bool_param=True)}
).SerializeToString()
"""What is added to each response of a stream: it is the last to its request."""
_INFER_RESPONSE = pb.ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER

Parts = list[bytes | memoryview]


class InferService:
    """Answers serialized requests. Lives in one event loop."""

    def __init__(self, manager: PermittedModels, predictor: Predictor, offload: Offload, limits: Limits) -> None:
        self._manager = manager
        self._predictor = predictor
        self._offload = offload
        self._limits = limits
        self._known: KnownRequests[KnownInfer] = KnownRequests()

    async def infer(self, message: bytes, call: Call) -> bytes:
        """Run a servable's signature on the inputs of a ModelInferRequest. Raises StatusError."""
        return await self._infer(message, call, joined)

    async def infer_streamed(self, message: bytes, call: Call) -> bytes:
        """Do the same for a ModelInferRequest of a stream; the answer is a ModelStreamInferResponse."""
        return await self._infer(message, call, _streamed)

    def infer_at_once(self, asked: Sequence[Asked]) -> Sequence[Ended | None]:
        """Do the same for small requests that were asked before; see AtOnce of the transports."""
        if len(asked) == 1:  # as most are: lists and loops take a while
            return [self._infer_alone(*asked[0])]
        ended: list[Ended | None] = [None] * len(asked)
        for known, places in self._known.sorted(asked).items():
            ids = {place: _id_of(known, *asked[place]) for place in places if known.request.is_small}
            named = {place: request_id for place, request_id in ids.items() if request_id is not None}
            if named:
                asking = [(known.request.inputs(asked[place][0]), asked[place][1]) for place in named]
                answers = self._predictor.answer_at_once(known.request.checked, asking)
                for (place, request_id), answer in zip(named.items(), answers, strict=True):
                    ended[place] = self._ended(answer, request_id, known, asked[place][1])
        return ended

    def _infer_alone(self, message: bytes, call: Call) -> Ended | None:
        known = self._known.find(message)
        if known is None or not known.request.is_small:
            return None
        request_id = _id_of(known, message, call)
        if request_id is None:
            return None
        asking = [(known.request.inputs(message), call)]
        [answer] = self._predictor.answer_at_once(known.request.checked, asking)
        return self._ended(answer, request_id, known, call)

    def _ended(
        self, answer: Answer | BaseException | None, request_id: str, known: KnownInfer, call: Call
    ) -> Ended | None:
        if isinstance(answer, StatusError):
            return self._reworded(answer, known)
        if not isinstance(answer, Answer):
            return answer
        try:
            with call.record.timed("encode"):
                return joined(self._response(answer, request_id, known.classes, typed=False))
        except Exception as error:  # noqa: BLE001 - it belongs to this call
            return error

    def _reworded(self, error: StatusError, known: KnownInfer) -> StatusError:
        try:
            with unknown_models_told(self._manager, known.request.checked.model):
                raise error
        except StatusError as reworded:
            return reworded

    async def _infer(self, message: bytes, call: Call, finish: Callable[[Parts], bytes]) -> bytes:
        known = self._known.find(message)
        if known is not None and (again := await self._answer_again(known, message, call)) is not None:
            answer, request_id = again
            with call.record.timed("encode"):
                return await self._offload.run(
                    _size(answer), lambda: finish(self._response(answer, request_id, known.classes, typed=False))
                )

        def read() -> tuple[pb.ModelInferRequest, Query, dict[str, int]]:
            request, apart = read_request(message)
            if _can_be_told(request.id):
                call.record.request_id = request.id
            return request, read_query(request, apart), read_classes(request)

        request, query, classes = await self._offload.run(len(message), read)
        with (
            unknown_models_told(self._manager, query.model),
            misfits_told(self._manager, query, self._limits.max_batch_rows),
            _waited_too_long(query, call),
        ):
            answer = await self._predictor.answer(query, call)
        learn_infer(self._known, message, query, classes, answer)
        typed = is_typed(request)
        with call.record.timed("encode"):
            return await self._offload.run(
                _size(answer), lambda: finish(self._response(answer, request.id, classes, typed=typed))
            )

    async def _answer_again(self, known: KnownInfer, message: bytes, call: Call) -> tuple[Answer, str] | None:
        """Answer a request that was recognised, and return its id too; None where it has to be read whole after all."""
        request_id = _id_of(known, message, call)
        if request_id is None:
            return None
        checked = known.request.checked
        with unknown_models_told(self._manager, checked.model):
            answer = await self._predictor.answer_again(checked, known.request.inputs(message), call)
        return None if answer is None else (answer, request_id)

    def _response(self, answer: Answer, request_id: str, classes: Mapping[str, int], *, typed: bool) -> Parts:
        return write_response(
            answer, request_id=request_id, typed=typed, classes=classes, max_bytes=self._limits.max_message_bytes
        )


@contextlib.contextmanager
def _waited_too_long(query: Query, call: Call) -> Iterator[None]:
    """Say as Triton does that a request's own limit on waiting passed, where its caller would wait longer."""
    try:
        yield
    except StatusError as error:
        if error.code is not Code.DEADLINE_EXCEEDED or query.queue_seconds is None:
            raise
        remaining = call.time_remaining()
        if remaining is not None and remaining <= 0:
            raise
        waited = round(query.queue_seconds * 1e6)
        raise StatusError(
            Code.UNAVAILABLE,
            f"Request timeout expired: its turn did not come within the {waited} microseconds of its 'timeout' parameter",
            field='parameters["timeout"]',
        ) from None


def _streamed(parts: Parts) -> bytes:
    return joined([start_of(_INFER_RESPONSE, sum(map(len, parts)) + len(_FINAL)), *parts, _FINAL])


def _id_of(known: KnownInfer, message: bytes, call: Call) -> str | None:
    """Return what a client calls a request, and note it; None where that is no text."""
    try:
        request_id = known.request_id(message)
    except UnicodeDecodeError:
        return None
    if _can_be_told(request_id):
        call.record.request_id = request_id
    return request_id


def _can_be_told(request_id: str) -> bool:
    """Tell whether what a client calls its request can stand in any log."""
    return 0 < len(request_id) <= _LONGEST_ID and request_id.isascii() and request_id.isprintable()


def _size(answer: Answer) -> int:
    return sum(array.nbytes for array in answer.outputs.values())
