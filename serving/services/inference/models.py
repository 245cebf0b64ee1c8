"""inference.GRPCInferenceService: ServerLive, ServerReady, ServerMetadata, ModelReady, ModelMetadata and ModelConfig."""

import asyncio
import json
from collections.abc import Callable
from importlib.metadata import version as installed_version
from typing import Any

from serving.description import Description
from serving.engines.engine import SAVED_MODEL_PLATFORM
from serving.manager import State
from serving.model_ref import ModelRef
from serving.permitted_models import PermittedModels
from serving.protos import inference_pb2 as pb
from serving.repository import VersionPolicy
from serving.services.inference.faults import unknown_models_told
from serving.services.inference.request import SIGNATURE, model_of
from serving.services.inference.tensors import datatype_of
from serving.services.messages import parse
from serving.signature import DEFAULT_SIGNATURE, Signature, TensorSpec
from serving.status import Code, StatusError
from serving.transports.transport import Call
from serving.unknown_signature import UnknownSignatureError
from serving.wire import ENGINES

NAME = "keras-zoo"
EXTENSIONS = (
    "classification",
    "model_configuration",
    "model_repository",
    "parameters",
    "schedule_policy",
    "statistics",
)
"""Those of Triton's (docs/protocol of triton-inference-server/server) that this server answers."""
SIGNATURE_KEY = "zoo-signature"
"""Metadata, or a header: the signature that a client wants to be told of."""
_BACKENDS = {SAVED_MODEL_PLATFORM: ("tensorflow", "saved_model.pb"), "tflite": ("tflite", "model.tflite")}
"""By platform: what executes it, and the file that it is in."""


class ModelsService:
    """Answers serialized requests. Lives in one event loop."""

    def __init__(self, manager: PermittedModels, is_serving: Callable[[], bool], max_batch_rows: int) -> None:
        """Tell of a manager's models.

        Args:
            manager: knows the models.
            is_serving: whether the server has looked at all of its models once, and is not about to stop.
            max_batch_rows: the largest batch.
        """
        self._manager = manager
        self._is_serving = is_serving
        self._max_batch_rows = max_batch_rows

    async def server_live(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """Tell that the server answers."""
        parse(pb.ServerLiveRequest, message)
        return pb.ServerLiveResponse(live=True).SerializeToString()

    async def server_ready(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002
        """Tell whether every model has a version that answers, but for those that nobody wants to have one."""
        parse(pb.ServerReadyRequest, message)
        ready = self._is_serving() and all(map(self._is_as_wanted, self._manager.models()))
        return pb.ServerReadyResponse(ready=ready).SerializeToString()

    async def server_metadata(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002
        """Tell what this server is and can do."""
        parse(pb.ServerMetadataRequest, message)
        response = pb.ServerMetadataResponse(name=NAME, version=installed_version(NAME), extensions=EXTENSIONS)
        return response.SerializeToString()

    async def model_ready(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002
        """Tell whether a model answers; an unknown one does not. Raises StatusError on a version that is no number."""
        request = parse(pb.ModelReadyRequest, message)
        model = model_of(request.name, request.version)
        ready = self._ready_versions(model.name)
        found = bool(ready) if model.version is None else model.version in ready
        return pb.ModelReadyResponse(ready=found).SerializeToString()

    async def model_metadata(self, message: bytes, call: Call) -> bytes:
        """Tell a model's ready versions, and what one takes and gives. Raises StatusError."""
        request = parse(pb.ModelMetadataRequest, message)
        described, signature = await self._look_up(model_of(request.name, request.version), call)
        response = pb.ModelMetadataResponse(
            name=described.name,
            versions=map(str, self._ready_versions(described.name)),
            platform=described.platform,
        )
        for name, spec in signature.inputs.items():
            response.inputs.add(name=name, datatype=datatype_of(spec.dtype), shape=_dims(spec))
        for name, spec in signature.outputs.items():
            response.outputs.add(name=name, datatype=datatype_of(spec.dtype), shape=_dims(spec))
        return response.SerializeToString()

    async def model_config(self, message: bytes, call: Call) -> bytes:
        """Tell how a model is served. Raises StatusError."""
        request = parse(pb.ModelConfigRequest, message)
        described, signature = await self._look_up(model_of(request.name, request.version), call)
        batched = all(spec.is_batched for spec in (*signature.inputs.values(), *signature.outputs.values()))
        backend, file = _BACKENDS.get(described.platform, ("", ""))
        config = pb.ModelConfig(
            name=described.name,
            platform=described.platform,
            backend=backend,
            version_policy=_policy_message(self._manager.policy(described.name)),
            max_batch_size=self._max_batch_rows if batched else 0,
            default_model_filename=file,
        )
        config.parameters["signature_names"].string_value = ",".join(sorted(described.signatures))
        if described.engines:
            config.parameters[ENGINES].string_value = json.dumps(described.engines, sort_keys=True)
        for name, spec in signature.inputs.items():
            config.input.add(name=name, data_type=_data_type(spec), dims=_dims(spec)[batched:])
        for name, spec in signature.outputs.items():
            config.output.add(name=name, data_type=_data_type(spec), dims=_dims(spec)[batched:])
        return pb.ModelConfigResponse(config=config).SerializeToString()

    async def _look_up(self, model: ModelRef, call: Call) -> tuple[Description, Signature]:
        """Return a version, and its signature that the call is about: the messages have no field to name one in."""
        wanted = str(call.metadata.get(SIGNATURE_KEY, ""))
        with unknown_models_told(self._manager, model):
            described = await asyncio.to_thread(self._manager.describe, model)
        if wanted and wanted not in described.signatures:
            raise UnknownSignatureError(wanted, described.signatures)
        if not wanted and DEFAULT_SIGNATURE not in described.signatures:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"model '{described.name}' has no signature {DEFAULT_SIGNATURE!r}, which is what this protocol tells of "
                f"a model: choose one of {', '.join(sorted(described.signatures))} by the metadata or header "
                f"{SIGNATURE_KEY!r}, and by the parameter {SIGNATURE!r} of ModelInfer",
            )
        return described, described.signatures[wanted or DEFAULT_SIGNATURE]

    def _ready_versions(self, name: str) -> list[int]:
        return sorted(s.version for s in self._manager.statuses(name) if s.answers)

    def _is_as_wanted(self, name: str) -> bool:
        """Tell whether a model answers, loaded or not, or ended without an error: it was unloaded, or has no versions."""
        statuses = self._manager.statuses(name)
        if any(status.answers for status in statuses):
            return True
        return all(status.state is State.END and not status.error for status in statuses)


def _dims(spec: TensorSpec) -> list[int]:
    return [-1 if size is None else size for size in spec.shape or ()]


def _data_type(spec: TensorSpec) -> pb.DataType:
    name = datatype_of(spec.dtype)
    number: Any = pb.DataType.Value("TYPE_STRING" if name == "BYTES" else f"TYPE_{name}")
    return number


def _policy_message(policy: VersionPolicy) -> pb.ModelVersionPolicy:
    if policy.specific:
        return pb.ModelVersionPolicy(specific=pb.ModelVersionPolicy.Specific(versions=sorted(policy.specific)))
    if policy.latest is None:
        return pb.ModelVersionPolicy(all=pb.ModelVersionPolicy.All())
    return pb.ModelVersionPolicy(latest=pb.ModelVersionPolicy.Latest(num_versions=policy.latest))
