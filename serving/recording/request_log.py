"""Samples of what was asked and answered, in the files that TensorFlow Serving's request logger writes.

They are TFRecord files of `tensorflow.serving.PredictionLog`: `zoo replay` asks a server the same again, and a model may
have one as its warm-up file. Requests of TensorFlow Serving's services are recorded as they came, also where HTTP was
translated into them; others, of the Open Inference Protocol and of JSON, as the Predict that they amount to.
"""

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from serving.exchange import Exchange
from serving.interceptors import Interceptor
from serving.protos import prediction_log_pb2 as log_pb
from serving.protos import prediction_pb2 as pb
from serving.protos.example_pb2 import Example
from serving.protos.tensor_pb2 import TensorProto
from serving.services.messages import fill_spec
from serving.status import ServerError
from serving.tensor_map import write_tensors
from serving.tf_records import RecordWriter
from serving.transports.transport import Call, UnaryHandler
from serving.wire import CLASSIFY, HTTP_PREDICT, MODEL_INFER, MODEL_STREAM_INFER, MULTI_INFERENCE, PREDICT, REGRESS

logger = logging.getLogger(__name__)

PREFIX, SUFFIX = "requests-", ".tfrecord"
FIELDS = {
    CLASSIFY: "classify_log",
    REGRESS: "regress_log",
    MULTI_INFERENCE: "multi_inference_log",
    PREDICT: "predict_log",
}
"""Of PredictionLog, by method."""
EXCHANGED = frozenset({MODEL_INFER, MODEL_STREAM_INFER, HTTP_PREDICT})
"""Methods whose messages are others."""
_MOST_WAITING = 64 << 20
"""Bytes that may wait to be written; what comes then is left out."""


@dataclass(frozen=True)
class RequestLogConfig:
    """Where requests are recorded, and how many of them."""

    folder: Path
    rate: float = 0.01
    """The share of calls that is recorded, of models that say nothing themselves."""
    max_bytes: int = 64 << 20
    """Of a file; then the next one begins."""
    keep: int = 8
    """Files that stay; the oldest go."""
    redacted: frozenset[str] = frozenset()
    """Inputs and outputs whose contents are never written. Calls whose contents are hidden in tf.Examples are then not
    recorded at all."""

    writer: str = ""
    """Begins the names of the files after `requests-`, where several processes write in the folder; each keeps its own."""

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ServerError(f"request_log_rate {self.rate}: expected a share from 0 to 1")
        if self.max_bytes < 1 or self.keep < 1:
            raise ServerError("request_log_max_bytes and request_log_keep: expected at least 1")


class RequestLog(Interceptor):
    """Stands around calls, and writes samples of those that went well. The writing is done in a thread of its own.

    It belongs around handlers themselves, not around what only translates for them: each inference is kept once.

    State: the files, which only that thread touches, and a queue to it.
    """

    def __init__(self, config: RequestLogConfig, rate_of: Callable[[str], float | None] = lambda _: None) -> None:
        """Begin, in a new file.

        Args:
            config: where, and how many.
            rate_of: the share of calls to be recorded of a model that has one of its own.

        Raises:
            ServerError: the folder cannot be made, or nothing be written in it.
        """
        self._config = config
        self._rate_of = rate_of
        self._waiting = 0
        self._lost = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Callable[[], bytes], int] | None] = queue.SimpleQueue()
        try:
            config.folder.mkdir(parents=True, exist_ok=True)
            self._files = _Files(config)
        except OSError as error:
            raise ServerError(f"requests cannot be recorded in {config.folder}: {error.strerror}") from None
        self._thread = threading.Thread(target=self._write, name="zoo-request-log", daemon=True)
        self._thread.start()

    def unary(self, path: str, handler: UnaryHandler) -> UnaryHandler:
        """See Interceptor."""
        if path in EXCHANGED:
            return self._exchanged(handler)
        field = FIELDS.get(path)
        if field is None or (self._config.redacted and path != PREDICT):
            return handler

        async def answer(message: bytes, call: Call) -> bytes:
            response = await handler(message, call)
            if rate := self._drawn(call):
                self._put(field, lambda: (message, response), len(message) + len(response), call, rate)
            return response

        return answer

    def _exchanged(self, handler: UnaryHandler) -> UnaryHandler:
        """Return what keeps a call as the Predict that it amounts to."""

        async def answer(message: bytes, call: Call) -> bytes:
            call.record.wants_exchange = True
            response = await handler(message, call)
            exchange = call.record.exchange
            call.record.exchange = None
            if exchange is not None and (rate := self._drawn(call)):
                size = len(message) + len(response) + exchange.nbytes
                self._put(FIELDS[PREDICT], lambda: _as_predict(exchange), size, call, rate)
            return response

        return answer

    def _drawn(self, call: Call) -> float:
        """Return the share of calls that is kept where this one is of it, else 0."""
        own = self._rate_of(call.record.model)
        rate = self._config.rate if own is None else own
        return rate if random.random() < rate else 0.0  # noqa: S311 - a sample, no secret

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _put(self, field: str, messages: Callable[[], tuple[bytes, bytes]], size: int, call: Call, rate: float) -> None:
        """Have a call written: the messages of request and response are asked for in the thread that does so."""
        with self._lock:
            if self._waiting + size > _MOST_WAITING:
                self._lost += 1
                return
            self._waiting += size
        log = log_pb.PredictionLog()
        metadata = log.log_metadata
        metadata.timestamp_secs = int(time.time())
        metadata.model_spec.name = call.record.model
        metadata.model_spec.signature_name = call.record.signature
        if call.record.version is not None:
            metadata.model_spec.version.value = call.record.version
        metadata.sampling_config.sampling_rate = rate

        def record() -> bytes:
            message, response = messages()
            if self._config.redacted:
                message, response = _redacted(message, response, self._config.redacted)
            getattr(log, field).MergeFrom(log_pb.RecordedCall(request=message, response=response))
            return log.SerializeToString()

        self._queue.put((record, size))

    def _write(self) -> None:
        unwritten = 0
        while (item := self._queue.get()) is not None:
            record, size = item
            unwritten = self._try_to_write(record(), unwritten)
            with self._lock:
                self._waiting -= size
                lost, self._lost = self._lost, 0
            if lost:
                logger.warning("%d requests were not recorded: they came faster than they can be written", lost)
        self._files.close()

    def _try_to_write(self, content: bytes, unwritten: int) -> int:
        """Write a record, and tell when that begins to fail and when it works again. Returns how many in a row failed."""
        try:
            self._files.write(content, flush=self._queue.empty())
        except OSError as error:
            if not unwritten:
                logger.warning("requests cannot be recorded in %s: %s", self._config.folder, error.strerror)
            return unwritten + 1
        if unwritten:
            logger.warning("requests are recorded again, %d were not", unwritten)
        return 0


class _Files:
    """The file that is written, and those before it. For one thread."""

    def __init__(self, config: RequestLogConfig) -> None:
        self._config = config
        self._writer: RecordWriter | None = self._begin()

    def write(self, content: bytes, *, flush: bool) -> None:
        """Add a record. Raises OSError; the next one then begins a new file."""
        try:
            if self._writer is not None and 0 < self._writer.bytes > self._config.max_bytes - len(content):
                self._writer.close()
                self._writer = None
            self._writer = self._writer or self._begin()
            self._writer.write(content)
            if flush:
                self._writer.flush()
        except OSError:
            if self._writer is not None:
                self._writer.abandon()
            self._writer = None
            raise

    def close(self) -> None:
        """End the file; what of it cannot be written any more is left out."""
        if self._writer is None:
            return
        try:
            self._writer.close()
        except OSError:
            self._writer.abandon()

    def _begin(self) -> RecordWriter:
        prefix = f"{PREFIX}{self._config.writer}"
        files = sorted(self._config.folder.glob(f"{prefix}{'[0-9]' * 20}{SUFFIX}"))
        for old in files[: max(0, len(files) - self._config.keep + 1)]:
            old.unlink(missing_ok=True)
        return RecordWriter(self._config.folder / f"{prefix}{time.time_ns():020d}{SUFFIX}")


def _as_predict(exchange: Exchange) -> tuple[bytes, bytes]:
    """Return the PredictRequest that would have asked the same, and its response."""
    request = pb.PredictRequest(output_filter=exchange.wanted)
    request.model_spec.name, request.model_spec.signature_name = exchange.model, exchange.signature
    response = pb.PredictResponse()
    fill_spec(response.model_spec, exchange.model, exchange.version, exchange.signature)
    return (
        write_tensors(request.SerializeToString(), request.INPUTS_FIELD_NUMBER, exchange.inputs),
        write_tensors(response.SerializeToString(), response.OUTPUTS_FIELD_NUMBER, exchange.outputs),
    )


def _redacted(message: bytes, response: bytes, names: Collection[str]) -> tuple[bytes, bytes]:
    """Return a PredictRequest and its response with nothing but dtype and shape of some tensors.

    They are those of such names, and those of tf.Examples that have features of such names.
    """
    request, answer = pb.PredictRequest.FromString(message), pb.PredictResponse.FromString(response)
    for tensors in (request.inputs, answer.outputs):
        for name, tensor in tensors.items():
            if name in names or _has_feature(tensor, names):
                tensor.CopyFrom(TensorProto(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape))
    return request.SerializeToString(), answer.SerializeToString()


def _has_feature(tensor: TensorProto, names: Collection[str]) -> bool:
    for text in tensor.string_val:
        with contextlib.suppress(DecodeError):  # it is any other text
            if any(name in names for name in Example.FromString(text).features.feature):
                return True
    return False
