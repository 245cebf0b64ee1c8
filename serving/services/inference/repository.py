"""inference.GRPCInferenceService: RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload."""

import asyncio
from collections.abc import Iterable

from serving.manager import Manager, State, VersionStatus
from serving.protos import inference_pb2 as pb
from serving.services.messages import parse
from serving.status import Code, StatusError, invalid
from serving.transports.transport import Call

_STATES = {
    State.START: "UNAVAILABLE",
    State.LOADING: "LOADING",
    State.AVAILABLE: "READY",
    State.UNLOADING: "UNLOADING",
    State.END: "UNAVAILABLE",
}
"""In Triton's words."""


class RepositoryService:
    """Answers serialized requests. Lives in one event loop; loading and unloading are done in threads."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def index(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002 - every handler takes both
        """List the models, and the versions of them that this server has dealt with. Raises StatusError."""
        request = parse(pb.RepositoryIndexRequest, message)
        _refuse_repository(request.repository_name)
        response = pb.RepositoryIndexResponse()
        for name in self._manager.models():
            statuses = self._manager.statuses(name)
            for status in reversed(statuses):
                if not request.ready or status.state is State.AVAILABLE:
                    response.models.add(
                        name=name, version=str(status.version), state=_STATES[status.state], reason=_reason(status)
                    )
            if not statuses and not request.ready:
                response.models.add(name=name)
        return response.SerializeToString()

    async def load(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002
        """Load a model, or what of it has changed; answers once it is ready. Raises StatusError."""
        request = parse(pb.RepositoryModelLoadRequest, message)
        name = _model_of(request)
        _refuse_overrides(request.parameters)
        await asyncio.to_thread(self._manager.load, name)
        return pb.RepositoryModelLoadResponse(model_name=name, isLoaded=True).SerializeToString()

    async def unload(self, message: bytes, call: Call) -> bytes:  # noqa: ARG002
        """Unload a model, whose requests that run finish; it stays so until it is loaded again. Raises StatusError."""
        name = _model_of(parse(pb.RepositoryModelUnloadRequest, message))
        await asyncio.to_thread(self._manager.unload, name)
        return pb.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True).SerializeToString()


def _reason(status: VersionStatus) -> str:
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


def _refuse_overrides(parameters: Iterable[str]) -> None:
    for name in parameters:
        field = f'parameters["{name}"]'
        if name == "config" or name.startswith("file:"):
            raise StatusError(
                Code.UNIMPLEMENTED,
                f"load parameter '{name[:80]}' is not supported: this server serves what lies in its repository, as it was "
                "exported; put the model there and load it without parameters",
                field=field,
            )
        raise invalid(f"unrecognized load parameter '{name[:80]}'.", field=field)
