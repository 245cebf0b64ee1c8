"""Says what a server serves, from afar: over the repository calls of the Open Inference Protocol, which Triton knows too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from serving.call_error import CallError
from serving.client import Client
from serving.protos import inference_pb2 as pb
from serving.wire import ENGINES, MODEL_CONFIG, REPOSITORY_INDEX, REPOSITORY_MODEL_LOAD, REPOSITORY_MODEL_UNLOAD
from zoo.errors import did_you_mean

READY = "READY"


@dataclass(frozen=True)
class RepositoryLine:
    """One version in a server's repository."""

    model: str
    version: int | None
    """None of a model without versions."""
    state: str
    """`READY`, `LOADING`, `UNLOADING` or `UNAVAILABLE`."""
    reason: str = ""


class RemoteControl:
    """Loads, unloads, promotes and rolls back.

    Every method takes seconds after which the caller gives up, though the server goes on, and raises CallError: the server
    refused, failed, could not be reached, or did not answer in time.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def index(self, *, timeout: float) -> list[RepositoryLine]:
        """List the models and their versions, by name and number."""
        response = self._client.call(REPOSITORY_INDEX, pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse, timeout)
        lines = [
            RepositoryLine(each.name, int(each.version) if each.version else None, each.state, each.reason)
            for each in response.models
        ]
        return sorted(lines, key=lambda line: (line.model, line.version or 0))

    def engines(self, model: str, version: int, *, timeout: float) -> Mapping[str, str]:
        """Return what runs each signature of a version that answers, in words; empty where the server does not say."""
        request = pb.ModelConfigRequest(name=model, version=str(version))
        try:
            response = self._client.call(MODEL_CONFIG, request, pb.ModelConfigResponse, timeout)
        except CallError as error:
            if error.code in {"FAILED_PRECONDITION", "NOT_FOUND"}:  # no signature to tell of; not served any more
                return {}
            raise
        said = response.config.parameters[ENGINES].string_value
        return json.loads(said) if said else {}

    def load(self, model: str, *, timeout: float, version: int | None = None) -> None:
        """Load a model, or what of it has changed; answers once it is ready.

        Args:
            model: its name.
            version: the one to serve in place of those that are served, until the model is loaded without one; None for
                what the server's own policy says.
            timeout: seconds.
        """
        request = pb.RepositoryModelLoadRequest(model_name=model)
        if version is not None:
            policy = {"version_policy": {"specific": {"versions": [version]}}}
            request.parameters["config"].string_param = json.dumps(policy)
        self._client.call(REPOSITORY_MODEL_LOAD, request, pb.RepositoryModelLoadResponse, timeout)

    def unload(self, model: str, *, timeout: float) -> None:
        """Unload a model; the requests that run finish. It stays so until it is loaded again."""
        request = pb.RepositoryModelUnloadRequest(model_name=model)
        self._client.call(REPOSITORY_MODEL_UNLOAD, request, pb.RepositoryModelUnloadResponse, timeout)

    def promote(self, model: str, version: int | None = None, *, timeout: float) -> int:
        """Serve one version in place of those that are served: the newest there is, where none is named. Returns it.

        The one that answers keeps answering until the other one is ready; where that cannot be loaded, nothing changes.
        """
        if version is None:
            version = max(self._versions(model, timeout), default=None)
            if version is None:
                raise CallError("NOT_FOUND", f"{model} has no version to promote: see `zoo models list`")
        self.load(model, version=version, timeout=timeout)
        return version

    def rollback(self, model: str, *, timeout: float) -> int:
        """Serve the version before the one that answers. Returns it."""
        versions = self._versions(model, timeout)
        ready = [version for version, state in versions.items() if state == READY]
        current = max(ready, default=None)
        before = max((version for version in versions if current is not None and version < current), default=None)
        if before is None:
            known = ", ".join(map(str, versions)) or "none"
            answers = "no version of it answers" if current is None else f"version {current} answers"
            raise CallError(
                "FAILED_PRECONDITION", f"{model} has nothing to go back to: {answers}, its versions are {known}"
            )
        self.load(model, version=before, timeout=timeout)
        return before

    def _versions(self, model: str, timeout: float) -> dict[int, str]:
        """Return the states of a model's versions by number, the oldest first. Raises CallError on an unknown model."""
        lines = self.index(timeout=timeout)
        known = {line.model for line in lines}
        if model not in known:
            raise CallError("NOT_FOUND", f"there is no model {model!r}; {did_you_mean(model, known)}")
        return {line.version: line.state for line in lines if line.model == model and line.version is not None}
