"""Protobuf messages as every service reads them."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from serving.model_ref import ModelRef
from serving.protos import prediction_pb2 as pb
from serving.status import invalid

M = TypeVar("M", bound=Message)


def parse(kind: type[M], message: bytes) -> M:
    """Read a request. Raises StatusError where the bytes are none."""
    try:
        return kind.FromString(message)
    except DecodeError:
        raise invalid(f"the request is not a {kind.DESCRIPTOR.name}: its bytes cannot be parsed") from None


def model_of(spec: pb.ModelSpec) -> ModelRef:
    """Return the model that a request of TensorFlow Serving's is for. Raises StatusError where it names none."""
    if not spec.name:
        raise invalid("Missing ModelSpec: set model_spec.name to the model's name", field="model_spec.name")
    return ModelRef(
        spec.name,
        version=spec.version.value if spec.HasField("version") else None,
        label=spec.version_label if spec.HasField("version_label") else None,
    )
