"""Protobuf messages as every service reads them."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from google.protobuf.message import DecodeError, Message

from serving.model_ref import ModelRef
from serving.offload import SMALL
from serving.payloads import Payload, read_tensors
from serving.protos import prediction_pb2 as pb
from serving.status import StatusError, invalid
from serving.texts import take_texts
from serving.wire_format import UnreadableError

M = TypeVar("M", bound=Message)


def parse(kind: type[M], message: bytes) -> M:
    """Read a request. Raises StatusError where the bytes are none."""
    try:
        return kind.FromString(message)
    except DecodeError:
        raise _not_a(kind) from None


def parse_tensors(kind: type[M], message: bytes, field: str) -> tuple[M, dict[str, Payload]]:
    """Read a request with a map of tensors, large payloads apart. Raises StatusError where the bytes are none."""
    try:
        return read_tensors(kind, message, field)
    except DecodeError:
        raise _not_a(kind) from None


def parse_without_texts(
    kind: type[M], message: bytes, paths: Sequence[Sequence[int]]
) -> tuple[M, list[list[list[bytes]]]]:
    """Read a request, the texts of some fields apart: the library would hold up others over very many.

    Args:
        kind: the type of the message.
        message: it, serialized.
        paths: of the fields, see `take_texts`.

    Returns:
        The request without the texts, and what `take_texts` found of each path. Nothing is found in a small message, or
        one that is written in an unusual way: it has its texts then.

    Raises:
        StatusError: the bytes are none, or have too many texts.
    """
    if len(message) > SMALL:
        rest, taken = message, []
        try:
            for path in paths:
                rest, found = take_texts(rest, path)
                taken.append(found)
            return parse(kind, rest), taken
        except UnreadableError:
            pass
    return parse(kind, message), [[] for _ in paths]


class HasModelSpec(Protocol):
    """A request of TensorFlow Serving's."""

    @property
    def model_spec(self) -> pb.ModelSpec:
        """Which model it is for."""
        ...

    def HasField(self, field_name: str, /) -> bool:  # noqa: N802 - protobuf's name
        """Tell whether it names one."""
        ...


def spec_of(request: HasModelSpec) -> pb.ModelSpec:
    """Return which model a request is for. Raises StatusError where it does not say."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec: set model_spec.name to the model's name", field="model_spec")
    return request.model_spec


def model_of(spec: pb.ModelSpec) -> ModelRef:
    """Return the model that a request of TensorFlow Serving's is for. Raises StatusError where it has no name."""
    if not spec.name:
        raise invalid(
            "ModelSpec has no name specified. Set model_spec.name to the model's name", field="model_spec.name"
        )
    return ModelRef(
        spec.name,
        version=spec.version.value if spec.HasField("version") else None,
        label=spec.version_label if spec.HasField("version_label") else None,
    )


def fill_spec(spec: pb.ModelSpec, model: str, version: int, signature: str) -> None:
    """Write what answered a request."""
    spec.name = model
    spec.version.value = version
    spec.signature_name = signature


def _not_a(kind: type[Message]) -> StatusError:
    return invalid(f"the request is not a {kind.DESCRIPTOR.name}: its bytes cannot be parsed")
