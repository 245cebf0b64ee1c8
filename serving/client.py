"""The client: NumPy in, NumPy out, a deadline on every call, and no TensorFlow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2

from serving.codec import CodecError, decode
from serving.payloads import read_tensors
from serving.protos import prediction_pb2 as pb
from serving.signature import DEFAULT_SIGNATURE, Signature, to_signatures
from serving.tensor_map import write_tensors
from serving.wire import (
    CONTENT_KEY,
    GET_MODEL_METADATA,
    GET_MODEL_STATUS,
    HEALTH_CHECK,
    HEALTH_WATCH,
    PASSPORT_FIELD,
    PREDICT,
    SIGNATURE_DEF_FIELD,
)
from zoo.errors import ZooError, did_you_mean

_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_METADATA = ((CONTENT_KEY, "1"),)
_INPUTS = pb.PredictRequest.INPUTS_FIELD_NUMBER
_MAX_REPLY = 1 << 40  # what a server answers was asked for

M = TypeVar("M", bound=Message)


class CallError(ZooError):
    """A call ended without an answer."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        """The gRPC status, such as `INVALID_ARGUMENT`."""
        self.details = details
        """What the server, or the connection, said."""


@dataclass(frozen=True)
class ModelVersion:
    """State of one version on a server."""

    version: int
    state: str
    """`START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`."""
    error: str = ""


class Client:
    """Calls a model server: this one, or TensorFlow Serving.

    Any number of threads may share one client.

    Example:
        >>> with Client("localhost:8500") as client:  # doctest: +SKIP
        ...     client.predict("digits_cnn", {"inputs": images}, timeout=5.0)["class_id"]
        array([7, 2])
    """

    def __init__(
        self, target: str, *, credentials: grpc.ChannelCredentials | None = None, token: str | None = None
    ) -> None:
        """Prepare a connection; it is made by the first call.

        Args:
            target: `host:port`.
            credentials: TLS, from `grpc.ssl_channel_credentials`; None for plain text.
            token: sent with every call, where the server asks for one. Without TLS, others can read it on the way.

        Raises:
            CallError: the token cannot be sent.
        """
        if token is not None and not (token.isascii() and token.isprintable()):
            raise CallError("UNAUTHENTICATED", "the token holds a line end, or what is no ASCII: it cannot be sent")
        self.target = target
        self._metadata = (*_METADATA, *((("authorization", f"Bearer {token}"),) if token is not None else ()))
        if credentials is None:
            self._channel = grpc.insecure_channel(target, options=_UNLIMITED)
        else:
            self._channel = grpc.secure_channel(target, credentials, options=_UNLIMITED)
        self._signatures: dict[tuple[str, int | str | None], Mapping[str, Signature]] = {}

    def predict(
        self,
        model: str,
        inputs: np.ndarray | Mapping[str, np.ndarray],
        *,
        timeout: float,
        version: int | str | None = None,
        signature: str = "",
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Ask a model for answers.

        Args:
            model: the model's name.
            inputs: an array per input, or one array where the model takes one input; its name is asked for once then.
                Arrays are sent as they are: their dtype and shape have to be the signature's.
            timeout: seconds until the call is given up.
            version: a certain version, by its number or an operator's label; the newest one where not given.
            signature: which of the model's signatures; `serving_default` where not given.
            outputs: which outputs to answer; all of them where not given.

        Returns:
            An array per output, one row per row of the input; strings are an object array of bytes.

        Raises:
            CallError: the server refused, failed, could not be reached, or did not answer in time.
            CodecError: an array holds what cannot be sent, such as dates.
            ValueError: the timeout is not a positive number.
        """
        arrays = (
            inputs if isinstance(inputs, Mapping) else {self._only_input(model, version, signature, timeout): inputs}
        )
        request = pb.PredictRequest(model_spec=_spec(model, version, signature), output_filter=outputs)
        tensors = {name: np.asarray(array) for name, array in arrays.items()}
        reply = self._call(PREDICT, write_tensors(request.SerializeToString(), _INPUTS, tensors), timeout)
        response, payloads = read_tensors(pb.PredictResponse, reply, "outputs")
        try:
            return {
                name: decode(proto, payloads.get(name), max_bytes=_MAX_REPLY)
                for name, proto in sorted(response.outputs.items())
            }
        except CodecError as error:
            raise CallError("INTERNAL", f"{self.target} answered with a tensor that cannot be read: {error}") from None

    def signatures(self, model: str, *, timeout: float, version: int | str | None = None) -> dict[str, Signature]:
        """Tell what a model takes and gives, by signature name. Raises CallError."""
        request = pb.GetModelMetadataRequest(model_spec=_spec(model, version), metadata_field=[SIGNATURE_DEF_FIELD])
        response = self.call(GET_MODEL_METADATA, request, pb.GetModelMetadataResponse, timeout)
        return to_signatures(pb.SignatureDefMap.FromString(response.metadata[SIGNATURE_DEF_FIELD].value))

    def passport(self, model: str, *, timeout: float, version: int | str | None = None) -> dict[str, Any]:
        """Tell what an artifact's passport says: config, data, metrics, sizes, ... Raises CallError where it has none."""
        import json

        request = pb.GetModelMetadataRequest(model_spec=_spec(model, version), metadata_field=[PASSPORT_FIELD])
        response = self.call(GET_MODEL_METADATA, request, pb.GetModelMetadataResponse, timeout)
        try:
            found = json.loads(StringValue.FromString(response.metadata[PASSPORT_FIELD].value).value)
        except ValueError as error:
            raise CallError(
                "INTERNAL", f"{self.target} answered with a passport that cannot be read: {error}"
            ) from None
        return dict(found)

    def versions(self, model: str, *, timeout: float) -> list[ModelVersion]:
        """Tell the state of every version of a model, the newest first. Raises CallError."""
        request = pb.GetModelStatusRequest(model_spec=_spec(model))
        response = self.call(GET_MODEL_STATUS, request, pb.GetModelStatusResponse, timeout)
        found = [
            ModelVersion(line.version, pb.ModelVersionStatus.State.Name(line.state), line.status.error_message)
            for line in response.model_version_status
        ]
        return sorted(found, key=lambda line: line.version, reverse=True)

    def health(self, model: str = "", *, timeout: float) -> str:
        """Tell `SERVING` or `NOT_SERVING`, of a model or of the whole server. Raises CallError on an unknown model."""
        request = health_pb2.HealthCheckRequest(service=model)
        response = self.call(HEALTH_CHECK, request, health_pb2.HealthCheckResponse, timeout)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))

    def wait_until_serving(self, model: str = "", *, timeout: float) -> None:
        """Return as soon as a model, or the whole server, is healthy. Raises CallError when it is not in time."""
        _check_timeout(timeout)
        watch = self._channel.unary_stream(HEALTH_WATCH)
        request = health_pb2.HealthCheckRequest(service=model).SerializeToString()
        try:
            for message in watch(request, timeout=timeout, wait_for_ready=True, metadata=self._metadata):
                if health_pb2.HealthCheckResponse.FromString(message).status == health_pb2.HealthCheckResponse.SERVING:
                    return
        except grpc.RpcError as error:
            raise self._to_call_error(error) from None
        raise CallError("UNAVAILABLE", f"{self.target} is shutting down")

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _only_input(self, model: str, version: int | str | None, signature: str, timeout: float) -> str:
        key = (model, version)
        if key not in self._signatures:
            self._signatures[key] = self.signatures(model, timeout=timeout, version=version)
        known = self._signatures[key]
        chosen = signature or DEFAULT_SIGNATURE
        if chosen not in known:
            raise CallError("INVALID_ARGUMENT", f"{model} has no signature {chosen!r}; {did_you_mean(chosen, known)}")
        names = list(known[chosen].inputs)
        if len(names) != 1:
            raise CallError("INVALID_ARGUMENT", f"{model} takes {len(names)} inputs, give a dict of {', '.join(names)}")
        return names[0]

    def call(self, path: str, request: Message, kind: type[M], timeout: float) -> M:
        """Call any unary method, `/package.Service/Method`, with a message of its. Raises CallError."""
        return kind.FromString(self._call(path, request.SerializeToString(), timeout))

    def _call(self, path: str, request: bytes, timeout: float) -> bytes:
        _check_timeout(timeout)
        try:
            reply: bytes = self._channel.unary_unary(path)(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._to_call_error(error) from None
        return reply

    def _to_call_error(self, error: Any) -> CallError:
        code, details = error.code().name, error.details() or ""
        if code == "UNAVAILABLE":
            details = f"no server answers at {self.target} ({details})"
        elif code == "DEADLINE_EXCEEDED":
            details = f"no answer from {self.target} in time ({details})"
        return CallError(code, details)


def _check_timeout(timeout: float) -> None:
    if not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(
            f"timeout is {timeout!r}: expected seconds, more than 0; a call without a deadline may never end"
        )


def _spec(model: str, version: int | str | None = None, signature: str = "") -> pb.ModelSpec:
    spec = pb.ModelSpec(name=model, signature_name=signature)
    if isinstance(version, str):
        spec.version_label = version
    elif version is not None:
        spec.version.value = version
    return spec
