"""The Open Inference Protocol v2 over HTTP, as its gRPC service answers it.

Source: KServe's inference_rest.md; docs/protocol of triton-inference-server/server for its extensions. Model repository,
statistics, configuration and classification are among them.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from serving.http.call import HttpCall
from serving.http.infer_body import LENGTH_HEADER, Wanted, read_request, write_response
from serving.http.json_text import parse_object, show, write
from serving.offload import Offload
from serving.protos import inference_pb2 as pb
from serving.status import Code, StatusError, invalid
from serving.transports.transport import UnaryHandler

_BINARY = "application/octet-stream"
_MOST_PARAMETERS = 100
_TEXTS = {"name", "version", "string_value", "default_model_filename"}


class InferenceApi:
    """Asks the methods of gRPC in the words of HTTP. Lives in one event loop."""

    def __init__(self, methods: Mapping[str, UnaryHandler], offload: Offload, *, max_bytes: int) -> None:
        """Use the methods of inference.GRPCInferenceService, by name, `ModelInfer`."""
        self._methods = methods
        self._offload = offload
        self._max_bytes = max_bytes

    async def live(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell that the server answers."""
        answer = pb.ServerLiveResponse.FromString(await self._ask("ServerLive", pb.ServerLiveRequest(), call))
        return write({"live": answer.live})

    async def ready(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell that every model answers. Raises StatusError, UNAVAILABLE, where one does not."""
        answer = pb.ServerReadyResponse.FromString(await self._ask("ServerReady", pb.ServerReadyRequest(), call))
        if not answer.ready:
            raise StatusError(
                Code.UNAVAILABLE, "the server is not ready: not every model answers yet, or it is stopping"
            )
        return write({"ready": True})

    async def server(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell what this server is and can do."""
        message = await self._ask("ServerMetadata", pb.ServerMetadataRequest(), call)
        answer = pb.ServerMetadataResponse.FromString(message)
        extensions = [*answer.extensions, *({"binary_tensor_data"} - set(answer.extensions))]
        return write({"name": answer.name, "version": answer.version, "extensions": extensions})

    async def model_ready(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell that a model answers. Raises StatusError where it does not."""
        name, version = _model(call)
        message = await self._ask("ModelReady", pb.ModelReadyRequest(name=name, version=version), call)
        if not pb.ModelReadyResponse.FromString(message).ready:
            which = f"version {version} of {name!r}" if version else repr(name)
            raise StatusError(Code.NOT_FOUND, f"{which} does not answer: it is not there, or not loaded")
        return write({"name": name, "ready": True})

    async def model(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell a model's versions, and what it takes and gives. Raises StatusError."""
        name, version = _model(call)
        message = await self._ask("ModelMetadata", pb.ModelMetadataRequest(name=name, version=version), call)
        answer = pb.ModelMetadataResponse.FromString(message)
        tensors = {
            side: [{"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in found]
            for side, found in (("inputs", answer.inputs), ("outputs", answer.outputs))
        }
        return write({"name": answer.name, "versions": list(answer.versions), "platform": answer.platform, **tensors})

    async def config(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell how a model is served. Raises StatusError."""
        name, version = _model(call)
        message = await self._ask("ModelConfig", pb.ModelConfigRequest(name=name, version=version), call)
        return write(_as_json(pb.ModelConfigResponse.FromString(message).config))

    async def statistics(self, body: bytes, call: HttpCall) -> bytes:  # noqa: ARG002
        """Tell what became of the inferences of one or all models. Raises StatusError."""
        name, version = _model(call)
        message = await self._ask("ModelStatistics", pb.ModelStatisticsRequest(name=name, version=version), call)
        return write(_as_json(pb.ModelStatisticsResponse.FromString(message)))

    async def infer(self, body: bytes, call: HttpCall) -> bytes:
        """Run a model on the inputs of a request, which may be JSON or binary, as its outputs may. Raises StatusError."""
        name, version = _model(call)
        request = pb.ModelInferRequest(model_name=name, model_version=version)
        length = call.header(LENGTH_HEADER)

        def read() -> tuple[bytes, Wanted]:
            wanted = read_request(body, length, request, max_bytes=self._max_bytes)
            return request.SerializeToString(), wanted

        with call.record.timed("decode"):
            question, wanted = await self._offload.run(len(body), read)
        message = await self._methods["ModelInfer"](question, call)
        with call.record.timed("encode"):
            answer, json_bytes = await self._offload.run(
                len(message), lambda: write_response(message, wanted, max_bytes=self._max_bytes)
            )
        if json_bytes is not None:
            call.trailing[LENGTH_HEADER] = str(json_bytes)
            call.content_type = _BINARY
        return answer

    async def index(self, body: bytes, call: HttpCall) -> bytes:
        """List the models and their versions. Raises StatusError."""
        document = await self._document(body)
        ready = document.get("ready", False)
        if not isinstance(ready, bool):
            raise invalid(f"'ready' must be true or false, got {show(ready)}", field="ready")
        message = await self._ask("RepositoryIndex", pb.RepositoryIndexRequest(ready=ready), call)
        models = pb.RepositoryIndexResponse.FromString(message).models
        return write([_without_empty(each) for each in models])

    async def load(self, body: bytes, call: HttpCall) -> bytes:
        """Load a model, or what of it has changed; answers once it is ready. Raises StatusError."""
        _refuse_web_pages(call)
        request = pb.RepositoryModelLoadRequest(model_name=call.parameters["model"])
        parameters = await self._parameters(body)
        if len(parameters) > _MOST_PARAMETERS:
            raise invalid(f"{len(parameters)} parameters: a load has {_MOST_PARAMETERS} at most", field="parameters")
        for name, value in parameters.items():
            request.parameters[name].string_param = value if isinstance(value, str) else show(value)
        await self._ask("RepositoryModelLoad", request, call)
        return b"{}"

    async def unload(self, body: bytes, call: HttpCall) -> bytes:
        """Unload a model. Raises StatusError."""
        _refuse_web_pages(call)
        await self._parameters(body)
        await self._ask(
            "RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name=call.parameters["model"]), call
        )
        return b"{}"

    async def _document(self, body: bytes) -> dict[str, Any]:
        """Return what a body says, which may be nothing."""
        if not body.strip():
            return {}
        return await self._offload.run(len(body), lambda: parse_object(body, max_bytes=self._max_bytes))

    async def _parameters(self, body: bytes) -> dict[str, Any]:
        document = await self._document(body)
        parameters = document.get("parameters", {})
        if not isinstance(parameters, dict):
            raise invalid(f"'parameters' must be an object, got {show(parameters)}", field="parameters")
        return parameters

    async def _ask(self, method: str, request: Message, call: HttpCall) -> bytes:
        return await self._methods[method](request.SerializeToString(), call)


def _refuse_web_pages(call: HttpCall) -> None:
    """Refuse what a browser sends for a page: any page that an operator looks at may post to this machine unseen."""
    if call.header("origin"):
        raise StatusError(
            Code.PERMISSION_DENIED, "a web page (header Origin) may not say what is served: ask with another program"
        )


def _model(call: HttpCall) -> tuple[str, str]:
    return call.parameters.get("model", ""), call.parameters.get("version", "")


def _as_json(message: Message) -> Any:
    return _with_numbers(
        MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    )


def _with_numbers(value: Any, key: str = "") -> Any:
    """Return what protobuf's JSON writes as text, which are 64-bit integers, as numbers: Triton does."""
    if isinstance(value, dict):
        return {name: _with_numbers(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_numbers(inner, key) for inner in value]
    if isinstance(value, str) and key not in _TEXTS and value.removeprefix("-").isdigit():
        return int(value)
    return value


def _without_empty(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)
