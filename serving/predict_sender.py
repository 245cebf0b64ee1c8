"""Predict as messages on a channel: arrays go out, arrays come back."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import grpc
from google.protobuf.message import DecodeError

from serving.call_error import CallError, to_call_error
from serving.coalescing import Answer, Ask
from serving.codec import CodecError, decode
from serving.payloads import read_tensors
from serving.protos import prediction_pb2 as pb
from serving.signature import Signature
from serving.tensor_map import write_tensors

_INPUTS = pb.PredictRequest.INPUTS_FIELD_NUMBER
_MAX_REPLY = 1 << 40  # what a server answers was asked for
_STARTS = 256
"""Kinds of requests of which it is remembered how they start."""

Metadata = Sequence[tuple[str, str]]


class PredictSender:
    """Sends what callers ask; any number of threads may share one."""

    def __init__(
        self,
        method: grpc.UnaryUnaryMultiCallable,
        metadata: Metadata,
        *,
        target: str,
        signature_of: Callable[[str, int | str | None, str, float], Signature],
    ) -> None:
        """Send by a method of a channel, bytes in and out, to a target; `signature_of` model, version, name and timeout."""
        self._method = method
        self._metadata = metadata
        self._target = target
        self._signature_of = signature_of

    def ask(self, ask: Ask, timeout: float) -> Answer:
        """Send a request and wait for its answer. Raises CallError, or CodecError for what cannot be sent."""
        try:
            reply: bytes = self._method(_write(ask), timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise to_call_error(error, self._target) from None
        return self._read(reply)

    def start(self, ask: Ask, timeout: float, done: Callable[[Answer | CallError], None]) -> Callable[[], object]:
        """Send a request, and call `done` from a thread of gRPC's. Returns what cancels it. Raises CodecError."""
        call = self._method.future(_write(ask), timeout=timeout, metadata=self._metadata)

        def finish(ended: grpc.Future) -> None:
            done(self._result(ended))

        call.add_done_callback(finish)
        return call.cancel

    def answers_by_row(self, ask: Ask, timeout: float) -> bool:
        """Tell whether the signature lets the first axis of every input and output have any length. Raises CallError."""
        signature = self._signature_of(ask.model, ask.version, ask.signature, timeout)
        return all(spec.is_batched for spec in (*signature.inputs.values(), *signature.outputs.values()))

    def _result(self, ended: grpc.Future) -> Answer | CallError:
        try:
            return self._read(ended.result())
        except CallError as error:
            return error
        except grpc.FutureCancelledError:
            return CallError("CANCELLED", "nobody waits for the answer any more")
        except grpc.RpcError as error:
            return to_call_error(error, self._target)

    def _read(self, reply: bytes) -> Answer:
        try:
            response, payloads = read_tensors(pb.PredictResponse, reply, "outputs")
            return {
                name: decode(proto, payloads.get(name), max_bytes=_MAX_REPLY)
                for name, proto in sorted(response.outputs.items())
            }
        except (CodecError, DecodeError) as error:
            raise CallError("INTERNAL", f"{self._target} answered with a tensor that cannot be read: {error}") from None


def _write(ask: Ask) -> bytes:
    return write_tensors(_start_of(ask.model, ask.version, ask.signature, ask.outputs), _INPUTS, ask.inputs)


@lru_cache(_STARTS, typed=True)
def _start_of(model: str, version: int | str | None, signature: str, outputs: tuple[str, ...]) -> bytes:
    """Return a request without its inputs."""
    spec = model_spec(model, version, signature)
    return pb.PredictRequest(model_spec=spec, output_filter=outputs).SerializeToString()


def model_spec(model: str, version: int | str | None = None, signature: str = "") -> pb.ModelSpec:
    """Return how a request names a model."""
    spec = pb.ModelSpec(name=model, signature_name=signature)
    if isinstance(version, str):
        spec.version_label = version
    elif version is not None:
        spec.version.value = version
    return spec
