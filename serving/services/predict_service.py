"""tensorflow.serving.PredictionService: Predict and GetModelMetadata."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message
from google.protobuf.wrappers_pb2 import StringValue

from serving.codec import CodecError, decode, decoded_size, encode, read_spec
from serving.manager import Manager
from serving.protos import prediction_pb2 as pb
from serving.protos.tensor_pb2 import TensorProto
from serving.servable import Servable
from serving.signature import TensorSpec
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Call
from serving.wire import CONTENT_KEY, PASSPORT_FIELD, PASSPORT_TYPE, SIGNATURE_DEF_FIELD, SIGNATURE_DEF_TYPE

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Limits:
    """What one request may take."""

    max_message_bytes: int
    """Of its inputs once decoded, and of its outputs."""
    max_batch_rows: int
    allow_unknown_rank: bool = False


class PredictService:
    """Answers serialized requests. Any number of threads may call it at once."""

    def __init__(self, manager: Manager, limits: Limits) -> None:
        self._manager = manager
        self._limits = limits

    def predict(self, message: bytes, call: Call) -> bytes:
        """Run a servable's signature on the inputs of a PredictRequest. Raises StatusError."""
        request = parse(pb.PredictRequest, message)
        with self._manager.lease(*model_of(request.model_spec)) as servable:
            signature = servable.signature(request.model_spec.signature_name)
            wanted = signature.choose_outputs(list(request.output_filter))
            # Contents are read only once names, dtypes and shapes are right: a kilobyte can ask for gigabytes.
            signature.check(
                _specs(request.inputs),
                max_rows=self._limits.max_batch_rows,
                allow_unknown_rank=self._limits.allow_unknown_rank,
            )
            outputs = servable.engine.run(signature.name, self._decode(request.inputs))
        signature.check_outputs({name: TensorSpec.of(array) for name, array in outputs.items()})
        self._check_size({name: outputs[name] for name in wanted})
        response = pb.PredictResponse()
        _fill_spec(response.model_spec, servable, signature.name)
        as_content = CONTENT_KEY in call.metadata
        for name in wanted:
            response.outputs[name].CopyFrom(encode(outputs[name], as_content=as_content))
        return response.SerializeToString()

    def get_model_metadata(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell the signatures of a servable, and its passport where that is asked for. Raises StatusError."""
        request = parse(pb.GetModelMetadataRequest, message)
        known = f"known: {', '.join(_METADATA)}"
        if not request.metadata_field:
            raise invalid(f"GetModelMetadataRequest must specify at least one metadata_field; {known}")
        for field in request.metadata_field:
            if field not in _METADATA:
                raise invalid(f"Metadata field {field!r} is not supported; {known}")
        response = pb.GetModelMetadataResponse()
        with self._manager.lease(*model_of(request.model_spec)) as servable:
            _fill_spec(response.model_spec, servable, "")
            for field in request.metadata_field:
                metadata = response.metadata[field]
                metadata.type_url, content = _METADATA[field]
                metadata.value = content(servable)
        return response.SerializeToString()

    def _decode(self, inputs: Mapping[str, TensorProto]) -> dict[str, np.ndarray]:
        left = self._limits.max_message_bytes
        arrays = {}
        for name, proto in inputs.items():
            with _faults_named(name):
                arrays[name] = decode(proto, max_bytes=left)
                left -= decoded_size(proto)
        return arrays

    def _check_size(self, outputs: Mapping[str, np.ndarray]) -> None:
        size, limit = sum(array.nbytes for array in outputs.values()), self._limits.max_message_bytes
        if size > limit:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f"the answer takes {size} bytes, this server's limit is {limit}: send fewer rows, ask for fewer outputs, "
                "or start the server with a larger --max_message_bytes",
            )


def _specs(inputs: Mapping[str, TensorProto]) -> dict[str, TensorSpec]:
    specs = {}
    for name, proto in inputs.items():
        with _faults_named(name):
            specs[name] = TensorSpec(*read_spec(proto))
    return specs


@contextlib.contextmanager
def _faults_named(name: str) -> Iterator[None]:
    try:
        yield
    except CodecError as error:
        raise invalid(f"input {name!r}: {error}") from None


def parse(kind: type[M], message: bytes) -> M:
    """Read a request. Raises StatusError where the bytes are none."""
    try:
        return kind.FromString(message)
    except DecodeError:
        raise invalid(f"the request is not a {kind.DESCRIPTOR.name}: its bytes cannot be parsed") from None


def model_of(spec: pb.ModelSpec) -> tuple[str, int | None]:
    """Return the model and the version, if any, that a request is for. Raises StatusError where it names no model."""
    if not spec.name:
        raise invalid("Missing ModelSpec: set model_spec.name to the model's name")
    if spec.HasField("version_label"):
        raise invalid(
            f"Unrecognized servable version label: {spec.version_label!r}; this server has no labels, give a version"
        )
    return spec.name, spec.version.value if spec.HasField("version") else None


def _fill_spec(spec: pb.ModelSpec, servable: Servable, signature: str) -> None:
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature


def _signatures(servable: Servable) -> bytes:
    return servable.signature_defs.SerializeToString()


def _passport(servable: Servable) -> bytes:
    if servable.passport is None:
        raise StatusError(
            Code.NOT_FOUND,
            f"version {servable.version} of {servable.name!r} has no passport: ask for {SIGNATURE_DEF_FIELD!r}",
        )
    return StringValue(value=servable.passport).SerializeToString()


_METADATA: Mapping[str, tuple[str, Callable[[Servable], bytes]]] = {
    SIGNATURE_DEF_FIELD: (SIGNATURE_DEF_TYPE, _signatures),
    PASSPORT_FIELD: (PASSPORT_TYPE, _passport),
}
"""By field that can be asked for: the type of what it holds, and how that is made."""
