"""Asks a server again what was recorded of another, or of itself yesterday, and compares the answers."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError, Message

from serving.call_error import CallError, UnreachableError
from serving.client import Client
from serving.codec import CodecError, decode
from serving.protos import prediction_log_pb2 as log_pb
from serving.protos import prediction_pb2 as pb
from serving.protos.tensor_pb2 import TensorProto
from serving.recording.request_log import FIELDS
from serving.status import ServerError
from serving.tf_records import read_records
from zoo.passport import Tolerance
from zoo.tensors import differences

_MAX_BYTES = 1 << 30
_SHOWN = 20
_KINDS: dict[str, tuple[type[Message], type[Message]]] = {
    "predict_log": (pb.PredictRequest, pb.PredictResponse),
    "classify_log": (pb.ClassificationRequest, pb.ClassificationResponse),
    "regress_log": (pb.RegressionRequest, pb.RegressionResponse),
    "multi_inference_log": (pb.MultiInferenceRequest, pb.MultiInferenceResponse),
}
_PATHS = {name: path for path, name in FIELDS.items()}


@dataclass
class Replayed:
    """What came of it."""

    same: int = 0
    different: int = 0
    failed: int = 0
    unanswered: int = 0
    """Recorded without an answer, as warm-up requests are: asked, and compared with nothing."""
    seconds: list[float] = field(default_factory=list)
    """Of each call that was answered."""
    examples: list[str] = field(default_factory=list)
    """What differs or fails, of the first few."""

    def note(self, text: str) -> None:
        """Keep an example."""
        if len(self.examples) < _SHOWN:
            self.examples.append(text)


@dataclass(frozen=True)
class _Recorded:
    place: str
    path: str
    request: Message
    response: Message | None


class Replay:
    """Asks a server what files hold."""

    def __init__(
        self,
        client: Client,
        *,
        timeout: float,
        model: str | None = None,
        version: int | None = None,
        tolerance: float = 1e-5,
    ) -> None:
        """Prepare.

        Args:
            client: of the server.
            timeout: seconds for each call.
            model: ask this model in place of the recorded one.
            version: ask this version; None for the one that answers by itself, whichever was recorded.
            tolerance: how far numbers of Predict may be apart, absolutely and relatively.
        """
        self._client = client
        self._timeout = timeout
        self._model, self._version = model, version
        self._tolerance = Tolerance(absolute=tolerance, relative=tolerance)

    def run(
        self, paths: Iterable[Path], *, concurrency: int = 1, tell: Callable[[int], None] = lambda _: None
    ) -> Replayed:
        """Ask everything, so many calls at a time; `tell` is told how many were asked, now and then.

        Raises:
            ServerError: a file cannot be read, is damaged, or no file of recorded requests.
            UnreachableError: no server was there to ask the first of them.
        """
        found = Replayed()
        records = itertools.chain.from_iterable(map(self._read, paths))
        with ThreadPoolExecutor(concurrency) as pool:
            asked = 0
            while chunk := list(
                itertools.islice(records, 16 * concurrency)
            ):  # so that a large file is never held whole
                for recorded, result in zip(chunk, pool.map(self._ask, chunk), strict=True):
                    self._count(found, recorded, *result)
                asked += len(chunk)
                tell(asked)
        return found

    def _read(self, path: Path) -> Iterator[_Recorded]:
        for number, content in enumerate(read_records(path, max_bytes=_MAX_BYTES)):
            place = f"{path}, record {number}"
            try:
                log = log_pb.PredictionLog.FromString(content)
                kind = log.WhichOneof("log_type")
                if kind is None:
                    raise ServerError(f"{place} holds no request that can be asked again")
                call = getattr(log, kind)
                request, response = (
                    read.FromString(data)
                    for read, data in zip(_KINDS[kind], (call.request, call.response), strict=True)
                )
            except DecodeError:
                raise ServerError(f"{place} is no PredictionLog") from None
            for spec in _specs(request):
                if self._model is not None:
                    spec.name = self._model
                spec.ClearField("version_choice")
                if self._version is not None:
                    spec.version.value = self._version
            yield _Recorded(place, _PATHS[kind], request, response if call.response else None)

    def _ask(self, recorded: _Recorded) -> tuple[Message | CallError, float]:
        """Return the answer, or what went wrong, and the seconds it took."""
        started = time.perf_counter()
        kinds = dict(_KINDS.values())
        try:
            answer: Message | CallError = self._client.call(
                recorded.path, recorded.request, kinds[type(recorded.request)], self._timeout
            )
        except CallError as error:
            answer = error
        return answer, time.perf_counter() - started

    def _count(self, found: Replayed, recorded: _Recorded, answer: Message | CallError, seconds: float) -> None:
        if isinstance(answer, UnreachableError) and not (found.seconds or found.failed):
            raise answer
        if isinstance(answer, CallError):
            found.failed += 1
            found.note(f"{recorded.place}: {answer}")
            return
        found.seconds.append(seconds)
        if recorded.response is None:
            found.unanswered += 1
        elif fault := self._difference(answer, recorded.response):
            found.different += 1
            found.note(f"{recorded.place}: {fault}")
        else:
            found.same += 1

    def _difference(self, got: Message, recorded: Message) -> str:
        if not isinstance(got, pb.PredictResponse) or not isinstance(recorded, pb.PredictResponse):
            for spec in (*_specs(got), *_specs(recorded)):
                spec.Clear()  # another version may answer
            return "" if got == recorded else "another answer"
        before, after = _readable(recorded.outputs), _readable(got.outputs)
        redacted = recorded.outputs.keys() - before.keys()
        after = {name: array for name, array in after.items() if name not in redacted}
        return "; ".join(differences(after, before, self._tolerance, same_dtypes=True))


def _readable(outputs: Mapping[str, TensorProto]) -> dict[str, np.ndarray]:
    """Return the outputs whose contents are there."""
    arrays = {}
    for name, proto in outputs.items():
        with contextlib.suppress(CodecError):
            arrays[name] = decode(proto, max_bytes=_MAX_BYTES)
    return arrays


def _specs(message: Message) -> list[pb.ModelSpec]:
    """Return the model specs in a request or a response."""
    if isinstance(message, pb.MultiInferenceRequest):
        return [task.model_spec for task in message.tasks]
    if isinstance(message, pb.MultiInferenceResponse):
        return [result.model_spec for result in message.results]
    spec: pb.ModelSpec = message.model_spec  # type: ignore[attr-defined]
    return [spec]
