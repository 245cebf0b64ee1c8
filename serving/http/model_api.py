"""TensorFlow Serving's REST API: the status and the metadata of a model, as its gRPC services tell them.

Source: tensorflow_serving/g3doc/api_rest.md and model_servers/http_rest_api_util.cc.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import code_pb2

from serving.http.call import HttpCall
from serving.http.json_text import write
from serving.http.model_names import model_in_path
from serving.model_ref import ModelRef
from serving.protos import prediction_pb2 as pb
from serving.status import invalid
from serving.transports.transport import Call
from serving.wire import SIGNATURE_DEF_FIELD

Service = Callable[[bytes, Call], Awaitable[bytes]]


class ModelApi:
    """Asks the services of gRPC in the words of HTTP. Lives in one event loop."""

    def __init__(self, get_model_status: Service, get_model_metadata: Service) -> None:
        self._get_model_status = get_model_status
        self._get_model_metadata = get_model_metadata

    async def nameless(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002 - every handler takes both
        """Refuse a path without a model's name, as TensorFlow Serving does."""
        raise invalid("Missing model name in request.")

    async def status(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell the state of one or all versions of a model. Raises StatusError."""
        request = pb.GetModelStatusRequest(model_spec=spec_of(model_in_path(call)))
        answer = pb.GetModelStatusResponse.FromString(await self._get_model_status(request.SerializeToString(), call))
        found = []
        for line in answer.model_version_status:
            status = {
                "error_code": code_pb2.Code.Name(line.status.error_code),
                "error_message": line.status.error_message,
            }
            state = pb.ModelVersionStatus.State.Name(line.state)
            found.append({"version": str(line.version), "state": state, "status": status})
        return write({"model_version_status": found})

    async def metadata(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell the signatures of a model. Raises StatusError."""
        request = pb.GetModelMetadataRequest(
            model_spec=spec_of(model_in_path(call)), metadata_field=[SIGNATURE_DEF_FIELD]
        )
        message = await self._get_model_metadata(request.SerializeToString(), call)
        answer = pb.GetModelMetadataResponse.FromString(message)
        signatures = pb.SignatureDefMap.FromString(answer.metadata[SIGNATURE_DEF_FIELD].value)
        return write(
            {"model_spec": _as_json(answer.model_spec), "metadata": {SIGNATURE_DEF_FIELD: _as_json(signatures)}}
        )


def spec_of(model: ModelRef) -> pb.ModelSpec:
    """Return a model as the messages of TensorFlow Serving name it."""
    spec = pb.ModelSpec(name=model.name)
    if model.version is not None:
        spec.version.value = model.version
    elif model.label is not None:
        spec.version_label = model.label
    return spec


def _as_json(message: Message) -> dict[str, Any]:
    """Return a message as TensorFlow Serving writes it: the names of the .proto file, and what is empty too."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
