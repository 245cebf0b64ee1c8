"""inference.GRPCInferenceService: RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload."""

import asyncio

from serving.manager import State, VersionStatus
from serving.permitted_models import PermittedModels
from serving.protos import inference_pb2 as pb
from serving.services.inference.load_parameters import read_policy
from serving.services.messages import parse
from serving.status import Code, StatusError
from serving.transports.transport import Call

READY = "READY"
_STATES = {
    State.START: "UNAVAILABLE",
    State.LOADING: "LOADING",
    State.AVAILABLE: READY,
    State.UNLOADING: "UNLOADING",
    State.END: "UNAVAILABLE",
}
"""In Triton's words."""


class RepositoryService:
    """Answers serialized requests. Lives in one event loop; loading and unloading are done in threads."""

    def __init__(self, manager: PermittedModels) -> None:
        self._manager = manager

    async def index(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """List the models and their versions, those that are not served too. Raises StatusError."""
        request = parse(pb.RepositoryIndexRequest, message)
        _refuse_repository(request.repository_name)
        response = pb.RepositoryIndexResponse()
        for name in self._manager.models():
            statuses = self._manager.statuses(name)
            for status in reversed(statuses):
                if not request.ready or status.answers:
                    state = READY if status.answers else _STATES[status.state]
                    response.models.add(name=name, version=str(status.version), state=state, reason=_reason(status))
            known = {status.version for status in statuses}
            unknown = [version for version in self._manager.found(name) if version not in known]
            for version in unknown if not request.ready else ():
                response.models.add(name=name, version=str(version), state="UNAVAILABLE", reason="not loaded")
            if not statuses and not unknown and not request.ready:
                response.models.add(name=name)
        return response.SerializeToString()

    async def load(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002
        """Load a model, or what of it has changed; answers once it is ready.

        The parameter `config` may set which of its versions are served, as Triton's model configuration does: JSON with
        `version_policy`, and nothing else. Raises StatusError.
        """
        request = parse(pb.RepositoryModelLoadRequest, message)
        name = _model_of(request)
        policy = read_policy(request.parameters)
        await asyncio.to_thread(self._manager.load, name, policy)
        return pb.RepositoryModelLoadResponse(model_name=name, isLoaded=True).SerializeToString()

    async def unload(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002
        """Unload a model, whose requests that run finish; it stays so until it is loaded again. Raises StatusError."""
        name = _model_of(parse(pb.RepositoryModelUnloadRequest, message))
        await asyncio.to_thread(self._manager.unload, name)
        return pb.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True).SerializeToString()


def _reason(status: VersionStatus) -> str:
    if status.answers and status.state is not State.AVAILABLE:
        return "loaded on first use"
    return status.error or ("unloaded" if status.state is State.END else "")


def _model_of(request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest) -> str:
    """Return the model's name, which clients of KServe's write where those of Triton's write a repository's."""
    if not request.model_name:
        return request.repository_name
    _refuse_repository(request.repository_name)
    return request.model_name


def _refuse_repository(name: str) -> None:
    if name:
        raise StatusError(
            Code.UNIMPLEMENTED,
            "'repository_name' specification is not supported: this server has one repository, leave it empty",
            field="repository_name",
        )
