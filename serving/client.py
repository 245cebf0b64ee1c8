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

from serving.call_error import CallError, to_call_error
from serving.coalescing import Ask, Coalescer
from serving.predict_sender import PredictSender, model_spec
from serving.protos import prediction_pb2 as pb
from serving.signature import DEFAULT_SIGNATURE, Signature, to_signatures
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
from zoo.errors import did_you_mean

_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_METADATA = ((CONTENT_KEY, "1"),)

M = TypeVar("M", bound=Message)


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
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        coalesce_rows: int | None = None,
    ) -> None:
        """Prepare a connection; it is made by the first call.

        Args:
            target: `host:port`.
            credentials: TLS, from `grpc.ssl_channel_credentials`; None for plain text.
            token: sent with every call, where the server asks for one. Without TLS, others can read it on the way.
            coalesce_rows: have threads that `predict` the same of one model at the same time share requests, of at most so
                many rows; each gets its own rows back. A thread that finds no such request on its way sends at once, and
                those that come meanwhile go together when it has ended. For models that answer each row by itself, and
                not more rows than the server takes in one request. None: every call is a request.

        Raises:
            CallError: the token cannot be sent.
            ValueError: coalesce_rows is below 2.
        """
        if coalesce_rows is not None and coalesce_rows < 2:
            raise ValueError(
                f"coalesce_rows is {coalesce_rows}: expected the rows of a shared request, 2 or more, or None"
            )
        if token is not None and not (token.isascii() and token.isprintable()):
            raise CallError("UNAUTHENTICATED", "the token holds a line end, or what is no ASCII: it cannot be sent")
        self.target = target
        self._metadata = (*_METADATA, *((("authorization", f"Bearer {token}"),) if token is not None else ()))
        if credentials is None:
            self._channel = grpc.insecure_channel(target, options=_UNLIMITED)
        else:
            self._channel = grpc.secure_channel(target, credentials, options=_UNLIMITED)
        self._signatures: dict[tuple[str, int | str | None], Mapping[str, Signature]] = {}
        self._methods: dict[str, grpc.UnaryUnaryMultiCallable] = {}
        sender = PredictSender(self._method(PREDICT), self._metadata, target=target, signature_of=self._signature)
        self._ask = sender.ask if coalesce_rows is None else Coalescer(sender, coalesce_rows).ask

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
        _check_timeout(timeout)
        tensors = {name: np.asarray(array) for name, array in arrays.items()}
        return self._ask(Ask(model, version, signature, tuple(outputs), tensors), timeout)

    def signatures(self, model: str, *, timeout: float, version: int | str | None = None) -> dict[str, Signature]:
        """Tell what a model takes and gives, by signature name. Raises CallError."""
        request = pb.GetModelMetadataRequest(
            model_spec=model_spec(model, version), metadata_field=[SIGNATURE_DEF_FIELD]
        )
        response = self.call(GET_MODEL_METADATA, request, pb.GetModelMetadataResponse, timeout)
        return to_signatures(pb.SignatureDefMap.FromString(response.metadata[SIGNATURE_DEF_FIELD].value))

    def passport(self, model: str, *, timeout: float, version: int | str | None = None) -> dict[str, Any]:
        """Tell what an artifact's passport says: config, data, metrics, sizes, ... Raises CallError where it has none."""
        import json

        request = pb.GetModelMetadataRequest(model_spec=model_spec(model, version), metadata_field=[PASSPORT_FIELD])
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
        request = pb.GetModelStatusRequest(model_spec=model_spec(model))
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
            raise to_call_error(error, self.target) from None
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
        names = list(self._signature(model, version, signature, timeout).inputs)
        if len(names) != 1:
            raise CallError("INVALID_ARGUMENT", f"{model} takes {len(names)} inputs, give a dict of {', '.join(names)}")
        return names[0]

    def _signature(self, model: str, version: int | str | None, signature: str, timeout: float) -> Signature:
        """Return a signature, asked for once."""
        key = (model, version)
        if key not in self._signatures:
            self._signatures[key] = self.signatures(model, timeout=timeout, version=version)
        known = self._signatures[key]
        chosen = signature or DEFAULT_SIGNATURE
        if chosen not in known:
            raise CallError("INVALID_ARGUMENT", f"{model} has no signature {chosen!r}; {did_you_mean(chosen, known)}")
        return known[chosen]

    def call(self, path: str, request: Message, kind: type[M], timeout: float) -> M:
        """Call any unary method, `/package.Service/Method`, with a message of its. Raises CallError."""
        return kind.FromString(self._call(path, request.SerializeToString(), timeout))

    def _call(self, path: str, request: bytes, timeout: float) -> bytes:
        _check_timeout(timeout)
        try:
            reply: bytes = self._method(path)(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise to_call_error(error, self.target) from None
        return reply

    def _method(self, path: str) -> grpc.UnaryUnaryMultiCallable:
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = self._channel.unary_unary(path)
        return method


def _check_timeout(timeout: float) -> None:
    if not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(
            f"timeout is {timeout!r}: expected seconds, more than 0; a call without a deadline may never end"
        )
