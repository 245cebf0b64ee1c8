"""tensorflow.serving.PredictionService: Predict and GetModelMetadata."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from google.protobuf.wrappers_pb2 import StringValue

from serving.codec import decode, decoded_size, encode, read_spec
from serving.manager import Manager
from serving.offload import Offload
from serving.predictor import Answer, Predictor, Query
from serving.protos import prediction_pb2 as pb
from serving.protos.tensor_pb2 import TensorProto
from serving.servable import Servable
from serving.services.messages import model_of, parse
from serving.signature import TensorSpec
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Call
from serving.wire import CONTENT_KEY, PASSPORT_FIELD, PASSPORT_TYPE, SIGNATURE_DEF_FIELD, SIGNATURE_DEF_TYPE


@dataclass(frozen=True)
class ProtoSource:
    """An input as TensorProto; see `serving.predictor.Source`."""

    proto: TensorProto

    @property
    def spec(self) -> TensorSpec:
        """See Source."""
        return TensorSpec(*read_spec(self.proto))

    @property
    def nbytes(self) -> int:
        """See Source."""
        return decoded_size(self.proto)

    def read(self, max_bytes: int) -> np.ndarray:
        """See Source."""
        return decode(self.proto, max_bytes=max_bytes)


class PredictService:
    """Answers serialized requests. Lives in one event loop."""

    def __init__(self, manager: Manager, predictor: Predictor, offload: Offload) -> None:
        self._manager = manager
        self._predictor = predictor
        self._offload = offload

    async def predict(self, message: bytes, call: Call) -> bytes:
        """Run a servable's signature on the inputs of a PredictRequest. Raises StatusError."""
        request = await self._offload.run(len(message), lambda: parse(pb.PredictRequest, message))
        query = Query(
            model_of(request.model_spec),
            {name: ProtoSource(proto) for name, proto in request.inputs.items()},
            request.model_spec.signature_name,
            request.output_filter,
        )
        answer = await self._predictor.answer(query, call)
        as_content = CONTENT_KEY in call.metadata
        with call.record.timed("encode"):
            size = sum(array.nbytes for array in answer.outputs.values())
            return await self._offload.run(size, lambda: _response(answer, as_content=as_content))

    async def get_model_metadata(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell the signatures of a servable, and its passport where that is asked for. Raises StatusError."""
        request = parse(pb.GetModelMetadataRequest, message)
        known = f"known: {', '.join(_METADATA)}"
        if not request.metadata_field:
            raise invalid(f"GetModelMetadataRequest must specify at least one metadata_field; {known}")
        for field in request.metadata_field:
            if field not in _METADATA:
                raise invalid(f"Metadata field {field!r} is not supported; {known}", field="metadata_field")
        response = pb.GetModelMetadataResponse()
        with self._manager.lease(model_of(request.model_spec)) as servable:
            _fill_spec(response.model_spec, servable.name, servable.version, "")
            for field in request.metadata_field:
                metadata = response.metadata[field]
                metadata.type_url, content = _METADATA[field]
                metadata.value = content(servable)
        return response.SerializeToString()


def _response(answer: Answer, *, as_content: bool) -> bytes:
    response = pb.PredictResponse()
    _fill_spec(response.model_spec, answer.model, answer.version, answer.signature.name)
    for name, array in answer.outputs.items():
        response.outputs[name].CopyFrom(encode(array, as_content=as_content))
    return response.SerializeToString()


def _fill_spec(spec: pb.ModelSpec, model: str, version: int, signature: str) -> None:
    spec.name = model
    spec.version.value = version
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
